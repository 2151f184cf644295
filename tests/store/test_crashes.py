"""Processes killed at any moment: whatever they were told is stored, is stored; whatever is visible, is whole."""

from __future__ import annotations

import itertools
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from modelwright.errors import InputError
from modelwright.store import Store
from modelwright.testing.store import publish

HEAD = """
import sys
from pathlib import Path
from modelwright.store import Store
from modelwright.testing.store import publish, record
store = Store.open(Path(sys.argv[1]))
def acknowledge(word):
    sys.stdout.write(f"{word}\\n")
    sys.stdout.flush()
first = int(sys.argv[2])
"""
WORK = {
    "logs": """
with store.logs.writer("server", sys.argv[3], segment_bytes=20_000) as writer:
    for start in range(first, first + 1_000_000, 3):
        writer.append_many([record(n) for n in range(start, start + 3)])
        acknowledge(start); acknowledge(start + 1); acknowledge(start + 2)
""",
    "annotations": """
for number in range(first, first + 1_000_000):
    store.annotations.append(f"{number:064x}", "label", number, "me", "person")
    acknowledge(number)
""",
    "artifacts": """
for number in range(first % 250, 250):
    publish(store, number=number, key=("train", str(number)))
    acknowledge(number)
""",
    "objects": """
for number in range(first, first + 1_000_000):
    acknowledge(store.objects.put(b"object %d" % number))
""",
}


def killed(store: Store, work: str, first: int, seconds: float, *arguments: str) -> list[str]:
    """Run ``work`` in a process, kill it with -9, and return what it acknowledged."""
    command = [sys.executable, "-c", HEAD + WORK[work], str(store.root), str(first), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    words = [process.stdout.readline().strip()]
    time.sleep(seconds)
    process.kill()
    words += process.stdout.read().split("\n")[:-1]
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    return words


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["process", "power"])
def test_logs(store: Store, durability: str) -> None:
    acknowledged: list[int] = []
    for turn in range(4):
        acknowledged += map(int, killed(store, "logs", turn * 10**7, random.uniform(0, 0.15), durability))
        if turn == 2:
            store.logs.compact("server")
    stored = [each.time for _, batch in store.logs.read("server") for each in batch]
    assert set(acknowledged) <= set(stored)
    assert sorted(set(stored)) == stored


@pytest.mark.slow
def test_annotations(store: Store) -> None:
    acknowledged: list[int] = []
    for turn in range(4):
        acknowledged += map(int, killed(store, "annotations", turn * 10**7, random.uniform(0, 0.2)))
        assert store.annotations.count(store.annotations.head()) == store.annotations.count()
    assert set(acknowledged) <= {each.value for each in store.annotations.newest().values()}
    assert store.annotations.verify() == []


@pytest.mark.slow
def test_artifacts(store: Store) -> None:
    acknowledged: set[int] = set()
    for turn in range(4):
        acknowledged |= set(map(int, killed(store, "artifacts", turn * 50, random.uniform(0, 0.1))))
    assert acknowledged <= {artifact.meta["number"] for artifact in store.artifacts.list("model")}
    assert list(store.artifacts.verify()) == []
    for number in acknowledged:
        found = store.artifacts.by_key("train", str(number))
        assert found is not None
        assert found.meta["number"] == number
    assert len(list((store.root / "temp").iterdir())) == 2  # this process's own, and that of the last one killed
    reopened = Store.open(store.root)
    assert len(list((store.root / "temp").iterdir())) == 1
    assert publish(reopened, number=3).verify() == []


@pytest.mark.slow
def test_objects(store: Store) -> None:
    for turn in range(3):
        for digest in killed(store, "objects", turn * 10**7, random.uniform(0, 0.1)):
            assert store.objects.get(digest)


EVERYTHING = (
    HEAD
    + """
made = publish(store, "package", first, key=("package", "k"))
acknowledge("artifact")
made.attach("report.html", b"second")
acknowledge("attachment")
store.annotations.append("1" * 64, "label", first, "me", "person")
acknowledge("annotation")
store.deployments.promote("server", made.digest, "me", "better")
acknowledge("promotion")
with store.logs.writer("server", "power") as writer:
    writer.append(record(first))
    acknowledge("record")
store.logs.compact("server")
acknowledge("compaction")
"""
)


def strace_works() -> bool:
    """Say whether a process can be killed at a chosen system call here."""
    if shutil.which("strace") is None:
        return False
    command = ["strace", "-qq", "-o", "/dev/null", "-e", "inject=exit_group:signal=SIGKILL:when=1", "true"]
    return subprocess.run(command, check=False, capture_output=True).returncode in {-9, 137}


@pytest.mark.slow
@pytest.mark.parametrize(("call", "stride"), [("rename", 1), ("fsync", 4), ("unlink", 2), ("fdatasync", 4)])
def test_killed_at_every_point(tmp_path: Path, call: str, stride: int) -> None:
    """Kill the whole round at its n-th call, for each n; after each, all that was acknowledged is there and whole.

    A stride above 1 takes every n-th point, from a random one on: each was tried when this was written.
    """
    if not strace_works():
        pytest.skip("strace cannot trace here")
    store = Store.open(tmp_path / ".modelwright")
    publish(store, "package", 0)
    for turn in itertools.count(random.randint(1, stride), stride):
        inject = f"inject={call}:signal=SIGKILL:when={turn}"
        trace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject]
        command = [*trace, sys.executable, "-c", EVERYTHING, str(store.root), str(turn)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        check_round(Store.open(store.root), turn, set(done.stdout.split()))
        if done.returncode == 0:
            break
        assert done.returncode in {-9, 137}, done.stderr
    assert turn > stride


def check_round(store: Store, turn: int, acknowledged: set[str]) -> None:
    assert list(store.artifacts.verify()) == []
    assert store.annotations.verify() == []
    assert store.annotations.count(store.annotations.head()) == store.annotations.count()
    made = store.artifacts.by_key("package", "k")
    champion = store.deployments.champion("server")
    records = [each.time for _, batch in store.logs.read("server") for each in batch]
    assert len(records) == len(set(records))
    if "artifact" in acknowledged:
        assert made is not None
        assert made.meta["number"] == turn
        attached = made.attached("report.html")
        assert attached is None or attached.read_bytes() == b"second"
        assert "attachment" not in acknowledged or attached is not None
    if "annotation" in acknowledged:
        assert store.annotations.newest()["1" * 64].value == turn
    if "promotion" in acknowledged:
        assert champion is not None
        assert store.artifacts.open(champion["package"]).meta["number"] == turn
    if "record" in acknowledged:
        assert turn in records
    store.close()


def test_a_run_whose_process_was_killed_is_interrupted(store: Store) -> None:
    code = HEAD + "acknowledge(store.catalog.runs.start('train', {}, {}, 0, {})); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(store.root), "0"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdin is not None
    run = process.stdout.readline().strip()
    assert store.catalog.runs.list()[0].status == "running"
    process.kill()
    process.communicate()
    assert store.catalog.runs.list()[0].status == "interrupted"
    store.catalog.runs.finish(run, "interrupted")
    with pytest.raises(InputError, match="no running run"):
        store.catalog.runs.finish(run, "done")
