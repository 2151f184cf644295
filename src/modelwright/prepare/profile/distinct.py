"""How many different values there are, by the smallest of their hashes."""

from __future__ import annotations

import math

import numpy as np

from modelwright.prepare.gather.runs import runs
from modelwright.prepare.profile.hashing import Hashes

_ALL = 2.0**64


class Distinct:
    """Counts different values in bounded memory: exactly up to ``most``, beyond them by the ``most`` smallest hashes.

    The estimate is Bar-Yossef and others' (2002) with Beyer and others' (2007) correction, ``(k - 1) / h_k`` for hashes
    in 0..1; its standard error is ``1 / sqrt(k - 2)`` of it. What comes in which order makes no difference.

    Examples
    --------
    >>> few = Distinct(64)
    >>> few.add(np.arange(10, dtype=np.uint64)); few.add(np.arange(5, dtype=np.uint64))
    >>> few.count, few.error
    (10, 0.0)
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: Hashes = np.zeros(0, np.uint64)
        self._waiting: list[Hashes] = []
        self._held = 0
        self._below: np.uint64 | None = None

    @property
    def below(self) -> np.uint64 | None:
        """Hashes from this one on change nothing; None: all may count."""
        return self._below

    def add(self, hashes: Hashes) -> None:
        """Add the hashes of values, each as often as one likes."""
        if self._below is not None:
            hashes = hashes[hashes < self._below]
        if len(hashes):
            self._waiting.append(hashes)
            self._held += len(hashes)
            if self._held > self._most:
                self._settle()

    def _settle(self) -> None:
        if not self._waiting:
            return
        kept = np.concatenate([self._kept, *self._waiting])
        kept.sort()
        kept = runs(kept)[0]
        self._waiting, self._held = [], 0
        if len(kept) > self._most:
            kept = kept[: self._most].copy()
            self._below = kept[-1]
        self._kept = kept

    @property
    def exact(self) -> bool:
        """Whether the count is exact."""
        self._settle()
        return self._below is None

    @property
    def count(self) -> int:
        """How many different values there were."""
        self._settle()
        if self._below is None:
            return len(self._kept)
        return round((self._most - 1) / ((float(self._kept[-1]) + 1.0) / _ALL))

    @property
    def error(self) -> float:
        """The count's standard error as a share of it; 0 where it is exact."""
        return 0.0 if self.exact else 1.0 / math.sqrt(self._most - 2)
