"""The whole step on real packages: figures, gate, looks, champion, page."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from modelwright.errors import InputError
from modelwright.package import package
from modelwright.spec import Condition
from modelwright.store import Artifact
from modelwright.train import train
from modelwright.validate import validate


def report_of(artifact: Artifact) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(artifact.path("report.json").read_bytes())
    return found


def run(packaged: Any, accept: tuple[Condition, ...] = (), **more: Any) -> Artifact:
    made, artifact = packaged
    return validate(replace(made.spec, accept=accept), made.dataset, made.model, artifact, made.store, **more)


def test_the_report(packaged: Any, report: Artifact) -> None:
    made, _ = packaged
    check_report(made, report_of(report))


def check_report(made: Any, report: dict[str, Any]) -> None:
    target = made.dataset.target
    assert report["verdict"] == "accepted"
    assert report["samples"] == made.dataset.count("test")
    assert set(report["metrics"]) <= set(target.higher_is_better)
    for entry in report["metrics"].values():
        assert entry["low"] <= entry["value"] <= entry["high"]
    assert report["parity"]["passed"]
    assert report["parity"]["largest_difference"] <= report["parity"]["limit"] == 1e-4
    assert report["baseline"]["better"]
    assert report["test_looks"] == 1
    assert set(report["gap"]) <= set(report["metrics"])
    if target.name == "category":
        assert sum(map(sum, report["confusion"])) == report["samples"] - report["unknown_labels"]
        for mistake in report["mistakes"]:
            assert mistake["truth"] != mistake["answer"]["label"]
    else:
        assert report["confusion"] is None
        losses = [mistake["loss"] for mistake in report["mistakes"]]
        assert losses == sorted(losses, reverse=True)
    ids = made.dataset.ids("test")
    assert all(ids[mistake["index"]] == mistake["sample"] for mistake in report["mistakes"])


def test_again_gives_the_same_report_and_is_not_another_look(packaged: Any, report: Artifact) -> None:
    assert run(packaged).digest == report.digest
    made, _ = packaged
    looks = list(made.store.catalog.audit.events(event="test-look"))
    assert len(looks) == 1


def test_measurements_are_attached_not_identity(report: Artifact) -> None:
    path = report.attached("measurements.json")
    assert path is not None
    measured = json.loads(path.read_bytes())
    assert 0 < measured["latency_p50_ms"] <= measured["latency_p95_ms"]
    assert 20 < measured["peak_memory_mb"] < 250  # numpy and onnxruntime, and nothing of training
    assert measured["size_mb"] > 0
    assert "measurements.json" not in report.files


class Counting(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: dict[str, int] = {}
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.loads += [v or "" for n, v in attrs if n in {"src", "href"} and not (v or "").startswith(("data:", "#"))]


def test_the_page_draws_everything_and_loads_nothing(packaged: Any, report: Artifact) -> None:
    made, _ = packaged
    path = report.attached("report.html")
    assert path is not None
    page = Counting()
    page.feed(path.read_text(encoding="utf-8"))
    assert page.loads == []
    assert page.tags["svg"] >= 3
    assert "script" not in page.tags
    if made.dataset.meta["modality"] == "image" and report_of(report)["mistakes"]:
        assert page.tags["img"] >= 1


def test_the_gate_refuses_in_words(number: Any) -> None:
    artifact = run(number, (Condition("r2", ">=", 0.9999), Condition("size_mb", "<=", 100)))
    report = report_of(artifact)
    assert report["verdict"] == "refused" == artifact.meta["verdict"]
    assert len(report["reasons"]) == 1
    assert report["reasons"][0].startswith("r2 0.9")
    assert report["reasons"][0].endswith("is not >= 0.9999")
    slow = report_of(run(number, (Condition("latency_p95_ms", "<=", 0.0001),)))
    assert "measured here" in slow["reasons"][0]


def test_an_unknown_metric_is_refused_before_the_look(number: Any) -> None:
    made, _ = number
    before = sum(1 for _ in made.store.catalog.audit.events(event="test-look"))
    with pytest.raises(InputError, match=r"no figure 'accuracy'; there are: .*mae") as caught:
        run(number, (Condition("accuracy", ">=", 0.9),))
    assert caught.value.code == "unknown-metric"
    assert sum(1 for _ in made.store.catalog.audit.events(event="test-look")) == before


def test_a_worse_challenger_is_refused_and_a_better_one_is_said_to_be_better(number: Any) -> None:
    made, good = number
    spec = replace(made.spec, train=replace(made.spec.train, models=("baseline",)))
    poor_model = train(spec, made.dataset, made.store)
    poor = package(spec, made.dataset, poor_model, made.store)
    worse = validate(made.spec, made.dataset, poor_model, poor, made.store, champion=good)
    report = report_of(worse)
    assert report["verdict"] == "refused"
    assert report["reasons"][0].startswith("worse than the champion")
    assert report["champion"]["worse"]
    assert worse.inputs["champion"] == good.digest
    assert report["test_looks"] == 2
    better = report_of(run(number, champion=poor))
    assert better["verdict"] == "accepted"
    assert better["champion"]["better"]
    assert better["champion"]["p_value"] < 0.01


def test_a_champion_of_another_task_is_not_compared(number: Any, projects: Any, tmp_path: Any) -> None:
    other = projects.make(tmp_path / "other", "category")
    stranger = package(other.spec, other.dataset, other.model, other.store)
    report = report_of(run(number, champion=stranger))
    assert report["verdict"] == "accepted"
    assert "another task" in report["champion"]["reason"]
