"""Ridge regression with exact out-of-fold predictions, without a fit a fold over the data.

For features X ``(n, d)``, targets T ``(n, m)`` and folds F, the model that never saw fold f solves
``(X'X - Xf'Xf + p I) W = X'T - Xf'Tf``: each fold's share is taken out of one matrix of products. Features are read in
blocks, so they may be a memory map; what is kept is a matrix ``(d, d)`` a fold.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.clean.labels.folds import FOLDS
from modelwright.tasks import golden_section
from modelwright.tasks.targets import tags_calibration

Floats = NDArray[np.float64]

PENALTIES = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
_FIRST = 4
"""Tried penalties, as shares of the features' mean squared length."""
_BLOCK = 2048
_SMALL = 1000
"""Equations up to which numpy solves by elimination: SciPy's Cholesky is twice as fast, and takes 0.2 s to load."""
_SLOPE = 8.0
"""From a score of 0 or 1 to log odds, about; the fit sets it right."""
_FIT_ROWS = 20_000
"""Samples on which the one number of the softmax is fitted; more change no digit that matters."""


class OutOfFold:
    """Out-of-fold predictions for any penalty.

    Parameters
    ----------
    features
        ``(n, d)`` floating point, finite.
    targets
        Gives ``(rows, m) float64`` of a block; for classes one column each, 1 where it is the label.
    folds
        ``(n,)`` 0 to 4.
    """

    def __init__(
        self, features: NDArray[np.floating], targets: Callable[[slice], Floats], folds: NDArray[np.int64]
    ) -> None:
        self.features = features
        self.targets = targets
        self.folds = folds
        self.mean, self.scale = _mean_and_scale(features)
        self.offset: Floats = np.sum([targets(rows).sum(0) for rows in blocks(len(features))], axis=0) / len(features)
        self._solver: _Few | _Many = (_Few if len(features) <= features.shape[1] else _Many)(self)

    def standard(self, rows: slice) -> Floats:
        """Return a block of features, centred and scaled."""
        return np.asarray((np.asarray(self.features[rows], np.float64) - self.mean) / self.scale)

    def predict(self, penalty: float) -> Floats:
        """Return ``(n, m)``; ``penalty`` is a share of the features' mean squared length."""
        return np.asarray(self._solver.predict(penalty) + self.offset)


class _Few:
    """Fewer samples than features: from the ``(n, n)`` products of samples.

    With K for ``XX'``, what samples f get of a model of the others o is ``K_fo (K_oo + p I)^-1 T_o``.
    """

    def __init__(self, of: OutOfFold) -> None:
        block = of.standard(slice(None))
        self._kernel = block @ block.T
        self._targets = of.targets(slice(0, len(block))) - of.offset
        self._folds = of.folds
        self._width = block.shape[1]

    def predict(self, penalty: float) -> Floats:
        more = penalty * max(float(np.trace(self._kernel)) / self._width, 1e-9)
        made = np.zeros_like(self._targets)
        for number in range(FOLDS):
            mine, others = np.flatnonzero(self._folds == number), np.flatnonzero(self._folds != number)
            if len(mine) and len(others):
                weights = _solved(self._kernel[np.ix_(others, others)], more, self._targets[others])
                made[mine] = self._kernel[np.ix_(mine, others)] @ weights
        return made


class _Many:
    """More samples than features: from ``(d, d)`` products of features, one matrix a fold."""

    def __init__(self, of: OutOfFold) -> None:
        self._of = of
        width, outputs = of.features.shape[1], len(of.offset)
        self._gram = np.zeros((FOLDS, width, width))
        self._cross = np.zeros((FOLDS, width, outputs))
        for rows in blocks(len(of.features)):
            block, wanted, fold = of.standard(rows), of.targets(rows) - of.offset, of.folds[rows]
            for number in range(FOLDS):
                mine = block[fold == number]
                self._gram[number] += mine.T @ mine
                self._cross[number] += mine.T @ wanted[fold == number]

    def predict(self, penalty: float) -> Floats:
        gram, cross = self._gram.sum(0), self._cross.sum(0)
        width = len(gram)
        more = penalty * max(float(np.trace(gram)) / width, 1e-9)
        weights = np.empty_like(self._cross)
        for number in range(FOLDS):
            weights[number] = _solved(gram - self._gram[number], more, cross - self._cross[number])
        made = np.empty((len(self._of.features), cross.shape[1]))
        for rows in blocks(len(made)):
            block, fold = self._of.standard(rows), self._of.folds[rows]
            part = made[rows]
            for number in range(FOLDS):
                mine = fold == number
                part[mine] = block[mine] @ weights[number]
        return made


def _solved(left: Floats, more: float, right: Floats) -> Floats:
    """Return W of ``(left + more I) W = right`` for a symmetric ``left``, which is overwritten."""
    left[np.diag_indices(len(left))] += more
    if len(left) <= _SMALL:
        return np.asarray(np.linalg.solve(left, right))
    from scipy.linalg import cho_factor, cho_solve

    # LAPACK works down columns: the transpose, which is the same matrix, needs no copy in its order.
    factor = cho_factor(left.T, lower=True, overwrite_a=True, check_finite=False)
    return np.asarray(cho_solve(factor, right, check_finite=False))


