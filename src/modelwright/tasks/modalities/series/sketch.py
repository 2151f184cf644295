"""A sequence in few bytes: what near-duplicates, outliers and the map are found by.

Kept are mean, deviation and mean step of the first 16 channels, and of the first six the means of 24 equal parts,
standardised. The hash has the signs of 64 random ±1 projections of these shapes (Charikar 2002, "Similarity estimation
techniques from rounding algorithms"): the share of different bits is the angle between two shapes. Two sequences are
alike if level, deviation, length, shape and the *steps* of the shape agree; by the shape alone every slow rise would be
like every other.
"""

from __future__ import annotations

import struct
from functools import cache

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from modelwright.tasks.abilities import Sketch
from modelwright.tasks.base import Arrays

CHANNELS = 6
"""Channels whose shapes are kept."""
SCALED = 16
"""Channels of which mean, deviation and mean step are kept."""
PARTS = 24
_HEAD = struct.Struct("<IB")
_FINE = 4096.0
"""A shape is kept in 16 bits: 1/4096 of a deviation, up to ±8."""
SIZE = _HEAD.size + SCALED * 12 + CHANNELS * 2 * PARTS
_SHORTEST = 12
"""Shorter sequences say too little to be called alike."""
_LEVEL = 0.05
"""Largest difference of levels, in deviations, and of deviations, relative."""


