"""What a process that scans files answers is what scanning them here finds."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest

from modelwright.engine import framing
from modelwright.prepare.collect.base import Item, os_path
from modelwright.prepare.scan.child import answer, found, question
from modelwright.prepare.scan.children import Children
from modelwright.prepare.scan.eye import Eye
from modelwright.tasks import base as tasks

from .conftest import picture


@pytest.fixture
def items(tmp_path: Path) -> list[Item]:
    contents = {"good.jpg": picture(1), "cut.jpg": picture(2)[:900], "text.jpg": b"no picture", "empty.jpg": b""}
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    return [Item(name, file=str(tmp_path / name)) for name in [*contents, "bytes:a%E9way.jpg"]]


def test_an_answer_is_what_scanning_here_finds(items: list[Item], tmp_path: Path) -> None:
    eye = Eye(tasks.modality("image"))
    root, names = os.fsencode(tmp_path), [os_path(item.path) for item in items]
    unreadable, columns = answer(eye, question(root, names))
    told = found(b"".join(columns))
    assert told is not None
    here = eye.scan_many([Path(item.file or "").read_bytes() for item in items[:4]])
    assert told.scans() == here
    assert [bool(scan.fatal) for scan in here] == [False, True, True, True]
    (gone,) = json.loads(unreadable)
    assert gone[:2] == [4, "unreadable"]
    with Children("image", 1) as children:
        rejected, there = children.scan(root, names)
        assert rejected[4].path == items[4].path
        assert there is not None
        assert there.scans() == here
        rejected, nothing = children.scan(root + b"/nowhere", names[:2])
        assert nothing is None
        assert [each.kind for each in rejected.values()] == ["unreadable", "unreadable"]


def test_messages_come_one_by_one_and_whole() -> None:
    stream = io.BytesIO()
    framing.write(stream)
    framing.write(stream, b"a" * 60_000, memoryview(b"a" * 10_000))
    whole = stream.getvalue()
    stream.seek(0)
    assert [framing.read(stream), framing.read(stream)] == [b"", b"a" * 70_000]
    with pytest.raises(EOFError):
        framing.read(stream)
    stream = io.BytesIO(whole[:-1])
    framing.read(stream)
    with pytest.raises(EOFError):
        framing.read(stream)


def test_a_message_longer_than_agreed_is_not_taken() -> None:
    stream = io.BytesIO()
    framing.write(stream, b"a" * 100)
    stream.seek(0)
    with pytest.raises(EOFError):
        framing.read_by(stream.read, 99)
    stream.seek(0)
    assert framing.read_by(stream.read, 100) == b"a" * 100
