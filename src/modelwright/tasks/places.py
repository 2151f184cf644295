"""Places of features that stand in one row, by what makes them."""

from __future__ import annotations

from collections.abc import Mapping


def runs(widths: Mapping[str, int], start: int = 0) -> dict[str, list[int]]:
    """Return the places of each name's features, one name after the other; names without any are left out.

    Examples
    --------
    >>> runs({"a": 2, "b": 0, "c": 1}, 5)
    {'a': [5, 6], 'c': [7]}
    """
    made = {}
    for name, width in widths.items():
        if width:
            made[name] = list(range(start, start + width))
        start += width
    return made
