"""What is remembered between runs so that nothing is read twice: digests by stat, scans by digest, listings.

All of it lives in ``cache/`` and may be deleted at any time. Three stores, by how they are used:

- ``listings/<key>``: one line, "<digest of the stat listing> <content digest>". The fast path of a run with nothing to
  do reads just this: no database, no numpy.
- journals of columns: the digests of a folder's files by their stat (:mod:`.known_files`), and what one pass over a
  file's bytes found, by digest (:mod:`.scanned`). Read only when something changed, written in small pieces while files
  are read, so that a killed run goes on where it was.
- ``files.sqlite``: digests by stat for all other sources; a damaged one is thrown away and made again.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from modelwright import canonical
from modelwright.prepare.collect.regular import RejectedFileError, read_regular

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from modelwright.prepare.cache.known_files import KnownFiles, Reader
    from modelwright.prepare.cache.scanned import Scanned

Stat = tuple[bytes, int, int, int, int]
"""Name, size, mtime_ns, inode, ctime_ns."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    source TEXT NOT NULL, name BLOB NOT NULL,
    size INTEGER, mtime INTEGER, inode INTEGER, ctime INTEGER, digest TEXT NOT NULL,
    PRIMARY KEY (source, name)) WITHOUT ROWID;
"""


class Index:
    """The cache of one project's sources.

    Parameters
    ----------
    folder
        ``Store.cache_dir("prepare")``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._database: sqlite3.Connection | None = None
        self._scanned: dict[str, Scanned] = {}
        self.reader: Reader | None = None
        """Reads files that are not known instead of the index itself, where it will."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Commit and close what was opened."""
        for each in self._scanned.values():
            each.close()
        self._scanned = {}
        if self._database is not None:
            with suppress(sqlite3.Error):
                self._database.commit()
            self._database.close()
            self._database = None

    def listing(self, key: str, mark: str) -> str | None:
        """Return the content digest that went with the stat listing ``mark``, if it is still the newest for ``key``."""
        try:
            words = self._listing_path(key).read_text("ascii").split()
        except (OSError, UnicodeDecodeError):
            return None
        return words[1] if len(words) == 2 and words[0] == mark and len(words[1]) == 64 else None

    def remember_listing(self, key: str, mark: str, digest: str) -> None:
        """Remember it; a torn or lost write only costs a second look."""
        path = self._listing_path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{os.getpid()}")
        temporary.write_text(f"{mark} {digest}\n", "ascii")
        temporary.replace(path)

    def _listing_path(self, key: str) -> Path:
        return self._folder / "listings" / _short(key)

    def digests(self, source: str, root: bytes, files: Sequence[Stat]) -> dict[bytes, str]:
        """Return the digest of each file by name; only those whose stat changed are read, unreadable ones left out."""
        known = self.known(source, [file[0] for file in files])
        found: dict[bytes, str] = {}
        fresh: list[tuple[Stat, str]] = []
        for file in files:
            name, *status = file
            entry = known.get(name)
            if entry is not None and entry[:4] == tuple(status):
                found[name] = entry[4]
                continue
            try:
                digest = canonical.digest_bytes(read_regular(os.path.join(root, name)))  # noqa: PTH118 - bytes
            except RejectedFileError:
                continue
            found[name] = digest
            fresh.append((file, digest))
            if len(fresh) >= 512:
                self.remember_files(source, fresh)
                fresh = []
        self.remember_files(source, fresh)
        return found

    def known(self, source: str, names: Sequence[bytes]) -> dict[bytes, tuple[int, int, int, int, str]]:
        """Return ``name -> (size, mtime_ns, inode, ctime_ns, digest)`` of those of ``names`` that were seen."""
        found: dict[bytes, tuple[int, int, int, int, str]] = {}
        for start in range(0, len(names), 500):
            some = names[start : start + 500]
            marks = ",".join("?" * len(some))
            query = f"SELECT * FROM files WHERE source = ? AND name IN ({marks})"  # noqa: S608 - only marks
            rows = self._run(query, (source, *some))
            found.update((row[1], row[2:]) for row in rows)
        return found

    def remember_files(self, source: str, files: Iterable[tuple[Stat, str]]) -> None:
        """Remember the digests of files by their stat, in one transaction."""
        rows = [(source, *file, digest) for file, digest in files]
        if rows:
            self._write("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def known_files(self, source: str) -> KnownFiles:
        """Return the digests of the files in a folder, by column."""
        from modelwright.prepare.cache.known_files import KnownFiles

        return KnownFiles(self._folder / "files" / _short(source), self.reader)

    def scanned(self, scanner: str) -> Scanned:
        """Return the scans that ``scanner`` made here; opened once, and closed with this."""
        from modelwright.prepare.cache.scanned import Scanned

        if scanner not in self._scanned:
            self._scanned[scanner] = Scanned(self._folder / "scans" / _short(scanner))
        return self._scanned[scanner]

    def forget(self, scanner: str, sources: Collection[str], digests: NDArray[np.uint8]) -> int:
        """Forget the scans that no source has a use for, if they are most of all; return the bytes given back.

        Parameters
        ----------
        sources
            Keys of the sources, as they are now.
        digests
            ``(n, 32)``: of what they hold.
        """
        from modelwright.prepare.cache.known_files import of_others

        others = of_others(self._folder / "files", {_short(source) for source in sources})
        return self.scanned(scanner).forget(chain([digests], others, self._of_others(sources)))

    def _of_others(self, sources: Collection[str]) -> Iterator[NDArray[np.uint8]]:
        """Yield what :func:`.known_files.of_others` does, of sources of other kinds."""
        import numpy as np

        if not (self._folder / "files.sqlite").exists():
            return
        for (source,) in self._run("SELECT DISTINCT source FROM files", ()):
            if source in sources:
                continue
            if not Path(source.partition(":")[2]).exists():
                self._write("DELETE FROM files WHERE source = ?", [(source,)])
                continue
            found = self._run("SELECT digest FROM files WHERE source = ?", (source,))
            yield np.frombuffer(bytes.fromhex("".join(digest for (digest,) in found)), np.uint8).reshape(-1, 32)

    def _run(self, query: str, values: Sequence[Any]) -> list[Any]:
        try:
            return self._open().execute(query, values).fetchall()
        except sqlite3.OperationalError:
            return []  # held by another process for long: what it knows is only a saving
        except sqlite3.DatabaseError:
            self._throw_away()
            return []

    def _write(self, query: str, rows: Sequence[Sequence[Any]]) -> None:
        try:
            with self._open() as database:
                database.executemany(query, rows)
        except sqlite3.OperationalError:
            return
        except sqlite3.DatabaseError:
            self._throw_away()

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(self._folder / "files.sqlite", timeout=10)
            # A cache: what a power cut loses is scanned again. kill -9 loses nothing.
            self._database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;" + _SCHEMA)
        return self._database

    def _throw_away(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None
        for name in ("files.sqlite", "files.sqlite-wal", "files.sqlite-shm"):
            (self._folder / name).unlink(missing_ok=True)


def _short(key: str) -> str:
    """Return a file name for a key."""
    return canonical.digest_bytes(key.encode("utf-8", "surrogateescape"))[:32]
