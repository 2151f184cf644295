"""Folds for out-of-fold predictions: those that the dataset keeps, else dealt; a group lies whole in one of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FOLDS = 5
"""Folds at most: the ridge regression holds a matrix of products for each."""


def deal(groups: NDArray[np.int64], ranks: NDArray[np.uint64], strata: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return ``(n,)`` fold numbers, 0 to 4.

    Parameters
    ----------
    groups
        ``(n,)`` group numbers; samples of one group are duplicates of each other, or belong together.
    ranks
        ``(n,)`` pseudo-random numbers, equal within a group: the order in which groups are dealt.
    strata
        ``(n,)`` classes, or bins of a number; a group counts as its first sample does.

    Examples
    --------
    >>> groups, ranks = np.array([0, 0, 1, 2, 3, 4, 5]), np.array([5, 5, 1, 2, 3, 4, 0], np.uint64)
    >>> deal(groups, ranks, np.zeros(7, np.int64)).tolist()
    [0, 0, 1, 2, 3, 4, 0]
    """
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    sizes = np.bincount(inverse)
    # Large groups first: what is dealt last evens out what they left uneven.
    order = np.lexsort((ranks[first], strata[first], np.where(sizes > 1, -sizes, 0)))
    made = np.empty(len(first), np.int64)
    singles = sizes[order] == 1
    made[order[singles]] = np.arange(int(singles.sum())) % FOLDS
    load = np.zeros(FOLDS, np.int64)
    for group in order[~singles].tolist():
        lightest = int(load.argmin())
        made[group] = lightest
        load[lightest] += sizes[group]
    return np.asarray(made[inverse])


def kept(
    folds: NDArray[np.int64], groups: NDArray[np.int64], ranks: NDArray[np.uint64], strata: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return ``(n,)`` fold numbers from those that a dataset keeps for some of its samples.

    More than five folds are joined, whole, to five. Samples of which none is kept (those to validate and to test) are
    dealt among them. A group lies in the fold of its first sample that has one.

    Parameters
    ----------
    folds
        ``(n,)``: 0 to the number of folds - 1, or -1.
    groups, ranks, strata
        As for :func:`deal`.

    Examples
    --------
    >>> numbers = np.arange(6)
    >>> kept(np.array([0, 1, 2, 0, -1, -1]), np.array([0, 1, 2, 3, 0, 4]), numbers.astype(np.uint64), numbers).tolist()
    [0, 1, 2, 0, 0, 0]
    """
    count = int(folds.max()) + 1
    joined = min(count, FOLDS)
    _, inverse = np.unique(groups, return_inverse=True)
    known = np.flatnonzero(folds >= 0)
    of_group = np.full(int(inverse.max()) + 1, -1, np.int64)
    of_group[inverse[known[::-1]]] = folds[known[::-1]] * joined // count
    made = of_group[inverse]
    rest = np.flatnonzero(made < 0)
    if len(rest):
        made[rest] = deal(groups[rest], ranks[rest], strata[rest]) % joined
    return np.asarray(made)


def astride(groups: NDArray[np.int64], folds: NDArray[np.int64]) -> int:
    """Return how many groups lie in more than one fold; 0 is the proof that none vouches for itself.

    Examples
    --------
    >>> astride(np.array([7, 7, 8]), np.array([0, 0, 1])), astride(np.array([7, 7, 8]), np.array([0, 1, 1]))
    (0, 1)
    """
    pairs = np.unique(np.stack([groups, folds]), axis=1)
    return int((np.unique(pairs[0], return_counts=True)[1] > 1).sum())
