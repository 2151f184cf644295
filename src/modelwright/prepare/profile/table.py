"""What the rows of a table say as wholes: copies, what is missing together, straight lines, an even sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.profile.hashing import Hashes, mix

Floats = NDArray[np.float64]

MOST_HASHES = 1 << 24
"""Rows whose hashes are kept: 134 MB. Of a longer table, those of a half, a quarter … of all different rows."""
MOST_PATTERNS = 10_000
STRAIGHT = 40
"""Columns of numbers whose correlation is taken over all rows."""
_LEAST = 20
_FEW = 16
_BITS = 10
_SEED = np.uint64(0x5851F42D4C957F2D)


class Copies:
    """Counts equal rows by their hashes, in bounded memory."""

    def __init__(self, most: int = MOST_HASHES) -> None:
        self._most = most
        self._parts: list[Hashes] = []
        self._held = 0
        self._halvings = 0

    def add(self, rows: Hashes) -> None:
        """Add a block's rows."""
        if self._halvings:
            rows = rows[rows < self._border]
        self._parts.append(rows)
        self._held += len(rows)
        while self._held > self._most:
            # All copies of a row have one hash: a range of hashes holds every copy of those rows that are in it.
            self._halvings += 1
            self._parts = [part[part < self._border] for part in self._parts]
            self._held = sum(map(len, self._parts))

    @property
    def _border(self) -> np.uint64:
        return np.uint64(1 << (64 - self._halvings))

    def counted(self) -> tuple[int, int | None, float]:
        """Return the rows that are equal to an earlier one, how many rows have such copies, and the standard error."""
        if not self._held:
            return 0, 0, 0.0
        every = np.concatenate(self._parts)
        self._parts = [every]
        every.sort()
        new = every[1:] != every[:-1]
        copies = len(new) - int(new.sum())
        starts = np.flatnonzero(np.concatenate([[True], new]))
        sizes = np.diff(starts, append=len(every))
        if not self._halvings:
            return copies, int((sizes > 1).sum()), 0.0
        scale = 2**self._halvings
        extra = (sizes[sizes > 1] - 1).astype(np.float64)
        return copies * scale, None, float(np.sqrt((extra**2).sum() * (scale - 1) * scale))


class Gaps:
    """Counts which columns are missing together."""

    def __init__(self, width: int) -> None:
        self._codes = mix(np.arange(1, width + 1, dtype=np.uint64) ^ _SEED)
        self._found: dict[int, tuple[tuple[int, ...], int]] = {}
        self.others = 0
        self.complete = 0

    def of_block(self, absent: Sequence[NDArray[np.bool_] | None], rows: int) -> list[tuple[int, tuple[int, ...], int]]:
        """Return the patterns of one block: key, columns, rows; nothing is kept."""
        holed = [place for place, each in enumerate(absent) if each is not None]
        if not holed:
            return [(0, (), rows)]
        if len(holed) <= _BITS:
            return self._by_bits(absent, holed, rows)
        keys = np.zeros(rows, np.uint64)
        for place in holed:
            mask = absent[place]
            assert mask is not None
            keys[mask] ^= self._codes[place]
        ordered = np.sort(keys)
        starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        made: list[tuple[int, tuple[int, ...], int]] = []
        sizes = np.diff(starts, append=rows)
        firsts = np.argsort(keys, kind="stable")[starts].tolist() if len(starts) > _FEW else None
        for place, (key, count) in enumerate(zip(ordered[starts].tolist(), sizes.tolist(), strict=True)):
            if len(made) == MOST_PATTERNS:
                break
            row = firsts[place] if firsts is not None else int(np.argmax(keys == np.uint64(key)))
            columns = tuple(each for each in holed if absent[each][row]) if key else ()  # type: ignore[index]
            made.append((key, columns, count))
        return made

    def _by_bits(
        self, absent: Sequence[NDArray[np.bool_] | None], holed: Sequence[int], rows: int
    ) -> list[tuple[int, tuple[int, ...], int]]:
        """Count patterns of few columns, a bit each."""
        bits = np.zeros(rows, np.int64)
        for number, place in enumerate(holed):
            mask = absent[place]
            assert mask is not None
            bits += mask.astype(np.int64) << number
        counted = np.bincount(bits, minlength=1 << len(holed))
        made = []
        for found in np.flatnonzero(counted).tolist():
            columns = tuple(place for number, place in enumerate(holed) if found >> number & 1)
            key = 0
            for place in columns:
                key ^= int(self._codes[place])
            made.append((key, columns, int(counted[found])))
        return made

    def add(self, patterns: Sequence[tuple[int, tuple[int, ...], int]], rows: int) -> None:
        """Add those of one block."""
        self.others += rows - sum(count for _, _, count in patterns)
        for key, columns, count in patterns:
            if not columns:
                self.complete += count
            if key in self._found or len(self._found) < MOST_PATTERNS:
                before = self._found.get(key, (columns, 0))[1]
                self._found[key] = (columns, before + count)
            else:
                self.others += count

    def frequent(self, most: int) -> tuple[list[tuple[tuple[int, ...], int]], int]:
        """Return the most frequent patterns, and how many more there are."""
        ordered = sorted(self._found.values(), key=lambda each: (-each[1], each[0]))
        return ordered[:most], len(ordered) - min(most, len(ordered)) + (1 if self.others else 0)


