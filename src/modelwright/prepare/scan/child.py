"""A process that scans files: so that many small ones keep every core busy, which the interpreter's lock prevents.

Run as ``python -m modelwright.prepare.scan.child MODALITY``. A request is one message
(:mod:`modelwright.engine.framing`): a folder, and names of files in it, with NUL between them. The answer are two:
JSON of the files that cannot be read (place, kind, message), and what was found of the others, by column. It ends when
its input does, so it never outlives who started it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from modelwright.engine import framing
from modelwright.prepare.collect.base import RejectedFileError, read_regular
from modelwright.prepare.scan.columns import Columns, joined
from modelwright.prepare.scan.eye import Eye
from modelwright.tasks import base as tasks


def question(root: bytes, names: Sequence[bytes]) -> bytes:
    """Return the request for one pass over each of some files in a folder, or below it."""
    return b"\0".join([root, *names])


def answer(eye: Eye, asked: bytes) -> tuple[bytes, list[bytes | memoryview]]:
    """Return the two messages that answer a request: unreadable files, and what was found of the others."""
    root, *names = asked.split(b"\0")
    raws: list[bytes] = []
    unreadable: list[tuple[int, str, str]] = []
    with _opened(root) as folder:
        for place, name in enumerate(names):
            try:
                raws.append(read_regular(name if folder is not None else root + b"/" + name, folder))
            except RejectedFileError as error:
                unreadable.append((place, error.kind, error.message))
    return json.dumps(unreadable).encode(), joined(eye.look(raws)).message() if raws else []


@contextmanager
def _opened(root: bytes) -> Iterator[int | None]:
    """Open a folder, so that names in it are looked up from there: each part of a path costs. None if it cannot be."""
    try:
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def main(modality: str) -> None:
    """Answer until there are no more requests."""
    eye = Eye(tasks.modality(modality))
    while True:
        try:
            asked = framing.read(sys.stdin.buffer)
        except EOFError:
            return
        unreadable, found = answer(eye, asked)
        framing.write(sys.stdout.buffer, unreadable)
        framing.write(sys.stdout.buffer, *found)
        sys.stdout.buffer.flush()


def found(message: bytes) -> Columns | None:
    """Return what the second message of an answer says; None where no file could be read."""
    return Columns.of_message(message) if message else None


if __name__ == "__main__":
    main(sys.argv[1])
