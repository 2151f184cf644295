"""The columns of a Parquet file as they are asked for: a table of millions of samples is never in memory whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

SMALL = 48 << 20
"""Bytes up to which a column is kept once it was read; of larger ones only the last is."""


class Columns:
    """A Parquet file, opened; used like a ``pyarrow.Table`` by those who ask for columns.

    Parameters
    ----------
    path
        The file.
    """

    def __init__(self, path: Path) -> None:
        from pyarrow import parquet

        self._path = path
        metadata = parquet.read_metadata(path)
        self.num_rows = int(metadata.num_rows)
        self.column_names = [str(name) for name in metadata.schema.to_arrow_schema().names]
        self._small: dict[str, Any] = {}
        self._large: tuple[str, Any] | None = None

    def __len__(self) -> int:
        return self.num_rows

    def __getitem__(self, name: str) -> Any:
        """Return a column as a ``pyarrow.ChunkedArray``."""
        if name in self._small:
            return self._small[name]
        if self._large is not None and self._large[0] == name:
            return self._large[1]
        if name not in self.column_names:
            raise KeyError(name)
        from pyarrow import parquet

        self._large = None
        with parquet.ParquetFile(self._path) as file:
            column = file.read(columns=[name], use_threads=False)[name]
        if column.nbytes <= SMALL:
            self._small[name] = column
        else:
            self._large = (name, column)
        return column

    def select(self, names: Sequence[str]) -> Selected:
        """Return some of the columns, of which rows can be taken."""
        return Selected(self, names)


class Selected:
    """Some columns of a file."""

    def __init__(self, columns: Columns, names: Sequence[str]) -> None:
        self._columns, self._names = columns, names

    def take(self, places: Any) -> Any:
        """Return a ``pyarrow.Table`` of the rows at ``places``."""
        import pyarrow as pa

        return pa.table({name: self._columns[name].take(places) for name in self._names})


def digest_bytes(column: Any) -> bytes:
    """Return a column of hexadecimal digests, none of them missing, as bytes: 32 each, and not a text for each."""
    made = bytearray()
    for chunk in column.chunks:
        text = chunk.buffers()[2][64 * chunk.offset : 64 * (chunk.offset + len(chunk))]
        made += bytes.fromhex(text.to_pybytes().decode("ascii"))
    return bytes(made)
