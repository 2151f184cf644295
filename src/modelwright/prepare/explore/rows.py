"""A table's columns, one in memory at a time: exact counts over all rows, distributions over a bounded sample."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.clean.column_whole import bits_of
from modelwright.prepare.clean.columns import names_of, release
from modelwright.prepare.explore import bins
from modelwright.prepare.explore.associations import (
    Codes,
    Column,
    Floats,
    by_frequency,
    explained,
)
from modelwright.prepare.explore.view import View
from modelwright.prepare.gather.rows import pieces_of
from modelwright.prepare.gather.scratch import Scratch
from modelwright.prepare.gather.sorting import Runs, different_in
from modelwright.prepare.gather.spaced import spaced

Scalar = TypeVar("Scalar", bound=np.generic)

MOST_ROWS = 100_000
"""Rows that distributions are drawn from."""
MOST_CELLS = 1 << 24
"""Values of all columns together that are held in memory: 128 MB."""
_LEAST_ROWS = 1000
PAIRED = 20_000
"""Rows that associations are computed on."""
_BINS = 30
_LEAST = 20


@dataclass(frozen=True)
class Facts:
    """One column."""

    name: str
    kind: str
    """``integer``, ``number`` or ``text``."""
    rows: int
    missing: int
    distinct: int
    numbers: Floats | None
    """Sampled values, NaN missing; None for texts."""
    codes: Codes | None
    """Sampled texts by falling frequency, -1 missing; None for numbers."""
    names: list[str]
    """What codes stand for."""
    quantiles: tuple[float, ...]
    """Smallest, quartiles, largest; empty for texts."""
    told: float
    """What share of the answer it explains, 0..1; NaN where that is not defined."""
    moved: float
    """How much training and test differ in it, 0..1: the largest gap of the distribution functions (Kolmogorov and
    Smirnov's statistic), or for words half the sum of the differences of shares; NaN where either has too few."""

    @property
    def paired(self) -> Column:
        """The part of the sample that associations are computed on."""
        if self.numbers is not None:
            return Column(self.name, numbers=evenly(self.numbers))
        return Column(self.name, codes=None if self.codes is None else evenly(self.codes))

    @property
    def absent(self) -> NDArray[np.bool_]:
        """``(sampled,)``: where nothing is."""
        if self.numbers is not None:
            return np.isnan(self.numbers)
        return np.zeros(0, bool) if self.codes is None else self.codes < 0


def evenly(values: NDArray[Scalar], most: int = PAIRED) -> NDArray[Scalar]:
    """Return at most as many values as associations are computed on, evenly spaced."""
    return spaced(values, most)


def unlike(facts: Facts) -> bool:
    """Say whether a column of texts is different nearly everywhere: such a one depends on everything by chance."""
    return facts.codes is not None and facts.distinct > max(50, 0.5 * (facts.rows - facts.missing))


_READ: WeakKeyDictionary[View, Table] = WeakKeyDictionary()


def table_of(view: View) -> Table:
    """Return the columns of a view, read when they are first asked for."""
    found = _READ.get(view)
    if found is None:
        found = _READ[view] = Table(view)
    return found


class Table:
    """The columns of one view, read once.

    Parameters
    ----------
    view
        Of a dataset whose samples are rows.
    """

    def __init__(self, view: View) -> None:
        from pyarrow import parquet

        assert view.rows is not None
        self._view = view
        across = max(int(parquet.read_metadata(view.rows).num_columns), 1)
        most = min(MOST_ROWS, max(_LEAST_ROWS, MOST_CELLS // across))
        self.sampled = view.shown(most)
        self.splits = view.splits[self.sampled]
        self.answer = _answer(view, self.sampled)
        self.columns = list(self._read())

    def _read(self) -> Iterator[Facts]:
        assert self._view.rows is not None
        for name in names_of(self._view.rows):
            yield self._facts(name)
            release()

    def _facts(self, name: str) -> Facts:
        import pyarrow.types as kinds

        every = _counted(self._view, name, self.sampled)
        some = every.sampled
        kind = "integer" if kinds.is_integer(some.type) else "number" if kinds.is_floating(some.type) else "text"
        numbers: Floats | None = None
        codes: Codes | None = None
        names: list[str] = []
        quantiles: tuple[float, ...] = ()
        if kind == "text":
            codes, names = by_frequency(some.dictionary_encode())
        else:
            numbers = np.array(some.to_numpy(zero_copy_only=False), np.float64)
            numbers[~np.isfinite(numbers)] = np.nan
            finite = numbers[np.isfinite(numbers)]
            if len(finite):
                low, middle, high = np.quantile(finite, [0.25, 0.5, 0.75]).tolist()
                quantiles = (every.low, low, middle, high, every.high)
        return Facts(
            name,
            kind,
            every.rows,
            every.missing,
            every.distinct,
            numbers,
            codes,
            names,
            quantiles,
            self._told(name, numbers, codes),
            _moved(numbers, codes, self.splits),
        )

    def _told(self, name: str, numbers: Floats | None, codes: Codes | None) -> float:
        answer = self.answer
        if answer is None:
            return float("nan")
        mine = Column(name, None if numbers is None else evenly(numbers), None if codes is None else evenly(codes))
        truth = Column(
            answer.name,
            None if answer.numbers is None else evenly(answer.numbers),
            None if answer.codes is None else evenly(answer.codes),
        )
        return explained(mine, truth)

    def class_code(self, name: str) -> int:
        """Return what a class's samples are marked with in the answer's codes."""
        return self._view.classes.index(name)

    def by_answer(self) -> list[Facts]:
        """Return the columns, those first that say most about the answer."""
        return sorted(self.columns, key=lambda each: -np.nan_to_num(each.told, nan=-1.0))

    def edges(self, facts: Facts) -> Floats:
        """Return bin edges for a number: one a value where there are few, else equal ones between its far ends.

        A long tail is cut off at the 0.5 and 99.5 percent points, and what is beyond counts in the outermost bins.
        """
        assert facts.numbers is not None
        return bins.edges(facts.numbers[np.isfinite(facts.numbers)], _BINS, 0.005)

    def counts(self, facts: Facts, edges: Floats, where: NDArray[np.bool_] | None = None) -> list[int]:
        """Return how many sampled numbers are in each bin."""
        assert facts.numbers is not None
        values = facts.numbers if where is None else facts.numbers[where]
        return bins.counted(values, edges)


@dataclass
class _Counted:
    """What is counted over all rows of a column that are shown, and those that were sampled, as an Arrow array."""

    sampled: Any
    rows: int = 0
    missing: int = 0
    distinct: int = 0
    low: float = np.inf
    high: float = -np.inf


def _counted(view: View, name: str, sampled: NDArray[np.int64]) -> _Counted:
    """Count a column, a part in memory at a time."""
    import pyarrow as pa
    import pyarrow.types as kinds
    from pyarrow import compute

    assert view.rows is not None
    made, some = _Counted(None), []
    runs = Runs(Scratch(view.store.cache_dir("scratch")), 1)
    start, whole = 0, bool(view.kept.all())
    for piece in pieces_of(view.rows, name):
        stop = start + len(piece)
        low, high = np.searchsorted(sampled, [start, stop])
        some.append(piece.take(pa.array(sampled[low:high] - start)))
        shown = piece if whole else piece.filter(pa.array(view.kept[start:stop]))
        made.rows += len(shown)
        made.missing += shown.null_count
        runs.add(bits_of(shown))
        if not kinds.is_string(piece.type) and shown.null_count < len(shown):
            ends = compute.min_max(shown).as_py()
            made.low, made.high = min(made.low, float(ends["min"])), max(made.high, float(ends["max"]))
        start = stop
    made.distinct = different_in(runs)
    made.sampled = pa.concat_arrays(some)
    return made


def _answer(view: View, sampled: NDArray[np.int64]) -> Column | None:
    if view.label_kind == "number":
        return Column("answer", numbers=view.numbers[sampled])
    if view.label_kind in {"class", "structured"}:
        return Column("answer", codes=view.codes[sampled].astype(np.int64))
    return None


def _moved(numbers: Floats | None, codes: Codes | None, splits: NDArray[np.int8]) -> float:
    train, test = splits == 0, splits == 2
    if numbers is not None:
        one, other = np.sort(numbers[train & np.isfinite(numbers)]), np.sort(numbers[test & np.isfinite(numbers)])
        if len(one) < _LEAST or len(other) < _LEAST:
            return float("nan")
        every = np.concatenate([one, other])
        below = np.searchsorted(one, every, side="right") / len(one)
        return float(np.abs(below - np.searchsorted(other, every, side="right") / len(other)).max())
    assert codes is not None
    first, second = codes[train & (codes >= 0)], codes[test & (codes >= 0)]
    if len(first) < _LEAST or len(second) < _LEAST:
        return float("nan")
    count = int(codes.max()) + 1
    gap = np.bincount(first, minlength=count) / len(first) - np.bincount(second, minlength=count) / len(second)
    return float(np.abs(gap).sum() / 2)
