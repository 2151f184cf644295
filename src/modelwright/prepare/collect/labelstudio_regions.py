"""What Label Studio's results say: regions in percent, painted pixels, choices and numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.collect.annotated import Ring, bounds, finite

_NAMES = ("rectanglelabels", "polygonlabels", "brushlabels", "ellipselabels", "labels")
_MOST_PIXELS = 64_000_000
_ROUND = 32
"""Corners that stand for an ellipse."""


def names_of(result: Mapping[str, Any]) -> list[str]:
    """Return the classes of a region; nothing for what is none."""
    value = result.get("value", {})
    for key in _NAMES:
        found = value.get(key) if isinstance(value, Mapping) else None
        if isinstance(found, list):
            return [str(name) for name in found if isinstance(name, (str, int, float))]
    return []


def simple_label(results: Sequence[Mapping[str, Any]] | None, output: str) -> Any:
    """Return the raw label that choices, numbers and ratings say; None if nobody has answered."""
    if results is None or output == "none":
        return None
    values = [result["value"] for result in results]
    if output == "number":
        for value in values:
            for key in ("number", "rating"):
                if key in value:
                    return value[key]
        return None
    chosen: list[str] = []
    for value in values:
        found = value.get("choices")
        if isinstance(found, list):
            chosen.extend(str(name) for name in found if isinstance(name, (str, int, float)))
    if output == "tags":
        return sorted(set(chosen))
    if len(set(chosen)) > 1:
        return {"problem": f"it has {len(set(chosen))} choices, and a category is one: 'output: tags'"}
    return chosen[0] if chosen else None


def objects_of(result: Mapping[str, Any], size: tuple[int, int]) -> list[dict[str, Any]] | str:
    """Return a region as objects in pixels, one a class of it, or why it is none; what is no region gives nothing."""
    names = names_of(result)
    if not names:
        return []
    value: Mapping[str, Any] = result["value"]
    width, height = size
    made: dict[str, Any]
    if "points" in value:
        ring = _points(value["points"], width, height)
        if ring is None:
            return "has an outline that is no list of three or more points"
        made = _box(bounds([ring])) | {"polygons": [ring]}
    elif "rle" in value:
        pixels = painted(value["rle"], result)
        if pixels is None:
            return "has painted pixels that cannot be unpacked"
        if not pixels.any():
            return "has no painted pixel"
        rows, across = np.flatnonzero(pixels.any(1)), np.flatnonzero(pixels.any(0))
        tall, wide = height / pixels.shape[0], width / pixels.shape[1]
        left, top = across[0] * wide, rows[0] * tall
        made = _box((left, top, (across[-1] + 1) * wide - left, (rows[-1] + 1) * tall - top)) | {"pixels": pixels}
    else:
        found = _rectangle(value, width, height)
        if found is None:
            return "has a rectangle that is none"
        made = found
    return [{"class": name, **made} for name in names]


def _box(place: tuple[float, float, float, float]) -> dict[str, Any]:
    return dict(zip(("x", "y", "width", "height"), map(float, place), strict=True))


def _points(points: Any, width: int, height: int) -> Ring | None:
    if not isinstance(points, list) or len(points) < 3:
        return None
    if not all(isinstance(point, list) and len(point) == 2 and all(map(finite, point)) for point in points):
        return None
    return [[x / 100 * width, y / 100 * height] for x, y in points]


def _rectangle(value: Mapping[str, Any], width: int, height: int) -> dict[str, Any] | None:
    """Return the box of a rectangle, turned around its first corner if it is, or of an ellipse."""
    if "radiusX" in value:
        four = [value.get(key) for key in ("x", "y", "radiusX", "radiusY")]
        if not all(map(finite, four)):
            return None
        x, y, across, down = (float(each) for each in four if each is not None)
        turns = [2 * math.pi * step / _ROUND for step in range(_ROUND)]
        ring = [[x + across * math.cos(turn), y + down * math.sin(turn)] for turn in turns]
        pixels = [[a / 100 * width, b / 100 * height] for a, b in ring]
        return _box(bounds([pixels])) | {"polygons": [pixels]}
    four = [value.get(key) for key in ("x", "y", "width", "height")]
    angle = value.get("rotation") or 0
    if not all(map(finite, four)) or not finite(angle):
        return None
    x, y, across, down = (float(each) for each in four if each is not None)
    left, top, wide, tall = x / 100 * width, y / 100 * height, across / 100 * width, down / 100 * height
    if not angle:
        return _box((left, top, wide, tall))
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    corners = ((0.0, 0.0), (wide, 0.0), (wide, tall), (0.0, tall))
    ring = [[left + a * cos - b * sin, top + a * sin + b * cos] for a, b in corners]
    return _box(bounds([ring])) | {"polygons": [ring]}


def painted(packed: Any, result: Mapping[str, Any]) -> NDArray[np.bool_] | None:
    """Return ``(h, w)`` painted pixels: those whose alpha is above 0; None if they cannot be unpacked.

    The packing is that of ``@thi.ng/rle-pack``: 32 bits of count, 5 of word size, 4 times 4 of run sizes; then, for
    each run, a bit that says whether one word repeats, two that choose the run size, the length less one, and the word
    or the words. Words are the bytes of RGBA.
    """
    sides = result.get("original_width"), result.get("original_height")
    if not all(type(side) is int and side > 0 for side in sides):
        return None
    width, height = (int(side) for side in sides if side is not None)
    if width * height > _MOST_PIXELS or not isinstance(packed, list):
        return None
    try:
        bits = np.unpackbits(np.array(packed, np.uint8))
        found = _unpacked(bits, 4 * width * height)
    except (ValueError, TypeError, OverflowError):
        return None
    return None if found is None else found.reshape(height, width, 4)[..., 3] > 0


def _unpacked(bits: NDArray[np.uint8], count: int) -> NDArray[np.uint8] | None:
    at = 0

    def take(size: int) -> int:
        nonlocal at
        at += size
        if at > len(bits):
            raise ValueError("the bits end")
        return int.from_bytes(np.packbits(bits[at - size : at]).tobytes()) >> (-size % 8)

    if take(32) != count:
        return None
    word = take(5) + 1
    sizes = [take(4) + 1 for _ in range(4)]
    made = np.zeros(count, np.uint8)
    weights = 1 << np.arange(word - 1, -1, -1)
    done = 0
    while done < count:
        repeats = take(1)
        length = 1 + take(sizes[take(2)])
        stop = min(done + length, count)
        if repeats:
            made[done:stop] = take(word) & 255
        else:
            part = bits[at : at + (stop - done) * word]
            at += len(part)
            if len(part) < (stop - done) * word:
                return None
            made[done:stop] = (part.reshape(-1, word) @ weights) & 255
        done = stop
    return made
