"""PNG files from arrays, the same bytes on every machine and with every version of every library.

The pixels are stored, not compressed: what a compressor makes of them differs between zlib, zlib-ng and their
versions, and a sample's digest must not. Such a file is made whenever its sample is read and lies on no disk, so its
size (that of the pixels and 70 bytes or so) costs nothing. ISO/IEC 15948, RFC 1950, RFC 1951.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}
"""Channels to PNG colour type: grey, grey + alpha, RGB, RGBA."""
_STORED = 65535


def encode(picture: NDArray[np.uint8]) -> bytes:
    """Return a picture as a PNG file.

    Parameters
    ----------
    picture
        ``(H, W)`` or ``(H, W, C) uint8``, C from 1 to 4.

    Examples
    --------
    >>> import io
    >>> from PIL import Image
    >>> picture = np.arange(12, dtype=np.uint8).reshape(3, 4)
    >>> bool((np.asarray(Image.open(io.BytesIO(encode(picture)))) == picture).all())
    True
    """
    height, width = picture.shape[:2]
    channels = 1 if picture.ndim == 2 else picture.shape[2]
    lines: NDArray[Any] = np.zeros((height, width * channels + 1), np.uint8)  # each line begins with filter 0: none
    lines[:, 1:] = picture.reshape(height, width * channels)
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOURS[channels], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", _stored(lines.tobytes())) + _chunk(b"IEND")


def _chunk(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _stored(data: bytes) -> bytes:
    parts = [b"\x78\x01"]
    for start in range(0, len(data), _STORED):
        piece = data[start : start + _STORED]
        last = start + _STORED >= len(data)
        parts += [struct.pack("<BHH", last, len(piece), 0xFFFF ^ len(piece)), piece]
    parts.append(struct.pack(">I", zlib.adler32(data)))
    return b"".join(parts)
