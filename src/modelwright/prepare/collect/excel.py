"""Excel workbooks (``.xlsx``), by openpyxl with defusedxml: no entities, no formulas run, bounded memory."""

from __future__ import annotations

import datetime as dt
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from modelwright.errors import InputError, MissingExtraError
from modelwright.prepare.collect import typing_columns
from modelwright.prepare.collect.base import Rejected
from modelwright.prepare.collect.json_lines import clean, plain
from modelwright.prepare.collect.member_files import File
from modelwright.prepare.collect.regular import MOST_COLUMNS
from modelwright.prepare.collect.typed import first_line, seekable, tallied

LARGEST_WORKBOOK = 512 << 20
"""Bytes that a workbook may have when unpacked; its texts are held in memory."""


class ExcelTable:
    """One sheet of a workbook: its first row names the columns, formulas count as the values last saved with them."""

    def __init__(self, path: File, where: str, sheet: str | None) -> None:
        self._path, self._where, self._sheet = path, where, sheet
        try:
            import defusedxml
            import openpyxl
        except ImportError:
            raise MissingExtraError("reading Excel workbooks", "excel") from None
        del defusedxml, openpyxl  # openpyxl takes defusedxml's parsers if it is there

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
        import openpyxl
        from defusedxml.common import DefusedXmlException

        self._check_size()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about styles and extensions that don't matter here
                book = openpyxl.load_workbook(
                    seekable(self._path, self._where), read_only=True, data_only=True, keep_links=False
                )
                try:
                    yield from self._sheet_rows(book)
                finally:
                    book.close()
        except DefusedXmlException as error:
            raise InputError(
                f"{self._where}: {self._path} holds XML that is not let in ({type(error).__name__})", code="bomb"
            ) from None
        except InputError:
            raise
        except Exception as error:  # noqa: BLE001 - a damaged workbook makes openpyxl raise nearly anything
            why = first_line(error) or type(error).__name__
            raise InputError(
                f"{self._where}: {self._path} is not readable as a workbook: {why}",
                code="corrupt",
            ) from None

    def _check_size(self) -> None:
        try:
            with zipfile.ZipFile(seekable(self._path, self._where)) as archive:
                size = sum(info.file_size for info in archive.infolist())
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise InputError(f"{self._where}: {self._path} is damaged: {first_line(error)}", code="corrupt") from None
        if size > LARGEST_WORKBOOK:
            raise InputError(
                f"{self._where}: {self._path} unpacks to {size:,} bytes, more than {LARGEST_WORKBOOK:,}",
                code="bomb",
                hint="save it as CSV or Parquet",
            )

    def _sheet_rows(self, book: Any) -> Iterator[Mapping[str, Any] | Rejected]:
        names = list(book.sheetnames)
        if self._sheet is not None and self._sheet not in names:
            raise InputError(
                f"{self._where}: {self._path} has no sheet {self._sheet!r}; it has: {', '.join(names[:12])}",
                code="missing-column",
            )
        sheet = book[self._sheet or names[0]]
        header: list[str] = []
        # What the file claims as its size may be a million empty rows; only rows that are there are seen.
        for number, cells in enumerate(sheet.iter_rows(values_only=True, max_col=MOST_COLUMNS), 1):
            if all(cell is None for cell in cells):
                continue
            if not header:
                header = _names(cells)
                continue
            name = Path(self._path.name).name
            if any(cell is not None for cell in cells[len(header) :]):
                yield Rejected(
                    f"{name}#line{number}",
                    "ragged-row",
                    f"{name} row {number} has cells beyond the {len(header)} columns of the header",
                    evidence={"line": number},
                )
                continue
            yield {key: _cell(cell) for key, cell in zip(header, cells, strict=False)}


def _names(cells: Sequence[Any]) -> list[str]:
    found: list[str] = []
    last = max(place for place, cell in enumerate(cells) if cell is not None)
    for place, cell in enumerate(cells[: last + 1], 1):
        name = clean(str(cell).strip()) if cell is not None else f"column{place}"
        while name in found:
            name = f"{name}.2"
        found.append(name)
    return found


def _cell(value: Any) -> Any:
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat()
    return plain(value)
