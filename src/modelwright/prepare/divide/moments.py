"""When a row was taken, where several columns say it together: a date and a time of day, or year, month and day.

What columns are is found by what they hold: texts that are dates without a time of day, texts that are times of day.
Any table may have both without their being one moment (a birthday, and when the shop opens), so they are joined only
where the rows speak for it: within a day, the clock goes forward from row to row. Small whole numbers could be
anything; they count as year, month, day and hour by their names, where what they hold agrees.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.errors import InputError
from modelwright.prepare.clean.column_sample import Column
from modelwright.prepare.clean.column_values import days_of
from modelwright.prepare.gather.rows import columns_of, taken_of
from modelwright.tasks.modalities.table import dates

DAY = 86_400.0
_CLOCK = re.compile(r"(\d{1,2})[:.h](\d{2})(?:[:.m](\d{2})(?:[.,]\d+)?)?s?(?:\s?([AaPp])\.?[Mm]\.?)?")
_LEAST = 30
"""Steps within a day that speak for a clock."""
_FORWARD = 0.95
"""Share of them that must go forward."""
_GLANCE = 50
"""Different texts by which most columns are told to hold no times of day."""
_MOST = 0.9
"""Share of a column's different texts that must be times of day."""
_GROUPS = 3
"""Row groups, the first ones, by which columns are found: 24,576 rows."""
_COLUMNS = 200
_PARTS: Sequence[tuple[str, float, float]] = (
    ("year|yr|yyyy", 1900, 2100),
    ("month|mon|mnth|mm", 1, 12),
    ("day|mday|dd|day of month", 1, 31),
    ("hour|hr|hh", 0, 24),
    ("minute|mins?|mi", 0, 59),
    ("second|secs?|ss", 0, 60),
)


@dataclass(frozen=True)
class Moment:
    """Columns that say together when a row was taken, and how that is known."""

    columns: tuple[str, ...]
    reason: str


def clock(text: str) -> float | None:
    """Return the second of the day that a text says, or None if it is no time of day.

    Examples
    --------
    >>> clock("18:30"), clock("18.30.05"), clock("6:30 pm"), clock("24:10"), clock("1830")
    (66600.0, 66605.0, 66600.0, None, None)
    """
    found = _CLOCK.fullmatch(text.strip())
    if found is None:
        return None
    hour, minute, second = int(found[1]), int(found[2]), int(found[3] or 0)
    if found[4]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found[4] in "Pp" else 0)
    whole = 3600.0 * hour + 60.0 * minute + second
    return whole if minute < 60 and second < 61 and whole <= DAY else None


def clocks(column: Column) -> NDArray[np.float64] | None:
    """Return ``(m,)`` seconds of the day, NaN where there is none; None where a column holds no times of day."""
    if column.kind != "text" or not column.words:
        return None
    first = [clock(word) for word in column.words[:_GLANCE]]
    if sum(each is not None for each in first) * 2 < len(first):
        return None
    used = np.unique(column.values[column.known]).astype(np.int64)
    found = [clock(column.words[code]) for code in used.tolist()]
    if not found or sum(each is not None for each in found) < _MOST * len(found):
        return None
    by_code = np.full(int(used.max()) + 1, np.nan)
    by_code[used] = [np.nan if each is None else each for each in found]
    return _by_code(column, by_code)


def _by_code(column: Column, by_code: NDArray[np.float64]) -> NDArray[np.float64]:
    made = np.full(len(column.values), np.nan)
    made[column.known] = by_code[column.values[column.known].astype(np.int64)]
    return made


def find(columns: Sequence[Column], days: Mapping[str, NDArray[np.float64]] | None = None) -> Moment | None:
    """Return which columns are one moment together, or None.

    ``days``: those of the columns of dates, ``(m,)`` each since 1970, where they were read already.
    """
    return _beside(columns, dates_of(columns) if days is None else days) or _parts(columns)


def dates_of(columns: Sequence[Column], date: str | None = None) -> dict[str, NDArray[np.float64]]:
    """Return ``(m,)`` days since 1970 of the columns of dates, or of the one that is named."""
    return {each.name: found[0] for each in columns if date in {None, each.name} and (found := days_of(each))}


