"""A table of five million rows, from the file to a report of it: prepare and its page, against ydata-profiling.

Ours also checks labels' columns for leaks, units, dates and copies, divides the rows, and keeps the dataset; the peer
reads the file with pandas and writes its HTML report, once with ``minimal=True``, its own setting for large data, and
once as it is by default. A peer that does not end within ``PROFILING_PATIENCE`` seconds is stopped; the ratio is then
the least that it can be. Set ``PROFILING_ROWS`` to try it with fewer.
"""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.environments import WORK, clean_environment, ours, peer
from benchmarks.measure import Record, alone, compare, in_turn, seconds

ROWS = int(os.environ.get("PROFILING_ROWS", "5000000"))
PATIENCE = float(os.environ.get("PROFILING_PATIENCE", "900"))
MOST_MEMORY = 1000.0
_PART = 250_000
_PEAK = "import resource, sys; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, file=sys.stderr)"
PREPARE = f"""
import sys
import modelwright
modelwright.open(sys.argv[1]).prepare()
{_PEAK}
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


def _timed(python: Path, code: str, argument: Path, peaks: list[float], patience: float | None = None) -> float:
    """Time a whole process; one that is stopped after ``patience`` seconds leaves NaN in ``peaks``."""

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
            peaks.append(math.nan)
        else:
            peaks.append(float(done.stderr.split()[-1]))

    return seconds(once)


def _prepare(python: Path, folder: Path, peaks: list[float]) -> float:
    """Time prepare from nothing: the store is removed before each round."""
    shutil.rmtree(folder / ".modelwright", ignore_errors=True)
    return _timed(python, PREPARE, folder, peaks)


def run(pairs: int) -> list[Record]:
    """Compare whole processes: reading, profiling, report; peak memory beside it."""
    records: list[Record] = []
    memory: list[float] = []
    python, other = ours("all"), peer("ydata_profiling")
    for path in table(WORK / "profiling"):
        kind = path.suffix[1:]
        folder = WORK / "profiling" / kind
        folder.mkdir(exist_ok=True)
        (folder / "modelwright.yaml").write_text(f"label: answer\nsources:\n  - table: ../{path.name}\n")
        for name, minimal, goal in (("minimal", "True", None), ("default", "False", 20.0)):
            mine: list[float] = []
            theirs: list[float] = []
            prepare = partial(_prepare, python, folder, mine)
            profile = partial(_timed, other, YDATA.replace("MINIMAL", minimal), path, theirs, PATIENCE)
            try:
                first, second = in_turn(prepare, profile, min(pairs, 3), warmup=0)
            except subprocess.CalledProcessError as error:
                print(f"profiling: {name} on {kind} could not run: {error.stderr[-500:]}", file=sys.stderr)
                continue
            memory += mine
            records.append(
                compare(
                    "profiling",
                    f"mw prepare / ydata-profiling {name}, {kind}",
                    [ROWS / each for each in first],
                    [ROWS / each for each in second],
                    unit="rows/s",
                    goal="" if goal is None else f"≥ {goal:g} ×",
                    met=(lambda ratio: ratio >= 20.0) if goal is not None else None,
                    command="python -m benchmarks --jobs profiling",
                    note=f"{ROWS:,} rows × 12 columns, whole processes; peak memory ours {max(mine):,.0f} MB, "
                    + _of_peer(theirs),
                )
            )
    return [*records, _peak(memory)] if memory else records


def _of_peer(peaks: list[float]) -> str:
    ended = [each for each in peaks if not math.isnan(each)]
    said = [f"peer {max(ended):,.0f} MB"] if ended else []
    if len(ended) < len(peaks):
        said.append(f"the peer was stopped after {PATIENCE:,.0f} s in {len(peaks) - len(ended)} rounds")
    return "; ".join(said)


def _peak(memory: list[float]) -> Record:
    return alone(
        "profiling",
        "peak memory of mw prepare, MB",
        [max(memory)],
        unit="MB",
        goal=f"≤ {MOST_MEMORY:,.0f} MB",
        met=lambda found: found <= MOST_MEMORY,
        command="python -m benchmarks --jobs profiling",
        note=f"{ROWS:,} rows × 12 columns, CSV and Parquet; the most of {len(memory)} runs",
    )
