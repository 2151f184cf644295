"""One round of monitoring over a real log: counted once, found, said, drawn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from modelwright.monitor import monitor
from modelwright.monitor.alerts import FileSink
from modelwright.progress import SILENT
from modelwright.store import Artifact, Store
from modelwright.store.logs import Record
from modelwright.store.state import StateFile

from .production import SECOND, START, publish, records, spec, write


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / ".modelwright")


def _read(artifact: Artifact | None) -> dict[str, Any]:
    assert artifact is not None
    found: dict[str, Any] = json.loads(artifact.path("findings.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.slow
def test_drift_is_found_before_any_label_is_known(tmp_path: Path, store: Store) -> None:
    package = publish(store)
    wanted = spec(tmp_path)
    write(store, records(package, 250))
    quiet = _read(monitor(wanted, store, now=START + 25 * SECOND))
    assert not quiet["alarm"]
    assert quiet["quality"]["realised"] is None
    write(store, records(package, 200, light=0.31, start=START + 60 * SECOND))
    artifact = monitor(wanted, store, now=START + 100 * SECOND)
    found = _read(artifact)
    assert found["alarm"]
    assert not found["quality"]["reliable"]
    drifted = {drift["feature"]: drift["words"] for drift in found["drift"] if drift["drifted"]}
    assert drifted["brightness"].startswith("brightness fell from 0.498 to 0.309")
    assert any("fell from" in alert["message"] or "rose from" in alert["message"] for alert in found["alerts"])
    assert artifact is not None
    assert artifact.inputs == {"package": package.digest}
    # Two windows: the one that ran while the camera slipped, and the one after.
    sent = [json.loads(line)["kind"] for line in (store.root / "alerts.jsonl").read_text().splitlines()]
    assert sent == ["drift", "drift"]
    report = artifact.attached("report.html")
    assert report is not None
    page = report.read_text(encoding="utf-8")
    assert "data:image/png;base64," in page
    assert "brightness fell from" in page


def test_labels_that_come_later_say_the_findings_anew(tmp_path: Path, store: Store) -> None:
    package = publish(store)
    wanted = spec(tmp_path)
    made = records(package, 150)
    write(store, made)
    assert monitor(wanted, store, now=START + 100 * SECOND) is not None
    assert monitor(wanted, store, now=START + 101 * SECOND) is None
    for index, record in enumerate(made[:40]):
        store.annotations.append(record.sample, "label", "off" if index % 2 else "on", "anna", "feedback", record.id)
    found = _read(monitor(wanted, store, now=START + 102 * SECOND))
    assert found["quality"]["realised"]["count"] == 40
    assert found["quality"]["realised"]["value"] == 0.5
    assert [alert["kind"] for alert in found["alerts"]] == ["quality"]
    assert found["alerts"][0]["severity"] == "critical"
    assert found["timeline"][-1]["realised"][0] == 0.5


@pytest.mark.parametrize("steps", [[300], [1, 99, 100, 100], [150, 150]])
def test_every_record_is_counted_once_however_often_one_looks(tmp_path: Path, store: Store, steps: list[int]) -> None:
    package = publish(store)
    wanted = spec(tmp_path)
    made = records(package, 300)
    done = 0
    for step in steps:
        write(store, made[done : done + step])
        done += step
        monitor(wanted, store, now=made[done - 1].time)
    state = StateFile(store.root, "monitor-server", 1).load()
    assert state is not None
    closed = sum(entry["count"] for entry in state["timeline"] if entry.get("closed"))
    assert closed + sum(window["count"] for window in state["windows"]) == 300
    assert len(state["recent"]) == 300


def test_a_crash_before_the_state_is_saved_repeats_the_same_findings(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = publish(store)
    wanted = spec(tmp_path)
    write(store, records(package, 150, light=0.3))

    def die(self: StateFile, value: dict[str, Any]) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(StateFile, "save", die)
        with pytest.raises(KeyboardInterrupt):
            monitor(wanted, store, now=START + 100 * SECOND)
    first = store.artifacts.latest("findings")
    again = monitor(wanted, store, now=START + 200 * SECOND)
    assert first == again
    assert len((store.root / "alerts.jsonl").read_text().splitlines()) == 1


def test_each_package_is_judged_by_its_own_profile(tmp_path: Path, store: Store) -> None:
    first, second = publish(store, seed=0), publish(store, name="lamp two", seed=9)
    wanted = spec(tmp_path)
    before = records(first, 120, light=0.3)
    after = records(second, 120, start=START + 12 * SECOND)
    mixed = [record for pair in zip(before, after, strict=True) for record in pair]
    write(store, mixed)
    found = _read(monitor(wanted, store, now=START + 200 * SECOND))
    assert found["package"] == first.digest
    by_package = {entry["package"]: entry["alarm"] for entry in found["timeline"]}
    assert by_package == {first.digest: True, second.digest: False}


def test_what_cannot_be_decoded_is_counted_and_said(tmp_path: Path, store: Store) -> None:
    package = publish(store)
    made = records(package, 120)
    broken = [
        Record(f"b{index}", one.time, one.package, one.sample, one.media_type, b"<html>", one.output, 1)
        for index, one in enumerate(made[:30])
    ]
    odd = [Record("odd", made[0].time, package.digest, made[0].sample, "image/png", made[0].input, {"error": {}}, 1)]
    unknown = [Record("u", made[0].time, "f" * 64, made[0].sample, "image/png", made[0].input, {}, 1)]
    write(store, unknown + made[:50] + broken + odd + made[50:])
    found = _read(monitor(spec(tmp_path), store, now=START + 100 * SECOND))
    assert found["undecodable"] == 31
    assert found["window"]["count"] == 120
    assert any("31 of 151 inputs could not be decoded" in alert["message"] for alert in found["alerts"])


def test_no_log_is_nothing_to_say(tmp_path: Path, store: Store) -> None:
    assert monitor(spec(tmp_path), store, now=START) is None
    publish(store)
    write(store, records(publish(store), 50))
    assert monitor(spec(tmp_path), store, now=START + 500 * SECOND) is None  # fewer than can say anything


def test_a_clock_that_jumps_back_ends_the_window(tmp_path: Path, store: Store) -> None:
    package = publish(store)
    write(store, records(package, 150) + records(package, 150, start=START - 10**7 * SECOND, seed=3))
    found = _read(monitor(spec(tmp_path), store, now=START + 500 * SECOND))
    assert [entry["count"] for entry in found["timeline"]] == [150, 150]


def test_drift_can_be_switched_off(tmp_path: Path, store: Store) -> None:
    package = publish(store)
    write(store, records(package, 150, light=0.2))
    found = _read(monitor(spec(tmp_path, drift="off"), store, now=START + 100 * SECOND))
    assert found["drift"] == []
    assert not found["alarm"]


def test_a_broken_sink_stops_nothing(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: FileSink, alert: dict[str, Any]) -> None:
        raise RuntimeError("no route")

    said: list[str] = []

    class Listener(type(SILENT)):  # type: ignore[misc]
        def say(self, message: str) -> None:
            said.append(message)

    monkeypatch.setattr(FileSink, "send", fail)
    package = publish(store)
    write(store, records(package, 150, light=0.2))
    assert _read(monitor(spec(tmp_path), store, now=START + 100 * SECOND, progress=Listener()))["alarm"]
    assert any("alert sink 'file' failed" in line for line in said)


def test_the_file_sink_survives_a_torn_line(tmp_path: Path) -> None:
    sink = FileSink(tmp_path)
    sink.send({"id": "one", "message": "a"})
    with sink.path.open("ab") as file:
        file.write(b'{"id":"tw')
    sink.send({"id": "three", "message": "c"})
    sink.send({"id": "three", "message": "c"})
    lines = sink.path.read_text().splitlines()
    assert [json.loads(line)["id"] for line in (lines[0], lines[2])] == ["one", "three"]
    assert len(lines) == 3


@pytest.mark.slow
def test_steady_production_stays_quiet_over_many_windows(tmp_path: Path, store: Store) -> None:
    package = publish(store, count=800)
    wanted = spec(tmp_path)
    for index in range(5):
        write(store, records(package, 220, start=START + index * 30 * SECOND, seed=index))
        monitor(wanted, store, now=START + (index + 1) * 30 * SECOND)
    state = StateFile(store.root, "monitor-server", 1).load()
    assert state is not None
    assert not any(entry["alarm"] for entry in state["timeline"])
    closed = sum(entry["count"] for entry in state["timeline"] if entry.get("closed"))
    assert closed + sum(window["count"] for window in state["windows"]) == 5 * 220
