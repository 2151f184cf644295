"""Hashes of cells and rows, 64 bits each, many at once: equal values, equal hashes, in whatever block they come.

A number is hashed by its bits as a double, so that 5 and 5.0 are one value; whole numbers that no double holds by their
own. Texts are hashed by a sum of products with fixed random numbers, one a place (multilinear hashing: Carter and
Wegman 1979; Lemire and Kaser 2014): two different texts fall together with a chance of 2^-57. Nothing here depends on
the process, so the same table gives the same page.
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
_MOST_PLACES = 1 << 16


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
    """Return the sum over each text of its bytes times the numbers of their places."""
    if not len(letters):
        return np.zeros(len(ends) - 1, np.uint64)
    starts, lengths = ends[:-1], np.diff(ends)
    places = np.arange(len(letters)) - np.repeat(starts, lengths)
    with np.errstate(over="ignore"):
        factors = _factors(int(lengths.max()))
        if len(factors) > _MOST_PLACES:  # places of very long texts take their numbers from a formula: see _factors
            factors = factors[:_MOST_PLACES]
        products = factors[places % len(factors)]
        laps = places // len(factors)
        if laps.any():
            products = mix(products + laps.astype(np.uint64) * _WHOLE) | np.uint64(1)
        products *= letters.astype(np.uint64) + np.uint64(1)
        sums = np.zeros(len(starts), np.uint64)
        filled = lengths > 0
        sums[filled] = np.add.reduceat(products, starts[filled])
    return sums


_KNOWN: list[Hashes] = []


def _factors(longest: int) -> Hashes:
    """Return the fixed random numbers of the places, at least ``longest`` or :data:`_MOST_PLACES` of them."""
    wanted = min(max(longest, 64), _MOST_PLACES)
    if not _KNOWN or len(_KNOWN[0]) < wanted:
        made = mix(mix(np.arange(1, _MOST_PLACES + 1, dtype=np.uint64)) ^ _WHOLE)
        _KNOWN[:] = [made]
    return _KNOWN[0]


def fold(rows: Hashes, cells: Hashes) -> None:
    """Fold the hashes of one more column's cells into those of the rows, in place; the order of columns counts."""
    with np.errstate(over="ignore"):
        rows ^= cells
        rows *= _ODD
        rows ^= rows >> np.uint64(29)
        rows *= _FINAL
