"""ZIP archives, read in place: the central directory once, then single members by their offsets.

Written out and not by :mod:`zipfile`, because that keeps some 800 bytes a member, guesses at names that are no UTF-8,
believes whatever sizes a header claims, and reads from one thread only. Format: PKWARE APPNOTE 6.3.
"""

from __future__ import annotations

import bz2
import os
import stat
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from modelwright.errors import InputError
from modelwright.store.packed.base import (
    BOMB_BYTES,
    BOMB_RATIO,
    LARGEST_MEMBER,
    MOST_MEMBERS,
    ByName,
    Member,
    MemberError,
    bomb,
    damaged,
    unsafe,
)

_END = b"PK\x05\x06"
_END64 = b"PK\x06\x06"
_LOCATOR64 = b"PK\x06\x07"
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_LOCAL = struct.Struct("<4s5H3I2H")
_PIECE = 1 << 20
STORED, DEFLATED, BZIP2 = 0, 8, 12


class ZipMembers(ByName):
    """A ZIP archive, opened for random access.

    Parameters
    ----------
    path
        The archive.

    Raises
    ------
    modelwright.errors.InputError
        If it is no ZIP, is cut off, spans several disks, has too many members, or is a bomb.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = -1
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise InputError(f"{path} cannot be opened: {(error.strerror or '').lower()}", code="unreadable") from None
        self._size = os.fstat(self._file).st_size
        try:
            self._start, self._length, self._count, self._shift = self._find_directory()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __del__(self) -> None:
        self.close()

    def _find_directory(self) -> tuple[int, int, int, int]:
        tail_start = max(0, self._size - 65557)
        tail = os.pread(self._file, 65557, tail_start)
        at = tail.rfind(_END)
        if at < 0 or at + 22 > len(tail):
            raise damaged(self.path, "the list of its members, at its end, is not there; it was probably cut off")
        disk, first, _, count, length, start = struct.unpack_from("<4H2I", tail, at + 4)
        end = tail_start + at
        if (disk or first) and disk != 0xFFFF:
            raise damaged(self.path, "it is one part of several")
        if 0xFFFF in (count, disk) or 0xFFFFFFFF in (length, start):
            found = self._find_directory64(end)
            if found is not None:
                start, length, count, end = found
        shift = end - length - start  # bytes before the archive proper, as in a self-extracting one
        if shift < 0 or count > MOST_MEMBERS:
            what = f"it has {count:,} members, more than {MOST_MEMBERS:,}" if shift >= 0 else "its list is not there"
            raise damaged(self.path, what)
        return start + shift, length, count, shift

    def _find_directory64(self, end: int) -> tuple[int, int, int, int] | None:
        locator = os.pread(self._file, 20, max(0, end - 20))
        if locator[:4] != _LOCATOR64:
            return None
        (at,) = struct.unpack_from("<Q", locator, 8)
        record = os.pread(self._file, 56, at) if at < self._size else b""
        if len(record) < 56 or record[:4] != _END64:
            raise damaged(self.path, "its 64-bit list of members is not where it says")
        count, length, start = struct.unpack_from("<3Q", record, 32)
        return start, length, count, at

    def members(self) -> Iterator[Member]:
        """Yield all files in the order of the archive's list; folders are passed over.

        Raises
        ------
        modelwright.errors.InputError
            If the list is damaged, or the archive is a bomb.
        """
        at, stop, seen = self._start, self._start + self._length, 0
        data, here, total = b"", 0, 0
        while seen < self._count:
            if len(data) - here < _CENTRAL.size + 3 * 65535 and at < stop:
                piece = os.pread(self._file, min(_PIECE, stop - at), at)
                at = at + len(piece) if piece else stop
                data, here = data[here:] + piece, 0
            if len(data) - here < _CENTRAL.size or data[here : here + 4] != b"PK\x01\x02":
                raise damaged(self.path, f"its list of {self._count:,} members breaks off after {seen:,}")
            member, used = _entry(data, here, self._shift)
            here += used
            seen += 1
            if member is None:
                continue
            total += member.size
            if total > BOMB_BYTES and total > BOMB_RATIO * self._size:
                raise bomb(self.path, total, self._size)
            yield member

    def stream(self, member: Member) -> Iterator[bytes]:
        """Yield a member's bytes in pieces; what is not as the list says is an error, at the latest at the end."""
        if member.problem:
            kind, _, message = member.problem.partition(": ")
            raise MemberError(kind, message)
        head = os.pread(self._file, _LOCAL.size, member.offset)
        if len(head) < _LOCAL.size or head[:4] != b"PK\x03\x04":
            raise MemberError("corrupt", "is not where the archive's list says")
        name_length, extra_length = struct.unpack_from("<2H", head, 26)
        at = member.offset + _LOCAL.size + name_length + extra_length
        stop = at + member.packed
        unpack = _Unpacker(member.method)
        size, checksum = 0, 0
        while at < stop or unpack.waiting:
            piece = b"" if unpack.waiting else os.pread(self._file, min(_PIECE, stop - at), at)
            if not piece and not unpack.waiting:
                raise MemberError("corrupt", "is cut off: the archive ends within it")
            at += len(piece)
            made = unpack.feed(piece)
            size += len(made)
            checksum = zlib.crc32(made, checksum)
            if size > member.size:
                raise MemberError("corrupt", f"unpacks to more than the {member.size} bytes it claims")
            if made:
                yield made
        if size != member.size or checksum != member.checksum:
            raise MemberError("corrupt", "does not have the size or the checksum that the archive says")


