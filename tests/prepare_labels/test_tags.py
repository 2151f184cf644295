"""Wrong and missing tags, planted and found."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from modelwright.prepare.clean.labels import predictions, tags
from modelwright.prepare.clean.labels.check import Samples, issues
from modelwright.progress import SILENT
from modelwright.tasks.targets.tags import Tags

NAMES = ["hot", "loud", "wet"]


def _world(count: int, wrong: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return features, the given tags, and which single tags were turned round."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(count, 6)).astype(np.float32)
    truth = np.stack([features[:, 0] > 0.8, features[:, 1] + 0.4 * features[:, 2] > 0, features[:, 3] > 1.2], axis=1)
    turned = np.zeros_like(truth)
    turned[random.choice(count, wrong, replace=False), random.integers(0, 3, wrong)] = True
    return features, truth ^ turned, turned


def _samples(given: NDArray[np.bool_]) -> Samples:
    count = len(given)
    texts = [json.dumps([name for name, there in zip(NAMES, row, strict=True) if there]) for row in given]
    names = list(dict.fromkeys(texts))
    labels = np.array([names.index(text) for text in texts])
    ids = np.frombuffer(np.arange(count * 4, dtype=">u8").tobytes(), "V32")
    return Samples(
        ids,
        labels,
        names,
        np.ones(count, bool),
        np.zeros(count, bool),
        np.arange(count),
        np.random.default_rng(1).integers(0, 2**63, count).astype(np.uint64),
    )


def _found(given: NDArray[np.bool_], features: NDArray[np.float32], cache: Path, samples: Samples | None = None):  # type: ignore[no-untyped-def]
    def predict(places: NDArray[np.int64], truth: predictions.Truth) -> tuple[NDArray[np.int64], predictions.Predicted]:
        return np.arange(len(places)), predictions.of_columns(features[places], truth)

    return tags.find(samples or _samples(given), Tags().classes, predict, cache, SILENT)


def test_planted_mistakes_are_found_and_named(tmp_path: Path) -> None:
    features, given, turned = _world(1500, 60, 0)
    result = _found(given, features, tmp_path)
    wrong = np.asarray(turned.any(1))
    hits = sum(wrong[place] for place in result.places)
    assert hits >= 0.75 * len(result.places)
    assert hits >= 0.7 * wrong.sum()
    named = 0
    for place, evidence in zip(result.places, result.evidence, strict=True):
        assert set(evidence["missing"]) <= {name for name, there in zip(NAMES, given[place], strict=True) if not there}
        after = set(json.loads(evidence["given"])) - set(evidence["wrong"]) | set(evidence["missing"])
        assert json.loads(evidence["suggested"]) == sorted(after)
        right = {name for name, flipped in zip(NAMES, turned[place], strict=True) if flipped}
        named += right == {*evidence["wrong"], *evidence["missing"]}
    assert named >= 0.7 * len(result.places)
    assert result.severities == sorted(result.severities, reverse=True)
    words = [issue.message for issue in issues(result, lambda place: (f"{place}.png", "0" * 64, f"0/{place}"))]
    assert any("seems to be missing" in each for each in words)
    assert any("seems to be wrong" in each for each in words)
    again = _found(given, features, tmp_path)
    assert (again.places, again.evidence) == (result.places, result.evidence)
    fresh = _found(given, features, tmp_path / "other")
    assert (fresh.places, fresh.evidence) == (result.places, result.evidence)


def test_the_moving_average_ranks_better_than_chance_of_the_mean() -> None:
    features, given, turned = _world(1500, 60, 3)
    truth = predictions.Truth(
        np.zeros(1500, np.int64), np.empty(1500), 3, np.arange(1500) % 5, given.astype(np.float32)
    )
    likely = predictions.of_columns(features, truth).values
    own = np.where(given, likely, 1 - likely)
    assert roc_auc_score(turned.any(1), 1 - tags.moving_average(own)) > 0.93


def test_tags_that_nothing_explains_are_not_checked(tmp_path: Path) -> None:
    features, given, _ = _world(800, 0, 1)
    noise = np.random.default_rng(5).random((800, 1)) < 0.3
    result = _found(np.hstack([given[:, :2], noise]), features, tmp_path)
    assert result.facts["not_understood"].keys() == {"wet"}
    assert all("wet" not in [*each["wrong"], *each["missing"]] for each in result.evidence)


def test_too_little_is_said_and_what_people_said_is_left_alone(tmp_path: Path) -> None:
    features, given, turned = _world(400, 30, 2)
    assert "skipped" in _found(given[:30], features[:30], tmp_path).facts
    samples = _samples(given)
    samples.settled[:] = True
    assert not _found(given, features, tmp_path, samples).places
    assert turned.any()
