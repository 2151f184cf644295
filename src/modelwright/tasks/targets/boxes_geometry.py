"""Rectangles in pixels: which are none, which leave the picture, and which lie on top of each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

TINY = 3.0
"""Pixels of a side below which nothing can be told from the box."""
SLACK = 1.0
"""Pixels that a box may reach out: tools count from 0 and from 1, and round."""
SAME = 0.95
"""Intersection over union from which two boxes are in one place."""
_BLOCK = 256

Pairs = list[tuple[int, int]]


def size_of(measures: Mapping[str, float]) -> tuple[float, float] | None:
    """Return a picture's width and height, or None where they are not known."""
    width, height = measures.get("width"), measures.get("height")
    return (width, height) if width and height and width > 0 and height > 0 else None


def flat(box: Mapping[str, Any]) -> bool:
    """Say whether a box has no area."""
    return bool(box["width"] == 0 or box["height"] == 0)


def inverted(box: Mapping[str, Any]) -> bool:
    """Say whether a box has its corners the wrong way round."""
    return bool(box["width"] < 0 or box["height"] < 0)


def turned(box: Mapping[str, Any]) -> dict[str, Any]:
    """Return a box with its corners in order."""
    made = dict(box)
    for start, length in (("x", "width"), ("y", "height")):
        if made[length] < 0:
            made[start], made[length] = made[start] + made[length], -made[length]
    return made


def tiny(box: Mapping[str, Any]) -> bool:
    """Say whether a box with an area has a side of less than :data:`TINY` pixels."""
    return not flat(box) and min(abs(box["width"]), abs(box["height"])) < TINY


def outside(box: Mapping[str, Any], width: float, height: float) -> float:
    """Return the share of a box that lies beyond the picture, 0 if it leaves it by at most a pixel; 1: all of it.

    Examples
    --------
    >>> outside({"x": 90.0, "y": 0.0, "width": 20.0, "height": 10.0}, 100, 100)
    0.5
    """
    straight = turned(box)
    left, top = straight["x"], straight["y"]
    right, bottom = left + straight["width"], top + straight["height"]
    if left >= -SLACK and top >= -SLACK and right <= width + SLACK and bottom <= height + SLACK:
        return 0.0
    across = max(min(right, width) - max(left, 0.0), 0.0)
    down = max(min(bottom, height) - max(top, 0.0), 0.0)
    area = straight["width"] * straight["height"]
    return float(1.0 - across * down / area) if area > 0 else 1.0


def clipped(box: Mapping[str, Any], width: float, height: float) -> dict[str, Any] | None:
    """Return the part of a box that is in the picture, outlines included; None if there is none."""
    made = turned(box)
    right, bottom = min(made["x"] + made["width"], width), min(made["y"] + made["height"], height)
    left, top = max(made["x"], 0.0), max(made["y"], 0.0)
    if right <= left or bottom <= top:
        return None
    made |= {"x": left, "y": top, "width": right - left, "height": bottom - top}
    if "polygons" in made:
        made["polygons"] = [
            [[min(max(x, 0.0), width), min(max(y, 0.0), height)] for x, y in ring] for ring in made["polygons"]
        ]
    return made


def twins(boxes: Sequence[Mapping[str, Any]]) -> tuple[Pairs, Pairs]:
    """Return pairs of places whose boxes lie on each other, of one class and of two; boxes of crowds are left aside.

    Of one class, the second is the later one in the order given.
    """
    usable = [place for place, box in enumerate(boxes) if not (flat(box) or inverted(box) or box.get("crowd"))]
    if len(usable) < 2:
        return [], []
    corners = np.array(
        [
            [boxes[p]["x"], boxes[p]["y"], boxes[p]["x"] + boxes[p]["width"], boxes[p]["y"] + boxes[p]["height"]]
            for p in usable
        ]
    )
    same: Pairs = []
    other: Pairs = []
    for start in range(0, len(usable), _BLOCK):
        shares = overlaps(corners[start : start + _BLOCK], corners)
        ones, others = np.nonzero(shares >= SAME)
        for one, two in zip((ones + start).tolist(), others.tolist(), strict=True):
            if one < two:
                pair = usable[one], usable[two]
                (same if boxes[pair[0]]["class"] == boxes[pair[1]]["class"] else other).append(pair)
    return same, other


def overlaps(some: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``(n, m)`` intersection over union of boxes ``(n, 4)`` and ``(m, 4)`` given by their corners.

    Examples
    --------
    >>> overlaps(np.array([[0.0, 0, 2, 2]]), np.array([[0.0, 0, 2, 2], [1, 0, 3, 2]])).round(3).tolist()
    [[1.0, 0.333]]
    """
    low = np.maximum(some[:, None, :2], others[None, :, :2])
    high = np.minimum(some[:, None, 2:], others[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(2)
    areas = (some[:, 2:] - some[:, :2]).prod(1), (others[:, 2:] - others[:, :2]).prod(1)
    return np.asarray(both / np.maximum(areas[0][:, None] + areas[1][None] - both, 1e-12))
