"""Durable files: everything the store writes goes through here, and everything it reads is checked here.

A file is written to a temporary name on the same file system, flushed to the disk, renamed to its place, and the
folder's own entry is flushed too. So a reader sees the old file or the new one, never a part; and what was said to be
stored survives a power cut.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from modelwright.canonical import digest_bytes, dumps
from modelwright.errors import FormatTooNewError, InputError, IntegrityError, ModelwrightError

DIGEST = re.compile(r"[0-9a-f]{64}\Z")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")
WRITE_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}


class StorageError(ModelwrightError):
    """The disk or the database refused: ``disk-full``, ``disk-error``, ``disk-denied``, ``locked`` or ``storage``.

    Nothing half-written is visible after it; the same call may be repeated once the cause is gone.
    """

    code = "storage"


def storage_error(error: OSError, what: str, path: str | os.PathLike[str]) -> StorageError:
    """Return the :class:`StorageError` that says what ``error`` means for ``path``."""
    reason = error.strerror or str(error)
    message = f"cannot {what} {os.fspath(path)}: {reason}"
    if error.errno in _FULL:
        return StorageError(message, code="disk-full", hint="free some space (or raise the quota) and run it again")
    if error.errno == errno.EIO:
        return StorageError(message, code="disk-error", hint="the disk reports a fault: check it before going on")
    if error.errno in _DENIED:
        return StorageError(message, code="disk-denied", hint="check the owner and the permissions of this path")
    return StorageError(message)


@contextmanager
def storage_errors(what: str, path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn an :class:`OSError` inside the block into a :class:`StorageError`."""
    try:
        yield
    except OSError as error:
        raise storage_error(error, what, path) from error


def check_digest(text: str) -> str:
    """Return ``text`` if it is a digest: 64 lower-case hexadecimal characters, and so never a path.

    Raises
    ------
    InputError
        If it is anything else.
    """
    if DIGEST.match(text) is None:
        raise InputError(
            f"{str(text)[:80]!r} is not a digest; one is 64 hexadecimal characters (0-9, a-f)", code="bad-digest"
        )
    return text


def check_name(text: str, what: str) -> str:
    """Return ``text`` if it is one safe path component: letters, digits, ``.``, ``_``, ``-``; at most 128.

    Raises
    ------
    InputError
        If it is empty, starts with a dot, or has any other character (a slash, a space, NUL).
    """
    if NAME.match(text) is None:
        raise InputError(
            f"{str(text)[:80]!r} cannot be the name of a {what}; "
            "allowed are letters, digits, '.', '_' and '-', beginning with a letter or digit, at most 128",
            code="bad-name",
        )
    return text


def check_relative(text: str) -> str:
    """Return ``text`` if it is a safe relative path with ``/``: no ``..``, no empty or hidden part, no backslash.

    Raises
    ------
    InputError
        If it could leave the folder it is meant for.
    """
    parts = text.split("/")
    bad = any(not part or part.startswith(".") or len(os.fsencode(part)) > 150 for part in parts)
    if bad or "\\" in text or "\0" in text or len(parts) > 16:
        raise InputError(
            f"{str(text)[:80]!r} cannot be the name of a file in an artifact; "
            "it must be relative, with '/', and no part may be empty or begin with a dot",
            code="bad-name",
        )
    return text


def sync_folder(path: str | os.PathLike[str]) -> None:
    """Flush a folder's entries to the disk, so that a rename in it survives a power cut."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(path: str | os.PathLike[str]) -> None:
    """Flush a file's bytes to the disk."""
    handle = os.open(path, READ)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_all(handle: int, data: bytes | memoryview) -> None:
    """Write every byte of ``data``: one call to ``write`` unless the system takes only a part."""
    done = os.write(handle, data)
    view = memoryview(data)
    while done < len(view):
        done += os.write(handle, view[done:])


def write_new(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a file that must not exist yet, and flush its bytes; the folder's entry is left to the caller."""
    handle = os.open(path, WRITE_NEW, mode)
    try:
        write_all(handle, data)
        os.fsync(handle)
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise
    finally:
        os.close(handle)


def make_folders(path: Path, root: Path) -> None:
    """Make ``path`` and its parents below ``root``, and flush the entry of each one that was made."""
    missing = []
    while path != root and not path.is_dir():
        missing.append(path)
        path = path.parent
    for folder in reversed(missing):
        with suppress(FileExistsError):
            folder.mkdir()
        sync_folder(folder.parent)


def replace_durably(temporary: Path, path: Path) -> None:
    """Rename a flushed file to its place and flush the folder."""
    temporary.rename(path)
    sync_folder(path.parent)


def read_file(path: str | os.PathLike[str]) -> bytes:
    """Return the bytes of a regular file; a symbolic link, a pipe or a device is refused.

    Raises
    ------
    FileNotFoundError
        If there is none.
    IntegrityError
        If it is not a regular file.
    """
    try:
        handle = os.open(path, READ)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise IntegrityError(f"{os.fspath(path)} is a symbolic link; the store keeps regular files only") from error
        raise
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise IntegrityError(f"{os.fspath(path)} is not a regular file")
        pieces = []
        while piece := os.read(handle, 1 << 24):
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
    finally:
        os.close(handle)


def seal(document: dict[str, Any]) -> bytes:
    """Return ``document`` as canonical JSON with a ``checksum``: the digest of the canonical JSON of all the rest."""
    body = {name: value for name, value in document.items() if name != "checksum"}
    return dumps({**body, "checksum": digest_bytes(dumps(body))}) + b"\n"


def unseal(data: bytes, path: str | os.PathLike[str], newest: int) -> dict[str, Any]:
    """Return the document that :func:`seal` wrote, without its checksum.

    Raises
    ------
    FormatTooNewError
        If its ``format`` is above ``newest``; how a newer one is sealed is not for us to judge.
    IntegrityError
        If it is not, byte for byte, what was written.
    """
    try:
        document = json.loads(data)
    except ValueError as error:
        raise IntegrityError(f"{os.fspath(path)} is damaged: it is not JSON ({error})") from error
    version = document.get("format") if isinstance(document, dict) else None
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise IntegrityError(f"{os.fspath(path)} is damaged: it has no format version")
    if version > newest:
        raise FormatTooNewError(
            f"{os.fspath(path)} has format {version}; this Modelwright reads up to {newest}",
            hint="update Modelwright",
        )
    if not _is_sealed(document, data):
        raise IntegrityError(f"{os.fspath(path)} is damaged: its checksum does not fit its content")
    del document["checksum"]
    return dict(document)


def _is_sealed(document: dict[str, Any], data: bytes) -> bool:
    try:
        return seal(document) == data
    except ValueError:  # NaN or half a surrogate pair: Python's reader takes them, our writer never wrote them
        return False
