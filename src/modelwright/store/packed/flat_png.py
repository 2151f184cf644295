"""PNG files of masks: small, and the same bytes on every machine and with every version of every library.

A mask is written to the store under the digest of its file, so the file must not depend on which zlib compressed it;
and it must be small, because it lies on the disk. Masks are flat: each line is mostly equal to the one above (filter
2 leaves zeros), and what is left are long runs. Runs are all that is used of deflate here: a literal, then copies of
the byte before, in one block with the fixed codes (RFC 1951, 3.2.6). A mask takes about one byte for fifty pixels or
fewer.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

LONGEST = 258
"""Bytes that one copy stands for at most."""
_UP = 2
_BASES = (
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    11,
    13,
    15,
    17,
    19,
    23,
    27,
    31,
    35,
    43,
    51,
    59,
    67,
    83,
    99,
    115,
    131,
    163,
    195,
    227,
    258,
)
_EXTRA = (0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0)


def encode(mask: NDArray[np.uint8]) -> bytes:
    """Return ``(H, W) uint8`` as an 8-bit grey PNG.

    Examples
    --------
    >>> import io
    >>> from PIL import Image
    >>> mask = np.zeros((300, 400), np.uint8)
    >>> mask[50:200, 90:300] = 7
    >>> data = encode(mask)
    >>> bool((np.asarray(Image.open(io.BytesIO(data))) == mask).all()), len(data) < 2000
    (True, True)
    """
    height, width = mask.shape
    lines = np.empty((height, width + 1), np.uint8)
    lines[:, 0] = _UP
    lines[0, 1:] = mask[0]
    np.subtract(mask[1:], mask[:-1], out=lines[1:, 1:])
    plain = lines.reshape(-1)
    packed = b"\x78\x01" + _deflated(plain) + struct.pack(">I", zlib.adler32(plain.data))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", packed) + _chunk(b"IEND")


def _chunk(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _deflated(data: NDArray[np.uint8]) -> bytes:
    """Return one final block of fixed codes: each run is its byte, copies of 258, and the rest."""
    starts = np.flatnonzero(np.concatenate([[True], data[1:] != data[:-1]]))
    lengths = np.diff(np.append(starts, len(data)))
    values = data[starts]
    rest = lengths - 1
    whole, left = rest // LONGEST, rest % LONGEST
    copied = left >= 3
    single = np.where(copied, 0, left)
    tokens = 1 + whole + copied + single  # codes that a run takes
    first = np.cumsum(tokens) - tokens
    codes = np.repeat(_LITERAL_CODE[values], tokens)
    sizes = np.repeat(_LITERAL_SIZE[values], tokens)
    # Behind its literal, a run has its long copies, then the shorter one; single bytes are literals already.
    long = _spread(first + 1, whole)
    codes[long], sizes[long] = _COPY_CODE[LONGEST], _COPY_SIZE[LONGEST]
    short = (first + 1 + whole)[copied]
    codes[short], sizes[short] = _COPY_CODE[left[copied]], _COPY_SIZE[left[copied]]
    codes = np.concatenate([[0b011], codes, [0]])  # final block, fixed codes … end of block
    sizes = np.concatenate([[3], sizes, [7]])
    return _bits(codes, sizes)


def _spread(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return ``start, start + 1, …`` for each start, as many as its count."""
    total = int(counts.sum())
    before = np.cumsum(counts) - counts
    return np.repeat(starts - before, counts) + np.arange(total)


def _bits(codes: NDArray[np.int64], sizes: NDArray[np.int64]) -> bytes:
    """Return codes one behind the other, the lowest bit of each first."""
    pieces = []
    for start in range(0, len(codes), 1 << 18):
        some, each = codes[start : start + (1 << 18)], sizes[start : start + (1 << 18)]
        place = np.repeat(np.arange(len(some)), each)
        offset = np.arange(len(place)) - np.repeat(np.cumsum(each) - each, each)
        pieces.append(((some[place] >> offset) & 1).astype(np.uint8))
    return np.packbits(np.concatenate(pieces), bitorder="little").tobytes()


def _reversed(code: int, size: int) -> int:
    """Return a Huffman code with its highest bit first in the stream."""
    return int(f"{code:0{size}b}"[::-1], 2)


def _literals() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    codes = [_reversed(0x30 + v, 8) if v < 144 else _reversed(0x190 + v - 144, 9) for v in range(256)]
    return np.array(codes, np.int64), np.where(np.arange(256) < 144, 8, 9).astype(np.int64)


def _copies() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return code and size of a copy by its length: the length's code, its extra bits, and distance 1 (five zeros)."""
    codes, sizes = np.zeros(LONGEST + 1, np.int64), np.zeros(LONGEST + 1, np.int64)
    for length in range(3, LONGEST + 1):
        row = max(place for place, base in enumerate(_BASES) if base <= length)
        symbol = 257 + row
        size = 7 if symbol < 280 else 8
        code = _reversed(symbol - 256 if symbol < 280 else 0xC0 + symbol - 280, size)
        codes[length] = code | (length - _BASES[row]) << size
        sizes[length] = size + _EXTRA[row] + 5
    return codes, sizes


_LITERAL_CODE, _LITERAL_SIZE = _literals()
_COPY_CODE, _COPY_SIZE = _copies()
