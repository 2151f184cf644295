"""Labels with parts (boxes, tags, masks) as one class each: what a map is coloured by, and samples are sorted by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

NOTHING = "(nothing)"
"""The class of a label without parts."""


def main_parts(labels: Iterable[str], parts: Callable[[str], Sequence[str]]) -> list[str]:
    """Return the most frequent class of each label; of several as frequent the rarest, which says most.

    Every mask has a background: what else is on it tells masks apart.

    Examples
    --------
    >>> main_parts(["sky", "sky bird", "sky sky bird", ""], str.split)
    ['sky', 'bird', 'sky', '(nothing)']
    """
    held: list[tuple[str, ...]] = []
    known: dict[tuple[str, ...], tuple[str, ...]] = {}
    labelled: Counter[str] = Counter()
    for label in labels:
        counts = Counter(parts(label))
        most = max(counts.values(), default=0)
        first = tuple(sorted(name for name, count in counts.items() if count == most))
        held.append(known.setdefault(first, first))
        labelled.update(counts.keys())
    return [min(each, key=lambda name: (labelled[name], name)) if each else NOTHING for each in held]
