"""Numbers that are probably wrong: residuals of models that never saw them, measured by the spread around them.

The residual of a sample is divided by the mean absolute residual that is usual where it lies: the locally weighted
residual of Lei, G'Sell, Rinaldo, Tibshirani and Wasserman 2018, "Distribution-Free Predictive Inference for Regression"
(JASA 113), section 5.2, which Zhou, Mueller, Kumar, Wang and Lei 2023, "Detecting Errors in a Numerical Response via
any Regression Model" (arXiv:2305.16583), find to rank wrong numbers well. It is then made a robust z by its median and
median absolute deviation (Iglewicz and Hoaglin 1993).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LIMIT = 6.0
"""Robust z from which a number is listed. Iglewicz and Hoaglin take 3.5 for normal tails; real ones are longer."""
MOST = 0.02
"""Share of the samples that are listed at most."""
_NEAREST = 0.02
"""Share of the samples, in the order of the predictions, over which the local spread is taken (at least 50)."""


def robust_z(numbers: Floats, predicted: Floats) -> tuple[Floats, Floats]:
    """Return ``(n,)`` robust z of each number, and ``(n,)`` the spread that is usual around its prediction.

    Parameters
    ----------
    numbers, predicted
        ``(n,)`` as given, and out of fold.
    """
    residuals = numbers - predicted
    spread = local_spread(np.abs(residuals), predicted)
    scaled = residuals / spread
    middle = np.median(scaled)
    deviation = 1.4826 * float(np.median(np.abs(scaled - middle)))
    return (scaled - middle) / max(deviation, 1e-12), spread


def local_spread(sizes: Floats, predicted: Floats) -> Floats:
    """Return ``(n,)``: the median of ``sizes`` over the samples with the nearest predictions, never below a floor.

    A median, so that the wrong ones do not hide each other; the floor is a tenth of the median over all.
    """
    count = len(sizes)
    width = max(50, round(_NEAREST * count))
    order = np.argsort(predicted, kind="stable")
    ordered = sizes[order]
    step = max(1, width // 4)
    starts = np.arange(0, max(count - width, 0) + 1, step)
    centres = starts + width / 2
    medians = np.array([np.median(ordered[start : start + width]) for start in starts])
    found = np.empty(count)
    found[order] = np.interp(np.arange(count), centres, medians)
    overall = float(np.median(sizes))
    return np.maximum(found, max(0.1 * overall, 1e-12))


def listed(z: Floats) -> NDArray[np.int64]:
    """Return the places of those beyond :data:`LIMIT`, the farthest first, at most :data:`MOST` of all."""
    places = np.flatnonzero(np.abs(z) > LIMIT)
    return places[np.argsort(-np.abs(z[places]), kind="stable")][: max(1, int(MOST * len(z)))]


def severity(z: float) -> float:
    """Return 0..1 for a robust z: 0.5 at the limit, near 1 from three times as far."""
    return round(1.0 - 0.5 * (LIMIT / max(abs(z), LIMIT)) ** 2, 3)
