"""The shelf on which artifacts stand: their manifests, the lines that point at them, and the check of their bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from modelwright.canonical import digest_bytes, digest_file, dumps
from modelwright.errors import InputError, IntegrityError
from modelwright.store.files import (
    check_name,
    check_relative,
    make_folders,
    read_file,
    storage_error,
    storage_errors,
    unseal,
)
from modelwright.store.scratch import Scratch

FORMAT = 1
KIND = re.compile(r"[a-z][a-z-]{0,31}\Z")
NOT_KINDS = {"keys", "latest"}


def check_kind(kind: str) -> str:
    """Return ``kind`` if it is a lower-case word that may name a kind of artifact.

    Raises
    ------
    InputError
        If it is not, or is a name that the store uses itself.
    """
    if KIND.match(kind) is None or kind in NOT_KINDS:
        raise InputError(f"{str(kind)[:80]!r} is not a kind of artifact; one is a lower-case word", code="bad-name")
    return kind


class Shelf:
    """Where artifacts and the lines that point at them are; :class:`Artifacts` is what users see."""

    def __init__(self, root: Path, scratch: Scratch, locks: Path) -> None:
        self.root = root / "artifacts"
        self.scratch = scratch
        self.locks = locks
        self._checked: dict[tuple[str, int, int], str] = {}

    def make_latest(self, kind: str, digest: str) -> None:
        """Make one artifact the latest of its kind."""
        self._write_line(self.root / "latest" / kind, digest)

    def remember(self, key: tuple[str, str], kind: str, digest: str) -> None:
        """Let the step cache answer ``key`` with one artifact."""
        self._write_line(self.key_path(*key), f"{kind}/{digest}")

    def key_path(self, step: str, key: str) -> Path:
        """Return the file of one key of the step cache."""
        return self.root / "keys" / check_name(step, "step") / check_name(key, "key of the step cache")

    def manifest(self, kind: str, digest: str) -> dict[str, Any]:
        """Return the manifest of an artifact, checked: its own checksum, and its identity against its name.

        Raises
        ------
        InputError
            ``no-such-artifact``.
        IntegrityError, FormatTooNewError
            If it is damaged, or too new.
        """
        path = self.root / kind / digest / "manifest.json"
        try:
            data = read_file(path)
        except FileNotFoundError as error:
            if path.parent.is_dir():
                raise IntegrityError(f"{path.parent} is damaged: it has no manifest.json") from error
            raise InputError(f"no {kind} {digest} in {self.root}", code="no-such-artifact") from error
        except OSError as error:
            raise storage_error(error, "read", path) from error
        manifest = unseal(data, path, FORMAT)
        _check_shape(manifest, kind, digest, path)
        return manifest

    def check(self, path: Path, expected: str, *, remember: bool = True) -> None:
        """Check a file's bytes against a digest.

        ``remember`` skips a file that this process has checked and that has the same size and time since.
        """
        try:
            status = path.lstat()
            mark = (str(path), status.st_size, status.st_mtime_ns)
            if remember and self._checked.get(mark) == expected:
                return
            if path.is_symlink() or digest_file(path) != expected:
                raise IntegrityError(
                    f"{path} is damaged: its bytes do not have the digest in the manifest",
                    hint="remove the artifact's folder and run the step again",
                )
        except FileNotFoundError:
            raise IntegrityError(f"{path} is missing, though the manifest lists it") from None
        except OSError as error:
            raise storage_error(error, "read", path) from error
        self._checked[mark] = expected

    def _write_line(self, path: Path, line: str) -> None:
        data = line.encode() + b"\n"
        with storage_errors("write", path):
            with suppress(OSError, IntegrityError):
                if read_file(path) == data:
                    return
            make_folders(path.parent, self.root.parent)
            self.scratch.write(path, data)


def _check_shape(manifest: Mapping[str, Any], kind: str, digest: str, path: Path) -> None:
    identity = manifest.get("identity")
    sound = (
        isinstance(identity, dict)
        and manifest.get("kind") == identity.get("kind") == kind
        and manifest.get("digest") == digest
        and all(isinstance(identity.get(part), dict) for part in ("meta", "inputs", "files"))
        and isinstance(manifest.get("attached"), dict)
        and digest_bytes(dumps(identity)) == digest
    )
    if not sound:
        raise IntegrityError(
            f"{path} is damaged: it does not describe {kind}/{digest[:12]}",
            hint="remove the artifact's folder and run the step again",
        )
    for name in (*identity["files"], *manifest["attached"]) if isinstance(identity, dict) else ():
        check_relative(name)
