"""A package leaves the store: as one ``.mwpkg`` file, or as a folder.

Both hold the same files, the signature included, and the same package gives the same bytes wherever it is written.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from modelwright.errors import InputError, ModelwrightError
from modelwright.runtime.archive import FolderContainer
from modelwright.runtime.reader import MANIFEST, SIGNATURE, PackageReader

_PIECE = 1 << 20


def export_mwpkg(artifact: Any, destination: str | Path) -> Path:
    """Write a package artifact as a ``.mwpkg`` file.

    A zip with stored entries in the order of their names, the manifest first, all dated 1980-01-01: reproducible.

    Parameters
    ----------
    artifact
        The package artifact.
    destination
        The file to write; in an existing folder, ``<name>.mwpkg``. Replaced only when the new one is complete.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    IntegrityError
        If the artifact is not what its manifest says.
    ModelwrightError
        If it cannot be written (no space, no permission).
    """
    return _write(artifact, Path(destination), ".mwpkg", _zip)


def export_folder(artifact: Any, destination: str | Path) -> Path:
    """Write a package artifact as a folder of its files; ``destination`` must not exist yet, or be an empty folder.

    Raises
    ------
    InputError
        If there is something at ``destination`` already.
    IntegrityError
        If the artifact is not what its manifest says.
    ModelwrightError
        If it cannot be written.
    """
    destination = Path(destination)
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise InputError(f"{destination} is there already and is not an empty folder", hint="name a new folder")
    return _write(artifact, destination, "", _folder)


def _write(artifact: Any, destination: Path, suffix: str, how: Any) -> Path:
    with PackageReader.open(artifact.folder) as reader:
        if suffix and destination.is_dir():
            # A name is free text; a file's is not, and must not lead elsewhere.
            destination /= (
                f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', reader.manifest['name']).strip('.-') or 'package'}{suffix}"
            )
        with _errors(destination):
            destination.parent.mkdir(parents=True, exist_ok=True)
            beside = Path(tempfile.mkdtemp(prefix=".export-", dir=destination.parent))
            try:
                made = beside / "package"
                how(_files(reader, artifact), made)
                made.replace(destination)
                _sync(destination.parent)
            finally:
                shutil.rmtree(beside, ignore_errors=True)
    return destination


def _files(reader: PackageReader, artifact: Any) -> Iterator[tuple[str, int, Iterator[bytes]]]:
    """Yield name, size and bytes of every file: the manifest, the signature, then the rest by name."""
    container = FolderContainer(reader.path)
    yield MANIFEST, container.sizes[MANIFEST], container.pieces(MANIFEST)
    signature = artifact.attached(SIGNATURE)
    if signature is not None:
        data = Path(signature).read_bytes()
        yield SIGNATURE, len(data), iter([data])
    for name in sorted(reader.manifest["files"]):
        yield name, container.sizes[name], container.pieces(name, _PIECE)


def _zip(files: Iterator[tuple[str, int, Iterator[bytes]]], made: Path) -> None:
    with made.open("wb") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            for name, size, pieces in files:
                entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
                entry.external_attr = 0o100644 << 16
                entry.create_system = 3
                entry.file_size = size
                with archive.open(entry, "w") as member:
                    for piece in pieces:
                        member.write(piece)
        file.flush()
        os.fsync(file.fileno())


def _folder(files: Iterator[tuple[str, int, Iterator[bytes]]], made: Path) -> None:
    made.mkdir()
    for name, _, pieces in files:
        path = made / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _errors(destination: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ModelwrightError(f"{destination} cannot be written: {error.strerror}", code="unwritable") from error
