"""Splits by time: what the times are, and where to cut so that training never sees what is later than the test.

Equal times are never cut apart. A group (equal rows, near-duplicates, whatever belongs together) that reaches over a
cut is not moved whole, since that would carry later samples back or earlier ones forward: its earlier members are shut
out, as purging does for overlapping samples (López de Prado, *Advances in Financial Machine Learning*, 2018, 7.4).
The cut is put where that costs least, within two percent of the samples around where the shares ask for it.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import nan
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from modelwright.errors import InputError
from modelwright.prepare.divide.split import TEST, Plan

SLACK = 0.02
"""Share of the samples by which a cut may lie beside where the shares ask for it."""
Form = Literal["number", "date"]


@dataclass(frozen=True)
class Times:
    """When samples were taken.

    Parameters
    ----------
    values
        ``(n,) float64``: the numbers, or seconds since 1970 UTC; NaN where there is none.
    form
        Whether they were written as numbers or as dates.
    unreadable
        Texts that are neither, at most five.
    """

    values: NDArray[np.float64]
    form: Form
    unreadable: tuple[str, ...] = ()

    def shown(self, value: float) -> str:
        """Return one time as a person reads it.

        Examples
        --------
        >>> Times(np.zeros(1), "date").shown(86400.0), Times(np.zeros(1), "number").shown(7.0)
        ('1970-01-02T00:00:00', '7')
        """
        if self.form == "number":
            return f"{value:.12g}"
        return datetime.fromtimestamp(value, UTC).replace(tzinfo=None).isoformat()


class Moments:
    """The times of samples as they come, in any form."""

    def __init__(self) -> None:
        self._numbers = array("d")
        self._texts: dict[int, str] = {}
        self._missing = 0

    def append(self, time: float | str | None) -> None:
        """Add one; None is missing."""
        if time is None and not self._numbers:
            self._missing += 1  # what a source never tells takes no memory
            return
        self._fill()
        if isinstance(time, str):
            self._texts[len(self._numbers)] = time
            time = None
        self._numbers.append(nan if time is None else time)

    def extend(self, times: Any, count: int) -> None:
        """Add an Arrow array of ``count`` numbers or texts; None: nothing but missing ones."""
        if times is None and not self._numbers:
            self._missing += count
            return
        if times is None:
            self._numbers.frombytes(np.full(count, np.nan).tobytes())
            return
        for time in times.to_pylist():
            self.append(time)

    def __len__(self) -> int:
        return self._missing or len(self._numbers)

    @property
    def worded(self) -> bool:
        """Whether any of them is a text."""
        return bool(self._texts)

    def numbers(self) -> NDArray[np.float64]:
        """Return ``(n,)`` those that came as numbers, NaN for all others."""
        if self._missing:
            return np.broadcast_to(np.nan, self._missing)
        return np.frombuffer(self._numbers.tobytes(), np.float64)

    def _fill(self) -> None:
        if self._missing:
            self._numbers.frombytes(np.full(self._missing, np.nan).tobytes())
            self._missing = 0

    def arrow(self) -> Any:
        """Return an Arrow column for :func:`read`: texts where any time was one."""
        import pyarrow as pa

        figures = self.numbers()
        if not self._texts:
            return pa.array(figures, mask=np.isnan(figures))
        told = (None if value != value else repr(value) for value in figures.tolist())  # noqa: PLR0124 - NaN
        return pa.array([self._texts.get(place, figure) for place, figure in enumerate(told)], pa.string())


def read(column: Any) -> Times:
    """Return the times in an Arrow column of numbers, timestamps or texts (all numbers, or dates as tables write them).

    Whether the day stands first in dates such as 3/4/2024 is decided over the whole column, as for a column of dates.
    """
    import pyarrow as pa
    import pyarrow.types as kinds
    from pyarrow import compute

    if not (kinds.is_string(column.type) or kinds.is_large_string(column.type)):
        rounded = column.cast(pa.float64(), safe=False)  # nanoseconds since 1970 have more than 53 bits
        return Times(np.asarray(rounded.to_numpy(zero_copy_only=False), np.float64), "number")
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    trimmed = compute.utf8_trim_whitespace(column)
    trimmed = compute.if_else(compute.equal(trimmed, ""), None, trimmed)
    figures = compute.match_substring_regex(trimmed, r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")
    if compute.all(figures).as_py():
        numbers = trimmed.cast(pa.float64()).to_numpy(zero_copy_only=False)
        return Times(np.asarray(numbers, np.float64), "number")
    return _dates(trimmed)


def _dates(texts: Any) -> Times:
    import pyarrow as pa

    from modelwright.tasks.modalities.table import dates

    try:
        stamps = texts.cast(pa.timestamp("us")).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        pass
    else:
        seconds = stamps.astype("datetime64[us]").astype(np.int64) / 1e6
        return Times(np.where(np.isnat(stamps), np.nan, seconds), "date")
    coded = texts.dictionary_encode()
    words = coded.dictionary.to_pylist()
    day_first = sum(map(dates.speaks_for_day_first, words)) > 0
    made, wrong = np.full(len(words) + 1, np.nan), []
    for place, word in enumerate(words):
        found = dates.parse(word, day_first=day_first)
        if found is None:
            wrong.append(word)
        else:
            made[place] = found.replace(tzinfo=UTC).timestamp()
    codes = coded.indices.fill_null(len(words)).to_numpy(zero_copy_only=False)
    return Times(made[codes], "date", tuple(wrong[:5]))


@dataclass(frozen=True)
class Cuts:
    """The first time of the validation split and of the test split: what is earlier is training's."""

    validation: float
    test: float


