"""A class for every pixel: how the description of a mask is read, checked against its picture, and put right.

A label is canonical JSON: ``{"mask", "width", "height", "names", "classes"}``. ``mask`` is the digest of a PNG in the
store's objects (8-bit grey; the value is the place in ``names``, 255 is to be ignored), as large as the picture;
``classes`` counts the pixels of each class that occurs. Sources make both (:mod:`modelwright.prepare.collect.masks`),
and note what they had to do to the file: ``from`` (its size, if it was brought to the picture's), ``soft`` (pixels
between two values that were put to the nearer one), ``unknown`` (pixels by values that stand for no class; ignored).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from modelwright import canonical
from modelwright.errors import InputError
from modelwright.tasks.base import LabelKind, Problem, UndecodableError
from modelwright.tasks.targets.category import Category

IGNORED = 255
"""The value of pixels that are nobody's."""
MOST_CLASSES = 255
_TINY = 9
"""Pixels that are something else than the rest of a mask, below which they are a slip: 3 × 3, as of a tiny box."""
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
_NOTES = {"wrong-size-mask": "from", "soft-mask": "soft", "unknown-mask-value": "unknown"}
"""Which note of the source is behind which kind of problem."""
_SHAPE = 0.02
"""Relative difference of aspects from which a mask is no smaller copy of its picture's size."""


class Mask:
    """The target ``mask``. Nothing learns it yet: it is prepared, explored and exported."""

    name: ClassVar[str] = "mask"
    version: ClassVar[int] = 1
    label_kind: ClassVar[LabelKind] = "structured"

    def read(self, raw: Any) -> str | None:
        """Return the description as canonical JSON; None for empty text, None and NaN.

        Raises
        ------
        UndecodableError
            ``bad-label`` for what describes no mask: no digest, no size, counts that are none.
        """
        if raw is None or (isinstance(raw, float) and math.isnan(raw)):
            return None
        if isinstance(raw, str):
            if not raw.strip():
                return None
            try:
                raw = json.loads(raw)
            except (ValueError, RecursionError):
                raise _bad("the label is a text that describes no mask") from None
        if not isinstance(raw, Mapping):
            raise _bad("the label describes no mask: a picture file as a mask needs a source such as pairs")
        if isinstance(raw.get("problem"), str):
            raise _bad(raw["problem"])
        return canonical.dumps(_checked(raw)).decode()

    def classes(self, label: str) -> list[str]:
        """Return the classes that occur, each once, sorted."""
        return sorted(json.loads(label)["classes"])

    def check(self, label: str, measures: Mapping[str, float]) -> list[Problem]:
        """Return what is wrong with one mask.

        ``wrong-size-mask``: the file had another size than the picture. ``empty-mask``: one class alone, or nothing but
        ignored pixels. ``tiny-mask``: fewer than nine pixels of anything else. ``soft-mask``: values between two
        classes. ``unknown-mask-value``: values of no class.
        """
        return list(_problems(json.loads(label), measures))

    def mend(self, label: str, measures: Mapping[str, float], kinds: frozenset[str]) -> str:
        """Return the label with what the source did about these kinds taken as it is: its notes go.

        A mask that is empty stays so: there is nothing to mend it from.
        """
        found = json.loads(label)
        for kind in kinds & _NOTES.keys():
            found.pop(_NOTES[kind], None)
        return canonical.dumps(found).decode()

    def learn(self, labels: Sequence[Any]) -> dict[str, Any]:
        """Return the sorted ``classes``, the ``pixels`` of each, and how many masks are ``empty`` (of one class).

        Raises
        ------
        InputError
            ``one-class`` where all masks together have but one class.
        """
        pixels: dict[str, int] = {}
        empty = 0
        for label in labels:
            if label is None:
                continue
            counts = json.loads(label)["classes"]
            empty += len(counts) < 2
            for name, count in counts.items():
                pixels[name] = pixels.get(name, 0) + count
        if len(pixels) < 2:
            found = f"only one class, {next(iter(pixels))!r}" if pixels else "no pixel of any class"
            raise InputError(
                f"the masks of the training data have {found}; at least two are needed",
                code="one-class",
                hint="look at the masks: their values may stand for other classes than was guessed ('names')",
            )
        return {"classes": sorted(pixels), "pixels": pixels, "empty": empty}


