"""Where samples lie on the map: two directions of largest spread, or a plane in which neighbours stay neighbours.

- :func:`spread`: principal components (Pearson 1901), by an eigendecomposition of the covariance.
- :func:`neighbours`: the layout of UMAP (McInnes, Healy, Melville 2018, sections 3 and 4): a weighted graph of the
  nearest neighbours, and a descent that pulls its edges together and pushes random pairs apart. The search for
  neighbours is exact and the descent takes whole epochs at once, because a map shows a few thousand points at most.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 12
"""Nearest neighbours joined to each point."""
_DIMENSIONS = 40
"""Principal components that distances are measured in."""
_EPOCHS = 200
_NEGATIVE = 5
"""Random pairs pushed apart for every edge pulled together."""
_A, _B = 1.577, 0.8951
"""The curve 1 / (1 + a d^2b) fitted to a smallest distance of 0.1 (the paper's section 3.2)."""
_CLIP = 4.0
_BLOCK = 512
_WIDE = 768
"""Features beyond which the covariance is not computed as a whole."""

Floats = NDArray[np.float32]


def spread(vectors: Floats, count: int) -> tuple[Floats, NDArray[np.float64]]:
    """Return at most ``(n, count)`` principal components, and the share of the variance that each explains.

    The sign of each is set so that its largest loading is positive: the same data, the same map.
    """
    centred = (vectors - vectors.mean(0)).astype(np.float64)
    count = min(count, *centred.shape)
    if centred.shape[1] <= _WIDE:
        values, directions = np.linalg.eigh(centred.T @ centred)
        order = np.argsort(values)[::-1][:count]
        values, directions = values[order], directions[:, order]
    else:
        directions, values = _wide(centred, count)
    signs = np.sign(directions[np.abs(directions).argmax(0), np.arange(count)])
    total = max(float((centred**2).sum()), 1e-300)
    return (centred @ (directions * signs)).astype(np.float32), np.maximum(values, 0) / total


def _wide(centred: NDArray[np.float64], count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the first directions and their squared singular values, by a random range (Halko and others 2011)."""
    rng = np.random.default_rng(0)
    basis = centred @ rng.normal(size=(centred.shape[1], min(count + 10, *centred.shape)))
    for _ in range(3):
        basis = centred @ (centred.T @ np.linalg.qr(basis)[0])
    _, sizes, rows = np.linalg.svd(np.linalg.qr(basis)[0].T @ centred, full_matrices=False)
    return rows[:count].T, sizes[:count] ** 2


def neighbours(vectors: Floats, seed: int = 0) -> Floats:
    """Return ``(n, 2)``: a map in which points that are near each other were near before.

    Parameters
    ----------
    vectors
        ``(n, d)``, n at most a few thousand: the search for neighbours compares all pairs, a block at a time.
    seed
        Of the random pairs and the first shake.
    """
    different, back = np.unique(np.round(vectors, 4), axis=0, return_inverse=True)
    placed = _placed(different, np.random.default_rng(seed))
    return placed[back] + _beside(back)


def _placed(vectors: Floats, rng: np.random.Generator) -> Floats:
    count = len(vectors)
    reduced, _ = spread(vectors, min(_DIMENSIONS, *vectors.shape))
    start = reduced[:, :2] if reduced.shape[1] > 1 else np.repeat(reduced, 2, 1)
    scale = float(np.abs(start).max()) or 1.0
    placed = (start * (10.0 / scale) + rng.normal(0, 1e-2, (count, 2))).astype(np.float32)
    if count <= NEIGHBOURS + 1:
        return placed
    heads, tails, weights = _graph(*nearest(reduced, NEIGHBOURS))
    return _descend(placed, heads, tails, weights, rng)


def _beside(back: NDArray[np.int64]) -> Floats:
    """Return ``(n, 2)``: where equal points lie around their common place, like seeds in a sunflower."""
    order = np.argsort(back, kind="stable")
    starts = np.searchsorted(back[order], back[order])
    turn = np.empty(len(back), np.float32)
    turn[order] = np.arange(len(back)) - starts
    angle = turn * np.float32(np.pi * (3 - np.sqrt(5)))
    return np.stack([np.cos(angle), np.sin(angle)], 1) * (np.float32(0.07) * np.sqrt(turn))[:, None]


def nearest(vectors: Floats, count: int) -> tuple[NDArray[np.int64], Floats]:
    """Return ``(n, count)`` places and distances of each point's nearest others, the nearest first."""
    squares = np.einsum("nd,nd->n", vectors, vectors)
    places = np.empty((len(vectors), count), np.int64)
    distances = np.empty((len(vectors), count), np.float32)
    for start in range(0, len(vectors), _BLOCK):
        stop = min(start + _BLOCK, len(vectors))
        apart = squares[start:stop, None] + squares[None] - 2 * (vectors[start:stop] @ vectors.T)
        apart[np.arange(stop - start), np.arange(start, stop)] = np.inf
        some = np.argpartition(apart, count - 1, axis=1)[:, :count]
        found = np.take_along_axis(apart, some, 1)
        order = np.argsort(found, axis=1, kind="stable")
        places[start:stop] = np.take_along_axis(some, order, 1)
        distances[start:stop] = np.sqrt(np.maximum(np.take_along_axis(found, order, 1), 0))
    return places, distances


def _graph(places: NDArray[np.int64], distances: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Return the edges of the neighbourhood graph and their weights, 0..1 (the paper's section 3.1)."""
    count, each = places.shape
    first = distances[:, 0].copy()
    beyond = np.maximum(distances - first[:, None], 0)
    low, high = np.zeros(count), np.full(count, np.inf)
    width = np.full(count, max(float(beyond.mean()), 1e-6))
    wanted = np.log2(each)
    for _ in range(40):  # a halving search for the width that gives every point the same number of neighbours
        total = np.exp(-beyond / width[:, None]).sum(1)
        low, high = np.where(total > wanted, low, width), np.where(total > wanted, width, high)
        width = np.where(np.isinf(high), width * 2, (low + high) / 2)
        width = np.maximum(width, 1e-6)
    strength = np.exp(-beyond / width[:, None]).ravel()
    from_, to = np.repeat(np.arange(count), each), places.ravel()
    key = np.minimum(from_, to) * count + np.maximum(from_, to)
    unique, inverse = np.unique(key, return_inverse=True)
    total = np.bincount(inverse, strength, len(unique))
    both = np.bincount(inverse, np.log(np.maximum(strength, 1e-30)), len(unique))
    mutual = np.bincount(inverse, minlength=len(unique)) == 2
    weights = total - np.where(mutual, np.exp(both), 0)
    return unique // count, unique % count, weights.astype(np.float32)


def _descend(
    placed: Floats, heads: NDArray[np.int64], tails: NDArray[np.int64], weights: Floats, rng: np.random.Generator
) -> Floats:
    """Pull edges together and push random pairs apart, less and less, for :data:`_EPOCHS` rounds."""
    count = len(placed)
    chance = weights / weights.max()
    for epoch in range(_EPOCHS):
        rate = np.float32(1.0 - epoch / _EPOCHS)
        due = rng.random(len(heads), np.float32) < chance
        one, other = heads[due], tails[due]
        apart = placed[one] - placed[other]
        square = np.maximum((apart * apart).sum(1), 1e-12)
        pull = -2 * _A * _B * square ** (_B - 1) / (1 + _A * square**_B)
        step = np.clip(apart * pull[:, None], -_CLIP, _CLIP)
        pushed = np.concatenate([np.tile(one, _NEGATIVE), np.tile(other, _NEGATIVE)])
        against = rng.integers(0, count, len(pushed))
        gap = placed[pushed] - placed[against]
        square = (gap * gap).sum(1)
        push = 2 * _B / ((0.001 + square) * (1 + _A * square**_B))
        shove = np.clip(gap * push[:, None], -_CLIP, _CLIP)
        places = np.concatenate([one, other, pushed])
        moves = np.concatenate([step, -step, shove])
        # A hub is in many edges of one round: the sum of its moves is kept to what one after the other would do.
        degree = np.maximum(np.bincount(one, minlength=count) + np.bincount(other, minlength=count), 1)
        for axis in range(2):
            total = np.bincount(places, moves[:, axis], count)
            placed[:, axis] += rate * (total / np.sqrt(degree)).astype(np.float32)
    return placed
