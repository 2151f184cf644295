"""Records and their frames: ``u32 length, u32 crc32(body), body``; body is ``u32 header length, header JSON, input``.

Little-endian. The header always begins with ``{"id":``, by which the reader finds the next frame behind a damaged one.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from zlib import crc32

import orjson

from modelwright.errors import InputError, IntegrityError

LARGEST_FRAME = 256 << 20
_FRAME = struct.Struct("<II")
_FRAME_AND_HEADER = struct.Struct("<III")
_LENGTH = struct.Struct("<I")
_FIRST = b'{"id":'
_PIECE = 4 << 20


@dataclass(frozen=True, slots=True)
class Record:
    """One prediction.

    Attributes
    ----------
    id
        The prediction's name, unique, as the client was told.
    time
        Nanoseconds since 1970 UTC.
    package
        Digest of the package that answered.
    sample
        Digest of ``input``.
    media_type
        What ``input`` is, such as ``image/png``.
    input
        The raw bytes as they came.
    output
        The answer, JSON-ready.
    latency_us
        Microseconds from the request to the answer.
    """

    id: str
    time: int
    package: str
    sample: str
    media_type: str
    input: bytes
    output: Mapping[str, Any]
    latency_us: int


@dataclass(frozen=True)
class Position:
    """How far a reader has come, over all segments; it stays right when segments are compacted.

    Attributes
    ----------
    floor
        Every segment with a lower sequence number has been read to its end, and is closed.
    offsets
        ``(sequence, byte offset behind the last record read)`` of those above that were begun.
    """

    floor: int = 0
    offsets: tuple[tuple[int, int], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-ready.

        Examples
        --------
        >>> Position.from_dict(Position(2, ((3, 100),)).as_dict())
        Position(floor=2, offsets=((3, 100),))
        """
        return {"floor": self.floor, "offsets": {str(sequence): offset for sequence, offset in self.offsets}}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Position:
        """Return the position that :meth:`as_dict` described.

        Raises
        ------
        IntegrityError
            If it is something else.
        """
        try:
            offsets = tuple(sorted((int(sequence), int(offset)) for sequence, offset in saved["offsets"].items()))
            return cls(int(saved["floor"]), offsets)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise IntegrityError(f"{saved!r:.200} is not a position in a prediction log") from error


@dataclass(frozen=True)
class Damage:
    """Bytes of a log that could not be read, and where; never passed over in silence.

    Attributes
    ----------
    path, offset, size
        The file, and the stretch of bytes in it.
    kind
        ``torn``: the end of a segment whose writer was killed while it wrote (a record never acknowledged);
        ``damaged``: anything else. The records before and behind it were read.
    """

    path: str
    offset: int
    size: int
    kind: Literal["torn", "damaged"]

    def __str__(self) -> str:
        return f"{self.path}: {self.size} bytes {self.kind} at byte {self.offset}"


OnDamage = Callable[[Damage], None]


def encode(record: Record) -> bytes:
    """Return the frame of a record.

    Raises
    ------
    InputError
        If its output is not JSON, or it is larger than 256 MiB.
    """
    try:
        header = orjson.dumps(
            {
                "id": record.id,
                "time": record.time,
                "package": record.package,
                "sample": record.sample,
                "media_type": record.media_type,
                "output": record.output,
                "latency_us": int(record.latency_us),
            }
        )
    except TypeError as error:
        raise InputError(f"the output of prediction {record.id} is not JSON: {error}", code="not-json") from error
    size = len(header)
    length = 4 + size + len(record.input)
    if length > LARGEST_FRAME:
        raise InputError(
            f"prediction {record.id} takes {length} bytes in the log; the largest is {LARGEST_FRAME}", code="too-large"
        )
    checksum = crc32(record.input, crc32(header, crc32(_LENGTH.pack(size))))
    return b"".join((_FRAME_AND_HEADER.pack(length, checksum, size), header, record.input))


def decode(body: bytes | memoryview) -> Record | None:
    """Return the record in a frame's body, or None if the body is not one."""
    (size,) = _LENGTH.unpack_from(body)
    if 4 + size > len(body):
        return None
    try:
        header = orjson.loads(body[4 : 4 + size])
        return Record(
            header["id"],
            header["time"],
            header["package"],
            header.get("sample", ""),
            header["media_type"],
            bytes(body[4 + size :]),
            header["output"],
            header["latency_us"],
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


class Frames:
    """Reads the frames of one open segment, through a window of a few MiB.

    Parameters
    ----------
    handle
        The open file; it is left open.
    path
        Its name, for reports.
    closed
        Whether its writer is gone. In a segment still being written an incomplete end is merely not there yet.
    on_damage
        Called for every stretch that cannot be read.
    """

    def __init__(self, handle: int, path: str, *, closed: bool, on_damage: OnDamage) -> None:
        self._handle = handle
        self._path = path
        self._closed = closed
        self._on_damage = on_damage
        self._size = os.fstat(handle).st_size
        self._window = memoryview(b"")
        self._base = 0

    def __call__(self, start: int) -> Iterator[tuple[int, Record]]:
        """Yield ``(offset behind the record, record)`` from the byte ``start``."""
        position = start
        while position < self._size:
            frame = self._frame(position)
            if frame is not None:
                position = frame[0]
                yield frame
                continue
            following = self._next(position + 1)
            if following is not None:
                self._on_damage(Damage(self._path, position, following - position, "damaged"))
                position = following
            else:
                if self._closed:
                    self._on_damage(Damage(self._path, position, self._size - position, "torn"))
                return

    def _frame(self, position: int) -> tuple[int, Record] | None:
        head = self._bytes(position, 8)
        if len(head) < 8:
            return None
        length, checksum = _FRAME.unpack(head)
        end = position + 8 + length
        # A stretch of zeros, as a power cut leaves one, would be an empty frame with the right checksum.
        if not 4 + len(_FIRST) <= length <= LARGEST_FRAME or end > self._size:
            return None
        body = self._bytes(position + 8, length)
        if len(body) < length or crc32(body) != checksum:
            return None
        record = decode(body)
        return None if record is None else (end, record)

    def _next(self, position: int) -> int | None:
        """Return where the next sound frame begins, at ``position`` or behind, or None."""
        while position < self._size:
            piece = bytes(self._bytes(position, min(_PIECE, self._size - position)))
            found = piece.find(_FIRST)
            while found >= 0:
                start = position + found - _FRAME_AND_HEADER.size
                if start >= position and self._frame(start) is not None:
                    return start
                found = piece.find(_FIRST, found + 1)
            if position + len(piece) >= self._size or not piece:
                return None
            # The next piece overlaps, for a mark that lies across the border.
            position += max(1, len(piece) - len(_FIRST) - _FRAME_AND_HEADER.size)
        return None

    def _bytes(self, position: int, count: int) -> memoryview:
        offset = position - self._base
        if offset < 0 or offset + count > len(self._window):
            self._window = memoryview(os.pread(self._handle, max(count, _PIECE), position))
            self._base, offset = position, 0
        return self._window[offset : offset + count]
