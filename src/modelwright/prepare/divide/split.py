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

from modelwright.prepare.gather.scratch import parts
from modelwright.prepare.gather.sorting import quantiles

NAMES = ("train", "validation", "test")
TRAIN, VALIDATION, TEST = 0, 1, 2
BINS = 10
_CELLS = 1 << 18
"""Counts by stratum and first bits of a rank, by which the ranks that end a split's part are found: a megabyte."""
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
    for part in parts(len(made)):
        mixed = made[part]
        with np.errstate(over="ignore"):
            mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        made[part] = mixed ^ (mixed >> np.uint64(31))
    return made


def picked(values: NDArray[Value], places: NDArray[np.integer[Any]]) -> NDArray[Value]:
    """Return ``values[places]``, by parts: numpy would make 64-bit numbers of all places at once."""
    made = np.empty(len(places), values.dtype)
    for part in parts(len(places)):
        made[part] = values[places[part]]
    return made


def held(groups: NDArray[np.integer[Any]], count: int) -> NDArray[np.bool_]:
    """Return ``(count,)`` which groups have a member."""
    made = np.zeros(count, bool)
    for part in parts(len(groups)):
        made[groups[part]] = True
    return made


def _tally(numbers: NDArray[np.integer[Any]], count: int) -> NDArray[np.int64]:
    """Return ``(count,)`` how often each number comes up."""
    made = np.zeros(count, np.int64)
    for part in parts(len(numbers)):
        made += np.bincount(numbers[part], minlength=count)
    return made


def bins(values: NDArray[np.float64], kept: NDArray[np.bool_] | None = None) -> NDArray[Any]:
    """Return the stratum of each number, or, narrow, of each that is ``kept``: which of ten quantile bins it is in."""
    edges = np.unique(quantiles(values, np.linspace(0, 1, BINS + 1)[1:-1], kept))
    made = np.empty(len(values), np.int64) if kept is None else np.empty(int(np.count_nonzero(kept)), np.int8)
    start = 0
    for part in parts(len(values), values):
        some = values[part] if kept is None else values[part][kept[part]]
        made[start : start + len(some)] = np.searchsorted(edges, some, side="right")
        start += len(some)
    return made


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
    covered = np.concatenate([np.zeros(count, bool), given])
    if not production.any():
        return strata, covered
    apart = strata.astype(np.int64)
    apart[production] += count
    return apart, covered


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
    groups = groups.astype(np.int32 if len(groups) < 2**31 else np.int64, copy=False)
    conflicts = np.empty(0, np.int64)
    group_split = np.full(len(keys), -1, np.int8)
    if known is not None:
        group_split, conflicts = _follow(groups, len(keys), known)
    if covered is None:
        covered = np.zeros(int(strata.max(initial=-1)) + 1, bool)
    _Dealing(groups, keys, strata, fractions, seed, group_split, conflicts, covered).deal()
    result = picked(group_split, groups)
    result[conflicts] = -1
    return Plan(result, conflicts)


def _follow(
    groups: NDArray[np.integer[Any]], count: int, known: NDArray[np.int8]
) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    made = np.full(count, -1, np.int8)
    for split in (VALIDATION, TRAIN, TEST):  # the last one of a group's counts
        for part in parts(len(groups)):
            made[groups[part][known[part] == split]] = split
    torn = [np.empty(0, np.int64)]
    for part in parts(len(groups)):
        mine = made[groups[part]]
        torn.append(part.start + np.flatnonzero((mine == TEST) & (known[part] != TEST) & (known[part] >= 0)))
    return made, np.concatenate(torn)


