"""A light detector in closed form, out of fold: ridge regressions over windows of the pictures' maps.

Two of them, as in Girshick and others 2014 ("Rich feature hierarchies for accurate object detection"): one says of a
window how much it looks like each class, one says where the thing in it really lies. Each fold has its own weights,
from all pictures but the fold's, by taking its share out of one matrix of products (:mod:`.ridge`); windows are made
on the way and never kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.clean.labels import windows
from modelwright.prepare.clean.labels.folds import FOLDS
from modelwright.prepare.clean.labels.windows import FEATURES, Doubles, Map
from modelwright.tasks.targets.boxes_geometry import overlaps

PENALTY = 0.1
"""As a share of the features' mean squared length, all being of one scale."""
SHAPES = 5
JITTER = 0.35
"""How far windows miss the boxes that the second model learns to find from them, at most, in shares of a side."""
NEAR_JITTER = 0.1
"""How far windows miss the boxes that count as examples of a class, at most."""
OTHER = 0.4
"""Intersection over union up to which a window counts as an example of nothing."""
_TURNS_OF = 8_000
"""Windows in all from which each box is moved twice only; of fewer boxes each is moved more often, up to ten times."""
_BESIDE = 60
"""Windows with nothing in them that each picture adds at most."""
_PROPOSED = 120
_LEAST_SCORE = 0.25
SAME = 0.35
"""Intersection over union from which the weaker of two detections is left out."""
_MOST_FOUND = 60
_LOOKS = 2
"""Times that a window is corrected."""


@dataclass(frozen=True)
class Scene:
    """A picture's boxes in cells of its map ``(n, 4)``, their classes ``(n,)``, -1 for one not learned, its fold."""

    boxes: Doubles
    classes: NDArray[np.int64]
    fold: int


@dataclass(frozen=True)
class Detections:
    """Where things of which class seem to be ``(m, 4)``, ``(m,)``, and how sure that is; the surest first."""

    boxes: Doubles
    classes: NDArray[np.int64]
    scores: Doubles


class Ridge:
    """Linear models, one a fold, each of all rows but the fold's.

    Parameters
    ----------
    outputs
        How many numbers are predicted.
    """

    def __init__(self, outputs: int) -> None:
        self._gram = np.zeros((FOLDS, FEATURES + 1, FEATURES + 1))
        self._cross = np.zeros((FOLDS, FEATURES + 1, outputs))

    def add(self, features: NDArray[np.float32], wanted: Doubles, fold: int) -> None:
        """Add rows ``(n, FEATURES)`` with what they should give ``(n, outputs)``."""
        rows = np.concatenate([features.astype(np.float64), np.ones((len(features), 1))], 1)
        self._gram[fold] += rows.T @ rows
        self._cross[fold] += rows.T @ wanted

    def solve(self) -> Doubles:
        """Return ``(FOLDS, FEATURES + 1, outputs)``; the last of the features is one, and is not held small."""
        from scipy.linalg import solve

        gram, cross = self._gram.sum(0), self._cross.sum(0)
        many = max(float(gram[-1, -1]), 1.0)
        mean = gram[-1] / many
        spread = np.maximum(np.diag(gram) / many - mean**2, 1e-9)
        spread[-1] = 0.0
        made = np.empty_like(self._cross)
        for fold in range(FOLDS):
            left = gram - self._gram[fold]
            left[np.diag_indices(len(left))] += PENALTY * many * spread + 1e-9 * many
            made[fold] = solve(left, cross - self._cross[fold], assume_a="pos", check_finite=False)
        return made


