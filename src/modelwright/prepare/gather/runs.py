"""Runs of equal values in sorted ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def begins(ordered: NDArray[Any]) -> NDArray[np.bool_]:
    """Return ``(n,)``: which of sorted values are the first of their kind."""
    made = np.ones(len(ordered), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=made[1:])
    return made


def runs(ordered: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the different values of sorted ones, and how often each occurs.

    Examples
    --------
    >>> [each.tolist() for each in runs(np.array([2, 2, 5]))], [each.tolist() for each in runs(np.empty(0))]
    ([[2, 5], [2, 1]], [[], []])
    """
    starts = np.flatnonzero(begins(ordered))
    return ordered[starts], np.diff(starts, append=len(ordered))
