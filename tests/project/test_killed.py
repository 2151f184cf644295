"""Runs that are killed, stopped, doubled or out of room: what is stored is whole, and the next run ends the same."""

from __future__ import annotations

import json
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.project.making import (
    QUICK,
    call,
    csv_text,
    digests,
    image_project,
    sound,
    table_project,
    table_rows,
    write_photos,
)

from modelwright.store import Store

pytestmark = pytest.mark.slow
COMMAND = [sys.executable, "-m", "modelwright.cli.main", "run", "--json"]
Make = Callable[[Path], Path]

FATAL = """
import os, signal, sys
from modelwright.cli.main import main
calls = 0
def fatal(place, name, number):
    whole = getattr(place, name)
    def counting(*arguments, **options):
        global calls
        calls += 1
        if calls == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return whole(*arguments, **options)
    setattr(place, name, counting)
"""
"""A process that kills itself at the n-th call of a function."""


def photos(root: Path) -> Path:
    return image_project(root, 12, "train: {models: [convnet], budget: 10m}\n")


def table(root: Path) -> Path:
    return table_project(root, csv_text(table_rows(80)), train="train: {models: [boosting], budget: 10m}\n")


def quick(root: Path) -> Path:
    return table_project(root, csv_text(table_rows(60)), train=QUICK)


def ended(project: Path) -> dict[str, str]:
    """Run to the end and return what the run made."""
    said = call("run", cwd=project)
    assert said.status == 0, said.err
    assert set(digests(said.document)) == {"prepare", "train", "package", "validate"}
    return digests(said.document)


def started(project: Path, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        # A shell starts what runs in its background with SIGINT ignored, and a child inherits that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - this process has one thread
    )


def lively(project: Path) -> None:
    """Check that nothing that the store shows is damaged, and that nobody but the killed run has lost anything."""
    store = Store.open(project / ".modelwright")
    assert list(store.artifacts.verify()) == []
    assert {run.status for run in store.catalog.runs.list()} <= {"done", "interrupted"}
    store.close()


@pytest.mark.parametrize(("make", "seed"), [(photos, 1), (table, 2)], ids=["photos", "table"])
def test_killed_at_random_until_it_gets_through(make: Make, seed: int, tmp_path: Path) -> None:
    undisturbed = ended(make(tmp_path / "undisturbed"))
    project, moments = make(tmp_path / "killed"), random.Random(seed)
    kills, patience = 0, 0.5
    while True:
        # It is given longer and longer: on a slow machine a time too short to import anything would get nowhere.
        patience *= 1.15
        process = started(project)
        try:
            out, err = process.communicate(timeout=moments.uniform(0.1, patience))
            break
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills += 1
            if kills % 4 == 0:
                lively(project)
    assert process.returncode == 0, err.decode()
    assert kills >= 5
    assert digests(json.loads(out)) == undisturbed
    assert ended(project) == undisturbed
    sound(project)


KINDS = {"prepare": "dataset", "train": "model", "package": "package", "validate": "report"}


@pytest.mark.parametrize("point", ["remember", "make_latest"])
def test_killed_between_an_artifact_and_the_line_that_finds_it(point: str, tmp_path: Path) -> None:
    """The artifact is there, the step cache does not know it: the step runs again and makes the very same."""
    undisturbed = ended(quick(tmp_path / "undisturbed"))
    project = quick(tmp_path / "killed")
    code = FATAL + f"from modelwright.store.shelf import Shelf\nfatal(Shelf, {point!r}, 1)\nsys.exit(main(['run']))"
    for count, kind in enumerate(KINDS.values(), 1):
        done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, check=False)
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()
        store = Store.open(project / ".modelwright")
        assert len(store.artifacts.list(kind)) == 1
        assert sum(len(list((store.root / "artifacts" / each).iterdir())) for each in store.artifacts.kinds()) == count
        store.close()
        if point == "make_latest":  # so that the next process gets one step further
            assert call("run", "--to", {v: k for k, v in KINDS.items()}[kind], cwd=project).status == 0
        elif count < 4:
            step = list(KINDS)[count - 1]
            assert digests(call("run", "--to", step, cwd=project).document)[step] == undisturbed[step]
    assert ended(project) == undisturbed
    sound(project)


@pytest.mark.parametrize(("call_name", "seed"), [("rename", 3), ("fsync", 4)])
def test_killed_at_random_system_calls(call_name: str, seed: int, tmp_path: Path) -> None:
    undisturbed = ended(quick(tmp_path / "undisturbed"))
    project, numbers = quick(tmp_path / "killed"), random.Random(seed)
    kills = 0
    for turn in range(40):
        code = FATAL + f"fatal(os, {call_name!r}, {numbers.randint(1, 4 + 3 * turn)})\nsys.exit(main(['run']))"
        done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, check=False)
        lively(project)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()
        kills += 1
    assert kills >= 3
    assert ended(project) == undisturbed
    sound(project)


