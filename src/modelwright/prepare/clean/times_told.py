"""Whether the time of a sample tells its answer: the moment itself, or its hour, weekday, month …

Nearly everything drifts with time a little, and that is signal. What is told here is told almost without a mistake, of
each sample by the others only. Where samples were taken class by class, a model that sees the time, or the light of a
day, learns the calendar.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

LEAST = 30
"""Samples with a time that are needed."""
SPARED = 0.98
"""Share of the mistakes of always saying the commonest class that the time spares, from which it tells the answer."""
APART = 0.99
"""Area under the ROC curve from which two neighbouring classes lie apart in time."""
EXPLAINED = 0.99
"""Share of a number's variance between the hours (weekdays, …) from which they tell it."""
_FEW = 20
"""Samples of a class that are needed to say that it alone is told."""
_WRITTEN = re.compile(
    r"(?<!\d)((?:19|20)\d\d)([-_.]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])"
    r"(?:[-_T ]{1,3}([01]\d|2[0-3])[-_:.h]?([0-5]\d)(?:[-_:.m]?([0-5]\d)\d{0,3})?)?(?!\d)"
)
_NUMBERS = re.compile(r"\d+")
_POSITIONS = 4


def by_time(days: NDArray[np.float64], codes: NDArray[np.int64], numbers: NDArray[np.float64]) -> str:
    """Return in words how the time tells the answer, or nothing.

    Parameters
    ----------
    days
        ``(n,)`` days since 1970 with fractions, NaN unknown.
    codes, numbers
        ``(n,)`` the answers: class codes (-1 unknown), or numbers (NaN unknown); of one kind all are unknown.
    """
    classes = bool((codes >= 0).any())
    known = ~np.isnan(days) & ((codes >= 0) if classes else ~np.isnan(numbers))
    if known.sum() < max(LEAST, 0.9 * len(days)):
        return ""
    moments = days[known]
    if not classes:
        return _parts_of_number(moments, numbers[known])
    _, own = np.unique(codes[known], return_inverse=True)
    if own.max() < 1:
        return ""
    return separate(moments, own) or _by_day(moments, own) or _parts_of_class(moments, own)


def separate(values: NDArray[np.float64], own: NDArray[np.int64]) -> str:
    """Return that the classes follow each other in ``values``, or nothing: neighbours by their medians lie apart."""
    counts = np.bincount(own)
    if counts.min() < 5:
        return ""
    order = np.argsort([float(np.median(values[own == code])) for code in range(len(counts))], kind="stable")
    areas = []
    for before, after in zip(order[:-1].tolist(), order[1:].tolist(), strict=True):
        both = (own == before) | (own == after)
        areas.append(area(values[both], own[both] == after))
        if areas[-1] < APART:
            return ""
    if min(areas) == 1.0:
        return "the classes follow each other, without one exception"
    return f"the classes follow each other (area under the ROC curve of neighbours: {min(areas):.4f})"


