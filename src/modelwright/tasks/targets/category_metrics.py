"""The figures of a classification, in numpy, for many weightings of the same samples at once.

Each is written once, as a function of *weights* ``(b, n)``: all ones give the figure itself, bootstrap counts give its
distribution. Definitions follow scikit-learn's (zero where a precision has no prediction; macro averages over the
classes that occur in truth or prediction).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

HIGHER_IS_BETTER: Mapping[str, bool] = {
    "accuracy": True,
    "balanced_accuracy": True,
    "precision_macro": True,
    "recall_macro": True,
    "f1_macro": True,
    "f1_weighted": True,
    "auc_roc": True,
    "log_loss": False,
    "brier": False,
    "ece": False,
}
BINS = 15
"""Confidence bins of the expected calibration error, as in Guo et al. 2017."""
EPSILON = float(np.finfo(np.float32).eps)
"""Probabilities are float32: a smaller one cannot be told from 0, and log loss is cut there."""

EXACT_AUC = 2000
"""Samples up to which resampled areas under the ROC curve are computed pair by pair."""

Floats = NDArray[np.float64]


def clipped(probabilities: NDArray[np.floating]) -> Floats:
    """Return probabilities kept off 0 and 1, float64."""
    return np.clip(np.asarray(probabilities, np.float64), EPSILON, 1.0 - EPSILON)


class Figures:
    """Truth and probabilities of ``n`` samples, prepared for any number of weightings.

    Parameters
    ----------
    truth
        ``(n,) int64`` in 0..k-1.
    probabilities
        ``(n, k)`` float64, rows adding up to 1.
    """

    def __init__(self, truth: NDArray[np.int64], probabilities: Floats) -> None:
        self.truth = truth
        self.probabilities = probabilities
        self.predicted = probabilities.argmax(1)
        self.classes = probabilities.shape[1]

    def of(self, weights: NDArray[np.float32]) -> dict[str, Floats]:
        """Return ``(b,)`` per metric for ``weights (b, n)``, whole non-negative numbers; NaN where undefined."""
        total = weights.sum(1, dtype=np.float64)
        means = (weights @ self._additive).astype(np.float64) / total[:, None]
        figures = self._by_class(weights, total)
        figures["auc_roc"] = self._auc(weights) if len(self.truth) <= EXACT_AUC else self._auc_of_many(weights)
        figures["log_loss"] = means[:, 0]
        figures["brier"] = means[:, 1]
        figures["ece"] = np.abs(means[:, 2:]).sum(1)
        return {name: figures[name] for name in HIGHER_IS_BETTER}

    @cached_property
    def _additive(self) -> Floats:
        """Return ``(n, 2 + BINS)``: log loss, Brier score, and confidence minus correctness in the sample's bin."""
        rows = np.arange(len(self.truth))
        loss = -np.log(clipped(self.probabilities[rows, self.truth]))
        squares = (self.probabilities**2).sum(1) - 2.0 * self.probabilities[rows, self.truth] + 1.0
        if self.classes == 2:
            squares = squares / 2.0  # Brier's score of a yes/no question is (p - y)²: half of the sum over two classes
        confidence = self.probabilities[rows, self.predicted]
        bins = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
        gaps = np.zeros((len(rows), BINS))
        gaps[rows, bins] = confidence - (self.predicted == self.truth)
        return np.column_stack([loss, squares, gaps])

    @cached_property
    def _cells(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return the samples ordered by cell of the confusion matrix, where each cell starts, and which cell it is."""
        cells = self.truth * self.classes + self.predicted
        order = np.argsort(cells, kind="stable")
        values, starts = np.unique(cells[order], return_index=True)
        return order, starts, values

    def _by_class(self, weights: NDArray[np.float32], total: Floats) -> dict[str, Floats]:
        order, starts, cells = self._cells
        counts = np.add.reduceat(weights[:, order], starts, axis=1).astype(np.float64)
        truth, predicted = np.divmod(cells, self.classes)
        columns = np.arange(self.classes)
        support = counts @ (truth[:, None] == columns).astype(np.float64)
        chosen = counts @ (predicted[:, None] == columns).astype(np.float64)
        hits = counts @ ((truth[:, None] == columns) & (predicted == truth)[:, None]).astype(np.float64)
        precision = _ratio(hits, chosen)
        recall = _ratio(hits, support)
        f1 = _ratio(2.0 * hits, support + chosen)
        occurs = ((support + chosen) > 0).astype(np.float64)
        macro = np.maximum(occurs.sum(1), 1.0)
        present = (support > 0).astype(np.float64)
        return {
            "accuracy": hits.sum(1) / total,
            "balanced_accuracy": (recall * present).sum(1) / np.maximum(present.sum(1), 1.0),
            "precision_macro": (precision * occurs).sum(1) / macro,
            "recall_macro": (recall * occurs).sum(1) / macro,
            "f1_macro": (f1 * occurs).sum(1) / macro,
            "f1_weighted": (f1 * support).sum(1) / total,
        }

    @cached_property
    def _rankings(self) -> list[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
        """Return per class the samples by ascending probability, and where each group of ties starts."""
        rankings = []
        # Of two classes one ranking is enough: the other is its mirror image.
        for index in [1] if self.classes == 2 else range(self.classes):
            scores = self.probabilities[:, index]
            order = np.argsort(scores, kind="stable")
            ranked = scores[order]
            starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]]) if len(ranked) else order
            rankings.append((index, order, starts))
        return rankings

    def _auc(self, weights: NDArray[np.float32]) -> Floats:
        """Return the area under the ROC curve: of class 1 if there are two, else the mean of one-against-rest.

        It is the probability that a positive ranks above a negative, ties counting half (Mann and Whitney 1947).
        """
        total, defined = np.zeros(len(weights)), np.zeros(len(weights))
        for index, order, starts in self._rankings:
            ranked = weights[:, order]
            positive = ranked * (self.truth[order] == index)
            if len(starts) < len(order):
                ranked = np.add.reduceat(ranked, starts, axis=1)
                positive = np.add.reduceat(positive, starts, axis=1)
            negative = ranked - positive
            # float32 counts to 2^24 exactly; the sum of products needs more.
            below = np.cumsum(negative, axis=1, dtype=np.float64)
            rest = below[:, -1].copy()
            below -= 0.5 * negative
            pairs = positive.sum(1, dtype=np.float64) * rest
            won = np.einsum("ij,ij->i", below, positive)
            known = pairs > 0
            total[known] += won[known] / pairs[known]
            defined += known
        return np.where(defined > 0, total / np.maximum(defined, 1.0), np.nan)

    @cached_property
    def _placements(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return ``(n, c)`` twice, per ranked class: of each positive the share of negatives that it ranks above, and
        of each negative the share of positives that rank above it; ties count half.
        """
        above = np.zeros((len(self.truth), len(self._rankings)), np.float32)
        below = np.zeros_like(above)
        for place, (index, order, starts) in enumerate(self._rankings):
            positive = (self.truth[order] == index).astype(np.float64)
            sizes = np.diff(starts, append=len(order))
            right, wrong = np.add.reduceat(positive, starts), np.add.reduceat(1.0 - positive, starts)
            lower = np.repeat(np.cumsum(wrong) - 0.5 * wrong, sizes) / max(wrong.sum(), 1.0)
            higher = np.repeat(right.sum() - np.cumsum(right) + 0.5 * right, sizes) / max(right.sum(), 1.0)
            above[order, place] = lower * positive
            below[order, place] = higher * (1.0 - positive)
        return above, below

    def _auc_of_many(self, weights: NDArray[np.float32]) -> Floats:
        """Return the same by the placements of DeLong et al. (1988): exact for equal weights, linear in others.

        The area is a mean over pairs; of weighted pairs it is, up to terms of order 1/n, the weighted mean over
        positives plus that over negatives less the area itself. That is two matrix products, however many classes.
        """
        above, below = self._placements
        hits = np.stack([self.truth == index for index, _, _ in self._rankings], axis=1)
        whole = weights.sum(1, dtype=np.float64)[:, None]
        positives = (weights @ hits.astype(np.float32)).astype(np.float64)
        negatives = whole - positives
        area = above.sum(0, dtype=np.float64) / np.maximum(hits.sum(0), 1)
        defined = (positives > 0) & (negatives > 0)
        won = (weights @ above) / np.maximum(positives, 1.0) + (weights @ below) / np.maximum(negatives, 1.0) - area
        count = defined.sum(1)
        return np.where(count > 0, (won * defined).sum(1) / np.maximum(count, 1), np.nan)


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)
