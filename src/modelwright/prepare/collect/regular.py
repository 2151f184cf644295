"""Read a regular file whole, or say in words why not."""

from __future__ import annotations

import errno
import os
import stat

from modelwright.engine.memory import available
from modelwright.errors import InputError

LARGEST_FILE = 256 << 20
"""Bytes of the largest file read as one sample; a larger one is an issue, not a crash."""
_SMALL = 1 << 20
"""Bytes of a file up to which a buffer of its size is read at once."""
MOST_COLUMNS = 20_000
"""Columns of the widest table that is read."""
FREE_ROWS = 20_000_000
"""Rows that any file may hold; of more, each takes memory here that a byte of the file has to pay for …"""
ROWS_A_BYTE = 8
"""… which pays for so many."""
SAMPLE_BYTES = 64
"""Bytes of memory that a sample may take in this step: of a row some 20, more where rows are equal or dealt by time or
into folds. All else about it is on disk while the step works."""


def most_samples() -> int:
    """Return how many samples the memory that is available now holds; where that is not known, :data:`FREE_ROWS`."""
    found = available()
    return FREE_ROWS if found is None else max(found[0] // SAMPLE_BYTES, 1)


def too_many(what: str, most: int) -> InputError:
    """Return the error for more samples than :func:`most_samples`; ``what`` holds them."""
    return InputError(
        f"{what} more than {most:,} rows, the most that the memory available here is enough for "
        f"({SAMPLE_BYTES} bytes each, {most * SAMPLE_BYTES / 1e9:,.1f} GB)",
        code="too-many-rows",
        hint="give a random sample of them, end other programs, or take a machine with more memory",
    )


def read_regular(path: str | bytes, folder: int | None = None) -> bytes:
    """Return the bytes of a regular file of at most :data:`LARGEST_FILE` bytes.

    Never blocks on a FIFO, never follows a link that appeared after the folder was listed.

    Parameters
    ----------
    path
        Where it lies, seen from the process's folder or from ``folder``, a descriptor.

    Raises
    ------
    RejectedFileError
        With the reason in words.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except OSError as error:
        raise RejectedFileError("unreadable", f"cannot be opened: {reason(error)}") from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise RejectedFileError("not-a-file", "is not a regular file")
        if found.st_size > LARGEST_FILE:
            raise RejectedFileError("too-large", f"has {found.st_size} bytes, more than {LARGEST_FILE}")
        return _whole(descriptor, found.st_size)
    except OSError as error:
        raise RejectedFileError("unreadable", f"cannot be read: {reason(error)}") from error
    finally:
        os.close(descriptor)


def _whole(descriptor: int, size: int) -> bytes:
    """Return all bytes of an open file that had ``size`` bytes a moment ago: of a small one, in one read."""
    if 0 < size <= _SMALL:
        data = os.read(descriptor, size + 1)
        if len(data) == size:
            return data
        os.lseek(descriptor, 0, os.SEEK_SET)  # it grows or shrinks just now
    with open(descriptor, "rb", buffering=0, closefd=False) as file:
        return file.readall()


class RejectedFileError(Exception):
    """A file cannot be used: ``kind`` and the reason. Caught where files are read; never crosses the step."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


def reason(error: OSError) -> str:
    """Return the system's reason in its own words, without the path.

    Examples
    --------
    >>> reason(PermissionError(13, "Permission denied"))
    'permission denied'
    """
    return (error.strerror or errno.errorcode.get(error.errno or 0, type(error).__name__)).lower()
