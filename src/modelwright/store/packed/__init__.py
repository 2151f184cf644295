"""Samples that lie in packed files, read where they lie: ZIP, TAR, and arrays of pictures."""

from __future__ import annotations

import lzma
import zlib
from pathlib import Path

from modelwright.store.packed.base import LONGEST_NAME, Member, MemberError, Reader
from modelwright.store.packed.tars import TarMembers
from modelwright.store.packed.unpacked import open_stream
from modelwright.store.packed.zips import ZipMembers

PACKED = frozenset({"members", "arrays"})
"""Values of a source's ``kept`` whose samples are read by :func:`open_reader`."""


def archive_kind(path: Path) -> str:
    """Return ``zip``, ``tar`` or nothing, by the bytes of a file; a folder and what is not there are nothing.

    A ZIP is told by its first bytes (``.npz``, ``.xlsx`` and such are ZIPs too: ask for those first). A TAR is told by
    the mark in its first header, also inside gzip, bzip2 and xz.
    """
    try:
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            head = file.read(512)
        if head[:4] in {b"PK\x03\x04", b"PK\x05\x06"}:
            return "zip"
        for magic, name in ((b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\0", "xz")):
            if head.startswith(magic):
                with open_stream(path, name) as stream:
                    head = stream.read(512)
                break
    except (OSError, EOFError, ValueError, lzma.LZMAError, zlib.error):
        named = path.name.lower()
        return "tar" if named.endswith((".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")) else ""
    return "tar" if head[257:262] == b"ustar" or (path.name.lower().endswith(".tar") and len(head) == 512) else ""


def open_archive(path: Path, cache: Path) -> ZipMembers | TarMembers:
    """Open an archive for random access."""
    return ZipMembers(path) if archive_kind(path) == "zip" else TarMembers(path, cache)


def open_reader(kept: str, path: Path, cache: Path, part: str | None = None) -> Reader:
    """Return what reads the samples of a source whose bytes are kept as ``members`` or ``arrays`` of ``path``."""
    if kept == "arrays":
        from modelwright.store.packed.arrays import ArrayPictures

        return ArrayPictures(path, cache, part)
    return open_archive(path, cache)


__all__ = [
    "LONGEST_NAME",
    "PACKED",
    "Member",
    "MemberError",
    "Reader",
    "TarMembers",
    "ZipMembers",
    "archive_kind",
    "open_archive",
    "open_reader",
]
