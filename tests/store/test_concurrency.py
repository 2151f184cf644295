"""Many processes at one store: nothing lost, nothing doubled, no "database is locked"."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
from collections import Counter

import pytest

from modelwright.store import Store
from modelwright.store.scratch import Scratch
from modelwright.testing.store import publish, record

HEAD = """
import sys
from pathlib import Path
from modelwright.store import Store
from modelwright.store.scratch import Scratch
from modelwright.testing.store import publish, record
store = Store.open(Path(sys.argv[1]))
me = int(sys.argv[2])
"""


def together(store: Store, code: str, processes: int) -> None:
    """Run ``code`` in several processes at once; each must end well."""
    command = [sys.executable, "-c", HEAD + code, str(store.root)]
    running = [subprocess.Popen([*command, str(number)]) for number in range(processes)]
    assert [process.wait(timeout=120) for process in running] == [0] * processes


@pytest.mark.slow
def test_annotations(store: Store) -> None:
    together(store, "for n in range(15): store.annotations.append(f'{me:064x}', 'label', n, 'me', 'person')", 8)
    seen = list(store.annotations.since())
    assert [each.seq for each in seen] == list(range(1, 121))
    for number in range(8):
        assert [each.value for each in store.annotations.of(f"{number:064x}")] == list(range(15))
    assert store.annotations.verify() == []
    head = (store.root / "annotations.head").read_text().strip()
    assert store.annotations.count(head) == 120


@pytest.mark.slow
def test_the_same_artifact_published_by_all(store: Store) -> None:
    together(store, "for n in range(20): publish(store, number=n, key=('train', str(n)))", 6)
    assert Counter(each.meta["number"] for each in store.artifacts.list("model")) == dict.fromkeys(range(20), 1)
    assert list(store.artifacts.verify()) == []
    for number in range(20):
        assert store.artifacts.by_key("train", str(number)) is not None


@pytest.mark.slow
def test_promotions_follow_one_another(store: Store) -> None:
    for number in range(4):
        publish(store, "package", number)
    code = "package = publish(store, 'package', me).digest\n"
    code += "for n in range(10): store.deployments.promote('server', package, str(me), 'r')"
    together(store, code, 4)
    pointer = store.deployments.pointer("server")
    assert pointer is not None
    chain = [pointer["champion"], *pointer["history"]]
    assert len(chain) == pointer["sequence"]
    assert all(newer["package"] != older["package"] for newer, older in itertools.pairwise(chain))
    events = list(store.catalog.audit.events(subject="deployment:server"))
    assert [each.details["sequence"] for each in events] == list(range(1, len(chain) + 1))


@pytest.mark.slow
def test_one_log_written_by_many_and_read_and_compacted_meanwhile(store: Store) -> None:
    code = """
with store.logs.writer("server", segment_bytes=8_000) as writer:
    for n in range(0, 400, 4):
        writer.append_many([record(me * 1000 + n + k) for k in range(4)])
"""
    done = threading.Event()
    seen: list[int] = []
    problems: list[object] = []

    def follow() -> None:
        position = None
        last = False
        while not last:
            last = done.is_set()
            for reached, batch in store.logs.read("server", position, 16, problems.append):
                position = reached
                seen.extend(each.time for each in batch)
            store.logs.compact("server")

    reader = threading.Thread(target=follow)
    reader.start()
    together(store, code, 5)
    done.set()
    reader.join()
    assert problems == []
    assert sorted(seen) == [number * 1000 + n for number in range(5) for n in range(400)]
    for number in range(5):
        mine = [time for time in seen if time // 1000 == number]
        assert mine == sorted(mine)


def test_threads_share_a_writer_and_its_flushes(store: Store) -> None:
    with store.logs.writer("server", "power", segment_bytes=50_000) as writer:

        def work(number: int) -> None:
            for n in range(100):
                writer.append(record(number * 1000 + n))

        threads = [threading.Thread(target=work, args=[number]) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    stored = [each.time for _, batch in store.logs.read("server") for each in batch]
    assert sorted(stored) == [number * 1000 + n for number in range(8) for n in range(100)]


def test_a_forked_child_writes_a_segment_of_its_own(store: Store) -> None:
    writer = store.logs.writer("server")
    writer.append(record(1))
    store.annotations.append("1" * 64, "label", 1, "me", "person")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            writer.append(record(2))
            store.annotations.append("2" * 64, "label", 2, "me", "person")
            publish(store)
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    writer.append(record(3))
    writer.close()
    assert [each.time for _, batch in store.logs.read("server") for each in batch] == [1, 3, 2]
    assert len(list((store.root / "logs" / "server").glob("*.wal"))) == 2
    assert store.annotations.verify() == []
    assert publish(store).verify() == []


def test_making_and_sweeping_temporary_folders_at_once(store: Store) -> None:
    """WHY: a sweeper once removed a folder between its making and its locking."""
    stop = threading.Event()

    def sweep() -> None:
        scratch = Scratch(store.root)
        while not stop.is_set():
            scratch.sweep()

    sweepers = [threading.Thread(target=sweep) for _ in range(3)]
    for thread in sweepers:
        thread.start()
    try:
        for _ in range(300):
            kept = Scratch(store.root)
            kept.new().mkdir()
    finally:
        stop.set()
        for thread in sweepers:
            thread.join()
