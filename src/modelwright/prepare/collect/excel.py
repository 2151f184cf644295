"""Excel workbooks (``.xlsx``) as tables."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from modelwright.errors import InputError, MissingExtraError
from modelwright.prepare.collect import typing_columns
from modelwright.prepare.collect.base import Rejected
from modelwright.prepare.collect.bounded import size_of
from modelwright.prepare.collect.json_lines import clean, plain
from modelwright.prepare.collect.member_files import File
from modelwright.prepare.collect.typed import seekable, tallied
from modelwright.prepare.collect.workbook import Workbook


class ExcelTable:
    """One sheet of a workbook: its first row names the columns, formulas count as the values last saved with them."""

    def __init__(self, path: File, where: str, sheet: str | None) -> None:
        self._path, self._where, self._sheet = path, where, sheet
        try:
            import openpyxl
        except ImportError:
            raise MissingExtraError("reading Excel workbooks", "excel") from None
        del openpyxl  # what number formats mean is asked of it

    def columns(self) -> dict[str, str]:
        """Return the columns of the sheet."""
        types, count = tallied(self.rows(()), frozenset(typing_columns.MISSING), f"{self._where}: {self._path}")
        if not count:
            raise InputError(f"{self._where}: {self._path} has no rows", code="empty-table", hint="set 'sheet:'")
        return types

    def lists(self) -> list[str]:
        """Return nothing: a cell of a sheet holds one value."""
        return []

    def rows(self, columns: Sequence[str]) -> Iterator[Mapping[str, Any] | Rejected]:
        """Stream the rows of the sheet."""
        del columns
        where = f"{self._where}: {self._path}"
        book = Workbook(seekable(self._path, self._where), where, size_of(self._path))
        try:
            yield from self._sheet_rows(book)
        finally:
            book.close()

    def _sheet_rows(self, book: Workbook) -> Iterator[Mapping[str, Any] | Rejected]:
        names = list(book.sheets)
        if self._sheet is not None and self._sheet not in names:
            raise InputError(
                f"{self._where}: {self._path} has no sheet {self._sheet!r}; it has: {', '.join(names[:12])}",
                code="missing-column",
            )
        header: list[str] = []
        for number, cells in book.rows(self._sheet or names[0]):
            if not header:
                header = _names(cells)
                continue
            name = Path(self._path.name).name
            if max(cells) >= len(header):
                yield Rejected(
                    f"{name}#line{number}",
                    "ragged-row",
                    f"{name} row {number} has cells beyond the {len(header)} columns of the header",
                    evidence={"line": number},
                )
                continue
            yield {key: _cell(cells.get(place)) for place, key in enumerate(header)}


def _names(cells: Mapping[int, Any]) -> list[str]:
    found: dict[str, None] = {}
    for place in range(max(cells) + 1):
        cell = cells.get(place)
        name = clean(str(cell).strip()) if cell is not None else f"column{place + 1}"
        while name in found:
            name = f"{name}.2"
        found[name] = None
    return list(found)


def _cell(value: Any) -> Any:
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat()
    return plain(value)
