"""Processes that scan small files side by side (:mod:`.child`), used from as many threads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import Self

from modelwright.engine import framing
from modelwright.errors import ModelwrightError
from modelwright.prepare.collect.base import Rejected, printable
from modelwright.prepare.scan.child import found, question
from modelwright.prepare.scan.columns import Columns


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

    def scan(self, root: bytes, names: Sequence[bytes]) -> tuple[dict[int, Rejected], Columns | None]:
        """Return the place of each file that cannot be read, with why, and what one pass over each of the others found.

        Waits for a process that is free.

        Parameters
        ----------
        root
            A folder.
        names
            Names of files from there.

        Raises
        ------
        modelwright.errors.ModelwrightError
            ``worker-died``, if the process was killed.
        """
        child = self._free.get()
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            framing.write(child.stdin, question(root, names))
            child.stdin.flush()
            unreadable, columns = framing.read(child.stdout), framing.read(child.stdout)
        except (EOFError, OSError) as error:
            raise ModelwrightError(
                f"a process that scans files died, at {printable(names[0])} or one of the {len(names)} from there on",
                code="worker-died",
                hint="most often the system was out of memory: look at these files, or free some",
            ) from error
        finally:
            self._free.put(child)
        rejected = {}
        for place, kind, message in json.loads(unreadable):
            shown = printable(names[place])
            rejected[place] = Rejected(shown, kind, f"{shown} {message}")
        return rejected, found(columns)
