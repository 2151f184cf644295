"""The digests of a folder's files by name and stat, by column: only files whose stat changed are read."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from modelwright import canonical
from modelwright.prepare.cache.journal import Frame, Journal, rewrite
from modelwright.prepare.collect.listing import FIELDS, Listing
from modelwright.prepare.collect.regular import RejectedFileError, read_regular

_COMMIT_EVERY = 16_384
_COMMIT_SECONDS = 2.0
_READERS = 8
"""Threads that read: a disk answers many small questions at once sooner than one after the other."""
_TOGETHER = 32
"""Files that a thread takes at a time."""
_WASTE = 1.25
"""Rows for each listed file from which what is remembered is written anew, without those that are gone."""

Reader: TypeAlias = Callable[[bytes, Sequence[bytes], int], Iterator[NDArray[np.uint8]] | None]
"""Takes a folder, names of files in it, and their bytes in all; yields ``(k, 32)`` digests in their order, zeros for a
file that cannot be read. None: it leaves them to others."""


class KnownFiles:
    """What is remembered of one source's files.

    Parameters
    ----------
    path
        The journal: a frame of all files as of some day, and frames of those that were read since.
    reader
        Who may read files instead of this.
    """

    def __init__(self, path: Path, reader: Reader | None = None) -> None:
        self._path = path
        self._reader = reader
        self.handed_over = 0
        """Files that ``reader`` read."""

    def digests(self, listing: Listing, root: bytes) -> NDArray[np.uint8]:
        """Return ``(n, 32) uint8`` digests of the listed files; zeros where one is rejected or unreadable.

        What is read is remembered every few seconds, so that a killed run goes on where it was.
        """
        stamps = np.frombuffer(listing.stamps, np.int64).reshape(-1, FIELDS)
        made = np.zeros((len(listing), 32), np.uint8)
        known = np.zeros(len(listing), bool)
        known[list(listing.problems)] = True
        with Journal(self._path) as journal:
            try:
                rows = self._look_up(journal, listing, stamps, made, known)
            except ValueError:
                journal.throw_away()
                rows, made[:], known[:] = 0, 0, False
                known[list(listing.problems)] = True
            unknown = np.flatnonzero(~known)
            rows += len(unknown)
            if len(unknown):
                self._read(journal, listing, root, stamps, made, unknown)
            several = len(journal.frames) > 1
        if (several and len(unknown) > len(listing) / 8) or rows > _WASTE * len(listing) + 1000:
            rewrite(self._path, _facts(root), _columns(listing.names, stamps, made))
        return made

    def _look_up(
        self,
        journal: Journal,
        listing: Listing,
        stamps: NDArray[np.int64],
        made: NDArray[np.uint8],
        known: NDArray[np.bool_],
    ) -> int:
        """Put what is known of the listed files into ``made`` and ``known``; return the number of remembered rows."""
        if not journal.frames or not len(listing):
            return 0
        first, later = journal.frames[0], journal.frames[1:]
        if later:
            names = b"\0".join(_names(journal, frame) for frame in reversed(later))
            rows = np.concatenate([journal.read(frame.columns["stamps"]) for frame in reversed(later)])
            digests = np.concatenate([journal.read(frame.columns["digest"]) for frame in reversed(later)])
            at = _places(_arrow(listing.names), _arrow(names))
            _same(stamps, made, known, at, rows, digests)
        names = _names(journal, first)
        rows, digests = journal.read(first.columns["stamps"]), journal.read(first.columns["digest"])
        if names == listing.names:
            _same_in_order(stamps, made, known, rows, digests)
        else:
            _same(stamps, made, known, _places(_arrow(listing.names), _arrow(names)), rows, digests)
        return sum(frame.rows for frame in journal.frames)

    def _read(
        self,
        journal: Journal,
        listing: Listing,
        root: bytes,
        stamps: NDArray[np.int64],
        made: NDArray[np.uint8],
        unknown: NDArray[np.int64],
    ) -> None:
        names = listing.names.split(b"\0") if len(unknown) > 1000 else _arrow(listing.names)
        fresh: list[NDArray[np.int64]] = []
        committed = time.monotonic()

        def commit() -> None:
            places = np.concatenate([np.empty(0, np.int64), *fresh])
            if len(places):
                joined = b"\0".join([_name(names, place) for place in places.tolist()])
                journal.append(_facts(root), _columns(joined, stamps[places], made[places]))

        for places, digests in self._digests(root, names, unknown, int(stamps[unknown, 0].sum())):
            made[places] = digests
            fresh.append(places[digests.any(1)])
            if sum(map(len, fresh)) >= _COMMIT_EVERY or time.monotonic() - committed > _COMMIT_SECONDS:
                commit()
                fresh, committed = [], time.monotonic()
        commit()

    def _digests(
        self, root: bytes, names: Any, unknown: NDArray[np.int64], size: int
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint8]]]:
        """Yield places of files and their digests, zeros where one cannot be read, in the order of ``unknown``."""
        from modelwright.engine.here import map_ordered

        if self._reader is not None:
            found = self._reader(root, [_name(names, place) for place in unknown.tolist()], size)
            if found is not None:
                for digests in found:
                    yield unknown[self.handed_over : self.handed_over + len(digests)], digests
                    self.handed_over += len(digests)
                return

        def look(places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
            read = [_digest(os.path.join(root, _name(names, place))) for place in places.tolist()]  # noqa: PTH118
            return places, np.frombuffer(b"".join(read), np.uint8).reshape(-1, 32)

        parts = (unknown[start : start + _TOGETHER] for start in range(0, len(unknown), _TOGETHER))
        yield from map_ordered(look, parts, _READERS if len(unknown) > _TOGETHER else 1)


def of_others(folder: Path, current: Collection[str]) -> Iterator[NDArray[np.uint8]]:
    """Yield the digests of files in folders that are there, but that no source names now; ``(n, 32)`` each.

    They are wanted again when a source names them again. What is remembered of folders that are gone is removed.

    Parameters
    ----------
    folder
        Where the journals lie.
    current
        Names of those of the sources.
    """
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name in current or path.suffix:  # one with a suffix is being written
            continue
        with Journal(path) as journal:
            root = journal.frames[0].facts.get("root", "") if journal.frames else ""
            digests: list[NDArray[np.uint8]] = []
            if root and Path(root).is_dir():
                with suppress(ValueError):  # damaged: nothing of it is of use
                    digests = [journal.read(frame.columns["digest"]) for frame in journal.frames]
            if not digests:
                journal.throw_away()
        yield from digests


def _facts(root: bytes) -> dict[str, str]:
    return {"root": os.fsdecode(root)}


def _digest(path: bytes) -> bytes:
    """Return the digest of a file's bytes, or zeros if it cannot be read."""
    try:
        return bytes.fromhex(canonical.digest_bytes(read_regular(path)))
    except RejectedFileError:
        return bytes(32)


