"""Bands of frequencies as ears tell them apart, in numpy: what the graph's filters are made of, and quick looks.

Mel is the scale of O'Shaughnessy 1987 (*Speech Communication*, p. 150): 2595 · log10(1 + f / 700 Hz). Bands are
triangles on it, each half-way over its neighbours.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

FLOOR = -100.0
"""Decibels below which everything is silence. 0 dB is a sine at full scale."""
LOOKS = 512
"""Most windows that a quick look takes, whatever the length."""


def mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return mels of Hz."""
    return np.asarray(2595.0 * np.log10(1.0 + hertz / 700.0), np.float64)


def hertz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Hz of mels."""
    return np.asarray(700.0 * (10.0 ** (mels / 2595.0) - 1.0), np.float64)


@lru_cache(maxsize=32)
def bands(rate: int, width: int, count: int, low: float, high: float) -> NDArray[np.float64]:
    """Return ``(count, width // 2 + 1)`` weights that add power up into bands.

    A weight is the mean height of the triangle over the bin's own breadth, so that a band that is narrower than a bin
    still gets its share of it, and none is empty.

    Parameters
    ----------
    rate
        Samples a second.
    width
        Samples in the Fourier transform.
    count
        Bands between ``low`` and ``high`` Hz.
    """
    edges = hertz(np.linspace(mel(np.array(low)), mel(np.array(high)), count + 2))
    spacing = rate / width
    centres = np.arange(width // 2 + 1) * spacing
    parts = (np.arange(32) + 0.5) / 32.0 - 0.5
    places = centres[:, None] + parts * spacing
    rising = (places[None] - edges[:-2, None, None]) / (edges[1:-1] - edges[:-2])[:, None, None]
    falling = (edges[2:, None, None] - places[None]) / (edges[2:] - edges[1:-1])[:, None, None]
    return np.asarray(np.maximum(np.minimum(rising, falling), 0.0).mean(axis=2), np.float64)


@lru_cache(maxsize=8)
def cosines(count: int, size: int) -> NDArray[np.float64]:
    """Return the ``(count, size)`` lowest rows of the orthonormal cosine transform (DCT-II)."""
    rows, places = np.arange(count)[:, None], np.arange(size)[None, :]
    made = np.cos(np.pi * rows * (2 * places + 1) / (2 * size)) * np.sqrt(2.0 / size)
    made[0] /= np.sqrt(2.0)
    return np.asarray(made, np.float64)


@lru_cache(maxsize=32)
def hann(width: int) -> NDArray[np.float64]:
    """Return the periodic Hann window ``(width,)``."""
    return np.asarray(0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(width) / width), np.float64)


def look_width(rate: int) -> int:
    """Return the samples of a quick look's window: the power of two nearest to 32 ms."""
    return max(16, 1 << round(math.log2(0.032 * rate)))


def looks(sound: NDArray[np.float32], rate: int, least: int = 1) -> NDArray[np.float32]:
    """Return ``(windows, width // 2 + 1)`` power spectra of evenly spaced windows of 32 ms; a full-scale sine gives 1.

    Windows overlap by half, where the sound is long by more than :data:`LOOKS` of them by less or not at all, and
    where it is so short that there would be fewer than ``least``, by more.
    """
    width = look_width(rate)
    if len(sound) < width:
        sound = np.pad(sound, (0, width - len(sound)))
    last = len(sound) - width
    count = min(LOOKS, max(least, 1 + 2 * last // width))
    starts = np.linspace(0, last, count).astype(np.int64)
    window = hann(width)
    scale = np.float32(2.0 / window.sum())
    made = np.empty((count, width // 2 + 1), np.float32)
    for first in range(0, count, 64):
        some = starts[first : first + 64]
        pieces = sound[some[:, None] + np.arange(width)] * (window.astype(np.float32) * scale)
        wave = np.fft.rfft(pieces, axis=1)
        made[first : first + 64] = wave.real**2 + wave.imag**2
    return made


def decibels(power: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return decibels of power, :data:`FLOOR` at the least."""
    return np.asarray(10.0 * np.log10(np.maximum(power, 10.0 ** (FLOOR / 10.0))), np.float32)
