"""Dates and times that words say, many at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.tasks.modalities.table import dates

_FORMATS = ("%Y/%m/%d", "%Y.%m.%d")
_DAY_FIRST = ("%d.%m.%Y", "%d/%m/%Y", "%d-%m-%Y")
_MONTH_FIRST = ("%d.%m.%Y", "%m/%d/%Y", "%m-%d-%Y")
_TIMES = ("", " %H:%M:%S", " %H:%M")
_LISTED = 20_000
"""Words of a block that are read one by one at most; of what is written in a usual way, none are."""
_LOOK = 200


def seconds(words: Any, *, day_first: bool) -> NDArray[np.float64]:
    """Return ``(n,)`` seconds since 1970 that the words of a ``pyarrow.StringArray`` say; NaN for what says none."""
    made = np.full(len(words), np.nan)
    left = np.arange(len(words))
    for read in _readers(day_first):
        if not len(left):
            break
        some = words.take(left) if len(left) < len(words) else words
        if len(some) > _LOOK and read(some.slice(0, _LOOK)) is None:
            continue
        found = read(some)
        if found is None:
            continue
        known = ~np.isnan(found)
        made[left[known]] = found[known]
        left = left[~known]
    if len(left):
        few = left[:_LISTED]
        listed = [dates.parse(word, day_first=day_first) for word in words.take(few).to_pylist()]
        times = dates.moments(listed)
        made[few] = np.where(np.isnat(times), np.nan, times.astype(np.int64))
    return made


def _readers(day_first: bool) -> Sequence[Any]:
    import pyarrow as pa
    from pyarrow import compute

    def iso(words: Any) -> NDArray[np.float64] | None:
        try:
            return _float(words.cast(pa.timestamp("us")))
        except pa.ArrowInvalid:
            return None

    def zoned(words: Any) -> NDArray[np.float64] | None:
        try:
            return _float(words.cast(pa.timestamp("us", "UTC")))
        except pa.ArrowInvalid:
            return None

    def written(form: str) -> Any:
        def read(words: Any) -> NDArray[np.float64] | None:
            found = compute.strptime(words, format=form, unit="s", error_is_null=True)
            return None if found.null_count == len(found) else _float(found)

        return read

    usual = [*_FORMATS, *(_DAY_FIRST if day_first else _MONTH_FIRST)]
    return [iso, zoned, *(written(form + time) for form in usual for time in _TIMES)]


def _float(times: Any) -> NDArray[np.float64]:
    import pyarrow as pa

    scale = {"us": 1e6, "s": 1.0}[times.type.unit]
    values = times.cast(pa.int64()).to_numpy(zero_copy_only=False)
    return np.asarray(values, np.float64) / scale


def are_dates(words: Sequence[str]) -> tuple[bool, bool]:
    """Say whether words are dates, nine in ten at least, and whether the day stands first in them."""
    if not words:
        return False, False
    day_first = sum(map(dates.speaks_for_day_first, words)) > 0
    found = sum(dates.parse(word, day_first=day_first) is not None for word in words)
    return found >= 0.9 * len(words), day_first
