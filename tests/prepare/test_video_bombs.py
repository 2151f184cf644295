"""Recordings that are small as files and long, large or repeated when they are decoded."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelwright.prepare.collect.base import Item, Rejected, Settings
from modelwright.prepare.collect.frames import Ended, Frame, Request, frames
from modelwright.prepare.collect.frames_sizes import Sizes
from modelwright.prepare.collect.frames_work import ANYWAY, ANYWAY_WHOLE, LARGEST, LEAST, WHOLE, Work, code_of
from modelwright.prepare.collect.video import VideoSource
from modelwright.store import Store

from .coded import still

cv2 = pytest.importorskip("cv2")
from .conftest import Project  # noqa: E402 - where there is no decoder, nothing is tested
from .filming import film, picture  # noqa: E402
from .test_packed_video import endless  # noqa: E402
from .whole import prepared  # noqa: E402

H264, PNG = "h264", "mpng"


def decoded(path: Path, every: float, pixels: int = 8000) -> tuple[int, Ended]:
    """Return how many frames were taken, and how it ended."""
    *taken, ended = frames(Request(str(path), every=every, size=path.stat().st_size, pixels=pixels))
    assert isinstance(ended, Ended)
    assert all(isinstance(each, Frame) for each in taken)
    return len(taken), ended


@pytest.mark.slow
@pytest.mark.parametrize("between", [False, True])
def test_frames_without_any_bits_are_decoded_as_far_as_the_size_pays(tmp_path: Path, *, between: bool) -> None:
    path = tmp_path / "x.264"
    path.write_bytes(still(256, 135, 320, between=between, size=300_000))
    taken, ended = decoded(path, 1.0)
    assert (taken, ended.why) == (8, "bomb")
    assert ended.read == 300_000 * 8000 // (4096 * 2160) - 8 * 8 - 6
    taken, ended = decoded(path, 0.0)
    assert (ended.why, ended.read, taken) == ("bomb", 31, 30), "what is taken costs more than what is passed over"
    assert decoded(path, 1000.0, 20_000)[1].why == "end"


def test_a_size_that_changes_midway_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "x.264"
    path.write_bytes(still(1, 1, 40) + still(440, 440, 200, size=200_000))
    _, ended = decoded(path, 1000.0)
    assert ended.why == "bomb"
    assert ended.read < 160


def test_what_a_file_pays_for() -> None:
    work = Work(1000, 8000, H264)
    assert work.holds(b"\0\0\0\1" + bytes(900))
    assert work.pays(ANYWAY - LEAST)
    assert work.pays(1), "the smallest frame counts for some thousand pixels"
    assert not work.pays(1)
    whole = Work(10_000_000, 8000, PNG)
    assert whole.pays(WHOLE * 10_000_000)
    assert not whole.pays(1)
    disguised = Work(1000, 8000, H264)
    assert disguised.holds(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR" + (1000).to_bytes(4, "big") * 2)
    assert disguised.pays(1)
    assert disguised.pays(ANYWAY_WHOLE - 1_000_000)
    assert not disguised.pays(1)
    packets = Work(1000, 8000, H264)
    assert packets.holds(bytes(1 << 20))
    assert not packets.holds(bytes(1 << 20))


@pytest.mark.slow
def test_bombs_among_recordings_are_named_and_the_rest_goes_on(project: Project) -> None:
    folder = project.root / "films"
    for name, colour in (("a", 0), ("b", 2)):
        (folder / name).mkdir(parents=True)
        for number in range(4):
            film(folder / name / f"{number}.avi", 12, colour=colour, scene=4 * colour + number + 1)
    (folder / "a" / "skip.264").write_bytes(still(256, 135, 1000))
    made = film(project.root / "x.mp4", 2)
    (folder / "a" / "again.mp4").write_bytes(endless(made.read_bytes(), 20_000))
    (folder / "b" / "wide.264").write_bytes(still(600, 600, 2))
    found = prepared(project.root, "input: video\nsources: [{video: films}]\noutput: category\n")
    assert "too-many-frames: a/skip.264 has far more frames than its size pays for" in found.said("skip.264")
    assert "too-many-frames: a/again.mp4 leads to the same bytes over and over" in found.said("again.mp4")
    assert "too-large: b/wide.264 has frames of more than 50 million pixels" in found.said("wide.264")
    assert sum(path.endswith(".avi@0.000") for path in found.paths) == 8
    assert found.megabytes < 700


def test_the_option_is_part_of_what_is_remembered(tmp_path: Path) -> None:
    film(tmp_path / "a.avi", 5)
    store = Store.open(tmp_path / "store")
    for number, options in enumerate(({}, {"pixels": 9000}), 1):
        found = list(VideoSource(Settings("a.avi", options, tmp_path, store=store)).items({}))
        assert not [each for each in found if isinstance(each, Rejected)]
        assert len([each for each in found if isinstance(each, Item)]) == 1
        assert len(list(store.cache_dir("video").iterdir())) == number


def largest(path: Path) -> int:
    """Return the pixels of the largest picture in a recording, by its packets."""
    whole = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    packets = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_FORMAT, -1])
    there, extra = packets.retrieve(None, int(packets.get(cv2.CAP_PROP_CODEC_EXTRADATA_INDEX)))
    size = int(whole.get(cv2.CAP_PROP_FRAME_WIDTH)), int(whole.get(cv2.CAP_PROP_FRAME_HEIGHT))
    found = Sizes(
        code_of(int(whole.get(cv2.CAP_PROP_FOURCC))), size, extra.tobytes() if there and extra is not None else b""
    )
    count = 0
    while packets.grab():
        found.look(packets.retrieve()[1].tobytes())
        count += 1
    assert count >= 30
    return found.largest


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("x.mp4", "mp4v"),
        ("x.avi", "XVID"),
        ("x.webm", "VP80"),
        ("x.webm", "VP90"),
        ("x.mpg", "mpg2"),
        ("x.mov", "MJPG"),
    ],
)
def test_sizes_are_read_in_packets(tmp_path: Path, name: str, code: str) -> None:
    for place, (width, height) in enumerate([(96, 64), (160, 128)]):
        path = tmp_path / f"{place}{name}"
        writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*code), 25, (width, height))
        for number in range(40):
            writer.write(cv2.resize(picture(number), (width, height)))
        writer.release()
        assert largest(path) == width * height
    if name.endswith("mpg"):
        path.write_bytes((tmp_path / f"0{name}").read_bytes() + path.read_bytes())
        assert largest(path) == LARGEST


def test_frames_of_another_size_are_seen_in_vp8_and_vp9() -> None:
    small = Sizes("vp80", (16, 16), b"")
    small.look(b"\x50\x00\x00\x9d\x01\x2a" + (4000).to_bytes(2, "little") * 2)
    assert small.largest == 16_000_000
    key = f"10{'00'}0000{0x498342:024b}0100{3999:016b}{2999:016b}"
    inter = f"1000011000{0:08b}{0:012b}000{4999:016b}{2999:016b}"
    hidden = Sizes("vp90", (16, 16), b"")
    hidden.look(packed(key))
    assert hidden.largest == 12_000_000
    hidden.look(packed(inter))
    assert hidden.largest == 15_000_000
    together = Sizes("vp90", (16, 16), b"")
    first, second = packed("1000011000" + "0" * 20 + "1" + "0" * 60), packed(key)
    index = bytes([0xC1, len(first), len(second), 0xC1])
    together.look(first + second + index)
    assert together.largest == 12_000_000


def packed(bits: str) -> bytes:
    return int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")


def test_parameter_sets_are_compared_with_the_containers() -> None:
    _, first, *_ = still(1, 1, 2).split(b"\0\0\0\1")
    _, other, *_ = still(9, 9, 2).split(b"\0\0\0\1")
    start = b"\0\0\0\1"
    boxed = b"\1\x42\0\x33\xff\xe1" + len(first).to_bytes(2, "big") + first
    for extra in (b"", start + first, boxed):
        sizes = Sizes("avc1", (16, 16), extra)
        sizes.look(start + first + start + b"\x61abc")
        assert sizes.largest == 256
        sizes.look(start + other)
        assert sizes.largest == LARGEST
    sizes = Sizes("avc1", (16, 16), boxed)
    sizes.look(start + other)
    assert sizes.largest == LARGEST, "the first one in the packets is another one than the container's"
    assert Sizes("avc1", (16, 16), boxed.replace(b"\xe1", b"\xe2")).largest == LARGEST
