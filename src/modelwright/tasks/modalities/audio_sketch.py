"""A sound in few bytes: its course over 32 bands and 32 moments, by which sounds are compared without reading them
again.

The sketch is made of the part between the first and the last loud moment, relative to its loudest point: another level,
a little silence before or after, another format or rate change it hardly. Near-duplicates are found like pictures: by
the signs of the lowest frequencies of its cosine transform, and a second look at the whole.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from modelwright.tasks.base import Sketch
from modelwright.tasks.modalities.audio_spectrum import bands, cosines, decibels, look_width, looks

BANDS = 32
MOMENTS = 32
BYTES = BANDS * MOMENTS + 2
"""The picture, the logarithm of the seconds, the level."""
_RANGE = 60.0
"""Decibels below the loudest point that the picture reaches."""
_ACTIVE = 35.0
_LOW, _HIGH = 60.0, 7600.0
_STEADY = 4.0
"""Decibels, the mean deviation of bands over time, below which a sound is steady: noise, a hum, a tone."""
AGREE = 0.985
"""Least correlation of the pictures of near-duplicates, however little is asked for."""
_LENGTHS = 6
"""Largest difference of the logarithms of seconds (1/24 each of a factor of ten): a factor of about 1.3."""


def sketch(sound: NDArray[np.float32], rate: int) -> Sketch:
    """Return the sketch of ``(frames,)`` samples."""
    power = looks(sound, rate, least=2 * MOMENTS)
    power[:, 0] = 0.0
    high = min(_HIGH, rate / 2.0)
    whole = bands(rate, look_width(rate), BANDS, _LOW, _HIGH).astype(np.float32) if high == _HIGH else None
    weights = whole if whole is not None else _some_bands(rate)
    levels = decibels(power @ weights.T)
    loud = power.sum(axis=1)
    active = np.flatnonzero(decibels(loud) > decibels(loud).max() - _ACTIVE)
    picture = _picture(levels[active[0] : active[-1] + 1])
    seconds = (active[-1] - active[0] + 1) / len(power) * len(sound) / rate
    data = np.empty(BYTES, np.uint8)
    data[: BANDS * MOMENTS] = picture.ravel()
    data[-2] = np.clip(round(24.0 * (np.log10(max(seconds, 1e-3)) + 3.0)), 0, 255)
    data[-1] = np.clip(round(2.0 * (100.0 + float(decibels(loud.mean(keepdims=True))[0]))), 0, 255)
    grey = picture.astype(np.float64) * (_RANGE / 255.0)
    steady = float(grey.std(axis=1).mean()) < _STEADY
    return Sketch(None if steady else _hash(grey), data.tobytes())


def _some_bands(rate: int) -> NDArray[np.float32]:
    """Return the bands of a rate that does not reach all of them: those above it stay empty."""
    width = look_width(rate)
    factor = int(np.ceil(2.0 * _HIGH / rate))
    return bands(rate * factor, width * factor, BANDS, _LOW, _HIGH)[:, : width // 2 + 1].astype(np.float32)


def _picture(levels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return ``(BANDS, MOMENTS) uint8`` of ``(windows, BANDS)`` decibels: 255 is the loudest point."""
    edges = np.linspace(0, len(levels), MOMENTS + 1)
    sums = np.concatenate([np.zeros((1, BANDS)), np.cumsum(levels, axis=0, dtype=np.float64)])
    at = np.stack([np.interp(edges, np.arange(len(sums)), sums[:, band]) for band in range(BANDS)])
    cells = np.diff(at, axis=1) / np.diff(edges)
    shown = (cells - cells.max() + _RANGE) / _RANGE
    return np.asarray(np.round(np.clip(shown, 0.0, 1.0) * 255.0), np.uint8)


def _hash(picture: NDArray[np.float64]) -> int:
    """Return 64 bits: which of the lowest 8 × 8 cosine coefficients are above their median."""
    waves = cosines(9, MOMENTS)
    block = waves @ picture @ waves.T
    values = block[:8, :8].ravel().copy()
    values[0] = block[8, 0]  # the mean level says nothing; one more frequency does
    return int.from_bytes(np.packbits(values > np.median(values)).tobytes(), "big")


def alike(one: bytes, other: bytes, agreement: float) -> bool:
    """Say whether two sketches are of one recording: as long, and their pictures correlate."""
    if abs(one[-2] - other[-2]) > _LENGTHS:
        return False
    left, right = (np.frombuffer(each, np.uint8, BANDS * MOMENTS).astype(np.float64) for each in (one, other))
    left, right = left - left.mean(), right - right.mean()
    scale = float(np.sqrt((left @ left) * (right @ right)))
    return bool(scale and float(left @ right) / scale >= max(agreement, AGREE))


def vectors(sketches: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return ``(n, d) float32`` of ``(n, BYTES)`` sketches: the lower cosine coefficients over bands and moments.

    16 over bands × 12 over moments (the cepstrum and how it changes), and the seconds; each divided by its usual size.
    """
    pictures = sketches[:, : BANDS * MOMENTS].reshape(-1, BANDS, MOMENTS).astype(np.float32) / np.float32(255.0)
    over_bands, over_time = (cosines(count, 32).astype(np.float32) for count in (16, 12))
    waves = np.einsum("bi,nij,tj->nbt", over_bands, pictures, over_time, optimize=True).reshape(len(sketches), -1)
    seconds = sketches[:, BANDS * MOMENTS :].astype(np.float32)[:, :1] / np.float32(24.0)
    return np.concatenate([waves[:, 1:], seconds - np.float32(3.0)], axis=1)
