"""What a server does with inputs beside what training saw."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from modelwright.monitor import monitor
from modelwright.spec import loads

from . import making
from .conftest import Running

FAR: dict[str, Any] = {"size": 1e9, "color": "violet"}
"""Beyond any size, and a color, that the training rows have."""


def test_a_warning_names_column_found_and_expected_and_is_counted_and_logged(start: Callable[..., Running]) -> None:
    server = start()
    good = server.http.post("/predict", content=making.row(), headers={"content-type": "application/json"})
    assert "warnings" not in good.json()
    answer = server.http.post("/predict", json=FAR).json()
    assert answer["label"]
    codes = {each["column"]: each for each in answer["warnings"]}
    assert codes["size"]["code"] == "out-of-range"
    assert codes["size"]["found"] == 1e9
    assert " to " in codes["size"]["expected"]
    assert codes["color"]["code"] == "unknown-category"
    assert "red" in codes["color"]["expected"]
    many = server.http.post("/predict", json=[{"size": 1.0, "color": "red"}, FAR]).json()
    found = many["predictions"] if isinstance(many, dict) else many
    assert ["warnings" in each for each in found] == [False, True]
    metrics = server.http.get("/metrics", headers=server.token).text
    assert 'modelwright_contract_total{code="unknown-category",column="color"} 2.0' in metrics
    record = {each.id: each for each in making.logged(server.store)}[answer["id"]]
    assert len(record.output["warnings"]) == 2


def test_a_strict_server_refuses_with_the_column_what_was_found_and_what_is_right(
    start: Callable[..., Running],
) -> None:
    server = start(contract="refuse")
    refused = server.http.post("/predict", json=FAR)
    assert refused.status_code == 422
    error = refused.json()
    assert error["code"] == "contract-out-of-range"
    assert 'column "size": found 1e+09, expected' in error["message"]
    assert "column \"color\": found 'violet', expected" in error["message"]
    assert "deploy.contract" in error["hint"]
    row = server.http.post("/predict", json=[{"size": 1.0, "color": "red"}, FAR])
    assert row.status_code == 422
    assert row.json()["message"].startswith("row 1: ")
    assert server.http.post("/predict", json={"size": 1.0, "color": "red"}).status_code == 200


def test_a_server_that_is_told_so_says_nothing(start: Callable[..., Running]) -> None:
    server = start(contract="off")
    assert "warnings" not in server.http.post("/predict", json=FAR).json()


def findings_of(server: Running, rows: list[dict[str, Any]], window: str = "1h") -> dict[str, Any]:
    """Send rows one after another, stop the server, and return what monitoring finds."""
    for each in rows:
        assert server.http.post("/predict", json=each).status_code in {200, 422}
    server.stop()
    text = f"sources: [{{table: data.csv}}]\nlabel: y\nmonitor: {{window: {window}}}\n"
    (server.store.root.parent / "data.csv").write_text("size,color,y\n1,red,a\n2,green,b\n")
    artifact = monitor(loads(text, server.store.root.parent / "modelwright.yaml"), server.store)
    assert artifact is not None
    report = artifact.attached("report.html")
    assert report is not None
    found: dict[str, Any] = json.loads(artifact.path("findings.json").read_bytes())
    return {**found, "page": report.read_text("utf-8")}


GOOD: list[dict[str, Any]] = [
    {"size": float(size), "color": color} for size in (0, 1, 2, 5, 9) for color in ("red", "green")
]


@pytest.mark.parametrize("policy", ["off", "warn", "refuse"])
def test_monitoring_finds_what_is_beside_the_contract_whatever_the_server_does_about_it(
    start: Callable[..., Running], policy: str
) -> None:
    server = start(contract=policy)
    rows = [*GOOD * 8, *[FAR] * 60, *[{"size": None, "color": "red"}] * 20]
    found = findings_of(server, rows)
    beside = found["contract"]
    assert (beside["samples"], beside["of"]) == (80, 160)
    assert beside["refused"] == (80 if policy == "refuse" else 0)
    assert found["window"]["count"] == (80 if policy == "refuse" else 160)
    rules = {(each["column"], each["code"]): each for each in beside["rules"]}
    assert {rule: each["count"] for rule, each in rules.items()} == {
        ("size", "out-of-range"): 60,
        ("color", "unknown-category"): 60,
        ("size", "missing"): 20,
    }
    assert all(each["alarm"] for each in rules.values())
    assert rules["size", "out-of-range"]["found"] == [1e9]
    assert rules["color", "unknown-category"]["expected"] == "green, red"
    (alert,) = [each for each in found["alerts"] if each["kind"] == "contract"]
    assert alert["severity"] == ("critical" if policy == "refuse" else "warning")
    assert "size is out of range in 60 of 160 inputs (found 1e+09; expected 0 to" in alert["message"]
    sent = [json.loads(line) for line in (server.store.root / "alerts.jsonl").read_text().splitlines()]
    assert "contract" in {each["kind"] for each in sent}
    assert "Beside the contract" in found["page"]
    assert "too often" in found["page"]
    assert found["timeline"][-1]["beside"] == 80


def test_a_stray_value_is_counted_and_alarms_nobody(start: Callable[..., Running]) -> None:
    found = findings_of(start(), [*GOOD * 30, FAR])
    assert found["contract"]["samples"] == 1
    assert not any(each["alarm"] for each in found["contract"]["rules"])
    assert not [each for each in found["alerts"] if each["kind"] == "contract"]


def test_a_window_in_which_everything_is_refused_is_judged(start: Callable[..., Running]) -> None:
    server = start(contract="refuse")
    found = findings_of(server, [FAR] * 120)
    assert found["window"]["count"] == 0
    assert found["contract"]["refused"] == found["contract"]["of"] == 120
    assert [each["kind"] for each in found["alerts"]] == ["contract"]
    # Nothing is counted twice.
    text = "sources: [{table: data.csv}]\nlabel: y\nmonitor: {window: 1h}\n"
    assert monitor(loads(text, server.store.root.parent / "modelwright.yaml"), server.store) is None


def test_refusals_are_counted_in_the_metrics_and_tensors_are_held_against_the_contract_too(
    start: Callable[..., Running],
) -> None:
    server = start(contract="refuse")
    names = {each["name"]: each for each in server.http.get("/v2/models/table").json()["inputs"]}
    assert len(names) == 2
    tensors = [
        {
            "name": name,
            "datatype": each["datatype"],
            "shape": [2, 1],
            "data": ["red", "red"] if each["datatype"] == "BYTES" else [1.0, 1e9],
        }
        for name, each in names.items()
    ]
    refused = server.http.post("/v2/models/table/infer", json={"inputs": tensors})
    assert refused.status_code == 422
    assert refused.json()["message"].startswith("sample 1: ")
    assert server.http.post("/predict", json=FAR).status_code == 422
    metrics = server.http.get("/metrics", headers=server.token).text
    assert 'modelwright_contract_total{code="out-of-range",column="size"} 2.0' in metrics
