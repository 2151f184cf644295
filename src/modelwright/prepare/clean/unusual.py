"""Samples that are odd only beside the others: far longer, far larger, of another rate than the rest of the data set.

A measure's usual range is its median and its median absolute deviation (Iglewicz and Hoaglin 1993, "How to Detect and
Handle Outliers"; Hampel 1974), on the scale, plain or logarithmic, on which the two halves are more alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.gather.gathered import Gathered
from modelwright.prepare.issues import Issue
from modelwright.tasks.abilities import Uniform, Unusual
from modelwright.tasks.base import Modality

FAR = 8.0
"""Robust standard deviations from the median at which a sample is unusual."""
LEAST = 20
"""Samples needed to say what is usual."""
SHARE = 0.02
"""More than this share of far samples is a second population, and no oddity of single samples."""
FLOOR = 5
"""Far samples that may be oddities in a small set, as long as they are at most a tenth of it."""
MOST = 200
"""Issues of one kind at most, the farthest first."""


def issues(
    gathered: Gathered, modality: Modality, usable: NDArray[np.bool_], shown: Callable[[int], str]
) -> Iterator[Issue]:
    """Yield one issue for each sample and measure of :attr:`Unusual.unusual` far outside the usual."""
    if not isinstance(modality, Unusual):
        return
    for measure, kind in modality.unusual.items():
        stored = gathered.measures.get(measure)
        if stored is None:
            continue
        values = np.full(len(gathered), np.nan)
        values[: len(stored)] = stored
        places = np.flatnonzero(usable & np.isfinite(values))
        if len(places) < LEAST:
            continue
        z = distance(values[places])
        far = np.flatnonzero(np.abs(z) > FAR)
        if not 0 < len(far) <= max(1, SHARE * len(places), min(FLOOR, len(places) // 10)):
            continue
        middle = float(np.median(values[places]))
        for position in far[np.argsort(-np.abs(z[far]), kind="stable")][:MOST].tolist():
            place, value, path = int(places[position]), float(values[places[position]]), shown(int(places[position]))
            yield Issue(
                kind,
                round(min(0.3 + abs(float(z[position])) / 100, 0.8), 3),
                f"{path}: its {measure.replace('_', ' ')} is {value:g}; {middle:g} is usual here",
                place,
                gathered.id(place),
                f"{gathered.sources[place]}/{path}",
                column=measure,
                evidence={"value": value, "median": middle, "distance": round(float(z[position]), 2)},
            )


def mixtures(gathered: Gathered, modality: Modality, usable: NDArray[np.bool_]) -> Iterator[Issue]:
    """Yield one issue for each measure of :attr:`Uniform.uniform` in which the samples differ."""
    if not isinstance(modality, Uniform):
        return
    for measure, (kind, words) in modality.uniform.items():
        stored = gathered.measures.get(measure)
        if stored is None:
            continue
        values = np.full(len(gathered), np.nan)
        values[: len(stored)] = stored
        different, counts = np.unique(values[usable & np.isfinite(values)], return_counts=True)
        if len(different) < 2:
            continue
        order = np.argsort(-counts, kind="stable")
        pairs = list(zip(different[order].tolist(), counts[order].tolist(), strict=True))
        shown = ", ".join(f"{value:g} ({count:,})" for value, count in pairs[:6]) + (", …" if len(pairs) > 6 else "")
        yield Issue(
            kind,
            round(0.2 + 0.3 * float(1.0 - counts.max() / counts.sum()), 3),
            f"the samples have {len(pairs)} different values of {measure}: {shown}; {words}",
            column=measure,
            evidence={"counts": [[value, count] for value, count in pairs[:50]]},
        )


def distance(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``(n,)`` robust z: 0 is the median; 1 is one standard deviation where the middle is normally spread.

    Where most values are equal, the smallest step beside them (at least a tenth of the value) stands for the deviation.

    Examples
    --------
    >>> distance(np.array([9.0, 10.0, 10.0, 11.0, 90.0])).round(1).tolist()
    [-0.7, 0.0, 0.0, 0.7, 54.0]
    """
    plain = values - np.median(values)
    scale = 1.4826 * float(np.median(np.abs(plain)))
    made = plain / (scale or 0.1 * abs(float(np.median(values))) or float(np.abs(plain).max()) or 1.0)
    if values.min() > 0:
        logs = np.log(values)
        around = logs - np.median(logs)
        spread = 1.4826 * float(np.median(np.abs(around)))
        if spread and skew(logs) < skew(values):
            return np.asarray(around / spread)
    return np.asarray(made)


def skew(values: NDArray[np.float64]) -> float:
    """Return 0 where the quartiles are as far from the median, up to 1 where one is at it (Bowley 1920)."""
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return abs(float(high + low - 2 * middle)) / float(high - low) if high > low else 0.0
