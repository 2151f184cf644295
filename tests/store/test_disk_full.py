"""A full disk, or a file that may not grow: a typed error, nothing half-published, and it goes on with more room."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modelwright.store import StorageError, Store
from modelwright.testing.store import publish, record


@contextlib.contextmanager
def largest_file(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a file system of 256 KiB, or skip where none may be mounted."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, check=False, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("no file system may be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def full(call: Callable[[], object]) -> None:
    with pytest.raises(StorageError) as caught:
        call()
    assert caught.value.code == "disk-full", caught.value.message
    assert caught.value.hint


def test_objects_and_artifacts_on_a_full_disk(small_disk: Path) -> None:
    store = Store.open(small_disk / ".modelwright")
    kept = publish(store, key=("train", "k"))
    digest = store.objects.put(b"small")
    stuffing = small_disk / "stuffing"
    with contextlib.suppress(OSError), stuffing.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    full(lambda: store.objects.put(os.urandom(20_000)))
    with store.artifacts.begin("model") as writer:
        with pytest.raises(OSError, match="space") as caught:
            writer.file("weights.bin").write_bytes(os.urandom(50_000))
        assert caught.value.errno == errno.ENOSPC
    assert store.artifacts.list("model") == [kept]
    assert list(store.artifacts.verify()) == []
    assert store.objects.get(digest) == b"small"
    stuffing.unlink()
    assert publish(store, number=1).verify() == []


def test_a_log_on_a_full_disk_keeps_what_it_acknowledged(small_disk: Path) -> None:
    store = Store.open(small_disk / ".modelwright")
    writer = store.logs.writer("server", "power")
    acknowledged: list[int] = []

    def fill() -> None:
        for number in range(10_000):
            writer.append_many([record(number * 2, os.urandom(700)), record(number * 2 + 1, os.urandom(700))])
            acknowledged.extend([number * 2, number * 2 + 1])

    full(fill)
    assert len(acknowledged) > 50
    full(lambda: writer.append(record(99_999, os.urandom(40_000))))
    stored = [each.time for _, batch in store.logs.read("server") for each in batch]
    assert stored == acknowledged
    subprocess.run(["mount", "-o", "remount,size=2m", str(small_disk)], check=True)
    writer.append(record(77))
    writer.close()
    problems: list[object] = []
    stored = [each.time for _, batch in store.logs.read("server", None, 64, problems.append) for each in batch]
    assert stored == [*acknowledged, 77]
    assert problems == []
    assert store.logs.compact("server").records == len(stored)


def test_annotations_on_a_full_disk(small_disk: Path) -> None:
    store = Store.open(small_disk / ".modelwright")
    acknowledged = 0

    def fill() -> None:
        nonlocal acknowledged
        for number in range(10_000):
            store.annotations.append(f"{number:064x}", "label", "x" * 2000, "me", "person")
            acknowledged += 1

    full(fill)
    assert store.annotations.count() == acknowledged
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    assert store.annotations.append("1" * 64, "label", 1, "me", "person") == acknowledged + 1
    assert store.annotations.verify() == []
    store.close()


def test_a_segment_that_may_not_grow_is_left_behind(store: Store) -> None:
    writer = store.logs.writer("server")
    writer.append_many([record(n) for n in range(10)])
    seen = [(position, each) for position, batch in store.logs.read("server", batch=1) for each in batch]
    with largest_file(8_000):
        full(lambda: writer.append_many([record(n) for n in range(10, 40)]))
    writer.append_many([record(n) for n in range(10, 40)])
    writer.close()
    problems: list[object] = []
    rest = [each.time for _, batch in store.logs.read("server", seen[-1][0], 9, problems.append) for each in batch]
    assert rest == list(range(10, 40))
    assert problems == []


def test_files_that_may_not_grow_are_not_published(store: Store) -> None:
    with largest_file(100):
        full(lambda: store.objects.put(bytes(1000)))
        with store.artifacts.begin("model") as writer:
            writer.file("small").write_bytes(b"x")
            full(lambda: writer.publish({"long": "x" * 1000}, {}))
    assert store.artifacts.list("model") == []
    store.objects.put(bytes(1000))


def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError):
        Store.open(Path("/proc/nowhere/.modelwright"))
