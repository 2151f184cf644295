"""Small pictures looked at many at a time: decoded, checked and sketched to the last bit as each alone."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from modelwright.prepare.scan.columns import Columns, joined
from modelwright.prepare.scan.eye import Eye
from modelwright.tasks.abilities import Batched
from modelwright.tasks.modalities.image import measures, plain_png, sketch
from modelwright.tasks.modalities.image.modality import Image

IMAGE = Image()
SIZES = st.one_of(st.integers(1, 70), st.sampled_from([1, 31, 32, 33, 63, 64, 65]))


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(image: np.ndarray, filters: list[int], more: bytes = b"") -> bytes:
    """Return a PNG of ``(H, W)`` or ``(H, W, 3)`` whose lines are filtered as told: 0 none, 1 left, 2 up."""
    height, width = image.shape[:2]
    lines = image.reshape(height, -1).astype(np.int64)
    step = lines.shape[1] // width
    left = np.pad(lines, ((0, 0), (step, 0)))[:, :-step]
    up = np.pad(lines, ((1, 0), (0, 0)))[:-1]
    made = []
    for kind, *ways in zip(filters, lines, left, up, strict=True):
        told = ways[0] - ways[kind] if kind else ways[0]
        made.append(bytes([kind]) + (told % 256).astype(np.uint8).tobytes())

    colour = 2 if image.ndim == 3 else 0
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))
    body = zlib.compress(b"".join(made)) + more
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def pictures(seed: int, count: int, height: int, width: int, *, grey: bool) -> np.ndarray:
    random = np.random.default_rng(seed)
    made = random.integers(0, 256, (count, height, width, 1 if grey else 3), dtype=np.uint8)
    made[::3] = made[::3, :1, :1]  # flat ones, which have no hash
    return np.repeat(made, 3, 3) if grey else made


@given(st.integers(0, 2**32 - 1), SIZES, SIZES, st.booleans())
@settings(max_examples=40, deadline=None)
def test_sketches_are_those_of_each_alone(seed: int, height: int, width: int, grey: bool) -> None:
    images = pictures(seed, 7, height, width, grey=grey)
    made = sketch.sketch_many(images)
    alone = [sketch.sketch(image) for image in images]
    assert [each.data for each in alone] == [each.tobytes() for each in made.data]
    assert [each.hash for each in alone] == [
        int(value) if there else None for value, there in zip(made.hashes, made.hashed, strict=True)
    ]
    assert not made.hashed.all()


@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 9), st.booleans(), st.data())
@settings(max_examples=60, deadline=None)
def test_plain_pngs_are_decoded_as_each_alone(
    seed: int, height: int, width: int, grey: bool, data: st.DataObject
) -> None:
    filters = st.lists(st.integers(0, 2), min_size=height, max_size=height)
    images = pictures(seed, 5, height, width, grey=grey)
    raws = [png(image[..., 0] if grey else image, data.draw(filters)) for image in images]
    ((places, made),) = plain_png.decode_many(raws)
    assert places == list(range(5))
    np.testing.assert_array_equal(made, images)
    np.testing.assert_array_equal(made, np.stack([IMAGE.decode(raw, {})["image"][0] for raw in raws]))


def odd_files() -> list[bytes]:
    image = pictures(0, 2, 5, 6, grey=False)[1]
    sound = png(image, [0] * 5)
    header = bytearray(sound)
    header[19] = 7  # another width, so that the checksum is wrong
    saved = io.BytesIO()
    Pillow.fromarray(image).save(saved, "PNG", dpi=(72, 72))
    longer = chunk(b"IDAT", zlib.compress(bytes(10_000)))
    return [
        b"",
        b"text",
        sound[:50],
        sound[:-3],
        sound + b"\0",
        bytes(header),
        sound.replace(b"IEND", b"IENT"),
        saved.getvalue(),
        png(image, [0] * 5, b"behind"),
        png(image, [0] * 5)[:33] + longer + chunk(b"IEND", b""),
        sound[:33] + chunk(b"IDAT", b"no deflated data") + chunk(b"IEND", b""),
        sound[:33] + chunk(b"IDAT", zlib.compress(b"\5" * 95)) + chunk(b"IEND", b""),
    ]


@pytest.mark.parametrize("raw", odd_files())
def test_what_is_not_plain_or_not_sound_is_left_to_pillow(raw: bytes) -> None:
    good = png(pictures(3, 2, 5, 6, grey=False)[1], [0] * 5)
    assert [places for places, _ in plain_png.decode_many([raw, good])] == [[1]]
    eye = Eye(IMAGE)
    assert eye.scan_many([raw, good]) == [eye.scan(raw), eye.scan(good)]


@given(st.lists(st.sampled_from([0, 20, 60, 70, 200, 230, 255]), min_size=1, max_size=6), SIZES, SIZES)
@settings(max_examples=60, deadline=None)
def test_those_are_checked_of_which_there_is_something_to_say(lights: list[int], height: int, width: int) -> None:
    random = np.random.default_rng(0)
    noise = random.integers(-40, 40, (len(lights), height, width, 3)) * random.integers(0, 2, (len(lights), 1, 1, 1))
    images = np.clip(np.array(lights)[:, None, None, None] + noise, 0, 255).astype(np.uint8)
    measured = measures.measure(images)
    alone = [{name: values[row : row + 1] for name, values in measured.items()} for row in range(len(lights))]
    assert measures.remarkable(measured).tolist() == [bool(measures.problems(each)) for each in alone]


def test_a_turned_picture_is_remarkable() -> None:
    inputs = {"image": pictures(1, 2, 9, 9, grey=False), "orientation": np.array([1, 6])}
    image: Batched = IMAGE
    assert image.remarkable(inputs, IMAGE.measure(inputs, {})).tolist()[1]


def test_columns_of_different_kinds_come_back_as_they_were() -> None:
    raws = [png(image, [0] * 6) for image in pictures(5, 9, 6, 4, grey=False)] + [b"text"]
    eye = Eye(IMAGE)
    parts = [*eye.look(raws[:4]), *eye.look([b"text", b""]), *eye.look(raws[4:])]
    scans = [*eye.scan_many(raws[:4]), *eye.scan_many([b"text", b""]), *eye.scan_many(raws[4:])]
    assert joined(parts).scans() == scans
    assert Columns.of(scans).scans() == scans
    for each in parts:
        assert Columns.of_message(b"".join(each.message())).scans() == each.scans()
