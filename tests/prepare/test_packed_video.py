"""Recordings in archives: read like those in a folder, from copies that are never left over; small ones without end."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelwright.prepare.collect.base import Item, Rejected, Settings
from modelwright.prepare.collect.video import VideoSource
from modelwright.prepare.guess.guessing import guess
from modelwright.store import Store
from modelwright.testing.source import CHECKS, SourceCase

from .packing import tar_of, zip_of

cv2 = pytest.importorskip("cv2")
from .filming import film  # noqa: E402 - where there is no decoder, nothing is tested

PACKED = ["films.zip", "films.tar", "films.tar.gz"]


def pack(path: Path, members: dict[str, bytes]) -> Path:
    if path.suffix == ".zip":
        return zip_of(path, members)
    return tar_of(path, members, "w:gz" if path.suffix == ".gz" else "w")


def filmed(tmp_path: Path, name: str, count: int, **more: Any) -> bytes:
    return film(tmp_path / name, count, **more).read_bytes()


def members(tmp_path: Path) -> dict[str, bytes]:
    good = filmed(tmp_path, "good.mp4", 20)
    return {
        "films/blue/good one.mp4": good,
        "films/blue/cut.mp4": good[: len(good) // 2],
        "films/red/other.avi": filmed(tmp_path, "other.avi", 20, colour=2),
        "films/red/list.ts": b"#EXTM3U\n#EXTINF:9,\nfile:///etc/passwd\n",
        "films/red/empty.mkv": b"",
        "films/red/notes.txt": b"hello",
    }


def streamed(source: VideoSource) -> tuple[list[Item], list[Rejected]]:
    source.survey()
    found = list(source.items({}))
    return [each for each in found if isinstance(each, Item)], [each for each in found if isinstance(each, Rejected)]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(check: Callable[[SourceCase], None], tmp_path: Path) -> None:
    name = "films.zip"
    whole = {f"x/{n}.avi": filmed(tmp_path, f"{n}.avi", 12, scene=n + 1) for n in range(2)}
    pack(tmp_path / name, whole | {"x/ü.mp4": b""})
    store = Store.open(tmp_path / ".modelwright")

    def change() -> None:
        pack(tmp_path / name, whole | {"x/c.avi": filmed(tmp_path, "c.avi", 12)})

    check(
        SourceCase(
            lambda: VideoSource(Settings(name, root=tmp_path, store=store)),
            change,
            lambda: VideoSource(Settings(f"nowhere-{name}", root=tmp_path, store=store)),
            tmp_path,
        )
    )


@pytest.mark.parametrize("name", PACKED)
def test_an_archive_gives_what_a_folder_gives(tmp_path: Path, name: str) -> None:
    store = Store.open(tmp_path / "store")
    packed = members(tmp_path)
    for path, data in packed.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    pack(tmp_path / name, packed)
    from_folder = streamed(VideoSource(Settings("films", {}, tmp_path, store=Store.open(tmp_path / "other"))))
    items, wrong = streamed(VideoSource(Settings(name, {}, tmp_path, store=store)))

    def plain(found: list[Item]) -> list[tuple[Any, ...]]:
        return sorted(
            (each.path.removeprefix("films/"), each.label, str(each.group).removeprefix("films/"), each.raw)
            for each in found
        )

    assert plain(items) == plain(from_folder[0])
    assert len(items) == 4
    assert {each.path.removeprefix("films/"): each.kind for each in wrong} == {
        each.path: each.kind for each in from_folder[1]
    }
    assert not [path for path in (tmp_path / "store/cache/video").iterdir() if path.suffix != ".json"]


def test_a_member_may_be_larger_than_a_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from modelwright.store.packed import tars, zips

    data = filmed(tmp_path, "a.avi", 12)
    for module in (zips, tars):
        monkeypatch.setattr(module, "LARGEST_MEMBER", 1000)
    for name in ("a.zip", "a.tar"):
        pack(tmp_path / name, {"x/a.avi": data})
        items, wrong = streamed(VideoSource(Settings(name, {}, tmp_path, store=Store.open(tmp_path / f"of {name}"))))
        assert (len(items), wrong) == (2, [])


def test_a_damaged_member_is_named_while_the_rest_goes_on(tmp_path: Path) -> None:
    data = filmed(tmp_path, "a.avi", 12)
    pack(tmp_path / "a.zip", {"x/a.avi": data, "x/b.avi": filmed(tmp_path, "b.avi", 12, colour=1)})
    packed = bytearray((tmp_path / "a.zip").read_bytes())
    packed[len(packed) // 4] ^= 0xFF
    (tmp_path / "a.zip").write_bytes(packed)
    items, wrong = streamed(VideoSource(Settings("a.zip", {}, tmp_path, store=Store.open(tmp_path / "store"))))
    assert {each.group for each in items} == {"x/b.avi"}
    assert [(each.path, each.kind) for each in wrong] == [("x/a.avi", "unreadable")]


RUN = """
import sys
from pathlib import Path
from modelwright.prepare.collect.base import Settings
from modelwright.prepare.collect.video import VideoSource
from modelwright.store import Store
root = Path(sys.argv[1])
for each in VideoSource(Settings("a.zip", {"every": "0s"}, root, store=Store.open(root / "store"))).items({}):
    print(each.path, flush=True)
    sys.stdin.readline()
