"""The sketch of a picture: a grey 32 × 32 thumbnail, its colours at half the size, and whether the picture is small."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from modelwright.tasks.base import Sketch
from modelwright.tasks.likeness import SIDE, agreement, perceptual_hash

SMALL = 64
"""Pictures whose shorter side is below this many pixels are compared as small ones."""
AGREE_SMALL = 0.995
"""Correlation of thumbnails from which small pictures count as the same: they must agree nearly pixel by pixel."""
GREY = SIDE * SIDE
HALF = SIDE // 2
BYTES = 1 + GREY + 2 * HALF * HALF


def thumbnail(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return ``(32, 32) uint8``: grey, box-averaged, of ``(H, W, 3) uint8``."""
    from PIL import Image

    height, width = image.shape[:2]
    # Averaging every pixel of a large picture costs as much as decoding it; four per cell and axis do.
    step = max(1, min(height, width) // (SIDE * 4))
    picture = Image.fromarray(np.ascontiguousarray(image[::step, ::step])).convert("L")
    return np.asarray(
        picture.resize((SIDE, SIDE), Image.Resampling.BOX if min(height, width) >= SIDE else Image.Resampling.BILINEAR)
    )


def chroma(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return ``(2, 16, 16) uint8``: the colour differences Cb and Cr of ``(H, W, 3) uint8``."""
    from PIL import Image

    height, width = image.shape[:2]
    half = SIDE // 2
    step = max(1, min(height, width) // (half * 4))
    picture = Image.fromarray(np.ascontiguousarray(image[::step, ::step])).convert("YCbCr")
    way = Image.Resampling.BOX if min(height, width) >= half else Image.Resampling.BILINEAR
    return np.ascontiguousarray(np.asarray(picture.resize((half, half), way))[..., 1:].transpose(2, 0, 1))


def sketch(image: NDArray[np.uint8]) -> Sketch:
    """Return the sketch of ``(H, W, 3) uint8``: flag, thumbnail, Cb and Cr, :data:`BYTES` in all."""
    thumb = thumbnail(image)
    small = min(image.shape[:2]) < SMALL
    return Sketch(perceptual_hash(thumb), bytes([small]) + thumb.tobytes() + chroma(image).tobytes())


def parts(sketches: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], NDArray[np.uint8], NDArray[np.uint8]]:
    """Return ``(n,)`` whether small, ``(n, 32, 32)`` grey and ``(n, 2, 16, 16)`` colour differences of sketches."""
    count = len(sketches)
    grey = sketches[:, 1 : 1 + GREY].reshape(count, SIDE, SIDE)
    return sketches[:, 0] > 0, grey, sketches[:, 1 + GREY :].reshape(count, 2, HALF, HALF)


def alike(one: bytes, other: bytes, photo: float) -> bool:
    """Say whether two sketches show the same picture; ``photo`` is the agreement asked of those that aren't small."""
    small, grey, _ = parts(np.frombuffer(one + other, np.uint8).reshape(2, BYTES))
    return agreement(grey[0], grey[1]) >= (max(photo, AGREE_SMALL) if small.any() else photo)


def vectors(sketches: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return ``(n, 384) float32``: brightness on a 16 × 16 grid and colours on 8 × 8, about -1 to 1."""
    _, grey, colour = parts(sketches)
    count = len(sketches)
    light = grey.reshape(count, HALF, 2, HALF, 2).mean((2, 4), dtype=np.float32)
    tint = colour.reshape(count, 2, HALF // 2, 2, HALF // 2, 2).mean((3, 5), dtype=np.float32)
    both = np.concatenate([light.reshape(count, -1), tint.reshape(count, -1)], 1)
    return np.asarray(both / np.float32(127.5) - np.float32(1.0), np.float32)