@cache
def _projections() -> NDArray[np.float32]:
    """Return ``(64, CHANNELS · PARTS)`` of ±1, the same on every machine."""
    bits = np.unpackbits(np.frombuffer(blake3(b"series sketch 1").digest(64 * CHANNELS * PARTS // 8), np.uint8))
    return (bits.reshape(64, -1) * 2.0 - 1.0).astype(np.float32)


def sketch(inputs: Arrays) -> Sketch:
    """Return the sketch of one decoded sequence."""
    values = inputs["values"][0][:, :SCALED]
    count = values.shape[1]
    scales = np.zeros((SCALED, 3), np.float32)
    shapes = np.zeros((CHANNELS, PARTS))
    for place in range(count):
        column = _filled(values[:, place])
        mean, std = float(column.mean()), float(column.std())
        flat = std <= 1e-6 * max(abs(mean), 1e-30)
        step = float(np.abs(np.diff(column)).mean()) if len(column) > 1 else 0.0
        scales[place] = mean, 0.0 if flat else std, step
        if place < CHANNELS and not flat:
            shapes[place] = _parts((column - mean) / std)
    fine = np.clip(np.round(shapes * _FINE), -32767, 32767).astype("<i2")
    data = _HEAD.pack(min(len(values), 2**32 - 1), count) + scales.astype("<f4").tobytes() + fine.tobytes()
    if len(values) < _SHORTEST or not shapes.any():
        return Sketch(None, data)
    bits = _projections() @ (fine.astype(np.float32).ravel()) > 0
    return Sketch(int.from_bytes(np.packbits(bits).tobytes(), "big"), data)


def _filled(column: NDArray[np.float32]) -> NDArray[np.float64]:
    wide = column.astype(np.float64)
    known = np.isfinite(wide)
    if known.all():
        return wide
    if not known.any():
        return np.zeros(len(wide))
    return np.interp(np.arange(len(wide)), np.flatnonzero(known), wide[known])


def _parts(column: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the means of :data:`PARTS` equal parts; of shorter columns, points in between."""
    if len(column) < PARTS:
        return np.interp(np.linspace(0, len(column) - 1, PARTS), np.arange(len(column)), column)
    edges = np.arange(PARTS + 1) * len(column) // PARTS
    return np.add.reduceat(column, edges[:-1]) / np.diff(edges)


def _opened(data: bytes) -> tuple[int, int, NDArray[np.float32], NDArray[np.float64]]:
    """Return length, number of channels, their scales ``(c, 3)``, and shapes ``(c ≤ 6, 24)``."""
    length, count = _HEAD.unpack_from(data)
    scales = np.frombuffer(data, "<f4", SCALED * 3, _HEAD.size).reshape(SCALED, 3)
    shapes = np.frombuffer(data, "<i2", CHANNELS * PARTS, _HEAD.size + SCALED * 12).reshape(CHANNELS, PARTS)
    return length, count, scales[:count], shapes[:count] / _FINE


def alike(one: bytes, other: bytes, agreement: float) -> bool:
    """Say whether two sketches are of the same recording, changed little."""
    length, count, scales, shapes = _opened(one)
    length2, count2, scales2, shapes2 = _opened(other)
    if count != count2 or abs(length - length2) > 0.05 * max(length, length2):
        return False
    spread = np.maximum(scales[:, 1], scales2[:, 1]).astype(np.float64)
    levels = np.abs(scales[:, 0].astype(np.float64) - scales2[:, 0])
    if ((scales[:, 1] == 0) != (scales2[:, 1] == 0)).any():
        return False
    still = spread == 0
    if (levels[still] > 1e-6 * np.abs(scales[still, 0])).any():
        return False
    moving = ~still
    if not moving.any():
        return False
    if (levels[moving] > _LEVEL * spread[moving]).any():
        return False
    if (np.abs(scales[moving, 1] - scales2[moving, 1]) > _LEVEL * spread[moving]).any():
        return False
    drawn = moving[:CHANNELS]
    if not drawn.any():
        return False
    mine, theirs = shapes[drawn], shapes2[drawn]
    if _correlation(mine, theirs) < agreement:
        return False
    return _correlation(np.diff(mine), np.diff(theirs)) >= agreement


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    left, right = one - one.mean(1, keepdims=True), other - other.mean(1, keepdims=True)
    scale = float(np.sqrt((left * left).sum() * (right * right).sum()))
    if scale < 1e-6:  # straight lines: their steps do not vary
        return float(np.abs(one - other).max() < 0.02)
    return float((left * right).sum()) / scale


def parts(
    sketches: NDArray[np.uint8],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return lengths ``(n,)``, means, deviations, mean steps ``(n, 16, 3)``, and shapes ``(n, 6, 24)``."""
    count = len(sketches)
    raw = np.ascontiguousarray(sketches)
    at = _HEAD.size
    length = raw[:, :4].copy().view("<u4").astype(np.float64)[:, 0]
    scales = raw[:, at : at + SCALED * 12].copy().view("<f4").astype(np.float64).reshape(count, SCALED, 3)
    shapes = raw[:, at + SCALED * 12 :].copy().view("<i2").reshape(count, CHANNELS, PARTS) / _FINE
    return length, scales, shapes


def courses(sketches: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return ``(n, 24, 6)`` the channels' courses in their own units, and standardised."""
    _, scales, shapes = parts(sketches)
    whole = scales[:, :CHANNELS, :1] + scales[:, :CHANNELS, 1:2] * shapes
    return whole.transpose(0, 2, 1), shapes.transpose(0, 2, 1)


def vectors(sketches: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return ``(n, d) float32``: shapes, levels and deviations of the channels, and the length; each of deviation 1."""
    length, scales, shapes = parts(sketches)
    level = np.sign(scales[..., 0]) * np.log1p(np.abs(scales[..., 0]))
    spread = np.log(scales[..., 1:] + 1e-6).reshape(len(scales), -1)
    # All shapes together weigh as much as eight figures: neighbouring parts say much the same.
    figures = _standard(np.concatenate([level, spread, np.log1p(length)[:, None]], 1))
    drawn = _standard(shapes.reshape(len(shapes), -1)) * np.sqrt(8 / (CHANNELS * PARTS))
    return np.concatenate([figures, drawn], 1).astype(np.float32)


def _standard(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    if not len(columns):
        return columns
    std = columns.std(0)
    made: NDArray[np.float64] = np.clip((columns - columns.mean(0)) / np.where(std > 1e-9, std, 1.0), -8, 8)
    return made
