"""The figures behind the page: associations against scipy, the map's layout against scikit-learn's measure of trust."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from scipy import stats
from sklearn.datasets import load_digits
from sklearn.manifold import trustworthiness

from modelwright.prepare.explore.associations import (
    Column,
    by_frequency,
    coded,
    correlation_ratio,
    cramers_v,
    explained,
    matrix,
    pearson,
    ranks,
)
from modelwright.prepare.explore.layout import nearest, neighbours, spread

RANDOM = np.random.default_rng(0)


def test_correlations_are_scipys() -> None:
    one = RANDOM.normal(size=500)
    other = np.exp(one + RANDOM.normal(size=500)) + 1e9
    found = pearson([one, other])
    assert found[0, 1] == pytest.approx(stats.pearsonr(one, other)[0], abs=1e-6)
    assert found[0, 0] == pytest.approx(1.0)
    ranked = matrix([Column("a", numbers=one), Column("b", numbers=other)])
    assert ranked[0, 1] == pytest.approx(stats.spearmanr(one, other)[0])


def test_missing_values_are_left_out_pair_by_pair() -> None:
    one, other = RANDOM.normal(size=400), RANDOM.normal(size=400)
    other += one
    one[::3], other[::5] = np.nan, np.nan
    both = np.isfinite(one) & np.isfinite(other)
    assert pearson([one, other])[0, 1] == pytest.approx(stats.pearsonr(one[both], other[both])[0])
    few = np.full(400, np.nan)
    few[:10] = 1.0
    assert np.isnan(pearson([one, few])[0, 1])
    assert np.isnan(pearson([one, np.full(400, 7.0)])[0, 1])


@given(arrays.arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e6, 1e6)))
def test_ranks_are_scipys(values: NDArray[np.float64]) -> None:
    assert ranks(values) == pytest.approx(stats.rankdata(values) - 1)


@given(
    st.integers(20, 200).flatmap(
        lambda count: st.tuples(
            arrays.arrays(np.float64, count, elements=st.floats(allow_nan=True, allow_infinity=True, width=32)),
            arrays.arrays(np.int64, count, elements=st.integers(-1, 5)),
        )
    )
)
def test_associations_stay_within_their_range(pair: tuple[NDArray[np.float64], NDArray[np.int64]]) -> None:
    numbers, codes = pair
    for value in (
        correlation_ratio(numbers, codes),
        cramers_v(codes, codes[::-1]),
        explained(Column("a", numbers=numbers), Column("b", codes=codes)),
        explained(Column("a", codes=codes), Column("b", numbers=numbers)),
    ):
        assert np.isnan(value) or 0 <= value <= 1


def test_cramers_v_is_scipys_but_for_the_bias() -> None:
    one = RANDOM.integers(0, 4, 20_000)
    other = np.where(RANDOM.random(20_000) < 0.5, one, RANDOM.integers(0, 4, 20_000))
    table = np.zeros((4, 4), int)
    np.add.at(table, (one, other), 1)
    assert cramers_v(one, other) == pytest.approx(stats.contingency.association(table), abs=2e-3)
    assert cramers_v(one, RANDOM.integers(0, 4, 20_000)) < 0.02


def test_what_is_explained_does_not_grow_by_chance() -> None:
    answer = Column("y", codes=RANDOM.integers(0, 2, 600))
    assert explained(Column("noise", codes=RANDOM.integers(0, 50, 600)), answer) < 0.03
    assert explained(Column("noise", numbers=RANDOM.normal(size=600)), answer) < 0.03
    assert answer.codes is not None
    assert explained(Column("same", codes=answer.codes), answer) == pytest.approx(1.0, abs=0.01)
    square = RANDOM.uniform(-1, 1, 2000)
    assert explained(Column("x", numbers=square), Column("y", numbers=square**2)) > 0.95
    assert explained(Column("noise", numbers=RANDOM.normal(size=2000)), Column("y", numbers=square)) < 0.03


def test_words_are_numbered_by_how_often_they_occur() -> None:
    codes, names = coded(["b", "a", None, "b", "c", "a", "b"], most=2)
    assert names == ["b", "a", "other"]
    assert codes.tolist() == [0, 1, -1, 0, 2, 1, 0]
    import pyarrow as pa

    assert by_frequency(pa.array([None, None], pa.string()).dictionary_encode())[0].tolist() == [-1, -1]


def test_principal_components_are_numpys() -> None:
    values = RANDOM.normal(size=(200, 30)).astype(np.float32) * np.arange(1, 31)
    placed, shares = spread(values, 3)
    _, sizes, _ = np.linalg.svd(values - values.mean(0), full_matrices=False)
    assert shares == pytest.approx(sizes[:3] ** 2 / (sizes**2).sum(), rel=1e-4)
    assert np.abs(placed).std(0) == pytest.approx(
        np.abs((values - values.mean(0)) @ _directions(values)).std(0), rel=1e-2
    )


def _directions(values: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = np.linalg.svd(values - values.mean(0), full_matrices=False)[2][:3].T
    return found


def test_wide_features_give_the_same_components() -> None:
    hidden = RANDOM.normal(size=(150, 4)) * [8, 4, 2, 1]
    values = (hidden @ RANDOM.normal(size=(4, 2000))).astype(np.float32)
    _, shares = spread(values, 3)
    _, sizes, _ = np.linalg.svd(values - values.mean(0), full_matrices=False)
    assert shares == pytest.approx(sizes[:3] ** 2 / (sizes**2).sum(), rel=1e-3)


def test_the_nearest_are_the_nearest() -> None:
    values = RANDOM.normal(size=(700, 6)).astype(np.float32)
    places, distances = nearest(values, 5)
    every = np.linalg.norm(values[:, None] - values[None], axis=2)
    np.fill_diagonal(every, np.inf)
    assert distances == pytest.approx(np.sort(every, axis=1)[:, :5], abs=1e-3)
    assert (places != np.arange(700)[:, None]).all()


@pytest.mark.slow
def test_the_map_keeps_neighbours_together() -> None:
    digits, truth = load_digits(return_X_y=True)
    values = (digits / 16).astype(np.float32)
    placed = neighbours(values)
    flat, _ = spread(values, 2)
    trust = trustworthiness(values, placed, n_neighbors=10)
    assert trust > 0.97
    assert trust > trustworthiness(values, flat, n_neighbors=10) + 0.1
    near, _ = nearest(placed, 5)
    voted = np.array([np.bincount(truth[row]).argmax() for row in near])
    assert (voted == truth).mean() > 0.93
    assert np.array_equal(placed, neighbours(values))


@settings(max_examples=25, deadline=None)
@given(
    arrays.arrays(
        np.float32,
        st.tuples(st.integers(2, 60), st.integers(1, 5)),
        elements=st.floats(-100, 100, width=32),
    )
)
def test_any_points_can_be_laid_out(values: NDArray[np.float32]) -> None:
    placed = neighbours(values)
    assert placed.shape == (len(values), 2)
    assert np.isfinite(placed).all()


def test_equal_points_lie_beside_each_other_and_not_on_top() -> None:
    values = np.repeat(RANDOM.normal(size=(40, 3)).astype(np.float32), 5, axis=0)
    placed = neighbours(values)
    assert len(np.unique(placed, axis=0)) == 200
    spots = placed.reshape(40, 5, 2)
    assert np.linalg.norm(spots - spots[:, :1], axis=2).max() < 0.3
