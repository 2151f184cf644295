"""Files whose cells have types of their own: Parquet, Arrow, JSON lines, Excel. What is in them, as plain rows."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from modelwright.errors import InputError, MissingExtraError
from modelwright.prepare.collect import bounded, typing_columns
from modelwright.prepare.collect.base import Rejected, reason
from modelwright.prepare.collect.member_files import File
from modelwright.prepare.collect.parquet_footer import Pread, read_footer
from modelwright.prepare.collect.regular import LARGEST_FILE, MOST_COLUMNS

_ROWS = 2048


class TypedFile(Protocol):
    """One file, opened."""

    def columns(self) -> dict[str, str]:
        """Return column name to ``integer``, ``number`` or ``text``."""

    def lists(self) -> list[str]:
        """Return the columns whose cells are lists, which hold tags as a rule; no input can be one."""

    def rows(self, columns: Sequence[str]) -> Iterator[Mapping[str, Any] | Rejected]:
        """Stream the rows with those of ``columns`` that are there, and what cannot be a row."""


def typed_file(path: File, where: str, sheet: str | None = None, most: int | None = None) -> TypedFile | None:
    """Open a file of one of the formats here; None for anything else, which is taken for delimited text.

    Parameters
    ----------
    where
        The source, for messages.
    sheet
        The sheet of a workbook; None: the first.
    most
        Rows of a Parquet or Arrow file that are read at most.
    """
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise InputError(f"{where}: {path} cannot be read: {reason(error)}", code="unreadable") from None
    name = path.name.lower()
    if head[:4] == b"PAR1":
        return ParquetTable(path, where, most)
    if head[:6] == b"ARROW1" or name.endswith((".arrow", ".feather", ".arrows")):
        return ArrowTable(path, where, most)
    if head[:4] == b"PK\x03\x04" and name.endswith((".xlsx", ".xlsm")):
        from modelwright.prepare.collect.excel import ExcelTable

        return ExcelTable(path, where, sheet)
    if name.removesuffix(".gz").endswith((".jsonl", ".ndjson")):
        from modelwright.prepare.collect.json_lines import JsonLines

        return JsonLines(path, where)
    return None


def seekable(path: File, where: str) -> Any:
    """Return what a reader that jumps about takes: the path, or a member's bytes."""
    if isinstance(path, Path):
        return path
    if path.member.size > LARGEST_FILE:
        raise InputError(
            f"{where}: {path} has {path.member.size} bytes; in an archive such a table may have {LARGEST_FILE}",
            code="too-large",
            hint="unpack it",
        )
    try:
        with path.open("rb") as file:
            return io.BytesIO(file.read())
    except OSError as error:
        raise InputError(f"{where}: {path} cannot be read: {reason(error)}", code="unreadable") from None


def _pread(place: Any) -> tuple[Pread, Callable[[], None]]:
    """Return what reads bytes at a place of a path or of bytes, and what closes it."""
    if not isinstance(place, Path):
        view = place.getbuffer()
        return (lambda at, count: bytes(view[at : at + count])), view.release
    descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    return partial(_at, descriptor), partial(os.close, descriptor)


def _at(descriptor: int, at: int, count: int) -> bytes:
    return os.pread(descriptor, count, at)


def _names_readable(schema: Any) -> None:
    """Raise ``UnicodeDecodeError`` now for a column's name that is no UTF-8, and not wherever it is looked at."""
    for field in schema:
        field.name  # noqa: B018 - it is decoded when it is asked for


def tallied(
    rows: Iterator[Mapping[str, Any] | Rejected], missing: frozenset[str], where: str
) -> tuple[dict[str, str], int]:
    """Return the types of columns whose cells are Python values, and the number of rows."""
    tallies: dict[str, typing_columns.Tally] = {}
    count = 0
    for row in rows:
        if isinstance(row, Rejected):
            continue
        count += 1
        for name, value in row.items():
            tally = tallies.get(name)
            if tally is None:
                if len(tallies) == MOST_COLUMNS:
                    raise InputError(f"{where} has more than {MOST_COLUMNS:,} columns", code="too-many-columns")
                tally = tallies[name] = typing_columns.Tally(name)
            if isinstance(value, bool):
                tally.add(str(value).lower())
            elif value is not None and (text := str(value).strip()) not in missing and not _not_finite(value):
                tally.add(text)
    return {name: tally.type(".") if tally.seen else "text" for name, tally in tallies.items()}, count


def _not_finite(value: Any) -> bool:
    return isinstance(value, float) and (value != value or value in {float("inf"), float("-inf")})  # noqa: PLR0124 - NaN


