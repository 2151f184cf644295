"""What is worth a look in a table: the checks of ``prepare/clean`` on the sample, with the whole table's figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import numpy as np

from modelwright.prepare.clean import column_pairs, column_values
from modelwright.prepare.clean.column_oddities import codes
from modelwright.prepare.clean.column_sample import Column as SampledColumn
from modelwright.prepare.clean.column_sample import Sample
from modelwright.prepare.clean.column_whole import MISSING
from modelwright.prepare.issues import Issue
from modelwright.prepare.profile import facts
from modelwright.prepare.profile.columns import Column
from modelwright.prepare.profile.facts import Finding
from modelwright.prepare.profile.pairs import Sampled

_MUCH_MISSING = 0.05
_SKEWED = 3.0
_MOST_ZEROS = 0.5
_IMBALANCED = 0.9
_ALIKE = 0.9
_LEAST_ROWS = 30
_CHECKED = 200
"""Columns whose sampled values are checked beside each other."""
_CASES = 20
_GUESS = 0.35


def findings(
    rows: int,
    copies: tuple[int, float],
    columns: Sequence[facts.Column],
    sketches: Sequence[Column],
    some: Sequence[Sampled],
    places: np.ndarray[tuple[int], np.dtype[np.int64]],
    pairs: facts.Pairs,
) -> list[Finding]:
    """Return what was found, the worst first.

    Parameters
    ----------
    copies
        Rows that are equal to an earlier one, and the standard error of that.
    places
        ``(m,)`` the numbers of the sampled rows.
    """
    found: list[Finding] = []
    if not rows:
        found.append(Finding("no-rows", "", 0.9, "there are no rows"))
    if copies[0]:
        about = "about " if copies[1] else ""
        share = copies[0] / rows
        words = f"{about}{copies[0]:,} rows ({facts.percent(copies[0], rows)}) are equal to an earlier row"
        found.append(Finding("duplicate-rows", "", round(min(0.3 + share, 0.8), 3), words))
    for column in columns:
        found.extend(_of_column(column))
    for column, sketch, each in zip(columns, sketches, some, strict=True):
        found.extend(_codes(column, sketch, each))
    found.extend(_together(columns, some, places))
    found.extend(_alike(pairs, {each.column for each in found if each.kind == "correlated-columns"}))
    return sorted(found, key=lambda each: (-each.severity, each.kind, each.column))


def _of_column(column: facts.Column) -> Iterator[Finding]:
    name, rows, present = column.name, column.rows, column.present
    if column.kind == "empty" and rows:
        yield Finding("constant-column", name, 0.6, f"column {name!r} is always missing")
        return
    if column.kind == "constant":
        value = column.top[0][0] if column.top else ""
        yield Finding("constant-column", name, 0.5, f"column {name!r} always is {_short(value)!r}")
    if column.missing and column.missing >= _MUCH_MISSING * rows:
        share = column.missing / rows
        of = facts.percent(column.missing, rows)
        words = f"column {name!r}: {column.missing:,} of {rows:,} values are missing ({of})"
        yield Finding("missing-value", name, round(min(0.2 + share, 0.9), 3), words)
    if column.kind == "identifier":
        words = f"column {name!r} looks like an identifier: {column.why}"
        yield Finding("identifier-column", name, 0.3, words)
    if column.strays:
        listed = ", ".join(f"{_short(word)!r} ({count:,})" for word, count in list(column.strays.items())[:5])
        words = f"column {name!r} holds numbers, but some cells are none: {listed}; they count as missing"
        yield Finding("type-mix", name, 0.5, words)
    if column.numbers is not None and column.kind != "date":
        yield from _of_numbers(column, column.numbers, present)
    if column.kind in {"category", "boolean"} and column.distinct > 1 and present >= _LEAST_ROWS and column.top:
        word, count = column.top[0]
        if count >= _IMBALANCED * present:
            words = f"column {name!r}: {facts.percent(count, present)} of the values are {_short(word)!r}"
            yield Finding("imbalance", name, 0.3, words)
    if column.kind == "category":
        yield from _twins(column)


def _of_numbers(column: facts.Column, found: facts.Numbers, present: int) -> Iterator[Finding]:
    name = column.name
    if found.infinite:
        words = f"column {name!r}: {found.infinite:,} values are infinite; no figure here counts them"
        yield Finding("infinite", name, 0.6, words)
    if column.kind not in {"number", "whole number"} or present < _LEAST_ROWS:
        return
    if found.skewness is not None and abs(found.skewness) >= _SKEWED:
        words = f"column {name!r} is skewed: skewness {found.skewness:.1f}; its logarithm may be easier to work with"
        yield Finding("skewed", name, 0.2, words)
    if found.zeros >= _MOST_ZEROS * present and column.distinct > 2:
        words = (
            f"column {name!r}: {found.zeros:,} of {present:,} values are zero ({facts.percent(found.zeros, present)})"
        )
        yield Finding("zeros", name, 0.25, words)


def _twins(column: facts.Column) -> Iterator[Finding]:
    """Yield where words differ by capitals or blanks alone."""
    seen: dict[str, str] = {}
    twins = []
    for word, _ in column.top:
        key = " ".join(word.casefold().split())
        if key in seen and seen[key] != word:
            twins.append((seen[key], word))
        seen.setdefault(key, word)
    if twins:
        listed = ", ".join(f"{_short(one)!r} and {_short(other)!r}" for one, other in twins[:3])
        words = f"column {column.name!r} has words that differ by capitals or blanks alone: {listed}"
        yield Finding("spelling", column.name, 0.4, words)


def _codes(column: facts.Column, sketch: Column, each: Sampled) -> Iterator[Finding]:
    """Yield what stands for "missing": numbers where the sample shows them, and words; counted in the whole column."""
    found: Iterable[tuple[str, int, str]] = ()
    if column.distinct < 2:
        return
    if column.kind in {"number", "whole number"} and column.numbers is not None and each.numbers is not None:
        figures = column.numbers
        ends = [value for value in (figures.low, figures.high, 0 if figures.zeros else None) if value is not None]
        # Codes stand at the ends or at zero: with these beside the sample, nothing is overlooked.
        distinct = np.unique(np.append(each.numbers[np.isfinite(each.numbers)], np.array(ends, np.float64)))
        count = partial(_count_of, figures, sketch)
        found = ((f"{code:g}", often, more) for code, often, more in codes(distinct, figures.count, count))
    elif column.kind in {"category", "text"}:
        found = ((repr(word), often, "") for word, often in column.top if word.lower() in MISSING)
    for code, often, more in found:
        share = often / column.rows
        of = facts.percent(often, column.rows)
        words = f"column {column.name!r}: {code} occurs {often:,} times ({of}) and probably means 'missing'{more}"
        yield Finding("hidden-missing", column.name, round(min(0.4 + share, 0.8), 3), words)


def _count_of(figures: facts.Numbers, sketch: Column, code: float) -> int:
    """Return how often a number occurs; at least so often, where not all are counted."""
    if code == 0:
        return figures.zeros
    frequent = sketch.numbers.frequent
    place = int(np.searchsorted(frequent.keys, code))
    if place < len(frequent.keys) and frequent.keys[place] == code:
        return int(frequent.counts[place])
    return 0


def _together(
    columns: Sequence[facts.Column], some: Sequence[Sampled], places: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> Iterator[Finding]:
    """Yield what the checks of whole tables find in the sample: units, far values, dates, the same thing twice."""
    unknown = np.full(len(places), -1), np.full(len(places), np.nan)
    sample = Sample(places, unknown[0].astype(np.int64), unknown[1])
    days = {}
    for column, each in list(zip(columns, some, strict=True))[:_CHECKED]:
        if column.kind in {"empty", "nested", "constant", "identifier"}:
            continue
        made = _column(column, each)
        if made is None:
            continue
        if column.kind == "date":
            if each.codes is not None and (dated := column_values.days_of(made)) is not None:
                yield from _told(column_values.odd_dates(sample, column.name, *dated))
            assert each.numbers is not None
            days[column.name] = each.numbers / 86400.0
            continue
        sample.columns.append(made)
        mixed = list(column_values.units(sample, made))
        yield from _told(mixed)
        if not mixed:
            yield from _told(column_values.far_values(sample, made))
    yield from _told(column_pairs.correlated(sample))
    yield from _told(column_pairs.out_of_order(sample, days))


def _column(column: facts.Column, each: Sampled) -> SampledColumn | None:
    if each.codes is not None:
        values = np.where(each.codes < 0, np.nan, each.codes.astype(np.float64))
        return SampledColumn(column.name, "text", values, each.words, column.distinct)
    if each.numbers is None:
        return None
    kind = "integer" if column.kind == "whole number" else "number"
    return SampledColumn(column.name, kind, each.numbers, [], column.distinct)


def _told(issues: Iterator[Issue] | list[Issue]) -> Iterator[Finding]:
    for issue in issues:
        sampled = issue.kind in {"odd-value", "mixed-units"}
        # Two clusters are often just that: without knowing what a column is about, units are a guess.
        severity = min(issue.severity, _GUESS) if issue.kind == "mixed-units" else issue.severity
        message = f"{issue.message} (of a sample)" if sampled else issue.message
        yield Finding(issue.kind, issue.column or "", severity, message)


def _alike(pairs: facts.Pairs, told: set[str]) -> Iterator[Finding]:
    """Yield the pairs that depend strongly on each other, but for those that say the same."""
    listed = []
    for one, row in enumerate(pairs.matrix):
        for other in range(one + 1, len(row)):
            value = row[other]
            if value is not None and abs(value) >= _ALIKE and pairs.columns[other] not in told:
                listed.append((abs(value), value, pairs.columns[one], pairs.columns[other]))
    for _, value, one_name, other_name in sorted(listed, key=lambda each: (-each[0], each[2:]))[:_CASES]:
        words = f"columns {one_name!r} and {other_name!r} depend strongly on each other: {value:+.2f}"
        yield Finding("highly-correlated", other_name, round(0.15 + 0.1 * abs(value), 3), words)


def _short(word: str) -> str:
    return word if len(word) <= 40 else f"{word[:39]}…"
