"""The dirt that is known of the real series is found; all of them go through prepare from their packed files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modelwright.store.dataset import Dataset

from .conftest import Project, issues

KNOWN = [
    ("ambient_temperature_system_failure.csv", "gap", "174 h"),
    ("machine_temperature_system_failure.csv", "backward-time", "once: the first from 2014-01-07 02:55:00 to"),
    ("machine_temperature_system_failure.csv", "repeated-time", "12 rows"),
    ("ec2_request_latency_system_failure.csv", "repeated-time", "11 rows"),
    ("rogue_agent_key_hold.csv", "gap", "45.6 h"),
    ("rogue_agent_key_hold.csv", "irregular-step", "differ from the usual 5 min"),
]
"""File, kind, and words of the issue, after the data sets' own notes."""
REGULAR = ("nyc_taxi.csv", "cpu_utilization_asg_misconfiguration.csv")


@pytest.fixture(scope="module")
def server_metrics(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    project = Project(tmp_path_factory.mktemp("nab"))
    return project.prepare(
        f"sources:\n  - series: {shared_data / 'nab-known-cause'}\n    labels: combined_windows.json\n    window: 12h\n"
    )


@pytest.mark.parametrize(("path", "kind", "words"), KNOWN)
def test_known_dirt_of_server_metrics_is_found(server_metrics: Dataset, path: str, kind: str, words: str) -> None:
    found = [str(row["message"]) for row in issues(server_metrics, kind) if row["path"] == f"0/{path}"]
    assert any(words in message for message in found), found


@pytest.mark.parametrize("path", REGULAR)
def test_regular_series_have_no_such_issue(server_metrics: Dataset, path: str) -> None:
    clocks = {"gap", "backward-time", "repeated-time", "irregular-step"}
    assert not [row for row in issues(server_metrics) if row["path"] == f"0/{path}" and row["kind"] in clocks]


def test_all_windows_of_known_causes_are_labelled(server_metrics: Dataset) -> None:
    labels = server_metrics.samples()["label"].to_pylist()
    assert set(labels) == {"anomaly", "normal"}
    assert 0.05 < labels.count("anomaly") / len(labels) < 0.2


SPECS = {
    "indoor-movement": """sources:
  - series: {data}/indoor-movement/IndoorMovement.zip
    labels: dataset/MovementAAL_target.csv
    groups: groups/MovementAAL_DatasetGroup.csv
""",
    "skab-valves": """label: anomaly
sources:
  - series: {data}/skab-valves/skab_valves.zip
    window: 60
    ignore: [changepoint]
""",
    "occupancy-iot": """label: Occupancy
sources:
  - series: {data}/occupancy-iot
    window: 30m
split: {{by: time}}
""",
    "electricity-elec2": """label: class
sources:
  - series: {data}/electricity-elec2/elec.csv.gz
    window: 48
split: {{by: time}}
""",
    "synthetic-drift-sea": """label: class
sources:
  - series: {data}/synthetic-drift-sea/sea_0123_abrupto_noise_0.2.csv.gz
    window: 20
    rule: most
""",
}


@pytest.mark.parametrize(
    ("name", "found", "samples"),
    [
        ("indoor-movement", {"unlisted-file": 3}, 314),
        ("skab-valves", {"missing-label": 1, "irregular-step": 20, "gap": 4}, 365),
        ("occupancy-iot", {"short-header": 3}, 684),
        ("electricity-elec2", {}, 944),
        ("synthetic-drift-sea", {}, 2000),
    ],
)
@pytest.mark.slow
def test_real_series_from_their_packed_files(
    shared_data: Path, project: Project, name: str, found: dict[str, int], samples: int
) -> None:
    dataset = project.prepare(SPECS[name].format(data=shared_data))
    kinds: dict[str, int] = {}
    for row in issues(dataset):
        kinds[str(row["kind"])] = kinds.get(str(row["kind"]), 0) + 1
    assert {kind: kinds.get(kind, 0) for kind in found} == found
    assert len(dataset.samples()) == samples
    division: dict[str, Any] = dataset.meta["division"]
    assert division["proof"]["holds"]
