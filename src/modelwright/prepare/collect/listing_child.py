"""A process that lists part of a folder: looking at a million files keeps one core busy for seconds.

Run as ``python -m modelwright.prepare.collect.listing_child``, with the source's settings as JSON in its first line of
input. Each further line names a folder, and is answered with what lies in it, by column, in three messages
(:mod:`modelwright.engine.framing`). It ends when its input does, so it never outlives who started it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from array import array
from pathlib import Path
from typing import IO, Any, Self

from modelwright.engine import framing
from modelwright.prepare.collect.base import Settings
from modelwright.prepare.collect.listing import Listing


def send(stream: IO[bytes], listing: Listing) -> None:
    """Write a listing as three messages: JSON of runs and problems, names, stamps."""
    runs = [[folder.decode("utf-8", "surrogateescape"), count] for folder, count in listing.runs]
    text = json.dumps([runs, list(listing.problems.items())]).encode()
    for each in (text, listing.names, listing.stamps.tobytes()):
        framing.write(stream, each)
    stream.flush()


def receive(stream: IO[bytes]) -> Listing:
    """Return the next listing of a stream.

    Raises
    ------
    EOFError
        If the other end is gone.
    """
    text, names, stamps = (framing.read(stream) for _ in range(3))
    runs, problems = json.loads(text)
    made = Listing([(folder.encode("utf-8", "surrogateescape"), count) for folder, count in runs])
    made.stamps = array("q", stamps)
    made.problems = dict(problems)
    made.put_names(names)
    return made


class Helper:
    """Another process that lists folders of one source.

    Parameters
    ----------
    settings
        The source's.
    """

    def __init__(self, settings: Settings) -> None:
        told = {"location": settings.location, "options": dict(settings.options), "root": str(settings.root)}
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-m", "modelwright.prepare.collect.listing_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._write(told)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (self._child.stdin, self._child.stdout):
            if stream is not None:
                stream.close()
        self._child.wait()

    def _write(self, value: Any) -> None:
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps(value).encode() + b"\n")
        self._child.stdin.flush()

    def listed(self, folder: bytes) -> Listing:
        """Return what lies in a folder and below.

        Raises
        ------
        EOFError, OSError
            If the process is gone.
        """
        assert self._child.stdout is not None
        self._write(folder.decode("utf-8", "surrogateescape"))
        return receive(self._child.stdout)


def main() -> None:
    """Answer until there are no more questions."""
    from modelwright.prepare.collect.folder import FolderSource

    told = json.loads(sys.stdin.buffer.readline())
    source = FolderSource(Settings(told["location"], told["options"], Path(told["root"])))
    for line in sys.stdin.buffer:
        send(sys.stdout.buffer, source.listed(json.loads(line).encode("utf-8", "surrogateescape")))


if __name__ == "__main__":
    main()
