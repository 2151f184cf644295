"""Cutting recordings into windows, step by step, in bounded memory."""

from __future__ import annotations

import math
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelwright import canonical
from modelwright.prepare.collect.base import Item, Rejected
from modelwright.prepare.collect.series_rows import Step

if TYPE_CHECKING:
    from modelwright.tasks.base import Problem

BLOCK = 10
"""Windows to a stretch, where recordings are too few to be divided whole."""
MOST_STEPS = 200_000
"""Steps of the longest sequence that is taken whole."""
RULES = ("end", "any", "most", "mean")
_LENGTHS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)?")


@dataclass(frozen=True)
class Cutting:
    """How recordings become samples.

    Parameters
    ----------
    window, step
        Rows of a window and from one to the next; None: recordings are taken whole.
    rule
        What a window's label is: that of its ``end``, ``any`` label but the usual one, the one that ``most`` rows have,
        their ``mean``.
    ahead
        Rows behind the window's end where its label is read.
    gap
        Longest step in seconds inside a window; None: five usual ones, as what counts as a gap.
    grouped
        Whether windows of one recording share a group (None: neither whole recordings nor stretches do).
    usual
        The label that ``any`` passes over.
    """

    window: int | None
    step: int
    rule: str = "end"
    ahead: int = 0
    gap: float | None = None
    grouped: str | None = "recording"
    usual: Any = None


def rows_of(size: str | float, usual: float) -> int | None:
    """Return how many rows a size such as ``60`` or ``30m`` is; None for a length of time without a usual step.

    Examples
    --------
    >>> rows_of("60", math.nan), rows_of("30m", 60.0), rows_of("1h", math.nan)
    (60, 30, None)
    """
    match = _SIZE.fullmatch(str(size).strip())
    if match is None:
        return 0
    if match[2] is None:
        return int(float(match[1])) if float(match[1]).is_integer() else 0
    if not usual > 0:
        return None
    return max(1, round(float(match[1]) * _LENGTHS[match[2]] / usual))


class Recording:
    """One recording while it streams past: takes steps, gives windows.

    Parameters
    ----------
    name
        Of the recording inside the source: a file's name, with the sequence behind it.
    channels
        In order.
    usual
        Usual step in seconds, NaN where unknown.
    group
        That of the whole recording; None: its name.
    offset
        Rows that other recordings without times had before: it stands for the time of this one's.
    """

    def __init__(
        self,
        name: str,
        channels: Sequence[str],
        cutting: Cutting,
        usual: float,
        group: str | None = None,
        offset: int = 0,
    ) -> None:
        from modelwright.tasks.modalities.series.measures import GAP, TimeTally

        self.name, self._channels, self._cutting = name, channels, cutting
        self._group = group
        self._offset = offset
        self._gap = cutting.gap if cutting.gap is not None else (GAP * usual if usual > 0 else math.inf)
        self.rows = 0
        self.made = 0
        self.tally = TimeTally()
        self._timed = False
        self._open: deque[tuple[Step, int]] = deque()
        self._waiting = 0
        self.breaks = 0

    def add(self, step: Step) -> Iterator[Item]:
        """Take one step, and give the windows that it completes."""
        if math.isfinite(step.time):
            self._timed = True
        if self._timed:
            self.tally.add(step.time)
        cutting = self._cutting
        if cutting.window is not None and self._open and self._broken(self._open[-1][0].time, step.time):
            self.breaks += 1
            self._open.clear()
            self._waiting = 0
        if len(self._open) < MOST_STEPS:
            self._open.append((step, self.rows))
        self.rows += 1
        if cutting.window is None:
            return
        whole = cutting.window + cutting.ahead
        if len(self._open) > whole:
            self._open.popleft()
        self._waiting -= 1
        if len(self._open) == whole and self._waiting <= 0:
            self._waiting = cutting.step
            inside = list(self._open)
            item = self._item(inside[: cutting.window], inside[-1][0].label if cutting.ahead else None)
            if item is not None:
                yield item

    def _broken(self, before: float, after: float) -> bool:
        if not (math.isfinite(before) and math.isfinite(after)):
            return False
        return after < before or after - before > self._gap

    def end(self) -> Iterator[Item | Rejected]:
        """Give the whole recording where it is not cut; then what is odd about its times."""
        if self._cutting.window is None and self._open:
            if self.rows > len(self._open):
                words = f"{self.name} has {self.rows:,} steps, more than {MOST_STEPS:,}; give 'window:'"
                yield Rejected(self.name, "too-large", words, 0.8, {"steps": self.rows})
            else:
                item = self._item(list(self._open), None)
                if item is not None:
                    yield item
        if self._cutting.window is None:
            return  # the sample itself is checked
        if not self.made and self.rows:
            words = f"{self.name} has {self.rows} steps and {self.breaks} breaks: no window fits into it"
            yield Rejected(self.name, "short-series", words, 0.5, {"steps": self.rows, "breaks": self.breaks})
        for problem in self.tally.problems() if self._timed else ():
            yield self._problem(problem)

    def _problem(self, problem: Problem) -> Rejected:
        return Rejected(self.name, problem.kind, f"{self.name}: {problem.message}", problem.severity, problem.evidence)

    def _item(self, inside: list[tuple[Step, int]], ahead: Any) -> Item | None:
        cutting = self._cutting
        first, last = inside[0][1], inside[-1][1]
        group = self._group or self.name
        if cutting.grouped == "stretch" and cutting.window is not None:
            length = BLOCK * cutting.window
            if first // length != last // length:
                return None  # it would lie in two stretches
            group = f"{group} {first // length}"
        values = {name: [_plain(step.values.get(name)) for step, _ in inside] for name in self._channels}
        document: dict[str, Any] = {"values": values}
        if self._timed:
            document["time"] = [step.time if math.isfinite(step.time) else None for step, _ in inside]
        raw = canonical.dumps(document)
        label = ahead if cutting.ahead else rule_label([step.label for step, _ in inside], cutting.rule, cutting.usual)
        begin, end = inside[0][0].time, inside[-1][0].time
        if not (math.isfinite(begin) and math.isfinite(end)):
            begin, end = float(self._offset + first), float(self._offset + last)
        self.made += 1
        whole = cutting.window is None
        return Item(
            self.name if whole else f"{self.name}#{first + 1}-{last + 1}",
            label,
            None if cutting.grouped is None else group,
            raw=raw,
            row={"text": raw.decode()},
            time=end,
            begins=begin,
        )


