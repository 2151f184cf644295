"""What is wrong with the values of one column: dates that cannot be, two units in one, values far from all others."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.clean.column_sample import Column, Sample
from modelwright.prepare.clean.unusual import distance
from modelwright.prepare.issues import Issue
from modelwright.tasks.modalities.table import dates

_LEAST = 30
_DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([ T].*)?\Z|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}([ T].*)?\Z")
_UNIT = re.compile(r"([+-]?\d+(?:[.,]\d+)?)\s*([A-Za-z%°µ$€£][A-Za-z%°²³/]{0,5})?\Z")
_FAR = 8.0
LATEST = 47482
"""Days from 1970 to 2100: no date of a data set lies beyond."""
_FACTORS = (
    (1000.0, "×1000, as of g and kg or mm and m"),
    (100.0, "×100, as of cm and m or a share and a percentage"),
    (60.0, "×60, as of minutes and hours"),
    (3600.0, "×3600, as of seconds and hours"),
    (25.4, "×25.4, as of mm and inches"),
    (2.54, "×2.54, as of cm and inches"),
    (3.28084, "×3.28, as of feet and metres"),
    (2.20462, "×2.2, as of pounds and kg"),
    (1.609344, "×1.61, as of km and miles"),
)


def days_of(column: Column) -> tuple[NDArray[np.float64], list[str]] | None:
    """Return ``(m,)`` days since 1970 of a column of dates, and the texts that look like dates and are none.

    None where fewer than nine in ten of its texts are dates.
    """
    if column.kind != "text" or not column.words:
        return None
    used = np.unique(column.values[column.known]).astype(np.int64)
    words = [column.words[code] for code in used.tolist()]
    first = words[:50]
    if sum(bool(_DATE.match(word)) for word in first) * 2 < len(first) or not first:
        return None
    day_first = sum(map(dates.speaks_for_day_first, words)) > 0
    found = [dates.parse(word, day_first=day_first) for word in words]
    wrong = [word for word, each in zip(words, found, strict=True) if each is None and _DATE.match(word)]
    if sum(each is not None for each in found) < 0.9 * len(found):
        return None
    days = dates.moments(found).astype("datetime64[s]")
    by_code = np.full(int(used.max()) + 1, np.nan)
    by_code[used] = np.where(np.isnat(days), np.nan, days.astype(np.int64) / 86400.0)
    made = np.full(len(column.values), np.nan)
    made[column.known] = by_code[column.values[column.known].astype(np.int64)]
    return made, wrong


def odd_dates(sample: Sample, name: str, days: NDArray[np.float64], wrong: Sequence[str]) -> Iterator[Issue]:
    """Yield ``impossible-date``, and ``future-date`` for dates far ahead of all others (no clock is asked)."""
    if wrong:
        yield Issue(
            "impossible-date",
            0.5,
            f"column {name!r} holds dates that no calendar has: {', '.join(map(repr, wrong[:5]))}",
            column=name,
            evidence={"values": list(wrong[:20])},
        )
    known = days[~np.isnan(days)]
    if len(known) < _LEAST:
        return
    low, high = np.quantile(known, [0.01, 0.95])
    ahead = days > max(high + 3 * (high - low) + 3650, 0.0)
    ahead |= days > LATEST
    if ahead.any() and np.nanmax(days) > high:
        last = np.datetime64("1970-01-01") + int(np.nanmax(days))
        yield Issue(
            "future-date",
            0.5,
            f"column {name!r}: {int(ahead.sum())} dates lie far ahead of all others, the last is {last}",
            column=name,
            evidence={"rows": sample.places[ahead][:20].tolist(), "count": int(ahead.sum()), "last": str(last)},
            places=sample.places[ahead],
        )


def units(sample: Sample, column: Column) -> Iterator[Issue]:
    """Yield ``mixed-units``: two clusters of numbers a known factor apart, or texts that are numbers with units."""
    if column.kind == "text":
        yield from _written(column)
        return
    values = column.values[column.known]
    if column.distinct < 20 or len(values) < 3 * _LEAST:
        return
    if values.min() > 0:
        split = _two(np.log(values))
        if split is not None:
            cut, small_is_low = split
            low, high = np.log(values[np.log(values) <= cut]), np.log(values[np.log(values) > cut])
            apart = float(np.median(high) - np.median(low))
            like = (
                float(np.std(high)) < 3 * float(np.std(low)) + 0.05
                and float(np.std(low)) < 3 * float(np.std(high)) + 0.05
            )
            unsure = 4 * float(np.std(low) / np.sqrt(len(low)) + np.std(high) / np.sqrt(len(high)))
            best = min(_FACTORS, key=lambda each: abs(apart - np.log(each[0])))
            if like and abs(apart - np.log(best[0])) < 0.02 + unsure:
                yield _mixed(
                    sample,
                    column,
                    column.values <= np.exp(cut) if small_is_low else column.values > np.exp(cut),
                    best[1],
                )
                return
    split = _two(values)
    if split is not None:
        cut, small_is_low = split
        low, high = values[values <= cut], values[values > cut]
        celsius = (high - 32.0) / 1.8
        if (
            abs(float(np.median(celsius) - np.median(low))) < 0.5 * float(np.std(low)) + 0.5
            and 0.4 < float(np.std(celsius) / max(float(np.std(low)), 1e-9)) < 2.5
        ):
            yield _mixed(sample, column, column.values <= cut if small_is_low else column.values > cut, "°C and °F")


def _mixed(sample: Sample, column: Column, minor: NDArray[np.bool_], what: str) -> Issue:
    rows = sample.places[minor]
    return Issue(
        "mixed-units",
        0.6,
        f"column {column.name!r} seems to hold two units ({what}): {len(rows)} of {len(minor)} values lie apart from "
        "the others, and would lie among them in the other unit",
        column=column.name,
        evidence={"units": what, "rows": rows[:20].tolist(), "count": len(rows)},
        places=rows,
    )


def _two(values: NDArray[np.float64]) -> tuple[float, bool] | None:
    """Return the middle of the one wide gap in sorted values and whether the smaller part is below it, or None."""
    ordered = np.sort(values)
    gaps = np.diff(ordered)
    least = max(5, len(ordered) // 500)
    inside = gaps[least - 1 : len(gaps) - least + 1]
    if len(inside) < _LEAST:
        return None
    widest = int(np.argmax(inside)) + least - 1
    below = widest + 1
    left, right = ordered[:below], ordered[below:]
    reach = min(float(left[-1] - left[0]), float(right[-1] - right[0]))
    if gaps[widest] < 0.25 * max(reach, 1e-12) or gaps[widest] < 5 * float(np.quantile(gaps, 0.99)):
        return None
    if min(below, len(ordered) - below) > 0.35 * len(ordered):
        return None
    return float((left[-1] + right[0]) / 2), below < len(ordered) - below


def _written(column: Column) -> Iterator[Issue]:
    used = column.values[column.known].astype(np.int64)
    if len(used) < _LEAST:
        return
    counts = np.bincount(used, minlength=len(column.words))
    found: Counter[str] = Counter()
    total = 0
    for code in np.flatnonzero(counts)[:20_000].tolist():
        total += int(counts[code])
        match = _UNIT.match(column.words[code].strip())
        if match:
            found[match[2] or ""] += int(counts[code])
    if sum(found.values()) < 0.9 * total or set(found) == {""} or len(found) > 12:
        return
    listed = ", ".join(f"{unit or 'none'} ({count})" for unit, count in found.most_common(6))
    several = len(found) > 1
    yield Issue(
        "mixed-units" if several else "type-mix",
        0.6 if several else 0.4,
        f"column {column.name!r} holds numbers with {'different units' if several else 'a unit'} as text: {listed}; as "
        "text each is a category of its own",
        column=column.name,
        evidence={"units": dict(found.most_common(12))},
    )


def far_values(sample: Sample, column: Column) -> Iterator[Issue]:
    """Yield ``odd-value`` for numbers more than eight robust deviations out, with a gap before them.

    A heavy tail has far values too, but a row of them, each not much farther than the one before: only what lies beyond
    a gap of half its own distance is listed.
    """
    known = np.flatnonzero(column.known)
    if column.kind == "text" or len(known) < _LEAST or column.distinct < 10:
        return
    values = column.values[known]
    z = distance(values)
    listed: list[int] = []
    for sign in (1.0, -1.0):
        side = z * sign
        order = np.argsort(side, kind="stable")
        jumps = np.flatnonzero((np.diff(side[order]) > 0.5 * side[order][1:]) & (side[order][1:] > _FAR))
        if len(jumps) and len(order) - jumps[0] - 1 <= max(3, 0.001 * len(order)):
            listed += order[jumps[0] + 1 :][::-1].tolist()
    if not listed:
        return
    shown = ", ".join(f"{values[place]:g}" for place in listed[:5])
    lie = "one value lies" if len(listed) == 1 else f"{len(listed)} values lie"
    yield Issue(
        "odd-value",
        round(min(0.3 + float(np.abs(z[listed]).max()) / 200, 0.7), 3),
        f"column {column.name!r}: {lie} far from all others ({shown}; usual: {np.median(values):g})",
        column=column.name,
        evidence={
            "rows": sample.places[known[listed[:20]]].tolist(),
            "values": [float(values[place]) for place in listed[:20]],
            "count": len(listed),
        },
        places=sample.places[known[listed]],
    )
