"""Appending to a prediction log: one write a batch, and a flush before the answer leaves if so configured."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeAlias

from modelwright.store.files import StorageError, storage_error, write_all
from modelwright.store.logs.records import Record, encode
from modelwright.store.logs.segments import create_segment
from modelwright.store.scratch import Scratch

Durability: TypeAlias = Literal["process", "power"]
FLUSH_SECONDS = 0.4
SEGMENT_BYTES = 64 << 20
SEGMENT_SECONDS = 3600.0


class _Segment:
    """One open segment, and how much of it is on the disk for sure."""

    __slots__ = ("born", "guard", "handle", "path", "synced", "written")

    def __init__(self, handle: int, path: Path) -> None:
        self.handle = handle
        self.path = path
        self.born = time.monotonic()
        self.written = 0
        self.synced = 0
        self.guard = threading.Lock()

    def sync(self, offset: int) -> None:
        """Have the bytes before ``offset`` on the disk. Threads that wait here share one flush."""
        with self.guard:
            if self.synced < offset:
                target = self.written
                os.fdatasync(self.handle)
                self.synced = target

    def close(self) -> None:
        """Let go of the file, and so of its lock: it is closed for ever."""
        with self.guard:
            if self.handle >= 0:
                os.close(self.handle)
                self.handle = -1
                self.synced = self.written


class LogWriter:
    """Appends predictions to one log, from any thread; close it when done.

    Parameters
    ----------
    folder
        The log's folder.
    durability
        ``process``: a record that was appended survives the death of this process (kill -9) at once, and a power cut
        after half a second at most. ``power``: it survives a power cut when :meth:`append_many` returns.
    segment_bytes, segment_seconds
        When a segment is closed and the next begun.
    """

    def __init__(
        self,
        folder: Path,
        scratch: Scratch,
        durability: Durability,
        segment_bytes: int = SEGMENT_BYTES,
        segment_seconds: float = SEGMENT_SECONDS,
    ) -> None:
        self._folder = folder
        self._scratch = scratch
        self._power = durability == "power"
        self._segment_bytes = segment_bytes
        self._segment_seconds = segment_seconds
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        """Begin without a segment: at first, and in a child that was forked from the process that had one."""
        self._process = os.getpid()
        self._segment: _Segment | None = None
        self._failure: StorageError | None = None
        self._guard = threading.Lock()
        self._dirty = threading.Event()
        self._stop = threading.Event()
        self._flusher: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def append(self, record: Record) -> None:
        """Append one record; see :meth:`append_many`."""
        self._write(encode(record))

    def append_many(self, records: Sequence[Record]) -> None:
        """Append records, in order and in one write; when this returns they are as durable as configured.

        Raises
        ------
        StorageError
            ``disk-full``, ``disk-error``: none of these records counts as stored. The log stays usable, and the next
            append tries again. In ``process`` durability a flush that failed in the background is raised here too.
        InputError
            If an output is not JSON, or a record is larger than 256 MiB; nothing was written.
        """
        if records:
            self._write(b"".join([encode(record) for record in records]))

    def sync(self) -> None:
        """Flush what was appended to the disk.

        Raises
        ------
        StorageError
            If the disk refuses.
        """
        segment = self._segment
        if segment is not None:
            self._sync(segment, segment.written)

    def close(self) -> None:
        """Flush, and close the segment, which may be compacted from now on. Appending afterwards is an error.

        Raises
        ------
        StorageError
            If the last flush fails.
        """
        if self._closed:
            return
        self._closed = True
        self._stop.set()
        self._dirty.set()
        if self._flusher is not None and self._process == os.getpid():
            self._flusher.join()
        with self._guard:
            self._retire()

    def _write(self, data: bytes) -> None:
        if self._process != os.getpid():
            self._begin()
        with self._guard:
            segment = self._current(len(data))
            try:
                write_all(segment.handle, data)
            except OSError as error:
                self._abandon(segment)
                raise storage_error(error, "append to the prediction log", segment.path) from error
            segment.written += len(data)
            offset = segment.written
        if self._power:
            self._sync(segment, offset)
        elif not self._dirty.is_set():
            self._dirty.set()
            if self._flusher is None:
                self._start_flusher()

    def _current(self, size: int) -> _Segment:
        if self._closed:
            raise StorageError(f"the writer of the prediction log {self._folder} is closed", code="closed")
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        segment = self._segment
        if segment is not None:
            full = segment.written and segment.written + size > self._segment_bytes
            if not full and time.monotonic() - segment.born < self._segment_seconds:
                return segment
            self._retire()
        try:
            segment = _Segment(*create_segment(self._folder, self._scratch))
        except OSError as error:
            raise storage_error(error, "begin a segment of the prediction log in", self._folder) from error
        self._segment = segment
        return segment

    def _retire(self) -> None:
        """Flush and close the segment, if there is one."""
        segment, self._segment = self._segment, None
        if segment is None:
            return
        try:
            segment.sync(segment.written)
        except OSError as error:
            raise storage_error(error, "flush the prediction log", segment.path) from error
        finally:
            segment.close()

    def _abandon(self, segment: _Segment) -> None:
        """Cut off what was not written whole, and never write to this segment again.

        Going on behind the cut in the same file would be wrong: a reader may have read whole records of the batch that
        failed, and stand behind the cut.
        """
        with suppress(OSError):
            os.ftruncate(segment.handle, segment.written)
        with suppress(OSError):
            segment.sync(segment.written)
        segment.close()
        if self._segment is segment:
            self._segment = None

    def _sync(self, segment: _Segment, offset: int) -> None:
        try:
            segment.sync(offset)
        except OSError as error:
            # After a failed flush the system may have dropped the pages and say "done" the next time: never ask again.
            with self._guard:
                segment.close()
                if self._segment is segment:
                    self._segment = None
            raise storage_error(error, "flush the prediction log", segment.path) from error

    def _start_flusher(self) -> None:
        with self._guard:
            if self._flusher is None and not self._closed:
                self._flusher = threading.Thread(target=self._flush, name="modelwright-log", daemon=True)
                self._flusher.start()

    def _flush(self) -> None:
        while not self._stop.is_set():
            self._dirty.wait()
            self._stop.wait(FLUSH_SECONDS)
            self._dirty.clear()
            try:
                self.sync()
            except StorageError as error:
                self._failure = error
