"""Splits by time and by a column, folds, and the proof: properties that hold for any data."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from modelwright.errors import InputError
from modelwright.prepare.divide import chronology, folds, given, proof
from modelwright.prepare.divide.split import NAMES, TEST, TRAIN, VALIDATION

FRACTIONS = (0.7, 0.1, 0.2)


@st.composite
def timed(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Return times with ties, and groups of which some last long."""
    count = draw(st.integers(3, 300))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    different = draw(st.integers(3, count))
    times = random.integers(0, different, count).astype(np.float64)
    times[:3] = [0, 1, 2]
    most = draw(st.integers(1, count))
    groups = np.unique(random.integers(0, most, count), return_inverse=True)[1].astype(np.int64)
    return times, groups


@drawn(timed())
@settings(max_examples=200, deadline=None)
def test_by_time_nothing_to_learn_from_is_later_than_the_test_and_no_tie_or_group_straddles(
    data: tuple[np.ndarray, np.ndarray],
) -> None:
    times, groups = data
    plan, cuts = chronology.assign(times, groups, FRACTIONS)
    assert chronology.holds(times, plan.splits)
    assert cuts.validation < cuts.test
    for several in (times, groups):
        for value in np.unique(several):
            mine = plan.splits[(several == value) & (plan.splits >= 0)]
            assert len(np.unique(mine)) <= 1
    # Only the earlier part of a group that reaches over a cut is shut out.
    for place in plan.conflicts:
        later = times[groups == groups[place]].max()
        assert any(times[place] < cut <= later for cut in (cuts.validation, cuts.test))


@drawn(timed(), st.integers(0, 100))
@settings(max_examples=100, deadline=None)
def test_a_split_by_time_does_not_depend_on_the_order_of_samples(
    data: tuple[np.ndarray, np.ndarray], seed: int
) -> None:
    times, groups = data
    order = np.random.default_rng(seed).permutation(len(times))
    one, cuts = chronology.assign(times, groups, FRACTIONS)
    other, same = chronology.assign(times[order], groups[order], FRACTIONS)
    assert cuts == same
    np.testing.assert_array_equal(one.splits[order], other.splits)


@pytest.mark.parametrize("count", [50, 1000, 20_001])
def test_shares_by_time_come_out_right_where_times_differ(count: int) -> None:
    times = np.random.default_rng(count).permutation(count).astype(np.float64)
    plan, _ = chronology.assign(times, np.arange(count), FRACTIONS)
    np.testing.assert_allclose(np.bincount(plan.splits, minlength=3) / count, FRACTIONS, atol=0.005 + 1 / count)


def test_the_cut_moves_a_little_where_that_spares_samples() -> None:
    times = np.arange(1000.0)
    groups = np.arange(1000)
    groups[680:705] = 680  # one group over the 70 % mark
    plan, cuts = chronology.assign(times, np.unique(groups, return_inverse=True)[1], FRACTIONS)
    assert not len(plan.conflicts)
    assert 680 <= cuts.validation <= 720
    assert not 680 < cuts.validation < 705


def test_with_a_dataset_before_cuts_stay_and_the_locked_test_stays_locked() -> None:
    times = np.arange(100.0)
    plan, cuts = chronology.assign(times, np.arange(100), FRACTIONS)
    more = np.concatenate([times, [10.5, 75.5, 500.0]])
    known = np.concatenate([plan.splits, [-1, -1, -1]]).astype(np.int8)
    grown, same = chronology.assign(more, np.arange(103), FRACTIONS, known, cuts)
    assert same == cuts
    np.testing.assert_array_equal(grown.splits[:100], plan.splits)
    assert grown.splits[100:].tolist() == [TRAIN, VALIDATION, TEST]
    # A later copy of a training sample is shut out, and an earlier copy of a test sample too.
    groups = np.arange(102)
    groups[100], groups[101] = 0, 99
    known = np.concatenate([plan.splits, [-1, -1]]).astype(np.int8)
    tied, _ = chronology.assign(np.concatenate([times, [99.5, 0.5]]), groups, FRACTIONS, known, cuts)
    assert tied.splits[100:].tolist() == [-1, -1]
    np.testing.assert_array_equal(tied.splits[:100], plan.splits)


