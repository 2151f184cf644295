"""Tags over the wire: answers, tensors, feedback, files; and a new tag that a challenger learns."""

from __future__ import annotations

import csv
import http.client
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelwright.deploy.batch import predict_files
from modelwright.project import Project
from modelwright.project.packages import open_predictor

from . import looping

pytestmark = pytest.mark.slow


def _post(client: looping.Client, path: str, value: Any) -> tuple[int, dict[str, Any]]:
    """Send JSON with the token and return status and answer, whatever they are."""
    host, _, port = client.url.removeprefix("http://").rstrip("/").partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {client.token}"}
    connection.request("POST", path, json.dumps(value), headers)
    response = connection.getresponse()
    answer: dict[str, Any] = json.loads(response.read())
    connection.close()
    return response.status, answer


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return looping.begin(tmp_path / "plant", looping.draw("tags", 600, 0))


def test_tags_go_over_the_wire(project: Project, tmp_path: Path) -> None:
    rows = looping.draw("tags", 20, 1)
    with looping.serving(project) as client:
        answer = client.predict(rows[0][0])
        assert set(answer["scores"]) == {"full", "worn"}
        assert set(answer["tags"]) <= {"full", "worn"}
        name = project.spec.name
        raw = {"name": "raw", "shape": [2], "datatype": "BYTES", "data": [json.dumps(row) for row, _ in rows[:2]]}
        status, found = _post(client, f"/v2/models/{name}/infer", {"inputs": [raw]})
        assert status == 200
        outputs = {each["name"]: each for each in found["outputs"]}
        assert (outputs["tags"]["datatype"], outputs["tags"]["shape"]) == ("BOOL", [2, 2])
        assert all(isinstance(value, bool) for value in outputs["tags"]["data"])
        said = [name for name, given in zip(("full", "worn"), outputs["tags"]["data"][:2], strict=True) if given]
        assert said == answer["tags"]

        sample = looping.sample_of(answer)
        status, found = _post(client, "/feedback", {"sample": sample, "truth": ["worn", "wet"]})
        assert (status, found["code"]) == (422, "unknown-class")
        assert "'wet' is not a tag" in found["error"]
        for truth, kept in (
            (["worn", "full", "worn"], '["full","worn"]'),
            ("worn|full", '["full","worn"]'),
            ([], "[]"),
        ):
            status, found = _post(client, "/feedback", {"sample": sample, "truth": truth})
            assert status == 200, found
            assert project.store.annotations.newest()[sample].value == kept
        status, _ = _post(client, "/feedback", {"sample": sample, "truth": ["worn", "wet"], "new_class": True})
        assert status == 200
        assert _post(client, "/feedback", {"sample": sample, "truth": {"worn": 7}})[0] == 422
        assert _post(client, "/feedback", {"sample": sample, "truth": [["worn"]]})[0] == 422
    looping.write_table(tmp_path / "more.csv", rows)
    package = project.store.artifacts.latest("package")
    assert package is not None
    with (tmp_path / "out.csv").open("w", encoding="utf-8", newline="") as out:
        predict_files(open_predictor(package), [tmp_path / "more.csv"], out, layout="csv")
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 20
    assert not any(line["error"] for line in lines)
    read = [project_tags(line["tags"]) for line in lines]
    assert np.mean([one == sorted(truth) for one, (_, truth) in zip(read, rows, strict=True)]) > 0.6


def project_tags(cell: str) -> list[str]:
    from modelwright.tasks.targets.tags import Tags

    return Tags().classes(Tags().read(cell) or "[]")


def test_a_tag_that_came_later_is_learned_and_counts_against_the_champion(project: Project) -> None:
    rows = looping.draw("tags", 260, 2)
    with looping.serving(project) as client:
        for row, truth in rows:
            sample = looping.sample_of(client.predict(row))
            tags = [*truth, *(["hot"] if row["temperature"] > 62 else [])]
            client.post("/feedback", {"sample": sample, "truth": tags, "new_class": True}, token=True)
        round_ = project.retrain(force=True)
    assert round_["challenger"] is not None, round_
    package = project.store.artifacts.open(round_["challenger"], "package")
    manifest = json.loads(package.path("manifest.json").read_bytes())
    assert manifest["schema"]["output"]["classes"] == ["full", "hot", "worn"]
    assert round_["comparison"]["metric"] == "jaccard"
    assert round_["comparison"]["challenger"] > round_["comparison"]["champion"], round_
