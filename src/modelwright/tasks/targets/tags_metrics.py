"""The figures of a multi-label answer, in numpy, for many weightings of the same samples at once.

As in ``category_metrics``, each is a function of *weights* ``(b, n)``: all ones give the figure itself, bootstrap
counts give its distribution. Macro averages are over the tags that occur in truth or answer; the average precision and
the area under the ROC curve are means over the tags for which they are defined. Samples with no tag at all count: an
empty answer to an empty truth is right.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.tasks.targets.category_metrics import BINS, clipped

HIGHER_IS_BETTER: Mapping[str, bool] = {
    "f1_macro": True,
    "f1_micro": True,
    "precision_macro": True,
    "recall_macro": True,
    "jaccard": True,
    "subset_accuracy": True,
    "hamming_loss": False,
    "average_precision": True,
    "auc_roc": True,
    "log_loss": False,
    "ece": False,
}

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def jaccard(truth: Flags, decided: Flags) -> Floats:
    """Return ``(n,)``: tags in both over tags in either (Jaccard's index); 1 where both are empty.

    What Godbole and Sarawagi (2004, PAKDD, section 4.1) call the accuracy of a multi-label answer.

    Examples
    --------
    >>> truth = np.array([[True, True], [False, False], [False, True]])
    >>> jaccard(truth, np.array([[True, False], [False, False], [True, False]])).tolist()
    [0.5, 1.0, 0.0]
    """
    both = (truth & decided).sum(1)
    either = (truth | decided).sum(1)
    return np.where(either > 0, both / np.maximum(either, 1), 1.0)


def expected_jaccard(probabilities: NDArray[Any], decided: Flags) -> Floats:
    """Return ``(n,)``: about what :func:`jaccard` will be, were the probabilities true and the tags independent.

    The ratio of the expected intersection and the expected union; of an empty answer the probability that no tag is
    right.
    """
    wide = np.clip(np.asarray(probabilities, np.float64), 0.0, 1.0)
    inside = np.where(decided, wide, 0.0).sum(1)
    either = np.where(decided, 1.0, wide).sum(1)
    none = np.exp(np.log1p(-np.minimum(wide, 1.0 - 1e-12)).sum(1))
    found = np.where(decided.any(1), inside / np.maximum(either, 1e-12), none)
    return np.asarray(np.clip(found, 0.0, 1.0), np.float64)


def losses(truth: NDArray[Any], probabilities: NDArray[Any]) -> Floats:
    """Return ``(n,)``: binary log loss in nats, the mean over the tags."""
    sure = clipped(probabilities)
    return np.asarray(-np.where(np.asarray(truth) > 0.5, np.log(sure), np.log1p(-sure)).mean(1), np.float64)


class Figures:
    """Truth, probabilities and decisions of ``n`` samples, each ``(n, k)``, prepared for any number of weightings."""

    def __init__(self, truth: Flags, probabilities: Floats, decided: Flags) -> None:
        self.truth = truth
        self.probabilities = probabilities
        self.decided = decided
        self.tags = truth.shape[1]

    def of(self, weights: NDArray[np.float32]) -> dict[str, Floats]:
        """Return ``(b,)`` per metric for ``weights (b, n)``, whole non-negative numbers; NaN where undefined."""
        total = weights.sum(1, dtype=np.float64)
        means = (weights @ self._additive).astype(np.float64) / total[:, None]
        figures = self._by_tag(weights)
        figures["subset_accuracy"] = means[:, 0]
        figures["jaccard"] = means[:, 1]
        figures["hamming_loss"] = means[:, 2]
        figures["log_loss"] = means[:, 3]
        figures["ece"] = np.abs(means[:, 4:]).sum(1)
        precisions, areas = self.ranked(weights)
        figures["average_precision"] = _mean_defined(precisions)
        figures["auc_roc"] = _mean_defined(areas)
        return {name: figures[name] for name in HIGHER_IS_BETTER}

    @cached_property
    def _additive(self) -> Floats:
        """Return ``(n, 4 + BINS)``: what is a mean over samples, and each sample's calibration gaps by bin."""
        wrong = self.truth != self.decided
        places = np.clip(np.ceil(self.probabilities * BINS).astype(np.int64) - 1, 0, BINS - 1)
        gaps = np.zeros((len(wrong), BINS))
        excess = self.probabilities - self.truth
        for place in range(BINS):
            gaps[:, place] = np.where(places == place, excess, 0.0).sum(1) / self.tags
        return np.column_stack(
            [
                ~wrong.any(1),
                jaccard(self.truth, self.decided),
                wrong.mean(1),
                losses(self.truth, self.probabilities),
                gaps,
            ]
        )

    def counts(self, weights: NDArray[np.float32]) -> tuple[Floats, Floats, Floats]:
        """Return ``(b, k)`` each: tags rightly given, tags that are there, tags that were given."""
        hits = (weights @ (self.truth & self.decided).astype(np.float32)).astype(np.float64)
        support = (weights @ self.truth.astype(np.float32)).astype(np.float64)
        chosen = (weights @ self.decided.astype(np.float32)).astype(np.float64)
        return hits, support, chosen

    def _by_tag(self, weights: NDArray[np.float32]) -> dict[str, Floats]:
        hits, support, chosen = self.counts(weights)
        occurs = ((support + chosen) > 0).astype(np.float64)
        macro = np.maximum(occurs.sum(1), 1.0)
        micro = support.sum(1) + chosen.sum(1)
        return {
            "precision_macro": (ratio(hits, chosen) * occurs).sum(1) / macro,
            "recall_macro": (ratio(hits, support) * occurs).sum(1) / macro,
            "f1_macro": (ratio(2.0 * hits, support + chosen) * occurs).sum(1) / macro,
            # No tag anywhere, and none given: nothing was wrong.
            "f1_micro": np.where(micro > 0, 2.0 * hits.sum(1) / np.maximum(micro, 1.0), 1.0),
        }

    def ranked(self, weights: NDArray[np.float32]) -> tuple[Floats, Floats]:
        """Return ``(b, k)`` average precision and area under the ROC curve of each tag; NaN where undefined.

        Average precision is the sum of precisions at each step of recall, without interpolation; equal probabilities
        count as one step.
        """
        precisions = np.full((len(weights), self.tags), np.nan)
        areas = np.full((len(weights), self.tags), np.nan)
        for tag in range(self.tags):
            order, starts = self._steps[tag]
            if not len(order):
                continue
            gathered = weights[:, order]
            positive = self.truth[order, tag].astype(np.float32)
            there = np.add.reduceat(gathered * positive, starts, axis=1).astype(np.float64)
            every = np.add.reduceat(gathered, starts, axis=1).astype(np.float64)
            right, seen = np.cumsum(there, 1), np.cumsum(every, 1)
            positives, negatives = right[:, -1], seen[:, -1] - right[:, -1]
            defined = positives > 0
            step = ratio(right, seen)
            precisions[defined, tag] = (there * step).sum(1)[defined] / positives[defined]
            defined &= negatives > 0
            absent = every - there
            behind = negatives[:, None] - np.cumsum(absent, 1)
            areas[defined, tag] = (there * (behind + 0.5 * absent)).sum(1)[defined] / (positives * negatives)[defined]
        return precisions, areas

    @cached_property
    def _steps(self) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Return for each tag the samples by falling probability, and where each step of them begins.

        A step is one probability; neighbouring ones without a positive are joined, since nothing changes between them.
        """
        found = []
        for tag in range(self.tags):
            truth = self.truth[:, tag]
            if not truth.any():
                found.append((np.empty(0, np.int64), np.empty(0, np.int64)))
                continue
            order = np.argsort(-self.probabilities[:, tag], kind="stable")
            ordered = self.probabilities[order, tag]
            first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
            holds = np.add.reduceat(truth[order].astype(np.int64), first) > 0
            kept = np.r_[True, holds[1:] | holds[:-1]]
            found.append((order, first[kept]))
        return found


def ratio(above: Floats, below: Floats) -> Floats:
    """Return ``above / below``, 0 where there is nothing below."""
    return np.asarray(np.divide(above, below, out=np.zeros_like(above), where=below > 0), np.float64)


def _mean_defined(values: Floats) -> Floats:
    """Return ``(b,)``: the mean of each row over what is defined there; NaN where nothing is."""
    there = np.isfinite(values)
    counts = there.sum(1)
    sums = np.where(there, values, 0.0).sum(1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
