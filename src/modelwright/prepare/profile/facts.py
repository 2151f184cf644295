"""What is found out about a table: plain figures, ready for JSON. The page is a drawing of them."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Kind = Literal[
    "number", "whole number", "category", "text", "date", "boolean", "identifier", "constant", "empty", "nested"
]


@dataclass(frozen=True)
class Numbers:
    """Figures about numbers; for dates, seconds since 1970-01-01 UTC.

    Parameters
    ----------
    count
        Finite numbers; the moments, quantiles and the histogram are of these.
    low, high, mean, std, variance, skewness, kurtosis, sum
        Exact up to rounding; std and variance with n - 1. Skewness and excess kurtosis without their bias.
    quantiles
        ``"1%"``, ``"5%"``, ``"25%"``, ``"50%"``, ``"75%"``, ``"95%"``, ``"99%"``; :attr:`rank_error` says how exact.
    rank_error
        How far a quantile's rank can be off at most, as a share of :attr:`count`; 0: exact.
    deviation
        Median absolute deviation from the median.
    zeros, negatives, infinite, nan
        Cells.
    grows
        ``"up"``, ``"strictly up"``, ``"down"``, ``"strictly down"`` from row to row, or ``""``.
    edges, bins
        A histogram: ``m + 1`` edges and ``m`` counts of finite numbers; the outermost bins hold what is beyond, too.
    """

    count: int
    low: float | int | None = None
    high: float | int | None = None
    mean: float | None = None
    std: float | None = None
    variance: float | None = None
    skewness: float | None = None
    kurtosis: float | None = None
    sum: float | None = None
    quantiles: dict[str, float] = field(default_factory=dict)
    rank_error: float = 0.0
    deviation: float | None = None
    zeros: int = 0
    negatives: int = 0
    infinite: int = 0
    nan: int = 0
    grows: str = ""
    edges: tuple[float, ...] = ()
    bins: tuple[int, ...] = ()


@dataclass(frozen=True)
class Column:
    """Figures about one column.

    Parameters
    ----------
    kind, why
        What it holds, and how that was told.
    rows, missing
        Cells, and those without a value.
    distinct, distinct_error
        Different values, and the standard error of that figure as a share of it; 0: exact.
    top, top_missed
        The most frequent values with their counts, and by how much these may be too low.
    numbers
        Of numbers and dates.
    lengths
        Of texts: how many characters they have.
    strays
        Of numbers: cells that are none, and are counted as missing; the first of them with their counts.
    """

    name: str
    kind: Kind
    why: str
    rows: int
    missing: int
    distinct: int
    distinct_error: float = 0.0
    top: tuple[tuple[str, int], ...] = ()
    top_missed: int = 0
    numbers: Numbers | None = None
    lengths: Numbers | None = None
    strays: dict[str, int] = field(default_factory=dict)

    @property
    def present(self) -> int:
        """Cells with a value."""
        return self.rows - self.missing


@dataclass(frozen=True)
class Finding:
    """Something to look at: what, where, how bad from 0 to 1, in words."""

    kind: str
    column: str
    severity: float
    message: str


@dataclass(frozen=True)
class Pairs:
    """How columns depend on each other.

    Parameters
    ----------
    columns, matrix
        Names, and for each pair a figure (None: undefined): numbers with numbers Spearman's rank correlation, words
        with words Cramér's V, words with numbers the correlation ratio; of :attr:`sampled` rows.
    straight, pearson
        The numbers, and Pearson's correlation of :attr:`straight_rows` rows.
    """

    columns: tuple[str, ...] = ()
    matrix: tuple[tuple[float | None, ...], ...] = ()
    sampled: int = 0
    straight: tuple[str, ...] = ()
    pearson: tuple[tuple[float | None, ...], ...] = ()
    straight_rows: int = 0


@dataclass(frozen=True)
class Cloud:
    """How the sampled rows lie in two numbers: ``counts[i][j]`` of them in the i-th stretch of y and the j-th of x."""

    x: str
    y: str
    x_edges: tuple[float, ...]
    y_edges: tuple[float, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Profile:
    """What is known of a table.

    Parameters
    ----------
    name
        The file's name.
    bytes_on_disk
        Of the file; None of a query.
    bytes_in_memory
        Of the cells as Arrow columns.
    rows, complete_rows
        All, and those without a missing value.
    copies, copies_error
        Rows that are equal to an earlier one, and the standard error of that figure in rows; 0: exact.
    copied
        How many different rows occur more than once; None where copies are estimated.
    patterns
        Which columns are missing together, with the number of rows, the most frequent first.
    other_patterns
        How many rarer combinations there are.
    clouds
        The pairs of numbers that depend most on each other, as they lie.
    rejected
        By kind, what could not be read as a row, and the first few in words.
    remarks
        How the file was read, in words.
    head, tail
        The first and the last rows as texts, None where nothing is.
    sampled
        Rows of the even sample that associations and some findings are of.
    """

    name: str
    bytes_on_disk: int | None
    bytes_in_memory: int
    rows: int
    complete_rows: int
    missing: int
    columns: tuple[Column, ...]
    copies: int = 0
    copies_error: float = 0.0
    copied: int | None = 0
    patterns: tuple[tuple[tuple[str, ...], int], ...] = ()
    other_patterns: int = 0
    pairs: Pairs = field(default_factory=Pairs)
    clouds: tuple[Cloud, ...] = ()
    findings: tuple[Finding, ...] = ()
    rejected: dict[str, int] = field(default_factory=dict)
    rejected_shown: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    head: tuple[tuple[str | None, ...], ...] = ()
    tail: tuple[tuple[str | None, ...], ...] = ()
    sampled: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON has it: NaN and infinities are None."""
        made = _plain(asdict(self))
        assert isinstance(made, dict)
        return made

    def column(self, name: str) -> Column:
        """Return one column's figures.

        Raises
        ------
        KeyError
            If there is none of that name.
        """
        for each in self.columns:
            if each.name == name:
                return each
        raise KeyError(name)


def percent(part: float, whole: float) -> str:
    """Return a share in percent, never 0% of something or 100% of not all.

    Examples
    --------
    >>> percent(1, 3), percent(1, 10_000), percent(9_999, 10_000), percent(0, 5), percent(3, 3)
    ('33.3%', '< 0.1%', '> 99.9%', '0%', '100%')
    """
    if not whole or not part:
        return "0%"
    share = 100 * part / whole
    if share < 0.1:
        return "< 0.1%"
    return "> 99.9%" if 99.9 < share < 100 else f"{share:.3g}%"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
