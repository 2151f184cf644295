"""Quantiles and histograms of more numbers than fit in memory, with a bound on the error of every rank."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


class Quantiles:
    """A weighted sample of sorted numbers whose ranks are all known within :attr:`error`.

    Of each block as many evenly spaced order statistics are kept as fit, each standing for as many numbers as lie
    around it; when there are too many, those of all blocks together are thinned in the same way (Munro and Paterson
    1980; Manku and others 1998). Each thinning moves a rank by at most half the largest weight it leaves, and these
    halves are added up: no chance is in it.

    Parameters
    ----------
    each
        Numbers kept of one block.
    most
        Numbers kept of all.
    """

    def __init__(self, each: int, most: int) -> None:
        self._each, self._most = each, most
        self._values: list[Floats] = []
        self._weights: list[Counts] = []
        self._held = 0
        self._moved = 0.0
        self.count = 0

    def add(self, values: Floats, counts: Counts) -> None:
        """Add finite numbers, different and sorted, and how often each occurs."""
        if not len(values):
            return
        self.count += int(counts.sum())
        if len(values) > self._each:
            values, counts = self._thinned(values, counts, self._each)
        self._values.append(values)
        self._weights.append(counts)
        self._held += len(values)
        if self._held > self._most:
            values, counts = self._together()
            if len(values) > self._most // 4:
                values, counts = self._thinned(values, counts, self._most // 4)
            self._values, self._weights, self._held = [values], [counts], len(values)

    def _thinned(self, values: Floats, counts: Counts, most: int) -> tuple[Floats, Counts]:
        """Return ``most`` numbers at most, the smallest and the largest among them, with what each stands for."""
        ends = np.cumsum(counts)
        total = int(ends[-1])
        # The ends stand for themselves alone; what lies between two borders is from now on taken to lie in the middle.
        inner = np.linspace(1, total - 1, most - 1).astype(np.int64)
        borders = np.concatenate([[0], inner, [total]])
        middle = np.searchsorted(ends, (borders[:-1] + borders[1:]) // 2, "right")
        weights = np.diff(borders)
        self._moved += float(weights.max()) / 2 + 1
        kept, place = np.unique(middle, return_inverse=True)
        return values[kept], np.bincount(place, weights).astype(np.int64)

    def _together(self) -> tuple[Floats, Counts]:
        if len(self._values) == 1:
            return self._values[0], self._weights[0]
        values, weights = np.concatenate(self._values), np.concatenate(self._weights)
        order = np.argsort(values, kind="stable")
        values, weights = values[order], weights[order]
        starts = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
        return values[starts], np.add.reduceat(weights, starts)

    @property
    def error(self) -> float:
        """How far a rank may be off at most, as a share of all numbers; 0: exact."""
        return self._moved / self.count if self.count else 0.0

    def weighted(self) -> tuple[Floats, Counts]:
        """Return sorted numbers and their weights, whose sum is the number of all that were added."""
        if not self._values:
            return np.zeros(0), np.zeros(0, np.int64)
        self._values, self._weights = ([each] for each in self._together())  # type: ignore[assignment]
        return self._values[0], self._weights[0]

    def at(self, shares: list[float]) -> list[float]:
        """Return the quantiles at ``shares`` of 0..1, between order statistics as numpy's default (linear) has them."""
        values, weights = self.weighted()
        if not len(values):
            return [float("nan")] * len(shares)
        ends = np.cumsum(weights)
        places = np.array(shares) * (int(ends[-1]) - 1)
        lower = np.floor(places).astype(np.int64)
        below = values[np.searchsorted(ends, lower, "right")]
        above = values[np.searchsorted(ends, np.minimum(lower + 1, ends[-1] - 1), "right")]
        part = places - lower
        with np.errstate(over="ignore", invalid="ignore"):
            found = np.where(below == above, below, below * (1 - part) + above * part)
        return [float(each) for each in found]
