"""Our reading of Excel workbooks, beside openpyxl's."""

from __future__ import annotations

import datetime as dt
import zipfile
from pathlib import Path
from typing import Any

import pytest

from modelwright.errors import InputError
from modelwright.prepare.collect.workbook import Workbook

openpyxl = pytest.importorskip("openpyxl")


def rows_of(path: Path, sheet: str | None = None) -> list[tuple[int, list[Any]]]:
    book = Workbook(path, path.name, path.stat().st_size)
    try:
        return [
            (number, [cells.get(place) for place in range(max(cells) + 1)])
            for number, cells in book.rows(sheet or next(iter(book.sheets)))
        ]
    finally:
        book.close()


def by_openpyxl(path: Path, sheet: str | None = None) -> list[tuple[int, list[Any]]]:
    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    found = []
    for number, row in enumerate((book[sheet] if sheet else book.worksheets[0]).iter_rows(values_only=True), 1):
        cells = list(row)
        while cells and cells[-1] is None:
            cells.pop()
        if cells:
            found.append((number, cells))
    book.close()
    return found


@pytest.mark.parametrize("since_1904", [False, True])
def test_cells_are_what_openpyxl_reads(tmp_path: Path, since_1904: bool) -> None:
    from openpyxl.cell.rich_text import CellRichText, TextBlock
    from openpyxl.cell.text import InlineFont
    from openpyxl.utils.datetime import CALENDAR_MAC_1904

    book = openpyxl.Workbook()
    if since_1904:
        book.epoch = CALENDAR_MAC_1904
    sheet = book.active
    sheet.append(["whole", "fraction", " text ", True, False, None, "#N/A"])
    sheet.append([1, -0.5, "<&> ü 😀 \n line", 1e300, -(10**15), 7, None])
    sheet.append([])
    moment = dt.datetime(2026, 3, 1, 12, 30, 15)  # noqa: DTZ001 - a sheet knows no time zones
    sheet.append([moment, dt.date(1999, 12, 31), dt.time(23, 59), dt.timedelta(hours=30)])
    sheet.append([CellRichText("plain ", TextBlock(InlineFont(b=True), "and bold")), "=1+1"])
    sheet["J9"] = 5
    sheet["A9"].number_format = "yyyy-mm-dd"
    sheet["A9"] = 45_000.25
    for format_, cell in (('"day" 0', "B9"), ("0.00", "C9"), ("[h]:mm:ss", "D9"), ("dd.mm.yyyy hh:mm", "E9")):
        sheet[cell] = 45_000.25
        sheet[cell].number_format = format_
    other = book.create_sheet("other sheet")
    other.append(["x", 2])
    book.save(tmp_path / "a.xlsx")
    assert rows_of(tmp_path / "a.xlsx") == by_openpyxl(tmp_path / "a.xlsx")
    assert len(rows_of(tmp_path / "a.xlsx")) == 5
    assert rows_of(tmp_path / "a.xlsx", "other sheet") == [(1, ["x", 2])]


def test_parts_may_be_called_as_they_like(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["a", 1])
    book.save(tmp_path / "a.xlsx")
    names = {
        "xl/workbook.xml": "book/main.xml",
        "xl/_rels/workbook.xml.rels": "book/_rels/main.xml.rels",
        "xl/worksheets/sheet1.xml": "book/one.xml",
        "xl/sharedStrings.xml": "book/words.xml",
    }
    with (
        zipfile.ZipFile(tmp_path / "a.xlsx") as old,
        zipfile.ZipFile(tmp_path / "b.xlsx", "w") as new,
    ):
        for name in old.namelist():
            text = old.read(name).decode()
            for before, after in (
                ("/xl/worksheets/sheet1.xml", "one.xml"),
                ("/xl/sharedStrings.xml", "/book/words.xml"),
            ):
                text = text.replace(f'Target="{before}"', f'Target="{after}"')
            new.writestr(names.get(name, name), text.replace('"xl/workbook.xml"', '"/book/main.xml"'))
    assert rows_of(tmp_path / "b.xlsx") == [(1, ["a", 1])]


@pytest.mark.parametrize("missing", ["xl/workbook.xml", "xl/worksheets/sheet1.xml", "xl/_rels/workbook.xml.rels"])
def test_what_is_missing_is_said(tmp_path: Path, missing: str) -> None:
    book = openpyxl.Workbook()
    book.active.append(["a", 1])
    book.save(tmp_path / "a.xlsx")
    with (
        zipfile.ZipFile(tmp_path / "a.xlsx") as old,
        zipfile.ZipFile(tmp_path / "b.xlsx", "w") as new,
    ):
        for name in old.namelist():
            if name != missing:
                new.writestr(name, old.read(name))
    with pytest.raises(InputError, match=r"b\.xlsx is not readable as a workbook: it has no") as caught:
        rows_of(tmp_path / "b.xlsx")
    assert caught.value.code == "corrupt"
