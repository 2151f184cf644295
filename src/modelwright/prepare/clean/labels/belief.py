"""How far out-of-fold predictions are believed about labels: which classes they know, and how many labels are wrong.

Confident learning counts every sample that is predicted to be of another class. Where light features cannot tell
classes apart, most of these are mistakes of the predictions. Two things are asked before they accuse:

1. *Does this class show?* The area under the one-vs-rest ROC curve, out of fold, is the probability that a sample which
   wrongly carries a label looks less like its class than one that rightly does (Hanley and McNeil 1982, "The meaning
   and use of the area under a receiver operating characteristic (ROC) curve", Radiology 143). A class accuses and is
   accused only if the lower bound of its area is above :data:`FLOOR`. At 0.7, with normal scores and one label in
   twenty wrong, the precision at the noise rate is 0.17: five accusations in six are unjust. Below it is worse.
2. *How many labels can be wrong?* If labels go wrong whatever the sample looks like, which confident learning assumes
   too, then the samples that most clearly are of a class carry other labels as often as all of that class do (anchor
   points: Liu and Tao 2016, "Classification with noisy labels by importance reweighting", IEEE TPAMI 38). Where classes
   overlap the clearest samples do not, so their share of other labels says how many labels are wrong, and nothing of
   the overlap.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.clean.labels.confident import Joint

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

FLOOR = 0.7
"""Area under the ROC curve that a class has to exceed clearly, to accuse and to be accused: the reason is above."""
ANCHORS = 0.1
"""Share of a class's samples, the clearest ones, whose labels say how often labels of this class are wrong."""
LEAST_ANCHORS = 10
_ONE_SIDED = 1.645
"""Of the normal distribution: 95 % lie below."""


def area(probabilities: NDArray[np.floating[Any]], there: NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve, equal probabilities counting a half (the rank sum of Mann and Whitney).

    Examples
    --------
    >>> area(np.array([0.9, 0.4, 0.4, 0.1]), np.array([True, True, False, False]))
    0.875
    """
    values, inverse, counts = np.unique(probabilities, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts - 1) / 2.0
    positives = int(there.sum())
    total = float(middle[inverse][there].sum()) - positives * (positives + 1) / 2.0
    return total / max(1, positives * (len(there) - positives)) if len(values) else 0.5


def lower_bound(found: float, positives: int, negatives: int) -> float:
    """Return the 95 % lower confidence bound of an area, by Hanley and McNeil's standard error.

    Examples
    --------
    >>> round(lower_bound(0.83, 25, 160), 3), round(lower_bound(0.83, 500, 4500), 3)
    (0.744, 0.811)
    """
    if not positives or not negatives:
        return 0.0
    both_positive, both_negative = found / (2.0 - found), 2.0 * found**2 / (1.0 + found)
    variance = found * (1.0 - found)
    variance += (positives - 1) * max(both_positive - found**2, 0.0)
    variance += (negatives - 1) * max(both_negative - found**2, 0.0)
    return found - _ONE_SIDED * float(np.sqrt(variance / (positives * negatives)))


def understood(probabilities: NDArray[np.floating[Any]], given: Codes) -> tuple[NDArray[np.bool_], Floats]:
    """Return which of ``k`` classes show in ``(n, k)`` out-of-fold probabilities, and their areas ``(k,)``."""
    classes = probabilities.shape[1]
    areas = np.empty(classes)
    clearly = np.zeros(classes, bool)
    for label in range(classes):
        there = given == label
        areas[label] = area(probabilities[:, label], there)
        count = int(there.sum())
        clearly[label] = lower_bound(float(areas[label]), count, len(given) - count) > FLOOR
    return clearly, areas


def astray(probabilities: NDArray[np.floating[Any]], given: Codes) -> Floats:
    """Return ``(k,)``: the share of each class that carries another label, by its anchor points.

    The mean of the posterior under Jeffreys' prior, so that ten samples without a wrong label are no proof of none.

    Examples
    --------
    >>> sure = np.repeat(np.eye(2), 50, axis=0)
    >>> astray(sure, np.repeat([0, 1], 50)).round(3).tolist()
    [0.045, 0.045]
    """
    classes = probabilities.shape[1]
    counts = np.bincount(given, minlength=classes)
    found = np.zeros(classes)
    for label in np.flatnonzero(counts).tolist():
        wanted = min(len(given), max(LEAST_ANCHORS, round(ANCHORS * int(counts[label]))))
        clearest = np.argsort(-probabilities[:, label], kind="stable")[:wanted]
        found[label] = (float((given[clearest] != label).sum()) + 0.5) / (wanted + 1.0)
    return found


def wrong(
    probabilities: NDArray[np.floating[Any]], given: Codes, joint: Joint, known: NDArray[np.bool_] | None = None
) -> int:
    """Return how many labels can be believed to be wrong: what the joint estimates, at most what anchors allow.

    Parameters
    ----------
    known
        ``(k,)`` the classes between which labels are looked at; None: all.
    """
    inside = np.ones(len(joint.thresholds), bool) if known is None else known
    apart = joint.joint * len(given)
    np.fill_diagonal(apart, 0.0)
    estimated = float(apart[np.ix_(inside, inside)].sum())
    allowed = float((astray(probabilities, given) * joint.joint.sum(0) * len(given))[inside].sum())
    return round(min(estimated, allowed))
