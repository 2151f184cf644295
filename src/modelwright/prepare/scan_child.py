"""A process that scans files: so that many small ones keep every core busy, which the interpreter's lock prevents.

Run as ``python -m modelwright.prepare.scan_child MODALITY``. A request is a list of ``(name, file)``, an answer a list
of scans or rejections, each behind its length and in the interpreter's own :mod:`marshal` form: both ends are the same
program. It ends when its input does, so it never outlives who started it.
"""

from __future__ import annotations

import marshal
import struct
import sys
from collections.abc import Sequence
from typing import IO, Any

from modelwright.prepare.collect.base import Item, Rejected
from modelwright.prepare.sample_scan import Scan
from modelwright.prepare.scan import Eye, read_item
from modelwright.tasks import base as tasks
from modelwright.tasks.base import Problem

_LENGTH = struct.Struct("<I")


def send(stream: IO[bytes], value: Any) -> None:
    """Write one message."""
    data = marshal.dumps(value)
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """Return the next message.

    Raises
    ------
    EOFError
        If the other end is gone.
    """
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(head)
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return marshal.loads(data)  # noqa: S302 - from the same program, through a pipe of its own


def answer(eye: Eye, asked: Sequence[tuple[str, str]]) -> list[tuple[Any, ...]]:
    """Return what one pass over each of some files found, as plain values."""
    read = [read_item(Item(path, file=file)) for path, file in asked]
    scans = iter(eye.scan_many([each for each in read if not isinstance(each, Rejected)]))
    return [_plain_rejected(each) if isinstance(each, Rejected) else _plain(next(scans)) for each in read]


def _plain(scan: Scan) -> tuple[Any, ...]:
    problems = [(each.kind, each.severity, each.message, dict(each.evidence)) for each in scan.problems]
    return scan.digest, problems, dict(scan.measures), scan.fatal, scan.hash, scan.sketch


def _plain_rejected(rejected: Rejected) -> tuple[Any, ...]:
    return rejected.path, rejected.kind, rejected.message


def found(values: tuple[Any, ...]) -> Scan | Rejected:
    """Return what :func:`answer` made plain."""
    if len(values) == 3:
        return Rejected(*values)
    digest, problems, measures, fatal, hash_, sketch = values
    return Scan(digest, tuple(Problem(*each) for each in problems), measures, fatal, hash_, sketch)


def main(modality: str) -> None:
    """Answer until there are no more requests."""
    eye = Eye(tasks.modality(modality))
    while True:
        try:
            asked = receive(sys.stdin.buffer)
        except EOFError:
            return
        send(sys.stdout.buffer, answer(eye, asked))


if __name__ == "__main__":
    main(sys.argv[1])
