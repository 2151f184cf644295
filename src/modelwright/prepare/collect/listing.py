"""What a folder holds, as columns: a million files are two blocks of bytes, not a million objects.

This module imports neither numpy nor pyarrow: a folder is listed on every ``mw run``.
"""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from blake3 import blake3

from modelwright.prepare.collect.base import Item, Rejected, os_path, printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from modelwright.prepare.cache.index import Index

FIELDS = 4
"""Numbers of a stamp: size, mtime_ns, inode, ctime_ns."""


@dataclass
class Listing:
    """Files in the order in which they are read.

    Parameters
    ----------
    runs
        Folder (empty, or ending in ``/``) and number of its files that follow each other.
    stamps
        :data:`FIELDS` numbers of each file, one file after the other.
    problems
        Place of a file to the reason to reject it.
    """

    runs: list[tuple[bytes, int]] = field(default_factory=list)
    stamps: array[int] = field(default_factory=lambda: array("q"))
    problems: dict[int, str] = field(default_factory=dict)
    _names: list[bytes] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.stamps) // FIELDS

    def add(self, folder: bytes, names: Sequence[bytes]) -> None:
        """Add the names of files in one folder, whose stamps were added already."""
        if names:
            self.runs.append((folder, len(names)))
            self._names.append(folder + (b"\0" + folder).join(names))

    def put_names(self, names: bytes) -> None:
        """Take over the names of files whose runs and stamps are there, as :attr:`names` gives them."""
        self._names = [names] if self.runs else []

    def extend(self, other: Listing) -> None:
        """Add the files of another listing, whose order follows."""
        first = len(self)
        self.problems.update({first + place: problem for place, problem in other.problems.items()})
        self.runs.extend(other.runs)
        self.stamps.extend(other.stamps)
        self._names.extend(other._names)

    @property
    def names(self) -> bytes:
        """Their names from the root, with NUL between them."""
        if len(self._names) > 1:
            self._names = [b"\0".join(self._names)]
        return self._names[0] if self._names else b""

    def digest(self, options: object) -> str:
        """Return the digest of all that is listed, and of the options that it was listed with."""
        made = blake3(json.dumps([repr(options), len(self), sorted(self.problems.items())]).encode())
        made.update(self.names)
        made.update(self.stamps.tobytes())
        return made.hexdigest()


@dataclass
class Files:
    """All files of a source at once, by column.

    Parameters
    ----------
    paths
        Arrow array of their printable names.
    labels
        Arrow dictionary array of texts: what the source says about each.
    digests
        ``(n, 32) uint8``: of each file's bytes; zeros where it could not be read.
    sizes
        ``(n,)`` bytes of each file, as it was listed.
    root
        The folder that names start from, as the operating system writes it.
    rejected
        What cannot be a sample, and why.
    scanned
        How many were scanned when they were read for their digests.
    """

    paths: Any
    labels: Any
    digests: NDArray[np.uint8]
    sizes: NDArray[np.int64]
    root: str
    rejected: list[Rejected]
    scanned: int = 0

    def __len__(self) -> int:
        return len(self.paths)

    def items(self, places: Sequence[int]) -> Iterator[Item]:
        """Yield some files as a source's ``items`` does, but without stamps: what they hold is to be read now."""
        for place in places:
            path = self.paths[place].as_py()
            yield Item(path=path, label=self.labels[place].as_py(), file=f"{self.root}/{os.fsdecode(os_path(path))}")


@runtime_checkable
class Listed(Protocol):
    """What a source of files may have beside ``Source``: all of them at once, so that unchanged ones cost no object."""

    def files(self, index: Index) -> Files | None:
        """Return what ``items`` streams, in its order; None where it is no folder of files (but an archive, say)."""


def rejected(name: bytes, problem: str) -> Rejected:
    """Return what a source says about a file with a problem: its kind, a colon, and why."""
    shown = printable(name)
    kind, _, message = problem.partition(": ")
    return Rejected(shown, kind, f"{shown} {message}", 0.5 if kind == "symlink" else 0.8)
