"""Parquet and Arrow files in bounded memory: what they claim is looked at before anything is unpacked.

Both formats can hold a billion rows in a few kilobytes: by dictionaries, runs of equal values and compression. So rows
are counted first, what a column unpacks to is compared with what it takes in the file, texts are left as codes of a
dictionary until a few of them are wanted, and what has come out so far is watched.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from modelwright.errors import InputError
from modelwright.prepare.collect.member_files import File
from modelwright.prepare.collect.parquet_footer import BYTE_ARRAY, Footer, Pread, pages_unpack_to
from modelwright.prepare.collect.regular import FREE_ROWS, ROWS_A_BYTE, most_samples, too_many
from modelwright.store.packed.base import bomb

BATCH = 64 << 20
"""Bytes of a batch of rows, unpacked; at least one row."""
BOMB_BYTES, BOMB_RATIO = 1 << 30, 1000
"""A file whose cells take more than so much, and more than so many times its size, is taken for a bomb."""
CHUNK = 256 << 20
"""Bytes to which one column of one row group, or one Arrow batch, unpacks without question …"""
CHUNK_RATIO = 200
"""… and beyond them it may unpack to so many times its size. Of what is written so, little reaches 50."""
_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3


def size_of(path: File) -> int:
    """Return the bytes of a file or member."""
    return path.stat().st_size if isinstance(path, Path) else path.member.size


class Watch:
    """Counts the rows and bytes that come out of one file.

    Parameters
    ----------
    most
        Rows that are read at most, whatever the file's size and this machine's memory.

    Raises
    ------
    modelwright.errors.InputError
        ``too-many-rows`` beyond ``most``, or what the file's size or this machine's memory is enough for; ``bomb``
        beyond :data:`BOMB_BYTES` and :data:`BOMB_RATIO` times the file's size.
    """

    def __init__(self, path: File, where: str, most: int | None = None) -> None:
        self._path, self._where = path, where
        self._size = size_of(path)
        self._most = max(FREE_ROWS, ROWS_A_BYTE * self._size) if most is None else most
        self._room = most_samples() if most is None else most
        self._rows = 0
        self._bytes = 0

    def rows(self, count: int) -> None:
        """Count rows."""
        self._rows += count
        if self._rows > self._most:
            raise InputError(
                f"{self._where}: {self._path} has {self._rows:,} rows or more in {self._size:,} bytes; of so small a "
                f"file, {self._most:,} are read at most",
                code="too-many-rows",
                hint="give a random sample of them",
            )
        if self._rows > self._room:
            raise too_many(f"{self._where}: {self._path} has", self._room)

    def split(self, batch: Any, rows: int) -> Iterator[Any]:
        """Yield a ``pyarrow.RecordBatch`` in slices of at most ``rows`` rows and :data:`BATCH` bytes as plain cells."""
        import numpy as np

        width = sum(_fixed(column) for column in batch.columns)
        sizes = np.full(len(batch), width, np.int64)
        for column in batch.columns:
            if (lengths := _lengths(column)) is not None:
                sizes += lengths
        ends = np.cumsum(sizes)
        start = 0
        while start < len(batch):
            before = int(ends[start - 1]) if start else 0
            stop = max(start + 1, min(start + rows, int(np.searchsorted(ends, before + BATCH, "right"))))
            stop = min(stop, len(batch))
            self._bytes += int(ends[stop - 1]) - before
            if self._bytes > BOMB_BYTES and self._bytes > BOMB_RATIO * self._size:
                raise bomb(self._path, self._bytes, self._size)
            yield batch.slice(start, stop - start)
            start = stop


def _fixed(column: Any) -> int:
    try:
        return max(1, int(column.type.bit_width) // 8)
    except ValueError:  # of changing width, or nested
        return 8 if _lengths(column) is not None else -(-int(column.nbytes) // max(len(column), 1))


def _lengths(column: Any) -> Any:
    """Return the bytes of each text of a column, also where it is coded; None for other columns."""
    import pyarrow as pa
    from pyarrow import compute

    kind = column.type
    coded = pa.types.is_dictionary(kind)
    inner = kind.value_type if coded else kind
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    if not any(test(inner) for test in tests):
        return None
    lengths = compute.binary_length(column.dictionary if coded else column).cast(pa.int64())
    if coded:
        lengths = lengths.take(column.indices)
    return lengths.fill_null(0).to_numpy(zero_copy_only=False)


def check_parquet(footer: Footer, pread: Pread, path: File, where: str, most: int | None = None) -> None:
    """Refuse a Parquet file that says, in its footer or its pages, that it holds too much for its size, or ``most``."""
    Watch(path, where, most).rows(footer.rows)
    whole = 0
    for group in footer.groups:
        for chunk in group.chunks:
            unpacked = max(chunk.unpacked, pages_unpack_to(pread, chunk, CHUNK, f"{where}: {path}"))
            whole += unpacked
            if unpacked > CHUNK and unpacked > CHUNK_RATIO * chunk.packed:
                raise bomb(f"{where}: column {chunk.path!r} of {path}", unpacked, chunk.packed)
    if whole > BOMB_BYTES and whole > BOMB_RATIO * (size := size_of(path)):
        raise bomb(f"{where}: {path}", whole, size)


def parquet_plan(footer: Footer, columns: Sequence[str], rows: int) -> tuple[int, list[str]]:
    """Return how many rows of a Parquet file's ``columns`` to read at once, and the columns to leave as codes.

    Parameters
    ----------
    rows
        To read at most.
    """
    wanted = set(columns)
    coded: dict[str, None] = {}
    for group in footer.groups:
        total = 0
        for chunk in group.chunks:
            top, _, nested = chunk.path.partition(".")
            if top not in wanted and chunk.path not in wanted:
                continue
            total += chunk.unpacked
            if chunk.physical == BYTE_ARRAY and chunk.coded:
                if nested:  # can't be left as codes; a cell may be the whole dictionary
                    rows = min(rows, max(1, 2 * CHUNK // max(chunk.unpacked, 1)))
                else:
                    coded[chunk.path] = None
        rows = min(rows, max(1, BATCH * max(group.rows, 1) // max(total, 1)))
    return max(rows, 1), list(coded)


def check_arrow(source: Any, path: File, where: str) -> None:
    """Refuse an Arrow file or stream, of which ``source`` is at the start, with a batch that unpacks to too much."""
    import pyarrow as pa
    from pyarrow import ipc

    if source.read(6) != b"ARROW1":
        source.seek(0)
    else:
        source.seek(8)
    try:
        for message in ipc.MessageReader.open_stream(source):
            if message.type not in {"record batch", "dictionary"} or message.body is None:
                continue
            unpacked, packed = _unpacked(message), max(message.body.size, 1)
            if unpacked > CHUNK and unpacked > CHUNK_RATIO * packed:
                raise bomb(f"{where}: a batch of {path}", unpacked, packed)
    except (pa.ArrowException, OSError, EOFError, StopIteration, struct.error, IndexError):
        return  # the reader says what is damaged


def _unpacked(message: Any) -> int:
    """Return the bytes that a message's buffers unpack to: each begins with that number if it is compressed.

    The metadata are a flat buffer of the tables ``Message``, ``DictionaryBatch`` and ``RecordBatch`` of the Arrow
    columnar format, version 5.
    """
    data, body = memoryview(message.metadata), memoryview(message.body)
    root = struct.unpack_from("<I", data)[0]
    kind = _field(data, root, 1)
    header = _table(data, _field(data, root, 2))
    if kind and data[kind] == _DICTIONARY_BATCH:
        header = _table(data, _field(data, header, 1))
    elif not kind or data[kind] != _RECORD_BATCH:
        return 0
    if not header or not _field(data, header, 3):  # not compressed
        return 0
    place = _table(data, _field(data, header, 2))
    total = 0
    for number in range(struct.unpack_from("<I", data, place)[0] if place else 0):
        offset, length = struct.unpack_from("<2q", data, place + 4 + 16 * number)
        if length >= 8:
            total += max(struct.unpack_from("<q", body, offset)[0], 0)
    return total


def _field(data: memoryview, table: int, number: int) -> int:
    """Return where a flat table's field lies, or 0."""
    if not table:
        return 0
    layout = table - struct.unpack_from("<i", data, table)[0]
    place = 4 + 2 * number
    if place >= struct.unpack_from("<H", data, layout)[0]:
        return 0
    offset: int = struct.unpack_from("<H", data, layout + place)[0]
    return table + offset if offset else 0


def _table(data: memoryview, place: int) -> int:
    """Return where the table or list lies to which the offset at ``place`` points, or 0."""
    return place + int(struct.unpack_from("<I", data, place)[0]) if place else 0
