"""What a process that works in rounds must remember between them: one small sealed file each, replaced atomically."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from modelwright.store.files import check_name, make_folders, read_file, seal, storage_errors, unseal
from modelwright.store.scratch import Scratch


class StateFile:
    """``state/<name>.json`` in a store: whole, or as it was before, whatever happens while it is written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     state = StateFile(Path(folder), "monitor-server", 1)
    ...     before = state.load()
    ...     state.save({"position": 3})
    ...     before, state.load()
    (None, {'position': 3})
    """

    def __init__(self, root: Path, name: str, newest: int) -> None:
        self._root = root
        self._path = root / "state" / f"{check_name(name, 'state')}.json"
        self._newest = newest

    def load(self) -> dict[str, Any] | None:
        """Return what was last saved, or None.

        Raises
        ------
        FormatTooNewError
            If a newer Modelwright wrote it.
        IntegrityError
            If it is damaged.
        """
        with storage_errors("read", self._path):
            try:
                document = unseal(read_file(self._path), self._path, self._newest)
            except FileNotFoundError:
                return None
        del document["format"]
        return document

    def save(self, value: dict[str, Any]) -> None:
        """Replace it, durably."""
        with storage_errors("write", self._path):
            make_folders(self._path.parent, self._root)
        Scratch(self._root).write(self._path, seal({**value, "format": self._newest}))
