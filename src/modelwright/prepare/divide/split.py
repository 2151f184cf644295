"""Splits: stratified or binned, grouped, the same for the same seed, and stable while a dataset grows.

Each sample gets a random rank from its group's digest and the seed, not from its place, so that a new file changes
hardly anything for the others. Within a stratum (class, or bin of the number to predict, of what was given and of what
production saw) whole groups are dealt to the splits in the order of their ranks until the quotas are met; quotas are
rounded so that the errors of the strata cancel out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

NAMES = ("train", "validation", "test")
TRAIN, VALIDATION, TEST = 0, 1, 2
BINS = 10
_FEW = 32
_PART = 1 << 17
Value = TypeVar("Value", bound=np.generic)


@dataclass(frozen=True)
class Plan:
    """Who goes where.

    Parameters
    ----------
    splits
        ``(n,) int8``: 0 train, 1 validation, 2 test, -1 for none (a conflict with a locked split).
    conflicts
        Indices of the samples that a locked split shuts out.
    """

    splits: NDArray[np.int8]
    conflicts: NDArray[np.int64]


def ranks(keys: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """Return ``(n,) uint64`` pseudo-random ranks of digests: splitmix64 (Steele, Lea, Flood 2014), seeded."""
    made = keys ^ np.uint64((seed * 0x9E3779B97F4A7C15 + 0x1234567) & 0xFFFFFFFFFFFFFFFF)
    for start in range(0, len(made), _PART):
        mixed = made[start : start + _PART]
        with np.errstate(over="ignore"):
            mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        made[start : start + _PART] = mixed ^ (mixed >> np.uint64(31))
    return made


def picked(values: NDArray[Value], places: NDArray[np.integer[Any]]) -> NDArray[Value]:
    """Return ``values[places]``, by parts: numpy would make 64-bit numbers of all places at once."""
    made = np.empty(len(places), values.dtype)
    for start in range(0, len(places), _PART):
        made[start : start + _PART] = values[places[start : start + _PART]]
    return made


def held(groups: NDArray[np.integer[Any]], count: int) -> NDArray[np.bool_]:
    """Return ``(count,)`` which groups have a member."""
    made = np.zeros(count, bool)
    for start in range(0, len(groups), _PART):
        made[groups[start : start + _PART]] = True
    return made


def _tally(numbers: NDArray[np.integer[Any]], count: int) -> NDArray[np.int64]:
    """Return ``(count,)`` how often each number comes up."""
    made = np.zeros(count, np.int64)
    for start in range(0, len(numbers), _PART):
        made += np.bincount(numbers[start : start + _PART], minlength=count)
    return made


def _sizes(groups: NDArray[np.integer[Any]], count: int) -> NDArray[np.int32]:
    """Return ``(count,)`` the members of each group; without memory of its own where each has one."""
    if len(groups) == count and held(groups, count).all():
        return np.broadcast_to(np.int32(1), count)
    return np.bincount(groups, minlength=count).astype(np.int32)


def bins(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the stratum of each number: which of ten quantile bins it is in."""
    edges = np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1])
    return np.asarray(np.searchsorted(np.unique(edges), values, side="right"), np.int64)


