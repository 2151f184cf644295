"""A fixed-size sample of an endless stream in which the recent is more likely than the old."""

from __future__ import annotations

import random


class RecentReservoir:
    """Aggarwal's biased reservoir (VLDB 2006): every arrival takes a random place.

    The chance that an item is still there falls exponentially with what came after it, with a half-life of about 0.7 ×
    ``capacity`` arrivals.

    Parameters
    ----------
    capacity
        Items kept.
    seed
        The same stream and seed keep the same items.

    Examples
    --------
    >>> reservoir = RecentReservoir(3, seed=0)
    >>> for item in "abcdefgh":
    ...     reservoir.add(item)
    >>> len(reservoir.items), "h" in reservoir.items
    (3, True)
    """

    def __init__(self, capacity: int, seed: int = 0) -> None:
        self._capacity = capacity
        self._random = random.Random(seed)  # noqa: S311 - a sample, not a secret
        self.items: list[str] = []

    def add(self, item: str) -> None:
        """Take an item in, at the cost of a random other one when full."""
        if len(self.items) < self._capacity:
            self.items.append(item)
        else:
            self.items[self._random.randrange(self._capacity)] = item
