"""The annotations of COCO files, sorted by picture, in bounded memory: they wait in a temporary file."""

from __future__ import annotations

import json
import tempfile
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO

from modelwright.prepare.collect.annotated import Ring, bounds, finite
from modelwright.prepare.collect.base import Rejected
from modelwright.prepare.collect.json_stream import JsonError, elements
from modelwright.prepare.collect.tree import Remarks

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_PIXELS = 64_000_000


class CocoFile:
    """One COCO file, read once from start to end, whatever the order of its parts.

    Parameters
    ----------
    name
        Of the file, for issues.
    scratch
        A folder for the temporary file.
    outlines
        Whether segmentations are wanted.
    """

    def __init__(self, name: str, scratch: Path, *, outlines: bool) -> None:
        self.name = name
        self.images: dict[Any, dict[str, Any]] = {}
        self.categories: dict[Any, str] = {}
        self.issues: list[Rejected] = []
        self.counts: dict[Any, int] = {}
        """Annotations by category id."""
        self._outlines = outlines
        self._remarks = Remarks()
        scratch.mkdir(parents=True, exist_ok=True)
        self._spool: IO[bytes] = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115 - it lives as long as this does
        self._numbers: dict[Any, int] = {}
        self._of = array("q")
        self._at = array("q")

    def __del__(self) -> None:
        if hasattr(self, "_spool"):
            self._spool.close()

    def read(self, file: BinaryIO) -> None:
        """Read everything; a file that breaks off keeps what came before."""
        import numpy as np

        end = 0
        try:
            for key, value in elements(file):
                if key == "annotations":
                    end = self._take(value, end)
                elif key == "images":
                    self._image(value)
                elif key == "categories":
                    self._category(value)
        except JsonError as error:
            self.issues.append(Rejected(self.name, "corrupt", f"{self.name} {error}; what came before is used", 0.9))
        self._spool.flush()
        for wanted, number in self._numbers.items():
            if wanted not in self.images:
                count = sum(each == number for each in self._of) if len(self._numbers) < 1000 else 0
                words = f"{count} annotations of" if count else "annotations of"
                self._say(
                    "dangling-annotation", f"image {wanted}", f"has {words} image {wanted!r}, which it does not list"
                )
        self.issues.extend(self._remarks.rest())
        order = np.argsort(np.array(self._of, np.int64), kind="stable")
        self._sorted: NDArray[np.int64] = np.array(self._of, np.int64)[order]
        self._places: NDArray[np.int64] = np.array(self._at, np.int64)[order]

    def objects(self, image: Any) -> Iterator[dict[str, Any]]:
        """Yield the annotations of one picture, in the file's order."""
        import numpy as np

        number = self._numbers.get(image)
        if number is None:
            return
        start, stop = np.searchsorted(self._sorted, [number, number + 1])
        for place in self._places[start:stop].tolist():
            self._spool.seek(place)
            found: dict[str, Any] = json.loads(self._spool.readline())
            yield found

    def object(self, each: Mapping[str, Any]) -> dict[str, Any] | str:
        """Return an annotated object, or ``kind: why not``."""
        category = each.get("category_id")
        name = self.categories.get(category) if isinstance(category, (int, str)) else None
        if name is None or not name.strip():
            return f"dangling-annotation: has the category {str(category)[:40]!r}, which is not listed"
        rings, pixels = _outline(each.get("segmentation"))
        box = each.get("bbox")
        if not isinstance(box, list) or len(box) != 4 or not all(finite(value) for value in box):
            if rings:
                box = list(bounds(rings))
            elif pixels is not None and pixels.any():
                box = _around(pixels)
            else:
                return f"bad-annotation: has the box {str(box)[:60]}, which is none"
        made: dict[str, Any] = {"class": name, **dict(zip(("x", "y", "width", "height"), map(float, box), strict=True))}
        if rings:
            made["polygons"] = rings
        if pixels is not None:
            made["pixels"] = pixels
        if each.get("iscrowd") in (1, True):
            made["crowd"] = True
        for flag in ("difficult", "truncated"):
            if each.get(flag) in (1, True):
                made[flag] = True
        return made

    def _say(self, kind: str, what: str, words: str, severity: float = 0.6) -> None:
        rejected = Rejected(f"{self.name}#{str(what)[:80]}", kind, f"{self.name} {words[:300]}", severity)
        self.issues.extend(self._remarks.add(rejected))

    def _image(self, value: Any) -> None:
        if (
            not isinstance(value, Mapping)
            or not isinstance(value.get("file_name"), str)
            or not _hashable(value.get("id"))
        ):
            self._say("bad-annotation", f"images {len(self.images)}", "has an image without id or file_name")
        elif value["id"] in self.images:
            self._say("bad-annotation", f"image {value['id']}", f"lists image {value['id']!r} twice; the first counts")
        else:
            size = value.get("width"), value.get("height")
            good = all(map(finite, size))
            self.images[value["id"]] = {"file_name": value["file_name"], "size": size if good else None}

    def _category(self, value: Any) -> None:
        if isinstance(value, Mapping) and isinstance(value.get("name"), str) and _hashable(value.get("id")):
            self.categories.setdefault(value["id"], value["name"])
        else:
            self._say("bad-annotation", f"categories {len(self.categories)}", "has a category without id or name")

    def _take(self, value: Any, end: int) -> int:
        """Put one annotation away; return where the temporary file ends now."""
        image = value.get("image_id") if isinstance(value, Mapping) else None
        if not isinstance(value, Mapping) or image is None or not _hashable(image):
            self._say("bad-annotation", f"annotation {len(self._of)}", "has an annotation without image_id")
            return end
        kept = {key: value[key] for key in ("id", "category_id", "bbox", "iscrowd") if key in value}
        kept |= {key: value[key] for key in ("difficult", "truncated") if value.get(key)}
        if self._outlines and value.get("segmentation"):
            kept["segmentation"] = value["segmentation"]
        category = value.get("category_id")
        if _hashable(category):
            self.counts[category] = self.counts.get(category, 0) + 1
        line = json.dumps(kept).encode() + b"\n"
        self._spool.write(line)
        self._of.append(self._numbers.setdefault(image, len(self._numbers)))
        self._at.append(end)
        return end + len(line)


