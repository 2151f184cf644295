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
_CELLS = 3
"""Cells of colour, two pixels wide, that a patch has across and down where it begins with one; else it is one more."""
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

    count = len(bank.filters) if "mirrored" in views else FILTERS
    lattices = [_lattice(row, column, bank, count) for row in range(2) for column in range(2)]

    def work(start: int) -> dict[View, NDArray[np.float16]]:
        some = slice(start, start + _PICTURES)
        return _views(_pooled(grey[some], chroma[some], lattices), views)

    # Threads over pictures, none inside a product: these are too small to share, and sums come out the same anywhere.
    with threadpool_limits(limits=1):
        yield from map_ordered(work, range(0, len(grey), _PICTURES), workers=workers, window=4 * workers)


@dataclass(frozen=True)
class _Lattice:
    """Every second window in both directions, and the filters as such windows need them.

    Colours are kept at half the size, and windows on one lattice lie on their cells in one way: what a filter has for
    the pixels of a cell is added up once, and products take 60 numbers of a window on the average instead of 108.

    Parameters
    ----------
    row, column
        Where the first window begins: 0 or 1.
    filters
        ``(36 + 2 * cells + 1, filters)``: for brightness, for colours; last, what is taken off.
    pools
        ``(4, windows)``: shares of the averages over top left, top right, bottom left and bottom right.
    """

    row: int
    column: int
    filters: Floats
    pools: Floats

    def windows(self, grey: NDArray[np.uint8], chroma: NDArray[np.uint8], deviations: Floats) -> Floats:
        """Return ``(n, windows, 36 + 2 * cells + 1)``: each divided by its deviation; last 1."""
        view = np.lib.stride_tricks.sliding_window_view
        light = view(grey, (PATCH, PATCH), axis=(1, 2))[:, self.row :: 2, self.column :: 2]
        count, rows, columns = light.shape[:3]
        cells = view(chroma, (_CELLS + self.row, _CELLS + self.column), axis=(2, 3))[:, :, :rows, :columns]
        made = np.empty((count, rows * columns, len(self.filters)), np.float32)
        pixels = PATCH * PATCH
        made[..., :pixels] = light.reshape(count, -1, pixels)
        made[..., pixels:-1] = cells.transpose(0, 2, 3, 1, 4, 5).reshape(count, rows * columns, -1)
        made[..., :-1] /= deviations[:, self.row :: 2, self.column :: 2].reshape(count, -1, 1)
        made[..., -1] = 1.0
        return made


def _lattice(row: int, column: int, bank: Bank, count: int) -> _Lattice:
    filters = bank.filters[:count].reshape(count, 3, PATCH, PATCH)
    colour = np.add.reduceat(filters[:, 1:], _cells(row), axis=2)
    colour = np.add.reduceat(colour, _cells(column), axis=3)
    parts = [filters[:, 0].reshape(count, -1), colour.reshape(count, -1), -bank.offsets[:count]]
    half = (_PLACES + 1) // 2
    rows, columns = np.arange(row, _PLACES, 2), np.arange(column, _PLACES, 2)
    inside = np.stack(
        [
            np.outer(down, across).ravel()
            for down in (rows < half, rows >= _PLACES - half)
            for across in (columns < half, columns >= _PLACES - half)
        ]
    )
    return _Lattice(
        row, column, np.ascontiguousarray(np.concatenate(parts, 1).T), inside.astype(np.float32) / np.float32(half**2)
    )


def _cells(first: int) -> list[int]:
    """Return at which pixels of a window a new cell of colour begins: cells are two pixels wide."""
    return [0, *range(2 - first, PATCH, 2)]


def _deviations(grey: NDArray[np.uint8], chroma: NDArray[np.uint8]) -> Floats:
    """Return ``(n, 27, 27)``: by what each window is divided. Sums are of whole numbers, so none is rounded."""
    light, colour = grey.astype(np.int32), chroma.astype(np.int32)
    sums, squares = light + _spread(colour.sum(1)), light * light + _spread((colour * colour).sum(1))
    size = 3 * PATCH * PATCH
    mean = _boxes(sums) / size
    variance = _boxes(squares) / size - mean * mean
    return np.sqrt(np.maximum(variance, 0.0) + _CONTRAST).astype(np.float32)


def _spread(cells: NDArray[np.int32]) -> NDArray[np.int32]:
    return cells.repeat(2, 1).repeat(2, 2)


def _boxes(values: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return ``(n, 27, 27)`` sums over the windows of ``(n, 32, 32)``."""
    sums = np.zeros((len(values), SIDE + 1, SIDE + 1), np.int32)
    np.cumsum(np.cumsum(values, 1, dtype=np.int32), 2, dtype=np.int32, out=sums[:, 1:, 1:])
    tall = sums[:, PATCH:] - sums[:, :-PATCH]
    return tall[:, :, PATCH:] - tall[:, :, :-PATCH]


def _pooled(grey: NDArray[np.uint8], chroma: NDArray[np.uint8], lattices: Sequence[_Lattice]) -> Floats:
    """Return ``(n, 2, 4, filters)``: how far responses lie above the threshold, and below, on average in quarters."""
    deviations = _deviations(grey, chroma)
    made = np.zeros((len(grey), 2, 4, lattices[0].filters.shape[1]), np.float32)
    for each in lattices:
        windows = each.windows(grey, chroma, deviations)
        responses = np.empty((windows.shape[1], made.shape[3]), np.float32)
        beyond = np.empty_like(responses)
        # One picture after the other: its responses stay in the processor's cache. Cut off on both sides, with one of
        # them endless, since numpy compares with a single number at a third of that speed.
        for picture, pooled in zip(windows, made, strict=True):
            np.matmul(picture, each.filters, out=responses)
            pooled[0] += each.pools @ np.clip(responses, _THRESHOLD, np.inf, out=beyond)
            pooled[1] -= each.pools @ np.clip(responses, -np.inf, -_THRESHOLD, out=beyond)
    made -= np.float32(_THRESHOLD)
    return np.maximum(made, np.float32(0.0), out=made)


def _views(pooled: Floats, views: Sequence[View]) -> dict[View, NDArray[np.float16]]:
    """Return ``(n, WIDTH) float16`` per view: signs × filters × quarters."""
    count = len(pooled)
    own = pooled[..., :FILTERS]
    made: dict[View, NDArray[np.float16]] = {}
    if "plain" in views:
        made["plain"] = np.sqrt(own).swapaxes(2, 3).reshape(count, -1).astype(np.float16)
    if "mirrored" in views:
        across = pooled[:, :, [1, 0, 3, 2], FILTERS:]
        made["mirrored"] = np.sqrt((own + across) / 2).swapaxes(2, 3).reshape(count, -1).astype(np.float16)
    return made
