"""Deployments: which package is champion at a target. A small file that servers watch, and an audit of every change."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from modelwright.errors import InputError
from modelwright.store.artifacts import Artifacts
from modelwright.store.catalog.audit import Audit
from modelwright.store.files import check_digest, check_name, make_folders, read_file, seal, storage_errors, unseal
from modelwright.store.locks import file_lock
from modelwright.store.scratch import Scratch

FORMAT = 1


class Deployments:
    """The files in ``deployments/``: written whole, one writer at a time, read by anybody without a lock."""

    def __init__(self, root: Path, scratch: Scratch, artifacts: Artifacts, audit: Callable[[], Audit]) -> None:
        self._root = root / "deployments"
        self._scratch = scratch
        self._artifacts = artifacts
        self._audit = audit

    def path(self, target: str) -> Path:
        """Return the pointer file of a target, which a server may watch: each change replaces it."""
        return self._root / f"{check_name(target, 'target')}.json"

    def targets(self) -> tuple[str, ...]:
        """Return the targets that have, or had, a champion."""
        return tuple(sorted(path.stem for path in self._root.glob("*.json")))

    def pointer(self, target: str) -> dict[str, Any] | None:
        """Return ``{"format", "target", "champion", "history", "sequence"}``, or None if nothing was ever deployed.

        Raises
        ------
        IntegrityError
            If the file is damaged.
        """
        path = self.path(target)
        with storage_errors("read", path):
            try:
                return unseal(read_file(path), path, FORMAT)
            except FileNotFoundError:
                return None

    def champion(self, target: str) -> dict[str, Any] | None:
        """Return ``{"package", "since", "by", "reason", "sequence"}`` of the package in production, or None."""
        pointer = self.pointer(target)
        return None if pointer is None else {**pointer["champion"], "sequence": pointer["sequence"]}

    def promote(self, target: str, package: str, by: str, reason: str) -> dict[str, Any]:
        """Make a package the champion at a target, durably, and return the new pointer.

        Promoting the champion again changes nothing.

        Raises
        ------
        InputError
            If there is no such package.
        StorageError
            If the disk refuses; then the champion is as it was.
        """
        self._artifacts.open(check_digest(package), "package")
        with self._changing(target):
            old = self.pointer(target)
            if old is not None and old["champion"]["package"] == package:
                return old
            history = [] if old is None else [old["champion"], *old["history"]]
            return self._write(target, "promote", _entry(package, by, reason), history, old)

    def undo(self, target: str, by: str, reason: str) -> dict[str, Any]:
        """Bring back the champion before this one, and return the new pointer. Done again, it goes back further.

        Raises
        ------
        InputError
            ``nothing-to-undo``, if there was none before.
        """
        with self._changing(target):
            old = self.pointer(target)
            if old is None or not old["history"]:
                raise InputError(f"no package was champion at {target!r} before this one", code="nothing-to-undo")
            before, *history = old["history"]
            return self._write(target, "undo", _entry(before["package"], by, reason), history, old)

    def _changing(self, target: str) -> Any:
        path = self.path(target)
        with storage_errors("make", self._root):
            make_folders(self._root, self._root.parent)
        return file_lock(self._root.parent / "locks", f"deployment-{path.stem}"[:128])

    def _write(
        self,
        target: str,
        event: str,
        champion: dict[str, Any],
        history: list[dict[str, Any]],
        old: dict[str, Any] | None,
    ) -> dict[str, Any]:
        sequence = 1 if old is None else old["sequence"] + 1
        pointer = {
            "format": FORMAT,
            "target": target,
            "champion": champion,
            "history": history,
            "sequence": sequence,
        }
        details = {"sequence": sequence, "package": champion["package"], "reason": champion["reason"]}
        # The audit comes first: a change that nobody can account for must not happen. A crash between the two leaves
        # an event whose sequence number the next change uses again, and the pointer, which is what counts, as it was.
        self._audit().record(event, f"deployment:{target}", champion["by"], details)
        self._scratch.write(self.path(target), seal(pointer))
        return pointer


def _entry(package: str, by: str, reason: str) -> dict[str, Any]:
    return {"package": package, "since": time.time_ns(), "by": by, "reason": reason}
