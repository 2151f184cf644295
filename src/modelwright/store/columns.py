"""The columns of a Parquet file as they are asked for: a table of millions of samples is never in memory whole."""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray

SMALL = 48 << 20
"""Bytes up to which a column is kept once it was read; of larger ones only the last is."""
_FEW = 10_000
"""Different texts up to which a coded column is kept."""


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
        self._digests: NDArray[np.uint8] | None = None
        self._coded: dict[str, tuple[NDArray[np.signedinteger[Any]], list[Any]]] = {}
        self._numbers: dict[str, NDArray[np.float64]] = {}
        self._turns: dict[str, Lock] = {}
        """Of each column, held by who reads it: another thread waits for it rather than read it too."""

    def __len__(self) -> int:
        return self.num_rows

    def __getitem__(self, name: str) -> Any:
        """Return a column as a ``pyarrow.ChunkedArray``."""
        with self._turns.setdefault(name, Lock()):
            if name in self._small:
                return self._small[name]
            large = self._large
            if large is not None and large[0] == name:
                return large[1]
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

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return a column of numbers as ``(n,) float64``, NaN where one is missing; not to be written to."""
        with self._turns.setdefault(name, Lock()):
            if name in self._numbers:
                return self._numbers[name]
            made, start = np.empty(self.num_rows, np.float64), 0
            for piece in self.pieces(name):
                made[start : start + len(piece)] = piece.to_numpy(zero_copy_only=False)
                start += len(piece)
            made.flags.writeable = False
            if made.nbytes <= SMALL:
                self._numbers[name] = made
            return made

    def ahead(self, names: Iterable[str]) -> Thread:
        """Read those of some columns that are small in another thread, which is returned: they will be asked for.

        The column ``id`` is read as :meth:`digests` gives it, and measures as :meth:`numbers` does.
        """
        wanted = [name for name in names if name in self.column_names]

        def read() -> None:
            with suppress(OSError, ValueError):  # whoever asks meets it again, and says it
                for name in wanted:
                    if name == "id":
                        if 32 * self.num_rows <= SMALL:
                            self.digests()
                    elif name.startswith("measure."):
                        if 8 * self.num_rows <= SMALL:
                            self.numbers(name)
                    elif self._packed(name) <= SMALL:
                        self[name]

        thread = Thread(target=read, name="columns ahead", daemon=True)
        thread.start()
        return thread

    def pieces(self, name: str) -> Iterator[Any]:
        """Yield a column as Arrow arrays, one a row group; none is kept."""
        if name in self._small:
            yield from self._small[name].chunks
            return
        from pyarrow import parquet

        with parquet.ParquetFile(self._path) as file:
            for group in range(file.num_row_groups):
                yield from file.read_row_group(group, columns=[name], use_threads=False)[name].chunks

    def digests(self) -> NDArray[np.uint8]:
        """Return the column ``id``, none of it missing, as ``(n, 32)`` bytes: half of what texts take."""
        with self._turns.setdefault("id", Lock()):
            if self._digests is not None:
                return self._digests
            made, start = np.empty((self.num_rows, 32), np.uint8), 0
            for piece in self.pieces("id"):
                text = piece.buffers()[2][64 * piece.offset : 64 * (piece.offset + len(piece))]
                made[start : start + len(piece)] = np.frombuffer(unhexlify(text), np.uint8).reshape(-1, 32)
                start += len(piece)
            if made.nbytes <= SMALL:
                self._digests = made
            return made

    def coded(self, name: str) -> tuple[NDArray[np.signedinteger[Any]], list[Any]]:
        """Return a column of texts, few of them different, as ``(n,)`` narrow codes, -1 for missing, and the texts.

        They are numbered as they come up. Both are kept, unless there are many different texts.
        """
        with self._turns.setdefault(name, Lock()):
            if name in self._coded:
                return self._coded[name]
            found = self._read_coded(name)
            if len(found[1]) <= _FEW:
                self._coded[name] = found
            return found

    def _read_coded(self, name: str) -> tuple[NDArray[np.signedinteger[Any]], list[Any]]:
        from pyarrow import parquet

        made: NDArray[np.signedinteger[Any]] = np.empty(self.num_rows, np.int8)
        start, most = 0, 1 << 7
        known: dict[Any, int] = {}
        with parquet.ParquetFile(self._path, read_dictionary=[name]) as file:
            for group in range(file.num_row_groups):
                for piece in file.read_row_group(group, columns=[name], use_threads=False)[name].chunks:
                    encoded = piece.dictionary_encode()
                    own = encoded.indices.fill_null(len(encoded.dictionary)).to_numpy(zero_copy_only=False)
                    codes = [known.setdefault(value, len(known)) for value in encoded.dictionary.to_pylist()]
                    if len(known) > most:
                        made = made.astype(np.min_scalar_type(-len(known)))
                        most = int(np.iinfo(made.dtype).max) + 1
                    made[start : start + len(piece)] = np.array([*codes, -1], made.dtype)[own]
                    start += len(piece)
        return made, list(known)

    def take(self, name: str, places: NDArray[np.int64] | Sequence[int]) -> Any:
        """Return the cells of a column at ``places``, in their order, as an Arrow array.

        Of a large column only the row groups that hold them are read.
        """
        import pyarrow as pa

        wanted = np.asarray(places, np.int64)
        if name == "id" and 32 * self.num_rows <= SMALL:
            return pa.array([each.tobytes().hex() for each in self.digests()[wanted]], pa.string())
        if name not in self._small and self._packed(name) <= SMALL:
            self[name]
        if name in self._small:
            column = self._small[name]
            return pa.concat_arrays([pa.array([], column.type), *column.take(pa.array(wanted)).chunks])
        return self.pick(name, wanted)

    def pick(self, name: str, places: NDArray[np.int64] | Sequence[int]) -> Any:
        """Return what :meth:`take` does, of the row groups that hold ``places`` alone; nothing is kept."""
        import pyarrow as pa
        from pyarrow import parquet

        wanted = np.asarray(places, np.int64)
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
