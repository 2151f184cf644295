"""Windows on a map of features: what is in them, how they are moved, and all of one shape at once.

A window is ``(left, top, right, bottom)`` in cells of the map, which need not be whole. Its features are the means over
5 × 5 parts of it and of a quarter around it: what is inside and what is beside it both say whether it fits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.clean.labels.dense import WIDTH

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

PARTS = 5
GROW = 0.25
"""What is seen beside a window, on each side, as a share of it."""
_OTHERS = 8
FEATURES = PARTS * PARTS * WIDTH + _OTHERS
STEP = 0.2
"""How far windows that slide lie apart, as a share of their sides."""
_LEAST_STEP = 0.75
_SLIVER = 1e-3
"""Cells up to which what is left of a part inside of the picture counts as nothing."""
_MOST_MOVE = 0.7
"""Largest correction at once: a share of a side, or the logarithm of a factor."""


class Map:
    """One picture's map, summed up so that the mean over any window is a few look-ups.

    Parameters
    ----------
    cells
        ``(rows, columns, WIDTH)``.
    """

    def __init__(self, cells: NDArray[np.floating]) -> None:
        self.cells = np.asarray(cells, np.float32)
        self.rows, self.columns = cells.shape[:2]
        self._sums = np.zeros((self.rows + 1, self.columns + 1, cells.shape[2]))
        np.cumsum(np.cumsum(self.cells, 0, dtype=np.float64), 1, out=self._sums[1:, 1:])

    def features(self, windows: Doubles) -> Floats:
        """Return ``(n, FEATURES)`` of windows ``(n, 4)``; what lies outside of the picture counts as nothing."""
        if not len(windows):
            return np.empty((0, FEATURES), np.float32)
        across = self._edges(windows[:, 0], windows[:, 2], self.columns)
        down = self._edges(windows[:, 1], windows[:, 3], self.rows)
        corners = self._at(down[:, :, None], across[:, None, :])
        sums = corners[:, 1:, 1:] - corners[:, :-1, 1:] - corners[:, 1:, :-1] + corners[:, :-1, :-1]
        tall, wide = np.diff(down)[:, :, None], np.diff(across)[:, None, :]
        there = (tall > _SLIVER) & (wide > _SLIVER)
        means = np.where(there[..., None], sums / np.where(there, tall * wide, 1.0)[..., None], 0.0)
        made = np.concatenate([means.reshape(len(windows), -1), self.others(windows)], 1)
        return np.asarray(made, np.float32)

    def others(self, windows: Doubles) -> Doubles:
        """Return ``(n, 8)``: logarithms of the sides, how far each side leaves the picture, and where the middle is."""
        wide, tall = windows[:, 2] - windows[:, 0], windows[:, 3] - windows[:, 1]
        out = [
            np.maximum(0.0, -windows[:, 0]) / wide,
            np.maximum(0.0, -windows[:, 1]) / tall,
            np.maximum(0.0, windows[:, 2] - self.columns) / wide,
            np.maximum(0.0, windows[:, 3] - self.rows) / tall,
        ]
        middle = (windows[:, 0] + windows[:, 2]) / 2 / self.columns, (windows[:, 1] + windows[:, 3]) / 2 / self.rows
        return np.stack([np.log(wide), np.log(tall), *out, *middle], 1)

    def inside(self, windows: Doubles) -> Doubles:
        """Return windows clipped to the picture."""
        most = np.array([self.columns, self.rows, self.columns, self.rows], np.float64)
        return np.clip(windows, 0.0, most)

    def slide(self, shape: tuple[float, float], weights: Doubles) -> tuple[Doubles, Doubles]:
        """Return all windows of a width and height ``(n, 4)``, and what models ``(FEATURES + 1, k)`` say of each.

        A mean over a part of a window is a product with the share of each row and column that it covers, so all windows
        of one shape cost a few matrix products; equal to :meth:`features` up to rounding.
        """
        wide, tall = shape
        left = np.arange(-GROW * wide, self.columns - 0.7 * wide, max(STEP * wide, _LEAST_STEP))
        top = np.arange(-GROW * tall, self.rows - 0.7 * tall, max(STEP * tall, _LEAST_STEP))
        rights, bottoms = left + wide, top + tall
        across, down = (
            _coverage(self._edges(start, end, most), most)
            for start, end, most in ((left, rights, self.columns), (top, bottoms, self.rows))
        )
        outputs = weights.shape[1]
        kernel = weights[: PARTS * PARTS * WIDTH].reshape(PARTS * PARTS, WIDTH, outputs)
        flat = self.cells.reshape(-1, WIDTH) @ kernel.transpose(1, 0, 2).reshape(WIDTH, -1).astype(np.float32)
        projected = flat.reshape(self.rows, self.columns, PARTS, PARTS, outputs).astype(np.float64)
        scores = np.zeros((len(top), len(left) * outputs))
        for row in range(PARTS):
            part = np.zeros((self.rows, len(left), outputs))
            for column in range(PARTS):
                part += np.matmul(across[:, column], projected[:, :, row, column])
            scores += down[:, row] @ part.reshape(self.rows, -1)
        y, x = np.meshgrid(top, left, indexing="ij")
        windows = np.stack([x.ravel(), y.ravel(), x.ravel() + wide, y.ravel() + tall], 1)
        more = self.others(windows) @ weights[PARTS * PARTS * WIDTH : -1] + weights[-1]
        return windows, scores.reshape(-1, outputs) + more

    @staticmethod
    def _edges(start: Doubles, end: Doubles, most: int) -> Doubles:
        """Return ``(n, PARTS + 1)``: the edges of the parts along one axis, clipped to the picture."""
        more = GROW * (end - start)
        steps = np.linspace(0.0, 1.0, PARTS + 1)
        return np.clip((start - more)[:, None] + (end - start + 2 * more)[:, None] * steps, 0.0, most)

    def _at(self, y: Doubles, x: Doubles) -> Doubles:
        """Return the sums up to places between cells."""
        row = np.minimum(y.astype(np.int64), self.rows - 1)
        column = np.minimum(x.astype(np.int64), self.columns - 1)
        down, across = (y - row)[..., None], (x - column)[..., None]
        row, column = np.broadcast_arrays(row, column)
        upper = self._sums[row, column] * (1 - across) + self._sums[row, column + 1] * across
        lower = self._sums[row + 1, column] * (1 - across) + self._sums[row + 1, column + 1] * across
        return np.asarray(upper * (1 - down) + lower * down)


def _coverage(edges: Doubles, most: int) -> Doubles:
    """Return ``(n, PARTS, most)``: what share of each part along one axis is in each row (or column) of the map."""
    cells = np.arange(most)
    low, high = edges[:, :-1, None], edges[:, 1:, None]
    shared = np.clip(np.minimum(high, cells + 1.0) - np.maximum(low, cells), 0.0, None)
    length = high - low
    return np.where(length > _SLIVER, shared / np.where(length > _SLIVER, length, 1.0), 0.0)


def moved(windows: Doubles, random: np.random.Generator, least: float, most: float) -> Doubles:
    """Return windows whose place and size are each changed by ``least`` to ``most`` of a side, in either direction."""
    by = random.uniform(least, most, (len(windows), 4)) * random.choice([-1.0, 1.0], (len(windows), 4))
    return corrected(windows, by)


def offsets(windows: Doubles, wanted: Doubles) -> Doubles:
    """Return ``(n, 4)``: by what shares of its sides, and logarithms of factors, each window misses what is wanted.

    As in Girshick and others 2014, "Rich feature hierarchies for accurate object detection", appendix C.
    """
    middle, sides = _middle(windows)
    other, others = _middle(wanted)
    return np.concatenate([(other - middle) / sides, np.log(others / sides)], 1)


def corrected(windows: Doubles, by: Doubles) -> Doubles:
    """Return windows moved and stretched by offsets; the inverse of :func:`offsets` up to the largest move at once."""
    middle, sides = _middle(windows)
    by = np.clip(by, -_MOST_MOVE, _MOST_MOVE)
    middle = middle + by[:, :2] * sides
    sides = sides * np.exp(by[:, 2:])
    return np.concatenate([middle - sides / 2, middle + sides / 2], 1)


def _middle(windows: Doubles) -> tuple[Doubles, Doubles]:
    return (windows[:, :2] + windows[:, 2:]) / 2, windows[:, 2:] - windows[:, :2]


def covered(some: Doubles, others: Doubles) -> Doubles:
    """Return ``(n,)``: the largest share of each window that one of ``others`` covers."""
    if not len(others):
        return np.zeros(len(some))
    low = np.maximum(some[:, None, :2], others[None, :, :2])
    high = np.minimum(some[:, None, 2:], others[None, :, 2:])
    both = np.clip(high - low, 0.0, None).prod(2)
    areas = (some[:, 2:] - some[:, :2]).prod(1)
    return np.asarray((both / np.maximum(areas, 1e-9)[:, None]).max(1))


def shapes(sizes: Doubles, most: int) -> list[tuple[float, float]]:
    """Return up to ``most`` typical widths and heights of ``(n, 2)``: middles of clusters of their logarithms."""
    logs = np.log(sizes)
    order = np.lexsort((logs[:, 1], logs[:, 0]))
    middles = logs[order[((np.arange(most) + 0.5) * len(logs) / most).astype(np.int64)]]
    for _ in range(20):
        nearest = np.square(logs[:, None] - middles[None]).sum(2).argmin(1)
        there = np.unique(nearest)
        middles = np.stack([logs[nearest == each].mean(0) for each in there])
    return [(float(wide), float(tall)) for wide, tall in np.exp(middles)]