class ParquetTable:
    """A Parquet file."""

    def __init__(self, path: File, where: str, most: int | None = None) -> None:
        self._path, self._where, self._most = path, where, most
        pa = arrow("reading Parquet")
        from pyarrow import parquet

        place = seekable(path, where)
        pread, close = _pread(place)
        try:
            self._footer = read_footer(pread, bounded.size_of(path), f"{where}: {path}")
            bounded.check_parquet(self._footer, pread, path, where, most)
            self._file = parquet.ParquetFile(place, pre_buffer=False)
            _names_readable(self._file.schema_arrow)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"{where}: {path} is not readable as Parquet: {first_line(error)}", code="corrupt"
            ) from None
        finally:
            close()

    @property
    def schema(self) -> Any:
        """The Arrow schema."""
        return self._file.schema_arrow

    def columns(self) -> dict[str, str]:
        """Return the columns that are not nested."""
        return schema_types(self._file.schema_arrow, self._path, self._where)

    def lists(self) -> list[str]:
        """Return the columns of lists."""
        return list_columns(self._file.schema_arrow)

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[Any]:
        """Stream ``pyarrow.RecordBatch`` with those of ``columns`` that are there; texts may be codes."""
        yield from self._bounded(columns, rows, threads=True)

    def _bounded(self, columns: Sequence[str], rows: int, *, threads: bool) -> Iterator[Any]:
        from pyarrow import parquet

        present = [name for name in columns if name in self._file.schema_arrow.names]
        watch = bounded.Watch(self._path, self._where, self._most)
        most, coded = bounded.parquet_plan(self._footer, present, rows)
        file = self._file
        if coded:
            file = parquet.ParquetFile(seekable(self._path, self._where), read_dictionary=coded, pre_buffer=False)
        for batch in file.iter_batches(batch_size=most, columns=present, use_threads=threads):
            yield from watch.split(batch, most)

    def rows(self, columns: Sequence[str], batch: int = _ROWS) -> Iterator[Mapping[str, Any] | Rejected]:
        """Stream the rows, a few thousand in memory."""
        pa = arrow("reading Parquet")
        try:
            for some in self._bounded(columns, batch, threads=False):
                yield from some.to_pylist()
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise InputError(f"{self._where}: {self._path} is damaged: {first_line(error)}", code="corrupt") from None


class ArrowTable:
    """An Arrow IPC file or stream (Feather, version 2)."""

    def __init__(self, path: File, where: str, most: int | None = None) -> None:
        self._path, self._where, self._most = path, where, most
        self.schema = self._open()[0]

    def _open(self) -> tuple[Any, Iterator[Any]]:
        pa = arrow("reading Arrow")
        from pyarrow import ipc

        place = seekable(self._path, self._where)
        try:
            source = pa.memory_map(str(place)) if isinstance(place, Path) else place
            bounded.check_arrow(source, self._path, self._where)
            source.seek(0)
            try:
                file = ipc.open_file(source)
                _names_readable(file.schema)
                return file.schema, (file.get_batch(number) for number in range(file.num_record_batches))
            except pa.ArrowInvalid:
                source.seek(0)
                stream = ipc.open_stream(source)
                _names_readable(stream.schema)
                return stream.schema, iter(stream)
        except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
            raise InputError(
                f"{self._where}: {self._path} is not readable as Arrow: {first_line(error)}",
                code="corrupt",
                hint="Arrow IPC files, streams and Feather version 2 are read",
            ) from None

    def columns(self) -> dict[str, str]:
        """Return the columns that are not nested."""
        return schema_types(self.schema, self._path, self._where)

    def lists(self) -> list[str]:
        """Return the columns of lists."""
        return list_columns(self.schema)

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[Any]:
        """Stream ``pyarrow.RecordBatch`` with those of ``columns`` that are there; the file is mapped, not read."""
        schema, batches = self._open()
        present = [name for name in columns if name in schema.names]
        watch = bounded.Watch(self._path, self._where, self._most)
        for batch in batches:
            watch.rows(len(batch))
            batch.validate(full=True)  # offsets of a hostile file point anywhere
            yield from watch.split(batch.select(present), rows)

    def rows(self, columns: Sequence[str]) -> Iterator[Mapping[str, Any] | Rejected]:
        """Stream the rows."""
        pa = arrow("reading Arrow")
        try:
            for batch in self.batches(columns, _ROWS):
                yield from batch.to_pylist()
        except (pa.ArrowException, OSError, UnicodeDecodeError, EOFError) as error:
            raise InputError(f"{self._where}: {self._path} is damaged: {first_line(error)}", code="corrupt") from None


def arrow(what: str) -> Any:
    """Return pyarrow, or say which extra brings it."""
    try:
        import pyarrow as pa
    except ImportError:
        raise MissingExtraError(what, "train") from None
    return pa


def schema_types(schema: Any, path: File, where: str) -> dict[str, str]:
    """Return the types of the columns of an Arrow schema that are not nested."""
    import pyarrow.types as kinds

    types: dict[str, str] = {}
    if len(schema) > MOST_COLUMNS:
        raise InputError(f"{where}: {path} has {len(schema):,} columns", code="too-many-columns")
    for field in schema:
        if field.name in types:
            raise InputError(f"{where}: {path} has two columns named {field.name!r}", code="duplicate-header")
        if kinds.is_nested(field.type):
            continue
        if kinds.is_integer(field.type) and not kinds.is_uint64(field.type):
            types[field.name] = "integer"
        elif kinds.is_floating(field.type) or kinds.is_decimal(field.type) or kinds.is_uint64(field.type):
            types[field.name] = "number"
        else:
            types[field.name] = "text"
    return types


def list_columns(schema: Any) -> list[str]:
    """Return the columns of an Arrow schema whose cells are lists."""
    import pyarrow.types as kinds

    tests = (kinds.is_list, kinds.is_large_list, kinds.is_fixed_size_list)
    return [field.name for field in schema if any(test(field.type) for test in tests)]


def label_names(schema: Any) -> dict[str, list[str]]:
    """Return the class names that Hugging Face's ``datasets`` writes into a schema: column to names by code."""
    import json

    found: dict[str, list[str]] = {}
    with contextlib.suppress(ValueError, AttributeError, TypeError, KeyError, RecursionError):
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        for name, feature in features.items():
            if isinstance(feature, dict) and isinstance(feature.get("feature"), dict):
                feature = feature["feature"]  # a list of labels: tags
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel":
                found[name] = [str(each) for each in feature["names"]]
    return found


def first_line(error: Exception) -> str:
    """Return the first line of an error's text."""
    return str(error).split("\n", 1)[0]
