"""Messages between a process and its helpers: bytes behind their length, which takes eight bytes, the lowest first.

What is in a message is for the two ends to know. A reader that must not wait for ever, or does not trust its helper,
brings its own way to take bytes, and says how long a message may be.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import IO

_LENGTH = struct.Struct("<Q")


def write(stream: IO[bytes], *pieces: bytes | memoryview) -> None:
    """Write one message, given in pieces; nothing is flushed.

    Examples
    --------
    >>> import io
    >>> stream = io.BytesIO()
    >>> write(stream, b"two ", b"words")
    >>> write(stream)
    >>> stream.seek(0) or (read(stream), read(stream))
    (b'two words', b'')
    """
    stream.write(_LENGTH.pack(sum(memoryview(each).nbytes for each in pieces)))
    for each in pieces:
        stream.write(each)


def read(stream: IO[bytes]) -> bytes:
    """Return the next message, waiting for it.

    Raises
    ------
    EOFError
        If the other end is gone.
    """

    def take(count: int) -> bytes:
        data = stream.read(count)
        if len(data) < count:
            raise EOFError
        return data

    return read_by(take)


def read_by(take: Callable[[int], bytes], most: int | None = None) -> bytes:
    """Return the next message.

    Parameters
    ----------
    take
        Returns as many bytes as it is asked for, or raises.
    most
        Bytes of the message, at most.

    Raises
    ------
    EOFError
        If it would be longer; and what ``take`` raises.
    """
    (length,) = _LENGTH.unpack(take(_LENGTH.size))
    if most is not None and length > most:
        raise EOFError
    return take(length)
