"""One column over all blocks: the parts put together, and at the end the figures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.collect.typing_columns import Tally
from modelwright.prepare.gather.runs import runs
from modelwright.prepare.profile import facts, hashing
from modelwright.prepare.profile.distinct import Distinct
from modelwright.prepare.profile.frequent import Frequent
from modelwright.prepare.profile.moments import Moments
from modelwright.prepare.profile.parts import Asked, NumberPart, Part, TextPart
from modelwright.prepare.profile.quantiles import Quantiles

BINS = 40
_WHOLE = 2.0**40
_SHARES = {"1%": 0.01, "5%": 0.05, "25%": 0.25, "50%": 0.5, "75%": 0.75, "95%": 0.95, "99%": 0.99}


@dataclass(frozen=True)
class Sizes:
    """How much is kept of a column: fewer where there are many columns, so that all together stay bounded."""

    distinct: int
    frequent: int
    each: int
    held: int
    sample: int

    @classmethod
    def of(cls, width: int) -> Sizes:
        """Return the sizes for a table of ``width`` columns: some 3 MB a column, 400 MB at most together."""
        share = max(width, 1)
        distinct = max(1024, min(1 << 16, (1 << 22) // share))
        return cls(
            distinct,
            max(256, distinct // 8),
            max(128, distinct // 64),
            max(2048, distinct),
            max(1000, min(20_000, 4_000_000 // share)),
        )


class NumberSketch:
    """Numbers of all blocks."""

    def __init__(self, sizes: Sizes) -> None:
        self.frequent = Frequent(sizes.frequent)
        self.quantiles = Quantiles(sizes.each, sizes.held)
        self.moments = Moments()
        self.nan = self.above = self.below = self.zeros = self.negatives = 0
        self.low: float | int | None = None
        self.high: float | int | None = None
        self.whole = True
        self._up = self._down = True
        self._last: float | None = None

    def add(self, part: NumberPart) -> None:
        """Add a block's numbers; blocks come in the order of their rows."""
        self.nan += part.nan
        self.above += part.above
        self.below += part.below
        if part.first is not None and part.last is not None:
            if self._last is not None:
                self._up = self._up and part.first >= self._last
                self._down = self._down and part.first <= self._last
            self._up, self._down = self._up and part.up, self._down and part.down
            self._last = part.last
        if not len(part.values):
            return
        self.whole = self.whole and part.whole
        low, high = part.values[0].item(), part.values[-1].item()
        self.low = low if self.low is None else min(self.low, low)
        self.high = high if self.high is None else max(self.high, high)
        border = np.searchsorted(part.values, 0)
        self.negatives += int(part.counts[:border].sum())
        if border < len(part.values) and part.values[border] == 0:
            self.zeros += int(part.counts[border])
        wide = part.values.astype(np.float64)
        self.moments.add(wide, part.counts)
        self.quantiles.add(wide, part.counts)
        self.frequent.add(part.values, part.counts)

    def grows(self, distinct: int, present: int) -> str:
        """Return in which direction the numbers go from row to row, in words; empty: in none."""
        if not self.moments.count or self.low == self.high or self._up == self._down:
            return ""
        strictly = "strictly " if distinct == present else ""
        return f"{strictly}{'up' if self._up else 'down'}"

    def figures(self, grows: str = "") -> facts.Numbers:
        """Return the figures."""
        found = self.moments
        if not found.count:
            return facts.Numbers(0, infinite=self.above + self.below, nan=self.nan)
        quantiles = dict(zip(_SHARES, self.quantiles.at(list(_SHARES.values())), strict=True))
        edges, bins = self._histogram()
        return facts.Numbers(
            count=found.count,
            low=self.low,
            high=self.high,
            mean=_finite(found.mean),
            std=_finite(math.sqrt(found.variance)) if found.variance >= 0 else None,
            variance=_finite(found.variance),
            skewness=_finite(found.skewness),
            kurtosis=_finite(found.kurtosis),
            sum=_finite(found.mean * found.count),
            quantiles=quantiles,
            rank_error=self.quantiles.error,
            deviation=self._deviation(quantiles["50%"]),
            zeros=self.zeros,
            negatives=self.negatives,
            infinite=self.above + self.below,
            nan=self.nan,
            grows=grows,
            edges=edges,
            bins=bins,
        )

    def _deviation(self, median: float) -> float | None:
        values, weights = self.quantiles.weighted()
        with np.errstate(all="ignore"):
            away = np.abs(values - median)
        order = np.argsort(away, kind="stable")
        ends = np.cumsum(weights[order])
        return _finite(float(away[order][np.searchsorted(ends, (int(ends[-1]) + 1) // 2)]))

    def _histogram(self) -> tuple[tuple[float, ...], tuple[int, ...]]:
        """Return edges and counts: a bin a value where there are few whole ones, else equal ones between the far ends.

        A long tail is cut off at the 0.5 and 99.5 percent points, and what is beyond counts in the outermost bins.
        """
        values, weights = self.quantiles.weighted()
        low, high = self.quantiles.at([0.005, 0.995])
        if self.whole and abs(values[0]) < _WHOLE and values[-1] - values[0] < BINS:
            edges = np.arange(values[0] - 0.5, values[-1] + 1)
        elif self.whole and abs(low) < _WHOLE and BINS <= high - low < _WHOLE:
            # As many whole numbers in every bin, or the bins would look like a comb.
            step = -(-(high - low + 1) // BINS)
            edges = np.floor(low) - 0.5 + step * np.arange((high - np.floor(low) + 0.5) // step + 2)
        else:
            if not high > low:
                low, high = float(values[0]), float(values[-1])
            if not high > low:
                around = max(0.5, abs(low) * 1e-6)
                low, high = low - around, low + around
            with np.errstate(over="ignore"):
                edges = np.linspace(low / 2, high / 2, BINS + 1) * 2
            if len(np.unique(edges)) <= BINS:  # nothing lies between two numbers of 64 bits
                edges = np.array([low, high])
        counts = np.histogram(np.clip(values, edges[0], edges[-1]), edges, weights=weights)[0]
        return tuple(float(each) for each in edges), tuple(round(float(each)) for each in counts)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


class TextSketch:
    """Words of all blocks."""

    def __init__(self, sizes: Sizes) -> None:
        self.frequent = Frequent(sizes.frequent)
        self.lengths = NumberSketch(sizes)
        self.dated = 0

    def add(self, part: TextPart) -> None:
        """Add a block's words."""
        self.dated += part.dated
        if not len(part.counts):
            return
        order = np.argsort(part.hashes, kind="stable")
        words = part.words

        def name(places: NDArray[np.int64]) -> list[Any]:
            import pyarrow as pa

            return list(words.take(pa.array(order[places])).to_pylist())

        self.frequent.add(part.hashes[order], part.counts[order], name)
        ordered = np.argsort(part.lengths, kind="stable")
        values, places = runs(part.lengths[ordered])
        starts = np.concatenate([[0], np.cumsum(places)[:-1]]).astype(np.int64)
        counts = np.add.reduceat(part.counts[ordered], starts)
        self.lengths.add(NumberPart(values, counts))


class Column:
    """What is known of one column so far.

    Parameters
    ----------
    asked
        How its cells come; see :class:`Asked`.
    """

    def __init__(self, name: str, asked: Asked, sizes: Sizes) -> None:
        self.name, self.asked = name, asked
        self.rows = self.missing = 0
        self.distinct = Distinct(sizes.distinct)
        self.numbers = NumberSketch(sizes)
        self.texts = TextSketch(sizes)
        self.tally = Tally(name)
        self.typed = 0
        """Numbers that came as such."""
        self.settled = asked.way != "number" and not asked.numbers
        """Whether words cannot turn out to be numbers any more."""

    def add(self, part: Part) -> None:
        """Add a block."""
        self.rows += part.rows
        self.missing += part.missing
        if part.text is not None:
            self._add_text(part.text)
        if part.number is not None:
            self.typed += int(part.number.counts.sum()) + part.number.above + part.number.below
            self.numbers.add(part.number)
            self.distinct.add(hashing.of_numbers(part.number.values))
            for cells, value in ((part.number.above, np.inf), (part.number.below, -np.inf)):
                if cells:
                    self.distinct.add(hashing.of_numbers(np.array([value])))

    def _add_text(self, part: TextPart) -> None:
        self.texts.add(part)
        self.tally.seen += int(part.counts.sum())
        if part.read is not None:
            self.numbers.add(part.read)
        self.distinct.add(part.keys)
        if self.settled or self.asked.dates:
            return
        self.tally.numbers += part.told
        self.tally.padded += part.padded
        for word, count in part.strays:
            if len(self.tally.strays) <= 20 or word in self.tally.strays:
                self.tally.strays[word] = self.tally.strays.get(word, 0) + count
        self.settled = len(self.tally.strays) > 20 and self.asked.way != "number"

    @property
    def numeric(self) -> bool:
        """Whether it counts as numbers: see :meth:`Tally.type`, whose rule this is."""
        if self.asked.way in {"time", "other"} or self.asked.dates or self.settled:
            return False
        tally = self.tally
        numbers, seen = tally.numbers + self.typed, tally.seen + self.typed
        if not numbers or tally.padded:
            return False
        strays = seen - numbers
        return strays <= 0.05 * seen and len(tally.strays) <= 20

    @property
    def contradicted(self) -> bool:
        """Whether numbers were expected and came, but the column as a whole is words: it has to be read again."""
        return self.asked.way == "number" and not self.numeric and (self.typed > 0 or self.tally.numbers > 0)
