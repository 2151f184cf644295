"""Recordings and cameras as frames: real containers, damage, streams that go away."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelwright.errors import InputError
from modelwright.prepare.cache.index import Index
from modelwright.prepare.collect.base import Item, Rejected, Settings
from modelwright.prepare.collect.camera import CameraSource
from modelwright.prepare.collect.frames import Ended, Frame, Request, frames
from modelwright.prepare.collect.video import VideoSource
from modelwright.prepare.guess.guessing import guess
from modelwright.project import init_project, open_project
from modelwright.store import Store

cv2 = pytest.importorskip("cv2")
from .filming import HEIGHT, WIDTH, camera, film, picture  # noqa: E402 - where there is no decoder, nothing is tested


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def source(tmp_path: Path, store: Store, location: str, **options: Any) -> VideoSource:
    return VideoSource(Settings(location, options, tmp_path, store=store))


def items(made: VideoSource | CameraSource) -> tuple[list[Item], list[Rejected]]:
    made.survey()
    found = list(made.items({}))
    return [each for each in found if isinstance(each, Item)], [each for each in found if isinstance(each, Rejected)]


@pytest.mark.parametrize("ending", [".avi", ".mp4", ".mkv"])
def test_frames_come_by_the_clock_of_the_recording(tmp_path: Path, store: Store, ending: str) -> None:
    film(tmp_path / f"a{ending}", 45)
    found, wrong = items(source(tmp_path, store, f"a{ending}", every="1s"))
    assert not wrong
    assert [each.path for each in found] == [f"a{ending}@{second}.000" for second in range(5)]
    assert {each.group for each in found} == {f"a{ending}"}
    raws = [each.raw for each in found]
    assert all(raw is not None and raw[:2] == b"\xff\xd8" for raw in raws)
    pixels = cv2.imdecode(np.frombuffer(raws[1] or b"", np.uint8), cv2.IMREAD_COLOR)
    assert np.abs(pixels.astype(int) - picture(10)).mean() < 25
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    every, _ = items(source(tmp_path, store, f"a{ending}", every="0s"))
    assert len(every) == 45
    few, wrong = items(source(tmp_path, store, f"a{ending}", every="200ms", most=4))
    assert ([each.path[-5:] for each in few], [each.kind for each in wrong]) == (
        ["0.000", "0.200", "0.400", "0.600"],
        ["too-many-frames"],
    )


def test_what_does_not_change_is_taken_once(tmp_path: Path, store: Store) -> None:
    film(tmp_path / "still.avi", 30, still=True)
    film(tmp_path / "moving.avi", 30)
    assert len(items(source(tmp_path, store, "still.avi", every="100ms", change=0.02))[0]) == 1
    assert len(items(source(tmp_path, store, "moving.avi", every="100ms", change=0.02))[0]) > 5


def test_a_recording_is_decoded_once(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    film(tmp_path / "a.mp4", 25)
    first = items(source(tmp_path, store, "a.mp4"))
    monkeypatch.setattr("sys.executable", "/nowhere")
    assert items(source(tmp_path, store, "a.mp4")) == first
    with pytest.raises(OSError, match="nowhere"):
        items(source(tmp_path, store, "a.mp4", every="500ms"))


def test_folders_are_classes_and_damage_is_named_while_the_rest_goes_on(tmp_path: Path, store: Store) -> None:
    for name, colour in (("blue", 0), ("red", 2)):
        (tmp_path / "films" / name).mkdir(parents=True)
        film(tmp_path / "films" / name / "good.mp4", 20, colour=colour)
    whole = (tmp_path / "films/red/good.mp4").read_bytes()
    (tmp_path / "films/red/cut.mp4").write_bytes(whole[: len(whole) // 2])  # its index was at the end
    avi = film(tmp_path / "films/red/short.avi", 60).read_bytes()
    (tmp_path / "films/red/short.avi").write_bytes(avi[: len(avi) // 3])
    (tmp_path / "films/red/nothing.mp4").write_bytes(b"")
    (tmp_path / "films/red/noise.mkv").write_bytes(b"\x1aE\xdf\xa3" + np.random.default_rng(0).bytes(20_000))
    (tmp_path / "films/red/list.ts").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/passwd\n")
    (tmp_path / "films/red/notes.txt").write_text("hello")
    found, wrong = items(source(tmp_path, store, "films"))
    kinds = {each.path: each.kind for each in wrong}
    assert kinds == {
        "red/cut.mp4": "corrupt",
        "red/short.avi": "truncated",
        "red/nothing.mp4": "empty",
        "red/noise.mkv": "corrupt",
        "red/list.ts": "wrong-format",
        "red/notes.txt": "not-a-video",
    }
    names = [each.path for each in found]
    assert [name for name in names if "good" in name] == [
        f"{c}/good.mp4@{s}.000" for c in ("blue", "red") for s in (0, 1)
    ]
    assert any(name.startswith("red/short.avi@") for name in names)
    assert {each.label for each in found} == {"blue", "red"}
    only, _ = items(source(tmp_path, store, "films", files="*.avi", label="all"))
    assert {each.label for each in only} == {"all"}


def test_frames_that_are_too_large_or_say_so_are_refused(tmp_path: Path, store: Store) -> None:
    data = film(tmp_path / "said.avi", 5).read_bytes()
    size = b"\xff\xc0\x00\x11\x08" + HEIGHT.to_bytes(2, "big") + WIDTH.to_bytes(2, "big")
    assert size in data
    (tmp_path / "said.avi").write_bytes(data.replace(size, size[:5] + (16_000).to_bytes(2, "big") * 2))
    found, wrong = items(source(tmp_path, store, "said.avi"))
    assert (found, [each.kind for each in wrong]) == ([], ["corrupt"])
    writer = cv2.VideoWriter(str(tmp_path / "large.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (7200, 7000))
    writer.write(np.zeros((7000, 7200, 3), np.uint8))
    writer.release()
    found, wrong = items(source(tmp_path, store, "large.avi"))
    assert (found, [each.kind for each in wrong]) == ([], ["too-large"])


@pytest.mark.slow
def test_any_damage_ends_soon_and_is_said(tmp_path: Path, store: Store) -> None:
    random = np.random.default_rng(4)
    for ending in (".avi", ".mp4", ".mkv"):
        whole = film(tmp_path / f"w{ending}", 30).read_bytes()
        for number in range(5):
            data = bytearray(whole)
            for place in random.integers(12, len(data), 200):
                data[place] = random.integers(256)
            (tmp_path / f"d{number}{ending}").write_bytes(data[: random.integers(100, len(data))])
            began = time.monotonic()
            found, wrong = items(source(tmp_path, store, f"d{number}{ending}"))
            assert time.monotonic() - began < 15.0
            assert found or wrong


def test_a_decoder_that_says_nothing_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\nexec sleep 60\n")
    script.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(script))
    monkeypatch.setattr("modelwright.prepare.collect.frames.STARTING", 0.5)
    began = time.monotonic()
    assert [each.why for each in frames(Request("x", timeout=0.5)) if isinstance(each, Ended)] == ["silent"]
    assert time.monotonic() - began < 8.0
    script.write_text("#!/bin/sh\nkill -9 $$\n")
    assert [each.why for each in frames(Request("x", timeout=0.5)) if isinstance(each, Ended)] == ["died"]
    script.write_text("#!/bin/sh\nhead -c 100000 /dev/zero | tr '\\\\0' 'x'\n")
    assert [each.why for each in frames(Request("x", timeout=0.5)) if isinstance(each, Ended)] == ["died"]


@pytest.mark.parametrize(
    ("options", "said"),
    [({"every": "soon"}, "every"), ({"change": 2}, "change"), ({"most": 0}, "most"), ({"every": -1}, "every")],
)
def test_wrong_options_are_said(tmp_path: Path, store: Store, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        source(tmp_path, store, "a.mp4", **options)


def watch(tmp_path: Path, store: Store, address: str, **options: Any) -> CameraSource:
    return CameraSource(Settings(address, options, tmp_path, output="none", store=store))


def test_a_camera_is_recorded_once_and_bounded(tmp_path: Path, store: Store) -> None:
    with camera(500) as address:
        made = watch(tmp_path, store, address, every="50ms", frames=6, label="belt")
        with Index(tmp_path / "cache") as index:
            before = made.fingerprint(index)
        assert made.record()
        found, wrong = items(made)
    assert (len(found), wrong) == (6, [])
    assert {(each.group, each.label) for each in found} == {("recording 1", "belt")}
    again = watch(tmp_path, store, address, every="50ms", frames=6, label="belt")
    assert not again.record()  # the camera is gone, the recording is not
    assert items(again) == (found, [])
    with Index(tmp_path / "cache") as index:
        assert again.fingerprint(index) == made.fingerprint(index) != before
    with pytest.raises(InputError, match="no picture came"):
        watch(tmp_path, store, address, every="50ms", frames=6, label="belt", take=2, timeout="1s").record()


@pytest.mark.parametrize("after", ["close", "hang"])
def test_a_camera_that_goes_away_midway_leaves_what_came(tmp_path: Path, store: Store, after: str) -> None:
    began = time.monotonic()
    with camera(12, after=after) as address:
        found, wrong = items(watch(tmp_path, store, address, every="0s", frames=100, timeout="1s"))
    assert time.monotonic() - began < 20.0
    assert 5 <= len(found) <= 12
    assert [each.kind for each in wrong] == ["camera-lost"]
    assert f"after {len(found)} of 100 frames" in wrong[0].message


def test_time_ends_a_recording_too(tmp_path: Path, store: Store) -> None:
    with camera(2000, gap=0.05) as address:
        found, wrong = items(watch(tmp_path, store, address, every="100ms", seconds="1s", frames=500))
    assert 3 <= len(found) <= 12
    assert not wrong


def test_cameras_that_are_not_there_are_said_soon(tmp_path: Path, store: Store) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as deaf:  # accepts, and says nothing
        for address in (f"http://127.0.0.1:{deaf.getsockname()[1]}/", "rtsp://127.0.0.1:9/x", "250"):
            began = time.monotonic()
            with pytest.raises(InputError, match="no picture came"):
                watch(tmp_path, store, address, timeout="1s").record()
            assert time.monotonic() - began < 20.0
    with pytest.raises(InputError, match="neither a camera's number nor an address"):
        watch(tmp_path, store, "file:///etc/passwd")
    with pytest.raises(InputError, match="NO_SUCH_SECRET"):
        watch(tmp_path, store, "rtsp://user:${NO_SUCH_SECRET}@127.0.0.1/x").record()


@contextmanager
def rtsp(*answers: bytes) -> Iterator[str]:
    """A camera of the network that accepts, gives these answers (RFC 2326), and then says nothing any more."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []

        def accept() -> None:
            with suppress(OSError):
                while True:
                    line, _ = server.accept()
                    held.append(line)
                    for number, answer in enumerate(answers, 1):
                        line.recv(4096)
                        line.sendall(answer.replace(b"CSEQ", b"%d" % number))

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield f"rtsp://127.0.0.1:{server.getsockname()[1]}/main"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            for line in held:
                line.close()
            thread.join(5)


