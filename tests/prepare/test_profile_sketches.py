"""The sketches of a profile keep what they promise, whatever comes in whatever pieces."""

from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.prepare.gather.runs import runs
from modelwright.prepare.profile import hashing
from modelwright.prepare.profile.distinct import Distinct
from modelwright.prepare.profile.frequent import Frequent
from modelwright.prepare.profile.moments import Moments
from modelwright.prepare.profile.quantiles import Quantiles
from modelwright.prepare.profile.table import Copies, Gaps, Products, Sample, centre_of

BLOCKS = st.lists(st.lists(st.integers(-30, 300), max_size=200), min_size=1, max_size=8)


@given(blocks=BLOCKS)
def test_frequent_values_are_bounded_from_both_sides(blocks: list[list[int]]) -> None:
    sketch = Frequent(16)
    for block in blocks:
        sketch.add(*runs(np.sort(np.array(block, np.int64))))
    true = Counter(value for block in blocks for value in block)
    kept = dict(sketch.top(10_000))
    for value, count in true.items():
        assert kept.get(value, 0) <= count <= kept.get(value, 0) + sketch.missed
    assert set(kept) <= set(true)
    assert len(kept) <= 32
    if len(true) <= 16:
        assert sketch.exact


@given(blocks=BLOCKS, each=st.integers(4, 40))
def test_ranks_are_off_by_no_more_than_said(blocks: list[list[int]], each: int) -> None:
    sketch = Quantiles(each, 4 * each)
    for block in blocks:
        values, counts = runs(np.sort(np.array(block, np.float64)))
        sketch.add(values, counts)
    every = np.sort(np.concatenate([np.array(block, np.float64) for block in blocks]))
    if not len(every):
        return
    assert int(sketch.weighted()[1].sum()) == len(every) == sketch.count
    assert sketch.weighted()[0][0] == every[0]
    assert sketch.weighted()[0][-1] == every[-1]
    ends = np.cumsum(sketch.weighted()[1])
    slack = sketch.error * len(every) + 1
    for value, end in zip(sketch.weighted()[0].tolist(), ends.tolist(), strict=True):
        assert np.searchsorted(every, value, "left") - slack <= end <= np.searchsorted(every, value, "right") + slack
    if sketch.error == 0:
        assert sketch.at([0.3])[0] == pytest.approx(np.quantile(every, 0.3))


@given(blocks=BLOCKS)
def test_moments_are_those_of_all(blocks: list[list[int]]) -> None:
    made = Moments()
    for block in blocks:
        values, counts = runs(np.sort(np.array(block, np.float64)))
        made.add(values, counts)
    every = np.array([value for block in blocks for value in block], np.float64)
    if len(every) < 4 or every.std() == 0:
        return
    count, away = len(every), every - every.mean()
    second, third, fourth = ((away**power).mean() for power in (2, 3, 4))
    assert made.mean == pytest.approx(every.mean(), abs=1e-9)
    assert made.variance == pytest.approx(every.var(ddof=1))
    skewness = third / second**1.5 * np.sqrt(count * (count - 1)) / (count - 2)
    kurtosis = (count - 1) / ((count - 2) * (count - 3)) * ((count + 1) * fourth / second**2 - 3 * (count - 1))
    assert made.skewness == pytest.approx(skewness, abs=1e-7)
    assert made.kurtosis == pytest.approx(kurtosis, abs=1e-6)


def test_different_values_are_exact_and_then_estimated() -> None:
    hashes = hashing.of_numbers(np.arange(100_000, dtype=np.int64))
    sketch = Distinct(4096)
    sketch.add(hashes[:4096])
    sketch.add(hashes[:100])
    assert (sketch.count, sketch.exact) == (4096, True)
    backwards = Distinct(4096)
    for start in range(0, 100_000, 9000):
        sketch.add(hashes[start : start + 9000])
        backwards.add(hashes[::-1][start : start + 9000])
    assert not sketch.exact
    assert sketch.count == backwards.count == pytest.approx(100_000, rel=5 * sketch.error)


