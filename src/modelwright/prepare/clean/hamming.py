"""All pairs of 64-bit hashes that are near each other, found once and brought up to date.

Multi-index hashing (Norouzi, Punjani and Fleet 2012, "Fast search in Hamming space with multi-index hashing"): two
hashes within distance 7 agree within distance 1 in at least one of their four parts of 16 bits, whichever bits make up
a part. For each bit of each part the hashes are sorted by the part's other 15 bits; those that agree there stand
together, and are compared with the next ones, all at once: position by position, without gathering.

When a few hashes came or went, only those are compared with all others. That gives the very pairs which a search from
scratch gives; where it could not, the search is made again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.engine.here import map_ordered
from modelwright.engine.threads import usable_cores
from modelwright.prepare.gather.runs import begins

RADIUS = 7
"""Largest Hamming distance found; the four-part search is complete up to it."""
FEW = 128
"""Hashes, come or gone, up to which pairs are brought up to date; each takes a pass over all others."""
_MANY = 20_000
"""Hashes from which threads pay for their start."""
_SAMPLED = 8192
"""Hashes by which bits are spread over the parts."""
_PIECE = 1 << 20
_BLOCK = 1 << 15
"""Hashes that are compared with the next ones while they lie in the processor's cache."""
_DENSE = 0.25
"""Share of hashes with a neighbour so many places on, from which all are compared instead of gathering those."""

Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class Near:
    """The near pairs of different hashes.

    Parameters
    ----------
    hashes
        ``(n,) uint64``, sorted, each once.
    counts
        ``(8,)``: how many pairs there are at each distance.
    radius
        The distance up to which pairs are kept.
    pairs
        ``(m, 2) uint64``: the smaller hash and the larger one, sorted.
    """

    hashes: Hashes
    counts: NDArray[np.int64]
    radius: int
    pairs: Hashes


def different(hashes: Hashes) -> Hashes:
    """Return ``(n,)`` hashes sorted, each once: what ``np.unique`` does by hashing, in a tenth of its time."""
    ordered = np.sort(hashes)
    return ordered[begins(ordered)]


def equal(hashes: Hashes) -> tuple[Hashes, NDArray[np.int64], NDArray[np.int64]]:
    """Return the different hashes, sorted, where each comes first, and ``(m, 2)`` first and later places of equal ones.

    Examples
    --------
    >>> [each.tolist() for each in equal(np.array([7, 5, 7, 5, 5], np.uint64))]
    [[5, 7], [1, 0], [[1, 3], [1, 4], [0, 2]]]
    """
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    starts = begins(ordered)
    first, later = order[starts], np.flatnonzero(~starts)
    return ordered[starts], first, np.stack([first[np.cumsum(starts)[later] - 1], order[later]], 1)


def near(hashes: Hashes, radius: int = RADIUS, most: int | None = None, before: Near | None = None) -> Near:
    """Return the pairs of ``(n,)`` sorted, different hashes within ``radius`` bits.

    Parameters
    ----------
    most
        Where more pairs than that are near, those within a smaller radius are kept: the largest that leaves no more.
    before
        What was found for other hashes, with the same ``radius``.
    """
    updated = None if before is None else _updated(before, hashes, radius, most)
    return _searched(hashes, radius, most) if updated is None else updated


def _searched(hashes: Hashes, radius: int, most: int | None) -> Near:
    counts = np.zeros(RADIUS + 1, np.int64)
    kept: list[NDArray[np.int64]] = []
    held, left = 0, radius
    for found, apart in _all_pairs(hashes, radius):
        counts += np.bincount(apart, minlength=RADIUS + 1)
        mine = found[apart <= left]
        kept.append(mine)
        held += len(mine)
        smaller = _radius(counts, left, most)
        if smaller < left and held > _PIECE:  # what is too far already stays too far
            left = smaller
            kept = [_within(hashes, np.concatenate(kept), left)]
            held = len(kept[0])
    left = _radius(counts, radius, most)
    places = _within(hashes, np.concatenate([np.empty((0, 2), np.int64), *kept]), left)
    places = np.sort(places, 1)
    return Near(hashes, counts, left, hashes[places[np.lexsort((places[:, 1], places[:, 0]))]])


