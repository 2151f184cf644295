"""What the readers of packed files share: the limits, the one error, and what is known of a member."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from modelwright.errors import InputError
from modelwright.store.sample_names import os_path

LARGEST_MEMBER = 256 << 20
"""Bytes of the largest member read as one sample; a larger one is an issue."""
MOST_MEMBERS = 1_000_000
"""Members of the longest archive; its list takes some 250 bytes of memory a member."""
BOMB_RATIO = 200
"""A packed file that unpacks to more than so many times its size …"""
BOMB_BYTES = 512 << 20
"""… and to more than so much is taken for a bomb: reading what a few kilobytes hold must not take long. Tables of
numbers unpack to 3 to 20 times their size, the most repetitive logs to some 60."""
LONGEST_NAME = 4096
"""Bytes of a member's name, at most: no file system has longer paths."""


class MemberError(Exception):
    """One member cannot be read: an issue's ``kind``, and the reason. Caught where members are read."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


@dataclass(frozen=True, slots=True)
class Member:
    """One file in an archive."""

    name: bytes
    size: int
    """Bytes when unpacked, as the archive says."""
    offset: int
    """Where its header (ZIP) or its bytes (TAR) begin."""
    packed: int
    """Bytes in the archive."""
    method: int = 0
    checksum: int = 0
    problem: str = ""
    """``kind: reason`` if it cannot be a sample, or nothing."""


class Reader(Protocol):
    """Reads single samples out of one packed file, in any order, from several threads."""

    def read(self, name: str) -> bytes:
        """Return a sample's bytes by its name in the source.

        Raises
        ------
        MemberError
            If it is not there, or damaged.
        """

    def close(self) -> None:
        """Close the file."""


class ByName(ABC):
    """Finds members by name in what lists and streams them. The first of two members of one name counts."""

    path: Path
    _by_name: dict[bytes, Member] | None = None

    @abstractmethod
    def members(self) -> Iterator[Member]:
        """Yield the members in the archive's order."""

    @abstractmethod
    def stream(self, member: Member) -> Iterator[bytes]:
        """Yield a member's bytes in pieces."""

    def read(self, name: str) -> bytes:
        """Return a member's bytes by its name."""
        if self._by_name is None:
            by_name: dict[bytes, Member] = {}
            for each in self.members():
                by_name.setdefault(each.name, each)
            self._by_name = by_name
        member = self._by_name.get(os_path(name))
        if member is None:
            raise MemberError("unreadable", f"is not in {self.path.name}")
        return self.read_member(member)

    def read_member(self, member: Member) -> bytes:
        """Return a member's bytes, checked as far as the archive lets them be."""
        if member.size > LARGEST_MEMBER:
            raise MemberError("too-large", f"has {member.size} bytes, more than {LARGEST_MEMBER}")
        return b"".join(self.stream(member))


def damaged(path: Path, what: str) -> InputError:
    """Return the error for an archive that cannot be read at all."""
    return InputError(f"{path} is damaged: {what}", code="corrupt", hint="get the file again, or pack it again")


def bomb(path: object, size: int, packed: int) -> InputError:
    """Return the error for an archive that unpacks to far more than is credible."""
    return InputError(
        f"{path} would unpack to {size:,} bytes or more, {size // max(packed, 1):,} times its size",
        code="bomb",
        hint="this is how a decompression bomb looks; unpack it by hand if it is none",
    )


def unsafe(name: bytes) -> str:
    """Return why a member's name is refused, or nothing.

    Nothing is ever unpacked to a member's name, so such a name can do no harm here; but what has one was made to.

    Examples
    --------
    >>> unsafe(b"roses/1.jpg"), unsafe(b"../../etc/passwd"), unsafe(b"/etc/passwd")
    ('', 'unsafe-name: has a name that leaves the archive', 'unsafe-name: has an absolute name')
    """
    if len(name) > LONGEST_NAME:
        return f"unsafe-name: has a name of {len(name):,} bytes"
    if name.startswith(b"/") or name[1:3] in {b":\\", b":/"}:
        return "unsafe-name: has an absolute name"
    if b".." in name.replace(b"\\", b"/").split(b"/"):
        return "unsafe-name: has a name that leaves the archive"
    if b"\\" in name:
        return "unsafe-name: has backslashes in its name, as old Windows programs write them; pack it again"
    if b"\0" in name or not name.strip(b"/"):
        return "unsafe-name: has no usable name"
    return ""
