"""What columns say together: the same thing twice, an end before its beginning, the answer by the order of rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.clean.column_sample import Column, Sample
from modelwright.prepare.issues import Issue

_LEAST = 30
_ALIKE = 0.999
"""Correlation from which two columns are one."""
_ORDERED = 0.95
"""Share of rows in which one date comes before the other, from which it always should."""
_FEW_CHANGES = 0.05
"""Changes of the answer from row to row over those expected by chance, below which the rows are sorted by it."""


def correlated(sample: Sample) -> Iterator[Issue]:
    """Yield ``correlated-columns`` for numbers that correlate beyond 0.999, and for categories that map one to one."""
    numeric = [each for each in sample.columns if each.kind != "text" and each.distinct > 2]
    told: set[str] = set()
    if len(numeric) > 1 and len(sample.places) >= _LEAST:
        yield from _linear(numeric, told)
    coded = [(each, codes) for each in sample.columns if (codes := each.codes(1000)) is not None and each.distinct > 2]
    for place, (one, left) in enumerate(coded):
        for other, right in coded[place + 1 :]:
            if one.distinct != other.distinct or other.name in told or (one.kind != "text" and other.kind != "text"):
                continue
            both = len(np.unique(left * 1001 + right))
            if both == len(np.unique(left)) == len(np.unique(right)) and len(sample.places) >= 5 * one.distinct:
                told.add(other.name)
                yield Issue(
                    "correlated-columns",
                    0.3,
                    f"columns {one.name!r} and {other.name!r} say the same: their values go together one to one",
                    column=other.name,
                    evidence={"with": one.name, "values": one.distinct},
                )


def _linear(numeric: list[Column], told: set[str]) -> Iterator[Issue]:
    matrix = np.stack([each.values for each in numeric])
    known = ~np.isnan(matrix)
    counts = known.sum(1)
    filled = np.where(known, matrix, 0.0)
    means = filled.sum(1) / np.maximum(counts, 1)
    centred = np.where(known, matrix - means[:, None], 0.0)
    norms = np.sqrt((centred**2).sum(1))
    with np.errstate(invalid="ignore", divide="ignore"):
        rough = np.abs(centred @ centred.T) / np.outer(norms, norms)
    for one, other in zip(*np.nonzero(np.triu(rough > 0.9, 1)), strict=True):
        both = known[one] & known[other]
        if both.sum() < _LEAST or numeric[other].name in told:
            continue
        left, right = matrix[one, both], matrix[other, both]
        if left.std() == 0 or right.std() == 0:
            continue
        r = float(np.corrcoef(left, right)[0, 1])
        if abs(r) > _ALIKE:
            told.add(numeric[other].name)
            yield Issue(
                "correlated-columns",
                0.4,
                f"columns {numeric[one].name!r} and {numeric[other].name!r} say the same: their correlation is {r:.5f}",
                column=numeric[other].name,
                evidence={"with": numeric[one].name, "correlation": round(r, 6)},
            )


def out_of_order(
    sample: Sample,
    dates: Mapping[str, NDArray[np.float64]],
    together: Mapping[tuple[str, ...], NDArray[np.float64]] = MappingProxyType({}),
) -> Iterator[Issue]:
    """Yield ``dates-out-of-order`` where one date nearly always comes before another, and in some rows does not.

    Parameters
    ----------
    dates
        Column to ``(m,)`` days since 1970, NaN where there is none.
    together
        The same of columns that say one moment together: a date in them is not looked at alone.
    """
    names = list(dates)
    for place, one in enumerate(names):
        for other in names[place + 1 :]:
            both = ~np.isnan(dates[one]) & ~np.isnan(dates[other])
            if both.sum() < _LEAST:
                continue
            apart = dates[other][both] - dates[one][both]
            first, second = (one, other) if (apart >= 0).mean() >= 0.5 else (other, one)
            wrong = apart < 0 if first == one else apart > 0
            if not 0 < wrong.sum() <= (1 - _ORDERED) * len(wrong):
                continue
            rows = sample.places[both][wrong].tolist()
            yield Issue(
                "dates-out-of-order",
                0.5,
                f"column {second!r} is earlier than {first!r} in {len(rows)} of {len(wrong)} rows only",
                column=second,
                evidence={"before": first, "rows": rows[:20], "count": len(rows)},
                places=rows,
            )
    joined = {name for columns in together for name in columns}
    for columns, days in (*(((name,), days) for name, days in dates.items() if name not in joined), *together.items()):
        yield from _backward(sample, columns, days)


def _backward(sample: Sample, columns: Sequence[str], days: NDArray[np.float64]) -> Iterator[Issue]:
    known = ~np.isnan(days)
    steps = np.diff(days[known])
    if len(steps) < _LEAST:
        return
    back = np.flatnonzero(steps < 0)
    if 0 < len(back) <= 0.01 * len(steps) and (steps > 0).mean() > 0.5:
        yield Issue(
            "dates-out-of-order",
            0.4,
            f"{_named(columns)} from row to row, but {'goes' if len(columns) == 1 else 'go'} back in {len(back)} of "
            f"{len(steps)} steps",
            column=columns[0],
            evidence={
                "rows": sample.places[known][back + 1][:20].tolist(),
                "count": len(back),
                **({"columns": list(columns)} if len(columns) > 1 else {}),
            },
        )


def _named(columns: Sequence[str]) -> str:
    if len(columns) == 1:
        return f"column {columns[0]!r} grows"
    return f"columns {' and '.join(map(repr, columns))}, one moment together, grow"


def leaking_order(sample: Sample) -> Iterator[Issue]:
    """Yield ``leaking-order`` if the rows are sorted by the answer, or a column that counts them tells it.

    Runs of equal answers are counted (Wald and Wolfowitz 1940); a number's order is its rank correlation with the row.
    """
    share = _sorted(sample)
    if share is None:
        return
    growing = [each.name for each in sample.columns if each.kind != "text" and _grows(each)]
    if growing:
        for name in growing:
            yield Issue(
                "leaking-order",
                0.7,
                f"the rows are sorted by the answer ({share}), and column {name!r} grows with them: it tells it",
                column=name,
                evidence={"order": share},
            )
        return
    yield Issue(
        "leaking-order",
        0.2,
        f"the rows are sorted by the answer ({share}): whatever counts rows or files tells it",
        evidence={"order": share},
    )


def _sorted(sample: Sample) -> str | None:
    known = sample.codes >= 0
    if known.any():
        codes = sample.codes[known]
        shares = np.bincount(codes) / len(codes)
        expected = (1.0 - float((shares**2).sum())) * (len(codes) - 1)
        changes = int((np.diff(codes) != 0).sum())
        if len(codes) < _LEAST or expected < 10 or changes > _FEW_CHANGES * expected:
            return None
        return f"it changes {changes} times from row to row, {expected:.0f} times by chance"
    values = sample.numbers[~np.isnan(sample.numbers)]
    if len(values) < _LEAST or np.ptp(values) == 0:
        return None
    ranks = np.argsort(np.argsort(values, kind="stable"), kind="stable")
    r = float(np.corrcoef(ranks, np.arange(len(ranks)))[0, 1])
    return f"its rank correlation with the row's number is {r:.3f}" if abs(r) > 0.98 else None


def _grows(column: Column) -> bool:
    values = column.values[column.known]
    if len(values) < _LEAST or column.distinct < len(values) // 2:
        return False
    steps = np.diff(values)
    return bool((steps >= 0).mean() > 0.99 or (steps <= 0).mean() > 0.99)
