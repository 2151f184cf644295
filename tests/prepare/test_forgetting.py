"""What is remembered of files that no source has any more is forgotten, whoever is killed meanwhile."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.canonical import digest_bytes
from modelwright.prepare.cache import scanned as scanned_module
from modelwright.prepare.cache.index import Index
from modelwright.prepare.cache.journal import Journal, replacement
from modelwright.prepare.cache.scanned import Scanned
from modelwright.prepare.scan.columns import digest_array
from modelwright.prepare.scan.sample_scan import Scan
from modelwright.tasks.base import Problem

from .conftest import Project, picture

WIDTH = 65_536
SPEC = "name: shrinking\nsources: [{folder: photos}]\noutput: category\n"


def scan(seed: int, width: int = WIDTH) -> Scan:
    random = np.random.default_rng(seed)
    digest = digest_bytes(b"%d" % seed)
    if seed % 9 == 0:
        return Scan(digest, (Problem("corrupt", 0.9, f"is broken in way {seed}"),), fatal=True)
    names = ("brightness", "more") if seed % 11 == 0 else ("brightness",)
    measures = {name: float(random.normal()) for name in names}
    return Scan(digest, (), measures, hash=int(random.integers(2**63)), sketch=random.bytes(width))


def fill(path: Path, count: int = 130, width: int = WIDTH) -> None:
    with Scanned(path) as scanned:
        for start in range(0, count, 10):
            scanned.add([scan(seed, width) for seed in range(start, min(start + 10, count))])


def digests(seeds: list[int]) -> np.ndarray:
    return digest_array([digest_bytes(b"%d" % seed) for seed in seeds])


def told(scanned: Scanned, seeds: list[int], width: int = WIDTH) -> None:
    """Check that scans are what they were."""
    known = scanned.scans([digest_bytes(b"%d" % seed) for seed in seeds])
    there, sketches = scanned.sketches(digests(seeds), width)
    for place, seed in enumerate(seeds):
        expected = scan(seed, width)
        found = known[expected.digest]
        assert (found.problems, found.fatal, found.hash) == (expected.problems, expected.fatal, expected.hash)
        assert found.measures == expected.measures
        assert there[place] == (expected.sketch is not None)
        assert sketches[place].tobytes() == (expected.sketch or bytes(width))


def test_what_nobody_wants_is_forgotten_when_it_is_most(tmp_path: Path) -> None:
    path = tmp_path / "scans"
    fill(path)
    size, some = path.stat().st_size, list(range(3, 130, 3))
    with Scanned(path) as scanned:
        assert scanned.forget([digests(list(range(0, 130, 2))), digests([1, 3, 5])]) == 0, "more than half is wanted"
        assert path.stat().st_size == size
        freed = scanned.forget([digests(some[:20]), digests(some[15:]), digests([1000])])
        assert size - path.stat().st_size == pytest.approx(freed, abs=5000)
        assert len(scanned) == len(some)
        told(scanned, some)
        assert (scanned.rows(digests([0, 1, 2, 4])) == -1).all()
        scanned.add([scan(1)])  # one that came back is scanned again
    with Scanned(path) as scanned:
        told(scanned, [*some, 1])
    assert [each.name for each in tmp_path.iterdir()] == ["scans"]


@given(st.sets(st.integers(0, 40)), st.integers(1, 7), st.integers(1, 50))
@settings(max_examples=40, deadline=None)
def test_whatever_is_wanted_stays_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, wanted: set[int], frame: int, together: int
) -> None:
    path = tmp_path_factory.mktemp("scans") / "scans"
    some = sorted(wanted)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scanned_module, "_LEAST", 0)
        patch.setattr(scanned_module, "_FRAME", together)
        with Scanned(path) as scanned:
            for start in range(0, 41, frame):
                scanned.add([scan(seed, 12) for seed in range(start, min(start + frame, 41))])
            freed = scanned.forget([digests(some)] if some else [])
            assert len(scanned) == (len(some) if freed else 41)
            told(scanned, some, 12) if some else None


def test_nothing_is_forgotten_while_another_process_writes(tmp_path: Path) -> None:
    path = tmp_path / "scans"
    fill(path)
    with Scanned(path) as one, Scanned(path) as other:
        one.add([scan(500)])
        assert other.forget([digests([1])]) == 0
        told(one, [1, 2, 500])
    with Scanned(path) as one, Scanned(path) as late:
        assert one.forget([digests([1, 2])]) > 0
        told(late, [1, 2, 3])  # whoever reads the old file goes on
        late.add([scan(501)])  # and writes nothing into it
        one.add([scan(502)])
    with Scanned(path) as scanned:
        told(scanned, [1, 2, 502])


def test_a_replacement_that_fails_leaves_the_file(tmp_path: Path) -> None:
    path = tmp_path / "j"
    with replacement(path) as made:
        made.put({}, {"a": np.arange(3)})
    (tmp_path / "j.123456").write_bytes(b"left by one who is dead")

    def fail() -> None:
        with replacement(path, durable=True) as made:
            made.put({}, {"a": np.arange(9)})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with Journal(path) as journal:
        assert [frame.rows for frame in journal.frames] == [3]
    assert [each.name for each in tmp_path.iterdir()] == ["j"]


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from modelwright.prepare.cache.scanned import Scanned
calls, last = 0, int(sys.argv[2])
def fatal(place, name):
    whole = getattr(place, name)
    def counting(*arguments, **options):
        global calls
        calls += 1
        if calls == last:
            if name == "pwrite":  # half of it is written
                whole(arguments[0], memoryview(arguments[1])[: len(arguments[1]) // 2], *arguments[2:])
            os.kill(os.getpid(), signal.SIGKILL)
        made = whole(*arguments, **options)
        return made
    setattr(place, name, counting)
for place, name in ((os, "pwrite"), (os, "fsync"), (os, "ftruncate"), (Path, "replace"), (Path, "unlink")):
    fatal(place, name)
with Scanned(Path(sys.argv[1])) as scanned:
    freed = scanned.forget([np.frombuffer(sys.stdin.buffer.read(), np.uint8).reshape(-1, 32)])
print(freed, calls)
"""


