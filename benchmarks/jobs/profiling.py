"""A table of five million rows, from the file to a report of it, against ydata-profiling.

``mw explore FILE`` does what the peer does: it reads the file and writes one HTML page about it. ``mw prepare`` also
digests every row, checks labels' columns for leaks and copies, divides the rows, and keeps the dataset: it is here for
comparison, without a goal. The peer reads the file with pandas and writes its HTML report, once as it is by default,
and once with ``minimal=True``, its own setting for large data. In a round each of the four runs once, whole
processes, and both of ours are compared with both of the peer's.

The peer takes minutes, so there is one round; ``PROFILING_ROUNDS`` asks for more. A peer that does not end within
``PROFILING_PATIENCE`` seconds is stopped; the ratio is then the least that it can be. Set ``PROFILING_ROWS`` to try it
with fewer rows.
"""

from __future__ import annotations

import math
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.environments import WORK, clean_environment, ours, peer
from benchmarks.measure import Record, alone, compare, seconds

ROWS = int(os.environ.get("PROFILING_ROWS", "5000000"))
PATIENCE = float(os.environ.get("PROFILING_PATIENCE", "900"))
ROUNDS = int(os.environ.get("PROFILING_ROUNDS", "1"))
MOST_MEMORY = 1000.0
GOAL = 20.0
_PART = 250_000
_PEAK = "import resource, sys; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, file=sys.stderr)"
PREPARE = f"""
import sys
import modelwright
modelwright.open(sys.argv[1]).prepare()
{_PEAK}
"""
EXPLORE = f"""
import sys
from modelwright.cli.main import main
status = main(["explore", sys.argv[1], "--output", sys.argv[1] + ".profile.html"])
{_PEAK}
sys.exit(status)
"""
YDATA = f"""
import sys
import pandas
from ydata_profiling import ProfileReport
table = pandas.read_csv(sys.argv[1]) if sys.argv[1].endswith("csv") else pandas.read_parquet(sys.argv[1])
ProfileReport(table, minimal=MINIMAL, progress_bar=False).to_file(sys.argv[1] + ".html")
{_PEAK}
"""


def table(folder: Path) -> tuple[Path, Path]:
    """Write the same table as CSV and Parquet, once: 12 columns of numbers, categories, dates, and an answer."""
    from pyarrow import csv, parquet

    text, typed = folder / "data.csv", folder / "data.parquet"
    done = folder / f".made-{ROWS}"
    if done.exists():
        return text, typed
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    plain = csv.WriteOptions(quoting_style="none")
    text_writer = typed_writer = None
    for start in range(0, ROWS, _PART):
        part = _rows(random, min(_PART, ROWS - start))
        if text_writer is None or typed_writer is None:
            text_writer = csv.CSVWriter(text, part.schema, write_options=plain)
            typed_writer = parquet.ParquetWriter(typed, part.schema)
        text_writer.write_table(part)
        typed_writer.write_table(part)
    for writer in (text_writer, typed_writer):
        assert isinstance(writer, (csv.CSVWriter, parquet.ParquetWriter))
        writer.close()
    done.touch()
    return text, typed


def _rows(random: np.random.Generator, count: int) -> Any:
    import pyarrow as pa

    age, score = random.integers(18, 90, count), random.normal(size=count)
    days = np.datetime64("2020-01-01") + random.integers(0, 1500, count)
    answer = score + 0.02 * (age - 50) + random.normal(size=count) > 0
    colors, cities = ["red", "green", "blue", "yellow", "black"], [f"city {number}" for number in range(300)]

    def gaps(values: Any, share: float) -> pa.Array:
        return pa.array(values, mask=random.random(count) < share)

    def words(codes: Any, names: list[str]) -> pa.Array:
        return pa.array(names, pa.string()).take(pa.array(codes))

    return pa.table(
        {
            "age": gaps(age, 0.02),
            "income": gaps(np.round(random.lognormal(10, 0.6, count), 2), 0.05),
            "color": words(random.integers(0, 5, count), colors),
            "city": words(random.zipf(1.3, count) % 300, cities),
            "score": score,
            "temperature": gaps(np.round(random.normal(20, 5, count), 1), 0.03),
            "visits": random.poisson(3, count),
            "member": random.integers(0, 2, count),
            "latitude": random.uniform(-90, 90, count),
            "day": pa.array(days).cast(pa.string()),
            "rate": random.beta(2, 5, count),
            "answer": words(answer.astype(np.int64), ["no", "yes"]),
        }
    )


