"""Golden-section search finds the bottom of a valley, wherever it lies."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.tasks import golden_section

ends = st.floats(-100.0, 100.0)


@given(ends, ends, st.floats(0.0, 1.0))
def test_the_bottom_of_a_parabola(one: float, other: float, share: float) -> None:
    low, high = min(one, other), max(one, other)
    bottom = low + share * (high - low)
    found = golden_section.lowest(lambda x: (x - bottom) ** 2, low, high, steps=40)
    assert found == pytest.approx(bottom, abs=1e-5 * max(1.0, high - low))


def test_a_valley_at_the_edge_is_found() -> None:
    assert golden_section.lowest(lambda x: x, 1.0, 3.0, steps=40) == pytest.approx(1.0, abs=1e-6)
    assert golden_section.lowest(lambda x: -x, 1.0, 3.0, steps=40) == pytest.approx(3.0, abs=1e-6)


def test_each_step_costs_one_evaluation_and_leaves_the_golden_share() -> None:
    asked: list[float] = []

    def cost(x: float) -> float:
        asked.append(x)
        return abs(x - math.pi)

    found = golden_section.lowest(cost, 0.0, 10.0, steps=20)
    assert len(asked) == 22
    assert abs(found - math.pi) <= 10.0 * 0.618034**20
