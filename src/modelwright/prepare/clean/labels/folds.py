"""Folds for out-of-fold predictions: balanced over the classes, and a group lies whole in one of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FOLDS = 5


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
