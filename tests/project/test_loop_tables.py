"""The loop on tables, with real servers: drift, labels, a challenger, promotion, second thoughts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelwright.deploy import deploy
from modelwright.project import Project, open_project

from . import looping

pytestmark = pytest.mark.slow
KINDS = ("category", "number")


@pytest.mark.parametrize("kind", [*KINDS, "tags"])
def test_a_changed_sensor_is_seen_and_learned_and_undone(tmp_path: Path, kind: str) -> None:
    project = looping.begin(tmp_path / "plant", looping.draw(kind, 900, 0))
    shifted = looping.draw(kind, 300, 2, shifted=True)
    fresh = looping.draw(kind, 150, 3, shifted=True)
    with looping.serving(project) as client:
        client.losses(looping.draw(kind, 150, 1))
        quiet = project.monitor()
        assert quiet is not None
        assert not quiet["alarm"]
        during = client.losses(shifted)
        drift = project.monitor()
        assert drift is not None
        assert drift["alarm"]
        assert drift["quality"]["realised"] is None
        assert any("temperature rose" in each["message"] for each in drift["alerts"])
        assert project.status()["next"] == "mw retrain"

        assert looping.label(project, client, client.truths, 220) == 220
        with looping.busy(client, fresh) as busy:
            round_ = project.retrain()
            assert round_["status"] == "promoted", round_
            client.follows(round_["champion"], fresh[0][0])
        assert busy.sent > 20
        assert not busy.failures
        comparison = round_["comparison"]
        assert comparison["p_value"] < 0.05
        assert 40 <= comparison["samples"] <= 48
        _spread(project)
        after = client.losses(fresh)
        assert _surely_less(after, during)
        assert "now: challenger" in Path(round_["report"]).read_text(encoding="utf-8")

        undone = project.retrain(undo=True)
        assert undone["champion"] == round_["former"]
        client.follows(undone["champion"], fresh[0][0])
        assert project.retrain()["status"] == "nothing-to-do"
        again = project.retrain(force=True)
        assert again["status"] == "waiting"
        assert again["challenger"] == round_["champion"]
        assert "took this very package back" in again["reasons"][-1]
        deployed = project.deploy()
        assert deployed.server is not None
        assert deployed.server["package"] == round_["champion"]
        client.follows(round_["champion"], fresh[0][0])


def _spread(project: Project) -> None:
    """Production samples are in every split, by the spec's shares."""
    from modelwright.store.dataset import Dataset

    newest = project.store.artifacts.latest("dataset")
    assert newest is not None
    dataset = Dataset(project.store, newest)
    kinds = [source["kind"] for source in dataset.meta["sources"]]
    counts = {
        split: sum(kinds[source] == "feedback" for source in dataset.samples(split)["source"].to_pylist())
        for split in ("train", "validation", "test")
    }
    total = sum(counts.values())
    for split, share in (("train", 0.7), ("validation", 0.1), ("test", 0.2)):
        assert abs(counts[split] - share * total) <= 3, counts


def _surely_less(after: np.ndarray, before: np.ndarray) -> bool:
    spread = np.sqrt(after.var() / after.size + before.var() / before.size)
    return bool(before.mean() - after.mean() > 3 * spread)


@pytest.mark.parametrize("kind", KINDS)
def test_a_challenger_that_is_not_better_is_kept_back(tmp_path: Path, kind: str) -> None:
    project = looping.begin(tmp_path / "plant", looping.draw(kind, 600, 0))
    with looping.serving(project) as client:
        truths = looping.send(client, looping.draw(kind, 120, 1))
        wrong = np.random.default_rng(0).permutation(np.array(list(truths.values()), dtype=object))
        assert looping.label(project, client, dict(zip(truths, wrong, strict=True)), 110) == 110
        assert project.retrain()["status"] == "nothing-to-do"  # labels alone are no reason that this spec knows
        round_ = project.retrain(force=True)
        assert round_["status"] in {"kept", "refused"}, round_
        assert round_["challenger"] not in {None, round_["champion"]}
        assert round_["champion"] == client.predict(looping.draw(kind, 1, 5)[0][0])["package"]


