"""Sounds to test on: made, not recorded, and written as WAV byte by byte."""

from __future__ import annotations

import struct
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Kind = Literal["pcm8", "pcm16", "pcm24", "pcm32", "float32", "float64"]


def wav(samples: Floats, rate: int = 8000, kind: Kind = "pcm16", *, announced: int | None = None) -> bytes:
    """Return a WAV file.

    Parameters
    ----------
    samples
        ``(frames,)`` or ``(frames, channels)``, full scale 1.
    announced
        Bytes of data that the header claims; default: the truth.
    """
    values = np.asarray(samples, np.float64)
    values = values[:, None] if values.ndim == 1 else values
    bits = int("".join(letter for letter in kind if letter.isdigit()))
    data = _stored(values, kind, bits)
    channels, width = values.shape[1], bits // 8
    size = len(data) if announced is None else announced
    form = struct.pack(
        "<HHIIHH", 3 if kind.startswith("float") else 1, channels, rate, rate * channels * width, channels * width, bits
    )
    head = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", size & 0xFFFFFFFF)
    return b"RIFF" + struct.pack("<I", (len(head) + len(data)) & 0xFFFFFFFF) + head + data


def _stored(values: NDArray[np.float64], kind: str, bits: int) -> bytes:
    if kind.startswith("float"):
        return bytes(values.astype(f"<f{bits // 8}").tobytes())
    top = 2 ** (bits - 1)
    whole = np.clip(np.round(values * top), -top, top - 1).astype(np.int64)
    if bits == 8:
        return bytes((whole + 128).astype(np.uint8).tobytes())
    if bits == 24:
        return bytes(whole.astype("<i4").reshape(-1, 1).view(np.uint8)[:, :3].tobytes())
    return bytes(whole.astype(f"<i{bits // 8}").tobytes())


def chirp(seconds: float, rate: int = 8000, low: float = 300.0, high: float = 2000.0, level: float = 0.5) -> Floats:
    """Return a tone that rises from ``low`` to ``high`` Hz, faded in and out over a tenth of its length."""
    time = np.arange(round(seconds * rate)) / rate
    phase = 2.0 * np.pi * (low * time + (high - low) * time**2 / (2.0 * max(seconds, 1e-9)))
    fade = np.clip(np.minimum(time, seconds - time) / max(0.1 * seconds, 1e-9), 0.0, 1.0)
    return np.asarray(level * fade * np.sin(phase))


def word(random: np.random.Generator, pitch: float, seconds: float = 0.4, rate: int = 8000) -> Floats:
    """Return something like a spoken syllable: harmonics of ``pitch`` that rise and fall, in a little noise."""
    time = np.arange(round(seconds * rate)) / rate
    bend = pitch * (1.0 + 0.05 * random.normal()) * (1.0 + 0.1 * time / seconds)
    phase = 2.0 * np.pi * np.cumsum(bend) / rate
    voice = sum(np.sin(each * phase + random.uniform(0, 6.28)) / each for each in range(1, 6))
    shape = np.sin(np.pi * np.clip(time / seconds, 0.0, 1.0)) ** 2
    return np.asarray(0.3 * shape * voice * random.uniform(0.5, 1.0) + 0.003 * random.normal(size=len(time)))


def odd_ones() -> tuple[bytes, ...]:
    """Return sounds that decode and are odd: silence, stereo, 384 kHz, 64 channels, one sample, floats, cut off."""
    random = np.random.default_rng(5)
    tone = chirp(0.3)
    whole = wav(chirp(0.5))
    return (
        wav(np.zeros(4000)),
        wav(np.stack([tone, -tone], axis=1), 16_000),
        wav(chirp(0.05, 384_000), 384_000, "pcm24"),
        wav(0.1 * random.normal(size=(2000, 64)), 44_100),
        wav(np.array([0.5])),
        wav(3.0 * tone, 11_025, "float32"),
        wav(20_000.0 * tone, 22_050, "float64"),
        whole[: len(whole) // 2],
    )


def broken_ones() -> tuple[bytes, ...]:
    """Return what is no sound: nothing, text, a pointer, a page, no samples, NaN, headers that make no sense."""
    tone = chirp(0.1)
    whole = wav(tone)
    holes = tone.copy()
    holes[5] = np.nan
    return (
        b"",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 441044\n",
        b"<!DOCTYPE html><title>404</title>",
        wav(np.zeros(0)),
        whole[:44],
        whole[:20],
        wav(holes, kind="float32"),
        wav(1e12 * tone, kind="float64"),
        whole[:22] + b"\x00\x00" + whole[24:],
        whole[:24] + b"\x00\x00\x00\x00" + whole[28:],
        b"fLaC" + bytes(200),
        b"OggS" + bytes(200),
        b"ID3" + bytes(200),
        b"\x00" * 100,
    )
