"""Rows into files: one writer a form, each fed row by row, so that no table has to fit into memory."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from modelwright.errors import InputError, MissingExtraError

Row = Mapping[str, Any]
Put = Callable[[Row], None]
Types = Mapping[str, str]
"""Column to Arrow type: ``int64``, ``double`` or ``string``."""

SHEET_ROWS, SHEET_COLUMNS, SHEET_TEXT = 1_048_576, 16_384, 32_767
"""What a sheet of Excel can hold: rows, columns, and characters in a cell (Excel's "specifications and limits")."""
ROWS_TABLE = "samples"
"""The table that :func:`sqlite_rows` fills."""
_CHUNK = 4096
_TYPED = "mw export dataset-parquet"


@contextmanager
def csv_rows(path: Path, types: Types, delimiter: str = ",") -> Iterator[Put]:
    """Write CSV with a header; numbers in as many digits as give them back, missing values as nothing."""
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        lines.writerow(types)

        def put(row: Row) -> None:
            cells = ["" if row.get(name) is None else row[name] for name in types]
            if any(isinstance(cell, str) and "\0" in cell for cell in cells):
                raise _cannot("a text holds a NUL byte, which CSV cannot keep")
            lines.writerow([repr(cell) if isinstance(cell, float) else cell for cell in cells])

        yield put


@contextmanager
def tsv_rows(path: Path, types: Types) -> Iterator[Put]:
    """Write the same with tabs between the cells."""
    with csv_rows(path, types, "\t") as put:
        yield put


@contextmanager
def json_rows(path: Path, types: Types) -> Iterator[Put]:  # noqa: ARG001 - JSON says what is a text itself
    """Write JSON lines, one object a row."""
    with path.open("w", encoding="utf-8", newline="") as file:
        yield lambda row: print(json.dumps(row, ensure_ascii=False, allow_nan=False), file=file)


@contextmanager
def parquet_rows(path: Path, types: Types) -> Iterator[Put]:
    """Write Parquet, compressed by Zstandard."""
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in types.items()])
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer, _tables(writer, schema) as put:
        yield put


@contextmanager
def arrow_rows(path: Path, types: Types) -> Iterator[Put]:
    """Write an Arrow IPC file (Feather version 2), which others can map into memory as it is."""
    import pyarrow as pa
    from pyarrow import ipc

    schema = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in types.items()])
    with ipc.new_file(str(path), schema) as writer, _tables(writer, schema) as put:
        yield put


@contextmanager
def _tables(writer: Any, schema: Any) -> Iterator[Put]:
    import pyarrow as pa

    waiting: list[Row] = []

    def flush() -> None:
        if waiting:
            writer.write_table(pa.Table.from_pylist(waiting, schema))
            waiting.clear()

    def put(row: Row) -> None:
        waiting.append(row)
        if len(waiting) == _CHUNK:
            flush()

    yield put
    flush()


@contextmanager
def excel_rows(path: Path, types: Types) -> Iterator[Put]:
    """Write one sheet of an Excel workbook. Texts are texts, also those that begin like formulas.

    Raises
    ------
    MissingExtraError
        Without openpyxl.
    InputError
        For more rows, columns or letters in a cell than a sheet holds, and letters that XML cannot keep.
    """
    try:
        import openpyxl
        from openpyxl.cell import WriteOnlyCell
        from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
    except ImportError:
        raise MissingExtraError("writing Excel workbooks", "excel") from None
    if len(types) > SHEET_COLUMNS:
        raise _cannot(f"a sheet of Excel holds {SHEET_COLUMNS:,} columns; there are {len(types):,}")
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("samples")
    written = 0

    def unwritable(text: str) -> bool:  # openpyxl lets U+FFFE and U+FFFF pass, which are no characters of XML 1.0
        return not {"\r", "\ufffe", "\uffff"}.isdisjoint(text) or bool(ILLEGAL_CHARACTERS_RE.search(text))

    def cell(value: Any) -> Any:
        if value is None:
            return None
        if isinstance(value, str) and (len(value) > SHEET_TEXT or unwritable(value)):
            what = f"more than {SHEET_TEXT:,} letters" if len(value) > SHEET_TEXT else "a control character"
            raise _cannot(f"a text has {what}, which a cell of Excel cannot keep")
        # openpyxl would write 16 digits of a number, which are not always enough, and take "=1+1" for a formula.
        made = WriteOnlyCell(sheet, value if isinstance(value, str) else repr(value))
        made.data_type = "s" if isinstance(value, str) else "n"
        return made

    def put(row: Row) -> None:
        nonlocal written
        written += 1
        if written >= SHEET_ROWS:
            raise _cannot(f"a sheet of Excel holds {SHEET_ROWS:,} rows with its header, and there are more")
        sheet.append([cell(row.get(name)) for name in types])

    try:
        sheet.append([cell(name) for name in types])
        yield put
    finally:
        book.save(path)  # also a sheet left halfway: only so its temporary file goes away
        book.close()


@contextmanager
def sqlite_rows(path: Path, types: Types) -> Iterator[Put]:
    """Write a table ``samples`` of an SQLite database, typed.

    Raises
    ------
    InputError
        If two columns differ in capitals only: to SQLite they are one.
    """
    if len({name.casefold() for name in types}) < len(types):
        raise _cannot("names of columns differ in capitals only, which SQLite takes for one")
    kinds = {"int64": "INTEGER", "double": "REAL", "string": "TEXT"}
    quoted = ['"' + name.replace('"', '""') + '"' for name in types]
    columns = ", ".join(f"{name} {kinds[kind]}" for name, kind in zip(quoted, types.values(), strict=True))
    insert = f"INSERT INTO {ROWS_TABLE} VALUES ({', '.join('?' * len(types))})"  # noqa: S608 - only question marks
    database = sqlite3.connect(path, isolation_level=None)
    waiting: list[list[Any]] = []

    def flush() -> None:
        database.executemany(insert, waiting)
        waiting.clear()

    def put(row: Row) -> None:
        waiting.append([row.get(name) for name in types])
        if len(waiting) == _CHUNK:
            flush()

    try:
        database.execute(f"CREATE TABLE {ROWS_TABLE} ({columns})")
        database.execute("BEGIN")
        yield put
        flush()
        database.execute("COMMIT")
    except sqlite3.Error as error:
        raise _cannot(f"SQLite cannot keep the rows: {error}") from error
    finally:
        database.close()


def _cannot(what: str) -> InputError:
    return InputError(what, code="wrong-form", hint=_TYPED)
