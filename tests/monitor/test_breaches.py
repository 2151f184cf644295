"""Inputs beside the contract: counted, and an alarm only beyond what chance allows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.monitor import breaches
from modelwright.store.refusals import MOST_RULES, MOST_SHOWN, Refusals, Refused
from modelwright.tasks import contract

NUMBER = {"kind": "number", "low": 0.0, "high": 1.0, "missing": False}


def counted(count: int, code: str = "out-of-range") -> Refused:
    made = Refused("p")
    for _ in range(count):
        made.add([{"column": "x", "code": code, "found": 7.0, "expected": "0 to 1"}])
    return made


@pytest.mark.parametrize("samples", [50, 200, 3000])
@pytest.mark.parametrize("draw", ["normal", "pareto"])
def test_windows_like_the_training_data_alarm_no_more_often_than_stated(samples: int, draw: str) -> None:
    random = np.random.default_rng(samples)
    rate, alarms, windows = 0.02, 0, 600
    for _ in range(windows):
        both = random.normal(size=samples + 1000) if draw == "normal" else random.pareto(1.2, samples + 1000)
        low, high = both[:samples].min(), both[:samples].max()  # no margin: the worst case
        beyond = int(((both[samples:] < low) | (both[samples:] > high)).sum())
        found = breaches.judge(counted(beyond), 0, 1000, {"x": NUMBER}, samples, rate)
        alarms += any(rule["alarm"] for rule in found["rules"])
    assert alarms / windows <= rate + 2.6 * (rate / windows) ** 0.5


def test_the_tail_is_that_of_exceedances() -> None:
    random = np.random.default_rng(0)
    both = random.random((40_000, 60))
    beyond = (both[:, 40:] > both[:, :40].max(1, keepdims=True)).sum(1)
    for count in (1, 2, 4):
        assert breaches.beyond_chance(count, 20, 1, 40) == pytest.approx((beyond >= count).mean(), abs=0.008)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(1, 500), st.integers(1, 5), st.integers(6, 5000))
def test_more_breaches_are_less_likely_and_more_training_too(count: int, total: int, ways: int, samples: int) -> None:
    count = min(count, total)
    found = breaches.beyond_chance(count, total, ways, samples)
    assert 0 <= found <= 1
    assert breaches.beyond_chance(count - 1, total, ways, samples) >= found - 1e-12
    assert breaches.beyond_chance(count, total, ways, 2 * samples) <= found + 1e-9
    assert breaches.beyond_chance(0, total, ways, samples) == 1.0


def test_rare_breaches_are_shown_and_alarm_nobody_however_sure_they_are() -> None:
    found = breaches.judge(counted(50), 0, 100_000, {"x": NUMBER}, 1_000_000, 0.001)
    assert found["rules"][0]["p_value"] < 1e-9
    assert not found["rules"][0]["alarm"]
    assert breaches.judge(counted(2000), 0, 100_000, {"x": NUMBER}, 1_000_000, 0.001)["rules"][0]["alarm"]


def test_many_known_categories_allow_more_new_ones() -> None:
    few = contract.category(["a", "b"], missing=False)
    many = contract.category([str(number) for number in range(80)], missing=False)
    new = counted(40, "unknown-category")
    assert breaches.judge(new, 0, 200, {"x": few}, 400, 0.001)["rules"][0]["alarm"]
    assert not breaches.judge(new, 0, 200, {"x": many}, 100, 0.001)["rules"][0]["alarm"]


def test_what_is_kept_is_bounded() -> None:
    made = Refused("p")
    for number in range(3 * MOST_RULES):
        made.add([{"column": str(number), "code": "missing", "found": None, "expected": "a value"}])
    for number in range(50):
        made.add([{"column": "0", "code": "missing", "found": number, "expected": "a value"}])
    assert (made.samples, len(made.rules)) == (3 * MOST_RULES + 50, MOST_RULES)
    assert made.rules["0", "missing"] == 51
    assert len(made.found["0", "missing"]) == MOST_SHOWN
    other = counted(3)
    other.merge(made)
    assert len(other.rules) == MOST_RULES
    assert other.samples == made.samples + 3


def test_lines_are_read_once_and_a_torn_one_waits(tmp_path: Path) -> None:
    refusals = Refusals(tmp_path, "server")
    assert list(refusals.read(0)) == []
    refusals.append(counted(2))
    refusals.append(counted(3))
    (first, one), (second, two) = refusals.read(0)
    assert (one.samples, two.samples) == (2, 3)
    assert [found.samples for _, found in refusals.read(first)] == [3]
    assert not list(refusals.read(second))
    path = tmp_path / "refusals" / "server.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"package": "p", "ti')
    assert not list(refusals.read(second))
    path.write_bytes(whole + b"what is this\n" + whole)
    assert [found.samples for _, found in refusals.read(second)] == [2, 3]
    path.write_bytes(whole[:first])  # begun anew
    assert [found.samples for _, found in refusals.read(second)] == [2]
