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

from modelwright.prepare.clean import column_groups, column_pairs, column_values
from modelwright.prepare.clean.column_oddities import hidden_missing, rare_categories, telling
from modelwright.prepare.clean.column_sample import Sample
from modelwright.prepare.issues import Issue
from modelwright.prepare.rows import columns_of
from modelwright.tasks.modalities.table import hashing

_PIECE = 1 << 18
_LEAST_ROWS = 30
"""Rows below which "different in every row" and "predicts perfectly" happen by chance."""
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
    gaps: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    """``(n,)`` how many values each row lacks."""

    def forget_rows(self) -> None:
        """Give back what is known of single rows."""
        self.keys, self.gaps = np.empty(0, np.uint64), np.empty(0, np.int32)


def check(
    rows: Path,
    usable: NDArray[np.bool_],
    codes: NDArray[np.int64],
    numbers: NDArray[np.float64],
    names: Sequence[str] = (),
    *,
    words: bool = False,
) -> ColumnFindings:
    """Check every column of ``rows.parquet``, one in memory at a time, then an even sample of all together.

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
    """
    found = ColumnFindings(keys=np.zeros(len(usable), np.uint64), gaps=np.zeros(len(usable), np.int32))
    sample: Sample | None = None
    for name, column in columns_of(rows):
        dense = column.combine_chunks()
        kind, missing, distinct, dense = _facts(dense)
        if sample is None:
            sample = Sample.of(usable, codes, numbers, width_of(rows))
        present = len(dense) - missing
        if missing:
            found.gaps += dense.is_null().to_numpy(zero_copy_only=False)
        found.summary[name] = {"type": kind, "missing": missing, "distinct": distinct}
        if missing and present:
            found.issues.append(_lacking(name, missing, len(dense)))
        if distinct <= 1:
            what = "is always missing" if not present else f"always is {_shown(dense.drop_null()[0].as_py())}"
            found.issues.append(Issue("constant-column", 0.5, f"column {name!r} {what}", column=name))
            continue
        values = _numbers(dense, kind)
        identifier = _identifier(name, dense, values, kind, present, distinct)
        if identifier:
            found.issues.extend(_telling_identifier(name, dense, values, kind, sample))
            if words and kind == "text" and _has_words(dense.dictionary):
                continue
            found.issues.append(
                Issue(
                    "identifier-column",
                    0.6,
                    f"column {name!r} looks like an identifier: {identifier}",
                    column=name,
                    evidence={"distinct": distinct, "rows": present},
                )
            )
            continue
        sample.add(name, kind, dense, values, distinct)
        found.issues.extend(hidden_missing(name, dense, values, kind))
        if kind == "text":
            found.issues.extend(rare_categories(name, dense, len(dense)))
        leak = _leak(values[sample.places], kind, distinct, sample.codes, sample.numbers)
        if leak and len(sample.places) < int(usable.sum()):
            leak = _leak(values[usable], kind, distinct, codes[usable], numbers[usable])
        if leak:
            found.issues.append(
                Issue(
                    "leaking-column",
                    0.9,
                    f"column {name!r} gives the answer away: {leak}",
                    column=name,
                    evidence={"distinct": distinct},
                )
            )
        _mix(found.keys, values)
        del column, dense, values
        release()
    if sample is not None:
        found.issues.extend(_together(sample, names))
    return found


def _lacking(name: str, missing: int, rows: int) -> Issue:
    share = missing / rows
    return Issue(
        "missing-value",
        round(min(0.2 + share, 0.9), 3),
        f"column {name!r}: {missing} of {rows} values are missing ({share:.1%})",
        column=name,
        evidence={"missing": missing, "rows": rows},
    )


def _together(sample: Sample, names: Sequence[str]) -> Iterator[Issue]:
    """Yield what the sampled columns say: each by its values, and all beside each other."""
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
    yield from column_pairs.correlated(sample)
    yield from column_pairs.out_of_order(sample, days)
    yield from column_pairs.leaking_order(sample)
    yield from column_groups.under_represented(sample, list(names))
    yield from column_groups.odd_rows(sample)


def _facts(dense: Any) -> tuple[str, int, int, Any]:
    """Return type, missing and different values of a column, and the column: texts dictionary-encoded."""
    import pyarrow.types as kinds

    missing = int(dense.null_count)
    if kinds.is_integer(dense.type) or kinds.is_floating(dense.type):
        kind = "integer" if kinds.is_integer(dense.type) else "number"
        return kind, missing, different(dense), dense
    coded = dense.dictionary_encode()
    return "text", missing, len(coded.dictionary), coded


def different(dense: Any) -> int:
    """Return how many different values an Arrow array of numbers holds, null and NaN aside.

    Sorted, not hashed: for millions of different numbers a hash table takes ten times their own memory.
    """
    values = np.sort(dense.drop_null().to_numpy(zero_copy_only=False))
    known = values[: np.searchsorted(values, np.nan)] if values.dtype.kind == "f" else values
    return int((np.diff(known) != 0).sum()) + bool(len(known))


def _numbers(dense: Any, kind: str) -> NDArray[np.float64]:
    """Return a column as ``(n,) float64``, NaN where missing; texts as codes in order of appearance."""
    if kind == "text":
        return np.asarray(dense.indices.to_numpy(zero_copy_only=False), np.float64)
    return np.asarray(dense.to_numpy(zero_copy_only=False), np.float64)


