"""Channels of sequences beside those of all others: one that is lacking, a code for "missing", values far from all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare import about
from modelwright.prepare.clean.unusual import FLOOR, LEAST, SHARE
from modelwright.prepare.gather.gathered import Gathered
from modelwright.prepare.issues import Issue
from modelwright.tasks.abilities import Channelled
from modelwright.tasks.base import Modality

_CUSTOM = 0.9
"""Share of sequences that have a channel, from which the others lack it."""
_CODES = (-9.0, -99.0, -999.0, -9999.0, -99999.0, 99.0, 999.0, 9999.0, 99999.0, 999999.0)
_CODED = 0.5
"""Share of sequences with a code up to which it is one: beyond, it is a usual value."""
_FAR = 2.0
"""Widths of the range of a channel's values in the other sequences, beyond which a value is odd."""
_GAP = 0.5
"""Share of the distance of the farthest values that lies empty before them: a heavy tail alone is no oddity."""
_SMALL = 0.01
"""Spread over the usual one below which a channel seems to be in another unit."""
_EDGE = 0.05
"""Share of sequences, on each side, that do not say what the range is: some of them are the odd ones."""
_LISTED = 200

Values = NDArray[np.float64]


def issues(
    gathered: Gathered, modality: Modality, usable: NDArray[np.bool_], shown: Callable[[int], str]
) -> Iterator[Issue]:
    """Yield ``incomplete``, ``hidden-missing`` and ``odd-value`` of sequences, by the figures of their channels."""
    places = np.flatnonzero(usable)
    if not isinstance(modality, Channelled) or len(places) < LEAST:
        return
    names = [name.removeprefix("missing of ") for name in gathered.measures if name.startswith("missing of ")]
    lacking: dict[int, list[str]] = {}
    for name in names:
        there = ~np.isnan(_figure(gathered, "missing", name)[places])
        if not _CUSTOM <= there.mean() < 1:
            continue
        for place in places[~there].tolist():
            lacking.setdefault(place, []).append(name)
    yield from about.samples(
        gathered,
        sorted(lacking),
        "incomplete",
        0.6,
        lambda place: f"lacks the channel {', '.join(map(repr, lacking[place][:6]))}, which nearly all others have",
        lambda place: {"channels": lacking[place]},
    )
    for name in names:
        coded = list(_codes(gathered, name, places, shown))
        yield from coded
        yield from _odd(gathered, name, np.setdiff1d(places, [each.place for each in coded]), shown)


def _figure(gathered: Gathered, figure: str, name: str) -> Values:
    made = np.full(len(gathered), np.nan)
    stored = gathered.measures[f"{figure} of {name}"]
    made[: len(stored)] = stored
    return made


def _codes(gathered: Gathered, name: str, places: NDArray[np.int64], shown: Callable[[int], str]) -> Iterator[Issue]:
    """Yield sequences whose smallest or largest value is a code that lies apart from all values of the others."""
    lowest, highest = (_figure(gathered, figure, name)[places] for figure in ("min", "max"))
    known = ~np.isnan(lowest)
    if known.sum() < LEAST:
        return
    for ends in (lowest, highest):
        for code in _CODES:
            with_it = known & (ends == code)
            others = known & ~with_it
            if not 0 < with_it.sum() <= _CODED * known.sum() or (ends is lowest) != (code < 0):
                continue
            low, high = _range(lowest[others], highest[others])
            apart = low - code if code < 0 else code - high
            if apart <= 2 * (high - low):
                continue
            for place in places[with_it][:_LISTED].tolist():
                words = f"{name!r} takes {code:g}, far from all values of the others ({low:g} to {high:g}): "
                yield _issue(
                    gathered, "hidden-missing", 0.5, place, name, shown, f"{words}probably 'missing'", {"code": code}
                )


def _odd(gathered: Gathered, name: str, places: NDArray[np.int64], shown: Callable[[int], str]) -> Iterator[Issue]:
    """Yield sequences with values far from those of all others, and of a spread next to nothing beside theirs."""
    lowest, highest, spread = (_figure(gathered, figure, name)[places] for figure in ("min", "max", "std"))
    known = np.flatnonzero(np.isfinite(lowest) & np.isfinite(highest))
    if len(known) < LEAST:
        return
    most = max(SHARE * len(known), min(FLOOR, len(known) // 10))
    low, high = _range(lowest[known], highest[known])
    if high > low:
        below, above = low - lowest[known], highest[known] - high
        far = np.maximum(below, above) / (high - low)
        odd = _behind_gap(far)
        for position in odd.tolist() if len(odd) <= most else ():
            value = float((lowest if below[position] > above[position] else highest)[known[position]])
            words = f"{name!r} reaches {value:g}; {low:g} to {high:g} is usual here"
            evidence = {"value": value, "low": low, "high": high}
            severity = round(min(0.3 + float(far[position]) / 100, 0.7), 3)
            place = int(places[known[position]])
            yield _issue(gathered, "odd-value", severity, place, name, shown, words, evidence)
    usual = float(np.median(spread[known]))
    flat = known[(spread[known] > 0) & (spread[known] < _SMALL * usual)]
    for position in flat.tolist() if len(flat) <= most else ():
        words = f"the spread of {name!r} is {spread[position]:.3g}; {usual:.3g} is usual here: perhaps another unit"
        evidence = {"spread": float(spread[position]), "usual": usual}
        yield _issue(gathered, "odd-value", 0.4, int(places[position]), name, shown, words, evidence)


def _range(lowest: Values, highest: Values) -> tuple[float, float]:
    return float(np.quantile(lowest, _EDGE)), float(np.quantile(highest, 1 - _EDGE))


def _behind_gap(far: Values) -> NDArray[np.int64]:
    order = np.argsort(far, kind="stable")
    jumps = np.flatnonzero((np.diff(far[order]) > _GAP * far[order][1:]) & (far[order][1:] > _FAR))
    return order[jumps[0] + 1 :] if len(jumps) else order[:0]


def _issue(
    gathered: Gathered,
    kind: str,
    severity: float,
    place: int,
    name: str,
    shown: Callable[[int], str],
    words: str,
    evidence: Mapping[str, object],
) -> Issue:
    path = shown(place)
    return Issue(
        kind,
        severity,
        f"{path}: {words}",
        place,
        gathered.id(place),
        f"{gathered.sources[place]}/{path}",
        column=name,
        evidence={"channel": name, **evidence},
    )
