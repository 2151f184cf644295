"""The two containers a package comes in, a zip and a folder, read with suspicion.

Both give the same three things: the names in it, the size of each, and its bytes. Everything that does not look exactly
as a package is written (`docs/formats.md`) is refused here, before a byte of any file is interpreted: the rules are
those of what went wrong elsewhere (archive members with path traversal, duplicate names, symbolic and hard links,
decompression bombs, data hidden between entries).
"""

from __future__ import annotations

import os
import re
import stat
import struct
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from modelwright.errors import InputError, IntegrityError

MAX_FILES = 4096
"""Most files in one package."""
MAX_FILE_BYTES = (1 << 31) - 1
"""Largest single file: an ONNX graph is a protobuf message, which ends at 2 GiB."""
MAX_TOTAL_BYTES = (1 << 32) - (1 << 24)
"""Largest package: what a zip holds without the 64-bit extension."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,99}(/[A-Za-z0-9_][A-Za-z0-9_.\-]{0,99}){0,7}\Z")
_END = struct.Struct("<4s4H2LH")
_LOCAL = struct.Struct("<4s5H3L2H")


class Container(Protocol):
    """What a package's bytes are in."""

    sizes: dict[str, int]
    """Size in bytes of every file, by name with ``/``."""

    def pieces(self, name: str, size: int = 1 << 20) -> Iterator[bytes]:
        """Yield the bytes of one file."""

    def close(self) -> None:
        """Let go of open files."""


def _refuse(where: Path, found: str, hint: str = "get the package again from where it was made") -> IntegrityError:
    return IntegrityError(f"{where} is not a sound package: {found}", hint=hint)


def check_names(names: Iterable[str], where: Path) -> None:
    """Refuse names that could mean another file than they say: absolute, ``..``, backslash, twins by case.

    Raises
    ------
    IntegrityError
        Naming the first such name.
    """
    seen: dict[str, str] = {}
    for name in names:
        if not _NAME.match(name):
            raise _refuse(
                where, f"the file name {name[:120]!r} is not allowed (relative, letters, digits, '_', '-', '.')"
            )
        twin = seen.setdefault(name.casefold(), name)
        if twin is not name:
            raise _refuse(
                where, f"the name {name!r} is there twice" if twin == name else f"{name!r} and {twin!r} clash"
            )
    if len(seen) > MAX_FILES:
        raise _refuse(where, f"it has {len(seen)} files; at most {MAX_FILES} are allowed")


def check_sizes(sizes: Iterable[int], where: Path) -> None:
    """Refuse a file over 2 GiB and a package over 4 GiB."""
    total = 0
    for size in sizes:
        total += size
        if size > MAX_FILE_BYTES or total > MAX_TOTAL_BYTES:
            raise _refuse(where, f"it says it holds {total} bytes or more; a package is smaller than 4 GiB")


