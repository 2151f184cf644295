"""The sketch of a picture: a grey 32 × 32 thumbnail, its colours at half the size, and whether the picture is small."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from modelwright.tasks.abilities import Sketch, Sketches
from modelwright.tasks.crops import aligned_agreement
from modelwright.tasks.likeness import SIDE, agreements, perceptual_hash, perceptual_hashes

SMALL = 64
"""Pictures whose shorter side is below this many pixels are compared as small ones."""
AGREE_SMALL = 0.995
"""Correlation of thumbnails from which small pictures count as the same: they must agree nearly pixel by pixel."""
GREY = SIDE * SIDE
HALF = SIDE // 2
BYTES = 1 + GREY + 2 * HALF * HALF
_STRIP = 2 * SIDE
"""Longest side of pictures that are shrunk side by side; of larger ones most of the time goes into their pixels."""
_NO_COLOUR = 128
"""Both colour differences of a grey picture."""


def thumbnail(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return ``(32, 32) uint8``: grey, box-averaged, of ``(H, W, 3) uint8``."""
    return np.ascontiguousarray(_shrunk(image)[0])


def chroma(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return ``(2, 16, 16) uint8``: the colour differences Cb and Cr of ``(H, W, 3) uint8``."""
    return _shrunk(image)[1]


def _shrunk(image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return ``(32, 32)`` grey and ``(2, 16, 16)`` colour differences of ``(H, W, 3) uint8``."""
    grey, colours = _in_colour(_resized(image)[None])
    return grey[0], colours[0]


def sketch(image: NDArray[np.uint8]) -> Sketch:
    """Return the sketch of ``(H, W, 3) uint8``: flag, thumbnail, Cb and Cr, :data:`BYTES` in all."""
    thumb, colours = _shrunk(image)
    small = min(image.shape[:2]) < SMALL
    return Sketch(perceptual_hash(thumb), bytes([small]) + thumb.tobytes() + colours.tobytes())


def sketch_many(images: NDArray[np.uint8]) -> Sketches:
    """Return the sketches of ``(n, H, W, 3) uint8``: of each what :func:`sketch` returns, to the last bit.

    Pillow's resize goes over the lines of a picture and then over its columns, or the other way round, and rounds in
    between. So pictures one below the other are shrunk across, then side by side shrunk downwards: two calls for all.
    """
    count, height, width = images.shape[:3]
    made = np.empty((count, BYTES), np.uint8)
    made[:, 0] = min(height, width) < SMALL
    order = _order(height, width) if max(height, width) <= _STRIP else None
    if order is None:
        grey, colours = _in_colour(np.stack([_resized(image) for image in images]))
        made[:, 1 + GREY :] = colours.reshape(count, -1)
    elif (images == images[..., :1]).all():
        grey = _lumas()[_strips(np.ascontiguousarray(images[..., 0]), order)]
        made[:, 1 + GREY :] = _NO_COLOUR
    else:
        grey, colours = _in_colour(_strips(images, order))
        made[:, 1 + GREY :] = colours.reshape(count, -1)
    made[:, 1 : 1 + GREY] = grey.reshape(count, -1)
    return Sketches(*perceptual_hashes(grey), made)


def _in_colour(thumbs: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return ``(n, 32, 32)`` grey and ``(n, 2, 16, 16)`` colour differences of ``(n, 32, 32, 3)``."""
    from PIL import Image

    count = len(thumbs)
    strip = Image.fromarray(thumbs.reshape(count * SIDE, SIDE, 3)).convert("YCbCr")
    colours = np.asarray(strip.reduce(2)).reshape(count, HALF, HALF, 3)[..., 1:].transpose(0, 3, 1, 2)
    return np.ascontiguousarray(np.asarray(strip)[..., 0]).reshape(count, SIDE, SIDE), colours


_Order = Literal["across", "down"]
"""Which way a picture is resized first."""


def _strips(images: NDArray[np.uint8], order: _Order) -> NDArray[np.uint8]:
    """Return ``(n, 32, 32, …)``: pictures ``(n, h, w, …)`` resized, all in one go each way."""
    if order == "across":
        return _down(_across(images))
    return _across(_down(images))


def _across(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return ``(n, h, 32, …)`` of ``(n, h, w, …)``."""
    from PIL import Image

    count, height, width, *rest = images.shape
    strip = Image.fromarray(np.ascontiguousarray(images).reshape(count * height, width, *rest))
    return np.asarray(strip.resize((SIDE, count * height), Image.Resampling.BILINEAR)).reshape(
        count, height, SIDE, *rest
    )


def _down(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return ``(n, 32, w, …)`` of ``(n, h, w, …)``."""
    from PIL import Image

    count, height, width, *rest = images.shape
    strip = Image.fromarray(np.ascontiguousarray(images.swapaxes(0, 1)).reshape(height, count * width, *rest))
    made = np.asarray(strip.resize((count * width, SIDE), Image.Resampling.BILINEAR))
    return np.ascontiguousarray(made.reshape(SIDE, count, width, *rest).swapaxes(0, 1))


@lru_cache(256)
def _order(height: int, width: int) -> _Order | None:
    """Return which way Pillow resizes pictures of a size first; None if neither gives what it does with one alone.

    It is tried on noise, once for each size: versions of Pillow differ in it, and within one it depends on the size.
    """
    noise = np.random.default_rng(0).integers(0, 256, (4, height, width, 3), np.uint8)
    alone = np.stack([_resized(image) for image in noise])
    orders: tuple[_Order, ...] = ("across", "down")
    return next((order for order in orders if np.array_equal(_strips(noise, order), alone)), None)


def _resized(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    from PIL import Image

    way = Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(np.ascontiguousarray(image)).resize((SIDE, SIDE), way, reducing_gap=2.0))


@cache
def _lumas() -> NDArray[np.uint8]:
    """Return ``(256,)``: the brightness that Pillow gives each grey."""
    from PIL import Image

    greys = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, 2)
    return np.ascontiguousarray(np.asarray(Image.fromarray(greys).convert("YCbCr"))[0, :, 0])


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
