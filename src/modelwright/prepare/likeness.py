"""Near-duplicate pictures: a perceptual hash, a search that is not all pairs, and a second look before it counts.

1. *Hash*: 64 bits, the signs of the 64 lowest-frequency cosine coefficients of a 32 × 32 grey thumbnail around
   their median (Zauner 2010, "Implementation and benchmarking of perceptual image hash functions", section 3.2).
2. *Search*: multi-index hashing (Norouzi, Punjani and Fleet 2012, "Fast search in Hamming space with multi-index
   hashing"). Two hashes within distance 7 agree within distance 1 in at least one of their four 16-bit parts, so only
   those are compared.
3. *Second look*: thumbnails must agree once brightness and contrast are taken out. Hashes alone call many pairs of
   28 × 28 grey pictures of different shirts "near-duplicates"; small pictures must agree nearly pixel by pixel.

Flat pictures (no structure to compare) have no hash and never are near-duplicates.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

RADIUS = 7
"""Largest Hamming distance found; the four-part search is complete up to it."""
SIDE = 32
"""Side of the thumbnail, pixels."""
FLAT = 4.0
"""Deviation of grey levels (0..255) below which a thumbnail is flat."""
SMALL = 64
"""Pictures whose shorter side is below this are compared as small ones."""
AGREE = 0.97
"""Correlation of thumbnails from which photographs count as the same."""
AGREE_SMALL = 0.995
_PIECE = 1 << 20


@cache
def _cosines() -> NDArray[np.float32]:
    """Return the ``(9, 32)`` lowest rows of the orthonormal cosine transform."""
    rows = np.arange(9)[:, None]
    columns = np.arange(SIDE)[None, :]
    return np.asarray(np.cos(np.pi * (2 * columns + 1) * rows / (2 * SIDE)) * np.sqrt(2 / SIDE), np.float32)


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


def perceptual_hash(thumb: NDArray[np.uint8]) -> int | None:
    """Return the 64-bit hash of a thumbnail, or None if it is flat."""
    grey = thumb.astype(np.float32)
    if grey.std() < FLAT:
        return None
    cosines = _cosines()
    block = cosines @ grey @ cosines.T
    values = block[:8, :8].ravel().copy()
    values[0] = block[8, 0]  # the mean brightness says nothing; one more frequency does
    bits = values > np.median(values)
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def pairs(hashes: NDArray[np.uint64], radius: int = RADIUS) -> NDArray[np.int64]:
    """Return all index pairs ``(m, 2)``, ``i < j``, of hashes within ``radius`` bits, sorted.

    Equal hashes are joined to the first of them only (a chain is enough to group them), so that a thousand equal
    pictures give 999 pairs and not half a million.

    Parameters
    ----------
    hashes
        ``(n,) uint64``.
    radius
        0 to 7.

    Raises
    ------
    ValueError
        For a radius that the search is not complete for.
    """
    if not 0 <= radius <= RADIUS:
        raise ValueError(f"radius is {radius}; it must be 0 to {RADIUS}")
    if len(hashes) < 2:
        return np.empty((0, 2), np.int64)
    unique, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    own = np.arange(len(hashes))
    head = first[inverse]
    found = [np.stack([head, own], 1)[head != own]]
    if radius:
        found.extend(np.sort(first[near], 1) for near in _search(unique, radius))
    joined = np.unique(np.concatenate(found), axis=0)
    return joined.astype(np.int64)


def _search(hashes: NDArray[np.uint64], radius: int) -> Iterator[NDArray[np.int64]]:
    flips = [0, *(1 << bit for bit in range(16))] if radius > 3 else [0]
    for part in range(4):
        keys = ((hashes >> np.uint64(16 * part)) & np.uint64(0xFFFF)).astype(np.int64)
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        starts = np.searchsorted(ordered, np.arange((1 << 16) + 1))
        for flip in flips:
            wanted = keys ^ flip
            low, high = starts[wanted], starts[wanted + 1]
            yield from _near(hashes, order, low, high - low, radius)


def _near(
    hashes: NDArray[np.uint64], order: NDArray[np.int64], low: NDArray[np.int64], count: NDArray[np.int64], radius: int
) -> Iterator[NDArray[np.int64]]:
    """Compare each hash ``i`` with ``order[low[i] : low[i] + count[i]]``, a bounded number of pairs at a time."""
    ends = np.cumsum(count)
    start = 0
    while start < len(count):
        before = ends[start - 1] if start else 0
        stop = max(int(np.searchsorted(ends, before + _PIECE, side="right")), start + 1)
        lengths = count[start:stop]
        total = int(lengths.sum())
        if total:
            left = np.repeat(np.arange(start, stop), lengths)
            offsets = np.arange(total) - np.repeat(np.cumsum(lengths) - lengths, lengths)
            right = order[np.repeat(low[start:stop], lengths) + offsets]
            keep = left < right
            left, right = left[keep], right[keep]
            near = np.bitwise_count(hashes[left] ^ hashes[right]) <= radius
            if near.any():
                yield np.stack([left[near], right[near]], 1)
        start = stop


def agreement(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Return the correlation (-1..1) of two thumbnails: 1 is the same up to brightness and contrast."""
    left = one.astype(np.float64).ravel()
    right = other.astype(np.float64).ravel()
    left -= left.mean()
    right -= right.mean()
    scale = float(np.sqrt((left @ left) * (right @ right)))
    return float(left @ right) / scale if scale else 0.0


def same(one: NDArray[np.uint8], other: NDArray[np.uint8], *, small: bool, photo: float = AGREE) -> bool:
    """Say whether two thumbnails show the same picture; ``photo`` is the agreement asked of those that aren't small."""
    return agreement(one, other) >= (max(photo, AGREE_SMALL) if small else photo)