def area(values: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve of values by themselves (Mann-Whitney, ties halved).

    Examples
    --------
    >>> area(np.array([1.0, 2.0, 3.0, 3.0]), np.array([False, False, True, False]))
    0.8333333333333334
    """
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    ones = int(positive.sum())
    zeros = len(values) - ones
    return float((ranks[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros)) if ones and zeros else 0.5


def _by_day(moments: NDArray[np.float64], own: NDArray[np.int64]) -> str:
    """Say that samples of one day are of one class, where several of each day are there."""
    different, keys = np.unique(np.floor(moments), return_inverse=True)
    if not 2 <= len(different) <= len(own) / 5 or _spared(keys, own) < SPARED:
        return ""
    return f"all samples of a day have one class ({len(different)} days)"


def _parts(moments: NDArray[np.float64]) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Yield the parts of a moment that vary, as codes."""
    dates = np.floor(moments).astype(np.int64).astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    seconds = np.rint((moments - np.floor(moments)) * 86400).astype(np.int64) % 86400
    found = {
        "hour": seconds // 3600,
        "minute": seconds // 60 % 60,
        "second": seconds % 60,
        "weekday": (np.floor(moments).astype(np.int64) + 3) % 7,
        "month": months.astype(np.int64) % 12,
        "day of the month": (dates - months).astype(np.int64),
        "time at midnight": (seconds == 0).astype(np.int64),
    }
    for name, values in found.items():
        different, codes = np.unique(values, return_inverse=True)
        if 2 <= len(different) <= len(values) / 5:
            yield name, codes


def _parts_of_class(moments: NDArray[np.float64], own: NDArray[np.int64]) -> str:
    counts = np.bincount(own)
    for name, codes in _parts(moments):
        if _spared(codes, own) >= SPARED:
            return f"the {name} tells the class"
        for code in np.flatnonzero(counts >= _FEW).tolist() if len(counts) > 2 else ():
            if _spared(codes, (own == code).astype(np.int64)) >= SPARED:
                return f"the {name} tells one class from all others"
    return ""


def _spared(keys: NDArray[np.int64], own: NDArray[np.int64]) -> float:
    """Return the share of mistakes that are spared if each sample gets the commonest class of the others of its key."""
    table = np.zeros((int(keys.max()) + 1, int(own.max()) + 1), np.int64)
    np.add.at(table, (keys, own), 1)
    usual = int(table.sum(0).argmax())
    wrong = int(table.sum() - table[:, usual].sum())
    right = 0
    for key, label in np.argwhere(table).tolist():
        others = table[key].copy()
        others[label] -= 1
        guess = int(others.argmax()) if others.any() else usual
        right += int(table[key, label]) * (guess == label)
    return 1.0 - (len(keys) - right) / wrong if wrong else 0.0


def _parts_of_number(moments: NDArray[np.float64], numbers: NDArray[np.float64]) -> str:
    for name, codes in _parts(moments):
        if explained(codes, numbers) >= EXPLAINED:
            return f"the {name} tells the answer"
    return ""


def explained(codes: NDArray[np.int64], numbers: NDArray[np.float64]) -> float:
    """Return the share of a number's variance that lies between groups: the correlation ratio squared, corrected for
    chance (Kelley 1935, "An unbiased correlation ratio measure").

    Examples
    --------
    >>> explained(np.array([0, 0, 1, 1]), np.array([1.0, 1.0, 5.0, 5.0]))
    1.0
    """
    counts = np.bincount(codes)
    total = float(np.square(numbers - numbers.mean()).sum())
    if total == 0 or len(codes) <= len(counts):
        return 0.0
    means = np.bincount(codes, numbers) / np.maximum(counts, 1)
    inside = float(np.square(numbers - means[codes]).sum())
    return 1.0 - inside / total * (len(codes) - 1) / (len(codes) - len(counts))


def written(text: str) -> float:
    """Return the days since 1970 of the date (and time) in a name, NaN where there is none.

    Examples
    --------
    >>> written("cam2/IMG_20240301_120000.jpg"), written("2024-03-01 shop.png"), written("scan_0017.png")
    (19783.5, 19783.0, nan)
    """
    found = _WRITTEN.search(text)
    if found is None:
        return float("nan")
    year, _, month, day, hour, minute, second = found.groups()
    try:
        date = np.datetime64(f"{year}-{month}-{day}")
    except ValueError:  # 31 February
        return float("nan")
    seconds = int(hour or 0) * 3600 + int(minute or 0) * 60 + int(second or 0)
    return float(date.astype(np.int64)) + seconds / 86400


def counters(texts: Sequence[str], varied: float) -> Iterator[NDArray[np.float64]]:
    """Yield ``(n,)`` the first, second … number in each text, where nine in ten have one.

    Parameters
    ----------
    varied
        Share of them that must be different.
    """
    found = [_NUMBERS.findall(text) for text in texts]
    for position in range(_POSITIONS):
        values = [
            float(each[position]) if len(each) > position and len(each[position]) < 16 else np.nan for each in found
        ]
        made = np.array(values)
        known = made[~np.isnan(made)]
        if len(known) >= max(LEAST, 0.9 * len(made)) and len(np.unique(known)) >= varied * len(known):
            yield made
