"""Hashes of cells and rows, 64 bits each, many at once: equal values, equal hashes, in whatever block they come.

A number is hashed by its bits as a double, so that 5 and 5.0 are one value; whole numbers that no double holds by
their own. A text's hash is a sum over its stretches of eight bytes, each mixed with a fixed random number of its place.
Nothing here depends on the process, so the same table gives the same page.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

MISSING = np.uint64(0x632BE59BD9B4E019)
"""Stands for a cell without a value."""
_ODD = np.uint64(0x9E3779B97F4A7C15)
_FINAL = np.uint64(0xBF58476D1CE4E5B9)
_WHOLE = np.uint64(0xD6E8FEB86659FD93)
_BYTES = 1 << 20
"""Bytes of text hashed at a time."""
_EXACT = 2**53
_PLACES = 1 << 13


def mix(values: Hashes) -> Hashes:
    """Return 64 bits of which each depends on all of a value's (after splitmix64, Steele and others 2014)."""
    with np.errstate(over="ignore"):
        mixed = values * _ODD
        mixed ^= mixed >> np.uint64(29)
        mixed *= _FINAL
        mixed ^= mixed >> np.uint64(32)
    return mixed


def of_numbers(values: NDArray[Any]) -> Hashes:
    """Return the hashes of ``(n,)`` int64 or float64; both zeros are one, NaN is :data:`MISSING`."""
    if values.dtype.kind == "i":
        wide = values.astype(np.float64)
        hashed = mix(wide.view(np.uint64) if len(wide) else np.zeros(0, np.uint64))
        beyond = np.abs(wide) >= _EXACT
        if beyond.any():
            inexact = beyond & (wide < 2.0**63)
            inexact[inexact] = wide[inexact].astype(np.int64) != values[inexact]
            inexact |= wide >= 2.0**63
            hashed[inexact] = mix(values[inexact].view(np.uint64) ^ _WHOLE)
        return hashed
    hashed = mix((values + 0.0).view(np.uint64))
    nothing = np.isnan(values)
    if nothing.any():
        hashed[nothing] = MISSING
    return hashed


def of_texts(texts: Any) -> Hashes:
    """Return the hashes of a ``pyarrow.StringArray`` (or large, or binary) without nulls."""
    import pyarrow as pa

    count = len(texts)
    wide = pa.types.is_large_string(texts.type) or pa.types.is_large_binary(texts.type)
    _, offsets, data = texts.buffers()
    if not count:
        return np.zeros(0, np.uint64)
    kind = np.int64 if wide else np.int32
    ends = np.frombuffer(offsets, kind, count + 1, texts.offset * np.dtype(kind).itemsize).astype(np.int64)
    letters = np.frombuffer(data or b"", np.uint8)
    made = np.empty(count, np.uint64)
    lengths = np.diff(ends)
    start = 0
    while start < count:
        stop = max(start + 1, int(np.searchsorted(ends, ends[start] + _BYTES, "right")) - 1)
        made[start:stop] = _summed(letters[ends[start] : ends[stop]], ends[start : stop + 1] - ends[start])
        start = stop
    with np.errstate(over="ignore"):
        return mix(made + lengths.astype(np.uint64) * _FINAL)


def _summed(letters: NDArray[np.uint8], ends: NDArray[np.int64]) -> Hashes:
    """Return the sum over each text of its stretches of eight bytes, mixed; the last one is filled up with zeros."""
    starts, lengths = ends[:-1], np.diff(ends)
    stretches = (lengths + 7) // 8
    total = int(stretches.sum())
    sums = np.zeros(len(starts), np.uint64)
    if not total:
        return sums
    padded = np.concatenate([letters, np.zeros(8, np.uint8)])
    wide = np.ndarray((len(letters) + 1,), "<u8", padded, strides=(1,))  # eight bytes from each place on
    firsts = np.cumsum(stretches) - stretches
    places = np.arange(total) - np.repeat(firsts, stretches)
    values = wide[np.repeat(starts, stretches) + 8 * places]
    filled = stretches > 0
    over = (8 * stretches - lengths)[filled].astype(np.uint64) * np.uint64(8)
    last = (firsts + stretches - 1)[filled]
    with np.errstate(over="ignore"):
        values[last] &= np.uint64(2**64 - 1) >> over
        laps, places = np.divmod(places, _PLACES) if int(stretches.max()) > _PLACES else (None, places)
        values += _numbers()[places]
        if laps is not None:
            values += laps.astype(np.uint64) * _WHOLE
        sums[filled] = np.add.reduceat(mix(values), firsts[filled])
    return sums


_KNOWN: list[Hashes] = []


def _numbers() -> Hashes:
    """Return the fixed random numbers of the places."""
    if not _KNOWN:
        _KNOWN.append(mix(mix(np.arange(1, _PLACES + 1, dtype=np.uint64)) ^ _WHOLE))
    return _KNOWN[0]


def fold(rows: Hashes, cells: Hashes) -> None:
    """Fold the hashes of one more column's cells into those of the rows, in place; the order of columns counts."""
    with np.errstate(over="ignore"):
        rows ^= cells
        rows *= _ODD
        rows ^= rows >> np.uint64(29)
        rows *= _FINAL
