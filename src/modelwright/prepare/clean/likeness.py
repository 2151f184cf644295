"""Candidates for near-duplicates by their 64-bit hashes: among samples, and between what crops would leave and samples.

What the search finds are candidates; the modality takes a second look before two samples count as alike. How all pairs
are found is in :mod:`.hamming`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.clean import hamming
from modelwright.prepare.clean.hamming import RADIUS

_PIECE = 1 << 20


def pairs(hashes: NDArray[np.uint64], radius: int = RADIUS, most: int | None = None) -> NDArray[np.int64]:
    """Return all index pairs ``(m, 2)``, ``i < j``, of hashes within ``radius`` bits, sorted.

    Equal hashes are joined to the first of them only (a chain is enough to group them), so that a thousand equal
    pictures give 999 pairs and not half a million.

    Parameters
    ----------
    hashes
        ``(n,) uint64``.
    radius
        0 to 7.
    most
        Where more pairs than that are near, hashes say too little to be worth a second look each (pictures of a few
        pixels): only those within a smaller radius are returned, the largest that leaves no more than ``most``. Pairs
        of equal hashes always are.

    Raises
    ------
    ValueError
        For a radius that the search is not complete for.
    """
    if not 0 <= radius <= RADIUS:
        raise ValueError(f"radius is {radius}; it must be 0 to {RADIUS}")
    if len(hashes) < 2:
        return np.empty((0, 2), np.int64)
    return joined(hashes, hamming.near(hamming.different(hashes), radius, most))


def joined(hashes: NDArray[np.uint64], near: hamming.Near) -> NDArray[np.int64]:
    """Return index pairs ``(m, 2)``, ``i < j``, sorted: equal hashes, and the first ones of hashes that are near.

    Parameters
    ----------
    hashes
        ``(n,) uint64``; ``near`` holds the near pairs of the different ones among them.
    """
    unique, first, equal = hamming.equal(hashes)
    places = np.concatenate([equal, np.sort(first[np.searchsorted(unique, near.pairs)], 1)])
    keys = places[:, 0] * len(hashes) + places[:, 1]  # one number a pair: sorted in half the time
    keys.sort()
    return np.stack(np.divmod(keys, max(len(hashes), 1)), 1)


def between(
    queries: NDArray[np.uint64], hashes: NDArray[np.uint64], radius: int = RADIUS
) -> Iterator[NDArray[np.int64]]:
    """Yield index pairs ``(m, 2)``, query and hash, within ``radius`` bits; one comes up as often as its parts agree.

    Parameters
    ----------
    queries, hashes
        ``(q,)`` and ``(n,) uint64``.
    radius
        0 to 7.
    """
    yield from _search(queries, hashes, radius)


def _search(queries: NDArray[np.uint64], hashes: NDArray[np.uint64], radius: int) -> Iterator[NDArray[np.int64]]:
    flips = [0, *(1 << bit for bit in range(16))] if radius > 3 else [0]
    for part in range(4):
        keys, wanted = _part(hashes, part), _part(queries, part)
        order = np.argsort(keys, kind="stable")
        starts = np.searchsorted(keys[order], np.arange((1 << 16) + 1))
        for flip in flips:
            low, high = starts[wanted ^ flip], starts[(wanted ^ flip) + 1]
            yield from _near(queries, hashes, order, low, high - low, radius)


def _part(hashes: NDArray[np.uint64], part: int) -> NDArray[np.int64]:
    """Return the 16 bits of each hash that are its ``part``."""
    return ((hashes >> np.uint64(16 * part)) & np.uint64(0xFFFF)).astype(np.int64)


def _near(
    queries: NDArray[np.uint64],
    hashes: NDArray[np.uint64],
    order: NDArray[np.int64],
    low: NDArray[np.int64],
    count: NDArray[np.int64],
    radius: int,
) -> Iterator[NDArray[np.int64]]:
    """Compare query ``i`` with ``order[low[i] : low[i] + count[i]]``, a bounded number of pairs at a time."""
    ends = np.cumsum(count)
    start = 0
    while start < len(count):
        before = ends[start - 1] if start else 0
        stop = max(int(np.searchsorted(ends, before + _PIECE, side="right")), start + 1)
        lengths = count[start:stop]
        total = int(lengths.sum())
        if total:
            left = np.repeat(np.arange(start, stop), lengths)
            offsets = np.arange(total) - np.repeat(np.cumsum(lengths) - lengths, lengths)
            right = order[np.repeat(low[start:stop], lengths) + offsets]
            near = np.bitwise_count(queries[left] ^ hashes[right]) <= radius
            if near.any():
                yield np.stack([left[near], right[near]], 1)
        start = stop
