"""Runs of equal values in sorted ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def runs(ordered: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the different values of sorted ones, and how often each occurs."""
    if not len(ordered):
        return ordered, np.zeros(0, np.int64)
    new = np.empty(len(ordered), bool)
    new[0] = True
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    starts = np.flatnonzero(new)
    return ordered[starts], np.diff(starts, append=len(ordered))