_OPTIONS = b"RTSP/1.0 200 OK\r\nCSeq: CSEQ\r\nPublic: DESCRIBE, SETUP, PLAY\r\n\r\n"


@pytest.mark.parametrize(
    "answers", [(), (_OPTIONS,), (_OPTIONS[:20],), (_OPTIONS, b"RTSP/1.0 200 OK\r\nContent-Length: 99999\r\n")]
)
def test_a_camera_that_answers_half_is_not_waited_for(tmp_path: Path, store: Store, answers: tuple[bytes, ...]) -> None:
    with rtsp(*answers) as address:
        made = CameraSource(Settings(address, {"timeout": "1s"}, tmp_path, store=store))
        with pytest.raises(InputError, match=r"no picture came \((it could not be opened|it said nothing)") as caught:
            made.survey()
    assert caught.value.code == "camera-unreachable"


@pytest.mark.slow
def test_video_is_pictures_with_a_group_all_the_way(tmp_path: Path) -> None:
    for name, colour in (("blue", 0), ("red", 2)):
        (tmp_path / "films" / name).mkdir(parents=True)
        for number in range(8):
            scene = 1 + 2 * number + (colour == 0)
            film(tmp_path / "films" / name / f"{number}.avi", 20 + number, colour=colour, scene=scene)
    (tmp_path / "films/red/empty.avi").write_bytes(b"")
    spec = "input: video\nsources:\n  - video: films\n    every: 400ms\nclean: {review: []}\n"
    spec += "train: {models: [logistic], budget: 60s}\n"
    (tmp_path / "modelwright.yaml").write_text(spec, encoding="utf-8")
    project = open_project(tmp_path)
    assert project.spec.input == "image"
    result = project.run()
    assert result.verdict == "accepted", result.report
    dataset = project.store.artifacts.latest("dataset")
    assert dataset is not None
    from modelwright.store.dataset import Dataset

    table = Dataset(project.store, dataset).samples()
    of: dict[str, set[str]] = {}
    for path, split in zip(table["path"].to_pylist(), table["split"].to_pylist(), strict=True):
        if split is not None:
            of.setdefault(path.rpartition("@")[0], set()).add(split)
    assert len(of) == 16
    assert all(len(splits) == 1 for splits in of.values())
    assert {split for splits in of.values() for split in splits} == {"train", "validation", "test"}
    assert any(issue["kind"] == "empty" for issue in project.issues())
    assert {step.status for step in project.run().steps} == {"cached"}


