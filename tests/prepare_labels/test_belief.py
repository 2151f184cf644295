"""Which classes predictions know, and how many labels they may call wrong; folds that keep groups whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from modelwright.prepare.clean.labels import belief, confident, folds


def overlapping(
    seed: int, distance: float, noise: float, count: int = 4000
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return calibrated probabilities of two normal classes so far apart, labels of which some are wrong, and which."""
    random = np.random.default_rng(seed)
    true = random.integers(0, 2, count)
    wrong = random.random(count) < noise
    value = random.normal(distance * (true - 0.5), 1.0)
    right = 1.0 / (1.0 + np.exp(-distance * value))
    likely = right * (1.0 - noise) + (1.0 - right) * noise  # as a model says that learned from such labels
    return np.stack([1.0 - likely, likely], 1), np.where(wrong, 1 - true, true), wrong


@pytest.mark.parametrize("distance", [1.5, 2.5, 4.0])
@pytest.mark.parametrize("noise", [0.0, 0.05, 0.2])
def test_overlap_is_not_taken_for_noise(distance: float, noise: float) -> None:
    probabilities, labels, wrong = overlapping(3, distance, noise)
    joint = confident.confident_joint(probabilities, labels)
    believed = belief.wrong(probabilities, labels, joint)
    paper = round(joint.wrong * len(labels))
    assert believed <= paper
    # An upper estimate: the clearest samples of overlapping classes are of the other class now and then.
    assert 0.75 * wrong.sum() <= believed <= wrong.sum() + (0.1 if distance < 2 else 0.03) * len(labels)


def test_classes_that_do_not_show_neither_accuse_nor_are_accused() -> None:
    probabilities, labels, _ = overlapping(5, 3.0, 0.0, 2000)
    random = np.random.default_rng(0)
    # A third class that nothing tells from the second one.
    third = (labels == 1) & (random.random(len(labels)) < 0.5)
    three = np.stack([probabilities[:, 0], probabilities[:, 1] / 2, probabilities[:, 1] / 2], 1)
    three[:, 1] += random.normal(0, 0.01, len(labels))
    given_labels = np.where(third, 2, labels)
    known, areas = belief.understood(three, given_labels)
    assert known.tolist() == [True, True, True]  # against the first class they show well enough
    assert areas[0] > areas[1:].max()
    noise = np.stack([np.full(2000, 0.4), random.random(2000) * 0.3, random.random(2000) * 0.3], 1)
    known, areas = belief.understood(noise, given_labels)
    assert not known.any()
    joint = confident.confident_joint(three, given_labels)
    rank = confident.quality(three, given_labels, joint.thresholds)
    some = np.array([True, False, True])
    found = confident.suspects(three, given_labels, joint, rank, most=1000, known=some)
    assert len(found.places)
    assert (given_labels[found.places] != 1).all()
    assert (found.suggested != 1).all()
    assert belief.wrong(three, given_labels, joint, np.array([True, False, False])) == 0


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 60), st.integers(2, 300))
def test_the_area_is_the_share_of_pairs_in_order_and_the_bound_is_below(seed: int, positives: int, others: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.integers(0, 8, positives + others) / 8
    there = np.arange(positives + others) < positives
    high, low = scores[there][:, None], scores[~there][None, :]
    pairs = ((high > low) + 0.5 * (high == low)).mean()
    found = belief.area(scores, there)
    assert found == pytest.approx(pairs)
    bound = belief.lower_bound(found, positives, others)
    assert bound <= found
    assert belief.lower_bound(found, 10 * positives, 10 * others) >= bound  # more samples, nearer to the figure


def test_the_bound_holds_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    true = 0.76  # of two normal distributions one deviation apart
    below = 0
    for _ in range(400):
        scores = np.concatenate([random.normal(1, 1, 40), random.normal(0, 1, 160)])
        there = np.arange(200) < 40
        below += belief.lower_bound(belief.area(scores, there), 40, 160) <= true
    assert 0.92 <= below / 400 <= 0.985


def test_few_clear_samples_are_no_proof_of_right_labels() -> None:
    sure = np.repeat(np.eye(2), 20, axis=0)
    labels = np.repeat([0, 1], 20)
    assert (belief.astray(sure, labels) > 0.04).all()
    many = np.repeat(np.eye(2), 2000, axis=0)
    assert (belief.astray(many, np.repeat([0, 1], 2000)) < 0.003).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 50), st.booleans())
def test_no_group_straddles_folds_and_kept_folds_are_kept(seed: int, count: int, partly: bool) -> None:
    random = np.random.default_rng(seed)
    groups = random.integers(0, 60, 200)
    ranks = random.permutation(60).astype(np.uint64)[groups]
    strata = random.integers(0, 3, 200)
    dealt = folds.deal(groups, ranks, strata)
    assert folds.astride(groups, dealt) == 0
    of_group = random.integers(0, count, 60)
    of_group[groups[0]] = count - 1
    kept = of_group[groups]
    if partly:
        kept = np.where(
            np.isin(groups, random.choice(np.delete(np.arange(60), groups[0]), 20, replace=False)), -1, kept
        )
    made = folds.kept(kept, groups, ranks, strata)
    assert folds.astride(groups, made) == 0
    assert made.min() >= 0
    assert made.max() < folds.FOLDS
    known = kept >= 0
    joined = np.unique(np.stack([kept[known], made[known]]), axis=1)
    assert len(np.unique(joined[0])) == joined.shape[1]  # each kept fold lies whole in one of these
    if count <= folds.FOLDS:
        assert (made[known] == kept[known]).all()
