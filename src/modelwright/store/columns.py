"""The columns of a Parquet file as they are asked for: a table of millions of samples is never in memory whole."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

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

    def pieces(self, name: str) -> Iterator[Any]:
        """Yield a column as Arrow arrays, one a row group; none is kept."""
        if name in self._small:
            yield from self._small[name].chunks
            return
        from pyarrow import parquet

        with parquet.ParquetFile(self._path) as file:
            for group in range(file.num_row_groups):
                yield from file.read_row_group(group, columns=[name], use_threads=False)[name].chunks

    def take(self, name: str, places: NDArray[np.int64] | Sequence[int]) -> Any:
        """Return the cells of a column at ``places``, in their order, as an Arrow array.

        Of a large column only the row groups that hold them are read.
        """
        import pyarrow as pa
        from pyarrow import parquet

        wanted = np.asarray(places, np.int64)
        if name not in self._small and self._packed(name) <= SMALL:
            self[name]
        if name in self._small:
            column = self._small[name]
            return pa.concat_arrays([pa.array([], column.type), *column.take(pa.array(wanted)).chunks])
        order = np.argsort(wanted, kind="stable")
        ordered = wanted[order]
        made, start = [], 0
        with parquet.ParquetFile(self._path) as file:
            made.append(pa.array([], file.schema_arrow.field(name).type))
            for group in range(file.num_row_groups):
                stop = start + file.metadata.row_group(group).num_rows
                inside = ordered[np.searchsorted(ordered, start) : np.searchsorted(ordered, stop)] - start
                if len(inside):
                    column = file.read_row_group(group, columns=[name], use_threads=False)[name]
                    made += column.take(pa.array(inside)).chunks
                start = stop
        back = np.empty(len(order), np.int64)
        back[order] = np.arange(len(order))
        return pa.concat_arrays(made).take(pa.array(back))

    def find(self, name: str, texts: Collection[str]) -> tuple[list[int], list[str]]:
        """Return the rows where a column is one of ``texts``, ascending, and which one it is there."""
        import pyarrow as pa
        from pyarrow import compute

        places: list[int] = []
        found: list[str] = []
        wanted, start = pa.array(sorted(texts), pa.string()), 0
        for piece in self.pieces(name) if texts else ():
            inside = compute.is_in(piece, value_set=wanted)
            places += (start + np.flatnonzero(inside.to_numpy(zero_copy_only=False))).tolist()
            found += piece.filter(inside).to_pylist()
            start += len(piece)
        return places, found

    def _packed(self, name: str) -> int:
        """Return the bytes that a column takes in the file before compression."""
        from pyarrow import parquet

        metadata, place = parquet.read_metadata(self._path), self.column_names.index(name)
        groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
        return sum(int(group.column(place).total_uncompressed_size) for group in groups)


def digest_bytes(column: Any) -> bytes:
    """Return a column of hexadecimal digests, none of them missing, as bytes: 32 each, and not a text for each."""
    made = bytearray()
    for chunk in column.chunks:
        text = chunk.buffers()[2][64 * chunk.offset : 64 * (chunk.offset + len(chunk))]
        made += bytes.fromhex(text.to_pybytes().decode("ascii"))
    return bytes(made)
