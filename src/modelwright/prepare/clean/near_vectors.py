"""Near-duplicates by the vectors of a model: what it can hardly tell apart.

A pair counts if it is far closer than samples usually are to their nearest neighbour, and far closer than either of the
two is to its tenth: where a model sees a whole class as one, its samples are not all copies of each other. The first
rule and its factor are those of cleanlab's Datalab (0.13 of the median distance to the nearest neighbour); the second
is the local scale of Zelnik-Manor and Perona 2004.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from modelwright.engine.threads import idle_cores
from modelwright.prepare.clean.checks import first_equal
from modelwright.prepare.clean.outliers import principal
from modelwright.prepare.embed.embedded import Embedded
from modelwright.prepare.gather.gathered import Gathered

FACTOR = 0.13
NEIGHBOUR = 10
LEAST = 30
"""Samples below which nothing says what is usual."""
AXES = 128
_PIECE = 512


def pairs_of(gathered: Gathered, embedded: Embedded, known: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return ``(m, 2)`` places of near-duplicates that are not equal byte by byte, and not known already, sorted."""
    first = first_equal(gathered.id_array()[embedded.places])
    alone = np.flatnonzero(first == np.arange(len(first)))
    found = embedded.places[alone][pairs(embedded.vectors[alone])]
    count = len(gathered)
    return found[~np.isin(found[:, 0] * count + found[:, 1], known[:, 0] * count + known[:, 1])]


def pairs(vectors: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return ``(m, 2)`` positions of near-duplicates, the smaller first, sorted.

    Parameters
    ----------
    vectors
        ``(n, d)`` of length 1, of different samples.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    if len(vectors) < LEAST:
        return np.empty((0, 2), np.int64)
    axes = principal(vectors.astype(np.float32), AXES).astype(np.float32)
    with threadpool_limits(limits=idle_cores()):
        nearest, tenth, near = _distances(axes)
    limit = FACTOR * np.minimum(float(np.median(nearest)), tenth)
    ones, others, apart = near
    kept = apart <= np.minimum(limit[ones], limit[others])
    found = np.stack([ones[kept], others[kept]], 1)
    return np.unique(np.sort(found, 1), axis=0)


_Near = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]


def _distances(axes: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64], _Near]:
    """Return the distances to the nearest and the tenth sample, and for each its nearest ones with their distances.

    Distances of what is hardly apart are taken again from differences: products of long vectors lose them in rounding.
    """
    count, most = len(axes), min(NEIGHBOUR, len(axes) - 1)
    squares = np.square(axes).sum(1)
    nearest, tenth = np.empty(count), np.empty(count)
    ones, others, apart = [], [], []
    for start in range(0, count, _PIECE):
        some = axes[start : start + _PIECE]
        between = squares[start : start + len(some), None] + squares - 2.0 * (some @ axes.T)
        between[np.arange(len(some)), np.arange(start, start + len(some))] = np.inf
        found = np.argpartition(between, most - 1, 1)[:, :most]
        exact = np.sqrt(np.square(axes[found].astype(np.float64) - some[:, None]).sum(2))
        nearest[start : start + len(some)] = exact.min(1)
        tenth[start : start + len(some)] = exact.max(1)
        ones.append(np.repeat(np.arange(start, start + len(some)), most))
        others.append(found.ravel())
        apart.append(exact.ravel())
    return nearest, tenth, (np.concatenate(ones), np.concatenate(others), np.concatenate(apart))
