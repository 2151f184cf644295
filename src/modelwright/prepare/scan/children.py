"""Processes that scan small files side by side (:mod:`.child`), used from as many threads."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import Self

from modelwright.errors import ModelwrightError
from modelwright.prepare.collect.base import Item, Rejected
from modelwright.prepare.scan.child import found, question, receive, send
from modelwright.prepare.scan.sample_scan import Scan

LEAST = 5_000
"""Files to scan from which processes pay for their start."""
SMALL = 16 << 10
"""Bytes of an average file up to which most of the time goes into the interpreter."""


class Children:
    """Processes that scan files.

    Parameters
    ----------
    modality
        Name of what decodes, checks and measures.
    count
        How many.
    """

    def __init__(self, modality: str, count: int) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self._free: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()
        self._all: list[subprocess.Popen[bytes]] = []
        for _ in range(count):
            child = subprocess.Popen(
                [sys.executable, "-P", "-m", "modelwright.prepare.scan.child", modality],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment,
            )
            self._all.append(child)
            self._free.put(child)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._all)

    def close(self) -> None:
        """End them."""
        for child in self._all:
            for stream in (child.stdin, child.stdout):
                if stream is not None:
                    with suppress(BrokenPipeError):  # what was asked of a dead one is left in its pipe
                        stream.close()
            child.wait()
        self._all = []

    def scan(self, items: Sequence[Item]) -> list[Scan | Rejected]:
        """Return what one pass over each of some files found; waits for a process that is free.

        Raises
        ------
        modelwright.errors.ModelwrightError
            ``worker-died``, if the process was killed.
        """
        child = self._free.get()
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            send(child.stdin, question(items))
            answers = [receive(child.stdout) for _ in items]
        except (EOFError, OSError) as error:
            raise ModelwrightError(
                f"a process that scans files died, at {items[0].path} or one of the {len(items)} from there on",
                code="worker-died",
                hint="most often the system was out of memory: look at these files, or free some",
            ) from error
        finally:
            self._free.put(child)
        return [found(each) for each in answers]
