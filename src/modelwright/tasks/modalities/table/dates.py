"""Dates and times as tables write them, and the figures a model gets of one.

numpy is imported where arrays are made: sources of series read dates too, and are opened on every ``mw run``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PARTS = ("year", "month", "day", "weekday", "second", "days")
"""``weekday`` 0 is Monday, ``second`` of the day, ``days`` since 1970-01-01; all in UTC where a zone was given, else as
written. Each is a whole number that float32 holds exactly."""

_ISO = re.compile(r"\d{4}-\d{2}-\d{2}")
_YEAR_FIRST = re.compile(r"(\d{4})[./](\d{1,2})[./](\d{1,2})")
_YEAR_LAST = re.compile(r"(\d{1,2})([./-])(\d{1,2})[./-](\d{4})")
_DAY_MONTH = re.compile(r"(\d{1,2})(?:\s|-)([A-Za-z]{3,9})\.?,?(?:\s|-)(\d{4})")
_MONTH_DAY = re.compile(r"([A-Za-z]{3,9})\.?\s(\d{1,2}),?\s(\d{4})")
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?(?:\s?([AaPp])\.?[Mm]\.?)?\s?(Z|UTC)?")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LONGEST = 40


def parse(text: str, *, day_first: bool = False) -> datetime | None:
    """Return the naive (UTC) time that ``text`` says, or None if it is no date.

    ISO 8601; ``2024/3/1``; ``1.3.2024``, ``3/1/2024`` (``day_first`` decides, and a figure over 12 overrules);
    ``1 Mar 2024``, ``March 1, 2024``; each with a time of day or without. Bare digits are no date.

    Examples
    --------
    >>> parse("2024-03-01T10:30:00+02:00").isoformat()
    '2024-03-01T08:30:00'
    >>> parse("31/12/1999").isoformat(), parse("20240301")
    ('1999-12-31T00:00:00', None)
    """
    text = text.strip()
    if not 6 <= len(text) <= _LONGEST:
        return None
    try:
        if _ISO.match(text):
            return naive(datetime.fromisoformat(text))
        return _other(text, day_first)
    except (ValueError, OverflowError):
        return None


def naive(moment: datetime) -> datetime:
    """Return the moment without a zone: in UTC where it had one."""
    if moment.tzinfo is None:
        return moment
    return moment.astimezone(UTC).replace(tzinfo=None)


def _other(text: str, day_first: bool) -> datetime | None:
    if match := _YEAR_FIRST.match(text):
        year, month, day = (int(part) for part in match.groups())
    elif match := _YEAR_LAST.match(text):
        first, second, year = int(match[1]), int(match[3]), int(match[4])
        if first > 12 or (second <= 12 and (day_first or match[2] == ".")):
            day, month = first, second
        else:
            month, day = first, second
    elif match := _DAY_MONTH.match(text):
        day, month, year = int(match[1]), _month(match[2]), int(match[3])
    elif match := _MONTH_DAY.match(text):
        month, day, year = _month(match[1]), int(match[2]), int(match[3])
    else:
        return None
    rest = text[match.end() :].lstrip(" ,T")
    if not rest:
        return datetime(year, month, day)  # noqa: DTZ001 - the text says no zone
    clock = _TIME.fullmatch(rest)
    if clock is None:
        return None
    hour = int(clock[1])
    if clock[4]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if clock[4] in "Pp" else 0)
    return datetime(year, month, day, hour, int(clock[2]), int(clock[3] or 0))  # noqa: DTZ001 - as above


def _month(name: str) -> int:
    return _MONTHS.index(name[:3].lower()) + 1


def speaks_for_day_first(text: str) -> int:
    """Return 1 if ``text`` can only be read day first, -1 if only month first, else 0."""
    match = _YEAR_LAST.match(text.strip())
    if match is None:
        return 0
    return (int(match[1]) > 12) - (int(match[3]) > 12)


def moments(values: Iterable[datetime | date | None]) -> NDArray[np.datetime64]:
    """Return ``(n,) datetime64[s]``, NaT for None."""
    import numpy as np

    return np.array([naive(value) if isinstance(value, datetime) else value for value in values], dtype="datetime64[s]")


def parts(times: NDArray[np.datetime64]) -> NDArray[np.float32]:
    """Return ``(n, 6) float32`` in the order of :data:`PARTS`, NaN for NaT.

    Examples
    --------
    >>> import numpy as np
    >>> parts(np.array(["1970-01-02T00:01:00"], "datetime64[s]")).tolist()
    [[1970.0, 1.0, 2.0, 4.0, 60.0, 1.0]]
    """
    import numpy as np

    seconds = times.astype("datetime64[s]")
    missing = np.isnat(seconds)
    whole = np.where(missing, np.datetime64(0, "s"), seconds)
    days = whole.astype("datetime64[D]")
    months = whole.astype("datetime64[M]")
    number = days.astype(np.int64)
    columns = (
        whole.astype("datetime64[Y]").astype(np.int64) + 1970,
        months.astype(np.int64) % 12 + 1,
        (days - months.astype("datetime64[D]")).astype(np.int64) + 1,
        (number + 3) % 7,
        (whole - days.astype("datetime64[s]")).astype(np.int64),
        number,
    )
    table = np.column_stack(columns).astype(np.float32)
    table[missing] = np.nan
    return table