class Detector:
    """What was learned, for every fold.

    Parameters
    ----------
    scenes
        All pictures that teach.
    maps
        Gives the map of a picture by its number.
    count
        Number of classes.
    random
        Windows are placed by it.
    done
        Called after each picture.
    """

    def __init__(
        self,
        scenes: Sequence[Scene],
        maps: Callable[[int], Map],
        count: int,
        random: np.random.Generator,
        done: Callable[[], None],
    ) -> None:
        boxes = np.concatenate([scene.boxes for scene in scenes])
        self._shapes = windows.shapes(boxes[:, 2:] - boxes[:, :2], SHAPES)
        turns = int(np.clip(_TURNS_OF // max(len(boxes), 1), 2, 10))
        named, placed = Ridge(count), Ridge(4)
        for number, scene in enumerate(scenes):
            found = maps(number)
            examples, classes = self._examples(scene, found, turns, random)
            wanted = np.zeros((len(examples), count))
            inside = np.flatnonzero(classes >= 0)
            wanted[inside, classes[inside]] = 1.0
            named.add(found.features(examples), wanted, scene.fold)
            if len(scene.boxes):
                target = np.repeat(scene.boxes, turns, 0)
                off = windows.moved(target, random, 0.0, JITTER)
                placed.add(found.features(off), windows.offsets(off, target), scene.fold)
            done()
        self._named, self._placed = named.solve(), placed.solve()

    def _examples(
        self, scene: Scene, found: Map, turns: int, random: np.random.Generator
    ) -> tuple[Doubles, NDArray[np.int64]]:
        """Return windows on boxes, each a few times, and windows beside all boxes, whose class is -1."""
        learned = scene.classes >= 0
        own, classes = scene.boxes[learned], scene.classes[learned]
        some = [own, *(windows.moved(own, random, 0.0, NEAR_JITTER) for _ in range(turns - 1))]
        pool = np.concatenate([_grid(found, shape) for shape in self._shapes])
        beside = pool[np.sort(random.permutation(len(pool))[:_BESIDE])]
        if len(scene.boxes):
            beside = beside[overlaps(found.inside(beside), scene.boxes).max(1) < OTHER]
        return (
            np.concatenate([*some, beside]),
            np.concatenate([np.tile(classes, turns), np.full(len(beside), -1)]).astype(np.int64),
        )

    def detect(self, found: Map, fold: int) -> Detections:
        """Return what a picture of a fold seems to show, by the models that never saw the fold."""
        slid = [found.slide(shape, self._named[fold]) for shape in self._shapes]
        places = np.concatenate([each[0] for each in slid])
        best = np.concatenate([each[1].max(1) for each in slid])
        proposed = np.argsort(-best, kind="stable")[:_PROPOSED]
        proposed = proposed[best[proposed] > _LEAST_SCORE]
        at = self._look_again(found, places[proposed], fold, 1)
        scores = _linear(found.features(at), self._named[fold])
        at = found.inside(at)
        sides = at[:, 2:] - at[:, :2]
        order = np.argsort(-scores.max(1), kind="stable") if len(at) else np.empty(0, np.int64)
        kept: list[int] = []
        for place in order.tolist():
            if len(kept) >= _MOST_FOUND or scores[place].max() <= _LEAST_SCORE:
                break
            if sides[place].min() > 0 and not (kept and overlaps(at[[place]], at[kept]).max() >= SAME):
                kept.append(place)
        return Detections(at[kept], scores[kept].argmax(1), scores[kept].max(1) if kept else np.empty(0))

    def replace(self, found: Map, boxes: Doubles, fold: int) -> Doubles:
        """Return where the things really seem to lie that given boxes are about."""
        return found.inside(self._look_again(found, boxes, fold, _LOOKS))

    def _look_again(self, found: Map, at: Doubles, fold: int, looks: int) -> Doubles:
        for _ in range(looks):
            at = windows.corrected(at, _linear(found.features(at), self._placed[fold]))
        return at


def _linear(features: NDArray[np.float32], weights: Doubles) -> Doubles:
    return np.asarray(features.astype(np.float64) @ weights[:-1] + weights[-1])


def _grid(found: Map, shape: tuple[float, float]) -> Doubles:
    """Return windows of one shape all over a picture, half a side apart."""
    wide, tall = shape
    x, y = np.meshgrid(
        np.arange(-windows.GROW * wide, found.columns - 0.7 * wide, wide / 2),
        np.arange(-windows.GROW * tall, found.rows - 0.7 * tall, tall / 2),
    )
    return np.stack([x.ravel(), y.ravel(), x.ravel() + wide, y.ravel() + tall], 1)
