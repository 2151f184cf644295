"""Delimited text by the block: what Arrow's parser and our row-by-row reader would read alike, read by Arrow's.

Our reader (:mod:`delimited`) forgives whatever is found in the wild, a row at a time. Most files need no forgiveness. A
block of lines whose quotes, line ends and bytes are plain goes through Arrow, twenty times as fast; a ragged row or an
odd quote sends its block through the ``csv`` module; and what cannot be read by the block at all (a quoted line end,
NUL bytes, lines that are not UTF-8, very long ones) raises :class:`NotPlainError`, upon which the file is read row by
row from its start. Which way was taken can be seen in nothing but the time.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.collect import typing_columns
from modelwright.prepare.collect.base import Rejected
from modelwright.prepare.collect.delimited import LONGEST_FIELD, Dialect, open_bytes
from modelwright.prepare.collect.member_files import File
from modelwright.prepare.collect.rowmaking import Strays
from modelwright.tasks.limits import FLOAT32_MAX

BLOCK = 8 << 20
_SETTLED = 20
"""Different words beyond which a column is text whatever follows."""


class NotPlainError(Exception):
    """The file cannot be read by the block."""


@dataclass(frozen=True)
class Lines:
    """Whole lines of a file: their bytes, and the number of the first one."""

    first: int
    data: bytes


def lines(path: File, dialect: Dialect) -> Iterator[Lines]:
    """Yield a file's rows in blocks of about 8 MiB, without the header.

    Raises
    ------
    NotPlainError
        At the first block that cannot be read so.
    """
    odd = dialect.encoding != "utf-8" or dialect.returns or dialect.literal
    if odd or len(dialect.names) + dialect.index_column < 2:
        raise NotPlainError
    number, skip, rest = 1, dialect.header, b""
    try:
        with open_bytes(path) as file:
            while True:
                piece = file.read(BLOCK)
                block = rest + piece
                if number == 1 and dialect.bom:
                    block = block.removeprefix(codecs.BOM_UTF8)
                cut = len(block) if not piece else block.rfind(b"\n") + 1
                block, rest = block[:cut], block[cut:]
                _refuse(len(rest) >= LONGEST_FIELD)
                start = 0
                while skip and start < len(block):
                    end = block.find(b"\n", start) + 1 or len(block)
                    skip = not block[start:end].rstrip(b"\r\n")
                    _refuse(not skip and block.count(b'"', start, end) % 2 == 1)  # a line end in the header
                    start, number = end, number + 1
                if start < len(block):
                    block = block[start:] if start else block
                    ends = _check(block)
                    yield Lines(number, block)
                    number += ends
                if not piece:
                    return
    except (OSError, EOFError, ValueError):
        raise NotPlainError from None
    except Exception as error:
        if type(error).__module__ == "zlib":
            raise NotPlainError from None
        raise


def _refuse(trouble: bool) -> None:
    if trouble:
        raise NotPlainError


def _check(block: bytes) -> int:
    """Refuse a block that cannot be read so; return how many lines end in it."""
    _refuse(b"\0" in block or (b"\r" in block and block.count(b"\r") != block.count(b"\r\n")))
    if not block.isascii():
        try:
            block.decode()
        except UnicodeDecodeError:
            raise NotPlainError from None
    ends = np.flatnonzero(np.frombuffer(block, np.uint8) == 10)
    _refuse(len(ends) > 0 and int(np.diff(ends, prepend=-1).max()) >= LONGEST_FIELD)
    return len(ends)


class Reader:
    """Reads blocks of one file into Arrow columns.

    Parameters
    ----------
    dialect
        How the file is written.
    names
        Its columns, all different.
    missing
        Cells that mean "missing".
    decimal
        The decimal sign.
    threads
        Whether Arrow may use threads of its own for one block.
    """

    def __init__(
        self, dialect: Dialect, names: Sequence[str], missing: frozenset[str], decimal: str, *, threads: bool = True
    ) -> None:
        self._dialect, self._missing, self._decimal, self._threads = dialect, missing, decimal, threads
        self.delimiter = dialect.delimiter
        self._names = [*([""] if dialect.index_column else []), *names]
        self.ragged: list[tuple[int, int]] = []
        """Line and cells of the rows that were left out of the last block."""

    def table(self, block: Lines, types: Mapping[str, Any]) -> Any:
        """Return a ``pyarrow.Table`` of the columns of ``types`` (Arrow types; None: guessed), texts as written.

        A column in which Arrow finds cells that its type does not hold is given as text.
        """
        import pyarrow as pa

        self.ragged = []
        try:
            return self._parsed(block.data, types)
        except pa.ArrowInvalid:
            pass
        try:
            # Which column it was, Arrow does not say: as text all are readable, if rows are whole.
            return self._parsed(block.data, dict.fromkeys(types, pa.string()))
        except pa.ArrowInvalid:
            return self._row_by_row(block, list(types))

    def _parsed(self, data: bytes, types: Mapping[str, Any]) -> Any:
        import pyarrow as pa
        from pyarrow import csv as arrow

        quoted = b'"' in data
        if quoted and not self._plain_quotes(data):
            raise pa.ArrowInvalid("quotes")
        table = arrow.read_csv(
            pa.py_buffer(data),
            read_options=arrow.ReadOptions(
                column_names=self._names, block_size=len(data) + 1, use_threads=self._threads
            ),
            parse_options=arrow.ParseOptions(
                delimiter=self._dialect.delimiter, quote_char='"' if quoted else False, double_quote=True
            ),
            convert_options=arrow.ConvertOptions(
                column_types={name: kind for name, kind in types.items() if kind is not None},
                include_columns=list(types),
                null_values=sorted(self._missing),
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
                decimal_point=self._decimal,
                check_utf8=False,
                timestamp_parsers=["%"],
            ),
        )
        return table.combine_chunks()

    def _plain_quotes(self, data: bytes) -> bool:
        """Say whether every quote encloses a whole cell on one line, so that all parsers agree."""
        if enclosing(data, self._dialect.delimiter):
            return True
        import pyarrow as pa
        from pyarrow import compute

        sign = {"\t": "\\t", "|": "\\|"}.get(self._dialect.delimiter, self._dialect.delimiter)
        pattern = rf'(?m)(^|{sign})"([^"\r\n]|"")*"(?:{sign}|\r?$)'
        text = pa.scalar(data, pa.large_binary())
        # Two cells side by side share their delimiter, so every other one is taken out first.
        for _ in range(2):
            text = compute.replace_substring_regex(text, pattern, r"\1" + self._dialect.delimiter)
        return b'"' not in text.as_py()

    def _row_by_row(self, block: Lines, wanted: Sequence[str]) -> Any:
        import pyarrow as pa

        width = len(self._names)
        rows: list[list[str]] = []
        texts = block.data.decode().split("\n")
        reader = csv.reader((f"{each}\n" for each in texts), delimiter=self._dialect.delimiter, skipinitialspace=True)
        before = 0
        try:
            for row in reader:
                if reader.line_num != before + 1:
                    raise NotPlainError
                before = reader.line_num
                if len(row) == width:
                    rows.append(row)
                elif row:
                    self.ragged.append((block.first + before - 1, len(row)))
        except csv.Error:
            raise NotPlainError from None
        columns = {name: [row[place] for row in rows] for place, name in enumerate(self._names) if name in wanted}
        return pa.table({name: pa.array(columns[name], pa.string()) for name in wanted})


def enclosing(data: bytes, delimiter: str) -> bool:
    """Say whether quotes, none of them doubled, enclose whole cells, each on one line.

    A quote in two begins a cell, and stands behind a delimiter or a line end; the other ends it, and stands before one.

    Examples
    --------
    >>> texts = (b'"a,b",1\\n2,"c"\\n', b'"a""b",1\\n', b'"a\\nb",1\\n', b'5" x,1" y\\n')
    >>> [enclosing(text, ",") for text in texts]
    [True, False, False, False]
    """
    letters = np.frombuffer(b"\n" + data + b"\n", np.uint8)
    quotes = np.flatnonzero(letters == 34)
    if len(quotes) % 2:
        return False
    before, after = letters[quotes[::2] - 1], letters[quotes[1::2] + 1]
    sign = ord(delimiter)
    if not ((before == sign) | (before == 10)).all():
        return False
    if not ((after == sign) | (after == 10) | (after == 13)).all():
        return False
    ends = np.flatnonzero(letters == 10)
    return not (np.searchsorted(quotes, ends) % 2).any()


def cleaned(column: Any, missing: frozenset[str]) -> Any:
    """Return a column of texts without blanks around them, null where one means "missing"."""
    import pyarrow as pa
    from pyarrow import compute

    trimmed = compute.utf8_trim_whitespace(column)
    gone = compute.is_in(trimmed, value_set=pa.array(sorted(missing), pa.string()))
    return compute.if_else(gone, pa.scalar(None, pa.string()), trimmed)


class Survey:
    """Counts what the columns of one file hold, block by block.

    Parameters
    ----------
    reader
        Of the file, with the decimal point.
    tallies
        One a column.
    whole
        Whether texts are counted to the end, since decimal commas in them say something about the file.
    """

    def __init__(
        self, reader: Reader, tallies: Sequence[typing_columns.Tally], missing: frozenset[str], *, whole: bool
    ) -> None:
        self._reader, self._tallies, self._missing, self._whole = reader, tallies, missing, whole
        self._texts: set[str] = set()
        self.rows = 0
        self.ragged = 0

    def add(self, block: Lines) -> None:
        """Count one block."""
        import pyarrow as pa

        open_ones = [each for each in self._tallies if self._whole or len(each.strays) <= _SETTLED]
        wanted = open_ones or self._tallies[:1]
        types = {each.name: pa.string() if each.name in self._texts else None for each in wanted}
        table = self._reader.table(block, types)
        self.rows += len(table)
        self.ragged += len(self._reader.ragged)
        again = tally(table, block, open_ones, self._missing, self._reader.delimiter)
        self._texts |= {each.name for each in open_ones if pa.types.is_string(table[each.name].type)}
        if not again:
            return
        texts = self._reader.table(block, {each.name: pa.string() for each in again})
        for each in again:
            column = cleaned(texts[each.name], self._missing)
            if pa.types.is_integer(table[each.name].type) and _plain_integers(column):
                _all_integers(column, each)
            else:
                tally_texts(column, each)
                if not pa.types.is_integer(table[each.name].type):
                    self._texts.add(each.name)


def _plain_integers(column: Any) -> bool:
    from pyarrow import compute

    return not compute.any(compute.match_substring_regex(column, r"^0\d|[xX]")).as_py()


def _all_integers(column: Any, each: typing_columns.Tally) -> None:
    known = len(column) - column.null_count
    each.missing += column.null_count
    each.seen += known
    each.integers += known
    each.numbers += known


def tally(
    table: Any,
    block: Lines,
    tallies: Sequence[typing_columns.Tally],
    missing: frozenset[str],
    delimiter: str,
) -> list[typing_columns.Tally]:
    """Count a block whose types Arrow guessed; return the columns that have to be counted as text."""
    import pyarrow.types as kinds

    odd = _may_be_padded(block.data, delimiter) or b"0x" in block.data or b"0X" in block.data
    again = []
    for each in tallies:
        column = table[each.name]
        rows, nulls = len(column), column.null_count
        kind = column.type
        if kinds.is_null(kind):
            each.missing += rows
        elif kinds.is_integer(kind) and not odd:
            _all_integers(column, each)
        elif kinds.is_floating(kind) and not odd and not _beyond(column):
            each.missing += nulls
            each.seen += rows - nulls
            each.numbers += rows - nulls
        elif kinds.is_string(kind):
            tally_texts(cleaned(column, missing), each)
        else:
            again.append(each)
    return again


def tally_texts(column: Any, each: typing_columns.Tally) -> None:
    """Count a column of cleaned texts, each different one looked at once."""
    each.missing += column.null_count
    for entry in column.value_counts().to_pylist():
        word, count = entry["values"], entry["counts"]
        if word is None:
            continue
        before = (each.integers, each.numbers, each.commas, each.padded)
        known = each.strays.get(word, 0)
        each.add(word)
        each.seen += count - 1
        each.integers += (each.integers - before[0]) * (count - 1)
        each.numbers += (each.numbers - before[1]) * (count - 1)
        each.commas += (each.commas - before[2]) * (count - 1)
        each.padded += (each.padded - before[3]) * (count - 1)
        if word in each.strays:
            each.strays[word] = known + count


def _may_be_padded(data: bytes, delimiter: str) -> bool:
    """Say whether some cell begins with a zero and another digit, as postcodes do."""
    if b" 0" in data and (f"{delimiter} ".encode() in data or b"\n " in data or data[:1] == b" "):
        return True
    codes = np.frombuffer(b"\n" + data, np.uint8)
    starts = (codes[:-2] == 10) | (codes[:-2] == ord(delimiter)) | (codes[:-2] == 34)
    return bool((starts & (codes[1:-1] == 48) & (codes[2:] - 48 < 10)).any())


def _beyond(column: Any) -> bool:
    """Say whether the cells' texts must decide about a column of numbers: one is infinite or huge, or all are whole."""
    values = column.to_numpy()
    with np.errstate(invalid="ignore"):
        known = values[~np.isnan(values)] if column.null_count else values
        return bool((~(np.abs(known) < 2.0**53)).any() or (known == np.floor(known)).all())


