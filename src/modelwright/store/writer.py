"""Writing an artifact: into a temporary folder, and into its place by one rename."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from modelwright.canonical import digest_file, digest_value
from modelwright.errors import FormatTooNewError, InputError
from modelwright.store.artifact import Artifact
from modelwright.store.files import (
    check_digest,
    check_relative,
    make_folders,
    read_file,
    seal,
    storage_errors,
    sync_file,
    sync_folder,
    write_new,
)
from modelwright.store.shelf import FORMAT, Shelf


class ArtifactWriter:
    """Collects an artifact's files, and publishes them in one stroke. Use it as a context manager."""

    def __init__(self, shelf: Shelf, kind: str, folder: Path) -> None:
        self._shelf = shelf
        self._kind = kind
        self._folder = folder
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def file(self, name: str) -> Path:
        """Return where to write the content file ``name`` (relative, with ``/``); its folder is made."""
        return self._place("content", name)

    def attach(self, name: str) -> Path:
        """Return where to write the attachment ``name``: a file outside the identity."""
        return self._place("attached", name)

    def publish(
        self,
        meta: Mapping[str, Any],
        inputs: Mapping[str, str],
        key: tuple[str, str] | None = None,
        observed: Mapping[str, Any] | None = None,
    ) -> Artifact:
        """Make the artifact exist: durable when this returns, complete or not there at all.

        Parameters
        ----------
        meta
            JSON-ready, part of the identity: the same for the same inputs and seed.
        inputs
            Name → digest of what it was made from.
        key
            ``(step, key)`` under which :meth:`Artifacts.by_key` will find it.
        observed
            JSON-ready facts outside the identity, beside ``created``, ``seconds``, ``version`` and ``machine``.

        Raises
        ------
        InputError
            If ``meta`` is not JSON, a digest is not one, or something other than regular files was written.
        StorageError
            If the disk refuses; then nothing is published.
        """
        for digest in inputs.values():
            check_digest(digest)
        if key is not None:
            self._shelf.key_path(*key)
        with storage_errors("publish", self._folder):
            files = _collect(self._folder / "content")
            attached = _collect(self._folder / "attached")
        try:
            identity = {"kind": self._kind, "meta": dict(meta), "inputs": dict(inputs), "files": files}
            digest = digest_value(identity)
            manifest = seal(
                {
                    "format": FORMAT,
                    "kind": self._kind,
                    "digest": digest,
                    "identity": identity,
                    "attached": attached,
                    "observed": {**_circumstances(time.monotonic() - self._began), **(observed or {})},
                }
            )
        except (TypeError, ValueError) as error:
            raise InputError(f"the meta of this {self._kind} is not JSON: {error}", code="not-json") from error
        with storage_errors("publish", self._folder):
            write_new(self._folder / "manifest.json", manifest)
            _sync_tree(self._folder)
            artifact = self._adopt(digest, attached)
        self._shelf.make_latest(self._kind, digest)
        if key is not None:
            self._shelf.remember(key, self._kind, digest)
        return artifact

    def _place(self, part: str, name: str) -> Path:
        path = self._folder / part / check_relative(name)
        with storage_errors("write", path):
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _adopt(self, digest: str, attached: Mapping[str, str]) -> Artifact:
        """Rename a complete folder to its place, unless the same artifact is there, sound, already."""
        place = self._shelf.root / self._kind / digest
        make_folders(place.parent, self._shelf.root.parent)
        while True:
            try:
                self._folder.rename(place)
            except OSError:
                if not place.is_dir():
                    raise
            else:
                sync_folder(place.parent)
                return Artifact(self._shelf, place, self._shelf.manifest(self._kind, digest))
            try:
                existing = Artifact(self._shelf, place, self._shelf.manifest(self._kind, digest))
                damaged = bool(existing.verify())
            except FormatTooNewError:
                raise
            except InputError:
                damaged = True
            if not damaged:
                sync_folder(place.parent)
                self._complete(existing, attached)
                return existing
            with suppress(FileNotFoundError):  # another process may be mending it too
                place.rename(self._shelf.scratch.new())

    def _complete(self, existing: Artifact, attached: Mapping[str, str]) -> None:
        """Give an artifact that was there already the attachments that it lacks."""
        present = existing.attachments()
        for name in attached:
            if name not in present:
                existing.attach(name, read_file(self._folder / "attached" / name))


def _collect(folder: Path) -> dict[str, str]:
    """Flush, digest and write-protect every file below ``folder``."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise InputError(f"{path} is not a regular file; an artifact holds regular files only", code="bad-artifact")
        if path.is_file():
            name = check_relative(path.relative_to(folder).as_posix())
            sync_file(path)
            found[name] = digest_file(path)
            path.chmod(0o444)
    return found


def _sync_tree(folder: Path) -> None:
    for current, _, _ in os.walk(folder, topdown=False):
        sync_folder(current)


def _circumstances(seconds: float) -> dict[str, Any]:
    import platform

    from modelwright.version import __version__

    machine = {"system": platform.system(), "architecture": platform.machine(), "python": platform.python_version()}
    return {"created": time.time_ns(), "seconds": round(seconds, 3), "version": __version__, "machine": machine}
