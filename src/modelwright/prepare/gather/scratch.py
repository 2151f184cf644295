"""Columns with an entry a row, of more rows than memory is there for: beyond a size they lie in files without a name.

Such a file is mapped, so it is used like any array, and its pages are given back part by part: what is resident of it
does not depend on its length. It vanishes with the process, also a killed one. Where a column lies changes nothing of
what is computed from it.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from modelwright.store.files import storage_errors

HELD = 64 << 20
"""Bytes of one column that stay in memory: of numbers, eight million rows."""
PART = 1 << 18
"""Rows that are looked at at a time."""
_WRITTEN = 1 << 20


class Scratch:
    """Where large columns go.

    Parameters
    ----------
    folder
        For the files; None: everything stays in memory.
    held
        Bytes of a column that stay in memory, at least one row.
    """

    def __init__(self, folder: Path | None = None, held: int = HELD) -> None:
        self.folder, self.held = folder, held

    def zeros(self, count: int, kind: DTypeLike) -> NDArray[Any]:
        """Return ``(count,)`` zeros to be written to.

        Raises
        ------
        modelwright.errors.StorageError
            If the disk is full: its space is taken here, since a mapped file that cannot be written kills the process.
        """
        kind = np.dtype(kind)
        size = count * kind.itemsize
        if self.folder is None or size <= self.held:
            return np.zeros(count, kind)
        with storage_errors("write", self.folder), tempfile.TemporaryFile(dir=self.folder) as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
            return np.memmap(file, kind, "r+", shape=(count,))

    def copy(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return a copy to be written to."""
        made = self.zeros(len(values), values.dtype)
        for part in parts(len(values), values, made):
            made[part] = values[part]
        return made


class Growing:
    """A column that grows, in memory while it is small, else in a file.

    Parameters
    ----------
    kind
        Of its entries.
    """

    def __init__(self, scratch: Scratch, kind: DTypeLike) -> None:
        self._scratch, self.kind = scratch, np.dtype(kind)
        self._held = bytearray()
        """All of it, or what is not in the file yet."""
        self._file: Any = None
        self._written = 0
        self._mapped: NDArray[Any] | None = None

    def __len__(self) -> int:
        return (self._written + len(self._held)) // self.kind.itemsize

    def extend(self, data: NDArray[Any] | bytes) -> None:
        """Add entries, or their bytes."""
        self._held += data if isinstance(data, bytes) else np.asarray(data, self.kind).tobytes()
        if self._file is None and (self._scratch.folder is None or len(self._held) <= self._scratch.held):
            return
        if self._file is None or len(self._held) >= _WRITTEN:
            self._write()

    def _write(self) -> None:
        folder = self._scratch.folder
        assert folder is not None
        with storage_errors("write", folder):
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0, dir=folder)  # noqa: SIM115 - as long as the column
                weakref.finalize(self, self._file.close)
            rest = memoryview(self._held)
            while rest:
                rest = rest[self._file.write(rest) :]
        self._written += len(self._held)
        self._held = bytearray()
        self._mapped = None

    def array(self) -> NDArray[Any]:
        """Return ``(n,)`` all of it to read and write, not a copy: nothing can be added any more while it is there."""
        if self._file is None:
            return np.frombuffer(self._held, self.kind)
        if self._held:
            self._write()
        if self._mapped is None:
            with storage_errors("read", self._scratch.folder or Path()):
                self._mapped = np.memmap(self._file, self.kind, "r+", shape=(len(self),))
        return self._mapped

    def part(self, start: int, stop: int) -> NDArray[Any]:
        """Return a copy of some of it."""
        if self._file is None:
            size = self.kind.itemsize
            return np.frombuffer(bytes(memoryview(self._held)[start * size : stop * size]), self.kind)
        made = self.array()[start:stop].copy()
        forget(self.array())
        return made


def parts(count: int, *arrays: NDArray[Any], size: int = PART) -> Iterator[slice]:
    """Yield slices that cover ``count`` entries; what is resident of mapped ``arrays`` is given back after each.

    Examples
    --------
    >>> [(part.start, part.stop) for part in parts(5, size=2)]
    [(0, 2), (2, 4), (4, 5)]
    """
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))
        forget(*arrays)


def forget(*arrays: NDArray[Any]) -> None:
    """Give back the resident pages of mapped arrays; what is in them stays in their files."""
    for array in arrays:
        mapped = getattr(array, "_mmap", None)
        if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
            mapped.madvise(mmap.MADV_DONTNEED)


def places(which: NDArray[np.bool_], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where the ``wanted`` ones of the true entries are, by their ascending numbers.

    Examples
    --------
    >>> places(np.array([True, False, True, True]), np.array([0, 2])).tolist()
    [0, 3]
    """
    made = np.empty(len(wanted), np.int64)
    before = 0
    for part in parts(len(which), which):
        here = np.flatnonzero(which[part])
        low, high = np.searchsorted(wanted, [before, before + len(here)])
        made[low:high] = part.start + here[wanted[low:high] - before]
        before += len(here)
    return made


def evenly(which: NDArray[np.bool_], most: int) -> NDArray[np.int64]:
    """Return the places of at most ``most`` true entries, evenly spaced, without a list of all."""
    count = int(np.count_nonzero(which))
    if count <= most:
        return np.flatnonzero(which)
    return places(which, np.linspace(0, count - 1, most).astype(np.int64))
