"""The reference profile: fixed memory, exact where it can be, the same for the same data."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from modelwright import canonical
from modelwright.runtime.profile import Counts, ProfileBuilder, quantile_edges


def _built(**measures: np.ndarray) -> dict[str, Any]:
    builder = ProfileBuilder()
    builder.add_inputs(measures)
    return builder.finish()


def test_counts_fill_the_bins_equally() -> None:
    block = _built(x=np.random.default_rng(0).normal(size=2000))["inputs"]["x"]
    assert len(block["edges"]) == 19
    assert max(block["counts"]) - min(block["counts"]) <= 1
    assert sum(block["counts"]) == block["count"] == 2000


def test_batches_do_not_matter_below_capacity() -> None:
    values = np.random.default_rng(1).gamma(2.0, size=999)
    whole = _built(x=values)["inputs"]["x"]
    builder = ProfileBuilder()
    for start in range(0, 999, 37):
        builder.add_inputs({"x": values[start : start + 37]})
    pieces = builder.finish()["inputs"]["x"]
    assert pieces["edges"] == whole["edges"]
    assert pieces["counts"] == whole["counts"]
    assert pieces["mean"] == pytest.approx(whole["mean"])
    assert pieces["std"] == pytest.approx(values.std())


def test_memory_is_bounded_and_the_sample_is_uniform() -> None:
    builder = ProfileBuilder(capacity=2000)
    random = np.random.default_rng(2)
    for _ in range(50):
        builder.add_inputs({"x": random.random(2000)})
    block = builder.finish()["inputs"]["x"]
    assert block["count"] == 100_000
    assert sum(block["counts"]) == 2000
    assert np.allclose(block["edges"], np.arange(1, 20) / 20, atol=0.05)


def test_a_constant_is_left_in_either_direction() -> None:
    counts = Counts(_built(width=np.full(200, 28.0))["inputs"])
    counts.add({"width": np.array([28.0, 27.0, 32.0, 28.0])})
    compared = counts.compare("width")
    assert compared.reference.tolist() == [0, 200, 0, 0]
    assert compared.current.tolist() == [1, 2, 1, 0]


def test_identifiers_and_rare_values_stay_out_of_the_profile() -> None:
    names = np.array([f"person {index}" for index in range(10_000)] + ["often"] * 50 + ["x" * 5000] * 9, dtype=object)
    block = _built(name=names)["inputs"]["name"]
    assert block["values"] == {"often": 50}
    assert block["other"] == 10_009
    assert block["count"] == 10_059


def test_missing_is_counted() -> None:
    profile = _built(
        color=np.array(["red", None, "", "red"] * 5, dtype=object), x=np.array([1.0, np.nan, np.inf, 2.0] * 5)
    )
    assert profile["inputs"]["color"] == {
        "kind": "category",
        "count": 20,
        "missing": 10,
        "values": {"red": 10},
        "other": 0,
    }
    assert profile["inputs"]["x"]["missing"] == 10


def test_reliability_of_categories() -> None:
    random = np.random.default_rng(3)
    confidence = random.uniform(0.5, 1.0, 4000)
    truth = (random.random(4000) > confidence).astype(np.int64)  # right with probability `confidence`
    outputs = {
        "probabilities": np.stack([confidence, 1 - confidence], axis=1),
        "label": np.full(4000, "a", dtype=object),
    }
    builder = ProfileBuilder()
    builder.add_predictions(outputs, truth, "category")
    quality = builder.finish()["quality"]
    assert quality["metric"] == "accuracy"
    assert quality["samples"] == 4000
    for bin_ in quality["reliability"]:
        assert bin_["accuracy"] == pytest.approx(bin_["confidence"], abs=0.1)


def test_unknown_truth_is_left_out() -> None:
    outputs = {"value": np.array([1.0, 2.0, 3.0]), "low": np.zeros(3), "high": np.full(3, 4.0)}
    builder = ProfileBuilder()
    builder.add_predictions(outputs, np.array([1.5, np.nan, 5.0], dtype=np.float32), "number")
    quality = builder.finish()["quality"]
    assert quality["samples"] == 2
    assert quality["estimated"] == pytest.approx(1.25)
    assert quality["coverage"] == pytest.approx(0.5)


@settings(max_examples=100, deadline=None)
@given(
    hnp.arrays(np.float64, st.integers(1, 300), elements=st.floats(allow_nan=True, allow_infinity=True, width=32)),
    hnp.arrays(np.float64, st.integers(0, 300), elements=st.floats(allow_nan=True, allow_infinity=True, width=32)),
)
def test_nothing_is_lost_whatever_the_numbers(reference: np.ndarray, current: np.ndarray) -> None:
    profile = json.loads(canonical.dumps(_built(x=reference)))  # what a package's reader gives
    counts = Counts(profile["inputs"])
    counts.add({"x": current})
    compared = counts.compare("x")
    assert compared.current.sum() == current.size
    assert len(compared.cells) == compared.current.size == compared.reference.size
    again = Counts(profile["inputs"])
    again.add({"x": reference})
    assert again.compare("x").current[:-1].tolist() == profile["inputs"]["x"]["counts"]


@given(hnp.arrays(np.float64, st.integers(1, 200), elements=st.integers(-5, 5).map(float)))
def test_edges_grow_and_no_bin_but_the_outermost_and_those_between_atoms_is_empty(values: np.ndarray) -> None:
    edges = quantile_edges(values)
    assert (np.diff(edges) > 0).all()


@given(st.lists(st.lists(st.sampled_from(["a", "b", "c", "new", None]), max_size=30), max_size=5))
def test_counts_merge_like_one_count(batches: list[list[str | None]]) -> None:
    profile = _built(c=np.array(["a", "b", "c"] * 10, dtype=object))
    together, merged = Counts(profile["inputs"]), Counts(profile["inputs"])
    for batch in batches:
        values = np.array(batch, dtype=object)
        together.add({"c": values})
        part = Counts(profile["inputs"])
        part.add({"c": values})
        merged.merge(Counts.from_dict(profile["inputs"], json.loads(canonical.dumps(part.as_dict()))))
    assert merged.as_dict() == together.as_dict()
