"""What a column holds, and why that is believed: its figures, finished."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from modelwright.prepare.profile import facts, parts, times, words
from modelwright.prepare.profile.columns import Column, NumberSketch, Sizes

TOP = 20
_LEAST_ROWS = 30
"""Rows below which "different in every row" happens by chance."""
_FEW = 50
_REPEATS = 0.2
"""Different words over all, up to which words are categories however many there are."""
_NEARLY_ALL = 0.95
_LONG = 40
_LONGEST = 200
_BOOLEAN = (
    frozenset({"true", "false"}),
    frozenset({"yes", "no"}),
    frozenset({"y", "n"}),
    frozenset({"t", "f"}),
)
_NAMED = re.compile(r"(?:^|[_\W])(?:id|no|nr|key|index|uuid|guid)$|(?<=[a-z])(?:Id|ID|No|Nr)$")


def figures(column: Column, sizes: Sizes) -> facts.Column:
    """Return a column's figures."""
    present = column.rows - column.missing
    if column.numeric or (column.asked.way == "time" and column.numbers.moments.count):
        return _of_numbers(column, present)
    if column.asked.way == "other":
        why = "lists, records or bytes: only counted"
        return facts.Column(column.name, "nested", why, column.rows, column.missing, 0)
    if not present:
        return facts.Column(column.name, "empty", "no cell has a value", column.rows, column.missing, 0)
    return _of_words(column, present, sizes)


def _of_numbers(column: Column, present: int) -> facts.Column:
    sketch = column.numbers
    strays = dict(column.tally.strays)
    lost = column.tally.seen - column.tally.numbers if strays else 0
    distinct = max(min(column.distinct.count, present) - len(strays), 1)
    present -= lost
    time = column.asked.way == "time"
    whole = sketch.whole and not time
    figure = sketch.figures(sketch.grows(distinct, present) if not strays else "")
    figure = _as_whole(figure, whole=whole)
    top = tuple((_figure(value, time=time, whole=whole), count) for value, count in sketch.frequent.top(TOP))
    kind, why = _kind_of_numbers(column, figure, present, distinct, whole=whole, time=time)
    return facts.Column(
        column.name,
        kind,
        why,
        column.rows,
        column.missing + lost,
        distinct,
        column.distinct.error,
        top,
        sketch.frequent.missed,
        figure,
        strays=strays,
    )


def _as_whole(found: facts.Numbers, *, whole: bool) -> facts.Numbers:
    from dataclasses import replace

    if found.low is None or found.high is None or whole:
        return found
    return replace(found, low=float(found.low), high=float(found.high))


def _kind_of_numbers(
    column: Column, found: facts.Numbers, present: int, distinct: int, *, whole: bool, time: bool
) -> tuple[facts.Kind, str]:
    if distinct == 1:
        return "constant", "one value in all rows" if not column.missing else "one value wherever there is one"
    if time:
        return "date", "the file says so"
    strays = len(column.tally.strays)
    but = f"; {strays} different words among them count as missing" if strays else ""
    if not whole:
        return "number", f"some values have fractions{but}"
    if distinct == 2 and found.low == 0 and found.high == 1:
        return "boolean", "only 0 and 1"
    if column.distinct.exact and distinct == present >= _LEAST_ROWS and not strays:
        if found.grows and found.low is not None and found.high is not None and found.high - found.low == present - 1:
            return "identifier", "it counts the rows"
        if _named(column.name):
            return "identifier", "its name says so, and it is different in every row"
    return "whole number", f"every value is a whole number{but}"


def _named(name: str) -> bool:
    return bool(_NAMED.search(name.lower() if name.isupper() else name))


def _figure(value: Any, *, time: bool, whole: bool) -> str:
    if time:
        return moment(float(value))
    return str(int(value)) if whole else repr(float(value))


