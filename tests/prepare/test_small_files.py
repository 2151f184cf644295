"""Many small files are read once: what their digests are taken from is scanned, and remembered as it comes."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from modelwright.canonical import digest_bytes
from modelwright.prepare import observe, prepare
from modelwright.prepare.cache.index import Index
from modelwright.prepare.scan import small_files
from modelwright.prepare.scan.eye import Eye
from modelwright.prepare.scan.scanner import scanner_name
from modelwright.tasks import base as tasks

from .conftest import Project, picture

SPEC = "name: once\nsources: [{folder: photos}]\noutput: category\n"


def test_a_part_says_which_files_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_files, "_TOGETHER", 3)
    monkeypatch.setattr(small_files, "_COMMIT_EVERY", 2)
    contents = {b"%d.png" % number: picture(number, (12, 9), "PNG") for number in range(6)}
    for name, raw in contents.items():
        (tmp_path / os.fsdecode(name)).write_bytes(raw)
    names = [*contents]
    names.insert(2, b"gone.png")
    modality = tasks.modality("image")
    with Index(tmp_path / "cache") as index:
        parts = list(small_files.scan(index, modality, os.fsencode(tmp_path), names))
    assert [part.first for part in parts] == [0, 3, 6]
    assert {part.first + place: each.path for part in parts for place, each in part.rejected.items()} == {2: "gone.png"}
    digests = np.concatenate([part.digests for part in parts])
    assert [bytes(each).hex() for each in digests] == [
        digest_bytes(contents[name]) if name in contents else "0" * 64 for name in names
    ]
    with Index(tmp_path / "cache") as index:
        known = index.scanned(scanner_name(modality)).scans([digest_bytes(raw) for raw in contents.values()])
    eye = Eye(modality)
    assert {name: scan.measures for name, scan in known.items()} == {
        digest_bytes(raw): eye.scan(raw).measures for raw in contents.values()
    }


def test_the_step_finds_all_scanned_that_was_hashed_for_its_key(
    project: Project, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (photos / "pear" / "broken.jpg").write_bytes(picture(1)[:300])
    expected = project.prepare(SPEC).digest
    other = Project(project.root.parent / "other")
    (other.root / "photos").symlink_to(photos)
    monkeypatch.setattr(small_files, "LEAST", 10)
    spec = other.spec(SPEC)
    seen = observe(spec, other.store, other.listener)
    count = sum(path.is_file() for path in photos.rglob("*"))
    with Index(other.store.cache_dir("prepare")) as index:
        assert len(index.scanned(scanner_name(tasks.modality("image")))) == count

    def no_more(*_: object) -> None:
        raise AssertionError("a file was read a second time")

    monkeypatch.setattr(small_files, "scan", no_more)
    monkeypatch.setattr(Eye, "look", no_more)
    made = prepare(spec, other.store, seen=seen, progress=other.listener)
    assert made.digest == expected
    assert not any("not read again" in line for line in other.listener.said)
    assert observe(spec, other.store).combined == seen.combined
