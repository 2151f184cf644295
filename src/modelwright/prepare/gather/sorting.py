"""Sorting more numbers than fit in memory: runs that were sorted when they came, read back range by range."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.gather.scratch import Growing, Scratch, forget, parts

_SAMPLED = 512
"""Numbers of each run by which ranges are cut."""
Numbers = NDArray[np.uint64]


class Runs:
    """Numbers that come in any order and leave ascending; of equal ones only a few are kept.

    Parameters
    ----------
    scratch
        Runs take as much memory as it holds of a column.
    copies
        Equal numbers that are kept of each run, so that data with few different ones takes no room: 1 where it matters
        which there are, 2 where it matters which come again.
    """

    def __init__(self, scratch: Scratch, copies: int) -> None:
        self._copies = copies
        self._most = max(scratch.held, 8) if scratch.folder is not None else sys.maxsize
        self._waiting = bytearray()
        self._runs: list[int] = [0]
        self._sorted = Growing(scratch, np.uint64)

    def add(self, numbers: Numbers) -> None:
        """Add some."""
        self._waiting += numbers.tobytes()
        if len(self._waiting) >= self._most:
            self._settle()
            if len(self._waiting) > self._most // 2:
                self._keep()

    def _settle(self) -> None:
        """Sort what is waiting, and drop what comes more often than it is kept, all in place."""
        numbers = np.frombuffer(self._waiting, np.uint64)
        numbers.sort()
        kept, before = 0, numbers[:0]
        for part in parts(len(numbers)):
            some = np.concatenate([before, numbers[part]])
            new = np.ones(len(some), bool)
            np.not_equal(some[self._copies :], some[: -self._copies], out=new[self._copies :])
            chosen = some[len(before) :][new[len(before) :]]
            before = some[-self._copies :].copy()
            numbers[kept : kept + len(chosen)] = chosen
            kept += len(chosen)
        del numbers
        del self._waiting[8 * kept :]

    def _keep(self) -> None:
        self._sorted.extend(bytes(self._waiting))
        self._runs.append(len(self._sorted))
        self._waiting = bytearray()

    def ranges(self) -> Iterator[Numbers]:
        """Yield all of them ascending, in pieces that share no number; nothing can be added any more."""
        self._settle()
        if len(self._runs) == 1:
            yield np.frombuffer(self._waiting, np.uint64)
            return
        self._keep()
        runs = self._sorted.array()
        spans = list(zip(self._runs[:-1], self._runs[1:], strict=True))
        seen = np.concatenate([runs[first:last][:: max(1, (last - first) // _SAMPLED)] for first, last in spans])
        seen.sort()
        count = -(-16 * len(runs) // self._most)
        cuts = np.unique(seen[np.linspace(0, len(seen) - 1, count + 1).astype(np.int64)[1:-1]])
        starts = [np.searchsorted(runs[first:last], cuts) + first for first, last in spans]
        forget(runs)
        for number in range(len(cuts) + 1):
            pieces = [
                runs[mine[number - 1] if number else first : mine[number] if number < len(cuts) else last]
                for (first, last), mine in zip(spans, starts, strict=True)
            ]
            made = np.concatenate(pieces)
            forget(runs)
            made.sort()
            yield made


def different(pieces: Iterable[Numbers], scratch: Scratch) -> int:
    """Return how many different numbers there are.

    Examples
    --------
    >>> different([np.array([3, 1, 3], np.uint64), np.array([1], np.uint64)], Scratch())
    2
    """
    runs = Runs(scratch, 1)
    for piece in pieces:
        runs.add(piece)
    return different_in(runs)


def different_in(runs: Runs) -> int:
    """Return how many different numbers were added to runs."""
    return sum(int((made[1:] != made[:-1]).sum()) + 1 for made in runs.ranges() if len(made))


def repeated(pieces: Iterable[Numbers], scratch: Scratch) -> Numbers:
    """Return the numbers that come more than once, ascending, each once.

    Examples
    --------
    >>> repeated([np.array([3, 1, 3], np.uint64), np.array([1, 7], np.uint64)], Scratch()).tolist()
    [1, 3]
    """
    runs = Runs(scratch, 2)
    for piece in pieces:
        runs.add(piece)
    found = [np.empty(0, np.uint64)]
    for made in runs.ranges():
        twice = made[:-1][made[1:] == made[:-1]]
        found.append(twice[np.concatenate([[True], twice[1:] != twice[:-1]])] if len(twice) else twice)
    return np.concatenate(found)


def quantiles(
    values: NDArray[np.float64], wanted: NDArray[np.float64], kept: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Return what ``numpy.quantile`` does of numbers without NaN, with a few megabytes of memory.

    The numbers at the ranks that are asked for are found by sixteen of their bits after the other (radix selection).

    Examples
    --------
    >>> quantiles(np.array([4.0, 1.0, 3.0, 2.0]), np.array([0.0, 0.5, 1.0])).tolist()
    [1.0, 2.5, 4.0]
    """
    count = len(values) if kept is None else int(np.count_nonzero(kept))
    exact = wanted * (count - 1)
    below = np.floor(exact).astype(np.int64)
    above = np.minimum(below + 1, count - 1)
    asked = np.unique(np.concatenate([below, above]))
    found = _at_ranks(values, asked, kept)
    low, high = found[np.searchsorted(asked, below)], found[np.searchsorted(asked, above)]
    made = [np.quantile(pair, part) for pair, part in zip(np.stack([low, high], 1), exact - below, strict=True)]
    return np.array(made, np.float64)


def _at_ranks(
    values: NDArray[np.float64], ranks: NDArray[np.int64], kept: NDArray[np.bool_] | None
) -> NDArray[np.float64]:
    """Return the numbers that stand at ascending places of the sorted ones."""
    before = np.zeros(len(ranks), np.uint64)  # the bits found so far, and how many numbers have smaller ones
    rest = ranks.copy()
    for shift in (48, 32, 16, 0):
        heads, of = np.unique(before, return_inverse=True)
        counts = np.zeros((len(heads), 1 << 16), np.int64)
        for part in parts(len(values), values):
            bits = _ascending(values[part] if kept is None else values[part][kept[part]])
            head = bits >> np.uint64(shift + 16) if shift < 48 else np.zeros(len(bits), np.uint64)
            at = np.minimum(np.searchsorted(heads, head), len(heads) - 1)
            inside = heads[at] == head
            cells = (at[inside] << 16) + (bits[inside] >> np.uint64(shift) & np.uint64(0xFFFF)).astype(np.int64)
            counts += np.bincount(cells, minlength=counts.size).reshape(counts.shape)
        for number, row in enumerate(of.tolist()):
            ends = np.cumsum(counts[row])
            cell = int(np.searchsorted(ends, rest[number], side="right"))
            rest[number] -= ends[cell] - counts[row, cell]
            before[number] = (before[number] << np.uint64(16)) | np.uint64(cell)
    top = np.uint64(1 << 63)
    return np.where(before & top, before ^ top, ~before).view(np.float64)


def _ascending(values: NDArray[np.float64]) -> Numbers:
    """Return bits that are ordered as the numbers are."""
    bits = (values + 0.0).view(np.uint64)
    top = np.uint64(1 << 63)
    return np.where(bits & top, ~bits, bits | top)
