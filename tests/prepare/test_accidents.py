"""kill -9 in the middle: nothing half-published, what was read is not read again, the same digest in the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

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


def test_a_file_that_vanishes_while_it_is_read_is_an_issue(project: Project, photos: Path) -> None:
    from modelwright.prepare.collect.base import Item, Rejected
    from modelwright.prepare.scan import read_item

    found = read_item(Item("apple/gone.jpg", file=str(photos / "apple" / "gone.jpg")))
    assert isinstance(found, Rejected)
    assert found.kind == "unreadable"
    assert "no such file" in found.message
