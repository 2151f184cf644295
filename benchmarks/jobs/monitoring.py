"""Seconds to compare a million rows of ten numbers with what training looked like: our counts and tests, and evidently.

Both sides find the data in memory-mapped files and the library imported; what is timed is from there to the verdicts.
Ours compares with the profile that a package carries, made before; evidently compares with the reference's rows.
"""

from __future__ import annotations

import json
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.environments import WORK, clean_environment, ours, peer
from benchmarks.measure import Record, alone, compare, in_turn

ROWS, COLUMNS = 1_000_000, 10
MOVED = (2, 5, 8)
"""Columns that drifted: by half a standard deviation."""
SLOW = 60.0
"""Seconds of one round of the peer above which three rounds must do."""
GOAL, LEAST = "≥ 200 ×", 200.0
MEMORY_GOAL, MEMORY = "≤ 300 MB", 300.0

OURS = """
import json, resource, sys, time
import numpy as np
from modelwright.monitor.drift import detect
from modelwright.monitor.findings import LEAST_EFFECT
from modelwright.runtime.profile import Counts
folder = sys.argv[1]
current = np.load(folder + "/current.npy", mmap_mode="r")
profile = json.load(open(folder + "/profile.json"))["inputs"]
import scipy.special
started = time.perf_counter()
counts = Counts(profile)
for start in range(0, current.shape[1], 65536):
    counts.add({f"c{index}": current[index, start : start + 65536] for index in range(len(current))})
found = detect([("input", counts.compare(name)) for name in counts.features], 0.001, LEAST_EFFECT)
seconds = time.perf_counter() - started
drifted = sorted(drift.feature for drift in found if drift.drifted)
"""
EVIDENTLY = """
import json, resource, sys, time
import numpy as np
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset
folder = sys.argv[1]
frames = []
for name in ("reference", "current"):
    values = np.load(f"{folder}/{name}.npy")
    frames.append(pd.DataFrame({f"c{index}": values[index] for index in range(len(values))}))
started = time.perf_counter()
definition = DataDefinition(numerical_columns=list(frames[0]))
reference, current = (Dataset.from_pandas(frame, data_definition=definition) for frame in frames)
done = Report([DataDriftPreset()]).run(current, reference)
said = done.dict()
seconds = time.perf_counter() - started
drifted = sorted(
    metric["config"]["column"]
    for metric in said["metrics"]
    if "column" in metric["config"] and metric["value"] >= metric["config"]["threshold"]
)
"""
ANSWER = """
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": seconds, "peak": peak, "drifted": drifted}))
"""
PROFILE = """
import json, sys
import numpy as np
from modelwright.runtime.profile import ProfileBuilder
folder = sys.argv[1]
values = np.load(folder + "/reference.npy", mmap_mode="r")
builder = ProfileBuilder()
builder.add_inputs({f"c{index}": values[index] for index in range(len(values))})
open(folder + "/profile.json", "w").write(json.dumps(builder.finish()))
"""


def data(python: Path) -> Path:
    """Write reference, current and the reference's profile, once."""
    folder = WORK / "monitoring"
    if not (folder / "profile.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        random = np.random.default_rng(0)
        for name in ("reference", "current"):
            values = random.normal(size=(COLUMNS, ROWS))
            values[list(MOVED)] += 0.5 * (name == "current")
            np.save(folder / f"{name}.npy", values)
        _python(python, PROFILE, folder)
    return folder


def _python(python: Path, code: str, folder: Path) -> str:
    return subprocess.run(
        [str(python), "-c", code, str(folder)],
        check=True,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ).stdout


def _round(python: Path, code: str, folder: Path, kept: list[dict[str, Any]]) -> float:
    kept.append(json.loads(_python(python, code + ANSWER, folder).splitlines()[-1]))
    return float(kept[-1]["seconds"])


def run(pairs: int) -> list[Record]:
    """Compare work in processes of their own; start-up and reading files are not counted on either side."""
    python, other = ours("all"), peer("evidently")
    folder = data(python)
    mine: list[dict[str, Any]] = []
    theirs: list[dict[str, Any]] = []
    first = partial(_round, python, OURS, folder, mine)
    second = partial(_round, other, EVIDENTLY, folder, theirs)
    slow = second() > SLOW  # this is its warm-up, too
    first()
    seconds, others = in_turn(first, second, 3 if slow else max(5, min(pairs, 5)), warmup=0)
    wanted = [f"c{index}" for index in MOVED]
    same = all(each["drifted"] == wanted for each in (*mine, *theirs))
    peaks = [max(each["peak"] for each in side) for side in (mine, theirs)]
    note = (
        f"{ROWS:,} × {COLUMNS} float64, {len(MOVED)} columns moved; verdicts {'the same' if same else 'DIFFER'}; "
        f"peak memory of the process {peaks[0]:.0f} MB, evidently's {peaks[1]:.0f} MB"
    )
    return [
        compare(
            "monitoring",
            "drift of a window / evidently's drift preset",
            [ROWS / each for each in seconds],
            [ROWS / each for each in others],
            unit="rows/s",
            goal=GOAL,
            met=lambda ratio: ratio >= LEAST and same,
            command="mw monitor",
            note=note,
        ),
        alone(
            "monitoring",
            "peak memory of counting and testing",
            [each["peak"] for each in mine],
            unit="MB",
            goal=MEMORY_GOAL,
            met=lambda peak: peak <= MEMORY,
            command="mw monitor",
            note=note,
        ),
    ]
