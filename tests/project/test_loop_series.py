"""The loop on series: recordings in class folders, and forecasts from a long table, as far as a server's answers."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from modelwright.project import open_project

from . import looping

pytestmark = pytest.mark.slow
QUICK = "train: {budget: 60s}\n"


def _recording(swing: float, steps: int, seed: int) -> str:
    random = np.random.default_rng(seed)
    wave = np.sin(np.arange(steps) / swing) + random.normal(0, 0.4, steps)
    drift = random.normal(0, 0.2, steps).cumsum()
    rows = [f"{moment},{x:.4f},{y:.4f}" for moment, (x, y) in enumerate(zip(wave, drift, strict=True))]
    return "seconds,shaft,housing\n" + "\n".join(rows) + "\n"


def test_recordings_of_two_classes_are_told_apart_from_files_and_on_the_wire(tmp_path: Path) -> None:
    root = tmp_path / "plant"
    for name, swing in (("loose", 2.0), ("tight", 5.0)):
        (root / "data" / name).mkdir(parents=True)
        for place in range(60):
            text = _recording(swing, 60 + place % 9, place + int(1000 * swing))
            (root / "data" / name / f"{place}.csv").write_text(text)
    (root / "modelwright.yaml").write_text(
        f"sources:\n  - series: data\naccept: {{f1_macro: '>= 0.8'}}\n{QUICK}", encoding="utf-8"
    )
    project = open_project(root)
    result = project.run()
    assert result.verdict == "accepted", result.report
    assert result.report is not None
    assert result.report["parity"]["passed"]
    assert result.report["metrics"]["f1_macro"]["low"] > 0.6

    fresh = [(_recording(2.0, 70, 77), "loose"), (_recording(5.0, 55, 78), "tight")]
    with looping.serving(project) as client:
        for text, truth in fresh:
            assert _sent(client.url, text.encode(), "text/csv")["label"] == truth
            columns = np.array([line.split(",") for line in text.splitlines()[1:]], float).T.tolist()
            document = {"time": columns[0], "values": {"housing": columns[2], "shaft": columns[1]}}
            assert client.predict(document)["label"] == truth
            answers = client.post("/predict", [document, document])
            assert [each["label"] for each in answers] == [truth, truth]
    path = tmp_path / "new.csv"
    path.write_text(fresh[0][0])
    (answer,) = project.predict([path])
    assert answer["prediction"]["label"] == "loose"


def _sent(url: str, body: bytes, media: str) -> dict[str, object]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), int(parts.port or 80), timeout=30)
    try:
        connection.request("POST", "/predict", body, {"Content-Type": media})
        response = connection.getresponse()
        text = response.read()
        assert response.status == 200, text
        answer: dict[str, object] = json.loads(text)
        return answer
    finally:
        connection.close()


def test_a_forecast_of_a_number_is_better_than_its_mean(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    hours = np.arange(1500)
    load = 50 + 20 * np.sin(hours / 24 * 2 * np.pi) + random.normal(0, 2, len(hours))
    root = tmp_path / "grid"
    root.mkdir()
    stamps = np.datetime64("2024-01-01T00:00:00") + hours.astype("timedelta64[h]")
    lines = [f"{stamp},{value:.3f}" for stamp, value in zip(stamps.astype(str), load, strict=True)]
    (root / "load.csv").write_text("time,load\n" + "\n".join(lines) + "\n")
    (root / "modelwright.yaml").write_text(
        "output: number\nlabel: load\nsources:\n  - series: load.csv\n    window: 24h\n    step: 6h\n    ahead: 6h\n"
        f"split: {{by: time}}\n{QUICK}",
        encoding="utf-8",
    )
    project = open_project(root)
    result = project.run()
    assert result.report is not None
    assert result.report["parity"]["passed"]
    assert result.report["metrics"]["mae"]["high"] < 6
    assert result.report["baseline"]["better"]
