"""Source ``archive``: class folders in a ZIP or TAR archive, read where they lie."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fnmatch import translate
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from modelwright.errors import InputError
from modelwright.prepare.collect.base import (
    Item,
    Kept,
    Rejected,
    RejectedFileError,
    Settings,
    Survey,
    must_exist,
    printable,
)
from modelwright.prepare.collect.digesting import files_digest
from modelwright.prepare.collect.naming import Naming
from modelwright.prepare.collect.options import Options
from modelwright.store.packed import (
    LONGEST_NAME,
    Member,
    MemberError,
    TarMembers,
    ZipMembers,
    archive_kind,
    open_archive,
)

if TYPE_CHECKING:
    from modelwright.prepare.cache.index import Index

SYSTEM_FILES = frozenset({b"Thumbs.db", b"desktop.ini", b"__MACOSX"})
_NESTED = (b".zip", b".tar", b".tgz", b".gz", b".bz2", b".xz", b".7z", b".rar")


def cache_of(settings: Settings) -> Path:
    """Return where unpacked copies go: the store's cache."""
    if settings.store is not None:
        path: Path = settings.store.cache_dir("unpacked")
        return path
    return settings.root / ".modelwright" / "cache" / "unpacked"


class ArchiveSource:
    """An archive with one folder a class: ``.zip``, ``.tar``, ``.tar.gz``, ``.tar.bz2``, ``.tar.xz``.

    Members are read by their offsets, in any order; nothing is extracted. Of a compressed TAR, which has no places to
    begin at, an unpacked copy is kept in the store's cache. Order: the archive's own. Links, devices, encrypted
    members, names that leave the archive, second members of a name and archives in the archive are rejected with a
    reason. Where all members lie in one folder with folders in it, that folder is passed over.
    """

    kind: ClassVar[str] = "archive"
    option_names: ClassVar[Mapping[str, str]] = {
        "files": "pattern, or list of patterns, that a file name must match, such as '*.jpg'",
        "level": "depth of the folder whose name is the class; default: 1, or 2 below a single top folder",
        "classes": "list of the class folders to use; default: all",
        "label": "regular expression that finds the class in a file's name (its first group); default: the folder",
    }
    kept: ClassVar[Kept] = "members"

    def __init__(self, settings: Settings, *, streamed: bool = False) -> None:
        """Check the settings; where members are ``streamed`` and not read whole, they may be of any size."""
        self.settings = settings
        self._streamed = streamed
        options = Options(self.kind, settings)
        self._where = options.where
        self._level = options.whole("level", 1, 32)
        self._classes = frozenset(options.texts("classes"))
        self._naming = Naming.of(settings.options.get("label"), options.where)
        patterns = options.texts("files")
        self._accept = (
            re.compile("|".join(translate(pattern) for pattern in patterns).encode(), re.IGNORECASE)
            if patterns
            else None
        )

    def fingerprint(self, index: Index) -> str:
        """Return the digest of the archive's bytes; it is hashed only if its stat changed."""
        must_exist(self.settings.path, self._where)
        return files_digest(index, f"{self.kind}-file:{self.settings.path}", [self.settings.path], self._where)

    @cached_property
    def _archive(self) -> ZipMembers | TarMembers:
        path = self.settings.path
        must_exist(path, self._where)
        if not archive_kind(path):
            raise InputError(
                f"{self._where}: {path} is no archive",
                code="wrong-format",
                hint="ZIP and TAR are read, also .tar.gz, .tar.bz2 and .tar.xz",
            )
        return open_archive(path, cache_of(self.settings))

    def survey(self) -> Survey:
        """Look through the archive's list; no member is read."""
        archive = self._archive
        if self._level is not None or self._naming is not None:
            return Survey()
        tops: Counter[bytes] = Counter()
        deep = 0
        for member in archive.members():
            parts = member.name.split(b"/")
            if _wanted(parts) and not member.problem:
                tops[parts[0]] += 1
                deep += len(parts) > 2
        self._level = 2 if len(tops) == 1 and deep else 1
        if self._level == 1:
            return Survey()
        top = printable(next(iter(tops)))
        return Survey(remarks=(f"{archive.path.name}: everything is in {top}/, so classes are the folders below it",))

    def items(self, columns: Mapping[str, str]) -> Iterator[Item | Rejected]:  # noqa: ARG002 - the seam's signature
        """Stream the members."""
        if self._level is None:
            self.survey()
        archive = self._archive
        status = archive.path.stat()
        members = list(archive.members())
        overlapping = _overlapping(members) if isinstance(archive, ZipMembers) else frozenset()
        names: set[bytes] = set()
        folded: dict[str, bytes] = {}
        for member in members:
            if self._streamed and member.problem.startswith("too-large"):
                member = replace(member, problem="")
            parts = member.name.split(b"/")
            if not _wanted(parts) or not self._matches(parts):
                continue
            shown = printable(member.name[:LONGEST_NAME]) if member.name else archive.path.name
            problem = member.problem or self._trouble(member, names, overlapping)
            if problem:
                kind, _, message = problem.partition(": ")
                again = f" (at byte {member.offset})" if kind == "duplicate-name" else ""
                yield Rejected(shown + again, kind, f"{shown} {message}", 0.5 if kind == "symlink" else 0.8)
                continue
            names.add(member.name)
            twin = folded.setdefault(shown.casefold(), member.name)
            if twin != member.name:
                yield Rejected(
                    shown,
                    "case-twins",
                    f"{shown} differs from {printable(twin)} in capital letters only; both are used",
                    0.2,
                )
            yield Item(
                path=shown,
                label=self._label(parts),
                stamp=(member.size, status.st_mtime_ns, member.offset, status.st_ctime_ns),
                fetch=partial(fetch, archive, member),
            )

    def _trouble(self, member: Member, names: set[bytes], overlapping: frozenset[int]) -> str:
        if member.name in names:
            return "duplicate-name: is there a second time; the first one is used"
        if member.offset in overlapping:
            return "corrupt: shares bytes with another member, as in a decompression bomb"
        if member.name.lower().endswith(_NESTED):
            return "nested-archive: is an archive in the archive, which is not opened"
        return ""

    def _matches(self, parts: list[bytes]) -> bool:
        if parts == [b""]:
            return True  # the note that the archive breaks off
        if self._accept is not None and not self._accept.match(parts[-1]):
            return False
        return not self._classes or self._label(parts) in self._classes

    def _label(self, parts: list[bytes]) -> str | None:
        if self._naming is not None:
            return self._naming.label(printable(b"/".join(parts)))
        level = self._level or 1
        return printable(parts[level - 1]) if len(parts) > level else None


def fetch(archive: ZipMembers | TarMembers, member: Member) -> bytes:
    """Return a member's bytes, or raise :class:`RejectedFileError`."""
    try:
        return archive.read_member(member)
    except MemberError as error:
        raise RejectedFileError(error.kind, error.message) from error


def _wanted(parts: list[bytes]) -> bool:
    return not any((part[:1] == b"." and part != b"..") or part in SYSTEM_FILES for part in parts)


def _overlapping(members: list[Member]) -> frozenset[int]:
    """Return the offsets of members whose bytes reach into the next one's: the trick of the quine-free ZIP bombs."""
    found = set()
    ordered = sorted(members, key=lambda each: each.offset)
    for one, other in pairwise(ordered):
        if one.offset + 30 + len(one.name) + one.packed > other.offset:
            found.update({one.offset, other.offset})
    return frozenset(found)
