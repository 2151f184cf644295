"""Boxes around things in a picture: how they are read from what tools write, checked against it, and put right.

A label is canonical JSON: a list, sorted by class and place, of ``{"class", "x", "y", "width", "height"}`` in pixels of
the upright picture, origin top left. ``polygons`` (rings of ``[x, y]``), ``crowd``, ``difficult`` and ``truncated``
stand beside where a source says them. An empty list is a picture with nothing on it, which is a label; None is none.
Coordinates have four decimals: what goes through percents or shares and comes back is the same label.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

from modelwright import canonical
from modelwright.errors import InputError
from modelwright.tasks.base import LabelKind, Problem, UndecodableError
from modelwright.tasks.targets import boxes_geometry as geometry
from modelwright.tasks.targets.category import Category

MOST_BOXES = 20_000
"""Boxes in one picture; more is no annotation."""
MOST_POINTS = 100_000
"""Points of all outlines of one picture."""
FARTHEST = 1e8
"""Pixels; a coordinate beyond is no place in any picture."""
DECIMALS = 4
FLAGS = ("crowd", "difficult", "truncated")
"""What a box may be said to be; a flag that is false is not written."""

Box: TypeAlias = dict[str, Any]

_CLASS = ("class", "label", "name", "category", "category_name")
_CORNERS = (("xmin", "ymin", "xmax", "ymax"), ("x1", "y1", "x2", "y2"), ("left", "top", "right", "bottom"))
_SIZES = (("x", "y", "width", "height"), ("x", "y", "w", "h"), ("left", "top", "width", "height"))


class Boxes:
    """The target ``boxes``. Nothing learns it yet: it is prepared, explored and exported."""

    name: ClassVar[str] = "boxes"
    version: ClassVar[int] = 1
    label_kind: ClassVar[LabelKind] = "structured"

    def read(self, raw: Any) -> str | None:
        """Return the boxes as canonical JSON; None for empty text, None and NaN.

        A list (or its JSON text, or ``{"boxes": […]}``) of objects, each with a class (``class``, ``label``, ``name``,
        ``category``) and a place: ``x``, ``y``, ``width``, ``height``; ``bbox`` (the same four in a list); or corners
        as ``xmin``…``ymax``, ``x1``…``y2``, ``left``…``bottom``. Boxes without area, turned over or outside of the
        picture are read as they stand: :meth:`check` finds them.

        Raises
        ------
        UndecodableError
            ``bad-label`` for anything else; for a coordinate that is no finite number; for a class that a category
            would refuse; and for more boxes or points than an annotation has.

        Examples
        --------
        >>> Boxes().read([{"label": "cat", "bbox": [1, 2, 3.5, 4]}])
        '[{"class":"cat","height":4.0,"width":3.5,"x":1.0,"y":2.0}]'
        >>> Boxes().read([]), Boxes().read("")
        ('[]', None)
        """
        parts = _parts(raw)
        if parts is None:
            return None
        if len(parts) > MOST_BOXES:
            raise _bad(f"the label has {len(parts):,} boxes, at most {MOST_BOXES:,} are allowed")
        boxes = [_box(part, number) for number, part in enumerate(parts, 1)]
        if sum(len(ring) for box in boxes for ring in box.get("polygons", ())) > MOST_POINTS:
            raise _bad(f"the outlines have more than {MOST_POINTS:,} points")
        return written(boxes)

    def classes(self, label: str) -> list[str]:
        """Return the class of each box, in the label's order."""
        return [box["class"] for box in json.loads(label)]

    def check(self, label: str, measures: Mapping[str, float]) -> list[Problem]:
        """Return what is wrong with the boxes of one picture, one problem a kind; ``evidence["boxes"]`` are the boxes.

        ``inverted-box``: corners the wrong way round. ``zero-area-box``. ``outside-box``: beyond the picture by more
        than a pixel (where ``width`` and ``height`` are known). ``duplicate-box``: the same class in the same place
        (intersection over union from 0.95). ``conflicting-boxes``: another class there. ``tiny-box``: a side under 3
        pixels. ``no-boxes``: none at all.
        """
        return list(_problems(json.loads(label), measures))

    def mend(self, label: str, measures: Mapping[str, float], kinds: frozenset[str]) -> str:
        """Return the label with the problems of these kinds put right.

        Inverted boxes are turned over; boxes outside are clipped to the picture, and left out if nothing is left;
        boxes without area, tiny ones, later copies, and all that contradict each other are left out.
        """
        boxes: list[Box] = json.loads(label)
        if "inverted-box" in kinds:
            boxes = [geometry.turned(box) if geometry.inverted(box) else box for box in boxes]
        size = geometry.size_of(measures)
        if "outside-box" in kinds and size is not None:
            boxes = [kept for box in boxes for kept in _inside(box, size)]
        if "zero-area-box" in kinds:
            boxes = [box for box in boxes if not geometry.flat(box)]
        if "tiny-box" in kinds:
            boxes = [box for box in boxes if not geometry.tiny(box)]
        copies, conflicts = geometry.twins(boxes)
        gone: set[int] = set()
        if "duplicate-box" in kinds:
            gone |= {other for _, other in copies}
        if "conflicting-boxes" in kinds:
            gone |= {place for pair in conflicts for place in pair}
        return written([_rounded(box) for place, box in enumerate(boxes) if place not in gone])

    def learn(self, labels: Sequence[Any]) -> dict[str, Any]:
        """Return the sorted ``classes``, ``boxes`` of each, how many pictures are ``empty``, and the ``most`` in one.

        Raises
        ------
        InputError
            ``no-boxes`` where no sample has any.
        """
        counts: dict[str, int] = {}
        empty = most = 0
        for label in labels:
            if label is None:
                continue
            names = self.classes(label)
            empty += not names
            most = max(most, len(names))
            for name in names:
                counts[name] = counts.get(name, 0) + 1
        if not counts:
            raise InputError(
                "no picture of the training data has a box",
                code="no-boxes",
                hint="look at the issues: labels may have been read from the wrong place",
            )
        return {"classes": sorted(counts), "boxes": counts, "empty": empty, "most": most}


