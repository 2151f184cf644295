"""The names in a table's header, the same wherever the table is read."""

from __future__ import annotations

from collections.abc import Sequence


def distinct(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the names with ``.2``, ``.3`` … added to repeated ones, and the names that were repeated.

    Examples
    --------
    >>> distinct(["a", "b", "a", "a.2"])
    (['a', 'b', 'a.3', 'a.2'], ['a'])
    """
    used: dict[str, int] = {}
    taken = set(names)
    made: list[str] = []
    for name in names:
        used[name] = used.get(name, 0) + 1
        fresh = name
        while used[name] > 1 and fresh in taken:
            fresh = f"{name}.{used[name]}"
            if fresh in taken:
                used[name] += 1
        taken.add(fresh)
        made.append(fresh)
    return made, [name for name, count in used.items() if count > 1]
