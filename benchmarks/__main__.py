"""Run the measures and print one table: ``python -m benchmarks [--jobs startup,serving]``.

Writes ``benchmarks/results.json``: one record a measure.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

from benchmarks.measure import Record, table

JOBS = (
    "startup",
    "training",
    "serving",
    "footprint",
    "preparing",
    "likeness",
    "million",
    "profiling",
    "labels",
    "monitoring",
)


def main() -> None:
    """Run the asked-for jobs one after the other; a job that cannot run says why and the others go on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", default=",".join(JOBS), help=f"some of {','.join(JOBS)}")
    parser.add_argument("--pairs", type=int, default=7, help="rounds that count, at least 5")
    parser.add_argument("--results", type=Path, default=Path(__file__).with_name("results.json"))
    arguments = parser.parse_args()
    asked = arguments.jobs.split(",")
    if unknown := set(asked) - set(JOBS):
        parser.error(f"no job {', '.join(sorted(unknown))}; there are {', '.join(JOBS)}")
    records: list[Record] = []
    for job in asked:
        print(f"— {job}", file=sys.stderr, flush=True)
        made: list[Record] = importlib.import_module(f"benchmarks.jobs.{job}").run(max(5, arguments.pairs))
        records += made
        print(table(made), file=sys.stderr, flush=True)
    print(table(records))
    known = json.loads(arguments.results.read_text()) if arguments.results.exists() else []
    fresh = {(r.job, r.measure) for r in records}
    kept = [entry for entry in known if (entry["job"], entry["measure"]) not in fresh]
    arguments.results.write_text(json.dumps(kept + [r.as_dict() for r in records], indent=1) + "\n")


if __name__ == "__main__":
    main()