def converted(column: Any, kind: str, decimal: str, missing: frozenset[str], name: str, strays: Strays) -> Any:
    """Return a column of one block as ``integer`` (int64), ``number`` (double) or ``text``; count what is none."""
    import pyarrow as pa
    import pyarrow.types as kinds
    from pyarrow import compute

    if kinds.is_null(column.type):
        return pa.nulls(len(column), {"integer": pa.int64(), "number": pa.float64()}.get(kind, pa.string()))
    if kind == "text":
        return cleaned(column, missing)
    if kinds.is_integer(column.type) or (kinds.is_floating(column.type) and not infinite(column)):
        return column
    coded = cleaned(column, missing).dictionary_encode()
    coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
    words = coded.dictionary.to_pylist()
    found = [typing_columns.number(word, kind == "integer", decimal) for word in words]
    lost = [place for place, value in enumerate(found) if value is None]
    if lost:
        counts = {entry["values"]: entry["counts"] for entry in compute.value_counts(coded.indices).to_pylist()}
        told = strays.setdefault(name, {})
        for place in lost:
            if len(told) < 20 or words[place] in told:
                told[words[place]] = told.get(words[place], 0) + counts[place]
    if kind == "number":
        return pa.array([None if each is None else float(each) for each in found], pa.float64()).take(coded.indices)
    return pa.array(found, pa.int64()).take(coded.indices)


def infinite(column: Any) -> bool:
    """Say whether a column of numbers holds one that is none, or beyond 32 bits: cells such as ``inf`` or ``1e300``."""
    values: NDArray[np.float64] = column.drop_null().to_numpy()
    return not bool((np.abs(values) <= FLOAT32_MAX).all())


def ragged(name: str, rows: Sequence[tuple[int, int]], width: int) -> Iterator[Rejected]:
    """Yield the rows that have too few or too many cells."""
    for line, cells in rows:
        yield Rejected(
            f"{name}#line{line}",
            "ragged-row",
            f"{name} line {line} has {cells} cells, not {width}",
            evidence={"line": line, "cells": cells, "expected": width},
        )
