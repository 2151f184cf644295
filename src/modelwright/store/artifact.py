"""One artifact: an immutable, content-addressed result of a step, and what was attached to it later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from modelwright.canonical import digest_bytes
from modelwright.errors import InputError, IntegrityError
from modelwright.store.files import check_relative, make_folders, replace_durably, seal, storage_errors
from modelwright.store.locks import file_lock
from modelwright.store.shelf import Shelf


class Artifact:
    """One published result. What it is does not change; attachments may be added to it.

    Attributes
    ----------
    kind, digest
        Its name: ``dataset``, ``model``, … and the digest of its identity.
    meta
        JSON-ready facts about it, part of the identity.
    inputs
        Name → digest of what it was made from.
    files
        Name → digest of every file in its content.
    observed
        What is outside the identity: when it was made (``created``, ns), how long it took, on which machine.
    folder
        Where it is.
    """

    __slots__ = ("_shelf", "digest", "files", "folder", "inputs", "kind", "meta", "observed")

    def __init__(self, shelf: Shelf, folder: Path, manifest: Mapping[str, Any]) -> None:
        identity = manifest["identity"]
        self._shelf = shelf
        self.folder = folder
        self.kind: str = manifest["kind"]
        self.digest: str = manifest["digest"]
        self.meta: dict[str, Any] = identity["meta"]
        self.inputs: dict[str, str] = identity["inputs"]
        self.files: dict[str, str] = identity["files"]
        self.observed: dict[str, Any] = manifest.get("observed", {})

    def __repr__(self) -> str:
        return f"Artifact({self.kind}/{self.digest[:12]})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Artifact) and (self.kind, self.digest) == (other.kind, other.digest)

    def __hash__(self) -> int:
        return hash((self.kind, self.digest))

    def path(self, name: str) -> Path:
        """Return the path of a content file, after its bytes were checked (once a process) against its digest.

        Raises
        ------
        InputError
            If the artifact has no such file.
        IntegrityError
            If the file is gone, or is not what was published.
        """
        expected = self.files.get(name)
        if expected is None:
            raise InputError(
                f"{self!r} has no file {str(name)[:80]!r}; it has: {', '.join(sorted(self.files)[:20])}",
                code="no-such-file",
            )
        path = self.folder / "content" / name
        self._shelf.check(path, expected)
        return path

    def attachments(self) -> dict[str, str]:
        """Return name → digest of what is attached now."""
        attached: dict[str, str] = self._shelf.manifest(self.kind, self.digest)["attached"]
        return attached

    def attached(self, name: str) -> Path | None:
        """Return the path of an attachment, checked against its digest, or None if there is none of that name.

        Raises
        ------
        IntegrityError
            If it is gone, or is not what was attached.
        """
        expected = self.attachments().get(name)
        if expected is None:
            return None
        path = self.folder / "attached" / name
        pending = _pending(self.folder, name, expected)
        if pending.exists():
            # A process died after the manifest had named the new bytes and before they were in their place.
            with file_lock(self._shelf.locks, f"artifact-{self.digest}"), suppress(FileNotFoundError):
                replace_durably(pending, path)
        self._shelf.check(path, expected, remember=False)
        return path

    def attach(self, name: str, data: bytes) -> Path:
        """Add an attachment, or replace the one of that name, atomically; return its path.

        Raises
        ------
        InputError
            If the name could leave the folder.
        StorageError
            If the disk refuses; what was attached before is as it was.
        """
        check_relative(name)
        digest = digest_bytes(data)
        path = self.folder / "attached" / name
        with file_lock(self._shelf.locks, f"artifact-{self.digest}"), storage_errors("attach", path):
            make_folders(path.parent, self.folder)
            pending = _pending(self.folder, name, digest)
            self._shelf.scratch.write(pending, data)
            manifest = self._shelf.manifest(self.kind, self.digest)
            manifest["attached"] = {**manifest["attached"], name: digest}
            self._shelf.scratch.write(self.folder / "manifest.json", seal(manifest))
            replace_durably(pending, path)
        return path

    def verify(self) -> list[str]:
        """Check every byte of it, and return what is wrong, one line each; empty if it is sound."""
        problems = []
        for path, expected in self._listing():
            try:
                self._shelf.check(path, expected, remember=False)
            except IntegrityError as error:
                problems.append(error.message)
        content = self.folder / "content"
        found = {path.relative_to(content).as_posix() for path in content.rglob("*") if not path.is_dir()}
        problems += [f"{content / name} does not belong to it" for name in sorted(found - set(self.files))]
        return problems

    def _listing(self) -> Iterator[tuple[Path, str]]:
        for name, expected in self.files.items():
            yield self.folder / "content" / name, expected
        for name, expected in self.attachments().items():
            pending = _pending(self.folder, name, expected)
            yield pending if pending.exists() else self.folder / "attached" / name, expected


def _pending(folder: Path, name: str, digest: str) -> Path:
    return folder / "attached" / f".pending.{digest_bytes(name.encode())[:16]}.{digest}"