def _checked(raw: Mapping[str, Any]) -> dict[str, Any]:
    digest, names, counts = raw.get("mask"), raw.get("names"), raw.get("classes")
    if not isinstance(digest, str) or not _DIGEST.match(digest):
        raise _bad("the mask has no digest of a picture in the store")
    if not isinstance(names, list) or not 0 < len(names) <= MOST_CLASSES:
        raise _bad(f"a mask has 1 to {MOST_CLASSES} 'names' of classes")
    # Spelled as labels are: a name whose letters are put together otherwise (NFC) is the same name.
    clean = [Category().read(name) if isinstance(name, str) else None for name in names]
    if None in clean or len(set(clean)) != len(clean):
        raise _bad("the 'names' of a mask's classes are texts, each once")
    spelled = dict(zip(names, clean, strict=True))
    if not isinstance(counts, Mapping) or not counts.keys() <= spelled.keys():
        raise _bad("'classes' of a mask are numbers of pixels by class")
    made: dict[str, Any] = {"mask": digest, "names": clean}
    made |= {side: _count(raw.get(side), side) for side in ("width", "height")}
    made["classes"] = {spelled[name]: count for name, value in counts.items() if (count := _count(value, name)) > 0}
    if raw.get("from"):
        made["from"] = [_count(value, "from") for value in _pair(raw["from"])]
    if raw.get("soft"):
        made["soft"] = _count(raw["soft"], "soft")
    if raw.get("unknown"):
        if not isinstance(raw["unknown"], Mapping):
            raise _bad("'unknown' of a mask are numbers of pixels by value")
        made["unknown"] = {str(value): _count(count, str(value)) for value, count in raw["unknown"].items()}
    return made


def _pair(value: Any) -> Sequence[Any]:
    if isinstance(value, (list, tuple)) and len(value) == 2:
        return value
    raise _bad("'from' of a mask is a width and a height")


def _count(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 2**53 or value != int(value):
        raise _bad(f"{name!r} of a mask is no whole number of pixels")
    return int(value)


def _problems(found: Mapping[str, Any], measures: Mapping[str, float]) -> Iterator[Problem]:
    counts: Mapping[str, int] = found["classes"]
    area = max(found["width"] * found["height"], 1)
    if len(counts) < 2:
        what = f"all of it is {next(iter(counts))}" if counts else "no pixel has a class"
        yield Problem("empty-mask", 0.3 if counts else 0.6, f"its mask is empty: {what}", {"classes": dict(counts)})
    small = sum(counts.values()) - max(counts.values(), default=0)
    if 0 < small < _TINY:
        most = max(counts, key=lambda name: counts[name])
        what = f"{small} pixels" if small > 1 else "one pixel"
        yield Problem("tiny-mask", 0.5, f"all of its mask but {what} is {most}", {"classes": dict(counts)})
    if (before := found.get("from")) is not None:
        width, height = before
        turn = abs(math.log(max(width, 1) * found["height"] / max(height * found["width"], 1)))
        words = "in another shape, so that it may not fit" if turn > _SHAPE else "in the same shape"
        yield Problem(
            "wrong-size-mask",
            0.8 if turn > _SHAPE else 0.4,
            f"its mask has {width} × {height} pixels and the picture {found['width']} × {found['height']}, {words}: "
            "it was brought to the picture's size",
            {"mask": [width, height], "picture": [found["width"], found["height"]]},
        )
    elif "width" in measures and (measures["width"], measures.get("height")) != (found["width"], found["height"]):
        yield Problem(
            "wrong-size-mask",
            0.9,
            f"its mask has {found['width']} × {found['height']} pixels and the picture {measures['width']:g} × "
            f"{measures.get('height', 0):g}",
            {"mask": [found["width"], found["height"]], "picture": [measures["width"], measures.get("height", 0)]},
        )
    if soft := found.get("soft"):
        share = soft / area
        yield Problem(
            "soft-mask",
            round(min(0.2 + share, 0.7), 3),
            f"{soft:,} pixels of its mask ({share:.1%}) lie between the values of classes and went to the nearer one",
            {"pixels": soft, "share": round(share, 5)},
        )
    if unknown := found.get("unknown"):
        total = sum(unknown.values())
        yield Problem(
            "unknown-mask-value",
            round(min(0.4 + total / area, 0.9), 3),
            f"{total:,} pixels of its mask have values that stand for no class ({', '.join(list(unknown)[:6])}) "
            "and are ignored",
            {"values": dict(list(unknown.items())[:20]), "pixels": total},
        )


def _bad(message: str) -> UndecodableError:
    return UndecodableError(Problem("bad-label", 1.0, message))
