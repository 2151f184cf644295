"""What a sequence is like in a few figures, and what is odd about one: gaps, backward clocks, stuck sensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.tasks.base import Arrays, Problem
from modelwright.tasks.modalities.series.time import in_words, length_in_words

UNKNOWN_CHANNELS = 8
"""Channels that are measured while there is no schema: a sample costs memory then."""
GAP = 5.0
"""A step of more than so many usual ones is a gap."""
STUCK = 0.5
"""A sensor is stuck that has one value for at least so much of the time, and at least five in all."""
IRREGULAR = 0.2
"""Share of steps that differ from the usual one, from which one sample counts as irregular; of a recording, a tenth."""
_SHORT = 8
"""Sequences of fewer steps are not called stuck or constant."""
FIGURES = ("mean", "std", "min", "max", "missing", "stuck")


def measure(inputs: Arrays, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Return ``(n,)`` per measure: six of each channel, ``length``, and ``step`` where there are times.

    ``missing`` is the share of missing values, ``stuck`` the share of the longest run of equal values.
    """
    values = inputs["values"]
    count, steps = values.shape[:2]
    made: dict[str, NDArray[Any]] = {"length": np.full(count, float(steps))}
    if "time" in inputs:
        made["step"] = np.array([usual_step(row) for row in inputs["time"]], np.float64)
    for place, name in enumerate(names):
        figures = [_channel(values[row, :, place]) for row in range(count)]
        for number, figure in enumerate(FIGURES):
            made[f"{figure} of {name}"] = np.array([row[number] for row in figures], np.float64)
    return made


def _channel(values: NDArray[np.float32]) -> tuple[float, ...]:
    known = values[~np.isnan(values)].astype(np.float64)
    if not len(known):
        return (np.nan, np.nan, np.nan, np.nan, 1.0, np.nan)
    missing = 1.0 - len(known) / len(values)
    stuck = longest_run(known)[0] / len(known)
    return (float(known.mean()), float(known.std()), float(known.min()), float(known.max()), missing, stuck)


def longest_run(values: NDArray[Any]) -> tuple[int, int]:
    """Return length and start of the longest run of equal values.

    Examples
    --------
    >>> longest_run(np.array([1, 2, 2, 2, 3]))
    (3, 1)
    """
    edges = np.flatnonzero(values[1:] != values[:-1]) + 1
    starts = np.concatenate([[0], edges])
    lengths = np.diff(np.concatenate([starts, [len(values)]]))
    best = int(lengths.argmax())
    return int(lengths[best]), int(starts[best])


def usual_step(time: NDArray[np.float64]) -> float:
    """Return the median step of those that go forward; NaN if there is none."""
    steps = np.diff(time[np.isfinite(time)])
    steps = steps[steps > 0]
    return float(np.median(steps)) if len(steps) else float("nan")


def check(inputs: Arrays, names: Sequence[str]) -> list[Problem]:
    """Return what is odd about one sequence."""
    values = inputs["values"][0]
    found = check_times(inputs["time"][0]) if "time" in inputs else []
    missing = np.isnan(values)
    share = float(missing.mean())
    if share == 1.0:
        found.append(Problem("missing-value", 0.8, "all values are missing", {"share": 1.0}))
        return found
    odd: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for place, name in enumerate(names):
        for kind, words, evidence in _check_channel(values[:, place], missing[:, place], name):
            odd.setdefault(kind, []).append((words, {"channel": name, **evidence}))
    for kind, each in odd.items():
        words = "; ".join(words for words, _ in each[:4]) + (f"; and {len(each) - 4} more" if len(each) > 4 else "")
        found.append(Problem(kind, _SEVERITY[kind], words, {"channels": [evidence for _, evidence in each[:32]]}))
    return found


_SEVERITY = {"missing-value": 0.4, "constant-channel": 0.3, "stuck-sensor": 0.5}