def ready(count: int, width: int) -> None:
    """Load what solves for ``count`` samples of ``width`` features, before threads are limited.

    SciPy brings a BLAS of its own, and a limit holds for those that are there when it is set.
    """
    if min(count, width) > _SMALL:
        import scipy.linalg  # noqa: F401


@dataclass(frozen=True)
class Best:
    """Predictions ``(n, k) float32`` at the best penalty, and their loss: mean log loss, or squared error."""

    values: NDArray[np.float32]
    loss: float
    penalty: float


def classes(of: OutOfFold, given: NDArray[np.int64], *, search: bool = True) -> Best:
    """Return out-of-fold probabilities, rounded so that the last digits of a sum decide nothing."""
    rows = slice(0, min(len(given), _FIT_ROWS))

    def attempt(penalty: float) -> Best:
        scores = of.predict(penalty)
        sharpness, loss = sharpen(scores[rows], given[rows], of.offset)
        values = np.round(probabilities(scores, sharpness, of.offset), 5).astype(np.float32)
        return Best(values, loss, penalty)

    return _descend(attempt) if search else attempt(PENALTIES[_FIRST])


def numbers(of: OutOfFold, given: Floats, *, search: bool = True) -> Best:
    """Return out-of-fold predictions of a number, ``(n, 1)``."""

    def attempt(penalty: float) -> Best:
        values = of.predict(penalty)
        return Best(values.astype(np.float32), float(np.square(values[:, 0] - given).mean()), penalty)

    return _descend(attempt) if search else attempt(PENALTIES[_FIRST])


def tags(of: OutOfFold, flags: NDArray[np.float32], *, search: bool = True) -> Best:
    """Return out-of-fold probabilities ``(n, k)`` of tags; each has its own slope and bias from score to odds."""
    rows = slice(0, min(len(flags), _FIT_ROWS))
    shares = np.clip(of.offset, 1e-6, 1.0 - 1e-6)
    usual = np.log(shares) - np.log1p(-shares)

    def attempt(penalty: float) -> Best:
        odds = _SLOPE * (of.predict(penalty) - of.offset) + usual
        found = tags_calibration.fit(odds[rows], flags[rows])
        made = tags_calibration.sigmoid(np.array(found["slope"]) * odds + np.array(found["bias"]))
        return Best(np.round(made, 5).astype(np.float32), float(found["after"]), penalty)

    return _descend(attempt) if search else attempt(PENALTIES[_FIRST])


def _descend(attempt: Callable[[float], Best]) -> Best:
    """Walk along the penalties from the usual one while the loss falls: it has one valley."""
    best = attempt(PENALTIES[_FIRST])
    for direction in (1, -1):
        place, before = _FIRST + direction, best
        while 0 <= place < len(PENALTIES):
            other = attempt(PENALTIES[place])
            if other.loss >= best.loss:
                break
            best, place = other, place + direction
        if best is not before:
            break
    return best


def probabilities(scores: Floats, sharpness: float, shares: Floats) -> Floats:
    """Return ``softmax(sharpness * (scores - shares) + log shares)``: the shares where the scores say nothing."""
    logits = sharpness * (scores - shares) + np.log(np.maximum(shares, 1e-12))
    logits -= logits.max(1, keepdims=True)
    made = np.exp(logits)
    return np.asarray(made / made.sum(1, keepdims=True))


def sharpen(scores: Floats, given: NDArray[np.int64], shares: Floats) -> tuple[float, float]:
    """Return the sharpness with the least mean log loss, and that loss, by golden section over its logarithm."""

    def loss(logarithm: float) -> float:
        own = probabilities(scores, math.exp(logarithm), shares)[np.arange(len(given)), given]
        return float(-np.log(np.maximum(own, 1e-12)).mean())

    middle = golden_section.lowest(loss, math.log(0.5), math.log(60.0), steps=20)
    return math.exp(middle), loss(middle)


def blocks(count: int) -> Iterator[slice]:
    """Yield the rows of ``count`` samples a block at a time."""
    for start in range(0, count, _BLOCK):
        yield slice(start, min(start + _BLOCK, count))


def _mean_and_scale(features: NDArray[np.floating]) -> tuple[Floats, Floats]:
    width = features.shape[1]
    total, squares = np.zeros(width), np.zeros(width)
    first = np.asarray(features[0], np.float64)  # sums around a sample: large means lose no digits
    for rows in blocks(len(features)):
        block = np.asarray(features[rows], np.float64) - first
        total += block.sum(0)
        squares += np.square(block).sum(0)
    mean = total / len(features)
    spread = np.sqrt(np.maximum(squares / len(features) - mean**2, 0.0))
    return first + mean, np.where(spread > 1e-9, spread, 1.0)