def _radius(counts: NDArray[np.int64], radius: int, most: int | None) -> int:
    """Return the largest radius up to ``radius`` that leaves no more than ``most`` pairs, or 0."""
    if most is None:
        return radius
    return int(max(np.flatnonzero(np.cumsum(counts[: radius + 1]) <= most), default=0))


def _within(hashes: Hashes, places: NDArray[np.int64], radius: int) -> NDArray[np.int64]:
    close: NDArray[np.bool_] = np.bitwise_count(hashes[places[:, 0]] ^ hashes[places[:, 1]]) <= radius
    return places[close]


def _updated(before: Near, hashes: Hashes, radius: int, most: int | None) -> Near | None:
    """Return the pairs by comparing only what came or went with all others; None where that is not enough."""
    gone = np.setdiff1d(before.hashes, hashes, assume_unique=True)
    come = np.setdiff1d(hashes, before.hashes, assume_unique=True)
    if len(gone) + len(come) > FEW:
        return None
    counts = before.counts.copy()
    for number, hash_ in enumerate(gone):
        counts -= _distances(before.hashes, gone[:number], hash_, radius)[0]
    fresh = [before.pairs[~np.isin(before.pairs, gone).any(1)]]
    for number, hash_ in enumerate(come):
        found, others, apart = _distances(hashes, come[:number], hash_, radius)
        counts += found
        pairs = np.stack([np.minimum(others, hash_), np.maximum(others, hash_)], 1)
        fresh.append(pairs[apart <= before.radius])
    left = _radius(counts, radius, most)
    if left > before.radius:
        return None
    pairs = np.concatenate(fresh)
    pairs = pairs[np.bitwise_count(pairs[:, 0] ^ pairs[:, 1]) <= left]
    return Near(hashes, counts, left, pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))])


def _distances(
    hashes: Hashes, done: Hashes, hash_: np.uint64, radius: int
) -> tuple[NDArray[np.int64], Hashes, NDArray[np.uint8]]:
    """Return the counts by distance from one hash to the others but those ``done``, and those near it."""
    apart = np.bitwise_count(hashes ^ hash_)
    close = np.flatnonzero(apart <= radius)
    others, apart = hashes[close], apart[close]
    fresh = ~np.isin(others, done) & (others != hash_)
    return np.bincount(apart[fresh], minlength=RADIUS + 1), others[fresh], apart[fresh]


def _all_pairs(hashes: Hashes, radius: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint8]]]:
    """Yield places ``(m, 2)`` of pairs within ``radius`` bits, each pair once in all, and how far they are apart."""
    if not radius or len(hashes) < 2:
        return
    # Up to 3 bits apart, one part is equal; up to 7, one differs in no more than one bit.
    bits: list[int | None] = [None] if radius <= 3 else list(range(16))
    spread = _spread(hashes)

    def search(turn: tuple[int, int | None]) -> list[tuple[NDArray[np.int64], NDArray[np.uint8]]]:
        return list(_turn(spread, *turn, radius))

    turns = [(part, bit) for part in range(4) for bit in bits]
    for found in map_ordered(search, turns, usable_cores() if len(hashes) > _MANY else 1):
        yield from found


def _turn(
    hashes: Hashes, part: int, bit: int | None, radius: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint8]]]:
    """Yield the pairs whose ``part`` agrees, ``bit`` of it left out, and that no turn before this one finds."""
    values = ((hashes >> np.uint64(16 * part)) & np.uint64(0xFFFF)).astype(np.uint16)
    keys = values if bit is None else values & np.uint16(0xFFFF ^ (1 << bit))
    order = np.argsort(keys, kind="stable")
    for one, other in _neighbours(keys[order], hashes[order], radius):
        places = np.stack([order[one], order[other]], 1)
        differ = hashes[places[:, 0]] ^ hashes[places[:, 1]]
        mine = _found_first(differ, part, bit)
        if mine.any():
            yield places[mine], np.bitwise_count(differ[mine])


