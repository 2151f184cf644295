"""Source ``table``: CSV, TSV and Parquet files, one sample a row."""

from __future__ import annotations

import datetime as dt
import decimal as decimals
import difflib
import glob
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from modelwright import canonical
from modelwright.errors import InputError, MissingExtraError
from modelwright.prepare.collect import typing_columns
from modelwright.prepare.collect.base import Item, Kept, Rejected, Settings, Survey, must_exist, printable, reason
from modelwright.prepare.collect.delimited import NEEDS, Dialect, Reader, Wanted, sniff
from modelwright.tasks.modalities.headers import distinct

if TYPE_CHECKING:
    from modelwright.prepare.index import Index

_ENDINGS = (".csv", ".tsv", ".txt", ".data", ".parquet", ".pq", ".csv.gz", ".tsv.gz", ".txt.gz", ".data.gz")


class TableSource:
    """A CSV, TSV or Parquet file, a folder of them, or a pattern such as ``data/*.csv``; also gzipped.

    Encoding, delimiter, header, decimal sign and column types are detected, said, and can be set by options. Spaces
    around a cell are no part of it. Cells that mean "missing" are ``?``, ``NA``, ``nan``, ``null`` and empty ones, or
    those of the option ``missing``. A sample's raw form is the canonical JSON of its row without the label, group and
    ignored columns.
    """

    kind: ClassVar[str] = "table"
    option_names: ClassVar[Mapping[str, str]] = {
        "label": "column to predict, where it differs from the spec's 'label'",
        "delimiter": "character between columns; default: detected",
        "header": "true or false: whether the first row names the columns; default: detected",
        "columns": "list of column names, for files without a header",
        "encoding": "such as utf-8 or cp1252; default: detected",
        "decimal": "'.' or ','; default: detected",
        "missing": "list of cells that mean 'missing'",
        "group": "column whose equal values never straddle two splits",
        "ignore": "list of columns to leave out",
    }
    kept: ClassVar[Kept] = "rows"

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        options = settings.options
        self._where = f"source 'table: {settings.location}'"
        self._label = self._text("label") or settings.label
        self._group = self._text("group")
        self._ignore = self._texts("ignore")
        self._missing = frozenset(self._texts("missing") or typing_columns.MISSING) | {""}
        header = options.get("header")
        if header is not None and not isinstance(header, bool):
            raise self._bad("header", "true or false")
        delimiter = self._text("delimiter")
        if delimiter is not None:
            delimiter = {"\\t": "\t", "tab": "\t", "comma": ",", "semicolon": ";"}.get(delimiter, delimiter)
            if len(delimiter) != 1:
                raise self._bad("delimiter", "one character")
        self._decimal = self._text("decimal")
        if self._decimal not in {None, ".", ","}:
            raise self._bad("decimal", "'.' or ','")
        self._wanted = Wanted(delimiter, header, self._text("encoding"), self._texts("columns"))
        self._dialects: dict[Path, Dialect] = {}
        self._decimals: dict[Path, str] = {}

    def _bad(self, key: str, right: str) -> InputError:
        return InputError(
            f"{self._where}: option {key!r} is {self.settings.options[key]!r}; it must be {right}", code="bad-option"
        )

    def _text(self, key: str) -> str | None:
        value = self.settings.options.get(key)
        if value is not None and not isinstance(value, str):
            raise self._bad(key, "text")
        return value

    def _texts(self, key: str) -> tuple[str, ...]:
        value = self.settings.options.get(key)
        if value is None:
            return ()
        if isinstance(value, str):
            return (value,)
        if isinstance(value, (list, tuple)) and all(isinstance(each, (str, int, float)) for each in value):
            return tuple(str(each) for each in value)
        raise self._bad(key, "text or a list of texts")

    def _files(self) -> list[Path]:
        path = self.settings.path
        if path.is_dir():
            found = sorted(each for each in path.iterdir() if each.name.lower().endswith(_ENDINGS) and each.is_file())
            if not found:
                raise InputError(
                    f"{self._where}: the folder {path} holds no table",
                    code="empty-source",
                    hint="tables end in .csv, .tsv or .parquet (also .gz)",
                )
            return found
        if not path.exists() and glob.has_magic(str(path)):
            found = sorted(Path(each) for each in glob.glob(str(path)) if Path(each).is_file())  # noqa: PTH207 - absolute
            if found:
                return found
        must_exist(path, "source table")
        return [path]

    def fingerprint(self, index: Index) -> str:
        """Return the digest of the files' names and contents; only changed files are hashed."""
        stats = []
        for path in self._files():
            try:
                found = path.stat()
            except OSError as error:
                raise InputError(
                    f"{self._where}: {path} cannot be opened: {reason(error)}", code="unreadable"
                ) from None
            stats.append((os.fsencode(path), found.st_size, found.st_mtime_ns, found.st_ino, found.st_ctime_ns))
        key = f"table:{self.settings.path}"
        mark = canonical.digest_value([[printable(stat[0]), *stat[1:]] for stat in stats])
        known = index.listing(key, mark)
        if known is None:
            seen = index.known(key)
            parts, fresh = [], []
            for stat in stats:
                entry = seen.get(stat[0])
                if entry is not None and entry[:4] == stat[1:]:
                    digest = entry[4]
                else:
                    digest = _digest(stat[0], self._where)
                    fresh.append((stat, digest))
                parts.append([printable(os.path.basename(stat[0])), digest])  # noqa: PTH119 - bytes
            index.remember_files(key, fresh)
            known = canonical.digest_value(parts)
            index.remember_listing(key, mark, known)
        return known

    def survey(self) -> Survey:
        """Read the files once to learn columns and types."""
        remarks: list[str] = []
        types: dict[str, list[str]] = {}
        for path in self._files():
            found = _parquet_columns(path, self._where) if _is_parquet(path) else self._survey_text(path, remarks)
            self._check_columns(path, list(found))
            for name, kind in found.items():
                types.setdefault(name, []).append(kind)
        leave = {self._label, self._group, *self._ignore}
        remarks.extend(f"columns left out because the spec says so: {name}" for name in self._ignore)
        return Survey(
            {name: typing_columns.widest(kinds) for name, kinds in types.items() if name not in leave}, tuple(remarks)
        )

    def _survey_text(self, path: Path, remarks: list[str]) -> dict[str, str]:
        dialect = sniff(path, self._wanted)
        names, renamed = distinct(dialect.names)
        if renamed and any(name == self._label for name in renamed):
            raise InputError(
                f"table {path}: two columns are named {self._label!r}, the column to predict",
                code="duplicate-header",
                hint="rename one, or name all with 'columns:'",
            )
        tallies = [typing_columns.Tally(name) for name in names]
        rows = ragged = 0
        offset = 1 if dialect.index_column else 0
        for entry in Reader(path, dialect):
            if isinstance(entry, Rejected):
                continue
            cells = entry[1]
            if len(cells) != len(names) + offset:
                ragged += 1
                continue
            rows += 1
            for tally, cell in zip(tallies, cells[offset:], strict=True):
                cell = cell.strip()
                if cell in self._missing:
                    tally.missing += 1
                else:
                    tally.add(cell)
        if not rows:
            raise InputError(
                f"table {path} has no rows" + (f" but {ragged} ragged ones" if ragged else ""),
                code="empty-table",
                hint=NEEDS,
            )
        if ragged > rows:
            raise InputError(
                f"table {path}: {ragged} of {rows + ragged} rows don't have the {len(names)} cells of the header",
                code="ragged-table",
                hint="is the delimiter right? set 'delimiter:'",
            )
        decimal = self._decimal or _decimal_sign(tallies, dialect)
        if decimal == ",":
            remarks.append(f"{path.name}: numbers are written with a decimal comma")
        remarks.extend(dialect.remarks)
        self._dialects[path] = dialect
        self._decimals[path] = decimal
        return {tally.name: tally.type(decimal) for tally in tallies}

    def _check_columns(self, path: Path, names: Sequence[str]) -> None:
        for wanted, what in ((self._label, "the column to predict"), (self._group, "the group column")):
            if wanted is not None and wanted not in names:
                near = difflib.get_close_matches(wanted, names, 1, 0.5)
                raise InputError(
                    f"table {path}: {what}, {wanted!r}, is not there; its columns: {_some(names)}",
                    code="missing-column",
                    hint=f"did you mean {near[0]!r}?" if near else "set 'label:' in modelwright.yaml",
                )
        if self._label is None:
            raise InputError(
                f"{self._where}: the spec doesn't say which column to predict; columns of {path.name}: {_some(names)}",
                code="missing-label",
                hint="set 'label:' in modelwright.yaml",
            )

    def items(self, columns: Mapping[str, str]) -> Iterator[Item | Rejected]:
        """Stream the rows, then what is odd about each file."""
        if not self._dialects and any(not _is_parquet(path) for path in self._files()):
            self.survey()
        for path in self._files():
            if _is_parquet(path):
                yield from self._parquet_items(path, columns)
            else:
                yield from self._text_items(path, columns)

    def _text_items(self, path: Path, columns: Mapping[str, str]) -> Iterator[Item | Rejected]:
        dialect = self._dialects[path]
        names, renamed = distinct(dialect.names)
        for name in renamed:
            yield Rejected(
                path.name,
                "duplicate-header",
                f"{path.name}: more than one column is named {name!r}; the later ones are used as {name + '.2'!r} …",
                0.5,
                column=name,
            )
        offset = 1 if dialect.index_column else 0
        reader = Reader(path, dialect)
        strays: dict[str, dict[str, int]] = {}
        number = 0
        decimal = self._decimals[path]
        for entry in reader:
            if isinstance(entry, Rejected):
                yield entry
                continue
            line, cells = entry
            if len(cells) != len(names) + offset:
                yield Rejected(
                    f"{path.name}#line{line}",
                    "ragged-row",
                    f"{path.name} line {line} has {len(cells)} cells, not {len(names) + offset}",
                    evidence={"line": line, "cells": len(cells), "expected": len(names) + offset},
                )
                continue
            number += 1
            row = {
                name: None if (cell := text.strip()) in self._missing else cell
                for name, text in zip(names, cells[offset:], strict=True)
            }
            yield self._item(f"{path.name}#{number}", row, columns, decimal, strays)
        yield from self._oddities(path, strays, reader)

    def _oddities(self, path: Path, strays: Mapping[str, Mapping[str, int]], reader: Reader) -> Iterator[Rejected]:
        for name, words in strays.items():
            yield Rejected(
                path.name,
                "type-mix",
                f"{path.name}: column {name!r} holds numbers, but {sum(words.values())} cells are none "
                f"({_some(list(words))}); they are taken as missing",
                0.4,
                {"cells": dict(words)},
                name,
            )
        if reader.other_encoding:
            yield Rejected(
                path.name,
                "mixed-encoding",
                f"{path.name}: {reader.other_encoding} lines are not UTF-8 (first: line {reader.other_line}); "
                "they are read as Windows-1252",
                0.4,
                {"lines": reader.other_encoding, "first": reader.other_line},
            )

    def _item(
        self,
        path: str,
        row: Mapping[str, Any],
        columns: Mapping[str, str],
        decimal: str,
        strays: dict[str, dict[str, int]],
    ) -> Item:
        typed: dict[str, Any] = {}
        for name, kind in columns.items():
            value = row.get(name)
            if value is None or kind == "text":
                typed[name] = None if value is None else str(value)
                continue
            if isinstance(value, str):
                parsed = typing_columns.number(value, kind == "integer", decimal)
                if parsed is None:
                    words = strays.setdefault(name, {})
                    if len(words) < 20 or value in words:
                        words[value] = words.get(value, 0) + 1
                value = parsed
            typed[name] = float(value) if kind == "number" and value is not None else value
        group = row.get(self._group) if self._group else None
        label = row.get(self._label) if self._label else None
        return Item(path, label, None if group is None else str(group), raw=canonical.dumps(typed), row=typed)

    def _parquet_items(self, path: Path, columns: Mapping[str, str]) -> Iterator[Item | Rejected]:
        number = 0
        wanted = [*columns, *(name for name in (self._label, self._group) if name)]
        for batch in _parquet_batches(path, wanted, self._where):
            for row in batch:
                number += 1
                plain = {name: self._plain(value) for name, value in row.items()}
                yield self._item(f"{path.name}#{number}", plain, columns, ".", {})

    def preview(self, path: Path, rows: int) -> tuple[list[str], list[dict[str, Any]]]:
        """Return the columns of a Parquet file and its first ``rows`` rows, plain values."""
        names = list(_parquet_columns(path, self._where))
        first: list[dict[str, Any]] = []
        for batch in _parquet_batches(path, names, self._where):
            first.extend({name: self._plain(value) for name, value in row.items()} for row in batch)
            if len(first) >= rows:
                break
        return names, first[:rows]

    def _plain(self, value: Any) -> Any:
        if isinstance(value, str):
            value = value.strip()
            return None if value in self._missing else value
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, float) and (value != value or value in {float("inf"), float("-inf")}):  # noqa: PLR0124 - NaN
            return None
        if isinstance(value, decimals.Decimal):
            return float(value) if value.is_finite() else None
        if isinstance(value, (dt.date, dt.time)):
            return value.isoformat()
        if isinstance(value, bytes):
            return value.decode("utf-8", "backslashreplace")
        return value


