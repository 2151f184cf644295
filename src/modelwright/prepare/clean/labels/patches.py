"""Features of small pictures from random patches of their own: no training, no download.

After Coates, Ng and Lee 2011, "An Analysis of Single-Layer Networks in Unsupervised Feature Learning" (AISTATS), and
Coates and Ng 2011 on random filters: patches are freed of brightness and contrast and whitened (ZCA); filters are
sampled patches; responses are cut off on both sides (``max(0, r - a)``, ``max(0, -r - a)``) and averaged over the four
quarters of the picture. The square root of the averages is taken: it evens out how much the few strong ones weigh.

Two *views* are made of the same filters. ``plain``; and ``mirrored``, in which a picture and its mirror image have the
same features (each filter is joined with its mirror image). That is worth a lot for photographs and ruins letters and
digits, so whoever uses them decides by out-of-fold loss.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from modelwright.engine.here import map_ordered

Floats = NDArray[np.float32]
View: TypeAlias = Literal["plain", "mirrored"]

VIEWS: tuple[View, ...] = ("plain", "mirrored")
LEAST = 20
"""Pictures below which there is nothing to sample from."""
SIDE = 32
"""Pixels of the pictures' sides."""
PATCH = 6
FILTERS = 256
WIDTH = 8 * FILTERS
"""Features of either view: filters × quarters × signs."""
_THRESHOLD = 0.25
_CONTRAST = 10.0
"""Added to a patch's variance, in squared grey levels: keeps noise in flat patches small."""
_WHITENING = 0.1
_SAMPLED = 40_000
_PLACES = SIDE - PATCH + 1
_PICTURES = 16


@dataclass(frozen=True)
class Bank:
    """Filters with whitening folded in.

    Parameters
    ----------
    filters
        ``(2 * FILTERS, 3 * PATCH * PATCH)``; the second half are the mirror images of the first.
    offsets
        ``(2 * FILTERS, 1)``, taken off the responses.
    """

    filters: Floats
    offsets: Floats


def colours(grey: NDArray[np.uint8], chroma: NDArray[np.uint8]) -> Floats:
    """Return ``(n, 32, 32, 3) float32`` of ``(n, 32, 32)`` brightness and ``(n, 2, 16, 16)`` colour differences."""
    made = np.empty((*grey.shape, 3), np.float32)
    made[..., 0] = grey
    made[..., 1:] = chroma.repeat(2, 2).repeat(2, 3).transpose(0, 2, 3, 1)
    return made


def learn(grey: NDArray[np.uint8], chroma: NDArray[np.uint8], random: np.random.Generator) -> Bank:
    """Sample filters from pictures."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    count, side = len(grey), SIDE - PATCH
    which, top, left = (random.integers(0, high, _SAMPLED) for high in (count, side + 1, side + 1))
    rows, columns = (first[:, None] + np.arange(PATCH) for first in (top, left))
    sampled = np.empty((_SAMPLED, 3, PATCH, PATCH), np.float32)
    sampled[:, 0] = grey[which[:, None, None], rows[:, :, None], columns[:, None]]
    for number in range(2):  # colours are kept at half the size
        sampled[:, 1 + number] = chroma[which[:, None, None], number, rows[:, :, None] // 2, columns[:, None] // 2]
    both = np.concatenate([sampled, sampled[..., ::-1]]).reshape(2 * _SAMPLED, -1).astype(np.float64)
    both -= both.mean(1, keepdims=True)
    both /= np.sqrt(np.square(both).mean(1, keepdims=True) + _CONTRAST)
    middle = both.mean(0)
    with threadpool_limits(limits=1):  # on busy cores, threads wait for each other far longer than this takes
        values, vectors = np.linalg.eigh(np.cov(both.T))
    whiten = (vectors / np.sqrt(values + _WHITENING)) @ vectors.T
    # Patches without structure would make filters of noise.
    structured = np.flatnonzero(np.square(both[:_SAMPLED]).mean(1) > 0.1)
    pool = structured if len(structured) >= FILTERS else np.arange(_SAMPLED)
    chosen = (both[random.choice(pool, FILTERS, replace=False)] - middle) @ whiten
    chosen /= np.sqrt(np.square(chosen).sum(1, keepdims=True)) + 1e-9
    turned = chosen.reshape(-1, 3, PATCH, PATCH)[..., ::-1].reshape(FILTERS, -1)
    filters = np.concatenate([chosen, turned]) @ whiten
    offsets = filters @ middle
    filters -= filters.mean(1, keepdims=True)  # takes the patch's mean off, so that patches need not be centred
    return Bank(filters.astype(np.float32), offsets.astype(np.float32)[:, None])


def extract(
    grey: NDArray[np.uint8], chroma: NDArray[np.uint8], bank: Bank, views: Sequence[View], workers: int
) -> Iterator[dict[View, NDArray[np.float16]]]:
    """Yield features ``(pictures, WIDTH) float16`` per view, some pictures at a time, in order."""
    from threadpoolctl import threadpool_limits

    pools = _quarters()

    def work(start: int) -> dict[View, NDArray[np.float16]]:
        pictures = colours(grey[start : start + _PICTURES], chroma[start : start + _PICTURES])
        made: dict[View, NDArray[np.float16]] = {view: np.empty((len(pictures), WIDTH), np.float16) for view in views}
        for number, picture in enumerate(pictures):
            for view, features in _of_one(picture, bank, pools, views).items():
                made[view][number] = features
        return made

    # Threads over pictures, none inside a product: these are too small to share, and sums come out the same anywhere.
    with threadpool_limits(limits=1):
        yield from map_ordered(work, range(0, len(grey), _PICTURES), workers=workers, window=4 * workers)


def _quarters() -> Floats:
    """Return ``(places, 4)``: the averages over top left, top right, bottom left and bottom right."""
    half = (_PLACES + 1) // 2
    made = np.zeros((2, 2, _PLACES, _PLACES), np.float32)
    for row, rows in enumerate((slice(0, half), slice(_PLACES - half, _PLACES))):
        for column, columns in enumerate((slice(0, half), slice(_PLACES - half, _PLACES))):
            made[row, column, rows, columns] = 1.0 / half**2
    return np.ascontiguousarray(made.reshape(4, -1).T)


def _of_one(picture: Floats, bank: Bank, pools: Floats, views: Sequence[View]) -> dict[View, Floats]:
    windows = np.lib.stride_tricks.sliding_window_view(picture, (PATCH, PATCH), axis=(0, 1))
    patches = windows.reshape(_PLACES * _PLACES, -1)
    mean = patches.mean(1)
    variance = np.einsum("ij,ij->i", patches, patches) / patches.shape[1] - mean * mean
    filters = len(bank.filters) if "mirrored" in views else FILTERS
    responses = bank.filters[:filters] @ patches.T
    responses /= np.sqrt(np.maximum(variance, 0.0) + _CONTRAST)
    responses -= bank.offsets[:filters]
    strong = np.maximum(responses, _THRESHOLD) @ pools - _THRESHOLD
    np.minimum(responses, -_THRESHOLD, out=responses)
    weak = -(responses @ pools) - _THRESHOLD
    pooled = np.maximum(np.stack([strong, weak]), 0.0)  # signs, filters, quarters
    made: dict[View, Floats] = {}
    if "plain" in views:
        made["plain"] = np.sqrt(pooled[:, :FILTERS]).reshape(-1)
    if "mirrored" in views:
        across = pooled[:, FILTERS:][..., [1, 0, 3, 2]]
        made["mirrored"] = np.sqrt((pooled[:, :FILTERS] + across) / 2).reshape(-1)
    return made