def written(boxes: Sequence[Box]) -> str:
    """Return canonical JSON of boxes, in order."""
    return canonical.dumps(sorted(boxes, key=_order)).decode()


def _order(box: Box) -> tuple[Any, ...]:
    place = tuple(box[name] for name in ("class", "x", "y", "width", "height"))
    rest = {key: value for key, value in box.items() if key in FLAGS or key == "polygons"}
    return (*place, canonical.dumps(rest))


def _inside(box: Box, size: tuple[float, float]) -> list[Box]:
    """Return the part of a box that is in the picture, or nothing."""
    if not geometry.outside(box, *size):
        return [box]
    part = geometry.clipped(box, *size)
    made = None if part is None else _rounded(part)
    return [] if made is None or geometry.flat(made) else [made]


def _parts(raw: Any) -> Sequence[Any] | None:
    if raw is None or (isinstance(raw, float) and math.isnan(raw)):
        return None
    if isinstance(raw, str):
        if not raw.strip():
            return None
        try:
            raw = json.loads(raw)
        except (ValueError, RecursionError):
            raise _bad("the label is a text that is no JSON; boxes are a list of objects") from None
    if isinstance(raw, Mapping):
        if isinstance(raw.get("problem"), str):
            raise _bad(raw["problem"])
        raw = raw.get("boxes")
    if isinstance(raw, (list, tuple)):
        return raw
    raise _bad("the label is no list of boxes")


def _box(part: Any, number: int) -> Box:
    if not isinstance(part, Mapping):
        raise _bad(f"box {number} is no object with a class and a place")
    name = next((part[key] for key in _CLASS if part.get(key) is not None), None)
    try:
        kind = Category().read(name)
    except UndecodableError as error:
        raise _bad(f"box {number}: {error.problem.message}") from None
    if kind is None:
        raise _bad(f"box {number} has no class")
    x, y, width, height = (_number(value, number) for value in _place(part, number))
    made: Box = {"class": kind, "x": x, "y": y, "width": width, "height": height}
    rings = part.get("polygons")
    if rings is None and part.get("polygon"):
        rings = [part["polygon"]]
    if rings:
        made["polygons"] = [_ring(ring, number) for ring in rings]
    for flag in FLAGS:
        if part.get(flag) in (True, "1", "true"):
            made[flag] = True
    return _rounded(made)


