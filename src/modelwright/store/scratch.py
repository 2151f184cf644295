"""Temporary files on the store's own file system, and sweeping up after processes that died.

Every process works in a folder of its own below ``temp/`` and holds a lock on that folder. The kernel lets go of the
lock when the process ends, however it ends; so a folder whose lock can be had belongs to nobody and is removed. No
process number, clock or host name is involved: it is right across containers and restarts too.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
import weakref
from contextlib import suppress
from pathlib import Path

from modelwright.store.files import replace_durably, storage_errors, write_new


class Scratch:
    """The temporary folder of one process in one store; made at the first use."""

    def __init__(self, root: Path) -> None:
        self._root = root / "temp"
        self._guard = threading.Lock()
        self._folder: Path | None = None
        self._owner = 0

    def new(self) -> Path:
        """Return a fresh path (nothing is there yet) that may be renamed into the store."""
        with self._guard:
            if self._folder is None or self._owner != os.getpid() or not self._folder.is_dir():
                self._folder, self._owner = self._claim(), os.getpid()
            return self._folder / os.urandom(8).hex()

    def write(self, path: Path, data: bytes, mode: int = 0o644) -> None:
        """Put a file in its place: whole, durable, replacing what was there."""
        with storage_errors("write", path):
            temporary = self.new()
            write_new(temporary, data, mode)
            replace_durably(temporary, path)

    def sweep(self) -> int:
        """Remove what dead processes left behind, and return how many folders that were."""
        try:
            folders = list(self._root.iterdir())
        except OSError:
            return 0
        return sum(self._remove_if_dead(folder) for folder in folders)

    def _claim(self) -> Path:
        self._root.mkdir(exist_ok=True)
        while True:
            folder = self._root / os.urandom(8).hex()
            folder.mkdir()
            # A sweeper may be faster, at any point of this: then the folder is its to remove, and a new one is made.
            try:
                handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                continue
            # The lock lives as long as this handle is open; on a folder that is gone it would be worth nothing.
            with suppress(FileNotFoundError):
                if os.fstat(handle).st_ino == folder.stat().st_ino:
                    weakref.finalize(self, _give_up, folder, handle, os.getpid())
                    return folder
            os.close(handle)

    @staticmethod
    def _remove_if_dead(folder: Path) -> bool:
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        else:
            shutil.rmtree(folder, ignore_errors=True)
            return True
        finally:
            os.close(handle)


def _give_up(folder: Path, handle: int, owner: int) -> None:
    """Remove the folder when its owner has no more use for it; a forked child leaves its parent's alone."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)
