"""``rows.parquet``: the columns of tables, or the texts of samples that were cut from one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.gather.scratch import PART
from modelwright.store.dataset import ROW_TEXT

_CHUNK = 8192
_TEXT_GROUP = 32_000_000
_ARROW = {"integer": "int64", "number": "double", "text": "string"}


class RowWriter:
    """Writes ``rows.parquet``: the columns of tables, in order, in row groups of 8,192.

    Of ``texts``, which may be long (windows of series are), groups end after 32 million characters too.
    """

    def __init__(self, path: Path, columns: Mapping[str, str], *, texts: bool = False) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        self._schema = pa.schema([(name, _ARROW[kind]) for name, kind in columns.items()])
        # Of numbers with fractions nearly all differ: a dictionary would cost a quarter of the time, and twice to read.
        coded = [name for name, kind in columns.items() if kind != "number"]
        self._writer = parquet.ParquetWriter(path, self._schema, compression="zstd", use_dictionary=coded or False)
        self._rows: list[Mapping[str, Any]] = []
        self._tables: list[Any] = []
        self._held = 0
        self._texts, self._size = texts, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._flush()
        self._write(last=True)
        self._writer.close()

    def add_table(self, table: Any) -> None:
        """Add many rows, a ``pyarrow.Table`` with these columns."""
        self._flush()
        self._tables.append(table.select(self._schema.names).cast(self._schema))
        self._held += len(table)
        self._write(last=False)

    def add(self, row: Mapping[str, Any]) -> None:
        """Add one row."""
        self._rows.append(row)
        if self._texts:
            self._size += len(row[ROW_TEXT] or "")
        if len(self._rows) == _CHUNK or self._size >= _TEXT_GROUP:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._rows:
            arrays = [pa.array([row[field.name] for row in self._rows], field.type) for field in self._schema]
            table = pa.Table.from_arrays(arrays, schema=self._schema)
            count, self._rows, self._size = len(self._rows), [], 0
            if self._texts:
                self._writer.write_table(table, row_group_size=count)
                return
            self._tables.append(table)
            self._held += count
            self._write(last=False)

    def _write(self, *, last: bool) -> None:
        """Write whole row groups, and at last what is left: the file does not depend on how rows came."""
        import pyarrow as pa

        count = self._held if last else self._held - self._held % _CHUNK
        if count:
            table = pa.concat_tables(self._tables)
            self._writer.write_table(table.slice(0, count).combine_chunks(), row_group_size=_CHUNK)
            self._tables = [table.slice(count)] if count < self._held else []
            self._held -= count


class NoRows:
    """Stands where no source keeps rows."""

    def __enter__(self) -> Self:
        return self

    def add(self, row: Mapping[str, Any]) -> None:
        """Keep nothing: this sample's bytes are in its source."""

    def __exit__(self, *exception: object) -> None:
        return


def pieces_of(path: Path, name: str) -> Iterator[Any]:
    """Yield a column of a Parquet file as Arrow arrays, a part in memory at a time."""
    from pyarrow import parquet

    # Read ahead, Arrow would keep all of the file that it has passed.
    with parquet.ParquetFile(path, pre_buffer=False) as file:
        for batch in file.iter_batches(PART, columns=[name], use_threads=False):
            yield batch.column(0)


def taken_of(path: Path, name: str, places: NDArray[np.int64]) -> Any:
    """Return the values of a column at ascending ``places`` as an Arrow array, without the whole column."""
    import pyarrow as pa

    made, start = [], 0
    for piece in pieces_of(path, name):
        low, high = np.searchsorted(places, [start, start + len(piece)])
        made.append(piece.take(pa.array(places[low:high] - start)))
        start += len(piece)
    return pa.concat_arrays(made)


def columns_of(path: Path, names: Sequence[str] | None = None) -> Iterator[tuple[str, Any]]:
    """Yield ``(name, pyarrow.ChunkedArray)`` of a Parquet file, all columns or some, one in memory at a time."""
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        for name in file.schema_arrow.names if names is None else names:
            yield name, file.read(columns=[name], use_threads=False)[name]
