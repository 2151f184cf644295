"""Paired tests and intervals keep the promises that their names make."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from modelwright.tasks.base import target
from modelwright.validate.compare import difference_p, holm, mean_interval, paired
from modelwright.validate.scoring import Scored, bootstrap, gap, reliability, score, trivial, with_intervals

LOSSES = st.lists(st.floats(0, 10), min_size=1, max_size=40)


@settings(max_examples=40, deadline=None)
@given(LOSSES, st.integers(0, 5))
def test_swapping_the_two_swaps_the_answer(losses: list[float], seed: int) -> None:
    first = np.array(losses)
    second = first[::-1].copy()
    a, b = paired(first, second, seed=seed), paired(second, first, seed=seed)
    assert a.difference == pytest.approx(-b.difference)
    assert a.p_value == b.p_value
    assert not (a.better() and a.worse())
    assert a.low <= a.difference <= a.high


@settings(max_examples=20, deadline=None)
@given(LOSSES)
def test_a_model_is_not_better_than_itself(losses: list[float]) -> None:
    found = paired(np.array(losses), np.array(losses))
    assert found.p_value == 1.0
    assert not found.better()
    assert not found.worse()


def test_false_alarms_are_as_many_as_stated() -> None:
    """Without a difference, p is below 5 % in about 5 % of the cases; with many samples too (the other formula)."""
    generator = np.random.default_rng(0)
    for size, cases in ((30, 300), (3000, 1000)):
        below = sum(paired(*generator.exponential(1.0, (2, size)), seed=case).p_value < 0.05 for case in range(cases))
        assert below / cases == pytest.approx(0.05, abs=4 * (0.05 * 0.95 / cases) ** 0.5)


def test_a_real_difference_is_found() -> None:
    generator = np.random.default_rng(1)
    losses = generator.exponential(1.0, 400)
    assert paired(losses, losses * 0.8 + generator.normal(0, 0.05, 400)).better()
    assert paired(losses, losses * 1.2).worse()


def test_what_cannot_be_paired() -> None:
    for pair in ((np.zeros(2), np.zeros(3)), (np.zeros(0), np.zeros(0))):
        with pytest.raises(ValueError, match="cannot be paired"):
            paired(*pair)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_is_never_smaller_and_keeps_the_order(p_values: list[float]) -> None:
    found = holm(np.array(p_values))
    assert (found >= np.array(p_values) - 1e-15).all()
    assert (found <= 1.0).all()
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(found[order]) >= 0).all()


def test_equal_groups_do_not_differ() -> None:
    assert difference_p(np.ones(5), np.ones(9)) == 1.0
    assert difference_p(np.ones(5), np.zeros(9)) == 0.0
    assert difference_p(np.ones(1), np.zeros(9)) == 1.0


def test_wilson_covers() -> None:
    """Of many samples of 50 with 90 % right, about 95 % of the intervals hold 0.9."""
    generator = np.random.default_rng(2)
    held = 0
    for _ in range(1000):
        low, high = mean_interval((generator.random(50) < 0.9).astype(float), binary=True)
        held += low <= 0.9 <= high
    assert 0.93 <= held / 1000 <= 0.98


def scored_category(truth: NDArray[np.int64], right: NDArray[np.bool_]) -> Scored:
    chosen = np.where(right, truth, 1 - truth)
    probabilities = np.where(np.arange(2) == chosen[:, None], 0.8, 0.2).astype(np.float32)
    labels = np.array(["a", "b"], dtype=object)[chosen]
    return score(target("category"), {"probabilities": probabilities, "label": labels}, truth)


def test_bootstrap_intervals_cover_the_truth() -> None:
    generator = np.random.default_rng(3)
    held = 0
    for case in range(120):
        truth = generator.integers(0, 2, 150)
        found = scored_category(truth, generator.random(150) < 0.85)
        metrics = with_intervals(target("category"), found, {"classes": ["a", "b"]}, case)
        held += metrics["accuracy"]["low"] <= 0.85 <= metrics["accuracy"]["high"]
        assert all(entry["low"] <= entry["value"] <= entry["high"] for entry in metrics.values())
    assert held / 120 >= 0.9


def test_bootstrap_is_seeded_and_all_right_is_not_certainty() -> None:
    truth = np.array([0, 1] * 10)
    found = scored_category(truth, np.ones(20, dtype=bool))
    category = target("category")
    a, b = (with_intervals(category, found, {"classes": ["a", "b"]}, 7) for _ in range(2))
    assert a == b
    assert a["accuracy"]["value"] == 1.0
    assert a["accuracy"]["low"] < 0.9


def test_the_slow_bootstrap_says_the_same_as_the_fast_one() -> None:
    category = target("category")

    class Slow:
        metrics = category.metrics

    truth = np.random.default_rng(4).integers(0, 2, 80)
    found = scored_category(truth, np.arange(80) % 5 > 0)
    schema = {"classes": ["a", "b"]}
    fast = bootstrap(category, found, schema, 0, 400)
    slow = bootstrap(Slow(), found, schema, 0, 400)  # type: ignore[arg-type]
    for name in ("accuracy", "f1_macro"):
        assert np.quantile(fast[name], 0.5) == pytest.approx(np.quantile(slow[name], 0.5), abs=0.02)
        assert fast[name].std() == pytest.approx(slow[name].std(), rel=0.2)


def test_reliability_bins_hold_all_samples() -> None:
    truth = np.random.default_rng(5).integers(0, 2, 95)
    bins = reliability(scored_category(truth, np.arange(95) % 4 > 0))
    assert sum(entry["count"] for entry in bins) == 95
    assert all(entry["low"] <= entry["accuracy"] <= entry["high"] for entry in bins)


def test_the_trivial_answer() -> None:
    category, number = target("category"), target("number")
    made = trivial(category, {"classes": ["a", "b"]}, np.array([0, 0, 1, -1]), np.array([0, 0, 1]))
    assert made.outputs["label"].tolist() == ["a", "a", "a"]
    made = trivial(number, {"std": 1.0}, np.array([2.0, 4.0, np.nan], np.float32), np.array([3.0, 4.0], np.float32))
    assert made.loss.tolist() == [0.0, 1.0]


def test_the_gap_is_positive_where_the_test_is_worse() -> None:
    test = {"accuracy": {"value": 0.9}, "log_loss": {"value": 0.5}, "only_test": {"value": 1.0}}
    found = gap({"accuracy": 1.0, "log_loss": 0.1}, test, {"accuracy": True, "log_loss": False})
    assert found == {"accuracy": pytest.approx(0.1), "log_loss": pytest.approx(0.4)}
