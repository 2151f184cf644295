"""When does a new round begin? A pure decision over the spec's conditions, findings, label counts and a clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelwright.tasks.judging import by_metric

NANOSECONDS = 1_000_000_000
LEAST_REALISED = 10
LEAST_AFTER_VAIN = 20
"""New labels that drift and lost quality wait for after a round that changed nothing."""


@dataclass(frozen=True)
class Facts:
    """What is known when the question is asked.

    Parameters
    ----------
    now
        Nanoseconds since 1970 UTC.
    champion_data
        When the champion's dataset was made; None before the first.
    findings
        The newest ``findings.json`` about the champion, or None.
    new_labels
        Labels that came since the last round and that the champion's dataset does not hold.
    last_round
        When the last round ended, whatever came of it; None: there was none.
    in_vain
        Whether the last round left this champion where it is.
    forced
        A person asks for it.
    """

    now: int
    champion_data: int | None
    findings: Mapping[str, Any] | None
    new_labels: int
    last_round: int | None = None
    in_vain: bool = False
    forced: bool = False

    @property
    def labels_wanted(self) -> int:
        """New labels without which a round would give the same answer: one, or more after a round in vain."""
        return LEAST_AFTER_VAIN if self.in_vain else 1


@dataclass(frozen=True)
class Decision:
    """``go``: begin a round. ``reasons``: which conditions hold; ``waiting``: what the others wait for."""

    go: bool
    reasons: tuple[str, ...]
    waiting: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return {"go": self.go, "reasons": list(self.reasons), "waiting": list(self.waiting)}


def decide(triggers: Sequence[tuple[str, float | None]], facts: Facts) -> Decision:
    """Decide whether a new round begins.

    Parameters
    ----------
    triggers
        ``Retrain.triggers`` of the spec: ``("drift", None)``, ``("quality", None)``, ``("labels", 200.0)``,
        ``("every", seconds)``. Any one of them begins a round.
    facts
        What is known.

    Returns
    -------
    Decision
        Drift and lost quality begin a round only when there are new labels: the same data would give the same model.

    Examples
    --------
    >>> facts = Facts(now=0, champion_data=None, findings=None, new_labels=250)
    >>> decide([("drift", None), ("labels", 200.0)], facts)
    Decision(go=True, reasons=('250 new labels (asked for: 200)',), waiting=('drift: no findings yet',))
    """
    reasons: list[str] = []
    waiting: list[str] = []
    for name, limit in triggers:
        holds, words = _ask(name, limit, facts)
        (reasons if holds else waiting).append(words)
    if facts.forced:
        reasons.insert(0, "a person asked for it")
    return Decision(bool(reasons), tuple(reasons), tuple(waiting))


def _ask(name: str, limit: float | None, facts: Facts) -> tuple[bool, str]:
    if name == "labels":
        assert limit is not None
        if facts.new_labels >= limit:
            return True, f"{facts.new_labels} new labels (asked for: {limit:.0f})"
        return False, f"labels: {facts.new_labels} new ones of {limit:.0f}"
    if name == "every":
        assert limit is not None
        last = max((when for when in (facts.last_round, facts.champion_data) if when is not None), default=None)
        if last is None:
            return False, "schedule: there was no round yet to count from"
        passed = (facts.now - last) / NANOSECONDS
        words = f"{_duration(passed)} since the last round (asked for: every {_duration(limit)})"
        return passed >= limit, words if passed >= limit else f"schedule: {words}"
    found = _drift(facts) if name == "drift" else _quality(facts)
    if found[0] and facts.new_labels < facts.labels_wanted:
        missing = (
            f"only {facts.new_labels} new labels since a round in vain ({facts.labels_wanted} are waited for)"
            if facts.new_labels
            else "no new labels to learn from"
        )
        return False, f"{found[1]}; but {missing}: label some of the queue (mw label)"
    return found


def _is_new(facts: Facts) -> bool:
    """Whether the findings are about traffic that the champion's data cannot know: it answers what came before."""
    assert facts.findings is not None
    return facts.champion_data is None or facts.findings["window"]["to"] > facts.champion_data


def _drift(facts: Facts) -> tuple[bool, str]:
    if facts.findings is None:
        return False, "drift: no findings yet"
    if not facts.findings["alarm"] or not _is_new(facts):
        return False, "drift: none since the champion's data were collected"
    drifted = [drift for drift in facts.findings["drift"] if drift["drifted"]]
    named = "; ".join(drift.get("words") or drift["feature"] for drift in drifted[:3])
    return True, f"drift in {len(drifted)} of {len(facts.findings['drift'])} features: {named}"


def _quality(facts: Facts) -> tuple[bool, str]:
    if facts.findings is None or not facts.findings.get("quality"):
        return False, "quality: no figures yet"
    figures = facts.findings["quality"]
    higher_is_better = by_metric(figures["metric"]).share
    for kind in ("realised", "estimated"):
        figure = figures.get(kind)
        if not figure or (kind == "realised" and figure["count"] < LEAST_REALISED):
            continue
        lost = figure["high"] < figures["reference"] if higher_is_better else figure["low"] > figures["reference"]
        if lost and _is_new(facts):
            return True, (
                f"{kind} {figures['metric']} {figure['value']:.3g} ({figure['low']:.3g} to {figure['high']:.3g}) "
                f"is worse than {figures['reference']:.3g} on held-out data"
            )
    return False, "quality: not worse than on held-out data, beyond chance"


def _duration(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds / size:.3g}{unit}"
    return f"{seconds:.3g}s"
