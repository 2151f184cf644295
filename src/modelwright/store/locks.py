"""Locks between processes, which the kernel releases when their holder dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from modelwright.store.files import StorageError, check_name, storage_errors


@contextmanager
def file_lock(folder: Path, name: str, timeout: float | None = None) -> Iterator[None]:
    """Hold the lock ``name``; two threads of one process exclude each other as two processes do.

    Parameters
    ----------
    folder
        Where the lock files are; made if absent. They are never removed: removing one would let two hold it.
    timeout
        Seconds to wait; None waits for ever.

    Raises
    ------
    StorageError
        ``locked``, if it could not be had in time.
    """
    check_name(name, "lock")
    path = folder / f"{name}.lock"
    with storage_errors("lock", path):
        folder.mkdir(exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        with storage_errors("lock", path):
            _wait(handle, path, timeout)
        yield
    finally:
        os.close(handle)


def _wait(handle: int, path: Path, timeout: float | None) -> None:
    if timeout is None:
        fcntl.flock(handle, fcntl.LOCK_EX)
        return
    end = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                raise StorageError(
                    f"{path} is held by another process; waited {timeout:g} s",
                    code="locked",
                    hint="another modelwright is at work in this project: wait for it to end",
                ) from None
            time.sleep(0.01)
        else:
            return


def held(handle: int) -> bool:
    """Say whether another process holds the exclusive lock on the open file ``handle``."""
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(handle, fcntl.LOCK_UN)
    return False
