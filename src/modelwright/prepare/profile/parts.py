"""What one block of rows says about one column: numbers or words, each different one once, with its count.

Made in a thread of its own, from the block alone; :mod:`columns` puts the parts of all blocks together, in their order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.gather.runs import runs
from modelwright.prepare.profile import hashing, times
from modelwright.prepare.profile import words as words_of
from modelwright.prepare.profile.hashing import Hashes

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

Way = Literal["number", "time", "text", "other"]
"""How a column's cells come: typed numbers, typed times, texts, or what can only be counted (bytes, lists)."""

NAN = r"(?i)^[+-]?nan$"
_SPAN = 1 << 16
_LOOK = 1000


@dataclass(frozen=True, slots=True)
class NumberPart:
    """Numbers of one block.

    Parameters
    ----------
    values, counts
        ``(m,)``: the finite ones, different and sorted (int64 or float64), and how often each occurs.
    nan, above, below
        How many are not a number, or infinite.
    whole
        Whether each was written as a whole number.
    up, down
        Whether they never fall, never rise, from row to row; ``first`` and ``last`` are the ends (None: none).
    """

    values: NDArray[Any]
    counts: Counts
    nan: int = 0
    above: int = 0
    below: int = 0
    whole: bool = True
    up: bool = True
    down: bool = True
    first: float | None = None
    last: float | None = None