def test_a_camera_goes_into_a_dataset_that_stands(tmp_path: Path) -> None:
    with camera(400) as address:
        spec = f"output: none\nsources:\n  - camera: {address}\n    every: 20ms\n    frames: 12\n"
        (tmp_path / "modelwright.yaml").write_text(spec, encoding="utf-8")
        open_project(tmp_path).run(to="prepare")
    first = open_project(tmp_path).run(to="prepare").steps[0]
    second = open_project(tmp_path).run(to="prepare").steps[0]
    assert first.artifact == second.artifact
    assert second.status == "cached"


def test_init_sees_recordings(tmp_path: Path) -> None:
    for name in ("red", "blue"):
        (tmp_path / "films" / name).mkdir(parents=True)
        (tmp_path / "films" / name / "a.MP4").write_bytes(b"")
    made = init_project(tmp_path / "films", None, name="films")
    assert (made["input"], made["output"], made["sources"][0]["kind"]) == ("video", "category", "video")
    assert open_project(tmp_path / "films").spec.input == "image"
    (tmp_path / "one.mkv").write_bytes(b"")
    assert guess(tmp_path / "one.mkv").output == "none"
    (tmp_path / "films/modelwright.yaml").unlink()
    for number in range(5):
        (tmp_path / f"films/red/{number}.jpg").write_bytes(b"")
    assert guess(tmp_path / "films").input == "image"


def test_frames_are_given_one_by_one(tmp_path: Path) -> None:
    film(tmp_path / "long.avi", 50)
    stream = frames(Request(str(tmp_path / "long.avi"), every=0.0))
    first = next(stream)
    assert isinstance(first, Frame)
    assert first.seconds == 0.0
    stream.close()  # type: ignore[attr-defined]
    assert json.dumps(first.seconds)
