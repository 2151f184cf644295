"""Tables whose cells have types: Parquet and Arrow by the block; JSON lines, workbooks and databases by the row."""

from __future__ import annotations

import datetime as dt
import decimal as decimals
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from modelwright.errors import InputError
from modelwright.prepare.collect import typing_columns
from modelwright.prepare.collect.base import Rejected
from modelwright.prepare.collect.member_files import File
from modelwright.prepare.collect.typed import ArrowTable, ParquetTable, first_line
from modelwright.prepare.profile import times
from modelwright.prepare.profile.parts import Asked
from modelwright.prepare.profile.reading import Block, Left

_CELLS = 1 << 20
_ROW_CELLS = 1 << 18
_WORDS = 1000

Rows = Callable[[], Iterator[Mapping[str, Any] | Rejected]]


class Columnar:
    """A Parquet or Arrow file."""

    def __init__(self, path: File, file: ParquetTable | ArrowTable, rows: int | None) -> None:
        self._path, self._file = path, file
        file.columns()  # raises for two columns of one name, and for too many
        self.names = list(file.schema.names)
        self.asked = [way_of(field.type) for field in file.schema]
        self.remarks = [f"{field.name!r} holds {field.type}: counted only" for field, asked in
                        zip(file.schema, self.asked, strict=True) if asked.way == "other"]  # fmt: skip
        self.missing: tuple[str, ...] = typing_columns.MISSING
        self.total = rows
        self._look()

    def _look(self) -> None:
        """See whether words are dates or numbers, by the first rows."""
        first = next(iter(self._batches(1000)), None)
        if first is None:
            return
        for place, asked in enumerate(self.asked):
            if asked.way == "text":
                words = [word for word in _texts(first.column(place)).to_pylist() if word is not None]
                dated, day_first = times.are_dates([word.strip() for word in dict.fromkeys(words)][:200])
                self.asked[place] = replace(asked, dates=dated, numbers=not dated, day_first=day_first)

    def _batches(self, rows: int) -> Iterator[Any]:
        import pyarrow as pa

        try:
            yield from self._file.batches(self.names, rows)
        except (pa.ArrowException, OSError, UnicodeDecodeError, EOFError) as error:
            raise InputError(f"{self._path} is damaged: {first_line(error)}", code="corrupt") from None

    def as_words(self, places: Sequence[int]) -> None:
        """Give some columns as words from now on."""
        for place in places:
            self.asked[place] = Asked("text", numbers=False)

    def blocks(self) -> Iterator[Callable[[], Block]]:
        """Yield what makes plain columns of the next rows."""
        for batch in self._batches(max(256, _CELLS // max(len(self.names), 1))):
            yield partial(_plain_block, batch)


def _plain_block(batch: Any) -> Block:
    return Block([plain(column) for column in batch.columns], len(batch), Left(), len(batch))


def way_of(kind: Any) -> Asked:
    """Return how a column of an Arrow type comes."""
    import pyarrow.types as kinds

    if kinds.is_dictionary(kind):
        return way_of(kind.value_type)
    if kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_decimal(kind) or kinds.is_duration(kind):
        return Asked("number")
    if kinds.is_timestamp(kind) or kinds.is_date(kind):
        return Asked("time", numbers=False)
    texts = (
        kinds.is_string,
        kinds.is_large_string,
        kinds.is_string_view,
        kinds.is_boolean,
        kinds.is_time,
        kinds.is_null,
    )
    return Asked("text") if any(test(kind) for test in texts) else Asked("other", numbers=False)


def plain(column: Any) -> Any:
    """Return a column as int64, double, timestamp, texts, or as it is where it can only be counted."""
    import pyarrow as pa
    import pyarrow.types as kinds
    from pyarrow import compute

    kind = column.type
    if kinds.is_dictionary(kind):
        if kinds.is_string(kind.value_type) or kinds.is_large_string(kind.value_type):
            return column
        return plain(column.dictionary_decode())
    if kinds.is_uint64(kind):
        top = compute.max(column).as_py() or 0
        return column.cast(pa.int64() if top < 2**63 else pa.float64(), safe=False)
    if kinds.is_integer(kind):
        return column.cast(pa.int64())
    if kinds.is_floating(kind) or kinds.is_decimal(kind):
        return column.cast(pa.float64(), safe=False)
    if kinds.is_duration(kind):
        scale = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[kind.unit]
        return compute.divide(column.cast(pa.int64()).cast(pa.float64(), safe=False), scale)
    if kinds.is_date(kind):
        return column.cast(pa.timestamp("s") if kinds.is_date32(kind) else pa.timestamp("ms"))
    if kinds.is_timestamp(kind) or kinds.is_null(kind) or way_of(kind).way == "other":
        return column
    return _texts(column)


def _texts(column: Any) -> Any:
    import pyarrow as pa
    import pyarrow.types as kinds

    if kinds.is_dictionary(column.type):
        return column.dictionary_decode().cast(pa.string())
    return column if kinds.is_string(column.type) else column.cast(pa.string())


class Plain:
    """Rows of Python values: JSON lines, a sheet of a workbook, a query.

    Parameters
    ----------
    types
        Column to ``integer``, ``number`` or ``text``, told by all rows.
    rows
        Begins at the first row each time it is called.
    """

    def __init__(self, types: Mapping[str, str], rows: Rows, remarks: Sequence[str] = ()) -> None:
        self.names = list(types)
        self._rows = rows
        self.missing: tuple[str, ...] = typing_columns.MISSING
        self.remarks = list(remarks)
        self.total: int | None = None
        self.asked = [Asked("text" if kind == "text" else "number") for kind in types.values()]
        self._look()

    def _look(self) -> None:
        words: list[dict[str, None]] = [{} for _ in self.names]
        for row in islice(self._rows(), _WORDS):
            if not isinstance(row, Rejected):
                for some, name in zip(words, self.names, strict=True):
                    text = _word(row.get(name))
                    if text is not None and (text := text.strip()) and text not in self.missing and len(some) < 200:
                        some[text] = None
        for place, some in enumerate(words):
            if self.asked[place].way == "text":
                dated, day_first = times.are_dates(list(some))
                self.asked[place] = Asked("text", numbers=not dated, dates=dated, day_first=day_first)

    def as_words(self, places: Sequence[int]) -> None:
        """Give some columns as words from now on."""
        for place in places:
            self.asked[place] = Asked("text", numbers=False)

    def blocks(self) -> Iterator[Callable[[], Block]]:
        """Yield what makes columns of the next rows."""
        most = max(64, _ROW_CELLS // max(len(self.names), 1))
        rows: list[Mapping[str, Any]] = []
        left = Left()
        for row in self._rows():
            if isinstance(row, Rejected):
                left.add(row)
                continue
            rows.append(row)
            if len(rows) == most:
                yield partial(self._block, rows, left)
                rows, left = [], Left()
        yield partial(self._block, rows, left)

    def _block(self, rows: list[Mapping[str, Any]], left: Left) -> Block:
        columns = [
            _array([row.get(name) for row in rows], asked) for name, asked in zip(self.names, self.asked, strict=True)
        ]
        return Block(columns, len(rows), left, len(rows))


def _array(values: list[Any], asked: Asked) -> Any:
    import pyarrow as pa

    if asked.way == "number":
        kinds = {type(value) for value in values} - {type(None)}
        try:
            if kinds == {int}:
                return pa.array(values, pa.int64())
            if kinds and kinds <= {int, float}:
                return pa.array([None if value is None else float(value) for value in values], pa.float64())
        except (OverflowError, pa.ArrowInvalid):
            pass  # beyond 64 bits: as words, which are read one by one
    return pa.array([_word(value) for value in values], pa.string())


def _word(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, float) and value != value:  # noqa: PLR0124 - NaN
        return None
    return str(float(value)) if isinstance(value, decimals.Decimal) else str(value)


def rows_of_parquet(path: Path) -> int | None:
    """Return the rows that a Parquet file's end names, where it can be read."""
    from pyarrow import parquet

    return int(parquet.read_metadata(path).num_rows)
