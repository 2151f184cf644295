"""Numbers: figures against scikit-learn's, and intervals that hold what they say."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as sk

from modelwright.errors import InputError
from modelwright.tasks.base import UndecodableError
from modelwright.tasks.targets.number import Number
from modelwright.testing.modality import session

NUMBER = Number()


def answers(value: NDArray[np.float64], half: float = 1.0) -> dict[str, NDArray[np.float64]]:
    return {"value": value, "low": value - half, "high": value + half}


@pytest.mark.parametrize("count", [2, 3, 10, 501])
def test_figures_are_those_of_scikit_learn(count: int) -> None:
    random = np.random.default_rng(count)
    truth = random.normal(1000, 5, count)
    value = truth + random.normal(0, 2, count)
    found = NUMBER.metrics(truth, answers(value), {})
    assert found["mae"] == pytest.approx(sk.mean_absolute_error(truth, value))
    assert found["rmse"] == pytest.approx(sk.root_mean_squared_error(truth, value))
    assert found["r2"] == pytest.approx(sk.r2_score(truth, value), abs=1e-6)
    assert found["median_ae"] == pytest.approx(sk.median_absolute_error(truth, value))
    assert found["coverage"] == pytest.approx((np.abs(truth - value) <= 1).mean())
    assert found["interval_width"] == pytest.approx(2.0)


def test_the_bootstrap_is_that_of_a_plain_loop() -> None:
    random = np.random.default_rng(1)
    truth = random.normal(0, 1, 101)
    outputs = answers(truth + random.normal(0, 1, 101))
    fast = NUMBER.bootstrap(truth, outputs, {}, np.random.default_rng(3), 40)
    for place, indices in enumerate(np.random.default_rng(3).integers(0, 101, (40, 101), dtype=np.int64)):
        part = {name: values[indices] for name, values in outputs.items()}
        for name, value in NUMBER.metrics(truth[indices], part, {}).items():
            assert fast[name][place] == pytest.approx(value, rel=1e-5), name


def test_r2_of_a_constant_truth_is_left_out() -> None:
    assert "r2" not in NUMBER.metrics(np.full(4, 5.0), answers(np.arange(4.0)), {})
    assert "r2" not in NUMBER.metrics(np.array([5.0]), answers(np.array([4.0])), {})
    assert NUMBER.metrics(np.array([np.nan]), answers(np.array([4.0])), {}) == {}
    assert NUMBER.bootstrap(np.array([np.nan]), answers(np.array([4.0])), {}, np.random.default_rng(0), 5) == {}


@pytest.mark.parametrize("count", [40, 200, 3000])
def test_intervals_hold_nine_truths_in_ten(count: int) -> None:
    covered = []
    for seed in range(30):
        random = np.random.default_rng(seed)
        value = random.uniform(0, 10, count + 2000)
        truth = value + random.exponential(1.0, count + 2000) - 0.5
        calibration = NUMBER.calibrate(value[:count, None].astype(np.float32), truth[:count], {})
        outputs = NUMBER.outputs(value[count:, None].astype(np.float32), {}, calibration)
        covered.append(NUMBER.metrics(truth[count:], outputs, {})["coverage"])
    assert np.mean(covered) == pytest.approx(0.9, abs=0.025 if count < 100 else 0.015)


def test_intervals_are_wider_where_errors_are_larger() -> None:
    random = np.random.default_rng(0)
    value = random.uniform(1, 10, 4000)
    truth = value + random.normal(0, 1, 4000) * value
    calibration = NUMBER.calibrate(value[:, None].astype(np.float32), truth, {})
    outputs = NUMBER.outputs(np.array([[2.0], [9.0]], np.float32), {}, calibration)
    widths = outputs["high"] - outputs["low"]
    assert widths[1] > 2.5 * widths[0]
    assert len(calibration["knots"]) == 6
    low = value < 3
    for part in (low, ~low):
        inside = NUMBER.outputs(value[part, None].astype(np.float32), {}, calibration)
        assert NUMBER.metrics(truth[part], inside, {})["coverage"] == pytest.approx(0.9, abs=0.04)


def test_outside_the_knots_the_interval_does_not_grow() -> None:
    calibration = {"knots": [0.0, 1.0, 3.0], "low": [-1.0, -2.0, -4.0], "high": [1.0, 2.0, 3.0]}
    scores = np.array([[-100.0], [0.0], [0.5], [2.0], [3.0], [100.0]], np.float32)
    outputs = NUMBER.outputs(scores, {}, calibration)
    np.testing.assert_allclose(outputs["low"] - scores[:, 0], [-1, -1, -1.5, -3, -4, -4], atol=1e-5)
    np.testing.assert_allclose(outputs["high"] - scores[:, 0], [1, 1, 1.5, 2.5, 3, 3], atol=1e-5)
    found = session(NUMBER.graph({}, calibration)).run(["low", "high"], {"scores": scores})
    np.testing.assert_allclose(found[0], outputs["low"], rtol=1e-6)
    np.testing.assert_allclose(found[1], outputs["high"], rtol=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=150), st.integers(0, 1000))
def test_any_residuals_give_an_ordered_finite_interval(values: list[float], seed: int) -> None:
    scores = np.array(values, np.float32)[:, None]
    truth = scores[:, 0] + np.random.default_rng(seed).choice([-1.0, 0.0, 5.0], len(values))
    calibration = NUMBER.calibrate(scores, truth, {})
    assert all(low <= high for low, high in zip(calibration["low"], calibration["high"], strict=True))
    assert calibration["knots"] == sorted(set(calibration["knots"]))
    outputs = NUMBER.outputs(scores, {}, calibration)
    assert all(np.isfinite(outputs[name]).all() for name in outputs)


def test_without_calibration_the_interval_is_the_value() -> None:
    (answer,) = NUMBER.decode(NUMBER.outputs(np.array([[2.5]], np.float32), {}, {}), {})
    assert answer.as_dict() == {"value": 2.5, "low": 2.5, "high": 2.5}


def test_numbers_are_read() -> None:
    assert NUMBER.read(3) == 3.0
    assert NUMBER.read(" 1.5e3 ") == 1500.0
    assert NUMBER.read(np.float32(0.5)) == 0.5
    assert NUMBER.read(True) == 1.0
    odd: Any
    for odd in ("many", math.inf, "inf", "1e39", 1e300, 10**400, [], b"1", "1,5"):
        with pytest.raises(UndecodableError):
            NUMBER.read(odd)


def test_a_constant_is_an_error() -> None:
    with pytest.raises(InputError, match="always 2 in the training data") as error:
        NUMBER.learn([2.0, None, 2.0])
    assert error.value.code == "constant-target"
    found = NUMBER.learn([1.0, 2.0, 3.0, None])
    assert (found["low"], found["mean"], found["median"], found["high"], found["samples"]) == (1.0, 2.0, 2.0, 3.0, 3)


def test_unknown_truth_is_nan() -> None:
    encoded = NUMBER.encode([1.0, None], {})
    assert encoded.dtype == np.float32
    assert encoded[0] == 1.0
    assert np.isnan(encoded[1])


def test_wide_intervals_are_less_sure() -> None:
    outputs = {"value": np.zeros(3), "low": np.array([-1.0, -2.0, -9.0]), "high": np.array([1.0, 2.0, 9.0])}
    values = NUMBER.uncertainty(outputs)
    assert values[0] < values[1] < values[2]
    assert values[1] == pytest.approx(0.5)
    assert NUMBER.uncertainty({"low": np.zeros(0), "high": np.zeros(0)}).shape == (0,)