class ZipContainer:
    """A ``.mwpkg`` file: stored entries only, one after the other, nothing before, between or after them.

    Raises
    ------
    IntegrityError
        Where the archive is anything else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO = path.open("rb")
        try:
            start = self._check_end()
            self._archive = zipfile.ZipFile(self._file)
            self._entries = self._check_entries(start)
        except (zipfile.BadZipFile, struct.error, ValueError, OverflowError, EOFError, NotImplementedError) as error:
            self._file.close()
            raise _refuse(path, f"the zip is damaged ({str(error)[:120]})") from error
        except InputError:
            self._file.close()
            raise
        self.sizes = {name: entry.file_size for name, entry in self._entries.items()}

    def _check_end(self) -> int:
        """Check the end record, before a library reads a directory of any size, and return where the directory is."""
        size = self._file.seek(0, os.SEEK_END)
        if size < _END.size:
            raise _refuse(self._path, f"it has {size} bytes, too few for a zip")
        self._file.seek(size - _END.size)
        magic, disk, disk_start, here, count, length, start, comment = _END.unpack(self._file.read(_END.size))
        if magic != b"PK\x05\x06" or comment or disk or disk_start or here != count:
            raise _refuse(self._path, "it does not end as a zip should (truncated, or something was added)")
        if count > MAX_FILES or length > count * (46 + 1024):
            raise _refuse(
                self._path, f"its directory lists {count} files in {length} bytes; at most {MAX_FILES} are allowed"
            )
        if start + length + _END.size != size:
            raise _refuse(self._path, "there are bytes between its directory and its end")
        return int(start)

    def _check_entries(self, directory: int) -> dict[str, zipfile.ZipInfo]:
        entries = self._archive.infolist()
        if self._archive.start_dir != directory:
            raise _refuse(self._path, "there are bytes in front of it")
        check_names((entry.orig_filename for entry in entries), self._path)
        check_sizes((entry.file_size for entry in entries), self._path)
        position = 0
        for entry in sorted(entries, key=lambda entry: entry.header_offset):
            self._check_entry(entry, position)
            position += _LOCAL.size + len(entry.orig_filename) + entry.file_size
        if position != directory:
            raise _refuse(self._path, "there are bytes between its last file and its directory")
        return {entry.filename: entry for entry in entries}

    def _check_entry(self, entry: zipfile.ZipInfo, position: int) -> None:
        name = entry.orig_filename
        if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
            raise _refuse(
                self._path,
                f"{name!r} is compressed; a package stores its files as they are",
                "make it with `mw export mwpkg`",
            )
        kind = entry.external_attr >> 16
        if kind and not stat.S_ISREG(kind):
            raise _refuse(self._path, f"{name!r} is not a regular file")
        if entry.flag_bits or entry.extra or entry.comment or entry.filename != name:
            raise _refuse(self._path, f"{name!r} has unusual zip fields")
        self._file.seek(entry.header_offset)
        header = _LOCAL.unpack(self._file.read(_LOCAL.size))
        # The header in front of the bytes must tell the same as the directory, or two readers see two packages.
        told = (header[0], header[2], header[3], header[6], header[7], header[8], header[9], header[10])
        size = entry.file_size
        if entry.header_offset != position or told != (b"PK\x03\x04", 0, 0, entry.CRC, size, size, len(name), 0):
            raise _refuse(self._path, f"the header of {name!r} does not agree with the directory")

    def pieces(self, name: str, size: int = 1 << 20) -> Iterator[bytes]:
        """Yield the bytes of one file; its CRC is checked on the way."""
        try:
            with self._archive.open(self._entries[name]) as file:
                while piece := file.read(size):
                    yield piece
        except (zipfile.BadZipFile, EOFError, struct.error) as error:
            raise _refuse(self._path, f"{name!r} is damaged ({error})") from error
        except (OSError, ValueError) as error:  # a disk that fails, or a package that was closed
            raise InputError(f"{name!r} of {self._path} cannot be read: {error}", code="unreadable") from error

    def close(self) -> None:
        """Close the archive."""
        self._archive.close()
        self._file.close()


class FolderContainer:
    """A package as a folder of regular files, each reached without following a link.

    Raises
    ------
    IntegrityError
        For a symbolic link, a hard link, a device, a pipe or a name that is not allowed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.sizes = {}
        for name, entry in self._walk(path, "", depth=0):
            found = entry.stat(follow_symlinks=False)
            self._check_kind(name, found)
            self.sizes[name] = found.st_size
            if len(self.sizes) > MAX_FILES:
                raise _refuse(path, f"it has more than {MAX_FILES} files")
        check_names(self.sizes, path)
        check_sizes(self.sizes.values(), path)

    def _walk(self, folder: Path, prefix: str, depth: int) -> Iterator[tuple[str, os.DirEntry[str]]]:
        if depth > 7:
            raise _refuse(self._path, "its folders are nested deeper than 8")
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                name = prefix + entry.name
                if entry.is_dir(follow_symlinks=False):
                    yield from self._walk(folder / entry.name, name + "/", depth + 1)
                else:
                    yield name, entry

    def _check_kind(self, name: str, found: os.stat_result) -> None:
        if not stat.S_ISREG(found.st_mode):
            raise _refuse(self._path, f"{name!r} is not a regular file (a link, a device or a pipe)")
        if found.st_nlink != 1:
            raise _refuse(
                self._path,
                f"{name!r} is a hard link ({found.st_nlink} names for one file)",
                "copy the folder with `cp -r`, which gives every file its own bytes",
            )

    def pieces(self, name: str, size: int = 1 << 20) -> Iterator[bytes]:
        """Yield the bytes of one file, opened folder by folder with ``O_NOFOLLOW``."""
        try:
            handle = self._open(name)
        except OSError as error:
            raise _refuse(self._path, f"{name!r} cannot be opened ({error.strerror})") from error
        with os.fdopen(handle, "rb") as file:
            self._check_kind(name, os.fstat(file.fileno()))
            try:
                while piece := file.read(size):
                    yield piece
            except OSError as error:
                raise InputError(f"{name!r} of {self._path} cannot be read: {error}", code="unreadable") from error

    def _open(self, name: str) -> int:
        *folders, last = name.split("/")
        # The folder itself may be reached through a link: the user chose that. What is inside may not.
        here = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for folder in folders:
                below = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
                os.close(here)
                here = below
            return os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=here)
        finally:
            os.close(here)

    def close(self) -> None:
        """Nothing is kept open."""


def open_container(path: Path) -> Container:
    """Open a ``.mwpkg`` file or a folder.

    Raises
    ------
    InputError
        Where there is no such file, or it cannot be read.
    IntegrityError
        Where it is not a sound package.
    """
    try:
        if path.is_dir():
            return FolderContainer(path)
        if path.is_file():
            return ZipContainer(path)
    except OSError as error:
        raise InputError(f"the package {path} cannot be read: {error.strerror}", code="unreadable") from error
    found = "is not a file or a folder" if path.exists() else "does not exist"
    raise InputError(f"the package {path} {found}", code="not-found", hint="give a .mwpkg file, or a package's folder")