def _columns(names: bytes, stamps: NDArray[np.int64], digests: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
    return {"stamps": stamps, "digest": digests, "names": np.frombuffer(names, np.uint8)}


def _names(journal: Journal, frame: Frame) -> bytes:
    return bytes(journal.read(frame.columns["names"]))


def _name(names: Any, place: int) -> bytes:
    found = names[place]
    return found if isinstance(found, bytes) else bytes(found.as_py())


def _same(
    stamps: NDArray[np.int64],
    made: NDArray[np.uint8],
    known: NDArray[np.bool_],
    at: NDArray[np.int64],
    rows: NDArray[np.int64],
    digests: NDArray[np.uint8],
) -> None:
    """Take over the digests of files whose stat is what it was; those without a digest are read again."""
    fits = ~known & (at >= 0)
    fits[fits] = (rows[at[fits]] == stamps[fits]).all(1) & digests[at[fits]].any(1)
    made[fits] = digests[at[fits]]
    known |= fits


def _same_in_order(
    stamps: NDArray[np.int64],
    made: NDArray[np.uint8],
    known: NDArray[np.bool_],
    rows: NDArray[np.int64],
    digests: NDArray[np.uint8],
) -> None:
    """Do what :func:`_same` does where the files are the same ones in the same order, in a tenth of the time."""
    fits = ~known
    for field in range(FIELDS):
        fits &= rows[:, field] == stamps[:, field]
    words = digests.view(np.uint64)
    fits &= (words[:, 0] | words[:, 1] | words[:, 2] | words[:, 3]) != 0
    np.copyto(made, digests, where=fits[:, None])
    known |= fits


def _arrow(names: bytes) -> Any:
    """Return names with NUL between them as an Arrow array of bytes."""
    import pyarrow as pa

    offsets, text = cut(names)
    return pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(offsets) - 1, [None, pa.py_buffer(offsets), pa.py_buffer(text)]
    )


def cut(names: bytes) -> tuple[NDArray[np.int64], bytes]:
    """Return ``(n + 1,)`` offsets of the names in their joined bytes, and those."""
    ends = np.flatnonzero(np.frombuffer(names, np.uint8) == 0)
    inner = ends - np.arange(len(ends))
    text = names.replace(b"\0", b"")
    return np.concatenate([[0], inner, [len(text)]]).astype(np.int64), text


def _places(wanted: Any, names: Any) -> NDArray[np.int64]:
    """Return the first place of each wanted name in ``names``, -1 where it is not there."""
    from pyarrow import compute

    found = compute.index_in(wanted, value_set=names)
    return np.asarray(compute.fill_null(found, -1).to_numpy(zero_copy_only=False), np.int64)