class _Dealing:
    """Fills ``group_split`` in place: large groups first, one by one; then single samples, stratum by stratum.

    Nothing here takes more than a few bytes a sample: ranks are made anew where they are looked at.
    """

    def __init__(
        self,
        groups: NDArray[np.integer[Any]],
        keys: NDArray[np.uint64],
        strata: NDArray[np.integer[Any]],
        fractions: Sequence[float],
        seed: int,
        group_split: NDArray[np.int8],
        conflicts: NDArray[np.int64],
        covered: NDArray[np.bool_],
    ) -> None:
        self._groups, self._keys, self._strata, self._seed = groups, keys, strata, seed
        self._fractions, self._shares = fractions, np.asarray(fractions, np.float64)
        self._group_split, self._covered, self._count = group_split, covered, len(covered)
        self._free: NDArray[np.bool_] | None = None
        if len(conflicts):
            self._free = np.ones(len(groups), bool)
            self._free[conflicts] = False
        self._settled = group_split.copy() if (group_split >= 0).any() else None
        self._sizes = self._members()

    def _parts(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.integer[Any]], NDArray[np.integer[Any]]]]:
        """Yield places, groups and strata of the samples that are dealt."""
        for part in parts(len(self._groups), self._keys):
            groups, strata, places = self._groups[part], self._strata[part], np.arange(part.start, part.stop)
            if self._free is not None:
                here = self._free[part]
                groups, strata, places = groups[here], strata[here], places[here]
            yield places, groups, strata

    def _members(self) -> NDArray[np.int32]:
        """Return ``(groups,)`` their members; without memory of its own where each has one."""
        count = len(self._keys)
        if self._free is None and len(self._groups) == count and held(self._groups, count).all():
            return np.broadcast_to(np.int32(1), count)
        made = np.zeros(count, np.int32)
        for _, groups, _ in self._parts():
            np.add.at(made, groups, np.int32(1))
        return made

    def deal(self) -> None:
        count = self._count
        occurring = np.zeros(count, np.int64)
        given = np.zeros((count, 3), np.int64)
        for _, groups, strata in self._parts():
            occurring += np.bincount(strata, minlength=count)
            if self._settled is not None:
                splits = self._group_split[groups]
                for split in (TRAIN, VALIDATION, TEST):
                    given[:, split] += np.bincount(strata[splits == split], minlength=count)
        left = quotas(occurring, self._fractions, self._covered).astype(np.float64) - given
        self._deal_groups(left)
        self._deal_singles(left)
        trained = np.zeros(count, np.int64)
        for _, groups, strata in self._parts():
            trained += np.bincount(strata[self._group_split[groups] == TRAIN], minlength=count)
        for stratum in np.flatnonzero((occurring > 0) & (trained == 0) & ~self._covered).tolist():
            self._move_into_train(stratum)

    def _deal_groups(self, left: NDArray[np.float64]) -> None:
        if self._sizes.strides == (0,):
            return
        found = [np.empty(0, np.int64)]
        for places, groups, _ in self._parts():
            found.append(places[(self._sizes[groups] > 1) & (self._group_split[groups] < 0)])
        tied = np.concatenate(found)
        if not len(tied):
            return
        tied = tied[np.argsort(self._groups[tied], kind="stable")]
        of = self._groups[tied]
        starts = np.flatnonzero(np.concatenate([[True], of[1:] != of[:-1]]))
        ends, many = np.append(starts[1:], len(of)), of[starts]
        strata = self._strata[tied]
        order = ranks(self._keys[many], self._seed)
        for number in np.lexsort((order, -self._sizes[many])):
            inside = np.bincount(strata[starts[number] : ends[number]], minlength=self._count)
            present = np.flatnonzero(inside)
            # The split that lacks most of what the group holds; a split that wants nothing gets nothing.
            need = (np.minimum(left[present], inside[present, None]) * 1.0).sum(0)
            need += 1e-6 * left.sum(0)
            need[self._shares <= 0] = -np.inf
            best = int(np.argmax(need))
            self._group_split[many[number]] = best
            left[present, best] -= inside[present]

    def _singles(self) -> Iterator[tuple[NDArray[np.integer[Any]], NDArray[np.integer[Any]], NDArray[np.uint64]]]:
        """Yield groups, strata and ranks of groups of one that had no split before."""
        for _, groups, strata in self._parts():
            mine = self._sizes[groups] == 1
            if self._settled is not None:
                mine &= self._settled[groups] < 0
            groups = groups[mine]
            yield groups, strata[mine], ranks(self._keys[groups], self._seed)

    def _deal_singles(self, left: NDArray[np.float64]) -> None:
        """Give the smallest ranks of each stratum to the first split, the next to the second, and so on.

        Which ranks end a split's part is found in two passes: by how many begin with the same bits, then among those
        where a part ends.
        """
        bits = max(1, int(np.log2(min(_CELLS, 4 * len(self._groups) + 4) / max(self._count, 1))))
        shift, width = np.uint64(64 - bits), 1 << bits
        counted = np.zeros(self._count * width, np.int32)
        for _, strata, order in self._singles():
            cells = strata.astype(np.int64) * width + (order >> shift).astype(np.int64)
            np.add.at(counted, cells, np.int32(1))
        counts = counted.reshape(self._count, width)
        ends = np.zeros((self._count, 2), np.int64)
        for stratum, total in enumerate(counts.sum(1).tolist()):
            if total:
                ends[stratum] = np.cumsum(_fit(np.maximum(left[stratum], 0), total, self._shares))[:2]
        cuts = self._cuts(counts, ends, shift)
        for groups, strata, order in self._singles():
            made = np.zeros(len(groups), np.int8)
            for number in range(2):
                made += (order > cuts[strata, number]) | (ends[strata, number] == 0)
            self._group_split[groups] = made

    def _cuts(self, counts: NDArray[np.int32], ends: NDArray[np.int64], shift: np.uint64) -> NDArray[np.uint64]:
        """Return ``(strata, 2)`` the rank that ends the part of each of the first two splits."""
        width = counts.shape[1]
        made = np.full(ends.shape, np.iinfo(np.uint64).max, np.uint64)
        wanted: dict[int, list[NDArray[np.uint64]]] = {}
        rest: dict[tuple[int, int], tuple[int, int]] = {}
        for stratum in np.flatnonzero(ends.any(1)).tolist():
            below = np.cumsum(counts[stratum])
            for number, end in enumerate(ends[stratum].tolist()):
                if 0 < end < below[-1]:
                    cell = int(np.searchsorted(below, end))
                    rest[stratum, number] = stratum * width + cell, end - int(below[cell] - counts[stratum, cell])
                    wanted[stratum * width + cell] = []
        asked = np.array(sorted(wanted), np.int64)
        for _, strata, order in self._singles() if len(asked) else ():
            cells = strata.astype(np.int64) * width + (order >> shift).astype(np.int64)
            at = np.minimum(np.searchsorted(asked, cells), len(asked) - 1)
            for place in np.flatnonzero(asked[at] == cells).tolist():
                wanted[int(cells[place])].append(order[place])
        for (stratum, number), (cell, end) in rest.items():
            made[stratum, number] = np.sort(np.array(wanted[cell], np.uint64))[end - 1]
        return made

    def _move_into_train(self, stratum: int) -> None:
        """Move one group of a stratum that training lacks there, unless all of its groups are locked."""
        found = [np.empty(0, self._groups.dtype)]
        found += [groups[strata == stratum] for _, groups, strata in self._parts()]
        movable = np.unique(np.concatenate(found))
        if self._settled is not None:
            movable = movable[self._settled[movable] < 0]
        if len(movable):
            # Validation gives before test does.
            order = ranks(self._keys[movable], self._seed)
            self._group_split[movable[np.lexsort((order, self._group_split[movable]))][0]] = TRAIN


def _fit(left: NDArray[np.float64], count: int, shares: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return three whole numbers that sum to ``count``, in proportion to what is left to fill."""
    weight = left if left.sum() else shares
    exact = weight / weight.sum() * count
    low: NDArray[np.int64] = np.floor(exact + 1e-9).astype(np.int64)
    for place in np.argsort(low - exact, kind="stable")[: count - low.sum()]:
        low[place] += 1
    return low


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
