"""What a process that scans files answers is what scanning them here finds."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from modelwright.prepare.collect.base import Item, Rejected
from modelwright.prepare.scan.child import answers, found, question, receive, send
from modelwright.prepare.scan.children import Children
from modelwright.prepare.scan.eye import Eye
from modelwright.tasks import base as tasks

from .conftest import picture


@pytest.fixture
def items(tmp_path: Path) -> list[Item]:
    contents = {"good.jpg": picture(1), "cut.jpg": picture(2)[:900], "text.jpg": b"no picture", "empty.jpg": b""}
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    return [Item(name, file=str(tmp_path / name)) for name in [*contents, "a\udce9way.jpg"]]


def test_an_answer_is_what_scanning_here_finds(items: list[Item]) -> None:
    eye = Eye(tasks.modality("image"))
    told = [found(each) for each in answers(eye, question(items))]
    here = eye.scan_many([Path(item.file or "").read_bytes() for item in items[:4]])
    assert told[:4] == here
    assert [bool(scan.fatal) for scan in here] == [False, True, True, True]
    (gone,) = told[4:]
    assert isinstance(gone, Rejected)
    assert gone.path == items[4].path
    with Children("image", 1) as children:
        assert children.scan(items) == told


def test_messages_come_one_by_one_and_whole() -> None:
    stream = io.BytesIO()
    send(stream, b"", b"a" * 70_000)
    whole = stream.getvalue()
    stream.seek(0)
    assert [receive(stream), receive(stream)] == [b"", b"a" * 70_000]
    with pytest.raises(EOFError):
        receive(stream)
    stream = io.BytesIO(whole[:-1])
    receive(stream)
    with pytest.raises(EOFError):
        receive(stream)
