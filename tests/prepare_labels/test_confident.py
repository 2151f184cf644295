"""Properties of confident learning, on synthetic noise: correctness only, nothing is claimed from it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from modelwright.prepare.clean.labels import confident
from modelwright.prepare.clean.labels.folds import deal


def made(
    seed: int, count: int = 600, classes: int = 4, noise: float = 0.2
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Return ``(probabilities, given, true)``: calibrated, sure predictions of samples with asymmetric label noise."""
    random = np.random.default_rng(seed)
    true = random.integers(0, classes, count)
    logits = random.normal(0, 1, (count, classes))
    logits[np.arange(count), true] += 5.0
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    wrong = random.random(count) < noise
    given = np.where(wrong, (true + 1) % classes, true)
    return probabilities, given, true


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 7), st.integers(0, 40))
def test_the_joint_is_calibrated_to_the_labels(seed: int, classes: int, percent: int) -> None:
    probabilities, labels, _ = made(seed, 300, classes, percent / 100)
    found = confident.confident_joint(probabilities, labels)
    assert found.joint.sum() == pytest.approx(1.0)
    assert found.joint.sum(1) == pytest.approx(np.bincount(labels, minlength=classes) / len(labels))
    assert (found.joint >= 0).all()
    assert found.counts.sum() <= len(labels)
    assert 0 <= found.wrong < 1
    assert found.noise.sum(0)[found.joint.sum(0) > 0] == pytest.approx(1.0)
    assert found.inverse_noise.sum(1)[found.joint.sum(1) > 0] == pytest.approx(1.0)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.randoms())
def test_renaming_the_classes_changes_nothing(seed: int, shuffler: object) -> None:
    probabilities, labels, _ = made(seed)
    order = np.random.default_rng(seed + 1).permutation(4)
    back = np.argsort(order)
    one = confident.confident_joint(probabilities, labels)
    other = confident.confident_joint(probabilities[:, order], back[labels])
    assert other.joint == pytest.approx(one.joint[np.ix_(order, order)])
    rank = confident.quality(probabilities, labels, one.thresholds)
    assert confident.quality(probabilities[:, order], back[labels], other.thresholds) == pytest.approx(rank)
    first = confident.suspects(probabilities, labels, one, rank)
    second = confident.suspects(probabilities[:, order], back[labels], other, rank)
    assert first.places.tolist() == second.places.tolist()
    assert first.suggested.tolist() == order[second.suggested].tolist()


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.3])
def test_noise_is_estimated_and_found(noise: float) -> None:
    probabilities, labels, true = made(1, 8000, noise=noise)
    found = confident.confident_joint(probabilities, labels)
    assert found.wrong == pytest.approx((labels != true).mean(), abs=0.02)
    for label in range(4):  # the share of each class that carries the next one's label
        assert found.noise[(label + 1) % 4, label] == pytest.approx(noise, abs=0.04)
    rank = confident.quality(probabilities, labels, found.thresholds)
    listed = confident.suspects(probabilities, labels, found, rank)
    if noise:
        assert (labels != true)[listed.places].mean() > 0.93
        assert (listed.suggested == true[listed.places]).mean() > 0.93
    assert (np.diff(rank[listed.places]) >= 0).all()


def test_reading_in_blocks_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    probabilities, labels, _ = made(3)
    whole = confident.confident_joint(probabilities, labels)
    scores = [
        confident.quality(probabilities, labels, whole.thresholds),
        confident.self_confidence(probabilities, labels),
        confident.normalised_margin(probabilities, labels),
    ]
    monkeypatch.setattr(confident, "_BLOCK_VALUES", 70)
    parts = confident.confident_joint(probabilities, labels)
    assert parts.counts.tolist() == whole.counts.tolist()
    assert parts.thresholds == pytest.approx(whole.thresholds)
    again = [
        confident.quality(probabilities, labels, parts.thresholds),
        confident.self_confidence(probabilities, labels),
        confident.normalised_margin(probabilities, labels),
    ]
    for one, other in zip(scores, again, strict=True):
        assert other == pytest.approx(one)


def test_a_class_without_samples_and_a_class_that_is_confident_of_nothing() -> None:
    probabilities = np.array([[0.9, 0.1, 0.0], [0.8, 0.2, 0.0], [0.3, 0.7, 0.0], [0.2, 0.8, 0.0]])
    found = confident.confident_joint(probabilities, np.array([0, 0, 1, 1]))
    assert np.isinf(found.thresholds[2])
    assert found.joint.tolist() == [[0.5, 0, 0], [0, 0.5, 0], [0, 0, 0]]
    assert found.wrong == 0
    uniform = np.full((6, 3), 1 / 3)
    assert confident.confident_joint(uniform, np.array([0, 0, 1, 1, 2, 2])).joint.sum() == pytest.approx(1)


def test_by_hand_as_in_the_paper() -> None:
    # Thresholds: class 0: (0.9 + 0.7 + 0.2) / 3 = 0.6, class 1: (0.6 + 0.8) / 2 = 0.7.
    probabilities = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.4, 0.6], [0.2, 0.8]])
    labels = np.array([0, 0, 0, 1, 1])
    found = confident.confident_joint(probabilities, labels)
    assert found.thresholds == pytest.approx([0.6, 0.7])
    assert found.counts.tolist() == [[2, 1], [0, 1]]
    assert found.joint == pytest.approx(np.array([[2 / 5, 1 / 5], [0, 2 / 5]]))
    rank = confident.quality(probabilities, labels, found.thresholds)
    assert confident.suspects(probabilities, labels, found, rank).places.tolist() == [2]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_folds_keep_groups_whole_and_are_balanced(seed: int) -> None:
    random = np.random.default_rng(seed)
    groups = random.integers(0, 150, 300)
    ranks = random.integers(0, 2**63, 150).astype(np.uint64)[groups]
    strata = random.integers(0, 3, 150)[groups]
    folds = deal(groups, ranks, strata)
    for group in np.unique(groups):
        assert len(np.unique(folds[groups == group])) == 1
    assert set(folds.tolist()) == {0, 1, 2, 3, 4}
    assert np.bincount(folds).min() > 40
    order = random.permutation(300)
    again = deal(groups[order], ranks[order], strata[order])
    one, other = np.unique(groups, return_index=True), np.unique(groups[order], return_index=True)
    assert np.bincount(folds[one[1]]).tolist() == np.bincount(again[other[1]]).tolist()