def _digest(path: bytes, where: str) -> str:
    try:
        return canonical.digest_file(os.fsdecode(path))
    except OSError as error:
        raise InputError(f"{where}: {printable(path)} cannot be read: {reason(error)}", code="unreadable") from None


def _is_parquet(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"PAR1"
    except OSError:
        return False


def _parquet_file(path: Path, where: str) -> Any:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise MissingExtraError("reading Parquet", "train") from None
    try:
        return parquet.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{where}: {path} is not readable as Parquet: {_first(error)}", code="corrupt") from None


def _parquet_columns(path: Path, where: str) -> dict[str, str]:
    import pyarrow.types as kinds

    types: dict[str, str] = {}
    for field in _parquet_file(path, where).schema_arrow:
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


def _parquet_batches(path: Path, columns: Sequence[str], where: str) -> Iterator[list[dict[str, Any]]]:
    import pyarrow as pa

    file = _parquet_file(path, where)
    present = [name for name in columns if name in file.schema_arrow.names]
    try:
        for batch in file.iter_batches(batch_size=2048, columns=present, use_threads=False):
            yield batch.to_pylist()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{where}: {path} is damaged: {_first(error)}", code="corrupt") from None


def _first(error: Exception) -> str:
    return str(error).split("\n", 1)[0]


def _decimal_sign(tallies: Sequence[typing_columns.Tally], dialect: Dialect) -> str:
    if dialect.delimiter == ",":
        return "."
    fractions = sum(tally.numbers - tally.integers for tally in tallies)
    return "," if sum(tally.commas for tally in tallies) > fractions else "."


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name[:40]) for name in names[:12])
    return shown if len(names) <= 12 else f"{shown} and {len(names) - 12} more"