"""


def test_killed_midway_leaves_no_copy(tmp_path: Path) -> None:
    pack(tmp_path / "a.zip", {"x/a.avi": filmed(tmp_path, "a.avi", 60)})
    child = subprocess.Popen(
        [sys.executable, "-c", RUN, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    assert child.stdin is not None
    assert child.stdout.readline().startswith(b"x/a.avi@")  # it is decoding now
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    child.stdin.close()
    assert list((tmp_path / "store/cache/video").iterdir()) == []


def test_recordings_in_an_archive_are_guessed(tmp_path: Path) -> None:
    for name in PACKED[:2]:
        pack(tmp_path / name, {f"top/{kind}/a.mp4": b"x" for kind in ("blue", "red")})
        found = guess(tmp_path / name)
        assert (found.input, found.output, found.sources) == ("video", "category", [{"video": str(tmp_path / name)}])
    pack(tmp_path / "flat.zip", {f"{number}.mp4": b"x" for number in range(3)})
    assert guess(tmp_path / "flat.zip").output == "none"


def endless(data: bytes, frames: int) -> bytes:
    """Return an MP4 whose tables say that its first frame is shown so many times (ISO/IEC 14496-12, 8.6 and 8.7)."""

    def rewritten(box: bytes) -> bytes:
        made = b""
        at = 0
        while at < len(box):
            size, kind = struct.unpack_from(">I4s", box, at)
            body = box[at + 8 : at + size]
            if kind in {b"moov", b"trak", b"mdia", b"minf", b"stbl"}:
                body = rewritten(body)
            elif kind == b"stts":
                body = body[:4] + struct.pack(">3I", 1, frames, struct.unpack_from(">I", body, 12)[0])
            elif kind == b"stsz":
                first = struct.unpack_from(">I", body, 12)[0]
                body = body[:4] + struct.pack(">2I", first, frames)
            elif kind == b"stsc":
                body = body[:4] + struct.pack(">4I", 1, 1, 1, 1)
            elif kind == b"stco":
                body = body[:4] + struct.pack(">I", frames) + body[8:12] * frames
            if kind not in {b"edts", b"stss", b"ctts"}:
                made += struct.pack(">I4s", len(body) + 8, kind) + body
            at += max(size, 8)
        return made

    return rewritten(data)


@pytest.mark.slow
def test_a_frame_that_is_shown_for_ever_ends(tmp_path: Path) -> None:
    writer = cv2.VideoWriter(str(tmp_path / "a.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 10, (1920, 1080))
    for _ in range(2):
        writer.write(np.full((1080, 1920, 3), 90, np.uint8))
    writer.release()
    (tmp_path / "a.mp4").write_bytes(endless((tmp_path / "a.mp4").read_bytes(), 8000))
    began = time.monotonic()
    found, wrong = streamed(
        VideoSource(Settings("a.mp4", {"every": "60s"}, tmp_path, store=Store.open(tmp_path / "s")))
    )
    assert time.monotonic() - began < 60.0
    assert found == []
    (issue,) = wrong
    assert issue.kind == "too-many-frames"
    assert "leads to the same bytes over and over" in issue.message
