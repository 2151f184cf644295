"""How good are the predictions: estimated before any label comes, and realised where one came.

*Estimated.* A calibrated confidence says how often such a prediction is right. The mean confidence of a window,
corrected by what the profile's reliability bins found on held-out data, estimates its accuracy (the idea of NannyML's
confidence-based performance estimation); the width of the intervals does the same for a number's absolute error. It is
unbiased while the relation between inputs and truth is the one that was learned; drifted inputs usually make a model
too sure, so that a low estimate is a warning and a high one no proof.

*Realised.* Predictions whose truth came, counted. Labels are often asked for where the model is least sure, so the
figure is also weighted by how sure the model is on the whole window (post-stratification), which undoes that choice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.tasks.judging import Judging, by_metric

Z = 1.959963984540054
SHRINKAGE = 10.0
"""A reliability bin's correction counts as much as this many samples without any."""
STRATA = 4


@dataclass(frozen=True)
class Figure:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float
    count: int

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return {"value": self.value, "low": self.low, "high": self.high, "count": self.count}


class Certainty:
    """Production predictions counted into the profile's reliability bins: fixed memory, mergeable.

    Parameters
    ----------
    quality
        The profile's ``quality`` block.
    """

    def __init__(self, quality: Mapping[str, Any]) -> None:
        self.share = by_metric(quality["metric"]).share
        self._bins: list[Mapping[str, Any]] = list(quality["reliability"])
        self._edges = np.array([bin_["low"] for bin_ in self._bins[1:]], dtype=np.float64)
        self._counts = np.zeros(len(self._bins))
        self._sums = np.zeros(len(self._bins))

    def add(self, certainty: NDArray[np.float64]) -> None:
        """Count ``(n,)`` confidences (category, tags) or interval widths (number)."""
        known = certainty[np.isfinite(certainty)]
        places = self.place(known)
        self._counts += np.bincount(places, minlength=len(self._bins))
        self._sums += np.bincount(places, weights=known, minlength=len(self._bins))

    def place(self, certainty: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return ``(n,)`` the index of each one's reliability bin."""
        return np.searchsorted(self._edges, certainty, side="right")

    @property
    def shares(self) -> NDArray[np.float64]:
        """``(bins,)`` share of the window in each reliability bin."""
        return np.asarray(self._counts / max(1.0, self._counts.sum()), dtype=np.float64)

    def estimate(self) -> Figure | None:
        """Estimate what share is right (category, tags) or the mean absolute error (number); None of nothing."""
        total = self._counts.sum()
        if not total:
            return None
        return self._estimate_accuracy(total) if self.share else self._estimate_error(total)

    def _estimate_accuracy(self, total: float) -> Figure:
        counts = np.array([bin_["count"] for bin_ in self._bins], dtype=np.float64)
        gap = np.array([bin_["accuracy"] - bin_["confidence"] for bin_ in self._bins])
        correction = gap * counts / (counts + SHRINKAGE)
        mean = self._sums / np.maximum(self._counts, 1)
        right = np.clip(mean + correction, 0.0, 1.0)
        share = self._counts / total
        value = float((share * right).sum())
        # Agresti-Coull's two successes and failures keep a bin that was all right from having no variance.
        smooth = (counts * np.array([bin_["accuracy"] for bin_ in self._bins]) + 2) / (counts + 4)
        known = (share**2 * smooth * (1 - smooth) / (counts + 4)).sum()
        seen = (share * right * (1 - right)).sum() / total
        half = Z * math.sqrt(float(known + seen))
        return Figure(value, max(0.0, value - half), min(1.0, value + half), int(total))

    def _estimate_error(self, total: float) -> Figure:
        counts = np.array([bin_["count"] for bin_ in self._bins], dtype=np.float64)
        error = np.array([bin_["error"] for bin_ in self._bins])
        spread = np.array([bin_["spread"] for bin_ in self._bins])
        mean = self._sums / np.maximum(self._counts, 1)
        # Errors scale with the interval's width; within a bin in proportion, beyond the widest bin as well.
        scale = np.where(spread > 0, mean / np.where(spread > 0, spread, 1.0), 1.0)
        wrong = error * np.where(self._counts > 0, scale, 1.0)
        share = self._counts / total
        value = float((share * wrong).sum())
        # Absolute errors spread about as much as their mean (exactly so if they are exponential).
        known = (share**2 * wrong**2 / np.maximum(counts, 1)).sum()
        seen = (share * wrong**2).sum() / total
        half = Z * math.sqrt(float(known + seen))
        return Figure(value, max(0.0, value - half), value + half, int(total))

    def as_dict(self) -> dict[str, Any]:
        """Return the counts, JSON-ready."""
        return {"counts": self._counts.tolist(), "sums": self._sums.tolist()}

    @classmethod
    def from_dict(cls, quality: Mapping[str, Any], counted: Mapping[str, Any]) -> Certainty:
        """Restore what :meth:`as_dict` gave, for the same profile."""
        made = cls(quality)
        made._counts += np.array(counted["counts"])
        made._sums += np.array(counted["sums"])
        return made


def wilson(right: int, count: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share (JASA 22:209, 1927).

    Examples
    --------
    >>> [round(end, 3) for end in wilson(9, 10)]
    [0.596, 0.982]
    """
    if not count:
        return 0.0, 1.0
    share = right / count
    centre = (share + Z * Z / (2 * count)) / (1 + Z * Z / count)
    half = Z * math.sqrt(share * (1 - share) / count + Z * Z / (4 * count * count)) / (1 + Z * Z / count)
    return max(0.0, centre - half), min(1.0, centre + half)


def realised(results: NDArray[np.float64], *, accuracy: bool, seed: int = 0) -> Figure | None:
    """Return the mean of per-sample results with its interval: Wilson's for right/wrong, a bootstrap for errors."""
    count = results.size
    if not count:
        return None
    value = float(results.mean())
    if accuracy:
        low, high = wilson(int(results.sum()), count)
        return Figure(value, low, high, count)
    if count == 1:
        return None  # one error says nothing about their mean
    random = np.random.default_rng(seed)
    picked = results[:10_000]
    means = np.array([picked[random.integers(0, picked.size, picked.size)].mean() for _ in range(400)])
    low, high = np.quantile(means, [0.025, 0.975])
    return Figure(value, float(low), float(high), count)


def weighted(results: NDArray[np.float64], places: NDArray[np.intp], shares: NDArray[np.float64]) -> float | None:
    """Return the mean of results, each stratum weighted by its share of the window.

    Parameters
    ----------
    results
        ``(n,)`` right (1) or wrong (0), or absolute errors, where truth is known.
    places
        ``(n,)`` the reliability bin of each.
    shares
        ``(bins,)`` share of all predictions of the window in each bin.

    Returns
    -------
    float or None
        None where a stratum that holds predictions has no truth at all: nothing can be said about it.

    Examples
    --------
    >>> weighted(np.array([0.0, 0.0, 1.0]), np.array([0, 0, 1]), np.array([0.25, 0.75]))
    0.75
    """
    strata = _strata(shares)
    total = 0.0
    for index in range(strata.max() + 1):
        share = float(shares[strata == index].sum())
        inside = np.isin(places, np.flatnonzero(strata == index))
        if share <= 0:
            continue
        if not inside.any():
            return None
        total += share * float(results[inside].mean())
    return total


def _strata(shares: NDArray[np.float64]) -> NDArray[np.intp]:
    """Join neighbouring bins into at most :data:`STRATA` of about equal share; a full bin stands alone."""
    before = np.cumsum(shares) - shares
    return np.unique(np.minimum((before * STRATA + 1e-9).astype(int), STRATA - 1), return_inverse=True)[1]


def worse(quality: Mapping[str, Any], reference: float, how: Judging) -> str:
    """Say in words if quality left its reference beyond its interval, or return an empty text.

    Parameters
    ----------
    quality
        The findings' ``quality``: ``estimated`` and ``realised`` figures or None.
    reference
        The figure on the held-out data that the package was validated with.
    how
        What the figures are, and whether higher is better.
    """
    for kind in ("realised", "estimated"):
        figure = quality.get(kind)
        if figure is None or (kind == "realised" and figure["count"] < 10):
            continue
        bad = figure["high"] < reference if how.share else figure["low"] > reference
        if bad:
            return (
                f"{kind} {how.words} is {figure['value']:.3g} ({figure['low']:.3g} to {figure['high']:.3g}); "
                f"on held-out data it was {reference:.3g}"
            )
    return ""
