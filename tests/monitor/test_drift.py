"""Drift tests: the stated false-alarm rate is kept, changes are found, trifles are not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from modelwright.monitor.drift import _fisher, detect, distance, holm, two_sample
from modelwright.runtime.profile import Comparison, Counts, ProfileBuilder


def _compared(reference: np.ndarray, current: np.ndarray, name: str = "x") -> Comparison:
    builder = ProfileBuilder()
    builder.add_inputs({name: reference})
    counts = Counts(builder.finish()["inputs"])
    counts.add({name: current})
    return counts.compare(name)


@pytest.mark.slow
@pytest.mark.parametrize(("reference", "current"), [(150, 100), (1000, 100), (1000, 3000), (60, 500)])
def test_no_drift_rarely_alarms(reference: int, current: int) -> None:
    """Reference and production from one distribution, four kinds of feature, correlated: at most the stated rate."""
    random = np.random.default_rng(reference + current)
    rate, trials = 0.05, 200
    alarms = 0
    for _ in range(trials):
        n = reference + current
        normal = random.normal(size=n)
        columns = {
            "normal": normal,
            "correlated": normal + 0.1 * random.normal(size=n),
            "counts": random.poisson(3.0, n).astype(float),
            "constant": np.full(n, 28.0),
            "zipf": np.array([f"v{value}" for value in np.minimum(random.zipf(1.8, n), 200)], dtype=object),
        }
        tested = [("input", _compared(v[:reference], v[reference:], name)) for name, v in columns.items()]
        alarms += any(drift.drifted for drift in detect(tested, rate, 0.0))
    # 99.9 % upper limit of a binomial at the stated rate
    assert alarms <= stats.binom.ppf(0.999, trials, rate)


def test_growing_looks_share_one_rate() -> None:
    """Whoever looks at a growing window at every doubling spends at most its rate: the shares sum below it."""
    from modelwright.monitor.windows import Window

    window = Window.begin("p", {"inputs": {}, "predictions": {}}, 0, 3600.0)
    spent = 0.0
    for _ in range(40):
        spent += window.next_rate(0.01)
        window.looks += 1
    assert spent <= 0.01


def _normal(seed: int, mean: float, std: float, count: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, std, count)


def _texts(*parts: tuple[str, int]) -> np.ndarray:
    return np.array([text for text, count in parts for _ in range(count)], dtype=object)


@pytest.mark.parametrize(
    ("reference", "current", "words"),
    [
        (_normal(0, 0.5, 0.1, 1000), _normal(1, 0.3, 0.1, 200), "fell from"),
        (np.full(300, 28.0), np.full(100, 32.0), "x rose from 28 to 32"),
        (_texts(("a", 200), ("b", 200)), _texts(("a", 150)), "x: "),
        (_normal(0, 0, 1, 500), np.r_[np.full(99, np.nan), _normal(1, 0, 1, 99)], "missing in 50% of samples"),
        (_normal(0, 0, 1, 1000), _normal(1, 0, 4, 300), "the spread of x rose"),
        (_texts(("a", 200), ("b", 200)), _texts(("new", 100), ("a", 20), ("b", 20)), "other"),
    ],
)
def test_drift_is_found_and_named(reference: np.ndarray, current: np.ndarray, words: str) -> None:
    (found,) = detect([("input", _compared(reference, current))], 0.001, 0.1)
    assert found.drifted
    assert words in found.words


def test_a_trifle_in_many_samples_is_no_drift() -> None:
    random = np.random.default_rng(0)
    compared = _compared(random.normal(0, 1, 10_000), random.normal(0.15, 1, 500_000))
    (found,) = detect([("input", compared)], 0.001, 0.1)
    assert found.p_value < 1e-6
    assert found.effect < 0.1
    assert not found.drifted


def test_statistic_is_pearsons() -> None:
    reference, current = np.array([100, 80, 120, 0]), np.array([50, 60, 40, 0])
    value, freedom, p = two_sample(Comparison("x", "category", ("a", "b", "c", "missing"), reference, current))
    expected = stats.chi2_contingency(np.array([reference[:3], current[:3]]), correction=False)
    assert value == pytest.approx(expected.statistic)
    assert freedom == expected.dof
    assert p == pytest.approx(min(1.0, 2 * expected.pvalue))  # the other half is kept for cells never seen before


@given(st.integers(0, 20), st.integers(1, 60), st.integers(0, 20), st.integers(1, 60))
def test_fisher_is_scipys(inside_before: int, before: int, inside_now: int, now: int) -> None:
    inside_before, inside_now = min(inside_before, before), min(inside_now, now)
    table = [[inside_now, inside_before], [now - inside_now, before - inside_before]]
    expected = stats.fisher_exact(table, alternative="greater").pvalue
    assert _fisher(inside_before, before, inside_now, now) == pytest.approx(expected, abs=1e-9)


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 500), min_size=2, max_size=30),
    st.lists(st.integers(0, 500), min_size=2, max_size=30),
    st.sampled_from(["number", "category"]),
)
def test_any_counts_give_a_p_value_and_an_effect(first: list[int], second: list[int], kind: str) -> None:
    size = min(len(first), len(second))
    reference, current = np.array(first[:size]), np.array(second[:size])
    _, _, p = two_sample(Comparison("x", kind, (), reference, current))
    assert 0.0 <= p <= 1.0
    assert 0.0 <= distance(reference, current) <= 1.0
    same = Comparison("x", kind, (), reference, reference)
    assert two_sample(same)[2] > 0.05


@given(st.lists(st.floats(0, 1), max_size=20))
def test_holm_never_lowers_and_keeps_the_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(after >= before for after, before in zip(adjusted, p_values, strict=True))
    ranked = [adjusted[index] for index in np.argsort(p_values, kind="stable")]
    assert ranked == sorted(ranked)
