"""The label queue: uncertain and different, the same every time."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.retrain.queue import embed, rank
from modelwright.retrain.reservoir import RecentReservoir


def test_one_of_each_cluster_comes_before_a_second_of_any() -> None:
    random = np.random.default_rng(0)
    centres = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])
    points = np.repeat(centres, 25, axis=0) + random.normal(0, 0.1, (100, 2))
    chosen = rank([f"{i:03d}" for i in range(100)], np.full(100, 0.8), points, budget=4, audit=0)
    assert {int(one.sample) // 25 for one in chosen} == {0, 1, 2, 3}


def test_what_is_labelled_already_is_not_asked_again() -> None:
    points = np.array([[0.0], [5.0]])
    (one,) = rank(["known", "new"], np.array([0.9, 0.6]), points, budget=1, labelled=np.array([[0.0]]), audit=0)
    assert one.sample == "new"
    assert "unlike anything" in one.reason


def test_the_sure_wait() -> None:
    points = np.random.default_rng(0).normal(size=(50, 3))
    unsure = np.r_[np.full(40, 0.02), np.full(10, 0.9)]
    chosen = rank([f"{i:03d}" for i in range(50)], unsure, points, budget=8, audit=0)
    assert all(int(one.sample) >= 40 for one in chosen)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 40), st.integers(0, 50), st.integers(0, 1000))
def test_any_order_gives_the_same_queue_without_repeats(count: int, budget: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    names = [f"{i:03d}" for i in range(count)]
    unsure, points = random.random(count), random.normal(size=(count, 2))
    chosen = rank(names, unsure, points, budget=budget)
    order = random.permutation(count)
    again = rank([names[i] for i in order], unsure[order], points[order], budget=budget)
    assert chosen == again
    assert len({one.sample for one in chosen}) == len(chosen) == min(count, budget)


def test_features_of_mixed_measures_are_finite() -> None:
    measures = {
        "x": np.array([1.0, np.nan, 1e9, -3.0]),
        "constant": np.full(4, 7.0),
        "color": np.array(["red", None, "blue", "red"], dtype=object),
    }
    features = embed(measures)
    assert features.shape == (4, 4)
    assert np.isfinite(features).all()


def test_the_reservoir_prefers_the_recent() -> None:
    reservoir = RecentReservoir(100, seed=0)
    for index in range(2000):
        reservoir.add(str(index))
    assert len(reservoir.items) == 100
    assert np.median([int(item) for item in reservoir.items]) > 1800
