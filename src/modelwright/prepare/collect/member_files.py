"""Files inside an archive, opened as if they lay in a folder: for tables, which are read once from start to end."""

from __future__ import annotations

import errno
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from modelwright.store.packed import Member, MemberError, TarMembers, ZipMembers
from modelwright.store.sample_names import printable


@dataclass(frozen=True, eq=False)
class MemberFile:
    """One file in an archive, with as much of :class:`pathlib.Path` as reading a table takes."""

    archive: ZipMembers | TarMembers
    member: Member

    @property
    def name(self) -> str:
        """Its name in the archive."""
        return printable(self.member.name)

    def __str__(self) -> str:
        return f"{self.archive.path}/{self.name}"

    def open(self, mode: str = "rb") -> BinaryIO:
        """Open it for reading from the start; what is damaged in the archive is an ``OSError`` when it is read."""
        assert mode == "rb"
        return cast("BinaryIO", io.BufferedReader(_Stream(self.archive.stream(self.member)), 1 << 16))


File = Path | MemberFile


class _Stream(io.RawIOBase):
    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._rest:
            try:
                self._rest = memoryview(next(self._pieces, b""))
            except MemberError as error:
                raise OSError(errno.EIO, error.message) from error
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
