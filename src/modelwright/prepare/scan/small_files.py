"""Many small files that were never scanned: each read once, by processes, its digest taken and all else found.

What was found is remembered in large pieces as it comes, so that a killed run goes on where it was.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modelwright.engine.here import map_ordered
from modelwright.engine.threads import usable_cores
from modelwright.prepare.cache.index import Index
from modelwright.prepare.collect.base import Rejected
from modelwright.prepare.scan.children import Children
from modelwright.prepare.scan.columns import Columns, joined
from modelwright.prepare.scan.scanner import scanner_name
from modelwright.tasks.base import Modality

LEAST = 5_000
"""Files to scan from which processes pay for their start."""
SMALL = 16 << 10
"""Bytes of an average file up to which most of the time goes into the interpreter."""
_TOGETHER = 1024
"""Files that a process is asked for at a time."""
_COMMIT_EVERY = 16_384
_COMMIT_SECONDS = 2.0


@dataclass(frozen=True)
class Part:
    """What was found of some files that follow each other.

    Parameters
    ----------
    first
        Place of the first one.
    digests
        ``(n, 32) uint8``, zeros where a file cannot be read.
    rejected
        Place, from the first one on, of each of those, and why.
    """

    first: int
    digests: NDArray[np.uint8]
    rejected: dict[int, Rejected]


def many(count: int, size: int) -> bool:
    """Say whether files, ``size`` bytes in all, are so many and so small that processes are worth their start."""
    return count >= LEAST and size <= SMALL * count


def scan(index: Index, modality: Modality, root: bytes, names: Sequence[bytes]) -> Iterator[Part]:
    """Scan files below a folder in processes, remember what was found, and yield digests in the order of ``names``."""
    scanned = index.scanned(scanner_name(modality))
    waiting: list[Columns] = []
    committed = time.monotonic()

    def commit() -> None:
        if waiting:
            scanned.put(joined(waiting))
            waiting.clear()

    with Children(modality.name, usable_cores()) as children:

        def look(first: int) -> tuple[int, dict[int, Rejected], Columns | None]:
            return (first, *children.scan(root, names[first : first + _TOGETHER]))

        try:
            for first, rejected, columns in map_ordered(look, range(0, len(names), _TOGETHER), len(children)):
                digests = np.zeros((min(_TOGETHER, len(names) - first), 32), np.uint8)
                if columns is not None:
                    read = np.ones(len(digests), bool)
                    read[list(rejected)] = False
                    digests[read] = columns.digests
                    waiting.append(columns)
                late = time.monotonic() - committed > _COMMIT_SECONDS
                if late or sum(map(len, waiting)) >= _COMMIT_EVERY:
                    commit()
                    committed = time.monotonic()
                yield Part(first, digests, rejected)
        finally:
            commit()