def _place(part: Mapping[str, Any], number: int) -> Sequence[Any]:
    four = part.get("bbox")
    if isinstance(four, (list, tuple)) and len(four) == 4:
        return four
    for names in _SIZES:
        if all(name in part for name in names):
            return [part[name] for name in names]
    for names in _CORNERS:
        if all(name in part for name in names):
            left, top, right, bottom = (_number(part[name], number) for name in names)
            return [left, top, right - left, bottom - top]
    raise _bad(f"box {number} has no place: x, y, width and height, or corners, are needed")


def _number(value: Any, number: int) -> float:
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        try:
            found = float(value)
        except (ValueError, OverflowError):
            found = math.nan
        if math.isfinite(found) and abs(found) <= FARTHEST:
            return found
    raise _bad(f"box {number} has the coordinate {str(value)[:40]!r}, which is no place in a picture")


def _ring(points: Any, number: int) -> list[list[float]]:
    if (
        isinstance(points, (list, tuple))
        and len(points) >= 3
        and all(isinstance(point, (list, tuple)) and len(point) == 2 for point in points)
    ):
        return [[_number(value, number) for value in point] for point in points]
    raise _bad(f"box {number} has an outline that is no list of three or more points")


def _rounded(box: Box) -> Box:
    made: Box = {}
    for key, value in box.items():
        made[key] = round(value, DECIMALS) + 0.0 if isinstance(value, float) else value
    if "polygons" in made:
        made["polygons"] = [[[round(v, DECIMALS) + 0.0 for v in point] for point in ring] for ring in made["polygons"]]
    return made


def _problems(boxes: Sequence[Box], measures: Mapping[str, float]) -> Iterator[Problem]:
    if not boxes:
        yield Problem("no-boxes", 0.2, "has no box: an empty scene, or a picture that nobody has labelled")
        return
    turned = [box for box in boxes if geometry.inverted(box)]
    if turned:
        yield _problem("inverted-box", 0.6, turned, "with corners the wrong way round", boxes)
    flat = [box for box in boxes if geometry.flat(box)]
    if flat:
        yield _problem("zero-area-box", 0.6, flat, "without area", boxes)
    size = geometry.size_of(measures)
    if size is not None:
        out = [(box, geometry.outside(box, *size)) for box in boxes]
        beyond = [box for box, share in out if share > 0]
        if beyond:
            worst = max(share for _, share in out)
            words = f"reaching out of the picture ({size[0]:g} × {size[1]:g} pixels)"
            yield _problem("outside-box", round(0.3 + 0.5 * worst, 3), beyond, words, boxes)
    tiny = [box for box in boxes if geometry.tiny(box)]
    if tiny:
        yield _problem("tiny-box", 0.2, tiny, f"with a side under {geometry.TINY:g} pixels", boxes)
    copies, conflicts = geometry.twins(boxes)
    if copies:
        yield _problem("duplicate-box", 0.4, [boxes[other] for _, other in copies], "that repeat another one", boxes)
    if conflicts:
        one, other = (boxes[place] for place in conflicts[0])
        words = f"two classes in one place, such as {one['class']} and {other['class']}"
        mine = [boxes[place] for place in sorted({place for pair in conflicts for place in pair})]
        yield _problem("conflicting-boxes", 0.7, mine, f"that say {words}", boxes)


def _problem(kind: str, severity: float, found: Sequence[Box], words: str, boxes: Sequence[Box]) -> Problem:
    shown = [{key: value for key, value in box.items() if key != "polygons"} for box in found[:20]]
    first = shown[0]
    where = f"{first['class']} at {first['x']:g}, {first['y']:g}, {first['width']:g} × {first['height']:g}"
    message = f"{len(found)} of {len(boxes)} boxes {words} (the first: {where})"
    return Problem(kind, severity, message, {"boxes": shown, "count": len(found)})


def _bad(message: str) -> UndecodableError:
    return UndecodableError(Problem("bad-label", 1.0, message))