def _plain(value: Any) -> float | None:
    return None if value is None else float(value)


def rule_label(labels: Sequence[Any], rule: str, usual: Any = None) -> Any:
    """Return a window's label by those of its rows.

    Examples
    --------
    >>> rule_label(["0", "1", "0"], "end"), rule_label(["0", "1", "0"], "any", "0"), rule_label([1.0, 2.0], "mean")
    ('0', '1', 1.5)
    """
    if rule == "end":
        return labels[-1]
    known = [label for label in labels if label is not None]
    if not known:
        return None
    if rule == "mean":
        numbers = [number for label in known if (number := _number(label)) is not None]
        return sum(numbers) / len(numbers) if len(numbers) == len(known) else None
    counts = Counter(known)
    if rule == "any":
        rest = Counter({label: count for label, count in counts.items() if label != usual})
        return max(rest, key=lambda label: (rest[label], str(label))) if rest else usual
    return max(counts, key=lambda label: (counts[label], str(label)))


def _number(label: Any) -> float | None:
    try:
        found = float(label)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


class Tells:
    """Finds channels whose value alone says the label of its row: the answer itself, under another name.

    A channel is looked at until a value of it comes with two labels, or it has more than 32 values.
    """

    def __init__(self, channels: Iterable[str]) -> None:
        self._open: dict[str, dict[Any, Any]] = {name: {} for name in channels}

    def add(self, values: Mapping[str, Any], label: Any) -> None:
        """Look at one row."""
        if label is None or not self._open:
            return
        for name in tuple(self._open):
            value = values.get(name)
            if value is not None:
                seen = self._open[name]
                if seen.setdefault(value, label) != label or len(seen) > 32:
                    del self._open[name]

    def found(self) -> Iterator[Rejected]:
        """Yield ``leaking-column`` for those that told two labels or more apart, without a mistake."""
        for name, seen in self._open.items():
            if len(set(seen.values())) > 1:
                words = f"channel {name!r} alone tells the label of every row: is it the answer under another name?"
                evidence = {"values": {str(value): str(label) for value, label in list(seen.items())[:8]}}
                yield Rejected(name, "leaking-column", words, 0.8, evidence, name)


class Sequences:
    """The recordings that are open while a table streams past: one a sequence, or one a file.

    Without windows a sequence is whole when the next one begins, so its rows must lie together.
    """

    def __init__(self, whole: bool) -> None:
        self._whole = whole
        self._open: dict[str, Recording] = {}
        self._closed: set[str] = set()

    def get(self, key: str) -> Recording | None:
        """Return the open recording of a key."""
        return self._open.get(key)

    def begin(self, key: str, recording: Recording) -> Iterator[Item | Rejected]:
        """Open a recording; where sequences are taken whole, the one before is ended."""
        if self._whole:
            yield from self.end()
            if key in self._closed:
                words = f"{recording.name} begins a second time: rows of one sequence must lie together, or be cut"
                yield Rejected(recording.name, "split-sequence", words, 0.8)
        self._open[key] = recording

    def end(self) -> Iterator[Item | Rejected]:
        """End all."""
        for key, recording in self._open.items():
            self._closed.add(key)
            yield from recording.end()
        self._open = {}


def describe(cuttings: Sequence[Cutting], timed: bool) -> list[str]:
    """Return in words how recordings (one cutting each) are cut and grouped, with the reasons."""
    cutting, recordings = cuttings[0], len(cuttings)
    if cutting.window is None:
        return []
    sizes = sorted({each.window for each in cuttings if each.window})
    every = sorted({each.step for each in cuttings})
    size = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    step = f"{every[0]}" if len(every) == 1 else f"{every[0]} to {every[-1]}"
    made = [f"windows of {size} steps, one every {step}; no window spans a gap or a step back in time"]
    if cutting.grouped == "recording":
        made.append("windows of one recording share a group, so that none is in two splits")
    elif cutting.grouped == "stretch":
        made.append(
            f"{'one recording is' if recordings == 1 else f'{recordings} recordings are'} too few to be divided whole: "
            f"stretches of {BLOCK * cutting.window} steps share a group; split by time to test on what comes later"
        )
    else:
        made.append(
            "split by time: a window that reaches over a cut is shut out"
            + ("" if timed else "; there is no column of times, so the order of rows is time")
        )
    return made
