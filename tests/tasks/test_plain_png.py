"""The short way for plain PNGs gives what Pillow gives, or nothing."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import PngImagePlugin

from modelwright.tasks.base import UndecodableError
from modelwright.tasks.modalities.image import modality as image
from modelwright.tasks.modalities.image import plain_png


def written(pixels: NDArray[np.uint8], mode: str | None = None, **options: Any) -> bytes:
    file = io.BytesIO()
    picture = Pillow.fromarray(pixels)
    (picture.convert(mode) if mode else picture).save(file, "PNG", **options)
    return file.getvalue()


def noise(height: int, width: int, colour: bool, seed: int = 0) -> NDArray[np.uint8]:
    shape = (height, width, 3) if colour else (height, width)
    made: NDArray[np.uint8] = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return made


def by_pillow(raw: bytes, monkeypatch: pytest.MonkeyPatch) -> NDArray[np.uint8] | None:
    with monkeypatch.context() as patch:
        patch.setattr(plain_png, "decode", lambda raw, limit: None)
        try:
            return image.decode_rgb(raw)
        except UndecodableError:
            return None


def equal(found: NDArray[np.uint8], other: NDArray[np.uint8] | None) -> bool:
    return other is not None and np.array_equal(found, other)


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.booleans(), st.integers(0, 9), st.integers(0, 3))
def test_plain_pictures_are_what_they_were(height: int, width: int, colour: bool, level: int, smooth: int) -> None:
    pixels = noise(height, width, colour)
    for _ in range(smooth):  # smooth pictures use every filter of PNG
        pixels = np.cumsum(pixels, axis=smooth % 2, dtype=np.uint8) // 2
    found = plain_png.decode(written(pixels, compress_level=level))
    assert found is not None
    assert np.array_equal(found, pixels if colour else np.repeat(pixels[..., None], 3, axis=2))


def test_everything_else_is_left_to_pillow() -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "made by hand")
    grey = noise(9, 7, colour=False)
    exif = Pillow.Exif()
    exif[0x0112] = 6
    for raw in (
        b"",
        b"\x89PNG\r\n\x1a\n",
        written(grey, "P"),
        written(grey, "1"),
        written(grey, "RGBA"),
        written(grey, "LA"),
        written(grey, "I;16"),
        written(grey, pnginfo=text),
        written(grey, exif=exif),
        written(grey, transparency=3),
        written(grey)[:-1],
        written(grey) + b"\0",
    ):
        assert plain_png.decode(raw) is None
    assert plain_png.decode(written(grey), max_pixels=62) is None
    assert plain_png.decode(written(noise(600, 600, colour=False))) is None


def test_damage_is_never_taken_for_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = written(noise(12, 11, colour=True))
    random = np.random.default_rng(5)
    for _ in range(300):
        broken = bytearray(raw)
        for _ in range(int(random.integers(1, 4))):
            broken[int(random.integers(0, len(raw)))] ^= int(random.integers(1, 256))
        found = plain_png.decode(bytes(broken))
        if found is not None:
            assert equal(found, by_pillow(bytes(broken), monkeypatch))
    assert plain_png.decode(raw) is not None


def test_pixels_that_are_missing_or_damaged_under_right_checksums(monkeypatch: pytest.MonkeyPatch) -> None:
    import struct
    import zlib

    def file(pixels: bytes, pieces: int = 1) -> bytes:
        header = struct.pack(">IIBBBBB", 6, 5, 8, 0, 0, 0, 0)
        step = -(-len(pixels) // pieces)
        chunks = [(b"IHDR", header), *((b"IDAT", pixels[i : i + step]) for i in range(0, len(pixels), step))]
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
            for kind, body in [*chunks, (b"IEND", b"")]
        )

    rows = b"".join(bytes([number % 5, *range(number, number + 6)]) for number in range(5))
    for pieces in (1, 2, 7):
        found = plain_png.decode(file(zlib.compress(rows), pieces))
        assert found is not None
        assert equal(found, by_pillow(file(zlib.compress(rows), pieces), monkeypatch))
    for pixels in (
        zlib.compress(rows[:-9]),
        zlib.compress(b"\x09" + rows[1:]),
        b"no zlib at all",
        zlib.compress(rows)[:-12],
    ):
        raw = file(pixels)
        found, other = plain_png.decode(raw), by_pillow(raw, monkeypatch)
        assert found is None or equal(found, other)