@pytest.mark.slow
def test_whoever_is_killed_leaves_one_whole_file(tmp_path: Path) -> None:
    fill(tmp_path / "whole", 80)
    some, path = list(range(0, 80, 5)), tmp_path / "scans"
    wanted, last, states = digests(some).tobytes(), 0, set()
    while True:
        last += 1
        shutil.copy(tmp_path / "whole", path)
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(path), str(last)], input=wanted, capture_output=True, check=False
        )
        with Scanned(path) as scanned:
            told(scanned, some)
            states.add((done.returncode, len(scanned)))
        if not done.returncode:
            break
    assert states == {(-9, 80), (-9, 16), (0, 16)}
    assert sorted(each.name for each in tmp_path.iterdir()) == ["scans", "whole"], "the last one swept what was left"


def test_sources_that_shrink_and_grow_again(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanned_module, "_LEAST", 0)
    photos, apart = project.root / "photos", project.root / "apart"
    for name in ("apple", "pear"):
        (photos / name).mkdir(parents=True)
        for number in range(20):
            (photos / name / f"{number:02}.jpg").write_bytes(picture(number + (100 if name == "pear" else 0)))
    first = project.prepare(SPEC)
    cache = project.root / ".modelwright" / "cache" / "prepare"
    (journal,) = (cache / "scans").iterdir()
    size = journal.stat().st_size
    apart.mkdir()
    gone = [photos / name / f"{number:02}.jpg" for name in ("apple", "pear") for number in range(5, 20)]
    for path in gone:
        path.rename(apart / f"{path.parent.name}-{path.name}")
    small = project.prepare(SPEC)
    assert journal.stat().st_size < size / 2
    assert any("forgot what was remembered" in said for said in project.listener.said)
    for path in gone:
        (apart / f"{path.parent.name}-{path.name}").rename(path)
    again = project.prepare(SPEC)
    assert again.digest == first.digest != small.digest
    assert any("10 unchanged files were not read again, 30 were read" in said for said in project.listener.said)


def test_files_of_a_folder_that_is_not_named_now_stay_known(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanned_module, "_LEAST", 0)
    for folder, start in (("photos", 0), ("few", 500)):
        for name in ("apple", "pear"):
            (project.root / folder / name).mkdir(parents=True)
            for number in range(20 if folder == "photos" else 6):
                raw = picture(start + number + (100 if name == "pear" else 0))
                (project.root / folder / name / f"{number:02}.jpg").write_bytes(raw)
    project.prepare(SPEC)
    cache = project.root / ".modelwright" / "cache" / "prepare"
    (journal,) = (cache / "scans").iterdir()
    size = journal.stat().st_size
    project.prepare(SPEC.replace("photos", "few"))
    assert journal.stat().st_size > size, "the other folder is still there"
    assert len(list((cache / "files").iterdir())) == 2
    shutil.rmtree(project.root / "photos")
    (project.root / "few" / "apple" / "00.jpg").write_bytes(picture(900))
    project.prepare(SPEC.replace("photos", "few"))
    assert journal.stat().st_size < size / 2
    assert len(list((cache / "files").iterdir())) == 1


def test_files_of_other_sources_stay_known_while_those_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanned_module, "_LEAST", 0)
    there, gone = tmp_path / "list.csv", tmp_path / "gone.csv"
    there.touch()
    with Index(tmp_path / "cache") as index:
        index.scanned("any").add([scan(seed, 12) for seed in range(40)])
        for path, seeds in ((there, range(1, 4)), (gone, range(4, 30))):
            index.remember_files(
                f"manifest:{path}", [((b"%d" % seed, 1, 2, 3, 4), digest_bytes(b"%d" % seed)) for seed in seeds]
            )
        assert index.forget("any", {"manifest:other"}, digests([35])) > 0
        told(index.scanned("any"), [1, 2, 3, 35], 12)
        assert len(index.scanned("any")) == 4
        assert len(index.known(f"manifest:{there}", [b"1", b"2", b"3"])) == 3
        assert not index.known(f"manifest:{gone}", [b"5"])
