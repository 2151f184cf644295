"""Likeness of small grey pictures: of photographs shrunk, of spectrograms, of anything that has a picture.

- *Hash*: 64 bits, the signs of the 64 lowest-frequency cosine coefficients of a 32 × 32 picture around their median
  (Zauner 2010, "Implementation and benchmarking of perceptual image hash functions", section 3.2).
- *Agreement*: pictures must agree once brightness and contrast are taken out. Hashes alone call many pairs of 28 × 28
  grey pictures of different shirts near-duplicates.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

SIDE = 32
"""Side of the picture, pixels."""
FLAT = 4.0
"""Deviation of grey levels (0..255) below which a picture is flat, and has no hash."""


@cache
def cosines() -> NDArray[np.float32]:
    """Return the ``(9, 32)`` lowest rows of the orthonormal cosine transform."""
    rows = np.arange(9)[:, None]
    columns = np.arange(SIDE)[None, :]
    return np.asarray(np.cos(np.pi * (2 * columns + 1) * rows / (2 * SIDE)) * np.sqrt(2 / SIDE), np.float32)


def perceptual_hash(thumb: NDArray[np.uint8]) -> int | None:
    """Return the 64-bit hash of a thumbnail, or None if it is flat."""
    hashes, hashed = perceptual_hashes(thumb[None])
    return int(hashes[0]) if hashed[0] else None


def perceptual_hashes(thumbs: NDArray[np.uint8]) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Return ``(n,)`` hashes of ``(n, 32, 32)`` thumbnails, and which have one: flat ones have none, and 0."""
    count = len(thumbs)
    grey = thumbs.astype(np.float32)
    hashed = grey.reshape(count, -1).std(1) >= FLAT
    waves = cosines()
    block = waves @ grey @ waves.T
    values = block[:, :8, :8].reshape(count, -1)
    values[:, 0] = block[:, 8, 0]  # the mean brightness says nothing; one more frequency does
    middle = np.sort(values, 1)[:, 31:33]
    bits = values > (middle[:, :1] + middle[:, 1:]) / np.float32(2)  # the median, at a third of np.median's time
    hashes = np.packbits(bits, 1).view(">u8").ravel().astype(np.uint64)
    hashes[~hashed] = 0
    return hashes, hashed


def agreement(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Return the correlation (-1..1) of two thumbnails: 1 is the same up to brightness and contrast."""
    return float(agreements(one[None], other[None])[0])


def agreements(ones: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return ``(n,)`` correlations of ``(n, …)`` thumbnails; each is the same to the last bit as alone.

    Sums of products of whole numbers below 256 are exact in double precision, in whatever order they are taken.
    """
    left = ones.reshape(len(ones), -1).astype(np.float64)
    right = others.reshape(len(others), -1).astype(np.float64)
    width = left.shape[1]
    sums, sums_other = left.sum(1), right.sum(1)
    both = width * np.einsum("nd,nd->n", left, right) - sums * sums_other
    own = width * np.einsum("nd,nd->n", left, left) - sums**2
    own_other = width * np.einsum("nd,nd->n", right, right) - sums_other**2
    scale = np.sqrt(own) * np.sqrt(own_other)
    return np.asarray(np.divide(both, scale, out=np.zeros(len(both)), where=scale > 0))
