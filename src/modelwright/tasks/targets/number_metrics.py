"""The figures of a regression, in numpy, for many weightings of the same samples at once (see ``category_metrics``)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

HIGHER_IS_BETTER: Mapping[str, bool] = {
    "mae": False,
    "rmse": False,
    "r2": True,
    "median_ae": False,
    "coverage": True,
    "interval_width": False,
}

Floats = NDArray[np.float64]


class Figures:
    """Truth, value and interval of ``n`` samples, all ``(n,)`` float64."""

    def __init__(self, truth: Floats, value: Floats, low: Floats, high: Floats) -> None:
        self.count = len(truth)
        self._truth = truth
        self._errors = np.abs(truth - value)
        # Centred, so that the sum of squares does not cancel where values are large and their spread is small.
        centred = truth - (truth.mean() if len(truth) else 0.0)
        inside = (truth >= low) & (truth <= high)
        self._additive = np.column_stack([self._errors, self._errors**2, centred, centred**2, inside, high - low])

    def of(self, weights: NDArray[np.float32]) -> dict[str, Floats]:
        """Return ``(b,)`` per metric for ``weights (b, n)``, whole non-negative numbers; NaN where undefined."""
        total = weights.sum(1, dtype=np.float64)
        means = (weights @ self._additive) / total[:, None]
        variance = means[:, 3] - means[:, 2] ** 2
        spread = np.where(variance > 1e-12 * np.maximum(means[:, 3], 1e-300), variance, np.nan)
        return {
            "mae": means[:, 0],
            "rmse": np.sqrt(means[:, 1]),
            "r2": 1.0 - means[:, 1] / spread,
            "median_ae": self._median(weights, total),
            "coverage": means[:, 4],
            "interval_width": means[:, 5],
        }

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        return np.argsort(self._errors, kind="stable")

    def _median(self, weights: NDArray[np.float32], total: Floats) -> Floats:
        """Return the median absolute error, each sample counted as often as its weight says."""
        ordered = self._errors[self._order]
        reached = np.cumsum(weights[:, self._order], axis=1, dtype=np.float64)
        lower = ordered[(reached > np.floor((total - 1.0) / 2.0)[:, None]).argmax(1)]
        upper = ordered[(reached > np.floor(total / 2.0)[:, None]).argmax(1)]
        return np.asarray((lower + upper) / 2.0, np.float64)
