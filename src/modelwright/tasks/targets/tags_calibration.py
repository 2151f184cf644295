"""Calibration of tag scores on held-out samples: a slope and a bias for each tag, and the threshold that decides it.

Slope and bias are Platt's (1999, "Probabilistic outputs for support vector machines"), drawn towards one slope that all
tags share, so that a tag seen a few times does not get a calibration of its own. The threshold maximises F1 on counts
in which the labels of a rare tag are mixed with what its calibrated probabilities expect (Lipton, Elkan and
Narayanaswamy 2014, "Optimal Thresholding of Classifiers to Maximize F1 Measure", https://arxiv.org/abs/1402.1892, on
what goes wrong without).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.tasks import golden_section

Floats = NDArray[np.float64]

_LOWEST, _HIGHEST = 0.05, 20.0
_PRIOR_SHARED = 0.5
"""Weight of the prior that pulls the logarithm of the shared slope to 0."""
_PRIOR_SLOPE = 8.0
"""Weight of the prior that pulls a tag's slope to the shared one, in relative terms: half a squared unit each."""
_PRIOR_BIAS = 0.25
MIXED = 10.0
"""Positives at which labels and expectations weigh the same in the choice of a threshold."""
MOST_GIVEN = 2.0
"""A threshold gives a tag at most so many times as often as it is there (and once more): the F1 of scores that say
nothing is best where every sample gets the tag."""
_LOW, _HIGH = 0.01, 0.99


def fit(scores: NDArray[Any], truth: NDArray[Any]) -> dict[str, Any]:
    """Return ``{"slope": [k], "bias": [k], "threshold": [k], "shared", "before", "after", "samples"}``.

    Parameters
    ----------
    scores, truth
        ``(n, k)`` logits, and 0 or 1. Samples with a score that is not finite are left out.

    Returns
    -------
    dict
        JSON-ready. ``before`` and ``after`` are mean binary log losses in nats; None of no sample.
    """
    logits, wanted = np.asarray(scores, np.float64), np.asarray(truth, np.float64)
    usable = np.isfinite(logits).all(1)
    logits, wanted = logits[usable], wanted[usable]
    count, tags = logits.shape
    if not count:
        plain = {"slope": [1.0] * tags, "bias": [0.0] * tags, "threshold": [0.5] * tags, "shared": 1.0}
        return {**plain, "before": None, "after": None, "samples": 0}
    shared = _shared_slope(logits, wanted)
    slope, bias = _slopes(logits, wanted, shared)
    calibrated = slope * logits + bias
    probabilities = sigmoid(calibrated)
    return {
        "slope": slope.tolist(),
        "bias": bias.tolist(),
        "threshold": [threshold(probabilities[:, tag], wanted[:, tag]) for tag in range(tags)],
        "shared": shared,
        "before": float(_loss(logits, wanted).mean()),
        "after": float(_loss(calibrated, wanted).mean()),
        "samples": count,
    }


def sigmoid(logits: NDArray[Any]) -> NDArray[Any]:
    """Return ``1 / (1 + exp(-logits))`` in the precision given, without overflow."""
    powers = np.exp(-np.abs(logits))
    return np.asarray(np.where(logits >= 0, 1.0 / (1.0 + powers), powers / (1.0 + powers)), logits.dtype)


def _loss(logits: Floats, wanted: Floats) -> Floats:
    return np.asarray(np.logaddexp(0.0, logits) - wanted * logits, np.float64)


def _shared_slope(logits: Floats, wanted: Floats) -> float:
    """Minimise over the logarithm of the slope by golden section: the loss is quasi-convex in it."""

    def cost(log_slope: float) -> float:
        return float(_loss(logits * math.exp(log_slope), wanted).sum()) + _PRIOR_SHARED * log_slope**2

    found = golden_section.lowest(cost, math.log(_LOWEST), math.log(_HIGHEST), steps=40)
    return math.exp(found) if cost(found) <= cost(0.0) else 1.0


def _slopes(logits: Floats, wanted: Floats, shared: float) -> tuple[Floats, Floats]:
    """Minimise over a slope and a bias for each tag, all at once: Newton's method, damped; the loss is convex."""
    tags = logits.shape[1]
    slope, bias = np.full(tags, shared), np.zeros(tags)
    firm = _PRIOR_SLOPE / shared**2

    def cost(a: Floats, b: Floats) -> Floats:
        prior = firm / 2.0 * (a - shared) ** 2 + _PRIOR_BIAS / 2.0 * b**2
        return np.asarray(_loss(a * logits + b, wanted).sum(0) + prior, np.float64)

    now = cost(slope, bias)
    for _ in range(40):
        share = sigmoid(slope * logits + bias)
        excess, spread = share - wanted, share * (1.0 - share)
        along = (excess * logits).sum(0) + firm * (slope - shared)
        across = excess.sum(0) + _PRIOR_BIAS * bias
        first, mixed = (spread * logits**2).sum(0) + firm, (spread * logits).sum(0)
        last = spread.sum(0) + _PRIOR_BIAS
        scale = first * last - mixed**2
        step_slope, step_bias = (last * along - mixed * across) / scale, (first * across - mixed * along) / scale
        size = np.ones(tags)
        for _ in range(20):
            a, b = slope - size * step_slope, bias - size * step_bias
            trial = cost(a, b)
            worse = (trial > now) | (a < _LOWEST * shared)
            if not worse.any():
                break
            size = np.where(worse, size / 2.0, size)
        better = ~worse
        gained = float((now - trial)[better].sum())
        slope, bias = np.where(better, a, slope), np.where(better, b, bias)
        now = np.where(better, trial, now)
        if gained < 1e-9 * max(1.0, float(now.sum())):
            break
    return slope, bias


def threshold(probabilities: Floats, wanted: Floats) -> float:
    """Return the threshold of one tag: the middle between two neighbouring probabilities, 0.01 to 0.99.

    Examples
    --------
    >>> probabilities = np.repeat([0.1, 0.3, 0.8], 40)
    >>> round(threshold(probabilities, (probabilities > 0.2).astype(float)), 2)
    0.2
    >>> threshold(np.full(50, 0.1), np.zeros(50))
    0.5
    """
    positives = float(wanted.sum())
    trust = positives / (positives + MIXED)
    order = np.argsort(-probabilities, kind="stable")
    ordered = probabilities[order]
    expected = trust * wanted[order] + (1.0 - trust) * ordered
    total = float(expected.sum())
    given = np.arange(1, len(ordered) + 1)
    last = np.r_[ordered[1:] != ordered[:-1], True]  # equal probabilities are decided alike
    f1 = np.where(last & (given <= MOST_GIVEN * total + 1.0), 2.0 * np.cumsum(expected) / (given + total), -1.0)
    best = int(f1.argmax())
    if f1[best] <= 0.0:
        return 0.5
    below = ordered[best + 1] if best + 1 < len(ordered) else ordered[best] - min(0.02, ordered[best] / 2.0)
    return float(np.clip((ordered[best] + below) / 2.0, _LOW, _HIGH))