def by_origin(strata: NDArray[np.int64], production: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the strata taken apart by origin, and which of them another one stands for in training.

    Each split so gets its share of what production saw, however little that is beside the rest: challenger and champion
    are compared on the production samples of the test split.

    Parameters
    ----------
    strata
        ``(n,)`` class or bin numbers.
    production
        ``(n,)`` whether the sample came from production.

    Examples
    --------
    >>> by_origin(np.array([0, 0, 1]), np.array([False, True, True]))
    (array([0, 2, 3]), array([False, False,  True, False]))
    """
    count = int(strata.max(initial=-1)) + 1
    given = _tally(strata[~production], count) > 0
    apart = strata.copy()
    apart[production] += count
    return apart, np.concatenate([np.zeros(count, bool), given])


def quotas(
    counts: NDArray[np.int64], fractions: Sequence[float], covered: NDArray[np.bool_] | None = None
) -> NDArray[np.int64]:
    """Return ``(strata, 3)`` whole quotas whose rows sum to ``counts``, each within one of the exact share.

    A stratum of any size that is not ``covered`` gives at least one to training (if training gets any). Rounding errors
    are carried from one stratum to the next, so that the totals come out right too.

    Examples
    --------
    >>> quotas(np.array([10, 3, 1]), (0.7, 0.1, 0.2)).tolist()
    [[7, 1, 2], [2, 0, 1], [1, 0, 0]]
    """
    shares = np.asarray(fractions, np.float64) / np.sum(fractions)
    made = np.zeros((len(counts), 3), np.int64)
    error = np.zeros(3)
    for row, count in enumerate(counts):
        exact = shares * count
        want = exact + error
        low = np.floor(exact + 1e-9).astype(np.int64)
        for place in np.argsort(low - want, kind="stable")[: count - low.sum()]:
            low[place] += 1
        if count and shares[TRAIN] and not low[TRAIN] and (covered is None or not covered[row]):
            low[int(np.argmax(low))] -= 1
            low[TRAIN] += 1
        error = want - low
        made[row] = low
    return made


def assign(
    groups: NDArray[np.integer[Any]],
    keys: NDArray[np.uint64],
    strata: NDArray[np.integer[Any]],
    fractions: Sequence[float],
    seed: int,
    known: NDArray[np.int8] | None = None,
    covered: NDArray[np.bool_] | None = None,
) -> Plan:
    """Deal samples to train, validation and test.

    Parameters
    ----------
    groups
        ``(n,)`` group numbers, 0 to the number of groups - 1; a group never straddles.
    keys
        ``(groups,)`` the groups' digests as numbers; they decide the order, with the seed.
    strata
        ``(n,)`` class or bin numbers.
    fractions
        Shares of train, validation and test; need not sum to 1.
    seed
        Of the order.
    known
        ``(n,)`` the split that a sample has already, -1 for none. Known samples keep theirs, and their groups follow.
        Where a new likeness ties samples of different splits, test is locked and the others are shut out; of train and
        validation all go to train.
    covered
        ``(strata,)`` strata that training may lack, because another one stands for them; None: none.
    """
    count = len(groups)
    group_count = len(keys)
    small: Any = np.int32 if count < 2**31 else np.int64  # of millions of samples, half the memory
    groups, strata = groups.astype(small, copy=False), strata.astype(small, copy=False)
    conflicts = np.empty(0, np.int64)
    group_split = np.full(group_count, -1, np.int8)
    if known is not None:
        group_split, conflicts = _follow(groups, group_count, known)
    if covered is None:
        covered = np.zeros(int(strata.max(initial=-1)) + 1, bool)
    free = np.arange(count, dtype=small)
    if len(conflicts):
        free = np.delete(free, conflicts)
    _deal(groups, ranks(keys, seed), strata, fractions, group_split, free, covered)
    result = picked(group_split, groups)
    result[conflicts] = -1
    return Plan(result, conflicts)


def _follow(
    groups: NDArray[np.integer[Any]], count: int, known: NDArray[np.int8]
) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    has = np.zeros((count, 3), bool)
    for split in (TRAIN, VALIDATION, TEST):
        has[groups[known == split], split] = True
    made = np.full(count, -1, np.int8)
    made[has[:, VALIDATION]] = VALIDATION
    made[has[:, TRAIN]] = TRAIN
    made[has[:, TEST]] = TEST
    mine = made[groups]
    return made, np.flatnonzero((mine == TEST) & (known != TEST) & (known >= 0))


def _deal(
    groups: NDArray[np.integer[Any]],
    order: NDArray[np.uint64],
    strata: NDArray[np.integer[Any]],
    fractions: Sequence[float],
    group_split: NDArray[np.int8],
    free: NDArray[np.int64],
    covered: NDArray[np.bool_],
) -> None:
    """Fill ``group_split`` in place: large groups first, one by one; then single samples, stratum by stratum."""
    strata_count = len(covered)
    whole = len(free) == len(groups)
    of, here = (groups, strata) if whole else (groups[free], strata[free])
    occurring = _tally(here, strata_count)
    left = quotas(occurring, fractions, covered).astype(np.float64)
    sizes = _sizes(of, len(group_split))
    settled = picked(group_split, of)
    for split in (TRAIN, VALIDATION, TEST):
        left[:, split] -= _tally(here[settled == split], strata_count)
    many = np.flatnonzero((sizes > 1) & (group_split < 0))
    by_group, starts = free[:0], sizes[:0]
    if len(many):
        tied = free[picked(sizes, of) > 1]
        by_group = tied[np.argsort(groups[tied], kind="stable")]
        starts = np.concatenate([[0], np.cumsum(np.where(sizes > 1, sizes, 0))])
        del tied
    shares = np.asarray(fractions, np.float64)
    for group in many[np.lexsort((order[many], -sizes[many]))]:
        inside = np.bincount(strata[by_group[starts[group] : starts[group + 1]]], minlength=strata_count)
        present = np.flatnonzero(inside)
        # The split that lacks most of what the group holds; a split that wants nothing gets nothing.
        need = (np.minimum(left[present], inside[present, None]) * 1.0).sum(0)
        need += 1e-6 * left.sum(0)
        need[shares <= 0] = -np.inf
        best = int(np.argmax(need))
        group_split[group] = best
        left[present, best] -= inside[present]
    for single in _by_stratum(free[picked(sizes == 1, of) & (settled < 0)], strata, strata_count):
        wanted = _fit(np.maximum(left[strata[single[0]]], 0), len(single), shares)
        mine = picked(groups, single)
        group_split[mine] = _by_rank(picked(order, mine), wanted)
    trained = _tally(here[picked(group_split == TRAIN, of)], strata_count)
    lacking = np.flatnonzero((occurring > 0) & (trained == 0) & ~covered)
    if len(lacking):
        _every_class_in_train(groups, strata, group_split, lacking, free, order, locked=settled >= 0)


def _by_stratum(places: NDArray[np.int64], strata: NDArray[np.integer[Any]], count: int) -> Iterator[NDArray[np.int64]]:
    """Yield the places of each stratum that has any, in the order of strata; each ascending."""
    mine = picked(strata, places)
    if count <= _FEW:  # looked through for each of a few, since sorting takes twice the memory
        for stratum in range(count):
            some = places[mine == stratum]
            if len(some):
                yield some
        return
    places = places[np.argsort(mine, kind="stable")]
    yield from filter(len, np.split(places, np.flatnonzero(np.diff(strata[places])) + 1))


def _by_rank(order: NDArray[np.uint64], wanted: NDArray[np.int64]) -> NDArray[np.int8]:
    """Return splits: the ``wanted[0]`` smallest ranks to the first, the next ``wanted[1]`` to the second, and so on."""
    ends = np.cumsum(wanted)[:-1]
    cuts = np.unique(ends[(ends > 0) & (ends < len(order))])
    made = np.empty(len(order), np.int8)
    made[np.argpartition(order, cuts) if len(cuts) else slice(None)] = np.repeat(np.arange(3, dtype=np.int8), wanted)
    return made


def _fit(left: NDArray[np.float64], count: int, shares: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return three whole numbers that sum to ``count``, in proportion to what is left to fill."""
    weight = left if left.sum() else shares
    exact = weight / weight.sum() * count
    low: NDArray[np.int64] = np.floor(exact + 1e-9).astype(np.int64)
    for place in np.argsort(low - exact, kind="stable")[: count - low.sum()]:
        low[place] += 1
    return low


def _every_class_in_train(
    groups: NDArray[np.integer[Any]],
    strata: NDArray[np.integer[Any]],
    group_split: NDArray[np.int8],
    lacking: NDArray[np.int64],
    free: NDArray[np.int64],
    order: NDArray[np.uint64],
    locked: NDArray[np.bool_],
) -> None:
    """Move one group of each stratum that training lacks there, unless all of its groups are locked."""
    for stratum in lacking:
        movable = np.setdiff1d(groups[free[strata[free] == stratum]], groups[free[locked]])
        if len(movable):
            # Validation gives before test does.
            best = movable[np.lexsort((order[movable], group_split[movable]))][0]
            group_split[best] = TRAIN


def union(count: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return ``(count,)`` group numbers of the connected components of ``pairs (m, 2)``, numbered by first member.

    As int32 where they fit.
    """
    small: Any = np.int32 if count < 2**31 else np.int64
    parent = np.arange(count, dtype=small)
    if not len(pairs):
        return parent
    left, right = pairs[:, 0], pairs[:, 1]
    while len(left):
        # Hook each root to the smallest that it touches, then let all point to their roots (Shiloach, Vishkin 1982).
        one, other = parent[left], parent[right]
        apart = one != other
        if not apart.any():
            break
        left, right = left[apart], right[apart]
        low, high = np.minimum(one[apart], other[apart]), np.maximum(one[apart], other[apart])
        np.minimum.at(parent, high, low.astype(parent.dtype))
        while True:
            above = parent[parent]
            if (above == parent).all():
                break
            parent = above
    numbers = np.cumsum(parent == np.arange(count, dtype=small), dtype=small)
    return np.asarray(numbers[parent] - small(1))
