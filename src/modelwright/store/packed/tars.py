"""TAR archives, also ``.gz``, ``.bz2`` and ``.xz``, read in place by an index of offsets.

A compressed one is unpacked, as a whole and once, to a copy in the cache: a gzip stream has no places to begin at.
Headers are parsed by :mod:`tarfile`, which knows all dialects; no byte is ever written where a header says.
"""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from modelwright.errors import InputError
from modelwright.store.packed.base import LARGEST_MEMBER, MOST_MEMBERS, ByName, Member, MemberError, damaged, unsafe
from modelwright.store.packed.unpacked import unpacked

_LONGEST_HEADER = 1 << 20
_BLOCK = 512
_USTAR = {b"ustar\00000", b"ustar  \0"}
_OCTAL = re.compile(rb"[0-7]+")


class TarMembers(ByName):
    """A TAR archive, opened for random access.

    Parameters
    ----------
    path
        The archive.
    cache
        Where an unpacked copy of a compressed one goes.
    """

    def __init__(self, path: Path, cache: Path) -> None:
        self.path = path
        self._file = -1
        self._plain = unpacked(path, cache)
        try:
            self._file = os.open(self._plain, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise InputError(f"{path} cannot be opened: {(error.strerror or '').lower()}", code="unreadable") from None

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __del__(self) -> None:
        self.close()

    def members(self) -> Iterator[Member]:
        """Yield all files in the order of the archive; folders are passed over.

        An archive that is cut off yields, last, one member named ``b""`` whose ``problem`` says so.
        """
        seen = 0
        with self._plain.open("rb") as file:
            careful = cast("IO[bytes]", _Careful(file))
            try:
                archive = tarfile.TarFile(
                    fileobj=careful, mode="r", encoding="utf-8", errors="surrogateescape", ignore_zeros=False
                )
            except (tarfile.TarError, ValueError, OverflowError) as error:
                raise damaged(self.path, f"it does not begin as a TAR archive does ({error})") from None
            trouble = ""
            plain = False  # the first header is read by the library, which tells whether it is a TAR at all
            while True:
                if plain and (found := _plain_member(os.pread(self._file, _BLOCK, archive.offset), archive.offset)):
                    seen += 1
                    archive.offset += _BLOCK + -(-found.size // _BLOCK) * _BLOCK
                    if seen > MOST_MEMBERS:
                        raise damaged(self.path, f"it has more than {MOST_MEMBERS:,} members")
                    yield found
                    continue
                try:
                    info = archive.next()
                except (tarfile.TarError, EOFError, OSError, ValueError, OverflowError, RecursionError) as error:
                    trouble = str(error) or type(error).__name__
                    break
                if info is None:
                    break
                archive.members = []  # type: ignore[attr-defined]  # what it remembers would be all of them
                plain = not archive.pax_headers  # global ones change what follows
                seen += 1
                if seen > MOST_MEMBERS:
                    raise damaged(self.path, f"it has more than {MOST_MEMBERS:,} members")
                if not info.isdir():
                    yield _member(info)
            if not trouble:
                block = os.pread(self._file, _BLOCK, archive.offset)
                if block.strip(b"\0"):
                    trouble = "a header is damaged"
                elif not block:
                    trouble = "its end mark is missing"
        if trouble:
            if not seen:
                raise damaged(self.path, trouble)
            yield Member(b"", 0, 0, 0, problem=f"corrupt: ends or breaks after {seen:,} members ({trouble})")

    def stream(self, member: Member) -> Iterator[bytes]:
        """Yield a member's bytes in pieces."""
        if member.problem:
            kind, _, message = member.problem.partition(": ")
            raise MemberError(kind, message)
        at, stop = member.offset, member.offset + member.size
        while at < stop:
            piece = os.pread(self._file, min(1 << 20, stop - at), at)
            if not piece:
                raise MemberError("corrupt", "is cut off: the archive ends within it")
            at += len(piece)
            yield piece


class _Careful:
    """The archive's file for :mod:`tarfile`: never reads a header of more than a megabyte into memory."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _LONGEST_HEADER:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return self._file.read(size)

    def seek(self, place: int) -> int:
        return self._file.seek(place)

    def tell(self) -> int:
        return self._file.tell()


def _plain_member(head: bytes, at: int) -> Member | None:
    """Return the regular file whose header (POSIX.1-1988, and its magic) this is; None for all else.

    :mod:`tarfile` takes ten times as long for a header, and nearly all are such ones.
    """
    if len(head) < _BLOCK or head[156:157] not in {b"0", b"\0"} or head[257:265] not in _USTAR or head[345]:
        return None
    name, _, rest = head[:100].partition(b"\0")
    size, said = head[124:135], head[148:154].strip(b" \0")
    if not name or name.endswith(b"/") or rest.strip(b"\0") or not _OCTAL.fullmatch(size) or not _OCTAL.fullmatch(said):
        return None
    if sum(head) - sum(head[148:156]) + 8 * ord(" ") != int(said, 8):
        return None
    count = int(size, 8)
    problem = unsafe(name) or (f"too-large: has {count} bytes, more than {LARGEST_MEMBER}" * (count > LARGEST_MEMBER))
    return Member(name.removeprefix(b"./"), count, at + _BLOCK, count, problem=problem)


def _member(info: tarfile.TarInfo) -> Member:
    name = os.fsencode(info.name) if info.name else b""
    problem = unsafe(name)
    if not problem and (info.issym() or info.islnk()):
        problem = f"symlink: is a link to {info.linkname[:200]!r}"
    elif not problem and (not info.isreg() or info.issparse()):
        problem = "not-a-file: is a device, a FIFO or a sparse file"
    elif not problem and info.size > LARGEST_MEMBER:
        problem = f"too-large: has {info.size} bytes, more than {LARGEST_MEMBER}"
    return Member(name.removeprefix(b"./"), info.size, info.offset_data, info.size, problem=problem)
