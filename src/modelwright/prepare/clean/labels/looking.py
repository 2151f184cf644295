"""The pictures of a data set, looked at by the light detector out of fold: their maps, and what it says of each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.clean.labels import dense, located, windows
from modelwright.prepare.clean.labels.detector import Detector, Scene
from modelwright.prepare.clean.labels.located import Seen
from modelwright.prepare.clean.labels.windows import Doubles, Map
from modelwright.progress import Progress
from modelwright.tasks.base import Arrays
from modelwright.tasks.targets.boxes_geometry import overlaps

LEAST_PICTURES = 20
LEAST_BOXES = 100
LEAST_OF_CLASS = 20
MOST_CLASSES = 40
MOST_PICTURES = 1_000
"""Pictures that are looked at; of more, an even sample is, and the rest is said to be left out."""
BOX_SIDE = 40
"""Pixels to which the median box is reduced, if the picture's longer side then is one of :data:`SIDES`."""
SIDES = 160, 384
MOST_OF_PICTURE = 300
"""Boxes of one picture that are learned from and judged; of more, an even sample is, the rest are just there."""
LEAST_SIDE = 0.75
"""Cells of a side below which nothing is to be seen in a box."""
_LEARNED_FROM = 60

Box = Mapping[str, Any]
Pictures = Callable[[NDArray[np.int64]], Iterator[Arrays]]


@dataclass(frozen=True)
class Looked:
    """What was looked at: ``places (n,)`` of pictures, what is ``seen`` in each, ``scales (n, 2)`` pixels a cell."""

    places: NDArray[np.int64]
    seen: Sequence[Seen]
    scales: Doubles
    names: Sequence[str]
    left_out: int


def too_few(boxes: Mapping[int, Sequence[Box]]) -> str:
    """Return why pictures (places with their boxes) say too little to learn a detector from, or nothing."""
    many = sum(len(mine) for mine in boxes.values())
    if len(boxes) < LEAST_PICTURES:
        return f"{len(boxes)} pictures are too few, {LEAST_PICTURES} are needed"
    if many < LEAST_BOXES:
        return f"{many} boxes are too few, {LEAST_BOXES} are needed"
    if not _classes(boxes):
        return f"no class has {LEAST_OF_CLASS} boxes"
    return ""


def look(
    boxes: Mapping[int, Sequence[Box]],
    folds: NDArray[np.int64],
    pictures: Pictures,
    folder: Path,
    progress: Progress,
) -> Looked:
    """Learn a detector from all pictures, and return what it says of each without having seen it.

    Parameters
    ----------
    boxes
        Places of pictures, ascending, with their boxes in pixels, all of which have an area.
    folds
        ``(n,)`` of the pictures in that order, 0 to 4.
    pictures
        Yields pictures, decoded, at ascending places.
    folder
        Where maps lie while they are needed.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    every = np.array(sorted(boxes), np.int64)
    some = np.linspace(0, len(every) - 1, min(len(every), MOST_PICTURES)).astype(np.int64)
    places = every[some]
    chosen = {place: boxes[place] for place in places.tolist()}
    names = _classes(chosen)
    random = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"maps.{os.getpid()}.bin"
    try:
        with threadpool_limits(limits=1):  # these products are too small to share, and sums come out the same anywhere
            maps, scales = _maps(places, chosen, pictures, file, random, progress)
            scenes, others = _scenes(places, chosen, names, folds[some], scales)
            progress.begin("learning where things are", len(places))
            detector = Detector(scenes, maps, len(names), random, progress.advance)
            progress.begin("comparing boxes with what is seen", len(places))
            seen = []
            for number, (scene, beside) in enumerate(zip(scenes, others, strict=True)):
                seen.append(_seen(detector, maps(number), scene, beside, random))
                progress.advance()
    finally:
        with suppress(OSError):
            file.unlink(missing_ok=True)
    return Looked(places, seen, scales, names, len(every) - len(places))


def _classes(boxes: Mapping[int, Sequence[Box]]) -> list[str]:
    """Return the classes that are learned, sorted: those with enough boxes, and of many the most frequent ones."""
    counts: dict[str, int] = {}
    for mine in boxes.values():
        for box in mine:
            if not box.get("crowd"):
                counts[box["class"]] = counts.get(box["class"], 0) + 1
    frequent = sorted((-count, name) for name, count in counts.items() if count >= LEAST_OF_CLASS)
    return sorted(name for _, name in frequent[:MOST_CLASSES])


def _maps(
    places: NDArray[np.int64],
    boxes: Mapping[int, Sequence[Box]],
    pictures: Pictures,
    file: Path,
    random: np.random.Generator,
    progress: Progress,
) -> tuple[Callable[[int], Map], Doubles]:
    """Return what gives the map of each picture, kept in a file, and the pixels of each picture's cells ``(n, 2)``."""
    first = places[np.linspace(0, len(places) - 1, min(len(places), _LEARNED_FROM)).astype(np.int64)]
    some = [arrays["image"][0] for arrays in pictures(first)]
    shares = [
        np.sqrt(box["width"] * box["height"]) / max(image.shape[:2])
        for place, image in zip(first.tolist(), some, strict=True)
        for box in boxes[place]
    ]
    side = int(np.clip(BOX_SIDE / float(np.median(shares)) if shares else SIDES[1], *SIDES))
    seeing = dense.learn([dense.reduced(image, side) for image in some], random)
    del some
    progress.begin("features all over pictures", len(places))
    starts: list[tuple[int, tuple[int, int, int]]] = []
    scales = np.empty((len(places), 2))
    with file.open("wb") as out:
        for number, arrays in enumerate(pictures(places)):
            image = arrays["image"][0]
            cells = seeing.map(dense.reduced(image, side)).astype(np.float16)
            rows, columns, width = cells.shape
            starts.append((out.tell(), (rows, columns, width)))
            scales[number] = image.shape[1] / columns, image.shape[0] / rows
            out.write(cells.tobytes())
            progress.advance()

    def at(number: int) -> Map:
        start, shape = starts[number]
        return Map(np.fromfile(file, np.float16, int(np.prod(shape)), offset=start).reshape(shape))

    return at, scales


