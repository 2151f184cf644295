"""Source ``folder``: one folder a class, files in it at any depth; also in an archive."""

from __future__ import annotations

import os
import re
import stat
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from fnmatch import translate
from functools import cached_property
from threading import Thread
from typing import TYPE_CHECKING, Any, ClassVar

from blake3 import blake3

from modelwright.engine.threads import usable_cores
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
from modelwright.prepare.collect.listing import FIELDS, Files, Listing, rejected
from modelwright.prepare.collect.naming import Naming
from modelwright.store.packed import archive_kind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from modelwright.prepare.cache.index import Index

_KIND = 0o170000
_MANY = 50_000
"""Files from which a second process is worth its start: a million are listed in 2.0 s and not in 3.3 s."""


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

    @cached_property
    def _home(self) -> bytes:
        return os.path.realpath(os.fsencode(self.settings.path))

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._listing: Listing | None = None
        self._digests: NDArray[np.uint8] | None = None
        self._scanned = 0
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
        options = (self._level, self._classes, *([self._naming.mark] if self._naming is not None else []))
        listing = self._listing = self._listed()
        mark = listing.digest(options)
        known = index.listing(self._key(), mark)
        if known is not None:
            return known
        digests = self._digests = self._look_at(listing, index)
        content = blake3(listing.names)
        content.update(digests.tobytes())
        content.update(repr(sorted(listing.problems.items())).encode())
        digest = content.hexdigest()
        index.remember_listing(self._key(), mark, digest)
        return digest

    def files(self, index: Index) -> Files | None:
        """Return the files as they were when the source was last asked for its fingerprint, or as they are now."""
        from modelwright.prepare.collect.listing_columns import columns

        if self._archive is not None:
            return None
        if self._listing is None:
            self._listing = self._listed()
        if self._digests is None:
            self._digests = self._look_at(self._listing, index)
        naming = self._naming
        return columns(
            self._listing,
            self._digests,
            str(self.settings.path),
            [self._label(folder) for folder, _ in self._listing.runs] if naming is None else naming.label,
            self._scanned,
        )

    def _look_at(self, listing: Listing, index: Index) -> NDArray[np.uint8]:
        """Return the digests of the listed files."""
        known = index.known_files(self._key())
        digests = known.digests(listing, os.fsencode(self.settings.path))
        self._scanned = known.handed_over
        return digests

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
        listing = self._listed()
        names = listing.names.split(b"\0") if len(listing) else []
        for place, name in enumerate(names):
            problem = listing.problems.get(place)
            if problem is not None:
                yield rejected(name, problem)
                continue
            yield Item(
                path=printable(name),
                label=self._label(name),
                file=os.fsdecode(os.path.join(root, name)),  # noqa: PTH118 - bytes
                stamp=tuple(listing.stamps[FIELDS * place : FIELDS * (place + 1)]),  # type: ignore[arg-type]
            )

    def _label(self, name: bytes) -> str | None:
        if self._naming is not None:
            return self._naming.label(printable(name))
        parts = name.split(b"/")
        return printable(parts[self._level - 1]) if len(parts) > self._level else None

    def _listed(self) -> Listing:
        """Look at every file's stat; of many, a part in another process where there are cores for it."""
        listing = Listing()
        pending = self._walk([b""], listing, _MANY)
        if len(pending) < 2 or usable_cores() < 2:
            self._walk(pending, listing)
            return listing
        for part in self._shared(pending[::-1]):
            listing.extend(part)
        return listing

    def listed(self, folder: bytes) -> Listing:
        """Return what lies in one folder and below; its name starts from the root, and ends in ``/``."""
        listing = Listing()
        self._walk([folder], listing)
        return listing

    def _shared(self, folders: Sequence[bytes]) -> Iterator[Listing]:
        """Yield what lies in each of some folders; this process lists from the first on, another from the last back."""
        from modelwright.prepare.collect.listing_child import Helper

        left = deque(range(len(folders)))
        made: dict[int, Listing] = {}

        def help_along(helper: Helper) -> None:
            with suppress(IndexError, EOFError, OSError):  # what it leaves undone is done here
                while True:
                    place = left.pop()
                    made[place] = helper.listed(folders[place])

        with Helper(self.settings) as helper:
            thread = Thread(target=help_along, args=(helper,), daemon=True)
            thread.start()
            with suppress(IndexError):
                while True:
                    place = left.popleft()
                    made[place] = self.listed(folders[place])
            thread.join()
        for place, folder in enumerate(folders):
            yield made.pop(place) if place in made else self.listed(folder)

    def _walk(self, pending: list[bytes], listing: Listing, most: int | None = None) -> list[bytes]:
        """Add the files in some folders and below to a listing, the last folder's first; return what is left.

        Names are sorted by their bytes, a folder's files come before the folders in it. Nothing is left, unless there
        are ``most`` files or more.
        """
        root = os.fsencode(self.settings.path)
        while pending and (most is None or len(listing) < most):
            folder = pending.pop()
            try:
                names = sorted(os.listdir(root + b"/" + folder))  # noqa: PTH208 - bytes
                # Names are looked up from the folder itself: from the root, it takes half as long again.
                descriptor = os.open(root + b"/" + folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except OSError as error:
                self._problem(listing, f"unreadable: cannot be listed: {reason(error)}")
                above, _, name = (folder.rstrip(b"/") or b".").rpartition(b"/")
                listing.add(above + b"/" if above else b"", [name])
                continue
            try:
                below = self._list_folder(folder, names, descriptor, listing)
            finally:
                os.close(descriptor)
            pending.extend(reversed(below))
        return pending

    def _list_folder(self, folder: bytes, found: Sequence[bytes], descriptor: int, listing: Listing) -> list[bytes]:
        """List the files of one folder; return the folders in it that are looked into."""
        names: list[bytes] = []
        below: list[bytes] = []
        named = self._naming is not None or folder.count(b"/") != self._level - 1 or not self._classes
        choosy = self._accept is not None or (self._naming is not None and bool(self._classes))
        stamp = listing.stamps.extend
        for name in found:
            if name[:1] == b"." or name in SYSTEM_FILES:
                continue
            try:
                status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            except OSError as error:
                if not choosy or self._wanted(folder, name):
                    self._problem(listing, f"unreadable: cannot be looked at: {reason(error)}")
                    names.append(name)
                continue
            kind = status.st_mode & _KIND
            if kind == stat.S_IFDIR:
                if named or printable(name) in self._classes:
                    below.append(folder + name + b"/")
                continue
            if choosy and not self._wanted(folder, name):
                continue
            if kind == stat.S_IFREG:
                stamp((status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns))
            else:
                path = os.path.join(os.fsencode(self.settings.path), folder + name)  # noqa: PTH118 - bytes
                self._problem(listing, _why_not(path, kind, self._home))
            names.append(name)
        listing.add(folder, names)
        return below

    @staticmethod
    def _problem(listing: Listing, problem: str) -> None:
        listing.problems[len(listing)] = problem
        listing.stamps.extend((0, 0, 0, 0))

    def _wanted(self, folder: bytes, name: bytes) -> bool:
        if self._accept is not None and not self._accept.match(name):
            return False
        return self._naming is None or not self._classes or self._label(folder + name) in self._classes


def _why_not(path: bytes, mode: int, home: bytes) -> str:
    if stat.S_ISLNK(mode):
        target = os.path.realpath(path)
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
