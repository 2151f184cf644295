"""The plainest PNGs without what Pillow does around them: of a small picture that is the larger part of the time.

Plain means 8-bit grey or RGB, not interlaced, and nothing in the file but header, pixels and end, every checksum right.
That is what cameras' software, OpenCV, Pillow and numpy users write. Inflating and unfiltering is Pillow's decoder all
the same. Everything else, and everything that is odd in any way, is left to Pillow as a whole.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from zlib import crc32, decompressobj
from zlib import error as ZlibError  # noqa: N812

import numpy as np
from numpy.typing import NDArray

MAX_PIXELS = 1 << 18
"""Above, opening a file costs nothing beside its pixels."""
_BEGIN = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
_HEADER = struct.Struct(">IIBBBBBI")
_CHUNK = struct.Struct(">I4s")
_END = b"\0\0\0\0IEND\xaeB`\x82"
_SMALL = 1 << 14
"""Bytes of pixels up to which pictures are unfiltered together."""
_UP = 2
"""The last of the filters (PNG specification, section 9) that do not need each pixel's left neighbour unfiltered."""
_MODES = {0: "L", 2: "RGB"}
"""By the header's colour type."""


def decode(raw: bytes, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8] | None:
    """Return ``(H, W, 3) uint8``, or None where the file is not of the plain kind or not sound."""
    if not raw.startswith(_BEGIN) or len(raw) < 57:
        return None
    width, height, depth, colour, compression, filters, interlace, checksum = _HEADER.unpack_from(raw, 16)
    mode = _MODES.get(colour)
    if depth != 8 or mode is None or compression or filters or interlace or checksum != crc32(raw[12:29]):
        return None
    if not 0 < width * height <= min(max_pixels, MAX_PIXELS):
        return None
    pixels = _pixel_data(raw)
    if pixels is None:
        return None
    from PIL import Image as Pillow

    try:
        image = Pillow.frombytes(mode, (width, height), pixels, "zip", mode, 0)
    except (ValueError, OSError, SystemError):  # too short, or damaged: Pillow's own reader says what is wrong
        return None
    if mode == "L":
        image = image.convert("RGB")
    return np.frombuffer(image.tobytes(), np.uint8).reshape(height, width, 3)


def _pixel_data(raw: bytes) -> bytes | None:
    """Return the compressed pixels: every chunk between the header and the end, if there is no other kind."""
    parts: list[bytes] = []
    place, size = 33, len(raw)
    while place + 12 <= size:
        length, kind = _CHUNK.unpack_from(raw, place)
        body = place + 8
        end = body + length
        if end + 4 > size or int.from_bytes(raw[end : end + 4]) != crc32(raw[body - 4 : end]):
            return None
        if kind == b"IEND":
            whole = not length and end + 4 == size and parts
            return b"".join(parts) if whole else None
        if kind != b"IDAT":
            return None
        parts.append(raw[body:end])
        place = end + 4
    return None


Shape = tuple[int, int, int]
"""Height, width, and 1 or 3 channels."""


def decode_many(raws: Sequence[bytes]) -> list[tuple[list[int], NDArray[np.uint8]]]:
    """Return places in ``raws`` and ``(n, H, W, 3) uint8`` for small plain pictures, those of one shape together.

    Each is what :func:`decode` returns. They are inflated by zlib, never further than the header's size, and all at
    once unfiltered; a picture with other filters than none, left and up is left out, as all that are odd are.
    """
    headers: dict[bytes, Shape | None] = {}
    places: dict[Shape, list[int]] = {}
    pixels: dict[Shape, list[bytes]] = {}
    for place, raw in enumerate(raws):
        begin = raw[:33]
        if begin not in headers:
            headers[begin] = _shape(begin)
        shape = headers[begin]
        if shape is None:
            continue
        found = _inflated(raw, shape[0] * (1 + shape[1] * shape[2]))
        if found is not None:
            places.setdefault(shape, []).append(place)
            pixels.setdefault(shape, []).append(found)
    made = []
    for shape, mine in places.items():
        height, width, channels = shape
        lines = np.frombuffer(b"".join(pixels[shape]), np.uint8).reshape(len(mine), height, 1 + width * channels)
        plain = (lines[:, :, 0] <= _UP).all(1)
        if plain.any():
            images = _unfiltered(lines[plain], channels).reshape(-1, *shape)
            made.append((np.array(mine)[plain].tolist(), images if channels == 3 else np.repeat(images, 3, 3)))
    return made


def _shape(begin: bytes) -> Shape | None:
    """Return the shape that a header of the plain kind tells, of a small picture."""
    if not begin.startswith(_BEGIN) or len(begin) < 33:
        return None
    width, height, depth, colour, compression, filters, interlace, checksum = _HEADER.unpack_from(begin, 16)
    if depth != 8 or colour not in _MODES or compression or filters or interlace or checksum != crc32(begin[12:29]):
        return None
    channels = 3 if _MODES[colour] == "RGB" else 1
    return (height, width, channels) if 0 < height * (1 + width * channels) <= _SMALL and width else None


def _inflated(raw: bytes, size: int) -> bytes | None:
    """Return the filtered lines of a file whose pixels are one sound chunk, ``size`` bytes, and all there is."""
    if len(raw) < 57 or raw[37:41] != b"IDAT" or raw[-12:] != _END or int.from_bytes(raw[33:37]) != len(raw) - 57:
        return None
    if int.from_bytes(raw[-16:-12]) != crc32(raw[37:-16]):
        return None
    inflater = decompressobj()
    try:
        found = inflater.decompress(raw[41:-16], size + 1)
    except ZlibError:
        return None
    return found if len(found) == size and inflater.eof and not inflater.unused_data else None


def _unfiltered(lines: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """Return ``(n, height, bytes)`` of lines behind their filter's number, which is none, left or up."""
    kinds, made = lines[:, :, 0], lines[:, :, 1:]
    if not kinds.any():
        return made
    made = made.copy()
    height, width = made.shape[1:]
    for row in range(height):
        left, up = kinds[:, row] == 1, kinds[:, row] == _UP
        if left.any():
            line = made[left, row].reshape(-1, width // channels, channels)
            made[left, row] = np.add.accumulate(line, axis=1, dtype=np.uint8).reshape(-1, width)
        if row and up.any():
            made[up, row] += made[up, row - 1]
    return made
