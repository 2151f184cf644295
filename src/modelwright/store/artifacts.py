"""Artifacts: the immutable, content-addressed results of steps, and the step cache that finds them.

An artifact is written into a temporary folder and published by renaming the whole folder to
``artifacts/<kind>/<digest>``: it is there complete, or not at all. Two processes that publish the same one end with the
same one. The cache (``artifacts/keys/<step>/<key>``) is a file of one line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from modelwright.errors import FormatTooNewError, InputError, IntegrityError
from modelwright.store.artifact import Artifact
from modelwright.store.files import DIGEST, read_file, storage_errors
from modelwright.store.scratch import Scratch
from modelwright.store.shelf import KIND, NOT_KINDS, Shelf, check_kind
from modelwright.store.writer import ArtifactWriter

__all__ = ["Artifact", "ArtifactWriter", "Artifacts"]

PREFIX = re.compile(r"[0-9a-f]{4,64}\Z")
Listed: TypeAlias = list[Artifact]
Names: TypeAlias = list[str]


class Artifacts:
    """All artifacts of a store."""

    def __init__(self, root: Path, scratch: Scratch, locks: Path) -> None:
        self._shelf = Shelf(root, scratch, locks)
        self._root = self._shelf.root

    def begin(self, kind: str) -> ArtifactWriter:
        """Return a writer for a new artifact of ``kind``; leaving its ``with`` block unpublished discards it."""
        check_kind(kind)
        with storage_errors("begin an artifact in", self._root):
            folder = self._shelf.scratch.new()
            (folder / "content").mkdir(parents=True)
            (folder / "attached").mkdir()
        return ArtifactWriter(self._shelf, kind, folder)

    def open(self, digest: str, kind: str | None = None) -> Artifact:
        """Return the artifact whose digest is, or uniquely begins with (4 characters or more), ``digest``.

        Raises
        ------
        InputError
            ``no-such-artifact``, ``ambiguous`` or ``bad-digest``.
        IntegrityError
            If its manifest is damaged.
        FormatTooNewError
            If a newer Modelwright wrote it.
        """
        if PREFIX.match(digest) is None:
            raise InputError(
                f"{str(digest)[:80]!r} is not a digest or the beginning of one: 4 to 64 hexadecimal characters",
                code="bad-digest",
            )
        kinds = self.kinds() if kind is None else [check_kind(kind)]
        found = [(each, name) for each in kinds for name in self._names(each, digest)]
        if not found:
            raise InputError(
                f"no {kind or 'artifact'} {digest} in {self._root}", code="no-such-artifact", hint="`mw log` lists them"
            )
        if len(found) > 1:
            raise InputError(
                f"{digest} is the beginning of {len(found)} artifacts: "
                + ", ".join(f"{each}/{name[:16]}" for each, name in found[:5]),
                code="ambiguous",
                hint="give more characters",
            )
        return self._load(*found[0])

    def by_key(self, step: str, key: str) -> Artifact | None:
        """Return what ``step`` made under ``key``, or None. Answered from two small files."""
        try:
            line = read_file(self._shelf.key_path(step, key)).decode("ascii").strip()
            kind, _, digest = line.partition("/")
            return self._load(kind, digest) if KIND.match(kind) and DIGEST.match(digest) else None
        except (OSError, UnicodeDecodeError):
            return None  # no such key, or a damaged one: the step runs again and mends it
        except InputError as error:
            if isinstance(error, FormatTooNewError):
                raise
            return None

    def latest(self, kind: str) -> Artifact | None:
        """Return the newest artifact of ``kind``, or None if there is none."""
        try:
            digest = read_file(self._root / "latest" / check_kind(kind)).decode("ascii").strip()
            if DIGEST.match(digest):
                return self._load(kind, digest)
        except (OSError, UnicodeDecodeError):
            pass
        except InputError as error:
            if isinstance(error, FormatTooNewError):
                raise
        return max(self.list(kind), key=_created, default=None)

    def list(self, kind: str) -> Listed:
        """Return every readable artifact of ``kind``, the oldest first; damaged ones are left out (see ``verify``)."""
        found = []
        for name in self._names(check_kind(kind)):
            with suppress(IntegrityError):
                found.append(self._load(kind, name))
        return sorted(found, key=_created)

    def kinds(self) -> Names:
        """Return the kinds of which there is any artifact."""
        try:
            names = [path.name for path in self._root.iterdir()]
        except FileNotFoundError:
            return []
        return sorted(name for name in names if KIND.match(name) and name not in NOT_KINDS)

    def verify(self) -> Iterator[str]:
        """Check every artifact and yield what is wrong, one line each."""
        for kind in self.kinds():
            for name in self._names(kind):
                try:
                    yield from self._load(kind, name).verify()
                except InputError as error:
                    yield error.message

    def make_latest(self, artifact: Artifact) -> None:
        """Make ``artifact`` the latest of its kind: a cached result that became current again."""
        self._shelf.make_latest(artifact.kind, artifact.digest)

    def remember(self, key: tuple[str, str], artifact: Artifact) -> None:
        """Let :meth:`by_key` answer ``key``, ``(step, key)``, with ``artifact``."""
        self._shelf.remember(key, artifact.kind, artifact.digest)

    def _load(self, kind: str, digest: str) -> Artifact:
        return Artifact(self._shelf, self._root / kind / digest, self._shelf.manifest(kind, digest))

    def _names(self, kind: str, prefix: str = "") -> Names:
        if DIGEST.match(prefix):
            return [prefix] if (self._root / kind / prefix).is_dir() else []
        try:
            names = [path.name for path in (self._root / kind).iterdir()]
        except FileNotFoundError:
            return []
        return sorted(name for name in names if name.startswith(prefix) and DIGEST.match(name))


def _created(artifact: Artifact) -> tuple[int, str]:
    created = artifact.observed.get("created")
    return (created if isinstance(created, int) else 0, artifact.digest)
