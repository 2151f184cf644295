"""Calibration of class scores on held-out samples: one temperature, and a bias per class where it clearly helps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.tasks import golden_section

Floats = NDArray[np.float64]

_LOWEST, _HIGHEST = 0.05, 20.0
_PRIOR = 0.5
"""Weight of a prior that pulls log temperature to 0: as much as half a squared unit against the summed loss. It keeps a
few samples, all of them right, from asking for infinite certainty."""
_MAX_CLASSES = 64
_FOLDS = 5


def fit(scores: NDArray[Any], truth: NDArray[Any], classes: int) -> dict[str, Any]:
    """Return ``{"temperature", "bias", "before", "after", "samples"}`` for logits ``(n, k)`` and indices ``(n,)``."""
    logits = np.asarray(scores, np.float64)
    labels = np.asarray(truth, np.int64)
    usable = np.isfinite(logits).all(1) if len(logits) else np.zeros(0, bool)
    logits, labels = logits[usable], labels[usable]
    if not len(logits):
        return {"temperature": 1.0, "bias": None, "before": None, "after": None, "samples": 0}
    logits = logits - logits.max(1, keepdims=True)
    temperature = _temperature(logits, labels)
    bias = None
    if classes <= _MAX_CLASSES and len(logits) >= 50 * classes and _bias_helps(logits, labels):
        temperature, bias = _with_bias(logits, labels)
    after = _loss(logits / temperature + (0.0 if bias is None else bias), labels)
    return {
        "temperature": float(temperature),
        "bias": None if bias is None else [float(value) for value in bias],
        "before": float(_loss(logits, labels).mean()),
        "after": float(after.mean()),
        "samples": len(logits),
    }


def _loss(logits: Floats, labels: NDArray[np.int64]) -> Floats:
    top = logits.max(1)
    spread = top + np.log(np.exp(logits - top[:, None]).sum(1))
    return np.asarray(spread - logits[np.arange(len(labels)), labels], np.float64)


def _temperature(logits: Floats, labels: NDArray[np.int64]) -> float:
    """Minimise over log T by golden section: the loss is quasi-convex in it."""

    def cost(log_t: float) -> float:
        return float(_loss(logits / math.exp(log_t), labels).sum()) + _PRIOR * log_t * log_t

    return math.exp(golden_section.lowest(cost, math.log(_LOWEST), math.log(_HIGHEST), steps=40))


def _with_bias(logits: Floats, labels: NDArray[np.int64]) -> tuple[float, Floats]:
    """Minimise over the inverse temperature and a bias per class: Newton's method, damped; the loss is convex."""
    count, k = logits.shape
    truth = np.zeros((count, k))
    truth[np.arange(count), labels] = 1.0
    slope, bias = 1.0 / _temperature(logits, labels), np.zeros(k)

    def cost(a: float, b: Floats) -> float:
        return float(_loss(a * logits + b, labels).sum()) + _PRIOR * float(b @ b)

    now = cost(slope, bias)
    for _ in range(30):
        raw = slope * logits + bias
        powers = np.exp(raw - raw.max(1, keepdims=True))
        share = powers / powers.sum(1, keepdims=True)
        excess = share - truth
        gradient = np.r_[(excess * logits).sum(), excess.sum(0) + 2 * _PRIOR * bias]
        mean = (share * logits).sum(1)
        hessian = np.zeros((k + 1, k + 1))
        hessian[0, 0] = (share * logits * logits).sum() - (mean * mean).sum()
        hessian[0, 1:] = hessian[1:, 0] = (share * (logits - mean[:, None])).sum(0)
        hessian[1:, 1:] = np.diag(share.sum(0) + 2 * _PRIOR) - share.T @ share
        hessian[np.diag_indices(k + 1)] += 1e-9
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while size > 1e-4:
            a, b = slope - size * step[0], bias - size * step[1:]
            if a > 1.0 / _HIGHEST and (trial := cost(a, b)) <= now:
                break
            size /= 2.0
        else:
            break
        done = now - trial < 1e-9 * max(1.0, now)
        slope, bias, now = a, b, trial
        if done:
            break
    return 1.0 / slope, bias - bias.mean()


def _bias_helps(logits: Floats, labels: NDArray[np.int64]) -> bool:
    """Whether the bias lowers the log loss on samples that it was not fitted on by 1 %, and by two standard errors."""
    fold = np.arange(len(labels)) % _FOLDS
    gains = np.zeros(len(labels))
    plain = np.zeros(len(labels))
    for number in range(_FOLDS):
        here, rest = fold == number, fold != number
        plain[here] = _loss(logits[here] / _temperature(logits[rest], labels[rest]), labels[here])
        temperature, bias = _with_bias(logits[rest], labels[rest])
        gains[here] = plain[here] - _loss(logits[here] / temperature + bias, labels[here])
    error = gains.std() / math.sqrt(len(gains))
    return bool(gains.mean() > 0.01 * plain.mean() and gains.mean() > 2.0 * error)