def beside(columns: Sequence[Column], date: str) -> Moment | None:
    """Return a column of dates and the time of day that goes with it, or None."""
    return _beside(columns, dates_of(columns, date))


def _beside(columns: Sequence[Column], days: Mapping[str, NDArray[np.float64]]) -> Moment | None:
    days = {name: each for name, each in days.items() if not (each[np.isfinite(each)] % 1).any()}
    if not days:
        return None
    best: tuple[int, Moment] | None = None
    for column in columns:
        seconds = clocks(column) if column.name not in days else None
        if seconds is None:
            seconds = _hours(column)
        if seconds is None or len(np.unique(seconds[np.isfinite(seconds)])) < 2:
            continue
        for name, each in days.items():
            steps, forward = _order(each, seconds)
            if steps >= _LEAST and forward >= _FORWARD * steps and (best is None or forward > best[0]):
                why = f"{name!r} has no time of day, {column.name!r} has, and within a day it goes forward from row to "
                best = forward, Moment((name, column.name), f"{why}row ({forward:,} of {steps:,} steps)")
    return best[1] if best else None


def _hours(column: Column) -> NDArray[np.float64] | None:
    """Return seconds of the day of a column of whole hours, which its name must say."""
    pattern, low, high = _PARTS[3]
    return 3600.0 * column.values if _is_part(column, pattern, low, high) else None


def _order(days: NDArray[np.float64], seconds: NDArray[np.float64]) -> tuple[int, int]:
    """Return how many steps from row to row are within one day, and how many of them go forward (or all backward)."""
    both = np.isfinite(days) & np.isfinite(seconds)
    same = np.diff(days[both]) == 0
    steps = np.diff(seconds[both])[same]
    steps = steps[steps != 0]
    return len(steps), int(max((steps > 0).sum(), (steps < 0).sum()))


def _is_part(column: Column, pattern: str, low: float, high: float) -> bool:
    words = re.sub(r"[^a-z]+", " ", column.name.lower()).split()
    if not any(re.fullmatch(pattern, word) for word in (*words, " ".join(words))) or column.kind == "text":
        return False
    known = column.values[column.known]
    return bool(len(known) >= 2 and known.min() >= low and known.max() <= high and (known == np.round(known)).all())


def _parts(columns: Sequence[Column]) -> Moment | None:
    """Return columns of years, months and days (and hours, minutes, seconds) by name, where every day is one."""
    chosen: list[Column] = []
    for pattern, low, high in _PARTS:
        found = next((each for each in columns if each not in chosen and _is_part(each, pattern, low, high)), None)
        if found is None:
            break
        chosen.append(found)
    if len(chosen) < 3:
        return None
    known = np.logical_and.reduce([each.known for each in chosen])
    made = joined(chosen)
    if not known.any() or np.isfinite(made[known]).mean() < 0.99 or len(np.unique(made[known])) < 2:
        return None
    names = tuple(each.name for each in chosen)
    return Moment(
        names, f"{', '.join(map(repr, names))} are called so, and every row's figures are a day of the calendar"
    )


def joined(columns: Sequence[Column]) -> NDArray[np.float64]:
    """Return ``(m,)`` seconds since 1970 of a date and times of day, or of year, month, day and so on.

    NaN where any of them is missing, or where they are no day of the calendar (31 February).

    Raises
    ------
    InputError
        ``bad-time`` where the first column holds neither dates nor years, or another no times of day.
    """
    dated = _dated(columns[0])
    if dated is not None:
        made = dated * DAY
        for column in columns[1:]:
            seconds = clocks(column)
            seconds = _hours(column) if seconds is None else seconds
            if seconds is None:
                raise _bad(column, "times of day such as 18:30, or hours from 0 to 24 by that name")
            made = made + seconds
        return made
    if any(each.kind == "text" for each in columns) or len(columns) < 3:
        raise _bad(columns[0], "dates such as 2024-03-01, or years followed by months and days")
    figures = [each.values for each in columns]
    known = np.logical_and.reduce([np.isfinite(each) for each in figures])
    year, month, day = (np.where(known, each, 1.0).astype(np.int64) for each in figures[:3])
    inside = known & (year >= 1) & (year <= 9999) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    months = np.where(inside, (year - 1970) * 12 + month - 1, 0).astype("datetime64[M]")
    whole = months.astype("datetime64[D]") + (day - 1)
    inside &= whole.astype("datetime64[M]") == months
    made = np.where(inside, whole.astype(np.int64) * DAY, np.nan)
    for size, each in zip((3600.0, 60.0, 1.0), figures[3:], strict=False):
        made = made + size * each
    return made


