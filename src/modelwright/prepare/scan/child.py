"""A process that scans files: so that many small ones keep every core busy, which the interpreter's lock prevents.

Run as ``python -m modelwright.prepare.scan.child MODALITY``. Messages are bytes behind their length. A request is one,
the ``[name, file]`` of some files as JSON; the answer is one for each of them: ``S``, the digest, and the scan as the
cache keeps it, or ``R`` and a rejection as JSON. It ends when its input does, so it never outlives who started it.
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Sequence
from typing import IO

from modelwright.prepare.collect.base import Item, Rejected
from modelwright.prepare.scan.eye import Eye
from modelwright.prepare.scan.sample_scan import Scan, pack, unpack
from modelwright.prepare.scan.scanner import read_item
from modelwright.tasks import base as tasks

_LENGTH = struct.Struct("<I")
_SCAN, _REJECTED = b"S", b"R"
_DIGEST_END = 1 + 32


def send(stream: IO[bytes], *messages: bytes) -> None:
    """Write messages, and wait for none of them to be read."""
    for data in messages:
        stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def receive(stream: IO[bytes]) -> bytes:
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
    return data


def question(items: Sequence[Item]) -> bytes:
    """Return the request for one pass over each of some files."""
    return json.dumps([(item.path, item.file) for item in items]).encode()


def answers(eye: Eye, asked: bytes) -> list[bytes]:
    """Return what one pass over each file of a request found, a message each."""
    read = [read_item(Item(path, file=file)) for path, file in json.loads(asked)]
    scans = iter(eye.scan_many([each for each in read if not isinstance(each, Rejected)]))
    return [_of_rejected(each) if isinstance(each, Rejected) else _of_scan(next(scans)) for each in read]


def _of_scan(scan: Scan) -> bytes:
    return _SCAN + bytes.fromhex(scan.digest) + pack(scan)


def _of_rejected(rejected: Rejected) -> bytes:
    return _REJECTED + json.dumps([rejected.path, rejected.kind, rejected.message]).encode()


def found(answer: bytes) -> Scan | Rejected:
    """Return what one message of :func:`answers` says."""
    if answer[:1] == _REJECTED:
        return Rejected(*json.loads(answer[1:]))
    return unpack(answer[1:_DIGEST_END].hex(), answer[_DIGEST_END:])


def main(modality: str) -> None:
    """Answer until there are no more requests."""
    eye = Eye(tasks.modality(modality))
    while True:
        try:
            asked = receive(sys.stdin.buffer)
        except EOFError:
            return
        send(sys.stdout.buffer, *answers(eye, asked))


if __name__ == "__main__":
    main(sys.argv[1])
