"""Which boxes probably have the wrong class: confident learning over what the others teach about crops.

Of the three scores by which Tkachenko, Thyagarajan and Mueller 2023, "ObjectLab: Automated Diagnosis of Mislabeled
Images in Object Detection Data" (https://arxiv.org/abs/2309.00832), rank pictures, this is what they call *swapped*: a
box whose class contradicts a confident model. Their model is a detector; here it is a ridge regression over patches of
the crops, out of fold, whole pictures together in a fold, and a box is suspect as a sample is in :mod:`.confident`. The
other two scores, *overlooked* and *badly located*, compare with boxes that a detector proposes, and are not done
without one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright import canonical
from modelwright.prepare.clean.labels import check, patches, predictions
from modelwright.prepare.clean.labels.check import Result, Samples
from modelwright.progress import Progress
from modelwright.tasks.base import Arrays
from modelwright.tasks.likeness import SIDE
from modelwright.tasks.modalities.image import sketch as image_sketch

LEAST_SIDE = 6.0
"""Pixels of a side from which there is something to be seen in a box."""
CONTEXT = 0.15
"""What is seen of the surroundings, on each side, as a share of the box."""
MOST_BOXES = 60_000
MOST_PICTURES = 4_000
"""Pictures that are decoded a second time; of more, an even sample is checked, and the rest is said to be left out."""

Box = Mapping[str, Any]


@dataclass(frozen=True)
class Boxed:
    """The boxes that are checked: ``boxes``, and ``of (m,)`` the place of each one's picture, ascending."""

    boxes: Sequence[Box]
    of: NDArray[np.int64]
    left_out: int


def chosen(boxes_of: Iterable[tuple[int, Sequence[Box]]]) -> Boxed:
    """Return the boxes that can be checked, by pictures: crowds and what is too small to be seen are left out."""
    pictures = [
        (place, usable)
        for place, boxes in boxes_of
        if (usable := [box for box in boxes if not box.get("crowd") and min(box["width"], box["height"]) >= LEAST_SIDE])
    ]
    every = sum(len(boxes) for _, boxes in pictures)
    most = min(len(pictures), MOST_PICTURES, max(1, int(len(pictures) * MOST_BOXES / max(every, 1))))
    some = [pictures[place] for place in np.linspace(0, len(pictures) - 1, most).astype(int).tolist()] if most else []
    boxes = [box for _, mine in some for box in mine]
    of = np.repeat([place for place, _ in some], [len(mine) for _, mine in some]).astype(np.int64)
    return Boxed(boxes, of, every - len(boxes))


def find(
    boxed: Boxed,
    samples: Samples,
    pictures: Callable[[NDArray[np.int64]], Iterator[Arrays]],
    cache: Path,
    progress: Progress,
    *,
    about: str = "",
    asked: Callable[[int], bool] | None = None,
) -> Result:
    """Return the suspect boxes: ``places`` are numbers in ``boxed``, evidence as for single labels.

    Parameters
    ----------
    samples
        Of the pictures.
    pictures
        Yields pictures, decoded, at ascending places.
    asked
        Says of a box whether a person has decided about it.
    """
    names = sorted({box["class"] for box in boxed.boxes})
    place = {name: number for number, name in enumerate(names)}
    codes = np.array([place[box["class"]] for box in boxed.boxes], np.int64)
    mine = Samples(
        samples.ids[boxed.of],
        codes,
        names,
        np.ones(len(codes), bool),
        samples.settled[boxed.of],
        samples.groups[boxed.of],
        samples.keys,
        None if samples.folds is None else samples.folds[boxed.of],
    )

    def predict(
        places: NDArray[np.int64], truth: predictions.Truth
    ) -> tuple[NDArray[np.int64], predictions.Predicted] | None:
        if len(places) < patches.LEAST:
            return None
        grey, chroma = crops(boxed, places, pictures, progress)
        cache.mkdir(parents=True, exist_ok=True)
        return np.arange(len(places)), predictions.of_pictures(grey, chroma, truth, cache, progress)

    corners = canonical.digest_value([[box[key] for key in ("x", "y", "width", "height")] for box in boxed.boxes])
    result = check.find(mine, predict, cache, progress, about=f"{about} {corners}", asked=asked)
    if "skipped" not in result.facts:
        result.facts |= {"boxes": len(boxed.boxes), "left_out": result.facts.get("left_out", 0) + boxed.left_out}
        result.facts["how"] = f"crops of boxes, {result.facts['how']}"
    return result


def crops(
    boxed: Boxed,
    places: NDArray[np.int64],
    pictures: Callable[[NDArray[np.int64]], Iterator[Arrays]],
    progress: Progress,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return ``(m, 32, 32)`` brightness and ``(m, 2, 16, 16)`` colour differences of the boxes at ``places``."""
    grey = np.empty((len(places), SIDE, SIDE), np.uint8)
    chroma = np.empty((len(places), 2, SIDE // 2, SIDE // 2), np.uint8)
    wanted = np.unique(boxed.of[places])
    progress.begin("cutting boxes out of pictures", len(wanted))
    for place, arrays in zip(wanted.tolist(), pictures(wanted), strict=True):
        picture = arrays["image"][0]
        for number in np.flatnonzero(boxed.of[places] == place).tolist():
            part = cut(picture, boxed.boxes[places[number]])
            grey[number], chroma[number] = image_sketch.thumbnail(part), image_sketch.chroma(part)
        progress.advance()
    return grey, chroma


def cut(picture: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """Return the part of ``(H, W, 3)`` that a box shows, with a little around it; at least a pixel."""
    height, width = picture.shape[:2]
    more = CONTEXT * box["width"], CONTEXT * box["height"]
    left = int(np.clip(np.floor(box["x"] - more[0]), 0, width - 1))
    top = int(np.clip(np.floor(box["y"] - more[1]), 0, height - 1))
    right = int(np.clip(np.ceil(box["x"] + box["width"] + more[0]), left + 1, width))
    bottom = int(np.clip(np.ceil(box["y"] + box["height"] + more[1]), top + 1, height))
    return picture[top:bottom, left:right]
