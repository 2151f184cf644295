"""Labels in words, for messages: a mask's JSON tells a person nothing."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

_MOST = 6


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

    Of boxes and masks it is asked whether the same classes are there: nobody draws the same line twice.
    """
    if kind != "structured" or not isinstance(one, str) or not isinstance(other, str):
        return bool(one == other)
    return _present(one) == _present(other)


def _present(label: str) -> set[str]:
    found = json.loads(label)
    if isinstance(found, dict):
        return set(found.get("classes", ()))
    return {part if isinstance(part, str) else part["class"] for part in found}
