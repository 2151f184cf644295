"""Scanning by processes gives what scanning here does; one that dies is an error that says so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from modelwright.errors import ModelwrightError
from modelwright.prepare.collect.base import Item, Rejected
from modelwright.prepare.scan import small_files
from modelwright.prepare.scan.children import Children
from modelwright.prepare.scan.eye import Eye
from modelwright.prepare.scan.sample_scan import pack
from modelwright.prepare.scan.scanner import read_item
from modelwright.tasks import base as tasks

from .conftest import Project, picture


def test_processes_find_what_is_found_here(tmp_path: Path) -> None:
    names = [f"{number}.png" for number in range(6)]
    for number, name in enumerate(names):
        (tmp_path / name).write_bytes(picture(number, (12 + number % 2, 9), "PNG"))
    (tmp_path / "broken.png").write_bytes(picture(1, (12, 9), "PNG")[:60])
    names = [*names[:3], "broken.png", "gone.png", *names[3:]]
    eye, root, asked = Eye(tasks.modality("image")), os.fsencode(tmp_path), [os.fsencode(name) for name in names]
    with Children("image", 1) as children:
        rejected, columns = children.scan(root, asked)
        assert columns is not None
        scans = iter(columns.scans())
        for place, name in enumerate(names):
            raw = read_item(Item(name, file=str(tmp_path / name)))
            if isinstance(raw, Rejected):
                assert rejected[place] == raw
            else:
                assert pack(next(scans)) == pack(eye.scan(raw))
        child = children._all[0]
        child.kill()
        child.wait()
        with pytest.raises(ModelwrightError, match=r"0\.png or one of the 8") as caught:
            children.scan(root, asked)
        assert caught.value.code == "worker-died"


def test_many_small_files_give_the_same_dataset(
    project: Project, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = "name: same\nsources: [{folder: photos}]\noutput: category\n"
    (photos / "pear" / "broken.jpg").write_bytes(picture(1)[:300])
    here = project.prepare(spec)
    assert len(here.ids("train")) > 20
    monkeypatch.setattr(small_files, "LEAST", 10)
    other = Project(project.root.parent / "other")
    (other.root / "photos").symlink_to(photos)
    assert other.prepare(spec).digest == here.digest
