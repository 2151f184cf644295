"""Whether a column tells a number that is to be learned, or a word of a text tells the answer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.clean import times_told
from modelwright.prepare.clean.column_sample import Column, Sample
from modelwright.prepare.clean.column_whole import Whole
from modelwright.prepare.gather.spaced import spaced
from modelwright.prepare.issues import Issue

_LEAST = 30
_STRAIGHT = 0.99999
_RANKED = 0.999
"""Rank correlation from which a column is the answer in another scale."""
_IN_RANGE = 0.995
"""Share of rows that lie in their group's own range of the answer, from which the groups are the answer in classes."""
_MUCH = 0.5
"""Share of the answer's variance (by rank) that such classes must tell."""
_SAME = 0.999
"""Share of the answer's variance from which each value has one answer."""
_SURE = 0.98
"""Share of a class's texts that a word must be in, and share of its texts that must be of that class."""
_CLASS = 10
_TEXTS = 5000
"""Texts of a column in which words are looked for, evenly spaced."""
_BEGINNING = 400
"""Characters of a text that are looked at."""
_WORD = re.compile(r"[^\W\d_]+|\d+")
_EPOCH = re.compile(r"time|date|stamp|epoch|created|updated|when|_at$|(?<![a-z])ts(?![a-z])", re.IGNORECASE)


def of_number(values: NDArray[np.float64], kind: str, distinct: int, numbers: NDArray[np.float64]) -> str:
    """Return in words how a column tells a number, or nothing.

    Parameters
    ----------
    values, numbers
        ``(n,)`` the column (texts as codes) and the answers, all known.
    kind
        ``integer``, ``number`` or ``text``.
    distinct
        Different values of the column.
    """
    if len(values) < _LEAST or values.std() == 0 or numbers.std() == 0:
        return ""
    ranks = _ranks(numbers)
    if kind != "text":
        straight = float(np.corrcoef(values, numbers)[0, 1])
        if abs(straight) > _STRAIGHT:
            return f"its correlation with the answer is {straight:.6f}"
        ranked = float(np.corrcoef(_ranks(values), ranks)[0, 1])
        if abs(ranked) > _RANKED:
            return f"its rank correlation with the answer is {ranked:.6f}"
    if distinct * 5 > len(values):
        return ""
    _, codes = np.unique(values, return_inverse=True)
    if times_told.explained(codes, numbers) > _SAME:
        return f"each of its {distinct} values has one answer"
    if times_told.explained(codes, ranks) < _MUCH:
        return ""
    inside = _in_range(codes, numbers)
    return f"its {distinct} values are ranges of the answer ({inside:.1%} of the rows)" if inside >= _IN_RANGE else ""


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[inverse], np.float64)


def _in_range(codes: NDArray[np.int64], numbers: NDArray[np.float64]) -> float:
    """Return the share of rows whose group is the one that stands there when the groups follow each other."""
    medians = np.array(
        [
            np.median(part)
            for part in np.split(numbers[np.argsort(codes, kind="stable")], np.cumsum(np.bincount(codes))[:-1])
        ]
    )
    place = np.argsort(np.argsort(medians, kind="stable"), kind="stable")[codes]
    return float((place[np.lexsort((place, numbers))] == np.sort(place)).mean())


def by_words(texts: Sequence[str], codes: NDArray[np.int64], names: Sequence[str]) -> str:
    """Return in words how one word in texts tells a class, or nothing.

    Parameters
    ----------
    texts, codes
        ``(n,)`` texts and class codes, all known.
    names
        Class names by code.
    """
    classes = {code: count for code, count in Counter(codes.tolist()).items() if count >= _CLASS}
    if len(texts) < _LEAST or len(set(codes.tolist())) < 2:
        return ""
    seen: Counter[str] = Counter()
    inside: Counter[tuple[str, int]] = Counter()
    for text, code in zip(texts, codes.tolist(), strict=True):
        words = set(_WORD.findall(text[:_BEGINNING].casefold()))
        seen.update(words)
        inside.update((word, code) for word in words)
    least = _SURE * min(classes.values(), default=0)
    often = {word: times for word, times in seen.items() if times >= least}
    best: tuple[float, str] = (0.0, "")
    for code, count in classes.items():
        name = names[code] if code < len(names) else str(code)
        for word, times in often.items():
            here = inside[word, code]
            sure = min(here / count, here / times)
            if sure >= _SURE and sure > best[0]:
                best = (
                    sure,
                    f"the word {word!r} stands in {here} of {count} rows of {name!r}, and in {times - here} others",
                )
            away = count - here
            sure = min(away / count, away / max(len(texts) - times, 1))
            if sure >= _SURE and sure > best[0]:
                others = len(texts) - times - away
                best = (
                    sure,
                    f"the word {word!r} is missing in {away} of {count} rows of {name!r}, and in {others} others",
                )
    return best[1]


