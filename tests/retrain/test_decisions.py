"""Triggers, promotion and undo: pure decisions, checked against libraries and by simulation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from modelwright.retrain.promotion import Pairs, compare, judge, judge_undo, mcnemar, sign_flip, undo_look
from modelwright.retrain.triggers import Facts, decide

HOUR = 3600 * 10**9


def _findings(**changes: Any) -> dict[str, Any]:
    quality = {
        "metric": "accuracy",
        "reference": 0.95,
        "estimated": {"value": 0.94, "low": 0.9, "high": 0.97},
        "realised": None,
    }
    drift = [{"feature": "brightness", "drifted": True, "words": "brightness fell from 0.52 to 0.31"}]
    return {
        "window": {"from": 0, "to": 2 * HOUR, "count": 200},
        "alarm": True,
        "drift": drift,
        "quality": quality,
        **changes,
    }


def _facts(**changes: Any) -> Facts:
    given_ = {"now": 3 * HOUR, "champion_data": HOUR, "findings": _findings(), "new_labels": 40, **changes}
    return Facts(**given_)


def test_drift_with_new_labels_begins_a_round_and_names_the_feature() -> None:
    decision = decide([("drift", None)], _facts())
    assert decision.go
    assert "brightness fell from 0.52 to 0.31" in decision.reasons[0]


@pytest.mark.parametrize(
    ("trigger", "changes", "waits"),
    [
        (("drift", None), {"new_labels": 0}, "no new labels to learn from"),
        (("drift", None), {"champion_data": 2 * HOUR}, "none since the champion's data"),
        (("drift", None), {"in_vain": True, "new_labels": 19}, "20 are waited for"),
        (("drift", None), {"findings": None}, "no findings yet"),
        (("drift", None), {"findings": _findings(alarm=False)}, "none since the champion's data"),
        (("quality", None), {}, "not worse"),
        (("quality", None), {"findings": _findings(quality=None)}, "no figures"),
        (("labels", 200.0), {}, "40 new ones of 200"),
        (("every", 7 * 86400.0), {}, "every 7d"),
        (("every", 60.0), {"champion_data": None}, "no round yet"),
        (("every", 60.0), {"last_round": 3 * HOUR}, "every 1m"),
    ],
)
def test_what_does_not_hold_says_what_it_waits_for(
    trigger: tuple[str, float | None], changes: dict[str, Any], waits: str
) -> None:
    decision = decide([trigger], _facts(**changes))
    assert not decision.go
    assert waits in decision.waiting[0]


def test_each_other_reason() -> None:
    assert decide([("labels", 40.0)], _facts()).go
    assert decide([("every", 7200.0)], _facts()).go
    assert decide([], _facts(forced=True)).reasons == ("a person asked for it",)
    lost = {"metric": "accuracy", "reference": 0.95, "estimated": None}
    few = {**lost, "realised": {"value": 0.5, "low": 0.2, "high": 0.8, "count": 6}}
    many = {**lost, "realised": {"value": 0.5, "low": 0.4, "high": 0.6, "count": 60}}
    assert not decide([("quality", None)], _facts(findings=_findings(quality=few))).go
    assert decide([("quality", None)], _facts(findings=_findings(quality=many))).go


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_binomial_test(gained: int, lost: int) -> None:
    expected = stats.binomtest(gained, gained + lost, alternative="greater").pvalue if gained + lost else 1.0
    assert mcnemar(gained, lost) == pytest.approx(expected, abs=1e-9)


def test_mcnemar_of_many() -> None:
    assert mcnemar(5200, 5000) == pytest.approx(stats.binomtest(5200, 10200, alternative="greater").pvalue, rel=1e-6)


def test_sign_flip_is_scipys_permutation_test() -> None:
    differences = np.random.default_rng(0).normal(-0.3, 1.0, 12)
    expected = stats.permutation_test((differences,), np.mean, permutation_type="samples", alternative="less")
    assert sign_flip(differences) == pytest.approx(expected.pvalue)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(15, 60))
def test_sign_flip_is_seeded_and_two_sides_cover(seed: int, count: int) -> None:
    differences = np.random.default_rng(seed).normal(size=count)
    assert sign_flip(differences, 1) == sign_flip(differences, 1)
    assert sign_flip(differences) + sign_flip(-differences) >= 0.99


def _errors(random: np.random.Generator, count: int, first: float, second: float) -> Pairs:
    return Pairs((random.random(count) < first).astype(float), (random.random(count) < second).astype(float))


def test_a_clear_win_is_promoted() -> None:
    random = np.random.default_rng(0)
    verdict = judge(_errors(random, 40, 0.8, 0.1), _errors(random, 300, 0.05, 0.05), binary=True)
    assert verdict.verdict == "promote"
    assert verdict.p_value is not None
    assert verdict.p_value < 0.05
    assert verdict.as_dict()["production"]["test"] == "exact McNemar"


def test_a_win_that_forgets_what_it_could_is_not() -> None:
    random = np.random.default_rng(0)
    verdict = judge(_errors(random, 40, 0.8, 0.4), _errors(random, 300, 0.05, 0.25), binary=True)
    assert verdict.verdict == "keep"
    assert "may be given up" in verdict.reasons[-1]


def test_a_clear_loss_keeps_the_champion() -> None:
    random = np.random.default_rng(0)
    assert judge(_errors(random, 40, 0.1, 0.7), _errors(random, 300, 0.1, 0.1), binary=True).verdict == "keep"


def test_few_or_no_labels_decide_nothing() -> None:
    random = np.random.default_rng(0)
    same = Pairs(np.zeros(100), np.zeros(100))
    few = judge(_errors(random, 8, 1.0, 0.0), same, binary=True)
    assert few.verdict == "undecided"
    assert "20 are needed" in few.reasons[0]
    nothing = Pairs(np.empty(0), np.empty(0))
    assert judge(nothing, nothing, binary=True).verdict == "undecided"
    assert judge(nothing, _errors(random, 300, 0.4, 0.1), binary=True).verdict == "promote"


def test_numbers_are_compared_by_their_errors() -> None:
    random = np.random.default_rng(0)
    size = np.abs(random.normal(1, 0.3, 60))
    locked = np.abs(random.normal(1, 0.3, 400))
    assert judge(Pairs(size, size * 0.6), Pairs(locked, locked), binary=False).verdict == "promote"
    assert judge(Pairs(size, size * 0.6), Pairs(locked, locked * 1.3), binary=False).verdict == "keep"


def test_a_large_win_may_cost_a_little_more_of_the_past() -> None:
    random = np.random.default_rng(0)
    size = np.abs(random.normal(3, 0.5, 44))
    locked = np.abs(random.normal(0.3, 0.1, 200))
    large, small = Pairs(size, size * 0.2), Pairs(size, size * 0.99)
    assert judge(large, Pairs(locked, locked * 1.2), binary=False).verdict == "promote"
    assert judge(small, Pairs(locked, locked * 1.2), binary=False).verdict == "keep"
    assert judge(large, Pairs(locked, locked * 1.2), binary=False, margin=0.01).verdict == "keep"
    assert judge(large, Pairs(locked, locked * 6), binary=False).verdict == "keep"


def test_equal_models_are_rarely_promoted() -> None:
    random = np.random.default_rng(7)
    promoted = 0
    for _ in range(400):
        production, locked = _errors(random, 60, 0.3, 0.3), _errors(random, 200, 0.1, 0.1)
        promoted += judge(production, locked, binary=True).verdict == "promote"
    assert promoted <= stats.binom.ppf(0.999, 400, 0.05)


def test_the_interval_of_a_difference_holds_its_level() -> None:
    random = np.random.default_rng(3)
    inside = 0
    for _ in range(400):
        found = compare(_errors(random, 80, 0.3, 0.2), binary=True)
        inside += found.low <= -0.1 <= found.high
    assert inside / 400 >= 0.87


def test_a_promotion_that_turned_out_worse_is_to_be_undone() -> None:
    random = np.random.default_rng(0)
    assert judge_undo(_errors(random, 60, 0.6, 0.1), binary=True).verdict == "promote"
    assert judge_undo(_errors(random, 60, 0.1, 0.6), binary=True).verdict == "keep"
    assert judge_undo(_errors(random, 60, 0.3, 0.3), binary=True).verdict == "undecided"
    assert judge_undo(_errors(random, 5, 1.0, 0.0), binary=True).verdict == "undecided"


def test_a_good_promotion_is_rarely_taken_back_however_often_it_is_looked_at() -> None:
    random = np.random.default_rng(11)
    undone = 0
    for _ in range(300):
        losses = _errors(random, 320, 0.3, 0.3)
        for count in range(0, 321, 10):
            look = undo_look(count)
            if look is not None:
                since = Pairs(losses.champion[: look[0]], losses.challenger[: look[0]])
                if judge_undo(since, binary=True, level=look[1]).verdict == "promote":
                    undone += 1
                    break
    assert undone <= stats.binom.ppf(0.999, 300, 0.05)


def test_looks_at_a_promotion_are_at_doubled_counts_and_end() -> None:
    assert [undo_look(count) for count in (0, 19)] == [None, None]
    counts = [undo_look(count) for count in range(20, 5000)]
    assert [each[0] for each in counts if each] == sorted(each[0] for each in counts if each)
    assert {each[0] for each in counts if each} == {20 << look for look in range(7)}
    assert sum(level for _, level in {each for each in counts if each}) < 0.05
