"""One file as rows of plain cells by column, whatever its format: what the steps of a recording are read from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from modelwright.errors import InputError
from modelwright.prepare.collect import typing_columns
from modelwright.prepare.collect.base import Rejected
from modelwright.prepare.collect.delimited import Dialect, Reader, Wanted, sniff
from modelwright.prepare.collect.member_files import File
from modelwright.prepare.collect.rowmaking import RowMaker
from modelwright.prepare.collect.sql import SqlSource
from modelwright.prepare.collect.typed import TypedFile, tallied, typed_file
from modelwright.tasks.modalities.table.headers import distinct


@dataclass(frozen=True)
class Query:
    """The rows of a query, in the place of a file."""

    source: SqlSource
    name: str = "query"


class StepTable:
    """One file.

    Parameters
    ----------
    path
        The file, or a query.
    where
        The source, for messages.
    wanted
        What the spec says about delimited text.
    sheet
        Sheet of a workbook.
    missing
        Cells that mean "missing".
    """

    def __init__(
        self, path: File | Query, where: str, wanted: Wanted, sheet: str | None, missing: frozenset[str]
    ) -> None:
        self._path, self._missing, self._where = path, missing, where
        self.typed: TypedFile | None = None
        self._dialect: Dialect | None = None
        if not isinstance(path, Query):
            self.typed = typed_file(path, where, sheet)
            self._dialect = sniff(path, wanted) if self.typed is None else None
        self.remarks: tuple[str, ...] = () if self._dialect is None else self._dialect.remarks
        names = self._dialect.names if self._dialect is not None else ()
        # "#time,value": the mark is no part of the name
        self._names = distinct([name.lstrip("# ") or name for name in names])[0]
        self._cells = RowMaker(None, None, missing, where)

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any] | Rejected]:
        """Stream the rows, None for missing cells; of typed files only ``columns``."""
        if isinstance(self._path, Query):
            yield from self._path.source.rows()
            return
        if self.typed is not None:
            for found in self.typed.rows(list(columns) if columns is not None else list(self.typed.columns())):
                if isinstance(found, Rejected):
                    yield found
                else:
                    yield {name: self._cells.plain(value) for name, value in found.items()}
            return
        yield from self._text_rows()

    def _text_rows(self) -> Iterator[dict[str, Any] | Rejected]:
        dialect, path = self._dialect, self._path
        assert dialect is not None
        assert not isinstance(path, Query)
        offset = 1 if dialect.index_column else 0
        width = len(self._names) + offset
        if offset:
            words = (
                f"{path.name}: the header has {width - 1} names, the rows have {width} cells; the first cell of each "
                "row is taken as an index and left out"
            )
            yield Rejected(path.name, "short-header", words, 0.4, {"names": width - 1, "cells": width})
        reader = Reader(path, dialect)
        for entry in reader:
            if isinstance(entry, Rejected):
                yield entry
                continue
            line, cells = entry
            if len(cells) != width:
                words = f"{path.name} line {line} has {len(cells)} cells, not {width}"
                evidence = {"line": line, "cells": len(cells), "expected": width}
                yield Rejected(f"{path.name}#line{line}", "ragged-row", words, evidence=evidence)
                continue
            yield {
                name: None if (cell := text.strip()) in self._missing else cell
                for name, text in zip(self._names, cells[offset:], strict=True)
            }
        if reader.other_encoding:
            words = (
                f"{path.name}: {reader.other_encoding} lines are not UTF-8 (first: line {reader.other_line}); "
                "they are read as Windows-1252"
            )
            evidence = {"lines": reader.other_encoding, "first": reader.other_line}
            yield Rejected(path.name, "mixed-encoding", words, 0.4, evidence)

    def columns(self, decimal: str | None) -> tuple[dict[str, str], str]:
        """Return the columns' types, and the decimal sign."""
        if self.typed is not None:
            return self.typed.columns(), "."
        if isinstance(self._path, Query):
            found, count = tallied(self._path.source.rows(), self._missing, self._where)
            if not count:
                raise InputError(f"{self._where}: the query found no rows", code="empty-table")
            return found, "."
        tallies = {name: typing_columns.Tally(name) for name in self._names}
        count = 0
        for row in self._text_rows():
            if isinstance(row, Rejected):
                continue
            count += 1
            for name, cell in row.items():
                if cell is not None:
                    tallies[name].add(cell)
        if not count:
            raise InputError(f"table {self._path} has no rows", code="empty-table", hint="one row a step")
        assert self._dialect is not None
        if decimal is None:
            commas = sum(tally.commas for tally in tallies.values())
            points = sum(tally.numbers - tally.integers for tally in tallies.values())
            decimal = "," if self._dialect.delimiter != "," and commas > points else "."
        return {name: tally.type(decimal) if tally.seen else "number" for name, tally in tallies.items()}, decimal
