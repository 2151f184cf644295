"""Timestamps as loggers and databases write them, to seconds: ISO 8601, epoch figures, day-first dates, clocks.

numpy is imported where arrays are made: sources of series are opened on every ``mw run``, also one with nothing to do.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from numbers import Real
from typing import TYPE_CHECKING, Any

from modelwright.tasks.modalities.table import dates

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CALENDAR = 1e8
"""Seconds since 1970 from which a figure is a moment (3 March 1973) and no mere duration."""
_CLOCK = re.compile(r"(\d{1,3}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?")
_EPOCH_UNITS = ((1e17, 1e-9), (1e14, 1e-6), (1e11, 1e-3))
"""Figures from so large on count nanoseconds, microseconds, milliseconds: none of them is a date in the next finer unit
before 1973 or in the next coarser one before the year 5138."""
_NAMES = (
    "timestamp", "datetime", "date_time", "date time", "time", "date", "ts", "utc", "epoch", "time_stamp", "t",
    "seconds", "unix", "unixtime", "unix_time", "event_time", "zeit", "zeitstempel", "datum", "temps", "fecha", "ds",
)  # fmt: skip


def is_time_name(name: str) -> bool:
    """Say whether a column's name is one that timestamps usually have.

    Examples
    --------
    >>> is_time_name("Timestamp"), is_time_name("time (s)"), is_time_name("lifetime")
    (True, True, False)
    """
    plain = name.strip().lower()
    return plain in _NAMES or re.sub(r"\s*[\[(].*[\])]$", "", plain) in _NAMES


def seconds(value: Any, *, day_first: bool = False) -> float:
    """Return one timestamp in seconds since 1970 (UTC where a zone is given, else as written), NaN if it is none.

    A figure below 10¹¹ is taken as seconds, one above as milliseconds, microseconds or nanoseconds by its size; a clock
    (``10:30:05``) as seconds since midnight.

    Examples
    --------
    >>> seconds("1970-01-02 00:00:01"), seconds("1600000000000"), seconds("00:01:30.5"), seconds("31.12.1969")
    (86401.0, 1600000000.0, 90.5, -86400.0)
    """
    if value is None or isinstance(value, bool):
        return math.nan
    if isinstance(value, (int, float, Real)):
        try:
            return _epoch(float(value))
        except OverflowError:
            return math.nan
    if isinstance(value, datetime):
        return since(dates.naive(value))
    if isinstance(value, date):
        return since(datetime(value.year, value.month, value.day))  # noqa: DTZ001 - a day has no zone
    text = str(value).strip()
    if not text or len(text) > 40 or "_" in text:
        return math.nan
    try:
        return _epoch(float(text))
    except ValueError:
        pass
    moment = dates.parse(text, day_first=day_first)
    return _clock(text) if moment is None else since(moment)


def since(moment: datetime) -> float:
    """Return the seconds from 1970 to a naive moment."""
    return (moment - datetime(1970, 1, 1)).total_seconds()  # noqa: DTZ001 - both naive


def _epoch(figure: float) -> float:
    if not math.isfinite(figure):
        return math.nan
    size = abs(figure)
    for limit, unit in _EPOCH_UNITS:
        if size >= limit:
            return figure * unit if size < limit * 1e3 else math.nan
    return figure


def _clock(text: str) -> float:
    match = _CLOCK.fullmatch(text)
    if match is None or int(match[2]) > 59 or int(match[3] or 0) > 59:
        return math.nan
    fraction = float(f"0.{match[4]}") if match[4] else 0.0
    return int(match[1]) * 3600.0 + int(match[2]) * 60.0 + int(match[3] or 0) + fraction


def many(values: Sequence[Any], *, day_first: bool | None = None) -> NDArray[np.float64]:
    """Return ``(n,) float64`` seconds, NaN where a value is no time.

    Parameters
    ----------
    day_first
        Whether ``1/2/2024`` is 1 February; None: by majority of the dates that can be read in one way only.
    """
    import numpy as np

    if day_first is None:
        day_first = says_day_first(values)
    return np.array([seconds(value, day_first=day_first) for value in values], np.float64)


def says_day_first(values: Sequence[Any]) -> bool:
    """Return whether more of the texts can only be read day first than only month first."""
    return sum(dates.speaks_for_day_first(value) for value in values if isinstance(value, str)) > 0


def share_of_dates(values: Sequence[Any]) -> float:
    """Return which share of the texts is a date or a clock; bare figures are none."""
    texts = [value for value in values if isinstance(value, str) and value.strip()]
    if not texts:
        return 0.0
    hits = sum(not _is_figure(text) and not math.isnan(seconds(text)) for text in texts)
    return hits / len(texts)


def _is_figure(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def is_calendar(times: NDArray[np.float64]) -> bool:
    """Say whether times are moments of the calendar, not seconds since a start."""
    import numpy as np

    known = times[np.isfinite(times)]
    return bool(len(known)) and float(np.median(known)) >= CALENDAR


def in_words(moment: float) -> str:
    """Return a moment as ``2014-01-28 13:55:00``, or a duration as seconds.

    Examples
    --------
    >>> in_words(1390917300.0), in_words(12.5)
    ('2014-01-28 13:55:00', '12.5 s')
    """
    if not math.isfinite(moment):
        return "an unknown time"
    if CALENDAR <= moment < 2.5e11:
        return str(datetime(1970, 1, 1) + timedelta(seconds=round(moment)))  # noqa: DTZ001 - a naive moment
    return f"{moment:g} s"


def length_in_words(length: float) -> str:
    """Return a length of time in the unit that people would use.

    Examples
    --------
    >>> length_in_words(0.125), length_in_words(90), length_in_words(164160), length_in_words(626400)
    ('0.125 s', '90 s', '45.6 h', '174 h')
    """
    size = abs(length)
    if size < 300:
        return f"{length:.4g} s"
    if size < 3 * 3600:
        return f"{length / 60:.3g} min"
    if size < 30 * 86400:
        return f"{length / 3600:.3g} h"
    return f"{length / 86400:.3g} days"
