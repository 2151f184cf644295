"""The usual WAV files without a library: the header is taken at its word no further than the bytes reach.

Read are PCM of 8, 16, 24 and 32 bits, floats of 32 and 64, A-law and µ-law (ITU-T G.711), also where the format chunk
is the extensible one. Nearly every recorder writes one of these, so a device needs no library for sound. A compressed
WAV, a big-endian one or one with 64-bit sizes is left to libsndfile.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

BLOCK, VALUES = 1 << 16, 1 << 19
"""Frames that are converted at a time, and values of all channels."""
UNKNOWN = 0xFFFFFFFF
"""What programs that write into a pipe put where they cannot know the length."""
_HEADER = struct.Struct("<HHIIHH")
_EXTENSIBLE = 0xFFFE
_MOST_CHUNKS = 4096

Blocks = Callable[[], Iterator[NDArray[np.float32]]]
"""Starts a pass over a sound: ``(frames, channels) float32``, full scale is 1, some frames at a time."""


class DamagedError(Exception):
    """The file says that it is a WAV, and is none that can be read; in words."""


@dataclass(frozen=True)
class Wav:
    """A WAV file's sound, not converted yet."""

    rate: int
    channels: int
    frames: int
    missing: float
    """Share of the announced frames that the file does not hold, 0..1."""
    floats: bool
    blocks: Blocks


def read(raw: bytes) -> Wav | None:
    """Return the sound of a WAV file, or None where it is not of a kind that is read here.

    Raises
    ------
    DamagedError
        Where chunks are missing, or the format's figures contradict each other.
    """
    if raw[:4] != b"RIFF" or raw[8:12] != b"WAVE":
        return None
    form, start, announced = chunks(raw)
    if len(form) < _HEADER.size:
        raise DamagedError("its format chunk is cut off")
    tag, channels, rate, _, width, bits = _HEADER.unpack_from(form)
    if tag == _EXTENSIBLE and len(form) >= 26:
        tag = int.from_bytes(form[24:26], "little")
    kind = _kind(tag, bits, width, channels)
    if kind is None:
        return None
    if not channels or not rate:
        raise DamagedError(f"its header says {channels} channels at {rate} Hz")
    if width != kind[1] * channels:
        raise DamagedError(f"its header says {width} bytes for {channels} channels of {bits} bits")
    there = len(raw) - start
    if announced == UNKNOWN or (announced == 0 and there):
        announced = there
    frames = min(announced, there) // width
    missing = 1.0 - there / announced if announced > there else 0.0
    return Wav(rate, channels, frames, missing, tag == 3, _blocks(raw, start, frames, channels, kind))


def chunks(raw: bytes) -> tuple[bytes, int, int]:
    """Return the format chunk, where the data begin, and how many bytes of them are announced."""
    form: bytes | None = None
    at = 12
    for _ in range(_MOST_CHUNKS):
        if at + 8 > len(raw):
            break
        name, size = raw[at : at + 4], int.from_bytes(raw[at + 4 : at + 8], "little")
        if name == b"data":
            if form is None:
                raise DamagedError("it has no format chunk before its data")
            return form, at + 8, size
        if name == b"fmt ":
            form = raw[at + 8 : at + 8 + min(size, 64)]
        at += 8 + size + (size & 1)
    raise DamagedError("it has no data chunk" if form is not None else "its header is broken or cut off")


def _kind(tag: int, bits: int, width: int, channels: int) -> tuple[str, int] | None:
    """Return how one value is stored and its bytes; 12 bits, for example, lie in containers of 2 bytes."""
    whole = width // channels if channels else 0
    if tag == 1 and 1 <= bits <= 32:
        size = whole if whole in {1, 2, 3, 4} and 8 * whole >= bits else (bits + 7) // 8
        return f"pcm{size}", size
    if tag == 3 and bits in {32, 64}:
        return f"float{bits}", bits // 8
    if tag in {6, 7} and bits == 8:
        return ("alaw" if tag == 6 else "mulaw"), 1
    return None


def _blocks(raw: bytes, start: int, frames: int, channels: int, kind: tuple[str, int]) -> Blocks:
    name, size = kind

    def run() -> Iterator[NDArray[np.float32]]:
        view = memoryview(raw)
        block = min(BLOCK, VALUES // channels)
        for first in range(0, frames, block):
            count = min(block, frames - first)
            at = start + first * size * channels
            yield _converted(view[at : at + count * size * channels], name).reshape(count, channels)

    return run


def _converted(data: memoryview, name: str) -> NDArray[np.float32]:
    """Return values as float32, full scale 1: an integer is divided by one more than the largest of its width."""
    if name == "pcm1":
        return (np.frombuffer(data, np.uint8).astype(np.float32) - np.float32(128)) / np.float32(128)
    if name == "pcm2":
        return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(1 << 15)
    if name == "pcm3":
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        return (wide.view("<i4")[:, 0].astype(np.float64) / (1 << 31)).astype(np.float32)
    if name == "pcm4":
        return (np.frombuffer(data, "<i4").astype(np.float64) / (1 << 31)).astype(np.float32)
    if name in {"alaw", "mulaw"}:
        return np.asarray(_companded(name)[np.frombuffer(data, np.uint8)], np.float32)
    with np.errstate(over="ignore"):  # a double beyond float32 becomes infinite, and is refused as such
        return np.frombuffer(data, "<f4" if name == "float32" else "<f8").astype(np.float32)


@cache
def _companded(name: str) -> NDArray[np.float32]:
    """Return the 256 values of A-law or µ-law (ITU-T G.711, tables 1 and 2), full scale 1."""
    codes = np.arange(256)
    if name == "mulaw":
        codes = ~codes & 0xFF
        magnitude = (((codes & 0x0F) << 3) + 0x84 << ((codes & 0x70) >> 4)) - 0x84
        sign = np.where(codes & 0x80, -1, 1)
    else:
        codes ^= 0x55
        step, part = (codes & 0x70) >> 4, (codes & 0x0F) << 4
        magnitude = np.where(step == 0, part + 8, (part + 0x108) << np.maximum(step - 1, 0))
        sign = np.where(codes & 0x80, 1, -1)
    return np.asarray(sign * magnitude / (1 << 15), np.float32)
