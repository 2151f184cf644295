"""What is wrong with the columns of a table: missing, constant, identifier-like, leaking the answer."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.column_oddities import hidden_missing, rare_categories, telling
from modelwright.prepare.gather import columns_of
from modelwright.prepare.issues import Issue

_LEAST_ROWS = 30
"""Rows below which "different in every row" and "predicts perfectly" happen by chance."""
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}([ T].*)?\Z|\d{1,2}[./]\d{1,2}[./]\d{2,4}([ T].*)?\Z")


@dataclass
class ColumnFindings:
    """What the check of all columns gave."""

    issues: list[Issue] = field(default_factory=list)
    keys: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    """``(n,)`` one number a row from all columns but the identifier-like ones: equal rows, equal numbers."""
    summary: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Column to ``{"missing", "distinct", "type"}``, for the report."""


def check(
    rows: Path, usable: NDArray[np.bool_], codes: NDArray[np.int64], numbers: NDArray[np.float64]
) -> ColumnFindings:
    """Check every column of ``rows.parquet``, one in memory at a time.

    Parameters
    ----------
    usable
        ``(n,)`` which rows count.
    codes, numbers
        ``(n,)`` the labels: class codes (-1 unknown), or numbers (NaN unknown); of one kind all are unknown.
    """
    found = ColumnFindings(keys=np.zeros(len(usable), np.uint64))
    for name, column in columns_of(rows):
        dense = column.combine_chunks()
        kind, missing, distinct = _facts(dense)
        present = len(dense) - missing
        found.summary[name] = {"type": kind, "missing": missing, "distinct": distinct}
        if missing and present:
            share = missing / len(dense)
            found.issues.append(
                Issue(
                    "missing-value",
                    round(min(0.2 + share, 0.9), 3),
                    f"column {name!r}: {missing} of {len(dense)} values are missing ({share:.1%})",
                    column=name,
                    evidence={"missing": missing, "rows": len(dense)},
                )
            )
        if distinct <= 1:
            what = "is always missing" if not present else f"always is {_shown(dense.drop_null()[0].as_py())}"
            found.issues.append(Issue("constant-column", 0.5, f"column {name!r} {what}", column=name))
            continue
        values = _numbers(dense, kind)
        identifier = _identifier(name, dense, values, kind, present, distinct)
        if identifier:
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
        found.issues.extend(hidden_missing(name, dense, values, kind))
        if kind == "text":
            found.issues.extend(rare_categories(name, dense, len(dense)))
        leak = _leak(values, kind, distinct, usable, codes, numbers)
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
    return found


def _facts(dense: Any) -> tuple[str, int, int]:
    import pyarrow.types as kinds
    from pyarrow import compute

    kind = "integer" if kinds.is_integer(dense.type) else "number" if kinds.is_floating(dense.type) else "text"
    return kind, int(dense.null_count), int(compute.count_distinct(dense, mode="only_valid").as_py())


def _numbers(dense: Any, kind: str) -> NDArray[np.float64]:
    """Return a column as ``(n,) float64``, NaN where missing; texts as codes in order of appearance."""
    if kind == "text":
        encoded = dense.dictionary_encode().indices
        return np.asarray(encoded.to_numpy(zero_copy_only=False), np.float64)
    return np.asarray(dense.to_numpy(zero_copy_only=False), np.float64)


def _mix(keys: NDArray[np.uint64], values: NDArray[np.float64]) -> None:
    """Fold a column into the rows' keys, in place; an odd multiplier and a rotation keep equal sums apart."""
    bits = np.where(np.isnan(values), np.float64(1.5e300), values + 0.0).view(np.uint64)
    with np.errstate(over="ignore"):
        mixed = (keys ^ bits) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    keys[:] = mixed ^ (mixed >> np.uint64(32))


def _identifier(name: str, dense: Any, values: NDArray[np.float64], kind: str, present: int, distinct: int) -> str:
    if present < _LEAST_ROWS or kind == "number":
        return ""
    if kind == "text":
        if distinct * 2 < present or (distinct <= 100 and distinct < present):
            return ""
        some = list(dense.drop_null()[:50].to_pylist())
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


def _leak(
    values: NDArray[np.float64],
    kind: str,
    distinct: int,
    usable: NDArray[np.bool_],
    codes: NDArray[np.int64],
    numbers: NDArray[np.float64],
) -> str:
    known = usable & ~np.isnan(values)
    if known.sum() < max(_LEAST_ROWS, 0.9 * usable.sum()):
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


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "…"