def is_calendar(values: NDArray[np.float64]) -> bool:
    """Say whether a source's own times are seconds since 1970, from 1973 to the year 9999.

    Examples
    --------
    >>> is_calendar(np.array([1.7e9])), is_calendar(np.array([250.0]))
    (True, False)
    """
    known = values[np.isfinite(values)]
    return bool(len(known)) and bool(((known >= 1e8) & (known < 253402300800)).all())


def place(times: NDArray[np.float64], groups: NDArray[np.int64], fractions: Sequence[float]) -> Cuts:
    """Return where to cut.

    Parameters
    ----------
    times
        ``(n,)``, all finite.
    groups
        ``(n,)`` group numbers.
    fractions
        Shares of train, validation and test, all above 0.

    Raises
    ------
    InputError
        ``too-few-times`` where there are fewer than three different ones.

    Examples
    --------
    >>> place(np.arange(10.0), np.arange(10), (0.7, 0.1, 0.2))
    Cuts(validation=7.0, test=8.0)
    """
    different, inside, counts = np.unique(times, return_inverse=True, return_counts=True)
    if len(different) < 3:
        raise InputError(
            f"a split by time needs three different times, the samples have {len(different)}",
            code="too-few-times",
            hint="set split.by to stratified, or split.time to a column that says more",
        )
    before = np.concatenate([[0], np.cumsum(counts)])  # samples earlier than each time
    lost = _lost(inside, groups, len(different))
    shares = np.cumsum(np.asarray(fractions, np.float64) / np.sum(fractions)) * len(times)
    last = len(different) - 1
    first = _best(before, lost, float(shares[0]), 1, last - 1, len(times))
    second = _best(before, lost, float(shares[1]), first + 1, last, len(times))
    return Cuts(float(different[first]), float(different[second]))


def _lost(inside: NDArray[np.int64], groups: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return ``(count,)``: samples that a cut before each time shuts out, members of groups that go on after it."""
    latest = np.zeros(int(groups.max()) + 1, np.int64)
    np.maximum.at(latest, groups, inside)
    starts = np.bincount(inside + 1, minlength=count + 2)[:count]
    ends = np.bincount(latest[groups] + 1, minlength=count + 2)[:count]
    return np.asarray(np.cumsum(starts - ends), np.int64)


def _best(before: NDArray[np.int64], lost: NDArray[np.int64], wanted: float, low: int, high: int, count: int) -> int:
    """Return the cut from ``low`` to ``high`` that loses least among those near ``wanted`` samples."""
    cuts = np.arange(low, high + 1)
    away = np.abs(before[cuts] - wanted)
    near = away <= max(SLACK * count, float(away.min()))
    return int(cuts[near][np.lexsort((cuts[near], away[near], lost[cuts[near]]))[0]])


def assign(
    times: NDArray[np.float64],
    groups: NDArray[np.int64],
    fractions: Sequence[float],
    known: NDArray[np.int8] | None = None,
    cuts: Cuts | None = None,
) -> tuple[Plan, Cuts]:
    """Deal samples to train, validation and test by their times.

    Parameters
    ----------
    times
        ``(n,)``; a sample without one (NaN) is shut out.
    groups
        ``(n,)`` group numbers; of a group that reaches over a cut only the latest part is used.
    known
        ``(n,)`` the split that a sample has already, -1 for none. It keeps it, and its group's others follow or are
        shut out.
    cuts
        Those of the dataset before: newer samples than its first test sample are test samples too.

    Returns
    -------
    Plan, Cuts
        Shut out samples have the split -1, and are the plan's conflicts.
    """
    timed = np.isfinite(times)
    if not timed.any():
        raise InputError("no sample has a time", code="too-few-times", hint="check split.time")
    if cuts is None:
        cuts = place(times[timed], np.unique(groups[timed], return_inverse=True)[1].astype(np.int64), fractions)
    splits = np.searchsorted([cuts.validation, cuts.test], np.where(timed, times, -np.inf), side="right")
    made: NDArray[np.int8] = splits.astype(np.int8)
    made[~timed] = -1
    top = np.full(int(groups.max()) + 1, -1, np.int8)
    np.maximum.at(top, groups, made)
    if known is not None:
        has = known >= 0
        made = np.where(has, known, made)
        settled = np.full(len(top), -1, np.int8)
        np.maximum.at(settled, groups, known)
        top = np.where(settled >= 0, settled, top)
    made[made != top[groups]] = -1
    return Plan(made, np.flatnonzero(made < 0)), cuts


def astride(begins: NDArray[np.float64], times: NDArray[np.float64], cuts: Cuts) -> NDArray[np.bool_]:
    """Return ``(n,)`` which stretches of time, from ``begins`` to ``times``, have a cut inside them.

    What is left of the splits' borders shares no moment with what is right of them: the gap that overlapping samples
    need is as long as they are.

    Examples
    --------
    >>> astride(np.array([1.0, 4.0, np.nan]), np.array([3.0, 6.0, 6.0]), Cuts(5.0, 9.0)).tolist()
    [False, True, False]
    """
    inside = [(begins < cut) & (times >= cut) for cut in (cuts.validation, cuts.test)]
    return np.asarray(inside[0] | inside[1])


def holds(times: NDArray[np.float64], splits: NDArray[np.int8]) -> bool:
    """Say whether no training or validation sample is later than a test sample.

    Examples
    --------
    >>> holds(np.array([1.0, 2.0, 3.0]), np.array([0, 1, 2])), holds(np.array([1.0, 3.0, 2.0]), np.array([0, 1, 2]))
    (True, False)
    """
    test = times[splits == TEST]
    rest = times[(splits >= 0) & (splits != TEST)]
    return not len(test) or not len(rest) or float(np.nanmax(rest)) <= float(np.nanmin(test))