class _Unpacker:
    """Unpacks in pieces of at most a megabyte, whatever goes in."""

    def __init__(self, method: int) -> None:
        self._method = method
        self._deflate = zlib.decompressobj(-15)
        self._bzip2 = bz2.BZ2Decompressor()
        self._full = False

    @property
    def waiting(self) -> bool:
        if self._method == DEFLATED:
            return self._full or bool(self._deflate.unconsumed_tail)
        return self._method == BZIP2 and not self._bzip2.needs_input and not self._bzip2.eof

    def feed(self, piece: bytes) -> bytes:
        try:
            if self._method == DEFLATED:
                made = self._deflate.decompress(self._deflate.unconsumed_tail + piece, _PIECE)
                self._full = len(made) == _PIECE
                return made
            if self._method == BZIP2:
                return b"" if self._bzip2.eof else self._bzip2.decompress(piece, _PIECE)
        except (zlib.error, OSError, ValueError, EOFError) as error:
            raise MemberError("corrupt", f"cannot be unpacked: {error}") from None
        return piece


def _entry(data: bytes, here: int, shift: int) -> tuple[Member | None, int]:
    """Return the member that begins at ``here`` (None: a folder), and the bytes it takes in the list."""
    fields = _CENTRAL.unpack_from(data, here)
    made_by, flags, method = fields[1] >> 8, fields[3], fields[4]
    checksum, packed, size = fields[7:10]
    name_length, extra_length, comment_length = fields[10:13]
    attributes, offset = fields[15], fields[16]
    at = here + _CENTRAL.size
    name = data[at : at + name_length]
    extra = data[at + name_length : at + name_length + extra_length]
    used = _CENTRAL.size + name_length + extra_length + comment_length
    if 0xFFFFFFFF in (packed, size, offset):
        size, packed, offset = _wide(extra, size, packed, offset)
    if name.endswith(b"/"):
        return None, used
    mode = attributes >> 16 if made_by in {3, 19} else 0
    problem = unsafe(name) or _refused(mode, flags, method, size)
    return Member(name, size, offset + shift, packed, method, checksum, problem), used


def _refused(mode: int, flags: int, method: int, size: int) -> str:
    if mode and stat.S_ISLNK(mode):
        return "symlink: is a link"
    if mode and stat.S_IFMT(mode) and not stat.S_ISREG(mode):
        return "not-a-file: is a device or a FIFO"
    if flags & 1:
        return "encrypted: is encrypted"
    if method not in {STORED, DEFLATED, BZIP2}:
        return f"unreadable: is packed by method {method}; stored, deflated and bzip2 are read"
    if size > LARGEST_MEMBER:
        return f"too-large: has {size} bytes, more than {LARGEST_MEMBER}"
    return ""


def _wide(extra: bytes, size: int, packed: int, offset: int) -> tuple[int, int, int]:
    """Return 64-bit sizes and offset from the extra field 1, where the 32-bit ones are full."""
    while len(extra) >= 4:
        tag, length = struct.unpack_from("<2H", extra)
        if tag == 1:
            values = iter(struct.unpack_from(f"<{min(length, len(extra) - 4) // 8}Q", extra, 4))
            size = next(values, size) if size == 0xFFFFFFFF else size
            packed = next(values, packed) if packed == 0xFFFFFFFF else packed
            offset = next(values, offset) if offset == 0xFFFFFFFF else offset
            break
        extra = extra[4 + length :]
    return size, packed, offset