@dataclass
class _Runs:
    """What one program took: wall seconds, processor seconds and MB, one a round; MB are NaN where it was stopped."""

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)

    def time(self, python: Path, code: str, argument: Path, patience: float | None = None) -> None:
        """Run a whole process once more."""

        def once() -> None:
            try:
                done = subprocess.run(
                    [str(python), "-c", code, str(argument)],
                    check=True,
                    env=clean_environment(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    text=True,
                    timeout=patience,
                )
            except subprocess.TimeoutExpired:
                self.peaks.append(math.nan)
            else:
                self.peaks.append(float(done.stderr.split()[-1]))

        before = _processor()
        self.wall.append(seconds(once))
        self.processor.append(_processor() - before)

    @property
    def words(self) -> str:
        """What the rounds took beside wall seconds."""
        ended = [each for each in self.peaks if not math.isnan(each)]
        said = [f"{min(self.processor):,.0f} processor s"]
        said += [f"{max(ended):,.0f} MB"] if ended else []
        if len(ended) < len(self.peaks):
            said.append(f"stopped after {PATIENCE:,.0f} s in {len(self.peaks) - len(ended)} rounds")
        return ", ".join(said)


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _prepare(runs: _Runs, python: Path, folder: Path) -> None:
    """Time prepare from nothing: the store is removed before each round."""
    shutil.rmtree(folder / ".modelwright", ignore_errors=True)
    runs.time(python, PREPARE, folder)


def run(pairs: int) -> list[Record]:
    """Compare whole processes: reading, profiling, report; peak memory beside it."""
    records: list[Record] = []
    memory: dict[str, list[float]] = {}
    python, other = ours("all"), peer("ydata_profiling")
    for path in table(WORK / "profiling"):
        kind = path.suffix[1:]
        folder = WORK / "profiling" / kind
        folder.mkdir(exist_ok=True)
        (folder / "modelwright.yaml").write_text(f"label: answer\nsources:\n  - table: ../{path.name}\n")
        runs = {name: _Runs() for name in ("mw explore", "mw prepare", "default", "minimal")}
        work: list[Callable[[], None]] = [
            partial(runs["mw explore"].time, python, EXPLORE, path),
            partial(runs["default"].time, other, YDATA.replace("MINIMAL", "False"), path, PATIENCE),
            partial(_prepare, runs["mw prepare"], python, folder),
            partial(runs["minimal"].time, other, YDATA.replace("MINIMAL", "True"), path, PATIENCE),
        ]
        try:
            for number in range(min(pairs, ROUNDS)):
                for each in work if number % 2 == 0 else work[::-1]:
                    each()
        except subprocess.CalledProcessError as error:
            print(f"profiling: {kind} could not run: {error.stderr[-500:]}", file=sys.stderr)
            continue
        for mine in ("mw explore", "mw prepare"):
            memory.setdefault(mine, []).extend(runs[mine].peaks)
            records += [_compared(mine, theirs, kind, runs[mine], runs[theirs]) for theirs in ("default", "minimal")]
    return [*records, *(_peak(mine, peaks) for mine, peaks in memory.items())]


def _compared(mine: str, theirs: str, kind: str, ours_: _Runs, peer_: _Runs) -> Record:
    goal = (mine, theirs) == ("mw explore", "default")
    return compare(
        "profiling",
        f"{mine} / ydata-profiling {theirs}, {kind}",
        [ROWS / each for each in ours_.wall],
        [ROWS / each for each in peer_.wall],
        unit="rows/s",
        goal=f"≥ {GOAL:g} ×" if goal else "",
        met=(lambda ratio: ratio >= GOAL) if goal else None,
        command="python -m benchmarks --jobs profiling",
        note=f"{ROWS:,} rows × 12 columns, whole processes; ours {ours_.words}; peer {peer_.words}",
    )


def _peak(mine: str, peaks: list[float]) -> Record:
    return alone(
        "profiling",
        f"peak memory of {mine}, MB",
        [max(peaks)],
        unit="MB",
        goal=f"≤ {MOST_MEMORY:,.0f} MB",
        met=lambda found: found <= MOST_MEMORY,
        command="python -m benchmarks --jobs profiling",
        note=f"{ROWS:,} rows × 12 columns, CSV and Parquet; the most of {len(peaks)} runs",
    )
