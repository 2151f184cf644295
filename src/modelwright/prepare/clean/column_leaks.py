"""Whether a column gives the answer away: alone it tells the classes, or it is the number to predict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.clean.column_whole import Whole
from modelwright.prepare.gather.scratch import parts

LEAST_ROWS = 30
"""Rows below which "predicts perfectly" happens by chance."""
_PURE = 0.99
_LIFT = 5.0
_ALMOST_ALONE = 0.99
_FEW = 10
_CORRELATED = 0.99999
_TAKEN = 16
"""Bytes of a row of a range while it is counted."""

Floats = NDArray[np.float64]
Codes = NDArray[np.signedinteger]


@dataclass(frozen=True)
class Tally:
    """How often each class goes with each value: ``(m,)`` each, by ascending values, then classes; no pair twice."""

    values: Floats
    codes: NDArray[np.int64]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, values: Floats, codes: Codes, counts: NDArray[np.int64] | None = None) -> Tally:
        """Count pairs, each once or as often as ``counts`` says."""
        order = np.lexsort((codes, values))
        values, codes = values[order], codes[order].astype(np.int64)
        starts = np.flatnonzero(np.concatenate([[True], (np.diff(values) != 0) | (np.diff(codes) != 0)])[: len(values)])
        if counts is None:
            return cls(values[starts], codes[starts], np.diff(starts, append=len(values)))
        summed = np.add.reduceat(counts[order], starts) if len(starts) else counts[:0]
        return cls(values[starts], codes[starts], summed)


@dataclass
class _Seen:
    """What ranges of ascending values say together."""

    torn: bool = False
    changes: int = 0
    rows: int = 0
    totals: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    last: int = -1
    few: dict[float, NDArray[np.int64]] = field(default_factory=dict)
    """Of the first values, how often each class goes with them."""
    ranked: dict[int, float] = field(default_factory=dict)
    """Sum of the ranks of the rows of each class, of at most two."""

    def add(self, tally: Tally) -> None:
        if not len(tally.values):
            return
        value_starts = np.flatnonzero(np.concatenate([[True], np.diff(tally.values) != 0]))
        self.torn |= len(value_starts) < len(tally.values)
        self.changes += int((np.diff(tally.codes) != 0).sum()) + (self.last not in {-1, int(tally.codes[0])})
        self.last = int(tally.codes[-1])
        totals = np.zeros(max(len(self.totals), int(tally.codes.max()) + 1), np.int64)
        totals[: len(self.totals)] = self.totals
        np.add.at(totals, tally.codes, tally.counts)
        self.totals = totals
        if len(self.few) <= _FEW:
            value_ends = np.append(value_starts[1:], len(tally.values))
            for start, end in zip(value_starts[: _FEW + 1], value_ends[: _FEW + 1], strict=True):
                inside = np.zeros(len(totals), np.int64)
                inside[tally.codes[start:end]] = tally.counts[start:end]
                self.few[float(tally.values[start])] = inside
        here = np.add.reduceat(tally.counts, value_starts)
        ranks = self.rows + np.cumsum(here) - (here - 1) / 2
        each = np.repeat(ranks, np.diff(value_starts, append=len(tally.values))) * tally.counts
        for code in np.flatnonzero(totals)[:3].tolist():
            self.ranked[code] = self.ranked.get(code, 0.0) + float(each[tally.codes == code].sum())
        self.rows += int(here.sum())


def by_class(tallies: Iterable[Tally], kind: str, distinct: int) -> str:
    """Return how a column gives the classes away, or nothing.

    Parameters
    ----------
    tallies
        What is known of it, by ranges of ascending values.
    kind, distinct
        The column's type, and its different values.
    """
    seen = _Seen()
    for tally in tallies:
        seen.add(tally)
    classes = int(np.count_nonzero(seen.totals))
    if classes < 2 or seen.rows < LEAST_ROWS:
        return ""
    if not seen.torn and kind != "text" and seen.changes == classes - 1:
        return "the classes lie in separate ranges of it, without one exception"
    if not seen.torn and distinct * 5 <= seen.rows:
        return f"each of its {distinct} values occurs with one class only"
    if distinct <= _FEW:
        return _pure_value(seen)
    return "" if kind == "text" or classes != 2 else _alone(seen)


def _pure_value(seen: _Seen) -> str:
    for value in sorted(seen.few):
        inside = np.zeros(len(seen.totals), np.int64)
        inside[: len(seen.few[value])] = seen.few[value]
        count, best = int(inside.sum()), int(inside.argmax())
        if count < 20 or inside[best] < _PURE * count:
            continue
        base = seen.totals[best] / seen.rows
        if inside[best] / count >= _LIFT * base:
            return f"its value {value:g}, in {count} rows, means one class that only {base:.1%} of all rows have"
    return ""


def _alone(seen: _Seen) -> str:
    """Say so where the area under the ROC curve (Mann and Whitney, ties halved) of the column by itself is near 1."""
    positive = int(np.flatnonzero(seen.totals)[-1])
    ones = int(seen.totals[positive])
    zeros = seen.rows - ones
    area = float((seen.ranked[positive] - ones * (ones + 1) / 2) / (ones * zeros))
    area = max(area, 1 - area)
    if area < _ALMOST_ALONE:
        return ""
    return f"alone it tells the two classes apart almost without a mistake (area under the ROC curve {area:.4f})"


def of_sample(values: Floats, kind: str, distinct: int, codes: Codes, numbers: Floats) -> str:
    """Return how some rows of a column give the answer away, or nothing."""
    known = ~np.isnan(values)
    if known.sum() < max(LEAST_ROWS, 0.9 * len(values)):
        return ""
    if (codes >= 0).any():
        known &= codes >= 0
        return by_class([Tally.of(values[known], codes[known])], kind, distinct)
    known &= ~np.isnan(numbers)
    return "" if kind == "text" else _correlated(lambda: [(values[known], numbers[known])])


def of_all(column: Whole, usable: NDArray[np.bool_], codes: Codes, numbers: Floats, sampled: Floats) -> str:
    """Return how all usable rows of a column give the answer away, or nothing; a part in memory at a time.

    Parameters
    ----------
    sampled
        Some of the values, by which ranges are cut.
    """
    values, scratch = column.values, column.scratch
    every = list(parts(len(values)))
    known = rows = 0
    for part in parts(len(values), values):
        known += int((usable[part] & ~np.isnan(values[part])).sum())
        rows += int(usable[part].sum())
    if known < max(LEAST_ROWS, 0.9 * rows):
        return ""

    def pairs() -> Iterator[tuple[Floats, Floats]]:
        for part in parts(len(values), values, numbers):
            inside = usable[part] & ~np.isnan(values[part]) & ~np.isnan(numbers[part])
            yield values[part][inside], numbers[part][inside]

    if not any((codes[part] >= 0).any() for part in every):
        return "" if column.kind == "text" else _correlated(pairs)
    count = -(-_TAKEN * len(values) // scratch.held) if scratch.folder is not None else 1
    ordered = np.sort(sampled[~np.isnan(sampled)])
    cuts = np.unique(ordered[np.linspace(0, len(ordered) - 1, count + 1).astype(np.int64)[1:-1]]).tolist()

    def tallies() -> Iterator[Tally]:
        for low, high in zip([-np.inf, *cuts], [*cuts, np.inf], strict=True):
            made = [Tally(np.empty(0), np.empty(0, np.int64), np.empty(0, np.int64))]
            for part in parts(len(values), values):
                here, code = values[part], codes[part]
                inside = usable[part] & (code >= 0) & (here >= low) & (here < high)
                made.append(Tally.of(here[inside], code[inside]))
            joined = [np.concatenate([getattr(each, name) for each in made]) for name in ("values", "codes", "counts")]
            yield Tally.of(*joined)

    return by_class(tallies(), column.kind, column.distinct)


def _correlated(pairs: Callable[[], Iterable[tuple[Floats, Floats]]]) -> str:
    """Say so where two columns are the same but for scale, given what yields them by parts, twice."""
    rows, sums = 0, np.zeros(2)
    low, high = np.full(2, np.inf), np.full(2, -np.inf)
    for left, right in pairs():
        if len(left):
            rows += len(left)
            sums += left.sum(), right.sum()
            low = np.minimum(low, (left.min(), right.min()))
            high = np.maximum(high, (left.max(), right.max()))
    if rows < LEAST_ROWS or (low == high).any():
        return ""
    middle = sums / rows
    products = np.zeros(3)
    for left, right in pairs():
        one, other = left - middle[0], right - middle[1]
        products += one @ one, one @ other, other @ other
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = float(products[1] / np.sqrt(products[0] * products[2]))
    return f"its correlation with the answer is {correlation:.6f}" if abs(correlation) > _CORRELATED else ""
