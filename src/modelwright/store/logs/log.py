"""The prediction logs of a store: writing, reading on from where one stopped, compacting, finding inputs again."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

from modelwright.canonical import digest_bytes
from modelwright.errors import InputError
from modelwright.store.files import READ, check_name, make_folders, storage_error, storage_errors
from modelwright.store.locks import held
from modelwright.store.logs.compaction import Compaction, compact, groups, read_parquet, search_parquet
from modelwright.store.logs.records import Damage, Frames, OnDamage, Position, Record
from modelwright.store.logs.segments import Segment, list_segments
from modelwright.store.logs.writer import SEGMENT_BYTES, SEGMENT_SECONDS, Durability, LogWriter
from modelwright.store.scratch import Scratch

_LOGGER = logging.getLogger("modelwright.store")


def warn(damage: Damage) -> None:
    """Log a warning about damage: what happens where a reader passes no ``on_damage`` of its own."""
    _LOGGER.warning("part of a prediction log cannot be read: %s", damage)


class Logs:
    """The logs below ``logs/``, one a deployment."""

    def __init__(self, root: Path, scratch: Scratch) -> None:
        self._root = root / "logs"
        self._scratch = scratch

    def deployments(self) -> list[str]:
        """Return the names of the deployments that have a log."""
        try:
            return sorted(path.name for path in self._root.iterdir() if path.is_dir())
        except FileNotFoundError:
            return []

    def writer(
        self,
        deployment: str,
        durability: Durability = "process",
        *,
        segment_bytes: int = SEGMENT_BYTES,
        segment_seconds: float = SEGMENT_SECONDS,
    ) -> LogWriter:
        """Return a writer; any number of processes may write one log, each into segments of its own.

        Parameters
        ----------
        durability
            See :class:`LogWriter`.
        segment_bytes, segment_seconds
            When a segment is closed, so that it may be compacted.

        Raises
        ------
        InputError
            If ``deployment`` cannot be a name, or ``durability`` is neither ``process`` nor ``power``.
        """
        if durability not in {"process", "power"}:
            raise InputError(f"durability is 'process' or 'power'; found {durability!r}", code="bad-durability")
        folder = self._folder(deployment)
        with storage_errors("make", folder):
            make_folders(folder, self._root.parent)
        return LogWriter(folder, self._scratch, durability, segment_bytes, segment_seconds)

    def read(
        self,
        deployment: str,
        after: Position | None = None,
        batch: int = 1024,
        on_damage: OnDamage = warn,
    ) -> Iterator[tuple[Position, list[Record]]]:
        """Yield ``(position, records)``: everything behind ``after``, to where the log is now.

        Each segment's records come in the order in which they were appended, the segments in the order in which they
        were begun. Resume later with the last position. At most ``batch`` records or about 16 MiB are held at once.

        Parameters
        ----------
        on_damage
            Called with every stretch of bytes that cannot be read; reading goes on behind it.

        Raises
        ------
        StorageError
            If a file cannot be read at all.
        """
        position = after or Position()
        floor = position.floor
        offsets = dict(position.offsets)
        unbroken = True  # every segment so far is closed and read to its end
        for segment in list_segments(self._folder(deployment)):
            if segment.sequence < floor:
                continue
            part = _Part(segment, offsets.get(segment.sequence, 0), on_damage)
            for group in part.read(batch):
                offsets[segment.sequence] = group[-1][0]
                yield Position(floor, tuple(sorted(offsets.items()))), [record for _, record in group]
            unbroken = unbroken and part.closed
            if unbroken:
                floor = segment.sequence + 1
                offsets.pop(segment.sequence, None)

    def compact(self, deployment: str) -> Compaction:
        """Turn the closed segments of a log into Parquet (zstd), one by one, and remove them.

        Raises
        ------
        MissingExtraError
            If pyarrow is not installed.
        StorageError
            If the disk refuses; what was not finished is as it was.
        """
        folder = self._folder(deployment)
        return compact(folder, self._scratch) if folder.is_dir() else Compaction()

    def find_inputs(self, samples: set[str]) -> Iterator[tuple[str, str, bytes]]:
        """Yield ``(sample, media type, raw bytes)`` once for each of ``samples`` that is in any log, in no order."""
        for record in self._search("sample", samples):
            if digest_bytes(record.input) == record.sample:
                yield record.sample, record.media_type, record.input

    def find(self, ids: set[str]) -> Iterator[Record]:
        """Yield the record of each prediction id in ``ids`` that is in any log, in no order."""
        yield from self._search("id", ids)

    def _search(self, column: str, wanted: set[str]) -> Iterator[Record]:
        missing = set(wanted)
        for deployment in self.deployments():
            for segment in reversed(list_segments(self._folder(deployment))):
                if not missing:
                    return
                for record in _Part(segment, 0, warn).search(column, missing):
                    value = getattr(record, column)
                    if value in missing:
                        missing.discard(value)
                        yield record

    def _folder(self, deployment: str) -> Path:
        return self._root / check_name(deployment, "deployment")


class _Part:
    """One segment as a reader meets it; it may be compacted between the listing and the opening."""

    def __init__(self, segment: Segment, start: int, on_damage: OnDamage) -> None:
        self._segment = segment
        self._start = start
        self._on_damage = on_damage
        self.closed = True
        """Whether nothing more can be appended; known once :meth:`read` has begun."""

    def read(self, batch: int) -> Iterator[list[tuple[int, Record]]]:
        path = self._parquet()
        if path is not None:
            yield from read_parquet(path, self._start, batch, self._on_damage)
            return
        handle = self._open()
        if handle is None:
            yield from self._reread(batch)
            return
        try:
            self.closed = not held(handle)  # asked before reading: what a closed one holds now is all of it
            frames = Frames(handle, str(self._segment.wal), closed=self.closed, on_damage=self._on_damage)
            yield from groups(frames(self._start), batch)
        finally:
            os.close(handle)

    def search(self, column: str, wanted: set[str]) -> Iterator[Record]:
        path = self._parquet()
        if path is not None:
            yield from search_parquet(path, column, wanted, self._on_damage)
            return
        for group in self.read(256):
            yield from (record for _, record in group if getattr(record, column) in wanted)

    def _parquet(self) -> Path | None:
        return self._segment.parquet

    def _open(self) -> int | None:
        assert self._segment.wal is not None
        try:
            return os.open(self._segment.wal, READ)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise storage_error(error, "read the prediction log", self._segment.wal) from error

    def _reread(self, batch: int) -> Iterator[list[tuple[int, Record]]]:
        """Read the Parquet file that took the place of the segment since it was listed."""
        assert self._segment.wal is not None
        for segment in list_segments(self._segment.wal.parent):
            if segment.sequence == self._segment.sequence and segment.parquet is not None:
                yield from read_parquet(segment.parquet, self._start, batch, self._on_damage)
