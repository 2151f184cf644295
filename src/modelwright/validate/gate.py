"""The gate: is this package acceptable? A pure decision over figures, in words.

A condition is compared with the figure itself; its interval is told beside it, so that a reader sees how sure the
verdict is. What was measured on this machine (latency, memory) is named in a reason only where it closed the gate:
otherwise the same inputs would give a different report each time.
"""

from __future__ import annotations

import difflib
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from modelwright.errors import InputError

MEASUREMENTS = ("latency_p50_ms", "latency_p95_ms", "peak_memory_mb", "size_mb")
"""Measured figures that a condition may name, besides the target's metrics. All of them: less is better."""

OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
}


class Condition(Protocol):
    """One line of the spec's ``accept``."""

    @property
    def metric(self) -> str:
        """Name of a metric or a measurement."""

    @property
    def op(self) -> str:
        """One of :data:`OPERATORS`."""

    @property
    def value(self) -> float:
        """The limit."""


@dataclass(frozen=True)
class Verdict:
    """What the gate says."""

    accepted: bool
    reasons: tuple[str, ...]
    """What decided: where refused, only what refused; where accepted, every condition that was met."""

    @property
    def word(self) -> str:
        """``accepted`` or ``refused``."""
        return "accepted" if self.accepted else "refused"


def judge(
    conditions: Sequence[Condition],
    metrics: Mapping[str, Mapping[str, float]],
    measurements: Mapping[str, float],
    *,
    known: Iterable[str] = (),
    objections: Sequence[str] = (),
) -> Verdict:
    """Compare conditions with figures.

    Parameters
    ----------
    conditions
        The spec's ``accept``.
    metrics
        ``{name: {"value", "low", "high"}}`` on the test split.
    measurements
        Figures of :data:`MEASUREMENTS`.
    known
        All metric names of the target, also those that are not defined on this test split.
    objections
        Reasons to refuse that were found elsewhere (no parity, worse than the champion).

    Raises
    ------
    InputError
        If a condition names a figure that does not exist, listing those that do.

    Examples
    --------
    >>> from collections import namedtuple
    >>> C = namedtuple("C", "metric op value")
    >>> judge([C("accuracy", ">=", 0.9)], {"accuracy": {"value": 0.95, "low": 0.93, "high": 0.97}}, {})
    Verdict(accepted=True, reasons=('accuracy 0.95 (0.93 to 0.97) >= 0.9',))
    """
    check_names(conditions, [*metrics, *known])
    met: list[str] = []
    failed = list(objections)
    for condition in conditions:
        accepted, reason = _compare(condition, metrics, measurements)
        (met if accepted else failed).append(reason)
    if failed:
        return Verdict(accepted=False, reasons=tuple(failed))
    return Verdict(accepted=True, reasons=tuple(met) or ("the spec asks for nothing: no condition in `accept`",))


def check_names(conditions: Sequence[Condition], known: Iterable[str]) -> None:
    """Refuse a condition on a figure that does not exist; before any work is done.

    Raises
    ------
    InputError
        Listing what exists, with the nearest name as the hint.
    """
    names = sorted({*known, *MEASUREMENTS})
    for condition in conditions:
        if condition.metric not in names:
            near = difflib.get_close_matches(condition.metric, names, 1)
            raise InputError(
                f"accept: there is no figure {condition.metric!r}; there are: {', '.join(names)}",
                code="unknown-metric",
                hint=f"did you mean {near[0]!r}?" if near else "name one of them",
            )
        if condition.op not in OPERATORS:
            raise InputError(f"accept: {condition.metric}: {condition.op!r} is not one of {', '.join(OPERATORS)}")


def _compare(
    condition: Condition, metrics: Mapping[str, Mapping[str, float]], measurements: Mapping[str, float]
) -> tuple[bool, str]:
    limit = f"{condition.op} {_figure(condition.value)}"
    if condition.metric in metrics:
        found = metrics[condition.metric]
        interval = f"({_figure(found['low'])} to {_figure(found['high'])})"
        accepted = OPERATORS[condition.op](found["value"], condition.value)
        said = f"{condition.metric} {_figure(found['value'])} {interval}"
        return accepted, f"{said} {limit}" if accepted else f"{said} is not {limit}"
    if condition.metric in measurements:
        value = measurements[condition.metric]
        if OPERATORS[condition.op](value, condition.value):
            return True, f"{condition.metric} {limit} (measured here)"
        return False, f"{condition.metric} {_figure(value)} is not {limit} (measured here)"
    return False, f"{condition.metric} {limit}: it cannot be computed on these test samples"


def _figure(value: Any) -> str:
    return f"{float(value):.4g}"
