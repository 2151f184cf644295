"""Groups of rows: those that hardly occur, those whose answers differ by sex or race, and rows unlike all others."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.clean import outliers
from modelwright.prepare.clean.column_sample import Column, Sample
from modelwright.prepare.clean.unusual import distance
from modelwright.prepare.gather.spaced import spaced
from modelwright.prepare.issues import Issue

_FEW = 30
"""Rows from which figures about a group say something."""
_RARE = 0.005
_FOUR_FIFTHS = 0.8
"""The lowest rate of an answer over the highest, below which groups are treated differently (US Uniform Guidelines on
Employee Selection Procedures, 1978, section 4D)."""
_PROTECTED = re.compile(
    r"(?:^|[_\W])(sex|gender|race|ethnic\w*|religion|nationality|native[-_ ]?country|disab\w*|marital[-_ ]?\w*|"
    r"orientation|geschlecht|nationalit\w*)(?:$|[_\W])",
    re.IGNORECASE,
)
_ROWS = 20_000
_FAR = 6.0
_LISTED = 20


def under_represented(sample: Sample, names: list[str]) -> Iterator[Issue]:
    """Yield ``under-represented`` for groups of few rows, and for protected groups with other answers.

    Parameters
    ----------
    names
        Class names by code; empty for numbers.
    """
    coded = [
        (each, codes)
        for each in sample.columns
        if each.distinct > 1 and (codes := each.codes(20 if each.kind == "text" else 10)) is not None
    ]
    for column, codes in coded:
        counts = np.bincount(codes)
        few = [code for code in np.flatnonzero(counts).tolist() if code and counts[code] < few_rows(len(sample.places))]
        if few and len(few) < len(counts) - 1:
            listed = ", ".join(f"{column.shown(code)} ({counts[code]})" for code in few[:8])
            yield Issue(
                "under-represented",
                0.3,
                f"column {column.name!r}: groups of few rows, about which a model learns little: {listed}",
                column=column.name,
                evidence={"groups": {column.shown(code): int(counts[code]) for code in few[:50]}},
            )
        if _PROTECTED.search(column.name):
            yield from _rates(sample, column, codes, names)


def few_rows(rows: int) -> float:
    """Return of how many rows a group must be, of so many in all, for a model to learn about it."""
    least = max(5, rows // 50) if rows < 1000 else _FEW
    return max(float(least), min(_RARE * rows, 3.0 * least))


def _rates(sample: Sample, column: Column, codes: NDArray[np.int64], names: list[str]) -> Iterator[Issue]:
    """Compare the shares of each class, or the means of a number, between the groups of a protected attribute."""
    known = (sample.codes >= 0) if names else ~np.isnan(sample.numbers)
    groups = [code for code in np.unique(codes[known]).tolist() if code and ((codes == code) & known).sum() >= _FEW]
    if len(groups) < 2:
        return
    answers = np.unique(sample.codes[known]).tolist() if names else [-1]
    if len(answers) == 2:
        answers = [min(answers, key=lambda each: int((sample.codes == each).sum()))]
    for answer in answers[:20]:
        if names:
            rates = {code: float((sample.codes[known & (codes == code)] == answer).mean()) for code in groups}
            what = f"the share of {names[answer]!r}"
        else:
            rates = {code: float(sample.numbers[known & (codes == code)].mean()) for code in groups}
            what = "the mean answer"
            if min(rates.values()) <= 0:
                return
        low, high = min(rates, key=lambda each: rates[each]), max(rates, key=lambda each: rates[each])
        if rates[high] <= 0 or rates[low] / rates[high] >= _FOUR_FIFTHS:
            continue
        yield Issue(
            "under-represented",
            0.6,
            f"{what} differs by {column.name!r}: {rates[low]:.3g} for {column.shown(low)!r}, {rates[high]:.3g} for "
            f"{column.shown(high)!r}; less than four fifths of it. A model learns that difference",
            column=f"{column.name}: {names[answer]}" if names else column.name,
            evidence={"rates": {column.shown(code): round(rate, 4) for code, rate in rates.items()}},
        )


def odd_rows(sample: Sample) -> Iterator[Issue]:
    """Yield ``odd-row`` for the rows farthest from their tenth neighbour; see :mod:`outliers`.

    Numbers are robust deviations (at most eight, so that one absurd value doesn't hide all else), categories the rarer
    the farther (square root of the reciprocal of their share, halved).
    """
    some = spaced(np.arange(len(sample.places)), _ROWS)
    parts = [part for each in sample.columns if (part := _scaled(each, some)) is not None][:60]
    if len(parts) < 3 or len(some) < outliers.LEAST:
        return
    z = outliers.farness(np.stack(parts, 1).astype(np.float32))
    far = [place for place in np.argsort(-z, kind="stable")[:_LISTED].tolist() if z[place] >= _FAR]
    if far:
        rows = sample.places[some[far]].tolist()
        yield Issue(
            "odd-row",
            round(min(0.3 + (float(z[far[0]]) - _FAR) / 20, 0.6), 3),
            f"{len(far)} rows are unlike all others in what they combine, the farthest first: {rows[:5]}",
            evidence={"rows": rows, "distances": [round(float(z[place]), 2) for place in far]},
            places=rows,
        )


def _scaled(column: Column, some: NDArray[np.int64]) -> NDArray[np.float64] | None:
    values = column.values[some]
    known = ~np.isnan(values)
    if known.sum() < _FEW:
        return None
    made = np.zeros(len(some))
    if column.kind != "text":
        if np.ptp(values[known]) == 0:
            return None
        made[known] = np.clip(distance(values[known]), -8.0, 8.0)
        return made
    if column.distinct > 100:
        return None
    codes = values[known].astype(np.int64)
    shares = np.bincount(codes) / len(codes)
    made[known] = 0.5 / np.sqrt(shares[codes])
    return made
