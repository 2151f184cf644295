"""How much one column says about another: numbers with numbers, words with words, words with numbers.

All are computed on a bounded sample, pairwise complete: a row counts for a pair if both values are there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

MOST_VALUES = 50
"""Different words that are told apart; the rarer ones count as one."""
_LEAST = 20
"""Rows with both values below which nothing is said about a pair."""


@dataclass(frozen=True)
class Column:
    """One column of the sample: numbers (NaN: missing), or words as codes (-1: missing)."""

    name: str
    numbers: Floats | None = None
    codes: Codes | None = None


def pearson(columns: Sequence[Floats]) -> Floats:
    """Return ``(k, k)`` correlations of columns of equal length, pairwise complete; NaN where undefined."""
    values = np.stack(columns, 1)
    there = np.isfinite(values)
    # Centred and scaled first: the sums of products below would lose large numbers' small differences.
    with np.errstate(invalid="ignore", divide="ignore"):
        count = np.maximum(there.sum(0), 1)
        filled = np.where(there, values, 0.0)
        centred = np.where(there, values - filled.sum(0) / count, 0.0)
        scale = np.sqrt((centred**2).sum(0) / count)
        unit = np.where(scale > 0, centred / np.where(scale > 0, scale, 1.0), 0.0)
        mask = there.astype(np.float64)
        both = mask.T @ mask
        first, square = unit.T @ mask, (unit**2).T @ mask
        product = unit.T @ unit
        covariance = product - first * first.T / both
        variance = square - first**2 / both
        found = covariance / np.sqrt(variance * variance.T)
        enough = (both >= _LEAST) & (variance > 1e-12) & (variance.T > 1e-12)
    return np.where(enough, np.clip(found, -1.0, 1.0), np.nan)


def ranks(values: Floats) -> Floats:
    """Return the ranks of the present values, ties sharing their mean rank; NaN stays NaN."""
    made = np.full(len(values), np.nan)
    present = np.flatnonzero(np.isfinite(values))
    if len(present):
        _, inverse, counts = np.unique(values[present], return_inverse=True, return_counts=True)
        ends = np.cumsum(counts)
        made[present] = ((ends - counts + ends - 1) / 2)[inverse]
    return made


def correlation_ratio(numbers: Floats, codes: Codes) -> float:
    """Return 0..1: the root of the share of a number's variance that lies between groups (Fisher's eta).

    Examples
    --------
    >>> codes = np.arange(100) % 2
    >>> correlation_ratio(codes * 3.0, codes)
    1.0
    """
    known = np.isfinite(numbers) & (codes >= 0)
    if known.sum() < _LEAST:
        return float("nan")
    values, groups = numbers[known], codes[known]
    values = values - values.mean()
    whole = float((values**2).sum())
    if whole <= 0:
        return float("nan")
    sums = np.bincount(groups, values)
    counts = np.bincount(groups)
    between = float((sums[counts > 0] ** 2 / counts[counts > 0]).sum())
    return float(np.sqrt(min(between / whole, 1.0)))


def cramers_v(one: Codes, other: Codes) -> float:
    """Return 0..1: Cramér's V of two columns of words, corrected for its bias (Bergsma 2013).

    Examples
    --------
    >>> codes = np.arange(1000) % 4
    >>> round(cramers_v(codes, codes), 3), cramers_v(codes, np.arange(1000) // 4 % 5)
    (1.0, 0.0)
    """
    known = (one >= 0) & (other >= 0)
    total = int(known.sum())
    if total < _LEAST:
        return float("nan")
    left = np.unique(one[known], return_inverse=True)[1]
    right = np.unique(other[known], return_inverse=True)[1]
    rows, columns = int(left.max()) + 1, int(right.max()) + 1
    if rows < 2 or columns < 2:
        return float("nan")
    table = np.bincount(left * columns + right, minlength=rows * columns).reshape(rows, columns).astype(np.float64)
    expected = table.sum(1, keepdims=True) @ table.sum(0, keepdims=True) / total
    phi = float(((table - expected) ** 2 / expected).sum()) / total
    phi = max(0.0, phi - (rows - 1) * (columns - 1) / (total - 1))
    least = min(rows - (rows - 1) ** 2 / (total - 1), columns - (columns - 1) ** 2 / (total - 1)) - 1
    return float(np.sqrt(min(phi / least, 1.0))) if least > 0 else float("nan")


def explained(column: Column, answer: Column) -> float:
    """Return what share of the answer a column explains, 0..1, corrected for what chance would explain.

    Of classes, the share of their entropy (Theil's uncertainty coefficient, less the bias of Miller 1955); of a number,
    the share of its variance (epsilon squared, Kelley 1935). Numbers are cut into twenty bins of equally many values
    first, so that a dependence of any shape counts. NaN where there are too few rows.

    Examples
    --------
    >>> x = np.arange(1000.0)
    >>> explained(Column("x", numbers=x), Column("y", codes=(np.abs(x - 500) < 250).astype(np.int64))) > 0.95
    True
    """
    groups = _binned(column.numbers) if column.numbers is not None else column.codes
    assert groups is not None
    if answer.numbers is not None:
        known = (groups >= 0) & np.isfinite(answer.numbers)
        total, kinds = int(known.sum()), len(np.unique(groups[known]))
        eta = correlation_ratio(answer.numbers[known], groups[known])
        if not np.isfinite(eta) or total <= kinds:
            return float("nan")
        return max(0.0, 1 - (1 - eta**2) * (total - 1) / (total - kinds))
    assert answer.codes is not None
    known = (groups >= 0) & (answer.codes >= 0)
    total = int(known.sum())
    if total < _LEAST:
        return float("nan")
    left = np.unique(groups[known], return_inverse=True)[1]
    right = np.unique(answer.codes[known], return_inverse=True)[1]
    columns = int(right.max()) + 1
    if columns < 2:
        return float("nan")
    table = np.bincount(left * columns + right).astype(np.float64)
    rows = int(left.max()) + 1
    entropy = _entropy(np.bincount(right), total)
    shared = entropy + _entropy(np.bincount(left), total) - _entropy(table, total)
    return float(np.clip((shared - (rows - 1) * (columns - 1) / (2 * total)) / entropy, 0.0, 1.0))


def _entropy(counts: NDArray[np.generic], total: int) -> float:
    shares = np.asarray(counts, np.float64)
    shares = shares[shares > 0] / total
    return float(-(shares * np.log(shares)).sum())


def _binned(numbers: Floats, bins: int = 20) -> Codes:
    finite = np.isfinite(numbers)
    made = np.full(len(numbers), -1, np.int64)
    if finite.any():
        edges = np.unique(np.quantile(numbers[finite], np.linspace(0, 1, bins + 1)[1:-1]))
        made[finite] = np.searchsorted(edges, numbers[finite], side="left")
    return made


def matrix(columns: Sequence[Column], *, by_rank: bool = True) -> Floats:
    """Return ``(k, k)``: Spearman's (or Pearson's) correlation of numbers, -1 to 1; eta and Cramér's V, 0 to 1.

    Parameters
    ----------
    by_rank
        Spearman's, which sees any rising or falling dependence; ranks are taken before rows are paired.
    """
    count = len(columns)
    made = np.full((count, count), np.nan)
    numeric = [place for place, column in enumerate(columns) if column.numbers is not None]
    if numeric:
        values = [column.numbers for column in columns if column.numbers is not None]
        made[np.ix_(numeric, numeric)] = pearson([ranks(each) if by_rank else each for each in values])
    for place, column in enumerate(columns):
        for before, other in enumerate(columns[:place]):
            found = between(column, other)
            if found is not None:
                made[place, before] = made[before, place] = found
        made[place, place] = 1.0
    return made


def between(one: Column, other: Column) -> float | None:
    """Return what two columns say about each other where at least one holds words; None for two of numbers."""
    if one.codes is not None and other.codes is not None:
        return cramers_v(one.codes, other.codes)
    if one.numbers is not None and other.codes is not None:
        return correlation_ratio(one.numbers, other.codes)
    if one.codes is not None and other.numbers is not None:
        return correlation_ratio(other.numbers, one.codes)
    return None


def coded(values: Sequence[str | None], most: int = MOST_VALUES) -> tuple[Codes, list[str]]:
    """Return words as codes by falling frequency, those beyond ``most`` as one more; -1 for None."""
    import pyarrow as pa

    encoded = pa.array(values, pa.string()).dictionary_encode()
    return by_frequency(encoded, most)


def by_frequency(encoded: object, most: int = MOST_VALUES) -> tuple[Codes, list[str]]:
    """Return the codes of an Arrow dictionary array renumbered as in :func:`coded`, and the names of the codes."""
    from pyarrow import compute

    indices = np.asarray(compute.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False), np.int64)  # type: ignore[attr-defined]
    names = [str(value) for value in encoded.dictionary.to_pylist()]  # type: ignore[attr-defined]
    counts = np.bincount(indices[indices >= 0], minlength=len(names))
    order = np.lexsort((np.array(names), -counts)) if names else np.empty(0, np.int64)
    into = np.empty(len(names) + 1, np.int64)
    into[order] = np.minimum(np.arange(len(names)), most)
    into[-1] = -1
    shown = [names[place] for place in order[:most].tolist()]
    return into[indices], [*shown, "other"] if len(names) > most else shown
