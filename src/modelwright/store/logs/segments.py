"""The files of one prediction log: which there are, in which order, and whether one is still being written.

A segment keeps its sequence number when it is compacted, and the byte offsets of its records are kept too; so a
position in the log holds in either form. Sequence numbers only ever grow: the highest file is never removed.
"""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from modelwright.store.files import sync_folder
from modelwright.store.locks import file_lock
from modelwright.store.scratch import Scratch

_NAME = re.compile(r"(\d{10,18})(?:-[A-Za-z0-9]+)?\.(wal|parquet)(?:\.damaged)?\Z")


@dataclass(frozen=True)
class Segment:
    """One segment: its write-ahead file, its Parquet file, or (after a crash between two renames) both."""

    sequence: int
    wal: Path | None = None
    parquet: Path | None = None


def segments_lock(folder: Path) -> AbstractContextManager[None]:
    """Return the lock under which files of a log appear, are replaced and are listed."""
    return file_lock(folder, "segments")


def list_segments(folder: Path) -> list[Segment]:
    """Return the segments of a log in order; none if there is no such log."""
    if not folder.is_dir():
        return []
    with segments_lock(folder):
        return _list(folder)


def create_segment(folder: Path, scratch: Scratch) -> tuple[int, Path]:
    """Make a new segment and return its open handle, which holds the lock that says that it is being written."""
    with segments_lock(folder):
        sequence = max((_sequence(path) for path in folder.iterdir()), default=0) + 1
        path = folder / f"{sequence:010d}-{os.getpid()}.wal"
        temporary = scratch.new()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        handle = os.open(temporary, flags, 0o600)
        try:
            # Locked before it has its name: no reader ever sees it unlocked while its writer lives.
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            temporary.rename(path)
            sync_folder(folder)
        except BaseException:
            os.close(handle)
            raise
    return handle, path


def _list(folder: Path) -> list[Segment]:
    found: dict[int, Segment] = {}
    for path in folder.iterdir():
        sequence = _sequence(path)
        if not sequence or path.suffix == ".damaged":
            continue
        known = found.get(sequence, Segment(sequence))
        if path.suffix == ".wal":
            found[sequence] = Segment(sequence, path, known.parquet)
        else:
            found[sequence] = Segment(sequence, known.wal, path)
    return [found[sequence] for sequence in sorted(found)]


def _sequence(path: Path) -> int:
    """Return the sequence number in a file's name; 0 if it is no part of the log."""
    match = _NAME.match(path.name)
    return int(match.group(1)) if match else 0
