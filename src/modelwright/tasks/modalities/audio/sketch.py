"""A sound in few bytes: its course over 32 bands and 32 moments, by which sounds are compared without being read again.

The sketch is made of the part between the first and the last loud moment, relative to its loudest point: another level,
a little silence before or after, another format or rate change it hardly. Near-duplicates are found like pictures: by
the signs of the lowest frequencies of its cosine transform, and a second look at the whole. Both are taken on the
fourth root of the power, in which noise weighs little; on decibels, a recording and its copy with noise 30 dB below
look unlike each other in every quiet moment.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from modelwright.tasks.abilities import Sketch
from modelwright.tasks.modalities.audio.spectrum import bands, cosines, decibels, look_width, looks

BANDS = 32
MOMENTS = 32
BYTES = BANDS * MOMENTS + 2
"""The picture, the logarithm of the seconds, the level."""
RANGE = 60.0
"""Decibels below the loudest point that the picture reaches."""
LOW, HIGH = 60.0, 7600.0
"""What the bands cover, Hz."""
_ACTIVE = 30.0
"""Decibels below the loudest moment down to which a sound has begun, and has not ended."""
_TOGETHER = 1 << 20
"""Samples that are squared at a time."""
_STEADY = 4.0
"""Decibels, the mean deviation of bands over time, below which a sound is steady: noise, a hum, a tone."""
AGREE = 0.99
"""Least correlation of the pictures of near-duplicates, however little is asked for: of 1,500 single spoken digits, a
speaker's most alike two of the same digit have 0.99."""
_LENGTHS = 2
"""Largest difference of the logarithms of seconds (24 to a factor of ten): a factor of 1.2."""


def sketch(sound: NDArray[np.float32], rate: int) -> Sketch:
    """Return the sketch of ``(frames,)`` samples."""
    active = _active(sound, rate)
    power = looks(active, rate, least=4 * MOMENTS)
    power[:, 0] = 0.0
    levels = decibels(power @ _bands(rate).T)
    picture = _picture(levels)
    data = np.empty(BYTES, np.uint8)
    data[: BANDS * MOMENTS] = picture.ravel()
    data[-2] = np.clip(round(24.0 * (np.log10(max(len(active) / rate, 1e-3)) + 3.0)), 0, 255)
    data[-1] = np.clip(round(2.0 * (100.0 + float(decibels(power.sum(axis=1).mean(keepdims=True))[0]))), 0, 255)
    heard = picture[picture.any(axis=1)]  # a low rate leaves the highest bands empty
    steady = not len(heard) or float(heard.std(axis=1).mean()) * RANGE / 255.0 < _STEADY
    return Sketch(None if steady else _hash(picture), data.tobytes())


def _active(sound: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """Return what lies between the first and the last loud moment, by steps of 5 ms."""
    step = max(1, round(0.005 * rate))
    count = len(sound) // step
    if count < 3:
        return sound
    steps = sound[: count * step].reshape(count, step)
    many = max(1, _TOGETHER // step)
    power = np.concatenate(
        [np.square(steps[at : at + many], dtype=np.float64).mean(axis=1) for at in range(0, count, many)]
    )
    smooth = np.convolve(power, [0.25, 0.5, 0.25], "same")
    loud = np.flatnonzero(smooth >= smooth.max() * 10.0 ** (-_ACTIVE / 10.0))
    return sound[loud[0] * step : (loud[-1] + 1) * step]


def _bands(rate: int) -> NDArray[np.float32]:
    """Return the bands' weights; those above what a rate reaches stay empty."""
    width = look_width(rate)
    factor = max(1, int(np.ceil(2.0 * HIGH / rate)))
    return bands(rate * factor, width * factor, BANDS, LOW, HIGH)[:, : width // 2 + 1].astype(np.float32)


def _picture(levels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return ``(BANDS, MOMENTS) uint8`` of ``(windows, BANDS)`` decibels: 255 is the loudest point."""
    edges = np.linspace(0, len(levels), MOMENTS + 1)
    sums = np.concatenate([np.zeros((1, BANDS)), np.cumsum(levels, axis=0, dtype=np.float64)])
    at = np.stack([np.interp(edges, np.arange(len(sums)), sums[:, band]) for band in range(BANDS)])
    cells = np.diff(at, axis=1) / np.diff(edges)
    shown = (cells - cells.max() + RANGE) / RANGE
    return np.asarray(np.round(np.clip(shown, 0.0, 1.0) * 255.0), np.uint8)


@cache
def _roots() -> NDArray[np.float64]:
    """Return the fourth root of the power that each of the 256 levels stands for."""
    return np.asarray(10.0 ** ((np.arange(256) / 255.0 - 1.0) * RANGE / 40.0), np.float64)


def _hash(picture: NDArray[np.uint8]) -> int:
    """Return 64 bits: which of the lowest 8 × 8 cosine coefficients are above their median."""
    waves = cosines(9, MOMENTS)
    block = waves @ _roots()[picture] @ waves.T
    values = block[:8, :8].ravel().copy()
    values[0] = block[8, 0]  # the mean level says nothing; one more frequency does
    return int.from_bytes(np.packbits(values > np.median(values)).tobytes(), "big")


def alike(one: bytes, other: bytes, agreement: float) -> bool:
    """Say whether two sketches are of one recording: as long, and their pictures correlate."""
    if abs(one[-2] - other[-2]) > _LENGTHS:
        return False
    left, right = (_roots()[np.frombuffer(each, np.uint8, BANDS * MOMENTS)] for each in (one, other))
    left, right = left - left.mean(), right - right.mean()
    scale = float(np.sqrt((left @ left) * (right @ right)))
    return bool(scale and float(left @ right) / scale >= max(agreement, AGREE))


def vectors(sketches: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return ``(n, 192) float32`` of ``(n, BYTES)`` sketches: lower cosine coefficients over bands and moments.

    16 over bands × 12 over moments (the cepstrum and how it changes) but for the mean, and the logarithm of the
    seconds.
    """
    pictures = sketches[:, : BANDS * MOMENTS].reshape(-1, BANDS, MOMENTS).astype(np.float32) / np.float32(255.0)
    over_bands, over_time = (cosines(count, 32).astype(np.float32) for count in (16, 12))
    waves = np.einsum("bi,nij,tj->nbt", over_bands, pictures, over_time, optimize=True).reshape(len(sketches), -1)
    seconds = sketches[:, BANDS * MOMENTS :].astype(np.float32)[:, :1] / np.float32(24.0)
    return np.concatenate([waves[:, 1:], seconds - np.float32(3.0)], axis=1)
