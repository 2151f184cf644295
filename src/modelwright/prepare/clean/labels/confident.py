"""Confident learning: which labels contradict what can be learned from all the others.

After Northcutt, Jiang and Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 70,
https://doi.org/10.1613/jair.1.12125. Shapes: ``n`` samples, ``k`` classes; ``probabilities (n, k)`` are out of fold (no
sample's own label had a say in its row), ``given (n,)`` are the labels as they stand, 0 to k - 1, a class may
be empty. Probabilities may be a memory map: they are read in blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

RIVAL = 0.25
"""Weight of the strongest other class in the quality; see :func:`quality`."""
_BLOCK_VALUES = 1 << 21
_TINY = 1e-12


@dataclass(frozen=True)
class Joint:
    """What is known about given and true labels together.

    Parameters
    ----------
    thresholds
        ``(k,)``: mean probability of class j over the samples that are labelled j (equation 2 of the paper).
    counts
        ``(k, k) int64``, the confident joint: rows given, columns the class that a sample confidently belongs to.
    joint
        ``(k, k)``, estimated joint distribution of given and true labels; sums to 1, row sums are the labels' shares.
    """

    thresholds: Floats
    counts: Codes
    joint: Floats

    @property
    def wrong(self) -> float:
        """The estimated share of wrong labels."""
        return float(max(0.0, 1.0 - np.trace(self.joint)))

    @property
    def noise(self) -> Floats:
        """``(k, k)``: the share of class j (column) that carries label i (row); columns sum to 1, empty ones are 0."""
        return _share(self.joint, 0)

    @property
    def inverse_noise(self) -> Floats:
        """``(k, k)``: of the samples labelled i (row), the share that is of class j (column); rows sum to 1."""
        return _share(self.joint, 1)


@dataclass(frozen=True)
class Suspects:
    """Samples whose label is probably wrong, the most suspicious first: ``places (m,)``, ``suggested (m,)`` classes."""

    places: Codes
    suggested: Codes


def confident_joint(probabilities: NDArray[np.floating], given: Codes) -> Joint:
    """Count who is confidently of which class, and make of it the joint distribution of given and true labels.

    A sample belongs confidently to class j if its probability of j reaches the mean probability of j over those that
    are labelled j; of several such classes to the most probable. Rows are scaled to the number of samples with that
    label (calibration, equation 3); a class whose samples are confident of nothing is taken to be right.
    """
    classes = probabilities.shape[1]
    thresholds = class_thresholds(probabilities, given)
    counts = np.zeros((classes, classes), np.int64)
    for rows in _blocks(*probabilities.shape):
        best = _confident(np.asarray(probabilities[rows], np.float64), thresholds)
        sure = best >= 0
        counts += np.bincount(given[rows][sure] * classes + best[sure], minlength=classes**2).reshape(classes, classes)
    filled = counts.astype(np.float64)
    empty = np.flatnonzero(counts.sum(1) == 0)
    filled[empty, empty] = 1.0
    labelled = np.bincount(given, minlength=classes)
    joint = filled / filled.sum(1, keepdims=True) * labelled[:, None] / len(given)
    return Joint(thresholds, counts, joint)


def class_thresholds(probabilities: NDArray[np.floating], given: Codes) -> Floats:
    """Return ``(k,)``: the mean probability of each class over the samples that carry its label, infinite for none."""
    classes = probabilities.shape[1]
    sums = np.zeros(classes)
    for rows in _blocks(*probabilities.shape):
        own = np.asarray(probabilities[rows], np.float64)[np.arange(rows.stop - rows.start), given[rows]]
        sums += np.bincount(given[rows], weights=own, minlength=classes)
    counts = np.bincount(given, minlength=classes)
    return np.asarray(np.divide(sums, counts, out=np.full(classes, np.inf), where=counts > 0))


def self_confidence(probabilities: NDArray[np.floating], given: Codes) -> Floats:
    """Return ``(n,)``: the probability of the given label. Low is suspicious."""
    found = np.empty(len(given))
    for rows in _blocks(*probabilities.shape):
        found[rows] = probabilities[rows][np.arange(rows.stop - rows.start), given[rows]]
    return found


def normalised_margin(probabilities: NDArray[np.floating], given: Codes) -> Floats:
    """Return ``(n,)`` in 0..1: half of one plus the given label's probability less that of the best other one."""
    found = np.empty(len(given))
    for rows in _blocks(*probabilities.shape):
        block = np.array(probabilities[rows], np.float64)
        places = np.arange(len(block)), given[rows]
        own = block[places]
        block[places] = -np.inf
        found[rows] = (1.0 + own - block.max(1)) / 2.0
    return found


def quality(probabilities: NDArray[np.floating], given: Codes, thresholds: Floats) -> Floats:
    """Return ``(n,)`` above 0, the score that ranks: low is suspicious, about 1 is beyond doubt.

    ``p[y] * (t[y] * max over others of p[j] / t[j]) ** -RIVAL`` with the class thresholds t: self-confidence, and to a
    quarter (in logarithms) how strong the strongest other class is for one of its own. Self-confidence alone cannot
    tell a sample that nobody understands from one that clearly is something else; the margin ranks worse than either.
    """
    scale = np.maximum(thresholds, _TINY)
    found = np.empty(len(given))
    for rows in _blocks(*probabilities.shape):
        block = np.array(probabilities[rows], np.float64)
        places = np.arange(len(block)), given[rows]
        own = block[places]
        block /= scale
        block[places] = 0.0
        rival = np.maximum(block.max(1) * scale[given[rows]], _TINY)
        found[rows] = np.maximum(own, _TINY) * rival**-RIVAL
    return found


def suspects(
    probabilities: NDArray[np.floating],
    given: Codes,
    joint: Joint,
    order: Floats,
    *,
    most: int | None = None,
    known: NDArray[np.bool_] | None = None,
) -> Suspects:
    """Return the samples that more probably are of another class, no more than the joint estimates, worst first.

    The paper's pruning, with the number of wrong labels from the joint and the choice by ``order``.

    Parameters
    ----------
    order
        ``(n,)`` quality; ties go to the earlier sample.
    most
        So many at most; None: as many as the joint estimates.
    known
        ``(k,)`` the classes between which labels are looked at; None: all.
    """
    suggested = np.empty(len(given), np.int64)
    for rows in _blocks(*probabilities.shape):
        suggested[rows] = np.asarray(probabilities[rows]).argmax(1)
    apart = suggested != given
    if known is not None:
        apart &= known[given] & known[suggested]
    places = np.flatnonzero(apart)
    most = round(joint.wrong * len(given)) if most is None else most
    places = places[np.argsort(order[places], kind="stable")][:most]
    return Suspects(places, suggested[places])


def _confident(block: Floats, thresholds: Floats) -> Codes:
    """Return ``(rows,)`` the class that each sample confidently belongs to, -1 for none."""
    # A hair of tolerance, so that rounding does not decide about a class whose samples are all equally sure.
    above = np.where(block >= thresholds - 1e-9, block, -1.0)
    best = above.argmax(1)
    return np.where(above[np.arange(len(block)), best] >= 0, best, -1)


def _blocks(rows: int, columns: int) -> Iterator[slice]:
    step = max(1, _BLOCK_VALUES // max(columns, 1))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def _share(joint: Floats, axis: int) -> Floats:
    sums = joint.sum(axis, keepdims=True)
    return np.asarray(np.divide(joint, sums, out=np.zeros_like(joint), where=sums > 0))