@dataclass
class Products:
    """Sums of products of pairs of columns, pairwise complete; of one block, or of all.

    Columns are moved and scaled by the first block's means and deviations, so that large numbers' small differences
    are not lost.
    """

    count: Floats
    first: Floats
    square: Floats
    product: Floats

    @classmethod
    def of(cls, columns: Sequence[Floats | None], centre: Floats, scale: Floats, rows: int) -> Products:
        """Return the sums of ``(n,)`` columns (NaN: missing; None: all missing)."""
        values = np.zeros((len(columns), rows))
        there = np.zeros((len(columns), rows))
        for place, column in enumerate(columns):
            if column is not None:
                moved = (column - centre[place]) / scale[place]
                known = np.isfinite(moved)
                if known.all():
                    values[place], there[place] = moved, 1.0
                else:
                    values[place], there[place] = np.where(known, moved, 0.0), known
        with np.errstate(all="ignore"):
            return cls(there @ there.T, values @ there.T, (values * values) @ there.T, values @ values.T)

    def add(self, other: Products) -> None:
        """Add a block's sums."""
        self.count += other.count
        self.first += other.first
        self.square += other.square
        self.product += other.product

    def correlation(self) -> Floats:
        """Return ``(k, k)`` Pearson's correlations; NaN where undefined."""
        with np.errstate(all="ignore"):
            covariance = self.product - self.first * self.first.T / self.count
            variance = self.square - self.first**2 / self.count
            small = 1e-12 * np.maximum(self.square, 1e-300)
            enough = (self.count >= _LEAST) & (variance > small) & (variance.T > small.T)
            found = covariance / np.sqrt(variance * variance.T)
        return np.where(enough, np.clip(found, -1.0, 1.0), np.nan)


def centre_of(columns: Sequence[Floats | None]) -> tuple[Floats, Floats]:
    """Return where columns lie and how far they spread, each finite and the spread above zero."""
    centre, scale = np.zeros(len(columns)), np.ones(len(columns))
    for place, column in enumerate(columns):
        known = column[np.isfinite(column)] if column is not None else np.zeros(0)
        if len(known):
            with np.errstate(all="ignore"):
                middle, spread = float(known.mean()), float(known.std())
            if np.isfinite(middle):
                centre[place] = middle
            if np.isfinite(spread) and spread > 0:
                scale[place] = spread
    return centre, scale


class Sample:
    """An even random sample of rows: those whose numbers hash lowest (bottom-k; Cohen and Kaplan 2007)."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._parts: list[tuple[Hashes, NDArray[np.int64], list[Any]]] = []
        self._held = 0
        self.below = np.uint64(2**64 - 1)
        """Rows that hash higher are not in it."""

    def chosen(self, first: int, rows: int) -> tuple[Hashes, NDArray[np.int64]]:
        """Return the hashes and places of the rows of a block that may be in the sample; ``first`` is its first row."""
        hashed = mix(np.arange(first, first + rows, dtype=np.uint64) ^ _SEED)
        places = np.flatnonzero(hashed <= self.below)
        if len(places) > self._most:
            places = np.sort(places[np.argpartition(hashed[places], self._most - 1)[: self._most]])
        return hashed[places], places

    def add(self, hashed: Hashes, numbers: NDArray[np.int64], columns: list[Any]) -> None:
        """Add rows: their hashes, numbers, and one ``pyarrow.Array`` a column."""
        self._parts.append((hashed, numbers, columns))
        self._held += len(hashed)
        if self._held > 2 * self._most:
            self._prune()

    def _prune(self) -> None:
        import pyarrow as pa

        if self._held <= self._most:
            return
        every = np.concatenate([part[0] for part in self._parts])
        border = np.partition(every, self._most - 1)[self._most - 1]
        left = []
        for hashed, numbers, columns in self._parts:
            kept = hashed <= border
            if kept.all():
                left.append((hashed, numbers, columns))
            elif kept.any():
                mask = pa.array(kept)
                left.append((hashed[kept], numbers[kept], [column.filter(mask) for column in columns]))
        self._parts, self.below = left, border
        self._held = sum(len(part[0]) for part in left)

    def rows(self) -> NDArray[np.int64]:
        """Return the numbers of the sampled rows, which rise."""
        self._prune()
        return np.concatenate([part[1] for part in self._parts]) if self._parts else np.zeros(0, np.int64)

    def column(self, place: int) -> list[Any]:
        """Return one column's ``pyarrow`` arrays, in the order of :meth:`rows`."""
        self._prune()
        return [part[2][place] for part in self._parts]
