"""What is wrong with the columns of a table: missing, constant, identifier-like, leaking the answer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.clean import column_answers, column_groups, column_leaks, column_pairs, column_values
from modelwright.prepare.clean.column_leaks import LEAST_ROWS, Tally, by_class
from modelwright.prepare.clean.column_oddities import hidden_missing, rare_categories
from modelwright.prepare.clean.column_sample import Sample
from modelwright.prepare.clean.column_whole import Whole, read
from modelwright.prepare.divide import moments
from modelwright.prepare.gather.scratch import Scratch, parts
from modelwright.prepare.issues import Issue
from modelwright.tasks.modalities.table import hashing

_MOST_HEADS = 100
"""Beginnings of an identifier's texts beyond which they say nothing."""
_AGAIN = 0.005
"""Share of rows (and one more) that may come twice in a table without making its identifiers something else."""
_MOST_COUNTED = 5_000_000
"""Rows beyond which numbers that come twice are no count of them."""
_LOOKED_AT = 5000
"""Different texts of a column by which it is told whether they are made of words."""
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}([ T].*)?\Z|\d{1,2}[./]\d{1,2}[./]\d{2,4}([ T].*)?\Z")


@dataclass
class ColumnFindings:
    """What the check of all columns gave."""

    issues: list[Issue] = field(default_factory=list)
    keys: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    """``(n,)`` one number a row from all columns but the identifier-like ones: equal rows, equal numbers."""
    summary: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Column to ``{"missing", "distinct", "type"}``, for the report."""
    gaps: NDArray[np.uint16] = field(default_factory=lambda: np.empty(0, np.uint16))
    """``(n,)`` how many values each row lacks."""

    def forget_rows(self) -> None:
        """Give back what is known of single rows."""
        self.keys, self.gaps = np.empty(0, np.uint64), np.empty(0, np.uint16)


def check(
    rows: Path,
    usable: NDArray[np.bool_],
    codes: NDArray[np.signedinteger[Any]],
    numbers: NDArray[np.float64],
    names: Sequence[str] = (),
    *,
    words: bool = False,
    scratch: Scratch | None = None,
) -> ColumnFindings:
    """Check every column of ``rows.parquet``, one after the other by parts, then an even sample of all together.

    Counts are exact. What needs sorting (gaps, outliers, the answer by a column) is asked of at most 200,000 evenly
    spaced rows; that a column gives the answer away is confirmed on all.

    Parameters
    ----------
    usable
        ``(n,)`` which rows count.
    codes, numbers
        ``(n,)`` the labels: class codes (-1 unknown), or numbers (NaN unknown); of one kind all are unknown.
    names
        Class names by code.
    words
        Whether words of texts are learned from: then a column of them is no identifier, however much its texts differ.
    scratch
        Where goes what is larger than memory; None: nowhere.
    """
    scratch = scratch or Scratch()
    rows_in_all = len(usable)
    found = ColumnFindings(keys=scratch.zeros(rows_in_all, np.uint64), gaps=scratch.zeros(rows_in_all, np.uint16))
    values = scratch.zeros(rows_in_all, np.float64)
    columns = names_of(rows)
    sample = Sample.of(usable, codes, numbers, len(columns))
    for name in columns:
        column = read(rows, name, values, found.gaps, scratch)
        found.summary[name] = {"type": column.kind, "missing": column.missing, "distinct": column.distinct}
        found.issues.extend(_of_column(column, sample, usable, codes, numbers, found.keys, names, words=words))
        release()
    already = frozenset(each.column for each in found.issues if each.column and each.kind.startswith("leaking"))
    found.issues.extend(_together(sample, names, already))
    return found


def _of_column(
    column: Whole,
    sample: Sample,
    usable: NDArray[np.bool_],
    codes: NDArray[np.signedinteger[Any]],
    numbers: NDArray[np.float64],
    keys: NDArray[np.uint64],
    names: Sequence[str],
    *,
    words: bool,
) -> Iterator[Issue]:
    """Yield what is wrong with one column; unless it is constant or an identifier, it is a part of the rows' keys."""
    name, kind, distinct = column.name, column.kind, column.distinct
    if column.missing and column.present:
        yield _lacking(name, column.missing, len(column.values))
    if distinct <= 1:
        what = "is always missing" if not column.present else f"always is {_shown(column.first)}"
        yield Issue("constant-column", 0.5, f"column {name!r} {what}", column=name)
        return
    sampled = column.at(sample.places)
    identifier = _identifier(column)
    if identifier:
        learned = words and kind == "text" and _has_words(column.some_words(_LOOKED_AT))
        yield from _telling_identifier(column, sampled, sample, names, learned=learned)
        if not learned:
            yield Issue(
                "identifier-column",
                0.6,
                f"column {name!r} looks like an identifier: {identifier}",
                column=name,
                evidence={"distinct": distinct, "rows": column.present},
            )
        return
    sample.add(name, kind, sampled, column.words, distinct)
    yield from hidden_missing(column)
    if kind == "text":
        yield from rare_categories(column)
    leak = column_leaks.of_sample(sampled, kind, distinct, sample.codes, sample.numbers)
    if leak and len(sample.places) < int(np.count_nonzero(usable)):
        leak = column_leaks.of_all(column, usable, codes, numbers, sampled)
    if not leak and not _of_dates(column):
        leak = column_answers.of_column(column, sampled, sample, names)
    if leak:
        yield Issue(
            "leaking-column",
            0.9,
            f"column {name!r} gives the answer away: {leak}",
            column=name,
            evidence={"distinct": distinct},
        )
    _mix(keys, column.values)


