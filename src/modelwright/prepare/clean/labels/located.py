"""Which things have no box, and which boxes miss their thing: a light detector out of fold against the boxes given.

These are the scores *overlooked* and *badly located* of Tkachenko, Thyagarajan and Mueller 2023, "ObjectLab: Automated
Diagnosis of Mislabeled Images in Object Detection Data" (https://arxiv.org/abs/2309.00832); :mod:`.boxes` has the
third, *swapped*. Their detector is a trained network; ours is two ridge regressions (:mod:`.detector`), and it is
believed no further than the boxes given confirm it, class by class:

- A detection without a box is listed where at least :data:`AGREEMENT` of the out-of-fold detections that are as sure as
  it or surer lie on a box of their class, and :data:`HERE` of those about as sure (isotonic regression); and where
  such detections find at least :data:`LEAST_FOUND` of the class's boxes.
- A box is listed where correcting it moves it as far as it moves back boxes that were displaced on purpose, and hardly
  any other: if :data:`PRIOR` of all boxes were displaced like that, at least half of what is listed would be. Classes
  in which displaced boxes are not told from given ones (area under the ROC curve below :data:`LEAST_AREA`) are left
  out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.clean.labels import windows
from modelwright.prepare.clean.labels.windows import Doubles
from modelwright.tasks.targets.boxes_geometry import overlaps

AGREEMENT = 0.8
HERE = 0.5
LEAST_FOUND = 0.3
LEAST_AREA = 0.85
PRIOR = 0.03
"""Share of displaced boxes that is reckoned with."""
LEAST_PLANTED = 0.2
"""Share of the displaced boxes that have to be found at all."""
MOST_SHARE = {"overlooked-box": 0.05, "misplaced-box": 0.02}
"""Findings of a kind, as a share of all boxes, at most (but 20 always may be)."""
MOST = 500
ON_BOX = 0.5
"""Intersection over union from which a detection is on a box."""
FREE = 0.3
"""Intersection over union with any box up to which there is no box at a detection."""
HIDDEN = 0.5
"""Share of a detection inside of one box from which it is a part of that box's thing."""
PLANTED = (0.2, 0.4)
"""How far boxes are displaced on purpose: in each direction and size, by so much of a side."""


@dataclass(frozen=True)
class Seen:
    """What the detector says of one picture; everything in cells of its map.

    Parameters
    ----------
    boxes, classes
        ``(n, 4)`` given boxes that can be judged and ``(n,)`` their classes.
    corrected
        ``(n, 4)`` where their things seem to lie.
    kept
        ``(n,)`` intersection over union of each box with its correction.
    planted
        ``(n,)`` the same of each box after it was displaced on purpose.
    found, found_classes, scores
        Detections ``(m, 4)``, ``(m,)``, ``(m,)``.
    agrees, free
        ``(m,)``: a box of the class is there; no box at all is there.
    """

    boxes: Doubles
    classes: NDArray[np.int64]
    corrected: Doubles
    kept: Doubles
    planted: Doubles
    found: Doubles
    found_classes: NDArray[np.int64]
    scores: Doubles
    agrees: NDArray[np.bool_]
    free: NDArray[np.bool_]


@dataclass(frozen=True)
class Finding:
    """One thing without a box, or one box off its thing: in the ``picture``-th picture, of a class.

    ``box`` is the given one, or, of what was overlooked, the ``place`` itself: where the thing seems to lie.
    ``score`` is how often detections about as sure agree with a box; or the intersection over union with the place.
    """

    kind: str
    picture: int
    number: int
    name: str
    box: Doubles
    place: Doubles
    score: float
    severity: float


