"""The gate decides from figures alone, and says why."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.errors import InputError
from modelwright.spec import Condition
from modelwright.validate.gate import OPERATORS, judge

METRICS = {
    "accuracy": {"value": 0.95, "low": 0.93, "high": 0.97},
    "log_loss": {"value": 0.2, "low": 0.1, "high": 0.3},
}
MEASURED = {"latency_p50_ms": 1.0, "latency_p95_ms": 2.5, "peak_memory_mb": 120.0, "size_mb": 0.5}


def condition(metric: str, op: str, value: float) -> Condition:
    return Condition(metric, op, value)


@pytest.mark.parametrize(
    ("metric", "op", "value", "accepted"),
    [
        ("accuracy", ">=", 0.95, True), ("accuracy", ">", 0.95, False), ("accuracy", ">=", 0.9501, False),
        ("accuracy", "<=", 0.95, True), ("accuracy", "<", 0.95, False), ("accuracy", "==", 0.95, True),
        ("log_loss", "<=", 0.2, True), ("log_loss", "<=", 0.19, False),
        ("latency_p95_ms", "<=", 2.5, True), ("latency_p95_ms", "<=", 2.4, False),
        ("size_mb", "<", 1, True), ("peak_memory_mb", "<", 100, False),
    ],
)  # fmt: skip
def test_the_table(metric: str, op: str, value: float, accepted: bool) -> None:
    verdict = judge([condition(metric, op, value)], METRICS, MEASURED)
    assert verdict.accepted is accepted
    assert verdict.word == ("accepted" if accepted else "refused")
    assert len(verdict.reasons) == 1
    assert metric in verdict.reasons[0]
    assert ("is not" in verdict.reasons[0]) is not accepted


def test_a_passed_measurement_leaves_no_figure_in_the_reason() -> None:
    """The report is content-addressed: two runs on one machine must give the same one."""
    a = judge([condition("latency_p95_ms", "<=", 30)], METRICS, MEASURED)
    b = judge([condition("latency_p95_ms", "<=", 30)], METRICS, MEASURED | {"latency_p95_ms": 7.0})
    assert a == b
    assert "2.5" in judge([condition("latency_p95_ms", "<=", 1)], METRICS, MEASURED).reasons[0]


def test_only_what_refused_is_a_reason_to_refuse() -> None:
    verdict = judge([condition("accuracy", ">=", 0.9), condition("log_loss", "<=", 0.1)], METRICS, MEASURED)
    assert verdict.reasons == ("log_loss 0.2 (0.1 to 0.3) is not <= 0.1",)


def test_no_condition_accepts_and_an_objection_refuses() -> None:
    assert judge([], METRICS, MEASURED).accepted
    assert judge([], METRICS, MEASURED, objections=["no parity"]).reasons == ("no parity",)


def test_a_figure_that_exists_but_could_not_be_computed_refuses() -> None:
    verdict = judge([condition("auc_roc", ">=", 0.5)], METRICS, MEASURED, known=["auc_roc"])
    assert not verdict.accepted
    assert "cannot be computed" in verdict.reasons[0]


def test_an_unknown_figure_lists_those_that_exist() -> None:
    with pytest.raises(InputError, match=r"no figure 'acuracy'; there are: accuracy, .*size_mb") as caught:
        judge([condition("acuracy", ">=", 0.5)], METRICS, MEASURED)
    assert caught.value.hint == "did you mean 'accuracy'?"
    with pytest.raises(InputError, match="'~' is not one of"):
        judge([condition("accuracy", "~", 0.5)], METRICS, MEASURED)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.sampled_from(sorted(OPERATORS)))
def test_the_verdict_is_the_comparison(value: float, limit: float, op: str) -> None:
    metrics = {"m": {"value": value, "low": value, "high": value}}
    assert judge([condition("m", op, limit)], metrics, {}).accepted is OPERATORS[op](value, limit)


@given(st.lists(st.tuples(st.sampled_from([">=", "<="]), st.floats(0, 1)), max_size=6))
def test_more_conditions_never_turn_a_no_into_a_yes(conditions: list[tuple[str, float]]) -> None:
    made = [condition("accuracy", op, value) for op, value in conditions]
    verdicts = [judge(made[:n], METRICS, MEASURED).accepted for n in range(len(made) + 1)]
    assert verdicts == sorted(verdicts, reverse=True)
