"""Search for near-duplicates by their 64-bit hashes that is not all pairs.

Multi-index hashing (Norouzi, Punjani and Fleet 2012, "Fast search in Hamming space with multi-index hashing"): two
hashes within distance 7 agree within distance 1 in at least one of their four 16-bit parts, so only those are compared.
What the search finds are candidates; the modality takes a second look before two samples count as alike.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

RADIUS = 7
"""Largest Hamming distance found; the four-part search is complete up to it."""
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
    unique, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    own = np.arange(len(hashes))
    head = first[inverse]
    equal = np.stack([head, own], 1)[head != own]
    near = _Near(unique, radius, most)
    if radius:
        for found in _search(unique, unique, radius, once=True):
            near.add(found)
    joined = np.concatenate([equal, np.sort(first[near.pairs()], 1)])
    return joined[np.lexsort((joined[:, 1], joined[:, 0]))].astype(np.int64)


class _Near:
    """Collects pairs, each once, and no more than a number of them: of too many, the nearest."""

    def __init__(self, hashes: NDArray[np.uint64], radius: int, most: int | None) -> None:
        self._hashes, self._radius, self._most = hashes, radius, most
        self._kept = np.empty(0, np.int64)
        self._fresh: list[NDArray[np.int64]] = []
        self._waiting = 0

    def add(self, pairs: NDArray[np.int64]) -> None:
        """Add pairs ``(m, 2)``, some of which may be there already."""
        self._fresh.append(pairs[:, 0] * len(self._hashes) + pairs[:, 1])
        self._waiting += len(pairs)
        if self._waiting > max(_PIECE, len(self._kept)):
            self._settle()

    def _settle(self) -> None:
        self._kept = np.unique(np.concatenate([self._kept, *self._fresh]))
        self._fresh, self._waiting = [], 0
        if self._most is None or len(self._kept) <= self._most:
            return
        apart = self._apart()
        while self._radius and int((apart <= self._radius).sum()) > self._most:
            self._radius -= 1
        self._kept = self._kept[apart <= self._radius]

    def _apart(self) -> NDArray[np.uint8]:
        one, other = np.divmod(self._kept, len(self._hashes))
        return np.asarray(np.bitwise_count(self._hashes[one] ^ self._hashes[other]), np.uint8)

    def pairs(self) -> NDArray[np.int64]:
        """Return ``(m, 2)``."""
        self._settle()
        self._kept = self._kept[self._apart() <= self._radius]
        return np.stack(np.divmod(self._kept, len(self._hashes)), 1)


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
    yield from _search(queries, hashes, radius, once=False)


def _search(
    queries: NDArray[np.uint64], hashes: NDArray[np.uint64], radius: int, *, once: bool
) -> Iterator[NDArray[np.int64]]:
    flips = [0, *(1 << bit for bit in range(16))] if radius > 3 else [0]
    for part in range(4):
        keys, wanted = _part(hashes, part), _part(queries, part)
        order = np.argsort(keys, kind="stable")
        starts = np.searchsorted(keys[order], np.arange((1 << 16) + 1))
        for flip in flips:
            low, high = starts[wanted ^ flip], starts[(wanted ^ flip) + 1]
            yield from _near(queries, hashes, order, low, high - low, radius, once=once)


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
    *,
    once: bool,
) -> Iterator[NDArray[np.int64]]:
    """Compare query ``i`` with ``order[low[i] : low[i] + count[i]]``, a bounded number of pairs at a time.

    ``once``: queries are the hashes themselves, and of each pair ``i < j`` is enough.
    """
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
            if once:
                keep = left < right
                left, right = left[keep], right[keep]
            near = np.bitwise_count(queries[left] ^ hashes[right]) <= radius
            if near.any():
                yield np.stack([left[near], right[near]], 1)
        start = stop
