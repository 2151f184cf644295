"""kill -9 in the middle: nothing half-published, what was read is not read again, the same digest in the end."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from modelwright.prepare.cache.journal import Journal
from modelwright.prepare.scan.small_files import LEAST

from .conftest import Project, picture

SPEC = "name: same\nsources: [{folder: photos}]\noutput: category\n"
RUN = """
import sys
from pathlib import Path
from modelwright import spec
from modelwright.prepare import prepare
from modelwright.store import Store
root = Path(sys.argv[1])
store = Store.open(root / ".modelwright")
print(prepare(spec.load(root / "modelwright.yaml"), store, key=("prepare", "b" * 64)).digest)
"""


@pytest.mark.slow
def test_killed_midway_goes_on_to_the_same_digest(project: Project, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (project.root / "photos" / name).mkdir(parents=True)
        for number in range(40):
            (project.root / "photos" / name / f"{number}.jpg").write_bytes(
                picture(number + 1000 * (name == "b"), (640, 480))
            )
    undisturbed = Project(tmp_path / "other")
    (undisturbed.root / "photos").symlink_to(project.root / "photos")
    expected = undisturbed.prepare(SPEC).digest
    project.spec(SPEC)
    for delay in (0.7, 1.1, 1.6, 2.2):
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, str(project.root)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        for artifact in project.store.artifacts.list("dataset"):
            assert not artifact.verify()
    assert project.prepare(SPEC).digest == expected
    assert project.store.artifacts.list("dataset")[-1].digest == expected


def begun(path: Path) -> bool:
    with Journal(path) as journal:
        return bool(journal.frames)


@pytest.mark.slow
def test_killed_among_many_small_files_goes_on_to_the_same_digest(project: Project, tmp_path: Path) -> None:
    spec = f"{SPEC}clean: {{review: [leaking-split]}}\n"
    random = np.random.default_rng(0)
    for number in range(LEAST + 200):
        folder = project.root / "photos" / "ab"[number % 2] / f"{number % 7}"
        folder.mkdir(parents=True, exist_ok=True)
        out = io.BytesIO()
        Image.fromarray(random.integers(0, 255, (4, 4), np.uint8)).save(out, "PNG")
        (folder / f"{number}.png").write_bytes(out.getvalue())
    undisturbed = Project(tmp_path / "other")
    (undisturbed.root / "photos").symlink_to(project.root / "photos")
    expected = undisturbed.prepare(spec).digest
    project.spec(spec)
    known = project.root / ".modelwright" / "cache" / "prepare"
    for place in ("files", "scans"):  # while files are hashed; while they are scanned
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, str(project.root)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while process.poll() is None and not any(map(begun, (known / place).glob("*"))):
            time.sleep(0.01)
        process.kill()
        process.wait()
    assert not project.store.artifacts.list("dataset")
    assert project.prepare(spec).digest == expected
    said = next(line for line in project.listener.said if "not read again" in line)
    assert int(said.split()[0]) > 0


def test_a_file_that_vanishes_while_it_is_read_is_an_issue(project: Project, photos: Path) -> None:
    from modelwright.prepare.collect.base import Item, Rejected
    from modelwright.prepare.scan.scanner import read_item

    found = read_item(Item("apple/gone.jpg", file=str(photos / "apple" / "gone.jpg")))
    assert isinstance(found, Rejected)
    assert found.kind == "unreadable"
    assert "no such file" in found.message
