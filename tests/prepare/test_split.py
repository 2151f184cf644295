"""Properties of splits that hold for any data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.prepare.divide import split

FRACTIONS = (0.7, 0.1, 0.2)


@st.composite
def data(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return groups, keys and strata of some samples."""
    count = draw(st.integers(1, 200))
    most = draw(st.integers(1, count))
    seed = draw(st.integers(0, 2**32 - 1))
    classes = draw(st.integers(1, 6))
    random = np.random.default_rng(seed)
    groups = np.unique(random.integers(0, most, count), return_inverse=True)[1].astype(np.int64)
    keys = random.integers(0, 2**63, int(groups.max()) + 1, dtype=np.uint64)
    strata = random.integers(0, classes, count).astype(np.int64)
    return groups, keys, strata


@given(data(), st.integers(0, 5))
@settings(max_examples=150, deadline=None)
def test_no_group_straddles_and_every_class_is_trained(sample: tuple[np.ndarray, ...], seed: int) -> None:
    groups, keys, strata = sample
    plan = split.assign(groups, keys, strata, FRACTIONS, seed)
    assert ((plan.splits >= 0) & (plan.splits < 3)).all()
    for group in np.unique(groups):
        assert len(np.unique(plan.splits[groups == group])) == 1
    assert set(strata[plan.splits == split.TRAIN]) == set(strata)
    again = split.assign(groups, keys, strata, FRACTIONS, seed)
    np.testing.assert_array_equal(plan.splits, again.splits)


@given(data(), st.integers(0, 5))
@settings(max_examples=100, deadline=None)
def test_known_samples_stay_where_they_are(sample: tuple[np.ndarray, ...], seed: int) -> None:
    groups, keys, strata = sample
    half = np.random.default_rng(seed).random(len(groups)) < 0.5
    known = np.full(len(groups), -1, np.int8)
    known[half] = split.assign(groups, keys, strata, FRACTIONS, seed + 1).splits[half]
    plan = split.assign(groups, keys, strata, FRACTIONS, seed, known)
    assert not len(plan.conflicts)
    np.testing.assert_array_equal(plan.splits[half], known[half])
    for group in np.unique(groups):
        assert len(np.unique(plan.splits[groups == group])) == 1


@given(st.integers(20, 400), st.integers(1, 4), st.integers(0, 100))
@settings(max_examples=80, deadline=None)
def test_fractions_come_out_right_for_single_samples(count: int, classes: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    strata = random.integers(0, classes, count).astype(np.int64)
    plan = split.assign(np.arange(count), random.integers(0, 2**63, count, dtype=np.uint64), strata, FRACTIONS, seed)
    shares = np.bincount(plan.splits, minlength=3) / count
    np.testing.assert_allclose(shares, FRACTIONS, atol=classes / count + 1e-9)


def test_a_new_sample_moves_no_other_where_counts_allow() -> None:
    random = np.random.default_rng(1)
    keys = random.integers(0, 2**63, 1000, dtype=np.uint64)
    strata = np.zeros(1000, np.int64)
    small = split.assign(np.arange(999), keys[:999], strata[:999], FRACTIONS, 0).splits
    large = split.assign(np.arange(1000), keys, strata, FRACTIONS, 0).splits
    assert (small != large[:999]).sum() <= 2


def test_another_seed_is_another_split() -> None:
    keys = np.random.default_rng(1).integers(0, 2**63, 500, dtype=np.uint64)
    one, other = (
        split.assign(np.arange(500), keys, np.zeros(500, np.int64), FRACTIONS, seed).splits for seed in (0, 1)
    )
    assert (one != other).mean() > 0.2


def test_a_tie_to_the_locked_test_split_shuts_out_what_was_trained_on() -> None:
    groups = np.array([0, 0, 1, 1, 2])
    known = np.array([split.TRAIN, split.TEST, split.TRAIN, split.VALIDATION, -1], np.int8)
    plan = split.assign(groups, np.arange(3, dtype=np.uint64), np.zeros(5, np.int64), FRACTIONS, 0, known)
    assert plan.splits[:4].tolist() == [-1, split.TEST, split.TRAIN, split.TRAIN]
    assert plan.conflicts.tolist() == [0]


@pytest.mark.parametrize("fractions", [(1.0, 0.0, 0.0), (0.5, 0.0, 0.5), (8, 1, 1)])
def test_a_split_of_share_zero_stays_empty(fractions: tuple[float, ...]) -> None:
    random = np.random.default_rng(0)
    groups = np.unique(random.integers(0, 60, 100), return_inverse=True)[1].astype(np.int64)
    keys = random.integers(0, 2**63, int(groups.max()) + 1, dtype=np.uint64)
    plan = split.assign(groups, keys, random.integers(0, 3, 100).astype(np.int64), fractions, 0)
    for number, share in enumerate(fractions):
        assert (plan.splits == number).any() == (share > 0)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=60))
@settings(max_examples=60, deadline=None)
def test_union_gives_connected_components(pairs: list[tuple[int, int]]) -> None:
    groups = split.union(31, np.array(pairs, np.int64).reshape(-1, 2))
    reach = np.eye(31, dtype=bool)
    for one, other in pairs:
        reach[one, other] = reach[other, one] = True
    for _ in range(6):
        reach = (reach.astype(np.int64) @ reach.astype(np.int64)) > 0
    np.testing.assert_array_equal(groups[:, None] == groups[None, :], reach)


@given(st.integers(1, 60), st.lists(st.tuples(st.integers(0, 59), st.integers(0, 59)), max_size=80))
@settings(max_examples=200, deadline=None)
def test_connected_components_are_numbered_by_their_first_members(count: int, pairs: list[tuple[int, int]]) -> None:
    kept = np.array([pair for pair in pairs if max(pair) < count], np.int64).reshape(-1, 2)
    groups = split.union(count, kept)
    neighbours: dict[int, set[int]] = {place: {place} for place in range(count)}
    for one, other in kept.tolist():
        joined = neighbours[one] | neighbours[other]
        for member in joined:
            neighbours[member] = joined
    firsts = sorted({min(members) for members in neighbours.values()})
    assert groups.tolist() == [firsts.index(min(neighbours[place])) for place in range(count)]