def _check_channel(
    values: NDArray[np.float32], missing: NDArray[np.bool_], name: str
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield kind, words and figures of what is odd about one channel."""
    share = float(missing.mean())
    if share > 0.2:
        yield "missing-value", f"{share:.0%} of the values of {_short(name)} are missing", {"share": round(share, 6)}
    known = values[~missing]
    if len(known) < _SHORT:
        return
    length, start = longest_run(known)
    value = float(known[start])
    if length == len(known):
        yield "constant-channel", f"{_short(name)} is {value:g} throughout", {"value": value}
    elif length >= max(2 * _SHORT, STUCK * len(known)) and _moves(known):
        words = f"{_short(name)} is stuck at {value:g} for {length} of {len(known)} steps"
        yield "stuck-sensor", words, {"value": value, "steps": length, "start": start}


def _moves(known: NDArray[np.float32]) -> bool:
    """Return whether a channel takes many values: a switch that stays on is not stuck."""
    return bool(len(np.unique(known)) > 4)


def check_times(time: NDArray[np.float64]) -> list[Problem]:
    """Return what is odd about the times of one sequence: each kind once, with its figures."""
    tally = TimeTally()
    for moment in time.tolist():
        tally.add(moment)
    return tally.problems(IRREGULAR)


class TimeTally:
    """Counts what is odd about the times of a recording, step by step, in bounded memory.

    The usual step is the most frequent one, to a thousandth; steps longer than :data:`GAP` of it are gaps.
    """

    def __init__(self) -> None:
        self.count = self.unreadable = self.backward = self.repeated = 0
        self.last = self.latest = float("nan")
        self.backward_at: list[tuple[float, float]] = []
        self.repeated_at: list[float] = []
        self._steps: dict[float, int] = {}
        self._long: list[tuple[float, float]] = []

    def add(self, moment: float) -> None:
        """Count one time."""
        self.count += 1
        if not np.isfinite(moment):
            self.unreadable += 1
            return
        before = self.last
        self.last = moment
        if not np.isfinite(before):
            self.latest = moment
            return
        if moment <= self.latest:
            self.repeated += 1
            if len(self.repeated_at) < 5:
                self.repeated_at.append(moment)
        self.latest = max(self.latest, moment)
        step = moment - before
        if step < 0:
            self.backward += 1
            if len(self.backward_at) < 5:
                self.backward_at.append((before, moment))
        elif step > 0:
            self._step(step, before)

    def _step(self, step: float, before: float) -> None:
        rounded = float(f"{step:.3g}")
        if rounded in self._steps or len(self._steps) < 4096:
            self._steps[rounded] = self._steps.get(rounded, 0) + 1
        self._long.append((step, before))
        if len(self._long) > 256:
            self._long = sorted(self._long, reverse=True)[:64]

    @property
    def usual(self) -> float:
        """The usual step in seconds, NaN if there is none."""
        return max(self._steps, key=lambda step: (self._steps[step], -step)) if self._steps else float("nan")

    def gaps(self, longest: float | None = None) -> list[tuple[float, float]]:
        """Return the up to 64 longest ``(step, moment before)`` of those above ``longest`` (5 usual steps)."""
        limit = longest if longest is not None else GAP * self.usual
        return [each for each in sorted(self._long, reverse=True)[:64] if each[0] > limit]

    def problems(self, irregular: float = IRREGULAR / 10) -> list[Problem]:
        """Return what was found; ``irregular`` is the share of steps other than the usual one that is worth a word."""
        found = []
        if self.unreadable:
            words = f"{self.unreadable} of {self.count} times cannot be read"
            found.append(Problem("bad-time", 0.5, words, {"unreadable": self.unreadable, "steps": self.count}))
        if self.backward:
            before, after = self.backward_at[0]
            words = (
                f"time runs backward {_times(self.backward)}: the first from {in_words(before)} to {in_words(after)}"
            )
            evidence = {"times": self.backward, "first": [list(pair) for pair in self.backward_at]}
            found.append(Problem("backward-time", 0.6, words, evidence))
        if self.repeated:
            words = (
                f"{self.repeated} rows have a time that was passed already: the first {in_words(self.repeated_at[0])}"
            )
            found.append(
                Problem("repeated-time", 0.4, words, {"times": self.repeated, "first": list(self.repeated_at)})
            )
        return [*found, *self._about_gaps(), *self._about_rate(irregular)]

    def _about_gaps(self) -> list[Problem]:
        gaps = self.gaps()
        if not gaps or self.count < _SHORT:
            return []
        step, before = gaps[0]
        many = "at least 64 gaps" if len(gaps) == 64 else f"{len(gaps)} gap{'s' if len(gaps) > 1 else ''}"
        words = (
            f"{many}: the longest is {length_in_words(step)} after {in_words(before)}, "
            f"where steps are usually {length_in_words(self.usual)}"
        )
        evidence = {"gaps": len(gaps), "usual": self.usual, "longest": [[step, before] for step, before in gaps[:8]]}
        return [Problem("gap", 0.4, words, evidence)]

    def _about_rate(self, share: float) -> list[Problem]:
        total = sum(self._steps.values())
        usual = self.usual
        if total < 20:
            return []
        other = sum(count for step, count in self._steps.items() if abs(step - usual) > 0.1 * usual)
        if other < share * total:
            return []
        words = f"{other} of {total} steps ({other / total:.0%}) differ from the usual {length_in_words(usual)}"
        return [Problem("irregular-step", 0.2, words, {"steps": total, "other": other, "usual": usual})]


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _short(name: str) -> str:
    return repr(name if len(name) <= 40 else name[:39] + "…")
