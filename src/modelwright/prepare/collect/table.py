"""Source ``table``: CSV, TSV, JSON lines, Parquet, Arrow and Excel files, one sample a row."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from modelwright.errors import InputError
from modelwright.prepare.collect import text_rows, typing_columns
from modelwright.prepare.collect.ahead import ahead
from modelwright.prepare.collect.archive import cache_of
from modelwright.prepare.collect.base import Block, Item, Kept, Rejected, Settings, Survey, must_exist, printable
from modelwright.prepare.collect.classes import ClassFile
from modelwright.prepare.collect.delimited import NEEDS, Dialect, Reader, Wanted, sniff
from modelwright.prepare.collect.digesting import files_digest
from modelwright.prepare.collect.member_files import File, MemberFile
from modelwright.prepare.collect.options import Options
from modelwright.prepare.collect.regular import most_samples, too_many
from modelwright.prepare.collect.rowmaking import RowMaker, Strays, stray_issues
from modelwright.prepare.collect.text_rows import TextMaker
from modelwright.prepare.collect.typed import ArrowTable, ParquetTable, TypedFile, typed_file
from modelwright.store.packed import archive_kind, open_archive
from modelwright.tasks.modalities.table.headers import distinct

if TYPE_CHECKING:
    from modelwright.prepare.cache.index import Index

_ENDINGS = (
    *(
        f"{ending}{packed}"
        for ending in (".csv", ".tsv", ".txt", ".data", ".jsonl", ".ndjson")
        for packed in ("", ".gz")
    ),
    *(".parquet", ".pq", ".arrow", ".feather", ".xlsx"),
)
_TABLES_END = "tables end in .csv, .tsv, .jsonl (also .gz), .parquet, .arrow, .feather or .xlsx"


class TableSource:
    """A CSV, TSV, JSON lines, Parquet, Arrow or Excel file, a folder or archive of them, or ``data/*.csv``; or gzipped.

    Encoding, delimiter, header, decimal sign and column types are detected, said, and can be set by options. Spaces
    around a cell are no part of it. Cells that mean "missing" are ``?``, ``NA``, ``nan``, ``null`` and empty ones, or
    those of the option ``missing``. A sample's raw form is the canonical JSON of its row without the label, group and
    ignored columns.
    """

    kind: ClassVar[str] = "table"
    option_names: ClassVar[Mapping[str, str]] = {
        "label": "column to predict, where it differs from the spec's 'label'",
        "labels": "list of columns that are a tag each, 0 or 1, in place of 'label'",
        "classes": "file with the names of classes that are numbers, one a line; default: classes.txt beside; or none",
        "delimiter": "character between columns; default: detected",
        "header": "true or false: whether the first row names the columns; default: detected",
        "columns": "list of column names, for files without a header",
        "encoding": "such as utf-8 or cp1252; default: detected",
        "decimal": "'.' or ','; default: detected",
        "missing": "list of cells that mean 'missing'",
        "group": "column whose equal values never straddle two splits",
        "time": "column with a row's time, for splits by time",
        "split": "column that says train, validation or test",
        "ignore": "list of columns to leave out",
        "text": "list of columns that hold words, whatever they look like; of texts: those that are the text",
        "sheet": "sheet of an Excel workbook; default: the first",
    }
    kept: ClassVar[Kept] = "rows"

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        options = settings.options
        self._where = f"source 'table: {settings.location}'"
        asked = Options(self.kind, settings)
        self._label = asked.text("label") or settings.label
        self._group = asked.text("group")
        self._ignore = asked.texts("ignore")
        self._sheet = asked.text("sheet")
        self._words = asked.texts("text")
        self._names = ClassFile(asked.text("classes"), settings, self._where)
        self._named = False
        self._missing = frozenset(asked.texts("missing") or typing_columns.MISSING) | {""}
        self._texts = settings.input == "text"
        self._rows = (TextMaker if self._texts else RowMaker)(
            self._label,
            self._group,
            self._missing,
            self._where,
            time=asked.text("time"),
            split=asked.text("split"),
            flags=asked.texts("labels"),
            unlabelled=settings.output == "none",
        )
        header = options.get("header")
        if header is not None and not isinstance(header, bool):
            raise asked.bad("header", "true or false")
        delimiter = asked.text("delimiter")
        if delimiter is not None:
            delimiter = {"\\t": "\t", "tab": "\t", "comma": ",", "semicolon": ";"}.get(delimiter, delimiter)
            if len(delimiter) != 1:
                raise asked.bad("delimiter", "one character")
        self._decimal = asked.text("decimal")
        if self._decimal not in {None, ".", ","}:
            raise asked.bad("decimal", "'.' or ','")
        self._wanted = Wanted(delimiter, header, asked.text("encoding"), asked.texts("columns"))
        self._members: list[File] | None = None
        self._dialects: dict[File, Dialect] = {}
        self._decimals: dict[File, str] = {}
        self._plain: set[File] = set()

    def _files(self) -> Sequence[File]:
        path = self.settings.path
        if self._members is not None:
            return self._members
        if path.is_dir():
            names = self._names.path()
            found = sorted(
                each
                for each in path.iterdir()
                if each.name.lower().endswith(_ENDINGS) and each.is_file() and each != names
            )
            if not found:
                raise InputError(
                    f"{self._where}: the folder {path} holds no table",
                    code="empty-source",
                    hint=_TABLES_END,
                )
            return found
        if not path.exists() and glob.has_magic(str(path)):
            found = sorted(Path(each) for each in glob.glob(str(path)) if Path(each).is_file())  # noqa: PTH207 - absolute
            if found:
                return found
        must_exist(path, "source table")
        if not path.name.lower().endswith((".xlsx", ".xlsm")) and archive_kind(path):
            self._members = self._in_archive(path)
            return self._members
        return [path]

    def _in_archive(self, path: Path) -> list[File]:
        archive = open_archive(path, cache_of(self.settings))
        found: list[File] = []
        for member in archive.members():
            name = member.name.lower()
            hidden = any(part[:1] in {b".", b"_"} for part in name.split(b"/"))
            if hidden or not name.endswith(tuple(ending.encode() for ending in _ENDINGS)):
                continue
            if member.problem.startswith("too-large"):
                member = replace(member, problem="")  # it is streamed
            if member.problem:
                raise InputError(
                    f"{self._where}: {printable(member.name)} in {path.name} {member.problem.partition(': ')[2]}",
                    code="unreadable",
                )
            found.append(MemberFile(archive, member))
        if not found:
            raise InputError(f"{self._where}: the archive {path} holds no table", code="empty-source", hint=_TABLES_END)
        return sorted(found, key=str)

    def fingerprint(self, index: Index) -> str:
        """Return the digest of the files' names and contents; only changed files are hashed."""
        files = [path for path in self._files() if isinstance(path, Path)] or [self.settings.path]
        if (names := self._names.path()) is not None:
            files = [*files, names]
        return files_digest(index, f"table:{self.settings.path}", files, self._where)

    def survey(self) -> Survey:
        """Read the files once to learn columns and types."""
        remarks: list[str] = []
        types: dict[str, list[str]] = {}
        for path in self._files():
            typed = typed_file(path, self._where, self._sheet)
            found = self._survey_text(path, remarks) if typed is None else typed.columns()
            self._rows.check_columns(str(path), [*found, *(typed.lists() if typed is not None else ())])
            for name, kind in found.items():
                types.setdefault(name, []).append("text" if name in self._words else kind)
        self._name_classes(remarks)
        leave = {*self._rows.no_inputs, *self._ignore}
        remarks.extend(f"columns left out because the spec says so: {name}" for name in self._ignore)
        columns = {name: typing_columns.widest(kinds) for name, kinds in types.items() if name not in leave}
        if self._texts:
            chosen, why = text_rows.choose(self._words, columns, self._first(columns), self._where)
            remarks.append(f"the text is {' and '.join(map(repr, chosen))}: {why}")
            columns = dict.fromkeys(chosen, "text")
        return Survey(columns, tuple(remarks))

    def _name_classes(self, remarks: list[str]) -> None:
        """Find the names of labels that are numbers, once."""
        if not self._named and self._rows.roles["label"] and self._names.path() is not None:
            self._rows.classes, said = self._names.fit(self._labels())
            remarks.extend([said] if said else ())
        self._named = True

    def _labels(self) -> Iterator[Any]:
        """Yield all labels as they are; missing ones are None."""
        plain = RowMaker(self._rows.roles["label"], None, self._missing, self._where)
        for path in self._files():
            typed = typed_file(path, self._where, self._sheet)
            found = self._text_items(path, {}, plain) if typed is None else self._typed_items(path, typed, {}, plain)
            yield from (item.label for item in found if isinstance(item, Item))

    def _first(self, columns: Mapping[str, str]) -> list[Mapping[str, Any]]:
        """Return the inputs of the first rows as they are."""
        path = self._files()[0]
        typed = typed_file(path, self._where, self._sheet)
        plain = RowMaker(None, None, self._missing, self._where)
        found = (
            self._text_items(path, columns, plain) if typed is None else self._typed_items(path, typed, columns, plain)
        )
        rows = (item.row for item in found if isinstance(item, Item) and item.row is not None)
        return list(islice(rows, text_rows.LOOKED_AT))

    def _survey_text(self, path: File, remarks: list[str]) -> dict[str, str]:
        from modelwright.prepare.collect import bulk

        dialect = sniff(path, self._wanted)
        names, renamed = distinct(dialect.names)
        if renamed and any(name == self._label for name in renamed):
            raise InputError(
                f"table {path}: two columns are named {self._label!r}, the column to predict",
                code="duplicate-header",
                hint="rename one, or name all with 'columns:'",
            )
        try:
            tallies, rows, ragged = self._counted_by_block(path, dialect, names)
            self._plain.add(path)
        except bulk.NotPlainError:
            self._plain.discard(path)
            tallies, rows, ragged = self._counted(path, dialect, names)
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
        decimal = self._decimal or typing_columns.decimal_sign(tallies, dialect.delimiter)
        if decimal == ",":
            remarks.append(f"{path.name}: numbers are written with a decimal comma")
        remarks.extend(dialect.remarks)
        self._dialects[path] = dialect
        self._decimals[path] = decimal
        return {tally.name: tally.type(decimal) for tally in tallies}

    def _counted(
        self, path: File, dialect: Dialect, names: Sequence[str]
    ) -> tuple[list[typing_columns.Tally], int, int]:
        """Return what the columns hold, the rows, and the ragged rows; row by row."""
        tallies = [typing_columns.Tally(name) for name in names]
        rows = ragged = 0
        most = most_samples()
        offset = 1 if dialect.index_column else 0
        for entry in Reader(path, dialect):
            if isinstance(entry, Rejected):
                continue
            cells = entry[1]
            if len(cells) != len(names) + offset:
                ragged += 1
                continue
            rows += 1
            if rows > most:
                raise too_many(f"table {path} has", most)
            for tally, cell in zip(tallies, cells[offset:], strict=True):
                cell = cell.strip()
                if cell in self._missing:
                    tally.missing += 1
                else:
                    tally.add(cell)
        return tallies, rows, ragged

    def _counted_by_block(
        self, path: File, dialect: Dialect, names: Sequence[str]
    ) -> tuple[list[typing_columns.Tally], int, int]:
        from modelwright.prepare.collect import bulk

        tallies = [typing_columns.Tally(name) for name in names]
        whole = dialect.delimiter != ","
        reader = bulk.Reader(dialect, names, self._missing, ".")
        survey = bulk.Survey(reader, tallies, self._missing, whole=whole)
        most = most_samples()
        for lines in ahead(bulk.lines(path, dialect)):
            survey.add(lines)
            if survey.rows > most:
                raise too_many(f"table {path} has", most)
        if whole and any(tally.commas for tally in tallies):
            raise bulk.NotPlainError  # which sign is the decimal one is decided by counting them all
        return tallies, survey.rows, survey.ragged

    def items(self, columns: Mapping[str, str]) -> Iterator[Item | Rejected]:
        """Stream the rows, then what is odd about each file."""
        self._ready()
        for path in self._files():
            typed = typed_file(path, self._where, self._sheet)
            if typed is not None:
                yield from self._typed_items(path, typed, columns, self._rows)
                continue
            yield from self._text_items(path, columns, self._rows)

    def blocks(self, columns: Mapping[str, str]) -> Iterator[Item | Block | Rejected]:
        """Stream the rows, those of plain text files, Parquet and Arrow by the block."""
        from modelwright.prepare.collect import blocks, bulk

        if type(self._rows) is not RowMaker or self._rows.flags:
            yield from self.items(columns)
            return
        self._ready()
        for path in self._files():
            typed = typed_file(path, self._where, self._sheet)
            if isinstance(typed, (ParquetTable, ArrowTable)):
                yield from ahead(blocks.of_typed(path, typed, columns, self._rows, self._missing, self._where))
                continue
            if typed is not None:
                yield from self._typed_items(path, typed, columns, self._rows)
                continue
            if path not in self._plain:
                yield from self._text_items(path, columns, self._rows)
                continue
            yield from self._header_oddities(path)
            dialect = self._dialects[path]
            names, _ = distinct(dialect.names)
            try:
                yield from ahead(
                    blocks.of_text(path, dialect, names, columns, self._rows, self._missing, self._decimals[path])
                )
            except bulk.NotPlainError:
                raise InputError(
                    f"{self._where}: {path} changed while it was read", code="source-changed", hint="run it again"
                ) from None

    def _ready(self) -> None:
        """Look at the files as :meth:`survey` does, where it was not asked before."""
        for path in self._files():
            if path not in self._dialects and typed_file(path, self._where, self._sheet) is None:
                self._survey_text(path, [])
        self._name_classes([])

    def _header_oddities(self, path: File) -> Iterator[Rejected]:
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
        if dialect.index_column:
            yield Rejected(
                path.name,
                "short-header",
                f"{path.name}: the header has {len(names)} names, the rows have {len(names) + 1} cells; the first cell "
                "of each row is taken as an index and left out",
                0.4,
                {"names": len(names), "cells": len(names) + 1},
            )

    def _text_items(self, path: File, columns: Mapping[str, str], maker: RowMaker) -> Iterator[Item | Rejected]:
        yield from self._header_oddities(path)
        dialect = self._dialects[path]
        names, _ = distinct(dialect.names)
        offset = 1 if dialect.index_column else 0
        reader = Reader(path, dialect)
        strays: Strays = {}
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
            yield maker.item(f"{path.name}#{number}", row, columns, decimal, strays)
        yield from self._oddities(path, strays, reader)

    def _oddities(self, path: File, strays: Mapping[str, Mapping[str, int]], reader: Reader) -> Iterator[Rejected]:
        yield from stray_issues(path.name, strays)
        if reader.literal:
            yield Rejected(
                path.name,
                "literal-quotes",
                f"{path.name}: {reader.literal} lines have a quotation mark that begins a cell and doesn't end it "
                f"(first: line {reader.literal_line}); they are taken as text, where the usual reading of CSV would "
                "swallow the lines that follow",
                0.3,
                {"lines": reader.literal, "first": reader.literal_line},
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

    def _typed_items(
        self, path: File, file: TypedFile, columns: Mapping[str, str], maker: RowMaker
    ) -> Iterator[Item | Rejected]:
        wanted = list(dict.fromkeys([*columns, *maker.named]))
        strays: Strays = {}
        number = 0
        for row in file.rows(wanted):
            if isinstance(row, Rejected):
                yield row
                continue
            number += 1
            plain = {name: self._rows.plain(value) for name, value in row.items()}
            yield maker.item(f"{path.name}#{number}", plain, columns, ".", strays)
        yield from stray_issues(path.name, strays)

    def preview(self, path: Path, rows: int) -> tuple[list[str], list[dict[str, Any]]]:
        """Return the columns of a typed file and its first ``rows`` rows, plain values."""
        file = typed_file(path, self._where, self._sheet)
        assert file is not None
        names = list(file.columns())
        first: list[dict[str, Any]] = []
        for row in file.rows(names):
            if not isinstance(row, Rejected):
                first.append({name: self._rows.plain(row.get(name)) for name in names})
            if len(first) >= rows:
                break
        return names, first