def test_a_parent_that_shut_samples_out_is_not_asked_twice(tmp_path: Path) -> None:
    """A second dataset, killed before the cache knew it: what its parent had locked away still is, byte for byte."""
    made = []
    for name, kill in (("undisturbed", False), ("killed", True)):
        project = quick(tmp_path / name)
        first = digests(call("prepare", cwd=project).document)["prepare"]
        (project / "data.csv").write_text(csv_text(table_rows(90)))
        if kill:
            code = FATAL + "from modelwright.store.shelf import Shelf\nfatal(Shelf, 'remember', 1)\nmain(['prepare'])"
            done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, check=False)
            assert done.returncode == -signal.SIGKILL
        second = digests(call("prepare", cwd=project).document)["prepare"]
        store = Store.open(project / ".modelwright")
        assert [each.digest for each in store.artifacts.list("dataset")] == [first, second]
        assert store.artifacts.open(second).observed["parent"] == first
        assert (first, second) in {(edge.source, edge.made) for edge in store.catalog.lineage.of(second).edges}
        store.close()
        made.append((first, second))
    assert made[0] == made[1]


def test_killed_while_the_spec_is_written(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", 4)
    code = FATAL + "fatal(os, 'link', 1)\nmain(['init', 'photos'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "modelwright.yaml").exists()
    assert call("init", "photos", cwd=tmp_path).status == 0


def test_two_runs_at_once_are_one(tmp_path: Path) -> None:
    undisturbed = ended(quick(tmp_path / "undisturbed"))
    project = quick(tmp_path / "twice")
    both = [started(project), started(project)]
    said = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    documents = [json.loads(out) for out, _ in said]
    assert [digests(document) for document in documents] == [undisturbed, undisturbed]
    for step in range(4):
        assert sorted(document["steps"][step]["status"] for document in documents) == ["cached", "ran"]
    sound(project)


def test_ctrl_c_while_it_learns(tmp_path: Path) -> None:
    undisturbed = ended(photos(tmp_path / "undisturbed"))
    project = photos(tmp_path / "stopped")
    process = started(project)
    checkpoints = project / ".modelwright" / "cache" / "train"
    end = time.monotonic() + 60
    while not any(checkpoints.glob("*.work/*")):
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert json.loads(out)["error"]["code"] == "interrupted"
    assert err.decode().splitlines()[-1].startswith("error: stopped")
    assert "Traceback" not in err.decode()
    sound(project)
    runs = call("log", cwd=project).document["runs"]
    assert [(run["step"], run["status"]) for run in runs] == [("train", "interrupted"), ("prepare", "done")]
    assert ended(project) == undisturbed


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a file system of its own and 600 KiB, or skip where none may be mounted."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, check=False, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("no file system may be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def full(said: Any) -> None:
    assert said.status == 1, (said.out, said.err)
    assert [line for line in said.err.splitlines() if line.startswith("error: ")] == said.err.splitlines()[-1:]
    assert said.document["error"]["code"] == "disk-full", said.document
    assert said.document["error"]["hint"]


def test_a_full_disk(small_disk: Path, tmp_path: Path) -> None:
    undisturbed = ended(quick(tmp_path / "undisturbed"))
    project = quick(small_disk / "project")
    room = 600
    for _ in range(30):
        said = call("run", cwd=project)
        if said.status == 0:
            break
        full(said)
        lively_when_full(project)
        room += 100
        subprocess.run(["mount", "-o", f"remount,size={room}k", str(small_disk)], check=True)
    assert room > 600
    assert digests(said.document) == undisturbed
    sound(project)


def lively_when_full(project: Path) -> None:
    root = project / ".modelwright"
    if (root / "store.json").exists():
        assert list(Store.open(root).artifacts.verify()) == []


@pytest.mark.parametrize("size", [200, 3_000, 20_000])
def test_files_that_may_not_grow(size: int, tmp_path: Path) -> None:
    undisturbed = ended(quick(tmp_path / "undisturbed"))
    project = quick(tmp_path / "small")
    done = subprocess.run(
        COMMAND,
        cwd=project,
        capture_output=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY)),
    )
    assert done.returncode == 1, done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()
    # SQLite tells of a limit on the size of a file as of a fault of the disk.
    assert json.loads(done.stdout)["error"]["code"] in {"disk-full", "disk-error"}, done.stdout
    assert ended(project) == undisturbed
    sound(project)
