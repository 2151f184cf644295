"""Features of every place of a picture, from random patches of the data set's own pictures: no training, no download.

The method of :mod:`.patches` (Coates, Ng and Lee 2011), kept as a map instead of being averaged over a thumbnail: for
each cell of 4 × 4 pixels of a reduced picture the responses of a few filters at two scales, the colour, and how much it
varies; then the principal components of that. What finds things in pictures is built on it (:mod:`.windows`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

CELL = 4
"""Pixels of a cell's side: two by two places of filters."""
WIDTH = 32
"""Features of a cell."""
PATCH = 6
FILTERS = 64
_SAMPLED = 20_000
_STRIDE = 2
_THRESHOLD = 0.25
_CONTRAST = 10.0
_WHITENING = 0.1
_ROWS = 60_000
"""Cells of which the principal components are taken."""


@dataclass(frozen=True)
class Seeing:
    """Filters ``(f, 108)`` with whitening folded in, their offsets ``(f,)``, and the components of their responses.

    ``mean`` and ``scale`` are ``(d,)``, ``axes`` ``(d, WIDTH)``.
    """

    filters: Floats
    offsets: Floats
    mean: Floats
    scale: Floats
    axes: Floats

    def map(self, picture: Floats) -> Floats:
        """Return ``(rows, columns, WIDTH)`` of a picture as :func:`reduced` makes it."""
        found = (_responses(picture, self.filters, self.offsets) - self.mean) / self.scale
        return np.asarray(found @ self.axes, np.float32)


def reduced(image: NDArray[np.uint8], side: int) -> Floats:
    """Return ``(h, w, 3) float32`` brightness and colour differences of ``(H, W, 3)`` RGB, reduced to a longer side.

    Sides are multiples of two cells, so that the map at half the scale fits.
    """
    from PIL import Image

    height, width = image.shape[:2]
    ratio = side / max(height, width)
    step = 2 * CELL
    wide, tall = (max(1, round(each * ratio / step)) * step for each in (width, height))
    how = Image.Resampling.BOX if ratio < 1 else Image.Resampling.BILINEAR
    small = Image.fromarray(image).resize((wide, tall), how).convert("YCbCr")
    return np.asarray(small).astype(np.float32)


def learn(pictures: Sequence[Floats], random: np.random.Generator) -> Seeing:
    """Sample filters from reduced pictures, and take the principal components of what they see."""
    filters, offsets = _filters(pictures, random)
    every = max(1, sum((each.shape[0] // CELL) * (each.shape[1] // CELL) for each in pictures) // _ROWS)
    rows = np.concatenate([_some(_responses(each, filters, offsets), every) for each in pictures], dtype=np.float64)
    mean = rows.mean(0)
    scale = rows.std(0) + 1e-6
    rows -= mean
    rows /= scale
    values, vectors = np.linalg.eigh(np.cov(rows.T))
    first = np.argsort(-values, kind="stable")[:WIDTH]
    axes = vectors[:, first] / np.sqrt(np.maximum(values[first], 0.0) + _WHITENING)
    # A component's sign is chance: the largest entry is made positive.
    axes *= np.sign(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])])
    return Seeing(filters, offsets, *(each.astype(np.float32) for each in (mean, scale, axes)))


def _some(found: Floats, every: int) -> Floats:
    """Return one in ``every`` cells, without the memory of the others."""
    return found.reshape(-1, found.shape[2])[::every].copy()


def _filters(pictures: Sequence[Floats], random: np.random.Generator) -> tuple[Floats, Floats]:
    """Return filters ``(FILTERS, 108)``, which are whitened patches, and what is taken off their responses."""
    sampled = np.empty((_SAMPLED, 3, PATCH, PATCH), np.float32)
    which = random.integers(0, len(pictures), _SAMPLED).tolist()
    down, across = random.random(_SAMPLED).tolist(), random.random(_SAMPLED).tolist()
    for number, (place, one, other) in enumerate(zip(which, down, across, strict=True)):
        picture = pictures[place]
        row = int(one * (picture.shape[0] - PATCH + 1))
        column = int(other * (picture.shape[1] - PATCH + 1))
        sampled[number] = picture[row : row + PATCH, column : column + PATCH].transpose(2, 0, 1)
    flat = sampled.reshape(_SAMPLED, -1).astype(np.float64)
    flat -= flat.mean(1, keepdims=True)
    flat /= np.sqrt(np.square(flat).mean(1, keepdims=True) + _CONTRAST)
    middle = flat.mean(0)
    values, vectors = np.linalg.eigh(np.cov(flat.T))
    whiten = (vectors / np.sqrt(np.maximum(values, 0.0) + _WHITENING)) @ vectors.T
    structured = np.flatnonzero(np.square(flat).mean(1) > 0.1)  # others would make filters of noise
    pool = structured if len(structured) >= FILTERS else np.arange(_SAMPLED)
    chosen = (flat[random.choice(pool, FILTERS, replace=False)] - middle) @ whiten
    chosen /= np.sqrt(np.square(chosen).sum(1, keepdims=True)) + 1e-9
    filters = chosen @ whiten
    offsets = filters @ middle
    filters -= filters.mean(1, keepdims=True)  # takes the patch's mean off, so that patches need not be centred
    return filters.astype(np.float32), offsets.astype(np.float32)


def _responses(picture: Floats, filters: Floats, offsets: Floats) -> Floats:
    """Return ``(rows, columns, 4 f + 6)``: filters at full and half scale, mean and spread of the colours."""
    height, width = picture.shape[:2]
    fine = _at_one_scale(picture, filters, offsets)
    half = _by_two(picture)
    coarse = _at_one_scale(half, filters, offsets).repeat(2, 0).repeat(2, 1)
    cells = picture.reshape(height // CELL, CELL, width // CELL, CELL, 3)
    return np.concatenate([fine, coarse, cells.mean((1, 3)) / 64, np.log1p(cells.std((1, 3)))], 2, dtype=np.float32)


def _at_one_scale(picture: Floats, filters: Floats, offsets: Floats) -> Floats:
    """Return ``(rows, columns, 2 f)``: the square root of the mean response above and below the threshold."""
    margin = PATCH // 2 - 1, PATCH // 2
    padded = np.pad(picture, (margin, margin, (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (PATCH, PATCH), axis=(0, 1))
    windows = windows[: picture.shape[0] : _STRIDE, : picture.shape[1] : _STRIDE]
    rows, columns = windows.shape[:2]
    patches = windows.reshape(rows * columns, -1)
    mean = patches.mean(1)
    variance = np.einsum("ij,ij->i", patches, patches) / patches.shape[1] - mean * mean
    found = patches @ filters.T
    found /= np.sqrt(np.maximum(variance, 0.0) + _CONTRAST)[:, None]
    found -= offsets
    found = found.reshape(rows, columns, -1)
    above = _by_two(np.maximum(found - _THRESHOLD, 0.0))
    below = _by_two(np.maximum(-found - _THRESHOLD, 0.0))
    return np.asarray(np.sqrt(np.concatenate([above, below], 2)), np.float32)


def _by_two(values: Floats) -> Floats:
    """Return ``(h / 2, w / 2, c)`` means over two by two; slices are several times as fast as an average over axes."""
    upper, lower = values[::2], values[1::2]
    return np.asarray((upper[:, ::2] + upper[:, 1::2] + lower[:, ::2] + lower[:, 1::2]) * 0.25, np.float32)
