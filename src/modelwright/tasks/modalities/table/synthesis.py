"""New rows from real ones: SMOTE (Chawla, Bowyer, Hall and Kegelmeyer 2002), with words taken whole (SMOTE-NC).

A new row lies between a row and a near one of the same class: numbers at one place between the two, anything else from
one of them. Whole numbers stay whole, and what is missing in either may be missing in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from modelwright import canonical
from modelwright.tasks.abilities import Way

WAYS: Mapping[str, Way] = {
    "smote": Way("between a row and a near one of its class", second=True, between=True),
    "jitter": Way("a row whose numbers differ by a hundredth of their distance to a near one's", second=True),
}


def synthesize(raws: Sequence[bytes], way: str, random: np.random.Generator) -> bytes:
    """Return the canonical JSON of a row between two rows, given as JSON objects.

    Raises
    ------
    KeyError
        For a way that isn't in :data:`WAYS`.
    """
    reach = {"smote": 1.0, "jitter": 0.01}[way]
    one, other = (json.loads(raw) for raw in raws[:2])
    share = float(random.uniform(0, reach))
    made: dict[str, Any] = {}
    for name, value in one.items():
        near = other.get(name)
        if _is_number(value) and _is_number(near):
            between = value + share * (near - value)
            whole = isinstance(value, int) and isinstance(near, int)
            made[name] = round(between) if whole else float(between)
        else:
            made[name] = near if random.random() < share / 2 else value
    return canonical.dumps(made)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
