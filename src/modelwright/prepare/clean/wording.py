"""Labels in words, for messages: a mask's JSON tells a person nothing."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

_MOST = 6
_MASKS_APART = 0.1
_BOXES_APART = 0.2


def words(label: Any, kind: str) -> str:
    """Return a label as a person would say it.

    Parameters
    ----------
    label
        As a target read it.
    kind
        The target's ``label_kind``.

    Examples
    --------
    >>> words('[{"class":"cat"},{"class":"cat"},{"class":"dog"}]', "structured"), words('["a","b"]', "structured")
    ('2 cat, 1 dog', 'a, b')
    >>> words('{"classes":{"hole":25,"rest":75}}', "structured"), words("[]", "structured"), words("x", "class")
    ('25.0 % hole, 75.0 % rest', 'nothing', 'x')
    """
    if kind != "structured" or not isinstance(label, str):
        return str(label)
    found = json.loads(label)
    if isinstance(found, dict):
        counts = found.get("classes", {})
        total = max(sum(counts.values()), 1)
        parts = [f"{100 * count / total:.1f} % {name}" for name, count in sorted(counts.items())]
    elif all(isinstance(part, str) for part in found):
        parts = list(found)
    else:
        parts = [f"{count} {name}" for name, count in sorted(Counter(part["class"] for part in found).items())]
    more = f" and {len(parts) - _MOST} more" if len(parts) > _MOST else ""
    return (", ".join(parts[:_MOST]) + more) or "nothing"


def agree(one: Any, other: Any, kind: str) -> bool:
    """Say whether two samples that look the same are labelled the same.

    Nobody draws the same line twice, and what is at the edge of one may be beyond the other's: boxes agree if the
    same classes are there, each as often but for one or a fifth of all boxes; masks if the same classes are there, each
    with the same share but for a tenth of the picture.

    Examples
    --------
    >>> three, two = '[{"class":"cat"},{"class":"cat"},{"class":"cat"}]', '[{"class":"cat"},{"class":"cat"}]'
    >>> agree(three, two, "structured"), agree(three, "[]", "structured")
    (True, False)
    >>> agree('{"classes":{"a":50,"b":50}}', '{"classes":{"a":75,"b":25}}', "structured")
    False
    """
    if kind != "structured" or not isinstance(one, str) or not isinstance(other, str):
        return bool(one == other)
    mine, theirs = json.loads(one), json.loads(other)
    if isinstance(mine, dict) and isinstance(theirs, dict):
        here, there = _shares(mine), _shares(theirs)
        if here.keys() != there.keys():
            return False
        return all(abs(here[name] - there[name]) <= _MASKS_APART for name in here)
    if any(isinstance(part, str) for part in (*mine, *theirs)):
        return set(mine) == set(theirs)
    ours, others = (Counter(part["class"] for part in each) for each in (mine, theirs))
    apart = sum(((ours - others) + (others - ours)).values())
    return ours.keys() == others.keys() and apart <= max(1.0, _BOXES_APART * max(ours.total(), others.total()))


def _shares(mask: dict[str, Any]) -> dict[str, float]:
    counts = mask.get("classes", {})
    total = max(sum(counts.values()), 1)
    return {name: count / total for name, count in counts.items() if count}