@given(texts=st.lists(st.text(max_size=12), unique=True, max_size=60), cut=st.integers(0, 60))
def test_texts_hash_alike_wherever_they_stand(texts: list[str], cut: int) -> None:
    encoded = [text.encode("utf-8", "replace").decode() for text in texts]
    unique = list(dict.fromkeys(encoded))
    whole = hashing.of_texts(pa.array(unique, pa.string()))
    assert len(set(whole.tolist())) == len(unique)
    parts = pa.array(["x", *unique, "y"], pa.string()).slice(1, len(unique))
    assert hashing.of_texts(parts).tolist() == whole.tolist()
    assert hashing.of_texts(pa.array(unique[cut:], pa.string())).tolist() == whole[cut:].tolist()


def test_long_texts_hash_by_all_of_their_places() -> None:
    long = "a" * 200_000
    texts = [long, long[:-1], f"{long[:-1]}b", f"b{long[1:]}", long[:131_072] + "b" + long[131_073:]]
    assert len(set(hashing.of_texts(pa.array(texts)).tolist())) == len(texts)


def test_texts_that_differ_little_hash_apart() -> None:
    words = ["".join(letters) for size in range(1, 14) for letters in product("ab", repeat=size)]
    ends = [f"{one}{'x' * 7}{other}{'y' * 7}" for one in "abcdefgh\0" for other in "abcdefgh\0"]
    texts = [*words, *ends, "a\0", "a\0\0", ""]
    assert len(set(hashing.of_texts(pa.array(texts)).tolist())) == len(texts)


def test_numbers_hash_by_value() -> None:
    whole = hashing.of_numbers(np.array([0, 5, 2**53 + 1, 2**53, 2**63 - 1]))
    assert len(set(whole.tolist())) == 5
    assert hashing.of_numbers(np.array([-0.0, 5.0, 2.0**53]))[:3].tolist() == whole[[0, 1, 3]].tolist()
    assert hashing.of_numbers(np.array([np.nan]))[0] == hashing.MISSING


def test_copies_are_exact_and_then_estimated() -> None:
    rows = hashing.mix(np.concatenate([np.arange(40_000), np.arange(10_000), np.arange(10_000)]).astype(np.uint64))
    exact, few = Copies(), Copies(8000)
    for start in range(0, len(rows), 7000):
        exact.add(rows[start : start + 7000])
        few.add(rows[start : start + 7000])
    assert exact.counted() == (20_000, 10_000, 0.0)
    copies, copied, error = few.counted()
    assert copied is None
    assert error > 0
    assert abs(copies - 20_000) <= 5 * error


def test_patterns_of_gaps() -> None:
    rng = np.random.default_rng(0)
    masks = [rng.random(500) < 0.2 for _ in range(30)]
    gaps = Gaps(31)
    for start in range(0, 500, 100):
        part = [mask[start : start + 100] for mask in masks]
        gaps.add(gaps.of_block([*part, None], 100), 100)
    true = Counter(tuple(np.flatnonzero(row).tolist()) for row in np.stack(masks, 1))
    found, more = gaps.frequent(10_000)
    assert dict(found) == dict(true)
    assert more == 0
    assert gaps.complete == true[()]


def test_straight_lines_pairwise_complete() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3, 900)) + 1e7
    values[1] = values[0] * 0.5 + rng.normal(size=900)
    values[rng.random((3, 900)) < 0.2] = np.nan
    scale = centre_of(list(values[:, :100]))
    total = Products.of(list(values[:, :100]), *scale, 100)
    total.add(Products.of(list(values[:, 100:]), *scale, 800))
    found = total.correlation()
    for one in range(3):
        for other in range(3):
            both = ~np.isnan(values[one]) & ~np.isnan(values[other])
            assert found[one, other] == pytest.approx(
                np.corrcoef(values[one, both], values[other, both])[0, 1], abs=1e-6
            )


def test_the_sample_is_the_same_in_whatever_pieces() -> None:
    def drawn(step: int) -> list[int]:
        sample = Sample(50)
        for first in range(0, 5000, step):
            hashed, places = sample.chosen(first, min(step, 5000 - first))
            sample.add(hashed, places + first, [pa.array(places + first)])
        assert [value for array in sample.column(0) for value in array.to_pylist()] == sample.rows().tolist()
        return [int(row) for row in sample.rows()]

    assert drawn(5000) == drawn(37) == drawn(400)
    assert len(drawn(37)) == 50
