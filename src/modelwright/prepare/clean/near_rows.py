"""Rows of a table that are nearly the same: all texts agree, and every number but for a thousandth of its spread.

Such rows are one measurement that was written twice, rounded or noised; split apart, one is tested on what the other
taught. A number counts as agreeing where it differs a little, or where most rows have a value of their own: that a
class, a price and an age are the same is no wonder. Candidates fall into one cell of either of two grids over the few
most varied numbers, the second half a cell aside, so a pair that an edge of one grid parts is mostly whole in the
other; each candidate is then compared in full. Cells with a crowd in them are passed over: nothing there stands out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare import about
from modelwright.prepare.gather.gathered import Gathered
from modelwright.prepare.gather.rows import pieces_of
from modelwright.prepare.issues import Issue

MOST_ROWS = 1_000_000
"""Rows beyond which nobody looks: memory and time grow with them."""
NEAR = 0.001
"""Difference over a number's robust spread up to which two values are nearly the same."""
_CELL = 16
"""Side of a cell, in such differences."""
_KEYED = 4
"""Numbers that make the grids: the most varied ones."""
_VARIED = 50
"""Different values that such a number has at least."""
_CHANCE = np.sqrt(np.pi) / NEAR
_LEAST = 30
_CROWD = 20
"""Rows in a cell beyond which none of them is a candidate."""
_SPREAD = 1.349
"""Width of the middle half of a normal distribution in standard deviations."""

Values = NDArray[np.float64]


def pairs(
    rows: Path,
    summary: Mapping[str, Mapping[str, Any]],
    left_out: Sequence[str],
    usable: NDArray[np.bool_],
    copies: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return ``(m, 2)`` places of rows that are nearly, but not exactly, the same; the earlier row first.

    Parameters
    ----------
    summary
        Column to its ``type`` and number of ``distinct`` values.
    left_out
        Columns that do not count: identifiers, constants.
    copies
        Places of rows that equal an earlier one, which speaks for them.
    """
    none = np.empty((0, 2), np.int64)
    single = usable.copy()
    single[copies] = False
    places = np.flatnonzero(single)
    columns = [name for name in summary if name not in left_out]
    numeric = [name for name in columns if summary[name]["type"] != "text"]
    varied = [name for name in numeric if summary[name]["distinct"] >= min(_VARIED, len(places) / 2)]
    varied.sort(key=lambda name: -summary[name]["distinct"])
    if not _LEAST <= len(places) <= MOST_ROWS or not varied:
        return none
    needed = _needed(len(places))
    if len(varied) < needed:
        return none
    grids = [np.zeros(len(places), np.uint64) for _ in range(2)]
    keyed = 0
    for name in varied:
        values = _values(rows, name)[places]
        if spread := _robust(values):
            keyed += 1
            for shift, keys in enumerate(grids if keyed <= _KEYED else ()):
                _fold(keys, np.floor(values / (_CELL * NEAR * spread) + shift / 2))
    if keyed < needed:
        return none
    both = np.concatenate([_together(keys) for keys in grids])
    whole = np.unique(both[:, 0] * len(places) + both[:, 1])
    found = np.stack([whole // len(places), whole % len(places)], 1)
    differs, agreeing = np.zeros(len(found), bool), np.zeros(len(found), np.int64)
    for name in columns:
        if not len(found):
            return none
        numbers = name in numeric
        values = (_values if numbers else _codes)(rows, name)[places]
        one, other = values[found[:, 0]], values[found[:, 1]]
        same = (one == other) | (np.isnan(one) & np.isnan(other))
        close = same | (np.abs(one - other) <= NEAR * _robust(values)) if numbers else same
        if numbers:
            rare = 2 * summary[name]["distinct"] >= len(places)
            agreeing += close & (rare | ~same)
        found, differs, agreeing = found[close], (differs | ~same)[close], agreeing[close]
    return np.asarray(places[found[differs & (agreeing >= needed)]], np.int64)


def _needed(rows: int) -> int:
    """Return in how many numbers two rows must agree for less than one pair in a hundred tables to do so by chance.

    Two independent values of a normal distribution are a thousandth of its deviation apart, or less, once in 1,800.
    """
    return max(3, int(np.ceil(np.log(100 * rows * rows / 2) / np.log(_CHANCE))))


def _values(rows: Path, name: str) -> Values:
    return np.concatenate([piece.to_numpy(zero_copy_only=False).astype(np.float64) for piece in pieces_of(rows, name)])


def _codes(rows: Path, name: str) -> Values:
    """Return a number for each text, the same for equal ones; NaN where there is none."""
    import pyarrow as pa

    coded = pa.chunked_array(list(pieces_of(rows, name))).combine_chunks().dictionary_encode()
    return np.asarray(coded.indices.to_numpy(zero_copy_only=False), np.float64)


def _robust(values: Values) -> float:
    """Return the spread of the middle half as a standard deviation, 0 where at least half of all are equal."""
    known = values[np.isfinite(values)]
    if not len(known):
        return 0.0
    low, high = np.quantile(known, [0.25, 0.75])
    return float(high - low) / _SPREAD


def _fold(keys: NDArray[np.uint64], cells: Values) -> None:
    bits = np.where(np.isnan(cells), np.float64(1.5e300), cells + 0.0).view(np.uint64)
    with np.errstate(over="ignore"):
        mixed = (keys ^ bits) * np.uint64(0x9E3779B97F4A7C15)
        keys[:] = mixed ^ (mixed >> np.uint64(29))


def _together(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return ``(m, 2)`` positions of equal keys, each with the next few of its cell."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    edges = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1], [True]]))
    sizes = np.diff(edges)
    few = np.repeat((sizes > 1) & (sizes <= _CROWD), sizes)
    order, ordered = order[few], ordered[few]
    made = [np.empty((0, 2), np.int64)]
    for step in range(1, _CROWD):
        equal = np.flatnonzero(ordered[step:] == ordered[:-step])
        if not len(equal):
            break
        made.append(np.stack([order[equal], order[equal + step]], 1))
    return np.concatenate(made)


def issues(gathered: Gathered, found: NDArray[np.int64], shown: Callable[[int], str]) -> Iterator[Issue]:
    """Yield ``near-duplicate`` for the later row of each pair, more severe where the answers differ."""
    first: dict[int, int] = {}
    for one, other in found.tolist():
        first.setdefault(max(one, other), min(one, other))
    torn = {place for place, other in first.items() if gathered.label(place) != gathered.label(other)}

    def evidence(place: int) -> dict[str, str]:
        return {"other": shown(first[place]), "other_id": gathered.id(first[place])}

    def agreeing(place: int) -> str:
        return f"is nearly the same row as {shown(first[place])}"

    def contradicting(place: int) -> str:
        return f"is nearly the same row as {shown(first[place])}, with another answer"

    yield from about.samples(gathered, sorted(first.keys() - torn), "near-duplicate", 0.3, agreeing, evidence)
    yield from about.samples(gathered, sorted(torn), "near-duplicate", 0.5, contradicting, evidence)
