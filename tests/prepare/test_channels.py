"""Sequences that lack a channel, hold a code for "missing", or values that no other one has."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .conftest import Project, issues

STEPS = 60


def write(root: Path, name: str, columns: dict[str, np.ndarray]) -> None:
    (root / "series").mkdir(exist_ok=True)
    lines = [",".join(["time", *columns])]
    for step in range(STEPS):
        cells = [f"{values[step]:.5g}" for values in columns.values()]
        lines.append(",".join([f"2024-01-01T00:00:{step:02}", *cells]))
    (root / "series" / f"{name}.csv").write_text("\n".join(lines))


def usual(seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {"u": random.normal(0, 1, STEPS), "v": random.lognormal(0, 0.5, STEPS)}


def named(project: Project, kind: str) -> set[str]:
    dataset = project.prepare("input: series\noutput: none\nsources: [{series: series}]\n")
    return {str(each["path"]).rpartition("/")[2] for each in issues(dataset, kind)}


def test_what_is_planted_in_sequences_is_found_and_nothing_else(project: Project) -> None:
    for number in range(60):
        write(project.root, f"ok{number}", usual(number))
    lacking, coded, peak, unit, small = (usual(100 + number) for number in range(5))
    del lacking["v"]
    coded["u"][::7] = -999
    peak["v"][20] = 1e6
    unit["v"] *= 1000
    small["u"] /= 1000
    for name, columns in (("lacking", lacking), ("coded", coded), ("peak", peak), ("unit", unit), ("small", small)):
        write(project.root, name, columns)
    assert named(project, "incomplete") == {"lacking.csv"}
    assert named(project, "hidden-missing") == {"coded.csv"}
    assert named(project, "odd-value") == {"peak.csv", "unit.csv", "small.csv"}


def test_sequences_of_many_levels_and_two_kinds_are_not_odd(project: Project) -> None:
    random = np.random.default_rng(0)
    for number in range(60):
        columns = usual(number)
        columns["u"] = columns["u"] * random.lognormal(0, 1) + random.normal(0, 5)
        if number % 3 == 0:
            del columns["v"]
        write(project.root, f"s{number}", columns)
    assert not named(project, "odd-value") | named(project, "incomplete") | named(project, "hidden-missing")
