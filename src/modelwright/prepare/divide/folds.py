"""Folds of the training split for cross-validation: balanced over the classes, a group whole, stable as data grows.

Within a stratum the samples are ordered by their pseudo-random ranks, and each fold takes a stretch of that order: a
new sample moves only those beside the ends of stretches. (Dealing them out in turn would move nearly all.)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.divide.split import ranks


def deal(
    groups: NDArray[np.int64], keys: NDArray[np.uint64], strata: NDArray[np.int64], folds: int, seed: int
) -> NDArray[np.int8]:
    """Return ``(n,) int8`` fold numbers, 0 to ``folds - 1``.

    Parameters
    ----------
    groups
        ``(n,)`` group numbers, 0 to the number of groups - 1; a group lies whole in one fold.
    keys
        ``(groups,)`` the groups' digests as numbers.
    strata
        ``(n,)`` classes, or bins of a number; a group counts as most of its samples do.
    folds
        2 to 50.

    Examples
    --------
    >>> keys = np.array([5, 1, 2, 3, 4, 0], np.uint64)
    >>> sorted(deal(np.arange(6), keys, np.zeros(6, np.int64), 3, 0).tolist())
    [0, 0, 1, 1, 2, 2]
    """
    order = ranks(keys, seed ^ 0x5F0)
    sizes = np.bincount(groups, minlength=len(keys))
    stratum = _usual(groups, strata, len(keys))
    made = np.zeros(len(keys), np.int64)
    load = np.zeros((int(strata.max(initial=0)) + 1, folds), np.int64)
    large = np.flatnonzero(sizes > 1)
    for group in large[np.lexsort((order[large], -sizes[large]))].tolist():
        mine = load[stratum[group]]
        lightest = int(np.lexsort((load.sum(0), mine))[0])
        made[group] = lightest
        mine[lightest] += sizes[group]
    single = np.flatnonzero(sizes == 1)
    single = single[np.lexsort((order[single], stratum[single]))]
    for some in np.split(single, np.flatnonzero(np.diff(stratum[single])) + 1):
        if len(some):
            made[some] = _stretches(load[stratum[some[0]]], len(some), int(stratum[some[0]]))
    return np.asarray(made[groups], np.int8)


def _usual(groups: NDArray[np.int64], strata: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return the stratum that most samples of each group are in, the smaller number where two are as many."""
    width = int(strata.max(initial=0)) + 1
    pairs, counts = np.unique(groups * width + strata, return_counts=True)
    order = np.lexsort((-pairs, counts))
    made = np.zeros(count, np.int64)
    made[pairs[order] // width] = pairs[order] % width
    return made


def _stretches(load: NDArray[np.int64], count: int, stratum: int) -> NDArray[np.int64]:
    """Return ``count`` ascending fold numbers that even out what each fold holds already."""
    folds = len(load)
    turn = (np.arange(folds) + stratum) % folds  # small strata shall not all begin with the same fold
    want = np.maximum((load.sum() + count) / folds - load, 0.0)[turn]
    ends = np.floor(np.cumsum(want) / want.sum() * count + 0.5 + 1e-9).astype(np.int64) if want.sum() else None
    if ends is None:
        return np.zeros(count, np.int64)
    return np.asarray(turn[np.searchsorted(ends, np.arange(count), side="right").clip(0, folds - 1)])
