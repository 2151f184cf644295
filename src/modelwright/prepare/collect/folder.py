"""Source ``folder``: one folder a class, files in it at any depth; also in an archive."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from fnmatch import translate
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from blake3 import blake3

from modelwright.errors import InputError
from modelwright.prepare.collect.archive import SYSTEM_FILES, ArchiveSource
from modelwright.prepare.collect.base import (
    Item,
    Kept,
    Rejected,
    Settings,
    Survey,
    must_exist,
    printable,
    reason,
)
from modelwright.prepare.collect.naming import Naming
from modelwright.store.packed import archive_kind

if TYPE_CHECKING:
    from modelwright.prepare.index import Index

Entry = tuple[bytes, int, int, int, int, str]
"""Name relative to the folder, size, mtime_ns, inode, ctime_ns, and the reason to reject it (empty: none)."""


class FolderSource:
    """A folder with one folder a class; the class is the name of the folder at depth ``level`` (1: the top one).

    Hidden files and folders (``.name``) and the system's own (``Thumbs.db``, ``desktop.ini``, ``__MACOSX``) are passed
    over. Links that leave the folder, linked folders, FIFOs, sockets and devices are rejected with a reason; nothing is
    ever opened but regular files. Order: names sorted by their bytes, folder by folder.

    A location that is a ZIP or TAR archive is read as :class:`~modelwright.prepare.collect.archive.ArchiveSource` does.
    """

    kind: ClassVar[str] = "folder"
    option_names: ClassVar[Mapping[str, str]] = {
        "files": "pattern, or list of patterns, that a file name must match, such as '*.jpg'",
        "level": "depth of the folder whose name is the class: 1 (default) is the top one",
        "classes": "list of the class folders to use; default: all",
        "label": "regular expression that finds the class in a file's name (its first group); default: the folder",
    }

    @property
    def kept(self) -> Kept:
        """Samples stay in their files, or in the archive."""
        return "files" if self._archive is None else "members"

    @cached_property
    def _archive(self) -> ArchiveSource | None:
        return ArchiveSource(self.settings) if archive_kind(self.settings.path) else None

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._level = _whole(settings.options.get("level", 1), settings)
        self._classes = _words(settings.options.get("classes"), "classes", settings)
        self._naming = Naming.of(settings.options.get("label"), f"source 'folder: {settings.location}'")
        patterns = _words(settings.options.get("files"), "files", settings)
        self._accept = (
            re.compile("|".join(translate(pattern) for pattern in patterns).encode(), re.IGNORECASE)
            if patterns
            else None
        )

    def fingerprint(self, index: Index) -> str:
        """Return the digest of all names and contents; hashes only files whose stat changed since the last time.

        Compared are size, mtime, inode and ctime, in nanoseconds. A file rewritten in place within one tick of the
        file system's clock, with its size and inode kept, is not noticed.
        """
        must_exist(self.settings.path, "source folder")
        if self._archive is not None:
            return self._archive.fingerprint(index)
        # The options are part of the listing: another pattern is another content.
        options = (self._level, self._classes, *([self._naming.mark] if self._naming is not None else []))
        listing = blake3(repr(options).encode())
        kept = []  # a million files are a million lines of some 80 bytes: as tuples they would be five times that
        for some in _batches(self._walk()):
            line = b"".join([b"%b\0%d\0%d\0%d\0%d\0%b\0" % (*entry[:5], entry[5].encode()) for entry in some])
            listing.update(line)
            kept.append(line)
        mark = listing.hexdigest()
        known = index.listing(self._key(), mark)
        if known is not None:
            return known
        root = os.fsencode(self.settings.path)
        content = blake3()
        for line in kept:
            fields = line.split(b"\0")
            problems = fields[5::6]
            stats = zip(fields[::6], *(map(int, fields[place:-1:6]) for place in range(1, 5)), strict=False)
            files = list(stats)
            sound = [file for file, problem in zip(files, problems, strict=True) if not problem]
            digests = index.digests(self._key(), root, sound)
            for file, problem in zip(files, problems, strict=True):
                content.update(b"%b\0%b\n" % (file[0], problem or digests.get(file[0], "unreadable").encode()))
        digest = content.hexdigest()
        index.remember_listing(self._key(), mark, digest)
        return digest

    def _key(self) -> str:
        return f"folder:{self.settings.path}"

    def survey(self) -> Survey:
        """Check that there is a folder; nothing is read."""
        must_exist(self.settings.path, "source folder")
        if self._archive is not None:
            return self._archive.survey()
        if not self.settings.path.is_dir():
            raise InputError(
                f"source folder: {self.settings.path} is a file, not a folder",
                code="not-a-folder",
                hint="an archive is read too; a CSV or Parquet file is a source of kind 'table'",
            )
        return Survey()

    def items(self, columns: Mapping[str, str]) -> Iterator[Item | Rejected]:
        """Stream the files."""
        if self._archive is not None:
            yield from self._archive.items(columns)
            return
        root = os.fsencode(self.settings.path)
        for name, size, mtime, inode, ctime, problem in self._walk():
            shown = printable(name)
            if problem:
                kind, _, message = problem.partition(": ")
                yield Rejected(shown, kind, f"{shown} {message}", 0.5 if kind == "symlink" else 0.8)
                continue
            yield Item(
                path=shown,
                label=self._label(name),
                file=os.fsdecode(os.path.join(root, name)),  # noqa: PTH118 - bytes
                stamp=(size, mtime, inode, ctime),
            )

    def _label(self, name: bytes) -> str | None:
        if self._naming is not None:
            return self._naming.label(printable(name))
        parts = name.split(b"/")
        return printable(parts[self._level - 1]) if len(parts) > self._level else None

    def _walk(self) -> Iterator[Entry]:
        root = os.fsencode(self.settings.path)
        pending: list[bytes] = [b""]
        home = b""
        while pending:
            folder = pending.pop()
            try:
                with os.scandir(root + b"/" + folder) as found:
                    entries = sorted(found, key=_by_name)
            except OSError as error:
                yield folder.rstrip(b"/") or b".", 0, 0, 0, 0, f"unreadable: cannot be listed: {reason(error)}"
                continue
            below: list[bytes] = []
            depth = folder.count(b"/")
            for entry in entries:
                name = entry.name
                if name[:1] == b"." or name in SYSTEM_FILES:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    named = self._naming is not None or depth != self._level - 1 or not self._classes
                    if named or printable(name) in self._classes:
                        below.append(folder + name + b"/")
                    continue
                if self._accept is not None and not self._accept.match(name):
                    continue
                path = folder + name
                if self._naming is not None and self._classes and self._label(path) not in self._classes:
                    continue
                try:
                    status = entry.stat(follow_symlinks=False)
                except OSError as error:
                    yield path, 0, 0, 0, 0, f"unreadable: cannot be looked at: {reason(error)}"
                    continue
                if stat.S_ISREG(status.st_mode):
                    yield path, status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns, ""
                else:
                    home = home or os.path.realpath(root)
                    yield path, 0, 0, 0, 0, _why_not(entry, status.st_mode, home)
            pending.extend(reversed(below))


def _batches(entries: Iterator[Entry]) -> Iterator[list[Entry]]:
    while some := list(islice(entries, 4096)):
        yield some


def _by_name(entry: os.DirEntry[bytes]) -> bytes:
    return entry.name


def _why_not(entry: os.DirEntry[bytes], mode: int, home: bytes) -> str:
    if stat.S_ISLNK(mode):
        target = os.path.realpath(entry.path)
        if not target.startswith(home + b"/"):
            return "symlink: is a link that leaves the folder"
        if not os.path.exists(target):  # noqa: PTH110 - bytes
            return "symlink: is a link to nothing"
        return f"symlink: is a link to {printable(target[len(home) + 1 :])}, which is read where it lies"
    kinds = {stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket", stat.S_IFBLK: "a device", stat.S_IFCHR: "a device"}
    return f"not-a-file: is {kinds.get(stat.S_IFMT(mode), 'not a regular file')}"


def _whole(value: Any, settings: Settings) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 32:
        raise InputError(
            f"source 'folder: {settings.location}': option 'level' is {value!r}; it must be a whole number, 1 to 32",
            code="bad-option",
        )
    return value


def _words(value: Any, key: str, settings: Settings) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    if isinstance(value, (list, tuple)) and all(isinstance(each, str) for each in value):
        return tuple(value)
    raise InputError(
        f"source 'folder: {settings.location}': option {key!r} is {value!r}; it must be text or a list of texts",
        code="bad-option",
    )
