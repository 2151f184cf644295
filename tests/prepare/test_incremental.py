"""After a change only what changed is read and searched, and the dataset is the one that is made from scratch."""

from __future__ import annotations

import fcntl
import os
import shutil
from array import array
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.canonical import digest_bytes
from modelwright.prepare.cache.index import Index
from modelwright.prepare.cache.known_files import KnownFiles
from modelwright.prepare.clean import hamming
from modelwright.prepare.collect import folder
from modelwright.prepare.collect.base import Item, Settings, make
from modelwright.prepare.collect.folder import FolderSource
from modelwright.prepare.collect.listing import Listed, Listing

from .conftest import Project, picture

SPEC = "name: same\nsources: [{folder: photos}]\noutput: category\n"


def hashes(random: np.random.Generator, count: int) -> np.ndarray:
    """Return hashes of which many are near each other."""
    made = random.integers(0, 2**64, max(count // 4, 1), dtype=np.uint64)[random.integers(0, max(count // 4, 1), count)]
    for _ in range(int(random.integers(0, 9))):
        flip = random.random(count) < 0.6
        made[flip] ^= np.uint64(1) << random.integers(0, 64, int(flip.sum()), dtype=np.uint64)
    return np.unique(made)


@given(st.integers(0, 2**32 - 1), st.integers(1, 150), st.integers(0, 7), st.integers(0, 300) | st.none())
@settings(max_examples=80, deadline=None)
def test_near_pairs_are_those_of_all_pairs_also_when_brought_up_to_date(
    seed: int, count: int, radius: int, most: int | None
) -> None:
    random = np.random.default_rng(seed)
    before = hashes(random, count)
    change = random.integers(0, len(before), 5)
    now = np.unique(np.concatenate([before[random.random(len(before)) < 0.95], before[change] ^ np.uint64(1 << 5)]))
    old = hamming.near(before, radius, most)
    for found in (hamming.near(now, radius, most), hamming.near(now, radius, most, old)):
        one, other = np.triu_indices(len(now), 1)
        apart = np.bitwise_count(now[one] ^ now[other])
        counts = np.bincount(apart[apart <= radius], minlength=8)
        reach = radius
        if most is not None:
            reach = max((each for each in range(radius + 1) if (apart <= each).sum() <= most), default=0)
        assert found.counts.tolist() == counts.tolist()
        assert found.radius == reach
        np.testing.assert_array_equal(found.pairs, np.stack([now[one], now[other]], 1)[apart <= reach])


def fill(photos: Path) -> None:
    for name, start in (("apple", 0), ("pear", 100)):
        (photos / name).mkdir(parents=True)
        for number in range(14):
            (photos / name / f"{number:02}.jpg").write_bytes(picture(start + number))
    (photos / "apple" / "broken.jpg").write_bytes(picture(3)[:200])
    (photos / "apple" / "copy.jpg").write_bytes(picture(0))
    (photos / "apple" / "near.jpg").write_bytes(picture(5, quality=60))


def change(photos: Path) -> None:
    (photos / "apple" / "03.jpg").write_bytes(picture(700))
    (photos / "apple" / "copy.jpg").unlink()
    (photos / "pear" / "02.jpg").rename(photos / "pear" / "zz.jpg")
    (photos / "pear" / "near.jpg").write_bytes(picture(104, quality=50))
    (photos / "pear" / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    (photos / "fig").mkdir()
    for number in range(3):
        (photos / "fig" / f"{number}.jpg").write_bytes(picture(900 + number))
    (photos / "pear" / "link.jpg").symlink_to("00.jpg")


def test_the_dataset_is_the_same_from_scratch(project: Project) -> None:
    photos = project.root / "photos"
    fill(photos)
    first = project.prepare(SPEC)
    change(photos)
    second = project.prepare(SPEC)
    assert second.digest != first.digest
    assert any("unchanged files were not read again, 6 were read" in said for said in project.listener.said)
    third = project.prepare(SPEC)
    shutil.rmtree(project.root / ".modelwright" / "cache")
    scratch = project.prepare(SPEC)
    assert {first.digest} | {second.digest, third.digest, scratch.digest} == {first.digest, scratch.digest}
    table = scratch.samples()
    paths, ids = table["path"].to_pylist(), table["id"].to_pylist()
    assert "pear/link.jpg" not in paths
    for path, digest in zip(paths, ids, strict=True):
        assert digest_bytes((photos / path).read_bytes()) == digest


@pytest.mark.parametrize("damage", ["cut", "flipped", "gone"])
def test_damaged_memory_changes_nothing(project: Project, damage: str) -> None:
    fill(project.root / "photos")
    expected = project.prepare(SPEC).digest
    cache = project.root / ".modelwright" / "cache" / "prepare"
    for path in [each for part in ("scans", "files", "near", "checks") for each in (cache / part).iterdir()]:
        raw = bytearray(path.read_bytes())
        if damage == "gone":
            path.unlink()
        elif damage == "cut":
            path.write_bytes(raw[: len(raw) * 2 // 3])
        else:
            raw[len(raw) // 2] ^= 255
            path.write_bytes(raw)
    shutil.rmtree(cache / "listings")
    assert project.prepare(SPEC).digest == expected


def listing(root: Path, names: list[str]) -> Listing:
    made = Listing()
    for name in names:
        status = (root / name).stat()
        made.stamps.extend((status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns))
    made.add(b"", [name.encode() for name in names])
    return made


@given(st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), max_size=8), min_size=1, max_size=6))
@settings(max_examples=25, deadline=None)
def test_digests_are_those_of_the_files_whatever_came_and_went(
    tmp_path_factory: pytest.TempPathFactory, days: list[list[tuple[int, int]]]
) -> None:
    root = tmp_path_factory.mktemp("files")
    memory = tmp_path_factory.mktemp("memory") / "files"
    for day in days:
        for number, content in day:
            path = root / f"{number}.bin"
            path.unlink(missing_ok=True)
            if content:
                path.write_bytes(b"x" * content * number)
        names = sorted(path.name for path in root.iterdir())
        found = KnownFiles(memory).digests(listing(root, names), os.fsencode(root))
        assert [each.tobytes().hex() for each in found] == [digest_bytes((root / name).read_bytes()) for name in names]


def test_unchanged_files_are_not_opened(tmp_path: Path) -> None:
    root = tmp_path / "files"
    root.mkdir()
    for number in range(6):
        (root / f"{number}").write_bytes(b"%d" % number)
    names = [f"{number}" for number in range(6)]
    memory = KnownFiles(tmp_path / "memory")
    before = memory.digests(listing(root, names), os.fsencode(root))
    seen = listing(root, names)
    for number in range(6):
        (root / f"{number}").unlink()  # whoever opened one now would find nothing
    (root / "3").write_bytes(b"new")
    stamps = list(seen.stamps)
    stamps[4 * 3] += 1
    seen.stamps = array("q", stamps)
    after = memory.digests(seen, os.fsencode(root))
    assert after[3].tobytes().hex() == digest_bytes(b"new")
    np.testing.assert_array_equal(np.delete(after, 3, 0), np.delete(before, 3, 0))


def test_files_at_once_are_those_one_by_one(tmp_path: Path) -> None:
    fill(tmp_path / "photos")
    change(tmp_path / "photos")
    (tmp_path / "photos" / "top.jpg").write_bytes(picture(1))
    (tmp_path / "photos" / "pear" / os.fsdecode(b"caf\xe9.jpg")).write_bytes(picture(2))
    (tmp_path / "photos" / "pear" / "tab\t.jpg").write_bytes(picture(2))
    (tmp_path / "photos" / "pear" / "deep").mkdir()
    (tmp_path / "photos" / "pear" / "deep" / "1.jpg").write_bytes(picture(2))
    for options in ({}, {"level": 2}, {"classes": ["pear"]}, {"label": "([0-9])"}, {"files": "*1.jpg"}):
        source = make("folder", Settings("photos", options, tmp_path))
        items = list(source.items({}))
        assert isinstance(source, Listed)
        with Index(tmp_path / "cache") as index:
            files = source.files(index)
        assert files is not None
        sound = [item for item in items if isinstance(item, Item)]
        assert files.rejected == [item for item in items if not isinstance(item, Item)]
        assert [item.path for item in sound] == files.paths.to_pylist()
        assert [item.label for item in sound] == files.labels.to_pylist()
        again = list(files.items(list(range(len(files)))))
        assert [(item.path, item.label, item.file) for item in again] == [
            (item.path, item.label, item.file) for item in sound
        ]
        assert [digest_bytes(Path(item.file or "").read_bytes()) for item in sound] == [
            digest.tobytes().hex() for digest in files.digests
        ]


def test_two_processes_list_what_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "photos")
    change(tmp_path / "photos")
    (tmp_path / "photos" / "pear" / os.fsdecode(b"caf\xe9")).mkdir()
    (tmp_path / "photos" / "pear" / os.fsdecode(b"caf\xe9") / "1.jpg").write_bytes(picture(2))
    (tmp_path / "photos" / "empty").mkdir()
    for options in ({}, {"files": ["*1.jpg"], "classes": ["pear", "fig"]}):
        source = FolderSource(Settings("photos", options, tmp_path))
        monkeypatch.setattr(folder, "_MANY", 10**9)
        alone = source._listed()
        for many in (1, 5, 20):
            monkeypatch.setattr(folder, "_MANY", many)
            both = source._listed()
            assert (both.names, both.stamps, both.runs, both.problems) == (
                alone.names,
                alone.stamps,
                alone.runs,
                alone.problems,
            )


def test_what_cannot_be_remembered_is_there_for_this_run(project: Project) -> None:
    fill(project.root / "photos")
    expected = project.prepare(SPEC).digest
    (journal,) = (project.root / ".modelwright" / "cache" / "prepare" / "scans").iterdir()
    shutil.rmtree(project.root / ".modelwright" / "cache")
    journal.parent.mkdir(parents=True)
    with journal.open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # as another process does that scans
        assert project.prepare(SPEC).digest == expected
    assert journal.stat().st_size == 0