def matches(
    found: Doubles, found_classes: NDArray[np.int64], boxes: Doubles, classes: NDArray[np.int64], others: Doubles
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return ``(m,)`` twice: which detections lie on a box of their class, and where no box is at all.

    Parameters
    ----------
    others
        Further boxes, of whatever kind: nothing is overlooked where they are.
    """
    every = np.concatenate([boxes, others])
    if not len(found) or not len(every):
        return np.zeros(len(found), bool), np.ones(len(found), bool)
    shares = overlaps(found, every)
    same = found_classes[:, None] == classes[None]
    agrees = ((shares[:, : len(boxes)] >= ON_BOX) & same).any(1)
    return agrees, (shares.max(1) < FREE) & (windows.covered(found, every) < HIDDEN)


def overlooked(seen: Sequence[Seen], names: Sequence[str]) -> tuple[list[Finding], dict[str, Any]]:
    """Return things without a box, the surest first, and of each class how well it is found."""
    made: list[Finding] = []
    facts: dict[str, Any] = {}
    picture = np.repeat(np.arange(len(seen)), [len(each.scores) for each in seen])
    within = np.concatenate([np.arange(len(each.scores)) for each in seen])
    joined = {
        field: np.concatenate([getattr(each, field) for each in seen])
        for field in ("found_classes", "scores", "agrees", "free")
    }
    classes = np.concatenate([each.classes for each in seen])
    boxes = np.bincount(classes[classes >= 0], minlength=len(names))
    for number, name in enumerate(names):
        mine = np.flatnonzero((joined["found_classes"] == number) & (joined["agrees"] | joined["free"]))
        mine = mine[np.argsort(-joined["scores"][mine], kind="stable")]
        right = np.cumsum(joined["agrees"][mine])
        level = _falling(joined["agrees"][mine])
        good = np.flatnonzero((right / np.arange(1, len(mine) + 1) >= AGREEMENT) & (level >= HERE))
        last = int(good[-1]) + 1 if len(good) else 0
        reached = float(right[last - 1] / max(int(boxes[number]), 1)) if last else 0.0
        checked = reached >= LEAST_FOUND
        facts[name] = {"boxes": int(boxes[number]), "found": round(min(reached, 1.0), 3), "checked": checked}
        for rank in np.flatnonzero(~joined["agrees"][mine[:last]]).tolist() if checked else ():
            place = mine[rank]
            at = seen[picture[place]].found[within[place]]
            made.append(
                Finding(
                    "overlooked-box", int(picture[place]), number, name, at, at, float(level[rank]),
                    round(min(0.95, float(level[rank])), 3),
                )
            )  # fmt: skip
    return _listed(made, "overlooked-box", int(boxes.sum())), facts


def _falling(agrees: NDArray[np.bool_]) -> Doubles:
    """Return ``(m,)`` how often detections about as sure agree: never rising from the surest to the least sure."""
    from scipy.optimize import isotonic_regression

    if not len(agrees):
        return np.empty(0)
    return np.asarray(isotonic_regression(agrees.astype(np.float64), increasing=False).x)


def misplaced(seen: Sequence[Seen], names: Sequence[str]) -> tuple[list[Finding], dict[str, Any]]:
    """Return boxes that miss their thing, the worst first, and of each class how well such boxes are told."""
    made: list[Finding] = []
    facts: dict[str, Any] = {}
    picture = np.repeat(np.arange(len(seen)), [len(each.classes) for each in seen])
    within = np.concatenate([np.arange(len(each.classes)) for each in seen])
    classes, kept, planted = (
        np.concatenate([getattr(each, field) for each in seen]) for field in ("classes", "kept", "planted")
    )
    for number, name in enumerate(names):
        mine = np.flatnonzero(classes == number)
        area = told(kept[mine], planted[mine])
        limit, reached = _limit(kept[mine], planted[mine])
        checked = area >= LEAST_AREA and reached >= LEAST_PLANTED
        facts[name] = {"area": round(area, 3), "found": round(reached, 3), "checked": checked}
        for place in mine[kept[mine] <= limit].tolist() if checked else ():
            of, row = seen[picture[place]], int(within[place])
            nearest = overlaps(of.corrected[[row]], of.boxes)[0]
            if nearest.argmax() != row and nearest.max() > nearest[row]:
                continue  # it was drawn to a neighbour
            made.append(
                Finding(
                    "misplaced-box", int(picture[place]), number, name, of.boxes[row], of.corrected[row],
                    float(kept[place]), round(float(np.clip(1.0 - kept[place], 0.0, 0.95)), 3),
                )
            )  # fmt: skip
    return _listed(made, "misplaced-box", len(classes)), facts


def told(given: Doubles, displaced: Doubles) -> float:
    """Return the area under the ROC curve by which displaced boxes, having lower scores, are told from given ones.

    Examples
    --------
    >>> told(np.array([0.9, 0.8, 0.7]), np.array([0.5, 0.8]))
    0.75
    """
    if not len(given) or not len(displaced):
        return 0.5
    order = np.sort(given)
    above = len(given) - np.searchsorted(order, displaced, "right")
    level = np.searchsorted(order, displaced, "right") - np.searchsorted(order, displaced, "left")
    return float((above + level / 2).mean() / len(given))


def _limit(given: Doubles, displaced: Doubles) -> tuple[float, float]:
    """Return the highest score up to which half would be displaced if :data:`PRIOR` were, and how many it finds."""
    tried = np.unique(np.concatenate([given, displaced]))
    below = np.searchsorted(np.sort(given), tried, "right") / max(len(given), 1)
    rightly = np.searchsorted(np.sort(displaced), tried, "right") / max(len(displaced), 1)
    good = np.flatnonzero(PRIOR * rightly >= below / 2)
    good = good[rightly[good] > 0]
    return (float(tried[good[-1]]), float(rightly[good[-1]])) if len(good) else (-1.0, 0.0)


def _listed(found: list[Finding], kind: str, boxes: int) -> list[Finding]:
    found.sort(key=lambda each: (-each.severity, each.picture, tuple(each.box.tolist())))
    return found[: min(MOST, max(20, round(MOST_SHARE[kind] * boxes)))]


def said(overlooked_facts: Mapping[str, Any], misplaced_facts: Mapping[str, Any]) -> str:
    """Return in words which classes are checked for what."""
    words = []
    for what, facts in (("missing boxes", overlooked_facts), ("misplaced boxes", misplaced_facts)):
        names = [name for name, each in facts.items() if each["checked"]]
        left = len(facts) - len(names)
        words.append(
            f"{what} were looked for in {_some(names)}"
            + (f"; {left} {'class is' if left == 1 else 'classes are'} not found well enough" if left else "")
            if names
            else f"{what} were not looked for: no class is found well enough by light features"
        )
    return "; ".join(words)


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5])
    return f"{shown} and {len(names) - 5} more classes" if len(names) > 5 else shown
