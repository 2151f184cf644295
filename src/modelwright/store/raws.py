"""The bytes of single samples, wherever their source keeps them: files, archives, arrays, the store's objects."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.store.packed import PACKED, MemberError, Reader, open_reader
from modelwright.store.sample_names import os_path

if TYPE_CHECKING:
    from modelwright.store.store import Store


class Raws:
    """Reads samples of a dataset's sources, of all kinds but table rows.

    Parameters
    ----------
    store
        The project's store; relative locations start from its parent folder.
    sources
        ``meta["sources"]`` of a dataset: ``kept``, ``location``, and ``base`` and ``part`` where there are any.
    """

    def __init__(self, store: Store, sources: Sequence[Mapping[str, Any]]) -> None:
        self._store = store
        self._sources = sources
        self._readers: dict[int, Reader] = {}
        self._lock = threading.Lock()

    def place(self, source: int) -> Path:
        """Return the folder or packed file that the names of a source's samples start from."""
        entry = self._sources[source]
        return self._store.root.parent / str(entry.get("base") or entry["location"])

    def where(self, source: int, path: str) -> str:
        """Return a sample's place for people."""
        if self._sources[source]["kept"] in PACKED:
            return f"{path} in {self.place(source)}"
        return os.fsdecode(os.path.join(os.fsencode(self.place(source)), os_path(path)))  # noqa: PTH118 - bytes

    def read(self, source: int, path: str, sample: str) -> bytes:
        """Return a sample's bytes, unchecked.

        Raises
        ------
        MemberError
            If they cannot be read; the reason is in words.
        modelwright.errors.InputError
            If a packed file as a whole cannot be read.
        """
        kept = self._sources[source]["kept"]
        if kept == "objects":
            return bytes(self._store.objects.get(sample))
        if kept in PACKED:
            return self._reader(source).read(path)
        name = os.path.join(os.fsencode(self.place(source)), os_path(path))  # noqa: PTH118 - bytes
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123 - a descriptor, not a path
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise MemberError("not-a-file", "is not a regular file")
                return file.readall()
        except OSError as error:
            raise MemberError("unreadable", f"cannot be read: {(error.strerror or 'unknown').lower()}") from None

    def _reader(self, source: int) -> Reader:
        with self._lock:
            reader = self._readers.get(source)
            if reader is None:
                entry = self._sources[source]
                cache = self._store.cache_dir("unpacked")
                reader = open_reader(entry["kept"], self.place(source), cache, entry.get("part"))
                self._readers[source] = reader
            return reader

    def close(self) -> None:
        """Close what was opened."""
        with self._lock:
            for reader in self._readers.values():
                reader.close()
            self._readers = {}

    def __del__(self) -> None:
        self.close()
