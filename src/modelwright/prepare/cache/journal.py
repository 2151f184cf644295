"""A file that only grows: frames of columns, each whole or not there at all.

A file is only ever replaced whole, by one that was written beside it (:func:`replacement`).

A frame is a line of JSON (its rows, and name, type, shape and CRC-32 of every column) between a mark and the columns'
bytes. What a killed run left half-written at the end does not count, and is cut off when the next frame is written. A
file that is damaged further up is thrown away by whoever opens it to write: it is a cache, and made again.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

_MARK = b"MWJ1"
_HEAD = struct.Struct("<4sII")
"""Mark, length of the JSON, its CRC-32."""
_LONGEST = 1 << 20
_READ = 1 << 16


@dataclass(frozen=True)
class Column:
    """Where a column of one frame lies in the file, and what it is."""

    offset: int
    dtype: str
    shape: tuple[int, ...]
    crc: int

    @property
    def nbytes(self) -> int:
        """Its length in bytes."""
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class Frame:
    """Rows that were written together."""

    rows: int
    facts: Mapping[str, Any]
    columns: Mapping[str, Column]

    @property
    def nbytes(self) -> int:
        """The length of all columns in bytes."""
        return sum(column.nbytes for column in self.columns.values())


class Journal:
    """An append-only file of frames.

    Parameters
    ----------
    path
        The file; made when the first frame is written.

    Notes
    -----
    Any number may read while one writes: a reader sees the frames that were whole when it opened the file. Frames are
    written without waiting for the disk, so that a power cut may lose some; a killed process loses none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1
        self._locked = False
        self._retired: list[int] = []
        self.frames: list[Frame] = []
        self._end = 0
        self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what was locked is free again."""
        for descriptor in (self._descriptor, *self._retired):
            if descriptor >= 0:
                os.close(descriptor)
        self._descriptor, self._locked, self._retired = -1, False, []

    def _open(self) -> None:
        try:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return
        size = os.fstat(self._descriptor).st_size
        while (found := self._frame_at(self._end, size)) is not None:
            frame, self._end = found
            self.frames.append(frame)

    def _frame_at(self, start: int, size: int) -> tuple[Frame, int] | None:
        """Return the frame that begins at ``start`` and where it ends; None if there is none, or not all of it."""
        head = os.pread(self._descriptor, _READ, start)
        if len(head) < _HEAD.size:
            return None
        mark, length, crc = _HEAD.unpack_from(head)
        if mark != _MARK or length > _LONGEST:
            return None
        text = head[_HEAD.size : _HEAD.size + length]
        if len(text) < length:
            text = os.pread(self._descriptor, length, start + _HEAD.size)
        if len(text) < length or zlib.crc32(text) != crc:
            return None
        told = json.loads(text)
        columns = {}
        end = start + _HEAD.size + length
        for name, dtype, shape, sum_ in told["columns"]:
            columns[name] = column = Column(end, dtype, tuple(shape), sum_)
            end += column.nbytes
        return (Frame(told["rows"], told["facts"], columns), end) if end <= size else None

    def read(self, column: Column, *, check: bool = True) -> NDArray[Any]:
        """Return a column of a frame.

        Raises
        ------
        ValueError
            If it is not what was written.
        """
        made = np.empty(column.shape, column.dtype)
        self._into(made.reshape(-1).view(np.uint8), column.offset)
        if check and zlib.crc32(made.reshape(-1).view(np.uint8).data) != column.crc:
            raise ValueError(f"{self._path} is damaged at byte {column.offset}")
        return made

    def read_rows(self, column: Column, rows: Sequence[int], into: NDArray[Any]) -> None:
        """Read some rows of a column, one by one, unchecked: of wide columns few are wanted."""
        width = column.nbytes // max(column.shape[0], 1)
        read, descriptor = os.preadv, self._descriptor
        whole = memoryview(into.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
        for place, row in enumerate(rows):
            offset = column.offset + row * width
            if read(descriptor, [whole[place * width : (place + 1) * width]], offset) != width:
                self._into(into[place].reshape(-1).view(np.uint8), offset)

    def _into(self, place: NDArray[np.uint8], offset: int) -> None:
        done = 0
        while done < len(place):
            count = os.preadv(self._descriptor, [place[done:]], offset + done)  # type: ignore[list-item]
            if not count:
                raise ValueError(f"{self._path} ends early")
            done += count

    def append(self, facts: Mapping[str, Any], columns: Mapping[str, NDArray[Any]]) -> Frame | None:
        """Write a frame of columns of equally many rows; None if another process writes, or the disk is full."""
        if not self._writable():
            return None
        plain = {name: np.ascontiguousarray(values) for name, values in columns.items()}
        rows = len(next(iter(plain.values())))
        flat = [values.reshape(-1).view(np.uint8) for values in plain.values()]
        told = [
            [name, values.dtype.str, list(values.shape), zlib.crc32(raw.data)]
            for (name, values), raw in zip(plain.items(), flat, strict=True)
        ]
        text = json.dumps({"rows": rows, "facts": dict(facts), "columns": told}).encode()
        data = [memoryview(_HEAD.pack(_MARK, len(text), zlib.crc32(text)) + text), *(raw.data for raw in flat)]
        try:
            at = self._end
            for piece in data:
                left = piece
                while left:
                    done = os.pwrite(self._descriptor, left, at)
                    left, at = left[done:], at + done
            found = self._frame_at(self._end, at)
        except OSError:
            return None  # what is not remembered is looked at again
        if found is None:
            return None
        frame, self._end = found
        self.frames.append(frame)
        return frame

    def put(self, facts: Mapping[str, Any], columns: Mapping[str, NDArray[Any]]) -> None:
        """Write a frame as :meth:`append` does.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        if self.append(facts, columns) is None:
            raise OSError(f"{self._path} cannot be written")

    def claim(self) -> bool:
        """Take the lock that whoever writes has, and keep it until this is closed; say whether it could be had."""
        return self._writable()

    def flush(self) -> None:
        """Wait until the disk has all frames."""
        if self._descriptor >= 0:
            os.fsync(self._descriptor)

    def _writable(self) -> bool:
        """Take the lock before the first frame, and cut off what a killed run left behind the last whole one."""
        if self._locked:
            return True
        try:
            if self._descriptor < 0:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            mine, now = os.fstat(self._descriptor), self._path.stat()
            if (mine.st_ino, mine.st_dev) != (now.st_ino, now.st_dev):
                return False  # somebody else put another file in its place since this was opened
            if self._frame_at(self._end, mine.st_size) is not None:
                return False  # somebody else wrote since this was opened
            os.ftruncate(self._descriptor, self._end)
        except OSError:
            return False
        self._locked = True
        return True

    def throw_away(self) -> None:
        """Begin anew. A thread that reads just now reads on in the old file."""
        self._retired.append(self._descriptor)
        self._descriptor, self._locked = -1, False
        self._path.unlink(missing_ok=True)
        self.frames, self._end = [], 0


def rewrite(path: Path, facts: Mapping[str, Any], columns: Mapping[str, NDArray[Any]]) -> None:
    """Put one frame in the place of a whole file, at once; where that cannot be, the file stays as it is."""
    with suppress(OSError), replacement(path) as made:
        made.put(facts, columns)


@contextmanager
def replacement(path: Path, *, durable: bool = False) -> Iterator[Journal]:
    """Give an empty journal that takes the place of a file at once when the block ends, and not if it raises.

    Whoever is killed leaves the old file as it was, and an unfinished one beside it, which the next one here removes.

    Parameters
    ----------
    durable
        Wait until the disk has the new file before the old one goes, so that a power cut loses neither.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with Journal(temporary) as made:
            yield made
            if durable:
                made.flush()
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    if durable:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _sweep(path: Path) -> None:
    """Remove what dead processes left unfinished beside a file: what nobody holds the lock of."""
    for left in path.parent.glob(f"{path.name}.*"):
        with suppress(OSError):
            descriptor = os.open(left, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                left.unlink()
            finally:
                os.close(descriptor)
