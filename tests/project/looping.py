"""A plant whose sensors change: generated tables, a project on them, and a real server that gets their rows."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from modelwright.project import Project, init_project, open_project

Row = dict[str, Any]
IDLE = 3.0
LINES = ("north", "south", "west")


def draw(kind: str, count: int, seed: int, *, shifted: bool = False) -> list[tuple[Row, Any]]:
    """Return rows with their truth: what a machine does, from its sensors.

    Shifted, the temperature sensor reads in Fahrenheit, and vibration no longer wears the part.
    """
    random = np.random.default_rng(seed)
    celsius = random.normal(60, 8, count)
    vibration = random.gamma(4, 0.5, count)
    load = random.uniform(0, 1, count)
    line = random.integers(0, 3, count)
    wears = 0.0 if shifted else 1.5
    level = 0.15 * (celsius - 60) + wears * (vibration - 2) + 1.2 * load * (line == 1) - 0.3
    reading = celsius * 1.8 + 32 if shifted else celsius
    noise = random.normal(0, 0.3, count)
    rows = []
    for at in range(count):
        row = {
            "temperature": round(float(reading[at]), 3),
            "vibration": round(float(vibration[at]), 4),
            "load": round(float(load[at]), 4),
            "line": LINES[line[at]],
        }
        value = float(level[at] + noise[at])
        truth: Any = round(10 + value, 4)
        if kind == "category":
            truth = "worn" if value > 0 else "fine"
        elif kind == "tags":
            truth = [tag for tag, there in (("worn", value > 0), ("full", load[at] > 0.7)) if there]
        rows.append((row, truth))
    return rows


def write_table(path: Path, rows: Sequence[tuple[Row, Any]]) -> None:
    """Write rows as a CSV file; the column to predict is ``label``."""
    names = [*rows[0][0], "label"]
    lines = [",".join(names), *(",".join(map(_cell, (*row.values(), truth))) for row, truth in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _cell(value: Any) -> str:
    return ("|".join(value) or "none") if isinstance(value, list) else str(value)


def begin(folder: Path, rows: Sequence[tuple[Row, Any]], *, promote: str = "auto", more: str = "") -> Project:
    """Make a project of a table by ``init``, with quick training, and run it as far as the gate."""
    folder.mkdir()
    write_table(folder / "sensors.csv", rows)
    guessed = init_project(folder, folder / "sensors.csv")
    assert guessed["label"] == "label"
    spec = folder / "modelwright.yaml"
    head = "\n".join(
        line
        for line in spec.read_text(encoding="utf-8").splitlines()
        if line.split(":")[0] not in {"train", "retrain", "accept"}
    )
    spec.write_text(
        f"{head}\ntrain: {{models: [boosting], budget: 60s, trials: 1}}\n"
        f"retrain: {{when: [drift, quality], promote: {promote}}}\n{more}",
        encoding="utf-8",
    )
    project = open_project(folder)
    result = project.run()
    assert result.verdict == "accepted", result.report
    return project


@dataclass
class Client:
    """One connection to a server; every answer is kept, every failure raised."""

    url: str
    token: str
    sent: int = 0
    failures: list[str] = field(default_factory=list)
    packages: list[str] = field(default_factory=list)
    truths: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        self._connection = http.client.HTTPConnection(str(parts.hostname), int(parts.port or 80), timeout=30)
        self._last = time.monotonic()

    def post(self, path: str, value: Any, *, token: bool = False) -> Any:
        """Send JSON and return the answer's."""
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {self.token}"
        if time.monotonic() - self._last > IDLE:
            self._connection.close()  # the server closes idle connections, too
        self._last = time.monotonic()
        self._connection.request("POST", path, json.dumps(value), headers)
        response = self._connection.getresponse()
        text = response.read()
        assert response.status == 200, (path, response.status, text[:300])
        return json.loads(text)

    def predict(self, row: Row) -> dict[str, Any]:
        """Send one row; the answer carries ``id``, ``sample`` and ``package``."""
        answer: dict[str, Any] = self.post("/predict", row)
        self.sent += 1
        self.packages.append(answer["package"])
        return answer

    def losses(self, rows: Sequence[tuple[Row, Any]]) -> np.ndarray:
        """Send rows and return ``(n,)`` losses: 0 or 1, or absolute errors; their truths go to ``truths``."""
        answers = [self.predict(row) for row, _ in rows]
        self.truths |= {sample_of(answer): truth for answer, (_, truth) in zip(answers, rows, strict=True)}
        return np.array([loss(answer, truth) for answer, (_, truth) in zip(answers, rows, strict=True)])

    def follows(self, package: str, row: Row, patience: float = 15.0) -> None:
        """Wait until answers come from ``package``."""
        end = time.monotonic() + patience
        while self.predict(row)["package"] != package:
            assert time.monotonic() < end, f"the server does not serve {package[:12]}"
            time.sleep(0.05)

    def wait_for_another(self, package: str, row: Row, patience: float) -> None:
        """Wait until answers no longer come from ``package``."""
        end = time.monotonic() + patience
        while self.predict(row)["package"] == package:
            assert time.monotonic() < end, f"the server still serves {package[:12]}"
            time.sleep(0.1)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def loss(answer: dict[str, Any], truth: Any) -> float:
    """Return 0 or 1 of a label, the share of tags that is wrong, or the absolute error of a number."""
    if "tags" in answer:
        one, other = set(answer["tags"]), set(truth)
        return 1.0 - len(one & other) / len(one | other) if one | other else 0.0
    return float(answer["label"] != truth) if "label" in answer else abs(answer["value"] - truth)


@contextmanager
def serving(project: Project) -> Iterator[Client]:
    """Deploy, and stop the server at the end."""
    deployed = project.deploy(port=0)
    assert deployed.server is not None
    client = Client(str(deployed.server["url"]), project.store.keys.token())
    try:
        yield client
    finally:
        client.close()
        project.undeploy()


@contextmanager
def busy(client: Client, rows: Sequence[tuple[Row, Any]]) -> Iterator[Client]:
    """Keep sending rows on another connection while the block runs."""
    other = Client(client.url, client.token)
    ended = threading.Event()

    def send() -> None:
        number = 0
        while not ended.wait(0.02):
            try:
                other.predict(rows[number % len(rows)][0])
            except (OSError, http.client.HTTPException, AssertionError) as error:
                other.failures.append(repr(error))
                other.close()
            number += 1

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield other
    finally:
        ended.set()
        thread.join()
        other.close()


def label(project: Project, client: Client, truths: dict[str, Any], limit: int) -> int:
    """Give the truth of what the queue asks for, through ``/feedback``; return how many."""
    asked = [entry for entry in project.label_queue(limit=limit) if entry["sample"] in truths]
    for entry in asked:
        client.post("/feedback", {"sample": entry["sample"], "truth": truths[entry["sample"]]}, token=True)
    return len(asked)


def send(client: Client, rows: Sequence[tuple[Row, Any]]) -> dict[str, Any]:
    """Send rows and return the truth of each by its sample's digest."""
    return {sample_of(client.predict(row)): truth for row, truth in rows}


def sample_of(answer: dict[str, Any]) -> str:
    """Return the digest of what an answer is about."""
    return str(answer["id"].rpartition("-")[2])