@dataclass(frozen=True, slots=True)
class TextPart:
    """Words of one block.

    Parameters
    ----------
    words, counts, hashes, lengths
        ``(m,)`` each: a ``pyarrow.StringArray`` of the different ones, how often each occurs, its hash, its characters.
    keys
        ``(m,)``: its hash, or that of the number it says where numbers are expected.
    read
        Numbers or times that the words say; None where nobody asked.
    strays, stray_counts
        Words that are no number, where that was asked: the first 21.
    told
        Cells that are numbers; ``padded``: those that begin with a zero as postcodes do.
    """

    words: Any
    counts: Counts
    hashes: Hashes
    lengths: NDArray[np.int64]
    keys: Hashes
    read: NumberPart | None = None
    strays: tuple[tuple[str, int], ...] = ()
    told: int = 0
    padded: int = 0
    dated: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """One column in one block: ``(n,)`` hashes of its cells, and what is in them."""

    rows: int
    missing: int
    cells: Hashes
    absent: NDArray[np.bool_] | None
    """``(n,)`` where nothing is; None: nowhere."""
    number: NumberPart | None = None
    text: TextPart | None = None
    wide: Floats | None = None
    """``(n,)`` the numbers, NaN where there is none; None for words."""

    def light(self) -> Part:
        """Return it without what is of single rows."""
        return replace(self, cells=np.zeros(0, np.uint64), absent=None, wide=None)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is wanted of a column.

    Parameters
    ----------
    way
        How its cells come if they come as the first rows promised.
    whole
        Whether numbers are whole, as far as is known.
    numbers
        Whether words may still turn out to be numbers.
    dates
        Whether words are read as dates.
    decimal
        The decimal sign of words.
    day_first
        Whether 1/2/2024 is in February.
    """

    way: Way
    whole: bool = False
    numbers: bool = True
    dates: bool = False
    decimal: str = "."
    day_first: bool = False


def part_of(column: Any, asked: Asked, missing: Any) -> Part:
    """Return what a block's column says.

    Parameters
    ----------
    column
        A ``pyarrow.Array`` of int64, double, timestamp, null, or of texts as they are or by a dictionary.
    missing
        Words that mean that nothing is there: a ``pyarrow.StringArray``.
    """
    import pyarrow.types as kinds

    rows = len(column)
    if kinds.is_null(column.type):
        return Part(rows, rows, np.full(rows, hashing.MISSING), np.ones(rows, bool))
    if kinds.is_integer(column.type) or kinds.is_floating(column.type):
        return _numbers(column)
    if kinds.is_timestamp(column.type):
        return _times(column)
    if asked.way == "other":
        absent = _absent(column)
        cells = np.zeros(rows, np.uint64)
        return Part(rows, column.null_count, cells, absent)
    return _texts(column, asked, missing)


def _absent(column: Any) -> NDArray[np.bool_] | None:
    if not column.null_count:
        return None
    return np.asarray(column.is_null().to_numpy(zero_copy_only=False), bool)


def _numbers(column: Any) -> Part:
    rows, nulls = len(column), column.null_count
    absent = _absent(column)
    if column.type.bit_width == 64 and str(column.type) == "int64":
        values = column.fill_null(0).to_numpy(zero_copy_only=False) if nulls else column.to_numpy(zero_copy_only=False)
        cells = hashing.of_numbers(values)
        wide = values.astype(np.float64)
        if absent is not None:
            cells[absent] = hashing.MISSING
            wide[absent] = np.nan
            values = values[~absent]
        return Part(rows, nulls, cells, absent, number=of_integers(values), wide=wide)
    wide = np.asarray(column.to_numpy(zero_copy_only=False), np.float64) + 0.0
    cells = hashing.of_numbers(wide)
    number = of_floats(wide, nulls)
    if number.nan:
        absent = np.isnan(wide)
    return Part(rows, nulls + number.nan, cells, absent, number=number, wide=wide)


def of_integers(values: NDArray[np.int64]) -> NumberPart:
    """Return what whole numbers say, in the order of their rows."""
    if not len(values):
        return NumberPart(values, np.zeros(0, np.int64))
    low, high = int(values.min()), int(values.max())
    if high - low < _SPAN:
        counted = np.bincount(values - low)
        places = np.flatnonzero(counted)
        unique, counts = places + low, counted[places].astype(np.int64)
    else:
        unique, counts = runs(np.sort(values))
    up, down = _direction(values)
    return NumberPart(unique, counts, up=up, down=down, first=float(values[0]), last=float(values[-1]))


def of_floats(values: Floats, nulls: int = 0) -> NumberPart:
    """Return what numbers say, in the order of their rows; NaN, of which ``nulls`` stand for nothing, are counted."""
    ordered = np.sort(values)
    known = int(np.searchsorted(ordered, np.nan))
    below = int(np.searchsorted(ordered[:known], -np.inf, "right"))
    above = known - int(np.searchsorted(ordered[:known], np.inf, "left"))
    unique, counts = runs(ordered[below : known - above])
    nan = len(values) - known - nulls
    if known < len(values):
        values = values[~np.isnan(values)]
    up, down = _direction(values)
    return NumberPart(
        unique,
        counts,
        nan,
        above,
        below,
        whole=not len(values),
        up=up,
        down=down,
        first=float(values[0]) if len(values) else None,
        last=float(values[-1]) if len(values) else None,
    )


def _direction(values: NDArray[Any]) -> tuple[bool, bool]:
    some = values[:_LOOK]
    up, down = bool((some[1:] >= some[:-1]).all()), bool((some[1:] <= some[:-1]).all())
    if up or down:
        up = up and bool((values[1:] >= values[:-1]).all())
        down = down and bool((values[1:] <= values[:-1]).all())
    return up, down


def _times(column: Any) -> Part:
    import pyarrow as pa

    rows, nulls = len(column), column.null_count
    absent = _absent(column)
    micros = column.cast(pa.timestamp("us"), safe=False).cast(pa.int64()).fill_null(0)
    values = micros.to_numpy(zero_copy_only=False)
    cells = hashing.of_numbers(values)
    if absent is not None:
        cells[absent] = hashing.MISSING
        values = values[~absent]
    return Part(rows, nulls, cells, absent, number=of_floats(values / 1e6))


def _texts(column: Any, asked: Asked, missing: Any) -> Part:
    import pyarrow as pa
    from pyarrow import compute

    coded, places = _coded(column, missing)
    rows = len(column)
    gone = places < 0
    nulls = int(gone.sum())
    words = coded
    counts = np.bincount(places[~gone] if nulls else places, minlength=len(words))
    if not counts.all():
        left = np.flatnonzero(counts)
        again = np.zeros(len(words) + 1, np.int64)
        again[left] = np.arange(len(left))
        again[-1] = -1
        words, counts, places = words.take(pa.array(left)), counts[left], again[places]
    counts = counts.astype(np.int64)
    hashes = hashing.of_texts(words)
    lengths = compute.utf8_length(words).to_numpy(zero_copy_only=False).astype(np.int64)
    text, read = _read(words, counts, hashes, lengths, places, gone if nulls else None, asked)
    wide = None
    if read is not None and asked.way == "number":
        wide = np.append(read, np.nan)[places]
    cells = np.append(text.keys, hashing.MISSING)[places]
    return Part(rows, nulls, cells, gone if nulls else None, text=text, wide=wide)


def _coded(column: Any, missing: Any) -> tuple[Any, NDArray[np.int64]]:
    """Return the different words without blanks around them, and ``(n,)`` which one each cell is; -1: missing."""
    import pyarrow as pa
    import pyarrow.types as kinds
    from pyarrow import compute

    coded = column if kinds.is_dictionary(column.type) else column.dictionary_encode()
    words = coded.dictionary
    indices = coded.indices.cast(pa.int64())
    places = indices.fill_null(-1).to_numpy(zero_copy_only=False) if coded.null_count else indices.to_numpy()
    if kinds.is_large_string(words.type):
        words = words.cast(pa.string())
    trimmed = compute.utf8_trim_whitespace(words)
    gone = compute.or_(compute.is_in(trimmed, value_set=missing), compute.match_substring_regex(trimmed, NAN))
    if words.null_count or compute.any(gone).as_py() or not trimmed.equals(words):
        known = compute.if_else(compute.fill_null(gone, fill_value=True), pa.scalar(None, pa.string()), trimmed)
        again = known.dictionary_encode()
        onto = np.append(again.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64), -1)
        return again.dictionary, onto[places]
    return words, places


def _read(
    words: Any,
    counts: Counts,
    hashes: Hashes,
    lengths: NDArray[np.int64],
    places: NDArray[np.int64],
    gone: NDArray[np.bool_] | None,
    asked: Asked,
) -> tuple[TextPart, Floats | None]:
    """Return the words' part, and what number each is where numbers were asked for (NaN: none)."""
    if asked.dates:
        seconds = times.seconds(words, day_first=asked.day_first)
        kept = places if gone is None else places[~gone]
        rows = seconds[kept]
        rows = rows[~np.isnan(rows)]
        known = ~np.isnan(seconds)
        part = TextPart(words, counts, hashes, lengths, hashes, of_floats(rows), dated=int(counts[known].sum()))
        return part, None
    if not asked.numbers or not len(words):
        return TextPart(words, counts, hashes, lengths, hashes), None
    read, integers, padded = words_of.numbers_of(words, asked.decimal)
    known = ~np.isnan(read)
    strays = np.flatnonzero(~known)
    listed = tuple(zip(words.take(strays[:21]).to_pylist(), counts[strays[:21]].tolist(), strict=True))
    told = int(counts[known].sum())
    number, keys = None, hashes
    if told:
        values = words_of.whole(words, known) if integers[known].all() else None
        kept = places if gone is None else places[~gone]
        kept = kept[known[kept]]
        number = of_floats(read[kept]) if values is None else of_integers(values[kept])
        if asked.way == "number":
            # The same number may come as a number in another block: it must be the same value there.
            keys = np.where(known, hashing.of_numbers(read + 0.0 if values is None else values), hashes)
    return TextPart(words, counts, hashes, lengths, keys, number, listed, told, int(counts[padded].sum())), read
