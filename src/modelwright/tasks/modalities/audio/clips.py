"""A sound for people: a short clip to listen to, a spectrogram to look at, and WAV to write."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.drawing.spectrogram import png as encoded
from modelwright.drawing.spectrogram import spectrogram
from modelwright.tasks.base import UndecodableError
from modelwright.tasks.modalities.audio import files as audio_files
from modelwright.tasks.modalities.audio.resample import resample
from modelwright.tasks.modalities.audio.spectrum import bands, decibels, hann, hertz, mel

SECONDS = 2.5
RATE = 16_000
"""Highest rate of a clip, Hz."""
BANDS = 64
SHOWN = 70.0
"""Decibels below the loudest point that a spectrogram shows."""
LOW, HIGH = 50.0, 8000.0


def wav(samples: NDArray[np.floating], rate: int) -> bytes:
    """Return ``(frames,)`` or ``(frames, channels)`` samples, full scale 1, as a WAV file of 16 bits."""
    values = samples[:, None] if samples.ndim == 1 else samples
    data = np.round(np.clip(values, -1.0, 1.0) * 32767.0).astype("<i2").tobytes()
    channels = values.shape[1]
    form = struct.pack("<HHIIHH", 1, channels, rate, 2 * channels * rate, 2 * channels, 16)
    head = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data))
    return b"".join([b"RIFF", struct.pack("<I", len(head) + len(data)), head, data])


def clip(raw: bytes, seconds: float = SECONDS, rate: int = RATE) -> bytes:
    """Return the beginning of a sound file as WAV: one channel, at most ``rate``, as loud as it can be.

    Raises
    ------
    UndecodableError
        If the bytes are no sound.
    """
    sound = audio_files.read(raw)
    samples = sound.samples[: round((seconds + 0.1) * sound.rate)]
    now = sound.rate
    if now > rate or now < 4000:
        samples, now = resample(samples, now, rate), rate
    samples = samples[: round(seconds * now)]
    peak = float(np.abs(samples).max(initial=0.0))
    return wav(samples * np.float32(0.95 / peak) if peak > 0.0 else samples, now)


def levels(raw: bytes, moments: int, high: float = HIGH) -> NDArray[np.float32]:
    """Return ``(BANDS, moments)``, 0 to 1, lowest band first: the mel spectrogram of a whole sound file.

    Parameters
    ----------
    moments
        Columns; windows of 32 ms around evenly spaced moments.
    high
        Where the highest band ends, Hz.

    Raises
    ------
    UndecodableError
        If the bytes are no sound.
    """
    sound = audio_files.read(raw)
    width = max(16, round(0.032 * sound.rate))
    samples = np.pad(sound.samples, (width // 2, width - width // 2))
    starts = np.linspace(0, len(samples) - width, moments).astype(np.int64)
    pieces = samples[starts[:, None] + np.arange(width)] * hann(width).astype(np.float32)
    waves = np.fft.rfft(pieces, axis=1)
    weights = bands(sound.rate, width, BANDS, LOW, min(high, sound.rate / 2.0))
    found = decibels((waves.real**2 + waves.imag**2) @ weights.T.astype(np.float32)).T
    return np.asarray(np.clip((found - found.max() + SHOWN) / SHOWN, 0.0, 1.0), np.float32)


def picture(raw: bytes, width: int, height: int, high: float = HIGH) -> Any:
    """Return a sound file's spectrogram as a ``PIL.Image``.

    Raises
    ------
    UndecodableError
        If the bytes are no sound.
    """
    return spectrogram(levels(raw, min(width, 400), high), width, height)


def png(raw: bytes, width: int, height: int) -> bytes | None:
    """Return a sound file's spectrogram as PNG, or None if the bytes are no sound."""
    try:
        return encoded(picture(raw, width, height))
    except UndecodableError:
        return None


def centres(count: int, low: float, high: float) -> NDArray[np.float64]:
    """Return the ``(count,)`` middle frequencies of mel bands between ``low`` and ``high``, Hz."""
    edges = mel(np.array([low, high]))
    return hertz(np.linspace(edges[0], edges[1], count + 2)[1:-1])