def test_times_are_read_as_numbers_dates_and_with_the_day_first_where_the_column_says_so() -> None:
    numbers = chronology.read(pa.array(["1", " 2.5", None, ""]))
    assert numbers.form == "number"
    np.testing.assert_array_equal(numbers.values, [1, 2.5, np.nan, np.nan])
    iso = chronology.read(pa.array(["2024-03-01", "2024-03-01T00:00:01", None]))
    assert iso.form == "date"
    assert iso.values[1] - iso.values[0] == 1
    slashed = chronology.read(pa.array(["3/4/2024", "31/12/2023"]))
    assert slashed.shown(float(slashed.values[0])) == "2024-04-03T00:00:00"
    odd = chronology.read(pa.array(["2024-03-01", "soon"]))
    assert odd.unreadable == ("soon",)
    assert np.isnan(odd.values[1])
    zoned = chronology.read(pa.array(["2024-03-01T02:00:00+02:00"]))
    assert zoned.shown(float(zoned.values[0])) == "2024-03-01T00:00:00"


def test_too_few_times_are_an_error_in_words() -> None:
    with pytest.raises(InputError, match="three different times, the samples have 2"):
        chronology.assign(np.array([1.0, 1.0, 2.0]), np.arange(3), FRACTIONS)


def keyed(count: int, seed: int = 0) -> np.ndarray:
    """Return digests as numbers."""
    return np.random.default_rng(seed).integers(0, 2**63, count, dtype=np.uint64)


def test_a_column_decides_and_what_it_never_names_is_taken_from_train() -> None:
    told = given.read(["Training", "TEST "], np.array([0] * 80 + [1] * 20), "part")
    plan = given.assign(told, np.arange(100), keyed(100), np.zeros(100, np.int64), FRACTIONS, 0)
    assert (plan.splits[80:] == TEST).all()
    assert np.bincount(plan.splits[:80], minlength=3).tolist() == [70, 10, 0]
    assert not len(plan.conflicts)


def test_of_a_torn_group_the_test_samples_stay() -> None:
    told = np.array([0, 2, 1, 0, 0, 1], np.int8)
    groups = np.array([0, 0, 1, 1, 2, 3])
    plan = given.assign(told, groups, keyed(4), np.zeros(6, np.int64), FRACTIONS, 0)
    assert plan.splits.tolist() == [-1, TEST, VALIDATION, -1, TRAIN, VALIDATION]


def test_an_unknown_word_names_the_column_and_what_is_known() -> None:
    with pytest.raises(InputError, match="'part': found 'blue'") as caught:
        given.read(["train", "blue"], np.array([0, 1]), "part")
    assert "validation" in caught.value.hint


@drawn(st.integers(1, 300), st.integers(2, 10), st.integers(1, 5), st.integers(0, 1000))
@settings(max_examples=150, deadline=None)
def test_folds_are_even_within_strata_whole_by_group_and_the_same_in_any_order(
    count: int, number: int, classes: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    strata = random.integers(0, classes, count)
    keys = keyed(count, seed)
    alone = folds.deal(np.arange(count), keys, strata, number, seed)
    for stratum in range(classes):
        sizes = np.bincount(alone[strata == stratum], minlength=number)
        assert sizes.max() - sizes.min() <= 2
    order = random.permutation(count)
    np.testing.assert_array_equal(alone[order], folds.deal(np.arange(count), keys[order], strata[order], number, seed))
    groups = np.unique(random.integers(0, max(count // 2, 1), count), return_inverse=True)[1].astype(np.int64)
    tied = folds.deal(groups, keys[: groups.max() + 1], strata, number, seed)
    for group in np.unique(groups):
        assert len(np.unique(tied[groups == group])) == 1


def test_a_new_sample_moves_hardly_any_other_to_another_fold() -> None:
    keys = keyed(1001)
    strata = np.arange(1001) % 3
    small = folds.deal(np.arange(1000), keys[:1000], strata[:1000], 5, 0)
    large = folds.deal(np.arange(1001), keys, strata, 5, 0)
    assert (small != large[:1000]).sum() <= 5


def test_the_proof_finds_what_straddles() -> None:
    splits = np.array([0, 2, 0, 1, -1], np.int8)
    times = chronology.Times(np.array([1.0, 3.0, 4.0, 2.0, 9.0]), "number")
    tie = proof.Tie("near-duplicate", "nearly equal bytes", np.array([[0, 1], [0, 2], [3, 4]]))
    found = proof.prove([tie], splits, times)
    assert found["ties"][0]["pairs"] == 2
    assert found["ties"][0]["across"] == 1
    assert not found["holds"]
    assert found["time"]["spans"]["test"] == {"first": "3", "last": "3"}
    kinds = [issue.kind for issue in proof.issues(found)]
    assert kinds == ["leaking-split", "leaking-split"]
    good = proof.prove([tie], np.array([0, 0, 0, 1, 2], np.int8), chronology.Times(np.arange(5.0), "number"))
    assert good["holds"] is False  # 3 and 4 are torn
    assert proof.prove([], np.array([0, 0, 0, 1, 2], np.int8), None)["holds"]
    assert set(NAMES) >= set(found["time"]["spans"])
