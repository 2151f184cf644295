"""The sketch of a picture: a grey 32 × 32 thumbnail, its colours at half the size, and whether the picture is small."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from modelwright.tasks.abilities import Sketch
from modelwright.tasks.crops import aligned_agreement
from modelwright.tasks.likeness import SIDE, agreements, perceptual_hash

SMALL = 64
"""Pictures whose shorter side is below this many pixels are compared as small ones."""
AGREE_SMALL = 0.995
"""Correlation of thumbnails from which small pictures count as the same: they must agree nearly pixel by pixel."""
GREY = SIDE * SIDE
HALF = SIDE // 2
BYTES = 1 + GREY + 2 * HALF * HALF


def thumbnail(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return ``(32, 32) uint8``: grey, box-averaged, of ``(H, W, 3) uint8``."""
    return np.ascontiguousarray(_shrunk(image)[0])


def chroma(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return ``(2, 16, 16) uint8``: the colour differences Cb and Cr of ``(H, W, 3) uint8``."""
    return _shrunk(image)[1]


def _shrunk(image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return ``(32, 32)`` grey and ``(2, 16, 16)`` colour differences of ``(H, W, 3) uint8``."""
    from PIL import Image

    way = Image.Resampling.BILINEAR
    picture = Image.fromarray(np.ascontiguousarray(image)).resize((SIDE, SIDE), way, reducing_gap=2.0).convert("YCbCr")
    colours = np.asarray(picture.reduce(2))[..., 1:].transpose(2, 0, 1)
    return np.asarray(picture)[..., 0], np.ascontiguousarray(colours)


def sketch(image: NDArray[np.uint8]) -> Sketch:
    """Return the sketch of ``(H, W, 3) uint8``: flag, thumbnail, Cb and Cr, :data:`BYTES` in all."""
    thumb, colours = _shrunk(image)
    small = min(image.shape[:2]) < SMALL
    return Sketch(perceptual_hash(thumb), bytes([small]) + thumb.tobytes() + colours.tobytes())


def parts(sketches: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], NDArray[np.uint8], NDArray[np.uint8]]:
    """Return ``(n,)`` whether small, ``(n, 32, 32)`` grey and ``(n, 2, 16, 16)`` colour differences of sketches."""
    count = len(sketches)
    grey = sketches[:, 1 : 1 + GREY].reshape(count, SIDE, SIDE)
    return sketches[:, 0] > 0, grey, sketches[:, 1 + GREY :].reshape(count, 2, HALF, HALF)


def alike(one: bytes, other: bytes, photo: float) -> bool:
    """Say whether two sketches show the same picture; see :func:`alike_many`."""
    ones, others = (np.frombuffer(each, np.uint8)[None] for each in (one, other))
    return bool(alike_many(ones, others, photo)[0])


def alike_many(ones: NDArray[np.uint8], others: NDArray[np.uint8], photo: float) -> NDArray[np.bool_]:
    """Return which pairs of ``(n, BYTES)`` sketches show the same picture, or one of them a crop of it.

    ``photo`` is the agreement asked of those that aren't small; small ones must agree as they lie.
    """
    small, grey, _ = parts(ones)
    small_other, grey_other, _ = parts(others)
    small = small | small_other
    made = agreements(grey, grey_other) >= np.where(small, max(photo, AGREE_SMALL), photo)
    for place in np.flatnonzero(~made & ~small).tolist():
        made[place] = aligned_agreement(grey[place], grey_other[place]) >= photo
    return np.asarray(made)


def border(sketches: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return ``(n, 504)`` of the edge and ``(n, 294)`` of what is inside.

    Of the edge: its pixels (two of 32 in brightness, one of 16 in colour); and of each side and each corner of the
    outermost line which of 16 steps of brightness it has on the average, with how even a side is in four steps: no
    straight line through brightness tells a frame of middle grey from a black and a white one, steps do.
    """
    _, grey, colour = parts(sketches)
    count = len(sketches)
    ring, halves = np.ones((SIDE, SIDE), bool), np.ones((HALF, HALF), bool)
    ring[2:-2, 2:-2] = halves[1:-1, 1:-1] = False
    sides = np.stack([grey[:, 0], grey[:, -1], grey[:, :, 0], grey[:, :, -1]], 1).astype(np.float32)
    corners = grey[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    steps = np.concatenate([sides.mean(2), corners], 1) / 16
    even = np.searchsorted(np.array([1.0, 4.0, 16.0]), sides.std(2).ravel()).reshape(count, -1)
    blocks = [
        grey[:, ring],
        colour[:, :, halves].reshape(count, -1),
        np.eye(16)[steps.astype(np.int64)].reshape(count, -1),
        np.eye(4)[even].reshape(count, -1),
    ]
    light = grey[:, 2:-2, 2:-2].reshape(count, HALF - 2, 2, HALF - 2, 2).mean((2, 4), dtype=np.float32)
    tint = colour[:, :, 1:-1, 1:-1].reshape(count, 2, HALF // 2 - 1, 2, HALF // 2 - 1, 2)
    inside = [light.reshape(count, -1), tint.mean((3, 5), dtype=np.float32).reshape(count, -1)]
    return np.concatenate(blocks, 1, dtype=np.float32), np.concatenate(inside, 1)


def vectors(sketches: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return ``(n, 384) float32``: brightness on a 16 × 16 grid and colours on 8 × 8, about -1 to 1."""
    _, grey, colour = parts(sketches)
    count = len(sketches)
    light = grey.reshape(count, HALF, 2, HALF, 2).mean((2, 4), dtype=np.float32)
    tint = colour.reshape(count, 2, HALF // 2, 2, HALF // 2, 2).mean((3, 5), dtype=np.float32)
    both = np.concatenate([light.reshape(count, -1), tint.reshape(count, -1)], 1)
    return np.asarray(both / np.float32(127.5) - np.float32(1.0), np.float32)
