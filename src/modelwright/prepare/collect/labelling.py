"""The label that an output asks for, made of a picture's annotated objects: boxes, a drawn mask, tags, one class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.errors import InputError
from modelwright.prepare.collect import masks
from modelwright.prepare.collect.annotated import Ring
from modelwright.prepare.collect.base import Settings
from modelwright.tasks.targets.mask import MOST_CLASSES

BACKGROUND = "background"
_MOST_CROSSINGS = 20_000_000


class Labeller:
    """Makes of a picture's annotated objects the label that the output asks for.

    Parameters
    ----------
    settings
        The source's: the output, and the store that masks go to.
    names
        All classes that occur anywhere in the source: the names of masks.
    """

    def __init__(self, settings: Settings, names: Iterable[str]) -> None:
        self._output, self._store = settings.output, settings.store
        found = set(names)
        self._names = tuple(sorted(found | {BACKGROUND}))
        if self._output == "mask" and len(self._names) > MOST_CLASSES:
            raise InputError(
                f"masks of {len(self._names)} classes are too many: {MOST_CLASSES} are possible, with the background",
                code="too-many-classes",
            )

    def label(self, objects: Sequence[Mapping[str, Any]], size: tuple[int, int] | None) -> Any:
        """Return the raw label of one picture.

        Parameters
        ----------
        objects
            Boxes as :class:`~modelwright.tasks.targets.boxes.Boxes` reads them; ``pixels`` ``(h, w) bool`` beside,
            where a source has run-length masks.
        size
            Of the picture; masks need it.
        """
        if self._output == "boxes":
            return [{key: value for key, value in each.items() if key != "pixels"} for each in objects]
        if self._output == "mask":
            return self._mask(objects, size)
        found = sorted({str(each["class"]) for each in objects})
        if self._output == "tags":
            return found
        if self._output == "category":
            return found[0] if len(found) == 1 else _one_class(found)
        return None

    def _mask(self, objects: Sequence[Mapping[str, Any]], size: tuple[int, int] | None) -> Any:
        if size is None:
            return {"problem": "its picture does not open, so that the size of its mask is not known"}
        width, height = size
        places = np.full((height, width), self._names.index(BACKGROUND), np.uint8)
        # The largest first, so that what lies on top of something larger is seen.
        for each in sorted(objects, key=lambda each: -abs(each["width"] * each["height"])):
            inside = drawn(each, width, height)
            if inside is None:
                return {"problem": f"its object of class {each['class']!r} has no outline: a box is no mask"}
            places[inside] = self._names.index(each["class"])
        return masks.described(places, self._names, self._store)


def _one_class(found: Sequence[str]) -> Any:
    if not found:
        return None
    return {"problem": f"it shows {len(found)} classes ({', '.join(found[:4])}), and a category is one: 'output: tags'"}


def drawn(each: Mapping[str, Any], width: int, height: int) -> NDArray[np.bool_] | None:
    """Return ``(height, width)`` pixels of an object by its outlines or its run-length mask; None if it has neither."""
    pixels: NDArray[np.bool_] | None = each.get("pixels")
    if pixels is not None:
        if pixels.shape != (height, width):
            pixels = masks.resized(pixels.astype(np.uint8), width, height) > 0
        return np.asarray(pixels)
    rings: Sequence[Ring] = each.get("polygons", ())
    if not rings:
        return None
    inside = np.zeros((height, width), bool)
    return inside if all(_fill(inside, np.array(ring, np.float64)) for ring in rings) else None


def _fill(inside: NDArray[np.bool_], ring: NDArray[np.float64]) -> bool:
    """Add the pixels whose middle is within a closed line ``(n, 2)`` (even-odd rule); False if it is absurdly long.

    Every edge crosses the middles of some rows; from each crossing on, to the right, inside and outside change places.
    """
    height, width = inside.shape
    x, y = ring[:, 0], ring[:, 1] - 0.5
    after_x, after_y = np.roll(x, -1), np.roll(y, -1)
    low = np.clip(np.ceil(np.minimum(y, after_y)), 0, height).astype(np.int64)
    high = np.clip(np.ceil(np.maximum(y, after_y)), 0, height).astype(np.int64)
    counts = high - low
    if int(counts.sum()) > _MOST_CROSSINGS:
        return False
    left, right = (int(each) for each in np.clip([np.floor(x.min()), np.ceil(x.max()) + 1], 0, width))
    top, bottom = int(low.min()), int(high.max())
    if right <= left or bottom <= top:
        return True
    edge = np.repeat(np.arange(len(ring)), counts)
    rows = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts) + low[edge]
    slope = (after_x - x)[edge] / (after_y - y)[edge]
    first = np.clip(np.ceil(x[edge] + (rows - y[edge]) * slope - 0.5), left, right).astype(np.int64) - left
    wide, tall = right - left + 1, bottom - top
    changes = np.bincount((rows - top) * wide + first, minlength=tall * wide).reshape(tall, wide)
    inside[top:bottom, left:right] |= (np.cumsum(changes, 1)[:, :-1] & 1).astype(bool)
    return True
