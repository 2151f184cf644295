"""Objects: a file's bytes under the name of their digest, ``objects/ab/cdef…``."""

from __future__ import annotations

from pathlib import Path

from modelwright.canonical import digest_bytes
from modelwright.errors import InputError, IntegrityError
from modelwright.store.files import check_digest, make_folders, read_file, storage_error, storage_errors, sync_folder
from modelwright.store.scratch import Scratch


class Objects:
    """Content-addressed bytes: put once, the same for ever, checked on every read."""

    def __init__(self, root: Path, scratch: Scratch) -> None:
        self._root = root / "objects"
        self._scratch = scratch

    def path(self, digest: str) -> Path:
        """Return where the object is, or would be.

        Raises
        ------
        InputError
            If ``digest`` is not 64 hexadecimal characters.
        """
        check_digest(digest)
        return self._root / digest[:2] / digest[2:]

    def has(self, digest: str) -> bool:
        """Say whether the object is stored."""
        return self.path(digest).is_file()

    def put(self, data: bytes) -> str:
        """Store ``data`` durably and return its digest; storing it again changes nothing (or mends a damaged copy)."""
        digest = digest_bytes(data)
        path = self.path(digest)
        with storage_errors("write", path):
            make_folders(path.parent, self._root.parent)
            if self._intact(path, data):
                sync_folder(path.parent)  # whoever renamed it may not have come to this yet
                return digest
            self._scratch.write(path, data, 0o444)
        return digest

    def get(self, digest: str) -> bytes:
        """Return the bytes of an object.

        Raises
        ------
        InputError
            ``no-such-object``.
        IntegrityError
            If the bytes on the disk are not what was stored.
        """
        path = self.path(digest)
        try:
            data = read_file(path)
        except FileNotFoundError:
            raise InputError(f"no object {digest} in {self._root}", code="no-such-object") from None
        except OSError as error:
            raise storage_error(error, "read", path) from error
        if digest_bytes(data) != digest:
            raise IntegrityError(
                f"the object {path} is damaged: its bytes do not have the digest that is its name",
                hint="restore it from a backup, or store the same bytes again",
            )
        return data

    @staticmethod
    def _intact(path: Path, data: bytes) -> bool:
        try:
            return path.stat().st_size == len(data) and read_file(path) == data
        except (FileNotFoundError, IntegrityError):
            return False
