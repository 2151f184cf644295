"""One honest way to compare two things: in turn, several times, ratio by pair.

A machine's speed drifts; two things measured one after the other in each of several rounds drift together. The figure
is the median of the rounds' ratios, with a bootstrap interval of that median.
"""

from __future__ import annotations

import os
import platform
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any


def machine() -> str:
    """Return cores, memory and processor in words."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.machine()}"


@dataclass(frozen=True)
class Record:
    """One measure: ours beside a peer.

    ``ours`` and ``peer`` are medians in ``unit``; ``ratio`` is ours ÷ peer of the median pair, with its 95 % bootstrap
    interval; ``goal`` is in words, ``met`` whether the median met it (None: no goal, or nothing to compare with).
    """

    job: str
    measure: str
    ours: float
    peer: float | None
    unit: str
    ratio: float | None
    low: float | None
    high: float | None
    goal: str
    met: bool | None
    pairs: int
    command: str
    machine: str = field(default_factory=machine)
    when: str = field(default_factory=lambda: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return asdict(self)


def seconds(work: Callable[[], object]) -> float:
    """Return the wall seconds that ``work`` takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def in_turn(
    ours: Callable[[], float], peer: Callable[[], float], pairs: int, warmup: int = 1
) -> tuple[list[float], list[float]]:
    """Measure both in turn, the order swapped every round, and return the figures of the counted rounds."""
    for _ in range(warmup):
        ours()
        peer()
    first: list[float] = []
    second: list[float] = []
    for number in range(pairs):
        if number % 2:
            second.append(peer())
            first.append(ours())
        else:
            first.append(ours())
            second.append(peer())
    return first, second


def interval(values: list[float], repeats: int = 2000) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the median of ``values``."""
    draw = random.Random(0)
    medians = sorted(statistics.median(draw.choices(values, k=len(values))) for _ in range(repeats))
    return medians[int(0.025 * repeats)], medians[int(0.975 * repeats)]


def compare(
    job: str,
    measure: str,
    ours: list[float],
    peer: list[float],
    *,
    unit: str,
    goal: str,
    met: Callable[[float], bool] | None,
    command: str,
    note: str = "",
) -> Record:
    """Make the record of one comparison; ``met`` judges the median ratio."""
    ratios = [a / b for a, b in zip(ours, peer, strict=True)]
    ratio = statistics.median(ratios)
    low, high = interval(ratios)
    return Record(
        job,
        measure,
        statistics.median(ours),
        statistics.median(peer),
        unit,
        round(ratio, 3),
        round(low, 3),
        round(high, 3),
        goal,
        None if met is None else met(ratio),
        len(ratios),
        command,
        note=note,
    )


def alone(
    job: str,
    measure: str,
    ours: list[float],
    *,
    unit: str,
    goal: str,
    met: Callable[[float], bool],
    command: str,
    note: str = "",
) -> Record:
    """Make the record of an absolute figure."""
    value = statistics.median(ours)
    return Record(job, measure, value, None, unit, None, None, None, goal, met(value), len(ours), command, note=note)


def table(records: list[Record]) -> str:
    """Return the records as one text table."""
    head = ("job", "measure", "ours", "peer", "unit", "ratio", "95 % interval", "goal", "met")
    rows = [head] + [
        (
            r.job,
            r.measure,
            f"{r.ours:.4g}",
            "" if r.peer is None else f"{r.peer:.4g}",
            r.unit,
            "" if r.ratio is None else f"{r.ratio:.3g}",
            "" if r.low is None else f"{r.low:.3g} to {r.high:.3g}",
            r.goal,
            "" if r.met is None else ("yes" if r.met else "NO"),
        )
        for r in records
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