def _hashable(value: Any) -> bool:
    return isinstance(value, (int, str)) and not isinstance(value, bool)


def pixels_of(rle: Any) -> NDArray[np.bool_] | None:
    """Return ``(h, w)`` pixels of a run-length mask, counts as a list or packed into a text; None if it is none.

    Runs go down the columns, the first is of pixels outside. The packed form: each number, from the third one on less
    the one before the last, in pieces of five bits, the lowest first, ``48`` added, and the sixth bit for "goes on".
    """
    import numpy as np

    if not isinstance(rle, Mapping):
        return None
    size, counts = rle.get("size"), rle.get("counts")
    if not isinstance(size, list) or len(size) != 2 or not all(type(side) is int and side > 0 for side in size):
        return None
    height, width = size
    if height * width > MOST_PIXELS:
        return None
    runs = _unpacked(counts) if isinstance(counts, str) else counts
    if not isinstance(runs, list) or not all(type(run) is int and 0 <= run <= height * width for run in runs):
        return None
    if sum(runs) != height * width:
        return None
    values = np.zeros(len(runs), bool)
    values[1::2] = True
    return np.repeat(values, runs).reshape(width, height).T


def _unpacked(text: str) -> list[int] | None:
    runs: list[int] = []
    at = 0
    while at < len(text):
        value, shift, more = 0, 0, True
        while more:
            if at >= len(text) or shift > 60:
                return None
            bits = ord(text[at]) - 48
            if not 0 <= bits < 64:
                return None
            value |= (bits & 31) << shift
            more = bool(bits & 32)
            at += 1
            shift += 5
            if not more and bits & 16:
                value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
    return runs


def _outline(found: Any) -> tuple[list[Ring], NDArray[np.bool_] | None]:
    """Return polygons and run-length pixels of a segmentation, as far as it has any that are sound."""
    if isinstance(found, list):
        rings = [
            [[float(x), float(y)] for x, y in zip(flat[::2], flat[1::2], strict=True)]
            for flat in found
            if isinstance(flat, list) and len(flat) >= 6 and len(flat) % 2 == 0 and all(finite(value) for value in flat)
        ]
        return rings, None
    return [], pixels_of(found)


def _around(pixels: NDArray[np.bool_]) -> list[float]:
    import numpy as np

    rows, across = np.flatnonzero(pixels.any(1)), np.flatnonzero(pixels.any(0))
    return [float(across[0]), float(rows[0]), float(across[-1] - across[0] + 1), float(rows[-1] - rows[0] + 1)]