def _mix(keys: NDArray[np.uint64], values: NDArray[np.float64]) -> None:
    """Fold a column into the rows' keys, in place; an odd multiplier and a rotation keep equal sums apart."""
    for start in range(0, len(keys), _PIECE):
        part = slice(start, start + _PIECE)
        bits = np.where(np.isnan(values[part]), np.float64(1.5e300), values[part] + 0.0).view(np.uint64)
        with np.errstate(over="ignore"):
            mixed = (keys[part] ^ bits) * np.uint64(0x9E3779B97F4A7C15)
            mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
        keys[part] = mixed ^ (mixed >> np.uint64(32))


def _identifier(name: str, dense: Any, values: NDArray[np.float64], kind: str, present: int, distinct: int) -> str:
    if present < _LEAST_ROWS or kind == "number":
        return ""
    if kind == "text":
        if distinct * 2 < present or (distinct <= 100 and distinct < present):
            return ""
        some = list(dense.dictionary[:50].to_pylist())
        if sum(bool(_DATE.match(value)) for value in some) > len(some) // 2:
            return ""
        return f"{distinct} different texts in {present} rows"
    if distinct == present:
        steps = np.diff(values[~np.isnan(values)])
        if len(steps) and (steps == steps[0]).all():
            return "it counts the rows"
        if re.search(
            r"(?:^|[_\W])(?:id|no|nr|key|index)$|(?<=[a-z])(?:Id|ID|No|Nr)$",
            name,
            re.IGNORECASE if name.islower() else 0,
        ):
            return "its name says so, and it is different in every row"
    return ""


def _has_words(texts: Any) -> bool:
    """Say whether most of a column's different texts hold a word that comes up in others too."""
    some = texts.take(np.unique(np.linspace(0, len(texts) - 1, min(len(texts), _LOOKED_AT)).astype(np.int64)))
    cut = [set(hashing.pieces(text)) for text in some.to_pylist()]
    seen = Counter(piece for pieces in cut for piece in pieces)
    most = hashing.COMMON * len(cut)
    often = sum(any(hashing.LEAST <= seen[piece] <= most for piece in pieces) for pieces in cut)
    return often * 2 >= len(cut)


def _telling_identifier(
    name: str, dense: Any, values: NDArray[np.float64], kind: str, sample: Sample
) -> Iterator[Issue]:
    """Yield ``leaking-identifier`` where a number, or the letters that texts begin with, tell the class."""
    known = (sample.codes >= 0) & ~np.isnan(values[sample.places])
    if known.sum() < _LEAST_ROWS:
        return
    inside, codes = values[sample.places][known], sample.codes[known]
    what = ""
    if kind == "text":
        heads = {word: place for place, word in enumerate(dict.fromkeys(map(_head, dense.dictionary.to_pylist())))}
        if 1 < len(heads) <= 100:
            of_word = np.array([heads[_head(word)] for word in dense.dictionary.to_pylist()], np.float64)
            what = _category_leak(of_word[inside.astype(np.int64)], codes, "text", len(heads))
            what = what and f"by the letters that it begins with, {what}"
    else:
        what = _category_leak(inside, codes, kind, len(inside))
    if what:
        yield Issue(
            "leaking-identifier",
            0.7,
            f"identifier column {name!r} gives the answer away: {what}",
            column=name,
        )


def _head(word: str) -> str:
    return word[: next((place for place, letter in enumerate(word) if not letter.isalpha()), len(word))]


def _leak(
    values: NDArray[np.float64],
    kind: str,
    distinct: int,
    codes: NDArray[np.int64],
    numbers: NDArray[np.float64],
) -> str:
    known = ~np.isnan(values)
    if known.sum() < max(_LEAST_ROWS, 0.9 * len(values)):
        return ""
    if (codes >= 0).any():
        known &= codes >= 0
        return _category_leak(values[known], codes[known], kind, distinct)
    known &= ~np.isnan(numbers)
    if kind == "text" or known.sum() < _LEAST_ROWS:
        return ""
    left, right = values[known], numbers[known]
    if left.std() == 0 or right.std() == 0:
        return ""
    correlation = float(np.corrcoef(left, right)[0, 1])
    return f"its correlation with the answer is {correlation:.6f}" if abs(correlation) > 0.99999 else ""


def _category_leak(values: NDArray[np.float64], codes: NDArray[np.int64], kind: str, distinct: int) -> str:
    classes = len(np.unique(codes))
    if classes < 2 or len(values) < _LEAST_ROWS:
        return ""
    order = np.lexsort((codes, values))
    ordered_values, ordered_codes = values[order], codes[order]
    change = np.diff(ordered_codes) != 0
    torn = bool((change & (np.diff(ordered_values) == 0)).any())
    if torn:
        return telling(values, codes, kind, distinct)
    if kind != "text" and int(change.sum()) == classes - 1:
        return "the classes lie in separate ranges of it, without one exception"
    if distinct * 5 <= len(values):
        return f"each of its {distinct} values occurs with one class only"
    return telling(values, codes, kind, distinct)


def release() -> None:
    """Give back what Arrow keeps of the memory that a column took."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()


def width_of(rows: Path) -> int:
    """Return the number of columns of a Parquet file."""
    from pyarrow import parquet

    return int(parquet.read_metadata(rows).num_columns)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "…"
