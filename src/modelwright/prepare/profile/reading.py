"""A table as blocks of columns, whatever file it comes from; a thread may unpack a block while another is looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.collect import bulk, typing_columns
from modelwright.prepare.collect.base import Rejected
from modelwright.prepare.collect.delimited import Dialect, Reader, Wanted, sniff
from modelwright.prepare.collect.member_files import File
from modelwright.prepare.profile import times
from modelwright.prepare.profile.parts import Asked
from modelwright.tasks.modalities.table.headers import distinct

_LOOKED_AT = 2000
_LOOKED_CELLS = 300_000
_CELLS = 1 << 18
"""Cells of a block of rows that are read one by one."""
_SHOWN = 20
_PIECE = 1 << 18
_BEHIND = 8
"""Blocks that are on their way at most: more than :mod:`engine` has threads."""


@dataclass
class Left:
    """What could not be read as a row."""

    counts: Counter[str] = field(default_factory=Counter)
    shown: list[str] = field(default_factory=list)

    def add(self, one: Rejected) -> None:
        """Count one."""
        self.counts[one.kind] += 1
        if len(self.shown) < _SHOWN:
            self.shown.append(one.message)

    def merge(self, other: Left) -> None:
        """Count those of a later block."""
        self.counts.update(other.counts)
        self.shown += other.shown[: _SHOWN - len(self.shown)]


@dataclass(frozen=True)
class Block:
    """Some rows: one ``pyarrow.Array`` a column, all of one length."""

    columns: list[Any]
    rows: int
    left: Left = field(default_factory=Left)
    units: int = 0
    """How far the file was read with it, in the unit of :attr:`Reading.total`."""


class Reading(Protocol):
    """A file, opened: its columns, and a way through its rows."""

    names: list[str]
    asked: list[Asked]
    remarks: list[str]
    missing: tuple[str, ...]
    total: int | None
    """Bytes or rows to be read, where that is known."""

    def blocks(self) -> Iterator[Callable[[], Block]]:
        """Yield what unpacks the next rows, in any thread; may be called again."""

    def as_words(self, places: Sequence[int]) -> None:
        """Give some columns as words from now on."""


class Delimited:
    """CSV and its like: by the block where the file is plain, and else by a reader that forgives, row by row."""

    def __init__(self, path: File, missing: tuple[str, ...] = typing_columns.MISSING) -> None:
        self._path = path
        self.missing = missing
        self._dialect = sniff(path, Wanted())
        self.names, self.renamed = distinct(self._dialect.names)
        self.remarks = list(self._dialect.remarks)
        self.plain = True
        """Whether it is read by the block; tests set it to False."""
        self.total: int | None = None
        self.asked, decimal = _looked_at(path, self._dialect, self.names, missing)
        self._decimal = decimal
        self._fractions: dict[int, frozenset[int]] = {}
        if decimal == ",":
            self.remarks.append(f"{path.name}: numbers are written with a decimal comma")
        if self.renamed:
            twice = ", ".join(map(repr, sorted(set(self.renamed))[:12]))
            self.remarks.append(f"{path.name}: columns have the same name: {twice}; the later ones got a number")

    def as_words(self, places: Sequence[int]) -> None:
        """Give some columns as words from now on."""
        for place in places:
            self.asked[place] = Asked("text", numbers=False)

    def blocks(self) -> Iterator[Callable[[], Block]]:
        """Yield what parses the next rows.

        Raises
        ------
        NotPlainError
            Here or in what is yielded: the file isn't plain after all; set :attr:`plain` to False and begin again.
        """
        if not self.plain:
            yield from self._one_by_one()
            return
        promised = frozenset(place for place, each in enumerate(self.asked) if each.whole)
        self._fractions = {}
        for number, lines in enumerate(bulk.lines(self._path, self._dialect)):
            # Of what other threads find out, only what every one of them has surely found by now is used: whatever
            # their number and pace, a block is always read in the same way.
            learned = (self._fractions.get(before, frozenset()) for before in range(number - _BEHIND + 1))
            yield partial(self._parsed, number, lines, promised.difference(*learned))

    def _parsed(self, number: int, lines: bulk.Lines, whole: frozenset[int]) -> Block:
        """Return a block; ``whole`` are the columns in which no fraction is known of."""
        import pyarrow as pa

        names, asked = self.names, self.asked
        reader = bulk.Reader(self._dialect, names, frozenset(self.missing) | {""}, self._decimal, threads=False)
        odd = zero_led(lines.data, self._dialect.delimiter)
        types = {
            name: pa.string()
            if each.way != "number" or (odd and place in whole)
            else pa.int64()
            if place in whole
            else pa.float64()
            for place, (name, each) in enumerate(zip(names, asked, strict=True))
        }
        table = reader.table(lines, types)
        left = Left()
        for one in bulk.ragged(self._path.name, reader.ragged, len(names) + self._dialect.index_column):
            left.add(one)
        columns = []
        fractions = set()
        for place, (name, each) in enumerate(zip(names, asked, strict=True)):
            column = table[name].combine_chunks()
            if each.way == "number" and pa.types.is_string(column.type):
                column = _typed(column, place in whole, self._decimal)
                if pa.types.is_floating(column.type):
                    fractions.add(place)
            columns.append(column)
        self._fractions[number] = frozenset(fractions)
        return Block(columns, len(table), left, len(lines.data))

    def _one_by_one(self) -> Iterator[Callable[[], Block]]:
        width = len(self.names)
        offset = 1 if self._dialect.index_column else 0
        most = max(64, _CELLS // max(width, 1))
        reader = Reader(self._path, self._dialect)
        rows: list[list[str]] = []
        left = Left()
        for entry in reader:
            if isinstance(entry, Rejected):
                left.add(entry)
                continue
            line, cells = entry
            if len(cells) != width + offset:
                for one in bulk.ragged(self._path.name, [(line, len(cells))], width + offset):
                    left.add(one)
                continue
            rows.append(cells)
            if len(rows) == most:
                yield partial(_of_rows, rows, width, offset, left)
                rows, left = [], Left()
        if reader.other_encoding:
            self._say(
                f"{reader.other_encoding:,} lines are not UTF-8 (first: line {reader.other_line}); "
                "they are read as Windows-1252"
            )
        if reader.literal:
            self._say(
                f"{reader.literal:,} lines have a quotation mark that begins a cell and doesn't end it "
                f"(first: line {reader.literal_line}); they are taken as text"
            )
        yield partial(_of_rows, rows, width, offset, left)

    def _say(self, what: str) -> None:
        remark = f"{self._path.name}: {what}"
        if remark not in self.remarks:
            self.remarks.append(remark)


def _of_rows(rows: list[list[str]], width: int, offset: int, left: Left) -> Block:
    import pyarrow as pa

    columns = [pa.array([row[place] for row in rows], pa.string()) for place in range(offset, width + offset)]
    return Block(columns, len(rows), left, len(rows))


def _typed(column: Any, whole: bool, decimal: str) -> Any:
    """Return a column of words as numbers where all are, as :func:`parts.numbers_of` would read them; else as it is."""
    import pyarrow as pa
    from pyarrow import compute

    if decimal == ",":
        return column
    if compute.any(compute.match_substring_regex(column, r"^\s*(0\d|\+)|[xX]")).as_py():
        return column
    for kind in (pa.int64(), pa.float64()) if whole else (pa.float64(),):
        try:
            return column.cast(kind)
        except pa.ArrowInvalid:
            continue
    return column


def zero_led(data: bytes, delimiter: str) -> bool:
    """Say whether some cell begins with a zero and another digit, as postcodes do, or with ``0x``.

    Examples
    --------
    >>> [zero_led(text, ",") for text in (b"0.5,10\\n0,1\\n", b"1,007\\n", b"1, 0xff\\n")]
    [False, True, True]
    """
    letters = np.frombuffer(b"\n" + data + b"\n", np.uint8)
    signs = [ord(delimiter), 10, 32, *([34] if b'"' in data else [])]
    for start in range(0, len(letters) - 2, _PIECE):  # pieces that stay in the processor's cache
        part = letters[start : start + _PIECE + 2]
        before = part[:-2]
        begins = before == signs[0]
        for sign in signs[1:]:
            begins |= before == sign
        begins &= part[1:-1] == 48
        after = part[2:]
        led: NDArray[np.bool_] = (after - 48) < 10
        led |= (after | 32) == 120
        led &= begins
        if led.any():
            return True
    return False


def _looked_at(path: File, dialect: Dialect, names: Sequence[str], missing: Sequence[str]) -> tuple[list[Asked], str]:
    """Return what the first rows promise of each column, and the decimal sign."""
    width = len(names)
    offset = 1 if dialect.index_column else 0
    most = max(50, min(_LOOKED_AT, _LOOKED_CELLS // max(width, 1)))
    tallies = [typing_columns.Tally(name) for name in names]
    words: list[dict[str, None]] = [{} for _ in names]
    for entry in islice(Reader(path, dialect), most):
        if isinstance(entry, Rejected) or len(entry[1]) != width + offset:
            continue
        for tally, some, cell in zip(tallies, words, entry[1][offset:], strict=True):
            cell = cell.strip()
            if cell and cell not in missing:
                tally.add(cell)
                if len(some) < 200:
                    some[cell] = None
    decimal = typing_columns.decimal_sign(tallies, dialect.delimiter)
    return [promised(tally, list(some), decimal) for tally, some in zip(tallies, words, strict=True)], decimal


def promised(tally: typing_columns.Tally, words: Sequence[str], decimal: str) -> Asked:
    """Return how a column is to be read, by its first cells."""
    kind = tally.type(decimal)
    if kind != "text":
        return Asked("number", whole=kind == "integer", decimal=decimal)
    dated, day_first = times.are_dates(words)
    return Asked("text", numbers=not dated, dates=dated, decimal=decimal, day_first=day_first)
