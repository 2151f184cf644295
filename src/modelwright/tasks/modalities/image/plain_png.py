"""The plainest PNGs without what Pillow does around them: of a small picture that is the larger part of the time.

Plain means 8-bit grey or RGB, not interlaced, and nothing in the file but header, pixels and end, every checksum right.
That is what cameras' software, OpenCV, Pillow and numpy users write. Inflating and unfiltering is Pillow's decoder all
the same. Everything else, and everything that is odd in any way, is left to Pillow as a whole.
"""

from __future__ import annotations

import struct
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

MAX_PIXELS = 1 << 18
"""Above, opening a file costs nothing beside its pixels."""
_BEGIN = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
_HEADER = struct.Struct(">IIBBBBBI")
_CHUNK = struct.Struct(">I4s")
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