def _lacking(name: str, missing: int, rows: int) -> Issue:
    share = missing / rows
    return Issue(
        "missing-value",
        round(min(0.2 + share, 0.9), 3),
        f"column {name!r}: {missing} of {rows} values are missing ({share:.1%})",
        column=name,
        evidence={"missing": missing, "rows": rows},
    )


def _together(sample: Sample, names: Sequence[str], already: frozenset[str]) -> Iterator[Issue]:
    """Yield what the sampled columns say: each by its values, and all beside each other.

    Parameters
    ----------
    already
        Columns that are known to tell the answer.
    """
    days: dict[str, NDArray[np.float64]] = {}
    for column in sample.columns:
        dated = column_values.days_of(column)
        if dated is not None:
            days[column.name], wrong = dated
            yield from column_values.odd_dates(sample, column.name, days[column.name], wrong)
            days[column.name] = np.where(days[column.name] > column_values.LATEST, np.nan, days[column.name])
            continue
        mixed = list(column_values.units(sample, column))
        yield from mixed
        if not mixed:
            yield from column_values.far_values(sample, column)
    yield from column_answers.by_moments(sample, days, already)
    yield from column_pairs.correlated(sample)
    moment = moments.find(sample.columns, days)
    if moment is None:
        yield from column_pairs.out_of_order(sample, days, {})
    else:
        named = {each.name: each for each in sample.columns}
        together = moments.joined([named[name] for name in moment.columns]) / moments.DAY
        yield from column_pairs.out_of_order(sample, days, {moment.columns: together})
    yield from column_pairs.leaking_order(sample)
    yield from column_groups.under_represented(sample, list(names))
    yield from column_groups.odd_rows(sample)


def _mix(keys: NDArray[np.uint64], values: NDArray[np.float64]) -> None:
    """Fold a column into the rows' keys, in place; an odd multiplier and a rotation keep equal sums apart."""
    for part in parts(len(keys), keys, values):
        bits = np.where(np.isnan(values[part]), np.float64(1.5e300), values[part] + 0.0).view(np.uint64)
        with np.errstate(over="ignore"):
            mixed = (keys[part] ^ bits) * np.uint64(0x9E3779B97F4A7C15)
            mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
        keys[part] = mixed ^ (mixed >> np.uint64(32))


