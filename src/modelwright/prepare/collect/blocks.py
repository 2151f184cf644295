"""Tables by the block: Arrow columns to what the row-by-row way makes of the same cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from modelwright.errors import InputError
from modelwright.prepare.collect import bulk, rowtext
from modelwright.prepare.collect.base import Block, Rejected
from modelwright.prepare.collect.classes import named
from modelwright.prepare.collect.delimited import Dialect
from modelwright.prepare.collect.member_files import File
from modelwright.prepare.collect.rowmaking import RowMaker, Strays, count_stray, stray_issues
from modelwright.prepare.collect.typed import ArrowTable, ParquetTable, first_line
from modelwright.tasks.limits import FLOAT32_MAX

_CELLS = 1 << 20
"""Cells of a block of a typed file."""


def of_text(
    path: File,
    dialect: Dialect,
    names: Sequence[str],
    columns: Mapping[str, str],
    maker: RowMaker,
    missing: frozenset[str],
    decimal: str,
) -> Iterator[Block | Rejected]:
    """Yield the rows of a plain delimited file, and what is odd about them.

    Raises
    ------
    NotPlainError
        If the file changed since it was surveyed, and is not plain any more.
    """
    import pyarrow as pa

    arrow = {"integer": pa.int64(), "number": pa.float64(), "text": pa.string()}
    inputs = {name: arrow[kind] for name, kind in columns.items() if name in names}
    roles = {role: name for role, name in maker.roles.items() if name and not (role == "time" and name in columns)}
    reader = bulk.Reader(dialect, names, missing, decimal)
    strays: Strays = {}
    first = 1
    for lines in bulk.lines(path, dialect):
        risky = b"0x" in lines.data or b"0X" in lines.data
        types = {name: pa.string() if risky else kind for name, kind in inputs.items()}
        table = reader.table(lines, types | dict.fromkeys(roles.values(), pa.string()))
        yield from bulk.ragged(path.name, reader.ragged, len(names) + dialect.index_column)
        count = len(table)
        if not count:
            continue
        if any(table[name].type == pa.float64() and bulk.infinite(table[name]) for name in inputs):
            table = reader.table(lines, dict.fromkeys(table.column_names, pa.string()))
        made = {
            name: bulk.converted(table[name], kind, decimal, missing, name, strays)
            if name in names
            else pa.nulls(count, arrow[kind])
            for name, kind in columns.items()
        }
        told = {role: bulk.cleaned(table[name].combine_chunks(), missing) for role, name in roles.items()}
        rows = pa.table(made)
        yield Block(path.name, first, rows, **_with_names(told, maker), texts=rowtext.of_table(rows))
        first += count
    yield from stray_issues(path.name, strays)


def of_typed(
    path: File,
    file: ParquetTable | ArrowTable,
    columns: Mapping[str, str],
    maker: RowMaker,
    missing: frozenset[str],
    where: str,
) -> Iterator[Block | Rejected]:
    """Yield the rows of a Parquet or Arrow file, and what is odd about them."""
    import pyarrow as pa

    arrow = {"integer": pa.int64(), "number": pa.float64(), "text": pa.string()}
    roles = {role: name for role, name in maker.roles.items() if name and not (role == "time" and name in columns)}
    wanted = list(dict.fromkeys([*columns, *roles.values()]))
    strays: Strays = {}
    first = 1
    try:
        for batch in file.batches(wanted, max(256, _CELLS // max(len(wanted), 1))):
            count = len(batch)
            made = {}
            for name, kind in columns.items():
                if name not in batch.schema.names:
                    made[name] = pa.nulls(count, arrow[kind])
                    continue
                made[name] = _as(plain(batch[name], maker), kind, missing, name, strays)
            there = {role: name for role, name in roles.items() if name in batch.schema.names}
            told = {role: _told(role, plain(batch[name], maker)) for role, name in there.items()}
            rows = pa.table(made)
            yield Block(path.name, first, rows, **_with_names(told, maker), texts=rowtext.of_table(rows))
            first += count
    except (pa.ArrowException, OSError, UnicodeDecodeError, EOFError) as error:
        raise InputError(f"{where}: {path} is damaged: {first_line(error)}", code="corrupt") from None
    yield from stray_issues(path.name, strays)


def plain(column: Any, maker: RowMaker) -> Any:
    """Return what ``maker.plain`` gives for each cell: an Arrow array of int64, uint64, double or text."""
    import pyarrow as pa
    import pyarrow.types as kinds
    from pyarrow import compute

    kind = column.type
    if kinds.is_uint64(kind):
        return column
    if kinds.is_integer(kind):
        return column.cast(pa.int64())
    if kinds.is_float32(kind) or kinds.is_float64(kind):
        wide = column.cast(pa.float64())
        return compute.if_else(compute.is_finite(wide), wide, pa.scalar(None, pa.float64()))
    if kinds.is_boolean(kind):
        return column.cast(pa.string())
    coded = column if kinds.is_dictionary(kind) else column.dictionary_encode()
    values = [maker.plain(value) for value in coded.dictionary.to_pylist()]
    return pa.array(values).take(coded.indices)


def _as(column: Any, kind: str, missing: frozenset[str], name: str, strays: Strays) -> Any:
    import pyarrow as pa
    import pyarrow.types as kinds
    from pyarrow import compute

    if kinds.is_null(column.type) or kinds.is_string(column.type):
        return bulk.converted(column, kind, ".", missing, name, strays)
    if kind == "text":
        if kinds.is_integer(column.type):
            return column.cast(pa.string())
        coded = column.dictionary_encode()
        return pa.array([str(value) for value in coded.dictionary.to_pylist()], pa.string()).take(coded.indices)
    if kind == "integer":
        return column.cast(pa.int64(), safe=False)
    wide = column.cast(pa.float64(), safe=False)
    beyond = compute.greater(compute.abs(wide), FLOAT32_MAX)
    if compute.any(beyond).as_py():
        for value in wide.filter(beyond).to_pylist():
            count_stray(strays, name, str(value))
        wide = compute.if_else(beyond, pa.scalar(None, pa.float64()), wide)
    return wide


def _with_names(told: dict[str, Any], maker: RowMaker) -> dict[str, Any]:
    """Return the roles' columns, with the names of labels that are numbers."""
    import pyarrow as pa

    if not maker.classes or "label" not in told:
        return told
    coded = told["label"].dictionary_encode()
    names = [named(value, maker.classes) for value in coded.dictionary.to_pylist()]
    return {**told, "label": pa.array([str(name) for name in names], pa.string()).take(coded.indices)}


def _told(role: str, column: Any) -> Any:
    """Return a role's column; all but labels and times as text."""
    import pyarrow as pa
    import pyarrow.types as kinds

    if role in {"label", "time"} or kinds.is_string(column.type) or kinds.is_null(column.type):
        return column
    coded = column.dictionary_encode()
    return pa.array([str(value) for value in coded.dictionary.to_pylist()], pa.string()).take(coded.indices)