def moment(seconds: float) -> str:
    """Return a time in UTC as text, without a time of day at midnight.

    Examples
    --------
    >>> moment(0.0), moment(3661.5), moment(1e30)
    ('1970-01-01', '1970-01-01 01:01:01.500000', '1e+30 s')
    """
    if not abs(seconds) < 9e12:
        return f"{seconds:g} s"
    text = str(np.datetime64(round(seconds * 1e6), "us")).replace("T", " ")
    return text.removesuffix(".000000").removesuffix(" 00:00:00")


def _of_words(column: Column, present: int, sizes: Sizes) -> facts.Column:
    texts = column.texts
    distinct = min(column.distinct.count, present)
    top = tuple((_short(word), count) for word, count in texts.frequent.top(TOP))
    dates, why = _dates(column, present, sizes)
    kind: facts.Kind = "date"
    if dates is None:
        kind, why = _kind_of_words(column, present, distinct)
    if distinct == 1 and column.distinct.exact:
        kind = "constant"
        why = "one value in all rows" if not column.missing else "one value wherever there is one"
    return facts.Column(
        column.name,
        kind,
        why,
        column.rows,
        column.missing,
        distinct,
        column.distinct.error,
        top,
        texts.frequent.missed,
        dates,
        texts.lengths.figures(),
    )


def _short(word: str) -> str:
    return word if len(word) <= _LONGEST else f"{word[: _LONGEST - 1]}…"


def _dates(column: Column, present: int, sizes: Sizes) -> tuple[facts.Numbers | None, str]:
    """Return the figures of a column of dates and how that was told, or None."""
    if column.asked.dates and column.texts.dated >= 0.9 * present:
        sketch, dated = column.numbers, column.texts.dated
    elif not column.asked.dates and column.texts.frequent.exact:
        named = column.texts.frequent.named()
        fine, day_first = times.are_dates([word for word, _ in named[:200]])
        if not fine:
            return None, ""
        different = words.word_set([word for word, _ in named])
        counts = dict(named)
        seconds = times.seconds(different, day_first=day_first)
        weights = np.array([counts[word] for word in different.to_pylist()])
        known = ~np.isnan(seconds)
        dated = int(weights[known].sum())
        if dated < 0.9 * present:
            return None, ""
        order = np.argsort(seconds[known], kind="stable")
        sketch = NumberSketch(sizes)
        values, places = np.unique(seconds[known][order], return_inverse=True)
        sketch.add(parts.NumberPart(values, np.bincount(places, weights[known][order]).astype(np.int64)))
    else:
        return None, ""
    rest = present - dated
    why = "texts that say dates" + (f"; {rest:,} say none" if rest else "")
    return sketch.figures(sketch.grows(column.distinct.count, present) if column.asked.dates else ""), why


def _kind_of_words(column: Column, present: int, distinct: int) -> tuple[facts.Kind, str]:
    frequent, lengths = column.texts.frequent, column.texts.lengths
    most = {word.lower() for word, _ in frequent.top(3)}
    if frequent.exact and most in _BOOLEAN:
        return "boolean", f"only {' and '.join(sorted(most))}"
    mean = lengths.moments.mean
    spaced = _spaced([word for word, _ in frequent.top(200)]) if len(frequent.keys) else None
    if present >= _LEAST_ROWS and distinct >= _NEARLY_ALL * present:
        if lengths.low == lengths.high and not spaced:
            return "identifier", f"{distinct:,} different texts of {lengths.low} characters in {present:,} rows"
        if _named(column.name) or (mean <= _LONG and spaced is False):
            return "identifier", f"{distinct:,} different texts in {present:,} rows"
        return "text", f"{distinct:,} different texts in {present:,} rows, {mean:.0f} characters on average"
    if distinct <= _FEW or distinct <= _REPEATS * present:
        return "category", f"{distinct:,} different words in {present:,} rows"
    return "text", f"{distinct:,} different texts in {present:,} rows, {mean:.0f} characters on average"


def _spaced(words: list[str]) -> bool:
    """Say whether most texts are several words."""
    return sum(" " in word for word in words) * 2 > len(words)
