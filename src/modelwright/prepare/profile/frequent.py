"""The most frequent values, in bounded memory, with a bound on what was missed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[Any]
Counts = NDArray[np.int64]

_RARE = 4096


class Frequent:
    """Counts values by key: exactly while there are at most ``most`` of them, then the frequent ones.

    Each time that there are too many, the rarest are dropped, and the largest count dropped is added to :attr:`missed`
    (lossy counting, Manku and Motwani 2002, with a bound that is measured and not assumed). A value's true count is at
    least what stands here and at most :attr:`missed` more; one that isn't here occurred at most :attr:`missed` times.
    Values must come in the same order to leave the same ones.

    Parameters
    ----------
    most
        Values kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.keys: Keys = np.zeros(0, np.uint64)
        self.counts: Counts = np.zeros(0, np.int64)
        self.missed = 0
        self._names: dict[Any, Any] = {}

    def add(self, keys: Keys, counts: Counts, name: Callable[[NDArray[np.int64]], list[Any]] | None = None) -> None:
        """Add different keys with their counts; ``name`` gives what those at some places stand for, asked for new ones.

        Keys must be sorted.
        """
        places = np.arange(len(keys))
        if len(keys) > self._most:
            places = self._frequent(counts)
        if not len(places):
            return
        if name is not None:
            self._learn(keys, places, name)
        if not len(self.keys):
            self.keys, self.counts = keys[places].copy(), counts[places].astype(np.int64)
            return
        every = np.concatenate([self.keys, keys[places]])
        together = np.concatenate([self.counts, counts[places]])
        order = np.argsort(every, kind="stable")
        every = every[order]
        starts = np.flatnonzero(np.concatenate([[True], every[1:] != every[:-1]]))
        self.keys, self.counts = every[starts], np.add.reduceat(together[order], starts)
        if len(self.keys) > 2 * self._most or (self.missed == 0 and len(self.keys) > self._most):
            left = self._frequent(self.counts)
            self.keys, self.counts = self.keys[left], self.counts[left]
            if self._names:
                kept = set(self.keys.tolist())
                self._names = {key: value for key, value in self._names.items() if key in kept}

    def _frequent(self, counts: Counts) -> NDArray[np.int64]:
        """Return the places of at most ``most`` counts, the largest, and remember the largest that is left out."""
        often = np.bincount(np.minimum(counts, _RARE))
        above = len(counts) - np.cumsum(often)  # how many counts are larger than 0, 1, 2 …
        border = int(np.argmax(above <= self._most))
        if border == _RARE:
            border = int(np.partition(counts, len(counts) - self._most - 1)[len(counts) - self._most - 1])
        self.missed += border
        return np.flatnonzero(counts > border)

    def _learn(self, keys: Keys, places: NDArray[np.int64], name: Callable[[NDArray[np.int64]], list[Any]]) -> None:
        if len(self.keys):
            found = np.searchsorted(self.keys, keys[places])
            found[found == len(self.keys)] = 0
            places = places[self.keys[found] != keys[places]]
        if len(places):
            self._names.update(zip(keys[places].tolist(), name(places), strict=True))

    @property
    def exact(self) -> bool:
        """Whether every value is here with its count."""
        return self.missed == 0

    def top(self, most: int) -> list[tuple[Any, int]]:
        """Return the most frequent values and their counts; of equal counts those with smaller keys first."""
        order = np.lexsort((np.arange(len(self.keys)), -self.counts))[:most].tolist()
        keys, counts = self.keys.tolist(), self.counts.tolist()
        return [(self._names.get(keys[place], keys[place]), counts[place]) for place in order]

    def named(self) -> list[tuple[Any, int]]:
        """Return all values and their counts, by key."""
        return [
            (self._names.get(key, key), count)
            for key, count in zip(self.keys.tolist(), self.counts.tolist(), strict=True)
        ]