def _scenes(
    places: NDArray[np.int64],
    boxes: Mapping[int, Sequence[Box]],
    names: Sequence[str],
    folds: NDArray[np.int64],
    scales: Doubles,
) -> tuple[list[Scene], list[Doubles]]:
    """Return what each picture teaches, and its other boxes: crowds, what is too small, and what is too many."""
    codes = {name: number for number, name in enumerate(names)}
    scenes: list[Scene] = []
    others: list[Doubles] = []
    for number, place in enumerate(places.tolist()):
        mine = boxes[place]
        corners = np.array(
            [[box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]] for box in mine], np.float64
        ).reshape(-1, 4) / np.tile(scales[number], 2)
        usable = np.array([not box.get("crowd") for box in mine], bool)
        usable &= (corners[:, 2:] - corners[:, :2]).min(1, initial=np.inf) >= LEAST_SIDE
        inside = np.flatnonzero(usable)
        if len(inside) > MOST_OF_PICTURE:
            usable[:] = False
            usable[inside[np.linspace(0, len(inside) - 1, MOST_OF_PICTURE).astype(np.int64)]] = True
        classes = np.array([codes.get(box["class"], -1) for box in mine], np.int64)
        scenes.append(Scene(corners[usable], classes[usable], int(folds[number])))
        others.append(corners[~usable])
    return scenes, others


def _seen(detector: Detector, found: Map, scene: Scene, others: Doubles, random: np.random.Generator) -> Seen:
    detected = detector.detect(found, scene.fold)
    agrees, free = located.matches(detected.boxes, detected.classes, scene.boxes, scene.classes, others)
    corrected = detector.replace(found, scene.boxes, scene.fold)
    off = windows.moved(scene.boxes, random, *located.PLANTED)
    clipped = found.inside(off)
    left = (clipped[:, 2:] - clipped[:, :2]).min(1, initial=np.inf) >= LEAST_SIDE
    off = np.where(left[:, None], clipped, off)
    return Seen(
        scene.boxes,
        scene.classes,
        corrected,
        _own(scene.boxes, corrected),
        _own(off, detector.replace(found, off, scene.fold)),
        detected.boxes,
        detected.classes,
        detected.scores,
        agrees,
        free,
    )


def _own(some: Doubles, others: Doubles) -> Doubles:
    """Return the intersection over union of each box with the one in the same row."""
    return np.array([overlaps(some[[row]], others[[row]])[0, 0] for row in range(len(some))], np.float64)