def _dated(column: Column) -> NDArray[np.float64] | None:
    """Return ``(m,)`` days since 1970 of dates in any way that tables write them; None where nine in ten are none."""
    found = days_of(column)
    if found is not None or column.kind != "text" or not column.words:
        return None if found is None else found[0]
    used = np.unique(column.values[column.known]).astype(np.int64)
    words = [column.words[code] for code in used.tolist()]
    day_first = sum(map(dates.speaks_for_day_first, words)) > 0
    read_ = [dates.parse(word, day_first=day_first) for word in words]
    if not read_ or sum(each is not None for each in read_) < _MOST * len(read_):
        return None
    by_code = np.full(int(used.max()) + 1, np.nan)
    stamps = dates.moments(read_)
    by_code[used] = np.where(np.isnat(stamps), np.nan, stamps.astype(np.int64) / DAY)
    return _by_code(column, by_code)


def _bad(column: Column, right: str) -> InputError:
    words = [column.words[int(code)] for code in column.values[column.known][:3]] if column.kind == "text" else (
        [f"{value:g}" for value in column.values[column.known][:3]]
    )  # fmt: skip
    found = ", ".join(map(repr, words)) or "nothing"
    return InputError(
        f"split.time: column {column.name!r} is not part of one moment: found {found}",
        code="bad-time",
        hint=f"allowed there: {right}",
    )


def read(rows: Path, names: Sequence[str], places: NDArray[np.int64] | None = None) -> list[Column]:
    """Return columns of ``rows.parquet``, whole, or their values at ascending ``places``."""
    if places is None:
        return [_column(name, found) for name, found in columns_of(rows, names)]
    return [_column(name, taken_of(rows, name, places)) for name in names]


def _head(rows: Path, names: Sequence[str] | None = None) -> list[Column]:
    """Return the first rows of columns, or of the first columns there are, however many more rows there are."""
    from pyarrow import parquet

    with parquet.ParquetFile(rows) as file:
        groups = range(min(file.num_row_groups, _GROUPS))
        names = file.schema_arrow.names[:_COLUMNS] if names is None else names
        table = file.read_row_groups(groups, columns=list(names), use_threads=False)
    return [_column(name, table[name]) for name in names]


def _column(name: str, values: Any) -> Column:
    import pyarrow as pa
    import pyarrow.types as kinds

    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if kinds.is_integer(values.type) or kinds.is_floating(values.type):
        rounded = values.cast(pa.float64(), safe=False)  # whole numbers beyond 53 bits are rounded
        figures = np.array(rounded.to_numpy(zero_copy_only=False), np.float64)
        return Column(name, "integer" if kinds.is_integer(values.type) else "number", figures, (), 0)
    coded = values.cast(pa.string()).dictionary_encode()
    codes = np.array(coded.indices.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)
    return Column(name, "text", codes, coded.dictionary.to_pylist(), len(coded.dictionary))


def in_rows(rows: Path, names: Sequence[str], date: str | None = None) -> Moment | None:
    """Return which columns of ``rows.parquet`` are one moment, by its first rows; with that date, if one is named."""
    columns = _head(rows, names[:_COLUMNS])
    return find(columns) if date is None else beside(columns, date)


def told(rows: Path) -> Moment | None:
    """Return which columns say when rows were taken: one moment together, or the one column of dates there is.

    Of several columns of dates the one along which the rows go forward most, if it is more than nine in ten steps.
    """
    columns = _head(rows)
    dated = dates_of(columns)
    found = find(columns, dated)
    if found is not None:
        return found
    if len(dated) == 1:
        return Moment(tuple(dated), "it is the one column of dates")
    for name, each in dated.items():
        steps = np.diff(each[np.isfinite(each)])
        if len(steps) >= _LEAST and (steps >= 0).mean() >= _MOST and steps.any():
            return Moment((name,), "the rows go forward along it")
    return None
