"""What counts as the same answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from modelwright.runtime.parity import LIMIT, compare

CLASSES = {"classes": ["a", "b", "c"]}


def outputs(rows: list[list[float]], labels: list[str]) -> dict[str, NDArray[Any]]:
    return {"probabilities": np.array(rows, np.float32), "label": np.array(labels, object)}


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), st.floats(1e-3, 1e3))
def test_equal_is_equal(values: list[float], std: float) -> None:
    array = {"value": np.array(values)}
    assert compare(array, array, {"std": std}).largest_difference == 0.0


@pytest.mark.parametrize(("off", "passed"), [(0.5 * LIMIT, True), (2 * LIMIT, False)])
def test_the_limit_on_probabilities(off: float, passed: bool) -> None:
    a = outputs([[0.5, 0.3, 0.2]], ["a"])
    b = outputs([[0.5 + off, 0.3 - off, 0.2]], ["a"])
    assert compare(a, b, CLASSES).passed is passed


def test_numbers_are_measured_in_deviations() -> None:
    a, b = {"value": np.array([2e5])}, {"value": np.array([2e5 + 4])}
    assert compare(a, b, {"std": 1e5}).passed
    assert not compare(a, b, {"std": 1.0}).passed
    tiny = {"value": np.array([1e-5])}, {"value": np.array([1.1e-5])}
    assert not compare(*tiny, {"std": 1e-5}).passed


def test_another_label_counts_unless_it_is_a_tie() -> None:
    clear = compare(outputs([[0.6, 0.4, 0.0]], ["a"]), outputs([[0.6, 0.4, 0.0]], ["b"]), CLASSES)
    assert clear.largest_difference == 1.0
    assert clear.output == "label"
    tie = compare(outputs([[0.40005, 0.4, 0.2]], ["a"]), outputs([[0.40002, 0.40003, 0.2]], ["b"]), CLASSES)
    assert tie.passed
    assert not compare({"label": np.array(["a"])}, {"label": np.array(["z"])}, {}).passed


def test_what_cannot_be_compared_does_not_pass() -> None:
    value = {"value": np.array([1.0, 2.0])}
    for other in (
        {},
        {"value": np.array([1.0])},
        {"value": np.array([1.0, np.nan])},
        {"value": np.array([1.0, np.inf])},
    ):
        found = compare(value, other, {})
        assert not found.passed
        assert found.as_dict()["largest_difference"] is None
    assert not compare({}, {}, {}).passed
    both = {"value": np.array([np.nan, np.inf])}
    assert compare(both, both, {}).passed
