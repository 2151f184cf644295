"""Mean, variance, skewness and kurtosis of numbers that come by the block."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass
class Moments:
    """Sums of powers of the distances from the mean, merged by Pébay's formulas (Sandia report SAND2008-6212).

    Examples
    --------
    >>> made = Moments()
    >>> made.add(np.array([1.0, 2.0]), np.array([1, 1])); made.add(np.array([6.0]), np.array([1]))
    >>> made.mean, made.variance
    (3.0, 7.0)
    """

    count: int = 0
    mean: float = 0.0
    second: float = 0.0
    third: float = 0.0
    fourth: float = 0.0

    def add(self, values: NDArray[np.float64], counts: NDArray[np.int64]) -> None:
        """Add finite numbers, and how often each occurs."""
        count = int(counts.sum())
        if not count:
            return
        with np.errstate(all="ignore"):
            weights = counts.astype(np.float64)
            mean = float(np.dot(values / count, weights))
            away = values - mean
            squares = away * away
            weighted = squares * weights
            self._merge(
                count, mean, float(weighted.sum()), float(np.dot(weighted, away)), float(np.dot(weighted, squares))
            )

    def _merge(self, count: int, mean: float, second: float, third: float, fourth: float) -> None:
        if not self.count:
            self.count, self.mean, self.second, self.third, self.fourth = count, mean, second, third, fourth
            return
        one, other = float(self.count), float(count)
        both = one + other
        step = np.float64(mean) - self.mean
        square = step * step
        self.fourth = float(
            self.fourth + fourth
            + square * square * one * other * (one * one - one * other + other * other) / both**3
            + 6 * square * (one * one * second + other * other * self.second) / both**2
            + 4 * step * (one * third - other * self.third) / both
        )  # fmt: skip
        self.third = float(
            self.third
            + third
            + step * square * one * other * (one - other) / both**2
            + 3 * step * (one * second - other * self.second) / both
        )
        self.second = float(self.second + second + square * one * other / both)
        self.mean = float(self.mean + step * other / both)
        self.count += count

    @property
    def variance(self) -> float:
        """The sample variance; NaN of fewer than two numbers."""
        return self.second / (self.count - 1) if self.count > 1 else float("nan")

    @property
    def skewness(self) -> float:
        """The adjusted Fisher-Pearson coefficient, as spreadsheets give it; NaN of fewer than three numbers."""
        count = self.count
        if count < 3 or not self.second > 0 or not np.isfinite(self.third):
            return float("nan")
        with np.errstate(all="ignore"):
            plain = np.float64(self.third) / count / (np.float64(self.second) / count) ** 1.5
            return float(plain * np.sqrt(count * (count - 1.0)) / (count - 2))

    @property
    def kurtosis(self) -> float:
        """The excess kurtosis without its bias; NaN of fewer than four numbers."""
        count = float(self.count)
        if count < 4 or not self.second > 0 or not np.isfinite(self.fourth):
            return float("nan")
        with np.errstate(all="ignore"):
            plain = np.float64(self.fourth) * count / np.float64(self.second) ** 2 - 3.0
            return float((count - 1) / ((count - 2) * (count - 3)) * ((count + 1) * plain + 6.0))
