"""What sources of pictures with drawn annotations share: place, fingerprint, and the label in the form asked."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from modelwright import canonical
from modelwright.errors import InputError
from modelwright.prepare.collect.base import Item, Kept, Rejected, Settings, must_exist
from modelwright.prepare.collect.digesting import files_digest
from modelwright.prepare.collect.options import Options
from modelwright.prepare.collect.tree import Tree, at, picture_size

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from modelwright.prepare.index import Index

BACKGROUND = "background"
_MOST_CROSSINGS = 20_000_000
Ring = list[list[float]]


class AnnotatedSource:
    """The shared part: a folder or archive, or one annotation file whose pictures lie beside it or in ``images``."""

    kind: ClassVar[str]
    option_names: ClassVar[Mapping[str, str]]
    outputs: ClassVar[tuple[str, ...]] = ("boxes", "mask", "tags", "category", "none")
    """The targets that its annotations can be read as."""
    place_option: ClassVar[str] = "images"
    """The option that says where the files are, if it is one of ``option_names``."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.options = Options(self.kind, settings)
        self.where = self.options.where
        if settings.output not in self.outputs:
            raise InputError(
                f"{self.where} cannot be read as output {settings.output!r}",
                code="wrong-output",
                hint=f"it gives {', '.join(self.outputs)}",
            )

    @cached_property
    def _alone(self) -> Path | None:
        """The annotation file, if that is the location."""
        must_exist(self.settings.path, self.where)
        path = self.settings.path
        return path if path.suffix.lower() == ".json" and path.is_file() else None

    @cached_property
    def tree(self) -> Tree:
        """Where the pictures are, and (unless the location is one file) the annotations."""
        return Tree(at(self.settings, self._root), self.where)

    @cached_property
    def _root(self) -> Path:
        asked = self.options.text(self.place_option) if self.place_option in self.option_names else None
        if asked is not None:
            return self.settings.root / asked
        return self.settings.path if self._alone is None else self.settings.path.parent

    @property
    def kept(self) -> Kept:
        """Pictures stay where they are."""
        return self.tree.kept

    @property
    def base(self) -> str | None:
        """Where names start from, if not from the location."""
        if self._root == self.settings.path:
            return None
        if Path(self.settings.location).is_absolute():
            return str(self._root)
        return os.path.relpath(self._root, self.settings.root)

    def fingerprint(self, index: Index) -> str:
        """Return the digest of all files, annotations and pictures."""
        parts = [self.tree.fingerprint(index)]
        if self._alone is not None:
            key = f"{self.kind}-file:{self._alone}"
            parts.append(files_digest(index, key, [self._alone], self.where))
        elif self._root != self.settings.path:
            parts.append(Tree(self.settings, self.where).fingerprint(index))
        return canonical.digest_value(parts)

    @cached_property
    def annotations(self) -> Tree:
        """Where the annotation files are, if the location is no file."""
        return self.tree if self._root == self.settings.path else Tree(self.settings, self.where)


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
        from modelwright.tasks.targets.mask import MOST_CLASSES

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
        import numpy as np

        from modelwright.prepare.collect import masks

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
    import numpy as np

    from modelwright.prepare.collect import masks

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
    import numpy as np

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


def bounds(rings: Sequence[Ring]) -> tuple[float, float, float, float]:
    """Return x, y, width and height of the box around outlines."""
    xs = [point[0] for ring in rings for point in ring]
    ys = [point[1] for ring in rings for point in ring]
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)


def finite(value: Any) -> bool:
    """Say whether something is a number that a coordinate can be."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and abs(value) < 1e8


def sized(item: Item, said: tuple[float, float] | None) -> tuple[tuple[int, int] | None, Rejected | None]:
    """Return a picture's size by its header, and an issue if its annotations are for another one."""
    size = picture_size(item)
    if size is None or said is None or min(said) <= 0:
        return size, None
    width, height = float(size[0]), float(size[1])
    if said == (width, height):
        return size, None
    words = f"{said[0]:g} × {said[1]:g} pixels"
    turned = " (it is turned by its EXIF tag)" if said == (height, width) else ""
    issue = Rejected(
        item.path,
        "wrong-size-annotation",
        f"{item.path} has {size[0]} × {size[1]} pixels{turned}, and its annotations are for {words}",
        0.7,
        {"picture": list(size), "annotation": list(said)},
    )
    return size, issue


def labelled(item: Item, label: Any, split: str | None = None) -> Item:
    """Return an item with its label."""
    return replace(item, label=label, split=split)