def _identifier(column: Whole) -> str:
    distinct, present = column.distinct, column.present
    again = present - distinct
    few = again <= _AGAIN * present + 1
    if present < LEAST_ROWS or column.kind == "number":
        return ""
    if column.kind == "text":
        if distinct * 2 < present or (distinct <= 100 and not few) or _of_dates(column):
            return ""
        return f"{distinct} different texts in {present} rows"
    but = f", but for {again}" if again else ""
    if few:
        if _counts(column) if again else column.steps():
            return f"it counts the rows{but}"
        if re.search(
            r"(?:^|[_\W])(?:id|no|nr|key|index)$|(?<=[a-z])(?:Id|ID|No|Nr)$",
            column.name,
            re.IGNORECASE if column.name.islower() else 0,
        ):
            return f"its name says so, and it is different in every row{but}"
    return ""


def _counts(column: Whole) -> bool:
    """Say whether numbers of which some come twice count the rows all the same."""
    if len(column.values) > _MOST_COUNTED:
        return False
    known = column.values[~np.isnan(column.values)]
    steps = np.diff(known[np.sort(np.unique(known, return_index=True)[1])])
    return len(steps) > 0 and bool((steps == steps[0]).all())


def _of_dates(column: Whole) -> bool:
    some = column.words[:50]
    return sum(bool(_DATE.match(value)) for value in some) > len(some) // 2


def _has_words(some: Sequence[str]) -> bool:
    """Say whether most of a column's different texts hold a word that comes up in others too."""
    cut = [set(hashing.pieces(text)) for text in some]
    seen = Counter(piece for pieces in cut for piece in pieces)
    most = hashing.COMMON * len(cut)
    often = sum(any(hashing.LEAST <= seen[piece] <= most for piece in pieces) for pieces in cut)
    return often * 2 >= len(cut)


def _telling_identifier(
    column: Whole, sampled: NDArray[np.float64], sample: Sample, names: Sequence[str], *, learned: bool
) -> Iterator[Issue]:
    """Yield ``leaking-identifier`` where a number, or letters, a word, a date or a number in texts tell the answer.

    It is a ``leaking-column`` where its words are ``learned``.
    """
    known = (sample.codes >= 0) & ~np.isnan(sampled)
    what = ""
    if known.sum() >= LEAST_ROWS:
        inside, codes = sampled[known], sample.codes[known]
        heads = _heads(column, sample.places[known]) if column.kind == "text" else None
        if heads is not None and len(heads[1]) > 1:
            what = by_class([Tally.of(heads[0], codes)], "text", len(heads[1]))
            what = what and f"by the letters that it begins with, {what}"
        elif column.kind != "text":
            what = by_class([Tally.of(inside, codes)], column.kind, len(inside))
    what = what or column_answers.of_column(column, sampled, sample, names)
    if what:
        yield Issue(
            "leaking-column" if learned else "leaking-identifier",
            0.9 if learned else 0.7,
            f"{'column' if learned else 'identifier column'} {column.name!r} gives the answer away: {what}",
            column=column.name,
        )


def _heads(column: Whole, rows: NDArray[np.int64]) -> tuple[NDArray[np.float64], dict[str, int]] | None:
    """Return a number for the letters that each of some texts begins with, and all such letters; None if too many."""
    found: dict[str, int] = {}
    made = np.empty(len(rows))
    for part, piece in column.pieces():
        coded = piece.dictionary_encode()
        own = [found.setdefault(_head(word), len(found)) for word in coded.dictionary.to_pylist()]
        if len(found) > _MOST_HEADS:
            return None
        low, high = np.searchsorted(rows, [part.start, part.stop])
        at = coded.indices.take(rows[low:high] - part.start).to_numpy(zero_copy_only=False)
        made[low:high] = np.array(own)[at]
    return made, found


def _head(word: str) -> str:
    return word[: next((place for place, letter in enumerate(word) if not letter.isalpha()), len(word))]


def release() -> None:
    """Give back what Arrow keeps of the memory that a column took."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()


def names_of(rows: Path) -> list[str]:
    """Return the columns of a Parquet file."""
    from pyarrow import parquet

    return list(parquet.read_schema(rows).names)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "…"
