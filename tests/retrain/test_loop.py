"""The loop on real digits: the camera slips, drift is seen, labels come, the challenger wins what it should."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from modelwright import canonical
from modelwright.monitor import monitor
from modelwright.package import package
from modelwright.prepare import prepare
from modelwright.retrain import evidence, promotion, queue, replay, report, triggers
from modelwright.runtime.predictor import Predictor
from modelwright.runtime.reader import PackageReader
from modelwright.spec import Spec, loads
from modelwright.store import Artifact, Store
from modelwright.store.dataset import Dataset
from modelwright.store.logs import Record
from modelwright.testing.camera import Picture, png, slip, write_digits
from modelwright.train import train

SECOND = 1_000_000_000
START = 1_790_000_000 * SECOND
TEXT = """name: digits
input: image
output: category
sources: [{{folder: photos/}}{more}]
train: {{models: [logistic], budget: 10s}}
monitor: {{window: 10s}}
"""


@dataclass
class Plant:
    spec: Spec
    store: Store

    def learn(self, parent: Dataset | None) -> tuple[Dataset, Artifact, Predictor]:
        dataset = prepare(self.spec, self.store, key=None, parent=parent)
        made = package(self.spec, dataset, train(self.spec, dataset, self.store), self.store)
        return dataset, made, Predictor(PackageReader.open(made.folder))

    def send(self, pictures: list[Picture], predictor: Predictor, made: Artifact, start: int) -> float:
        writer = self.store.logs.writer("server")
        answers = predictor.predict([one.png for one in pictures])
        for index, (one, answer) in enumerate(zip(pictures, answers, strict=True)):
            sample, moment = canonical.digest_bytes(one.png), start + index * SECOND // 20
            record = Record(f"{start}-{index}", moment, made.digest, sample, "image/png", one.png, answer, 100)
            writer.append_many([record])
        writer.close()
        return float(np.mean([answer["label"] == one.label for one, answer in zip(pictures, answers, strict=True)]))


@pytest.mark.slow
def test_the_loop_closes(tmp_path: Path) -> None:
    digits = write_digits(tmp_path / "photos", seed=0, held_back=1200, side=16)
    path = tmp_path / "modelwright.yaml"
    plant = Plant(loads(TEXT.format(more=""), path), Store.open(tmp_path / ".modelwright"))
    dataset, made, champion = plant.learn(None)
    random = np.random.default_rng(1)
    slipped = [
        Picture(one.label, moved, png(moved)) for one in digits.held_back[200:] for moved in [slip(one.pixels, random)]
    ]

    before = plant.send(list(digits.held_back[:200]), champion, made, START)
    assert before > 0.8
    quiet = monitor(plant.spec, plant.store, now=START + 30 * SECOND)
    assert quiet is not None
    assert not quiet.meta["alarm"]
    later = START + 60 * SECOND
    during = plant.send(slipped[:500], champion, made, later)
    assert during < before - 0.3
    alarming = monitor(plant.spec, plant.store, now=later + 60 * SECOND)
    assert alarming is not None
    assert alarming.meta["alarm"]
    found = json.loads(alarming.path("findings.json").read_text(encoding="utf-8"))
    assert found["quality"]["realised"] is None

    truth = {canonical.digest_bytes(one.png): one.label for one in [*slipped, *digits.held_back]}
    ranked = queue.label_queue(plant.store, "server", champion, budget=250)
    assert len({one.sample for one in ranked}) == 250
    for one in ranked:
        plant.store.annotations.append(one.sample, "label", truth[one.sample], "anna", "feedback")
    facts = triggers.Facts(now=later + 70 * SECOND, champion_data=START, findings=found, new_labels=250)
    decision = triggers.decide(plant.spec.retrain.triggers, facts)
    assert decision.go

    plant.spec = loads(TEXT.format(more=", {feedback: server}"), path)
    newer, _, challenger = plant.learn(dataset)
    truths = {sample: note.value for sample, note in plant.store.annotations.newest().items()}
    replayed = replay.replay(champion, challenger, replay.recent_traffic(plant.store, "server", truths))
    assert replayed.samples == 700
    assert replayed.failed == 0
    assert replayed.pairs.count == 250
    assert replayed.agreement < 0.9
    assert all(one.truth is not None for one in replayed.changed[:5])
    held_out = evidence.gather(newer, dataset, champion, challenger)
    assert 40 <= held_out.production.count <= 60
    assert held_out.locked.count == dataset.count("test")
    verdict = promotion.judge(held_out.production, held_out.locked, binary=True)
    assert verdict.production is not None
    assert verdict.production.p_better < 0.05
    answers = challenger.predict([one.png for one in slipped[500:]])
    after = float(np.mean([answer["label"] == one.label for answer, one in zip(answers, slipped[500:], strict=True)]))
    assert after > during + 0.2
    page = report.draw(
        report.Round(
            "digits", decision.as_dict(), verdict.as_dict(), replayed.as_dict(), found, [("before", before, 0.8, 1.0)],
            labelled=[(slipped[0].png, "a <label>"), (b"BM not for a page", "x")],
        )
    )  # fmt: skip
    assert "exact McNemar" in page
    assert "a &lt;label&gt;" in page