def _spread(hashes: Hashes) -> Hashes:
    """Return hashes with their bits in another order, the same for all: as far apart from each other as before.

    Bits that say the same in one part leave few different parts, and many hashes with each: of pictures of 4 × 4
    pixels, sixty times as many to compare. So each bit goes, the most correlated ones first, to the part with whose
    bits it has the least in common, as a sample of the hashes shows.
    """
    places = np.linspace(0, len(hashes) - 1, min(len(hashes), _SAMPLED)).astype(np.int64)
    shifts = np.arange(64, dtype=np.uint64)
    bits = ((hashes[places, None] >> shifts) & np.uint64(1)).astype(np.float64)
    bits -= bits.mean(0)
    deviations = bits.std(0)
    bits /= np.where(deviations > 0, deviations, 1.0)
    shared = np.square(bits.T @ bits / len(bits))
    np.fill_diagonal(shared, 0.0)
    parts: list[list[int]] = [[], [], [], []]
    for bit in np.argsort(-shared.sum(0), kind="stable").tolist():
        free = [part for part in parts if len(part) < 16]
        min(free, key=lambda part: (shared[bit, part].sum(), len(part))).append(bit)
    made = np.zeros_like(hashes)
    for place, bit in enumerate(bit for part in parts for bit in part):
        made |= ((hashes >> shifts[bit]) & np.uint64(1)) << shifts[place]
    return made


def _found_first(differ: Hashes, part: int, bit: int | None) -> NDArray[np.bool_]:
    """Return which pairs, by the bits they differ in, are found here and were not found before."""
    most = 0 if bit is None else 1
    made = np.ones(len(differ), bool)
    for before in range(part):
        made &= np.bitwise_count((differ >> np.uint64(16 * before)) & np.uint64(0xFFFF)) > most
    if bit is not None:
        own = (differ >> np.uint64(16 * part)) & np.uint64(0xFFFF)
        # Equal parts stand together whichever bit is left out: the first one counts.
        made &= (own == np.uint64(1 << bit)) | ((own == 0) & (bit == 0))
    return made


def _neighbours(keys: NDArray[np.uint16], hashes: Hashes, radius: int) -> Iterator[tuple[Any, Any]]:
    """Yield positions of near hashes with equal keys, block by block; ``keys`` are sorted."""
    count = len(keys)
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    sizes = np.diff(starts, append=count)
    after = np.repeat(starts + sizes, sizes) - np.arange(count) - 1  # equal keys that follow each
    for start in range(0, count, _BLOCK):
        stop = min(start + _BLOCK, count)
        found = list(_in_block(after, hashes, start, stop, radius))
        if found:
            one = np.concatenate([places for places, _ in found])
            yield one, one + np.repeat([step for _, step in found], [len(places) for places, _ in found])


def _in_block(
    after: NDArray[np.int64], hashes: Hashes, start: int, stop: int, radius: int
) -> Iterator[tuple[NDArray[np.int64], int]]:
    """Yield the positions from ``start`` to ``stop`` of hashes near the one so many places on, and how many."""
    followed = after[start:stop]
    left = len(followed) - np.cumsum(np.bincount(followed))  # how many have more than so many behind them
    differ, apart = np.empty(stop - start, np.uint64), np.empty(stop - start, np.uint8)
    some: NDArray[np.int64] | None = None
    for step in range(1, len(left)):
        if some is None:
            size = min(stop, len(hashes) - step) - start
            np.bitwise_xor(hashes[start : start + size], hashes[start + step : start + step + size], out=differ[:size])
            np.bitwise_count(differ[:size], out=apart[:size])
            one = start + np.flatnonzero(apart[:size] <= radius)
            one = one[after[one] >= step]
            if left[step] < _DENSE * len(followed):
                some = start + np.flatnonzero(followed > step)
        else:
            some = some[after[some] >= step]
            one = some[np.bitwise_count(hashes[some] ^ hashes[some + step]) <= radius]
        if len(one):
            yield one, step