def of_column(column: Whole, sampled: NDArray[np.float64], sample: Sample, names: Sequence[str]) -> str:
    """Return in words how a column tells a number, or a word, a number or a date in its texts the answer, or nothing.

    Parameters
    ----------
    sampled
        Its values at the sampled rows.
    names
        Class names by code.
    """
    known = ~np.isnan(sampled) & ~np.isnan(sample.numbers)
    told = ""
    if known.sum() >= max(_LEAST, 0.9 * len(known)):
        told = of_number(sampled[known], column.kind, column.distinct, sample.numbers[known])
    if told or column.kind != "text" or column.distinct * 5 <= column.present:  # categories: whole values are judged
        return told
    return _in_texts(column, sampled, sample, names)


def _in_texts(column: Whole, sampled: NDArray[np.float64], sample: Sample, names: Sequence[str]) -> str:
    classes = bool((sample.codes >= 0).any())
    answered = (sample.codes >= 0) if classes else ~np.isnan(sample.numbers)
    some = np.flatnonzero(answered & ~np.isnan(sampled))
    if len(some) < max(_LEAST, 0.5 * len(sampled)):
        return ""
    some = spaced(some, _TEXTS)
    codes, numbers = sample.codes[some], sample.numbers[some]
    if column.worded:
        texts = [column.words[int(code)] for code in sampled[some]]
    else:
        texts, rows = [], sample.places[some]
        for part, piece in column.pieces():
            low, high = np.searchsorted(rows, [part.start, part.stop])
            texts += piece.take(rows[low:high] - part.start).to_pylist()
    told = by_words(texts, codes, names) if classes else ""
    if told:
        return told
    days = np.array([times_told.written(text) for text in texts])
    told = times_told.by_time(days, codes, numbers)
    if told:
        return f"by the date in it, {told}"
    for values in times_told.counters(texts, 0.8 if classes else 0.2):
        counted = ~np.isnan(values)
        if classes:
            _, own = np.unique(codes[counted], return_inverse=True)
            told = times_told.separate(values[counted], own) if own.max() else ""
        else:
            told = of_number(values[counted], "number", int(counted.sum()), numbers[counted])
        if told:
            return f"by a number in it, {told}"
    return ""


def by_moments(sample: Sample, days: dict[str, NDArray[np.float64]], already: frozenset[str]) -> Iterator[Issue]:
    """Yield ``leaking-time`` for columns of dates (and of seconds since 1970) that tell the answer.

    Parameters
    ----------
    days
        Column to ``(m,)`` days since 1970.
    already
        Columns that are known to tell it.
    """
    dated = dict(days)
    for column in sample.columns:
        if column.name not in dated and (counted := _since_1970(column)) is not None:
            dated[column.name] = counted
    for name, moments in dated.items():
        told = "" if name in already else times_told.by_time(moments, sample.codes, sample.numbers)
        if told:
            yield Issue(
                "leaking-time",
                0.8,
                f"column {name!r} gives the answer away: {told}",
                column=name,
                evidence={"rows": int((~np.isnan(moments)).sum())},
            )


def _since_1970(column: Column) -> NDArray[np.float64] | None:
    """Return a column of seconds, or of milliseconds, since 1970 as days: whole numbers of 1985 to 2100 by a fitting
    name."""
    if column.kind == "text" or not _EPOCH.search(column.name) or not column.known.any():
        return None
    low, high = float(np.nanmin(column.values)), float(np.nanmax(column.values))
    for unit in (1.0, 1000.0):
        if 4.7e8 * unit < low <= high < 4.11e9 * unit:
            return column.values / (86400.0 * unit)
    return None
