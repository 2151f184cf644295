"""Bins of small histograms: between the far ends of what is usual, whole numbers one by one where they are few."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BINS = 28
BEYOND = 0.002
"""Share of the values at either end that a long tail's bins leave out: they count in the outermost ones."""
_WHOLE = 2.0**40
"""Size beyond which half a step is no step in 64 bits."""


def edges(values: Floats, bins: int = BINS, beyond: float = BEYOND) -> Floats:
    """Return ``(bins + 1,)`` edges, or, of few different whole numbers, one bin around each.

    Both ends are values that occur, never between two of them: a column of 0 and 1 goes to 1 however rare that is.

    Parameters
    ----------
    values
        ``(n,)``, all finite; none gives one bin from 0 to 1.

    Examples
    --------
    >>> edges(np.array([1.0, 3.0, 2.0])).tolist(), edges(np.array([0.5, 1.0]), 2).tolist()
    ([0.5, 1.5, 2.5, 3.5], [0.5, 0.75, 1.0])
    """
    if not len(values):
        return np.array([0.0, 1.0])
    low, high = float(values.min()), float(values.max())
    if high - low < bins and abs(low) < _WHOLE and low < high and bool((values == np.round(values)).all()):
        return np.arange(low - 0.5, high + 1)
    ends = float(np.quantile(values, beyond, method="lower")), float(np.quantile(values, 1 - beyond, method="higher"))
    low, high = ends if ends[1] > ends[0] else (low, high)
    if not high > low:
        around = max(0.5, abs(low) * 1e-6)
        low, high = low - around, low + around
    return np.linspace(low, high, bins + 1)


def counted(values: Floats, between: Floats) -> list[int]:
    """Return how many values are in each bin; what lies beyond counts in the outermost ones, NaN nowhere.

    As ``np.histogram`` counts, which sorts them all.

    Examples
    --------
    >>> counted(np.array([0.0, 1.0, 1.5, 2.0, 9.0, np.nan]), np.array([0.0, 1.0, 2.0]))
    [1, 4]
    """
    inside = np.clip(values[np.isfinite(values)], between[0], between[-1])
    counts = np.bincount(np.searchsorted(between[1:-1], inside, side="right"), minlength=len(between) - 1)
    made: list[int] = counts.tolist()
    return made


def ends(between: Floats) -> tuple[float, float]:
    """Return what the first and the last bin begin and end with: of whole numbers, these themselves.

    Examples
    --------
    >>> ends(np.array([0.5, 1.5, 2.5])), ends(np.array([0.5, 0.75, 1.0]))
    ((1.0, 2.0), (0.5, 1.0))
    """
    if len(between) > 1 and between[1] - between[0] == 1.0 and between[0] % 1 == 0.5:
        return float(between[0]) + 0.5, float(between[-1]) - 0.5
    return float(between[0]), float(between[-1])