def test_with_promotion_by_hand_the_challenger_waits(tmp_path: Path) -> None:
    project = looping.begin(tmp_path / "plant", looping.draw("number", 900, 0), promote="manual")
    shifted = looping.draw("number", 220, 2, shifted=True)
    with looping.serving(project) as client:
        truths = looping.send(client, shifted)
        findings = project.monitor()
        assert findings is not None
        assert findings["alarm"]
        looping.label(project, client, truths, 200)
        round_ = project.retrain()
        assert round_["status"] == "waiting", round_
        assert client.predict(shifted[0][0])["package"] == round_["champion"] != round_["challenger"]
        assert project.retrain()["status"] == "nothing-to-do"
        deployed = project.deploy()
        assert deployed.server is not None
        assert deployed.server["package"] == round_["challenger"]
        client.follows(round_["challenger"], shifted[0][0])


@pytest.mark.parametrize("promote", ["auto", "manual"])
def test_a_promotion_that_was_a_mistake_is_taken_back(tmp_path: Path, promote: str) -> None:
    kind = "category" if promote == "auto" else "number"
    folder = tmp_path / "plant"
    project = looping.begin(folder, looping.draw(kind, 600, 0), promote=promote)
    with looping.serving(project) as client:
        good = client.predict(looping.draw(kind, 1, 5)[0][0])["package"]
        bad = _worse(project, kind)
        client.follows(bad, looping.draw(kind, 1, 5)[0][0])
        truths = looping.send(client, looping.draw(kind, 15, 1))
        _feedback(client, truths)
        assert (project.monitor() or {}).get("undo") is None
        assert project.status()["undo"] is None
        more = looping.send(client, looping.draw(kind, 30, 2))
        _feedback(client, more)
        found = project.monitor()
        assert found is not None
        advice = found["undo"]
        assert advice["verdict"] == "undo"
        assert (advice["champion"], advice["former"], advice["labels"]) == (bad, good, 40)
        assert project.status()["undo"] == advice
        alerts = (project.store.root / "alerts.jsonl").read_text(encoding="utf-8").splitlines()
        assert [each["kind"] for each in map(json.loads, alerts)].count("promotion") == 1
        assert (project.monitor() or {"undo": advice})["undo"] == advice
        round_ = project.retrain()
        if promote == "manual":
            assert project.status()["next"] == "mw retrain --undo"
            assert round_["status"] == "waiting"
            assert "mw retrain --undo" in round_["reasons"][-1]
            round_ = project.retrain(undo=True)
        else:
            assert "better beyond chance" in round_["reasons"][-1]
        assert round_["status"] == "undone", round_
        assert (round_["champion"], round_["former"]) == (good, bad)
        champion = project.store.deployments.champion("server")
        assert champion is not None
        assert champion["by"] == ("auto" if promote == "auto" else "person")
        client.follows(good, looping.draw(kind, 1, 5)[0][0])
        assert project.status()["undo"] is None


def _feedback(client: looping.Client, truths: dict[str, Any]) -> None:
    client.post("/feedback", [{"sample": sample, "truth": truth} for sample, truth in truths.items()], token=True)


def _worse(project: Project, kind: str) -> str:
    """Learn from shuffled labels, and force the package on the server."""
    rows = looping.draw(kind, 600, 7)
    truths = [truth for _, truth in rows]
    np.random.default_rng(0).shuffle(truths)
    looping.write_table(
        project.path / "sensors.csv", [(row, truth) for (row, _), truth in zip(rows, truths, strict=True)]
    )
    result = open_project(project.path).run()
    package = project.store.artifacts.latest("package")
    assert package is not None
    report = project.store.artifacts.open(str(result.steps[-1].artifact), "report")
    deploy(project.spec, project.store, package, report, force=True, start=False)
    return str(package.digest)
