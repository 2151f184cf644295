"""Unpacked copies of files that are read at any place but compressed as one stream (``.tar.gz``, ``.idx.gz``).

They lie in ``cache/unpacked`` and may be deleted at any time: the next read makes them again. A copy is named by path
and stat, so that a changed file never meets an old copy; the old one goes when the new one comes.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import shutil
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from modelwright import canonical
from modelwright.errors import InputError, ModelwrightError
from modelwright.store.packed.base import BOMB_BYTES, BOMB_RATIO, bomb, damaged

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_PIECE = 1 << 20
_MAGIC = ((b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\x00", "xz"))
_SPARE = 256 << 20
"""Bytes left free on the disk."""


def compression(path: Path) -> str:
    """Return ``gzip``, ``bzip2``, ``xz`` or nothing, by the file's first bytes."""
    try:
        with path.open("rb") as file:
            head = file.read(6)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {(error.strerror or '').lower()}", code="unreadable") from None
    return next((name for magic, name in _MAGIC if head.startswith(magic)), "")


def open_stream(path: Path, packed: str) -> BinaryIO:
    """Open a file for reading from the start, unpacked on the way; a bomb is refused as soon as it shows itself."""
    file = path.open("rb")
    return watched(file, packed, path) if packed else file


def watched(file: BinaryIO, packed: str, name: object) -> BinaryIO:
    """Return what ``file``, compressed as ``packed``, unpacks to, and close it with that.

    Reading raises ``bomb`` once more than :data:`BOMB_BYTES` came out of less than a :data:`BOMB_RATIO`-th of them:
    measured by what was read so far, so that a long file that begins so is refused in seconds too.
    """
    return cast("BinaryIO", io.BufferedReader(_Watched(file, packed, name)))


class _Watched(io.RawIOBase):
    def __init__(self, file: BinaryIO, packed: str, name: object) -> None:
        super().__init__()
        self._file, self._name = file, name
        self._stream: gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile
        if packed == "gzip":
            self._stream = gzip.GzipFile(fileobj=file, mode="rb")
        else:
            self._stream = bz2.BZ2File(file) if packed == "bzip2" else lzma.LZMAFile(file)  # noqa: SIM115 - closed with this
        self._size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        data = self._stream.read(len(view))
        view[: len(data)] = data
        self._size += len(data)
        if self._size > BOMB_BYTES and self._size > BOMB_RATIO * self._file.tell():
            raise bomb(self._name, self._size, self._file.tell())
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
            self._file.close()
        super().close()


def unpacked(path: Path, cache: Path) -> Path:
    """Return a file with the unpacked bytes of ``path``: itself if it is not compressed.

    Parameters
    ----------
    cache
        The folder for copies.

    Raises
    ------
    modelwright.errors.InputError
        If the stream is damaged or cut off, unpacks to a bomb, or the disk is full.
    """
    packed = compression(path)
    if not packed:
        return path

    def pieces() -> Iterable[bytes]:
        done = 0
        try:
            with open_stream(path, packed) as file:
                while piece := file.read(_PIECE):
                    done += len(piece)
                    yield piece
        except (EOFError, zlib.error, lzma.LZMAError, OSError, ValueError) as error:
            raise damaged(path, f"its {packed} stream ends or breaks after {done:,} bytes ({error})") from None

    return copy_of(path, "", pieces(), cache)


def copy_of(path: Path, part: str, pieces: Iterable[bytes], cache: Path) -> Path:
    """Return the copy of ``part`` of ``path`` in ``cache``, made from ``pieces`` if it isn't there."""
    status = path.stat()
    place = canonical.digest_value([str(path.resolve()), part])[:16]
    state = canonical.digest_value([status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns])[:16]
    made = cache / f"{place}-{state}"
    if made.is_file():
        return made
    cache.mkdir(parents=True, exist_ok=True)
    temporary = cache / f"{made.name}.{os.getpid()}"
    size = 0
    try:
        free = shutil.disk_usage(cache).free - _SPARE
        with temporary.open("wb") as file:
            for piece in pieces:
                size += len(piece)
                if size > BOMB_BYTES and size > BOMB_RATIO * status.st_size:
                    raise bomb(path, size, status.st_size)
                if size > free:
                    raise ModelwrightError(
                        f"{path} unpacks to more than the {free:,} bytes that the disk has left for its copy",
                        code="disk-full",
                        hint=f"make room on the disk of {cache}",
                    )
                file.write(piece)
        temporary.replace(made)
    except OSError as error:
        raise ModelwrightError(
            f"no unpacked copy of {path} could be written to {cache}: {(error.strerror or '').lower()}",
            code="cannot-write",
        ) from None
    finally:
        temporary.unlink(missing_ok=True)
    for old in cache.glob(f"{place}-*"):
        if old != made and "." not in old.name:
            old.unlink(missing_ok=True)
    return made
