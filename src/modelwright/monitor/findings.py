"""What a look at a window concludes, as plain data: drift, quality, alerts in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from modelwright.monitor import breaches, quality
from modelwright.monitor.alerts import Alert, Kind
from modelwright.monitor.decoding import InForce
from modelwright.monitor.drift import Drift, detect
from modelwright.monitor.windows import Seen, Window
from modelwright.tasks import judging

LEAST_EFFECT = 0.1
"""Smallest Jensen-Shannon distance that alarms: a quarter of a standard deviation of a normal feature."""
UNDECODABLE_SHARE = 0.05
NAMED = 3
"""Features named in an alert."""


def drifts(window: Window, rate: float) -> list[Drift]:
    """Test a window's features with the share of ``rate`` that this look may spend; the strongest first."""
    return detect(window.comparisons(), window.next_rate(rate), LEAST_EFFECT)


def beside(window: Window, package: InForce, rate: float) -> dict[str, Any]:
    """Return what was beside the contract; its rules have a false-alarm rate of their own, as large as drift's."""
    reference = [int(compared.reference.sum()) for where, compared in window.comparisons() if where == "input"]
    samples = max(reference, default=0)
    return breaches.judge(
        window.odd, window.refused, window.total, package.contract.rules, samples, window.next_rate(rate)
    )


def describe(window: Window, package: InForce, found: Sequence[Drift], rate: float) -> dict[str, Any]:
    """Return the findings of a look, before truth is joined."""
    features = window.comparisons()
    shown = {drift.feature for drift in found if drift.drifted} or {drift.feature for drift in found[:NAMED]}
    figures = None
    if window.certainty is not None:
        estimated = window.certainty.estimate()
        figures = {
            "metric": package.profile["quality"]["metric"],
            "reference": package.profile["quality"]["estimated"],
            "estimated": estimated.as_dict() if estimated else None,
            "realised": None,
            # A confidence says how often such inputs were right: of inputs that were never like these it says little.
            "reliable": not any(drift.drifted and drift.where == "input" for drift in found),
            "shares": window.certainty.shares.tolist(),
        }
    return {
        "window": {"from": window.start, "to": window.last, "count": window.count, "looks": window.looks},
        "package": window.package,
        "drift": [drift.as_dict() for drift in found],
        "alarm": any(drift.drifted for drift in found),
        "false_alarm_rate": rate,
        "quality": figures,
        "undecodable": window.undecodable,
        "alerts": [],
        "distributions": {
            compared.feature: {
                "where": where,
                "kind": compared.kind,
                "edges": compared.edges.tolist(),
                "cells": list(compared.cells),
                "reference": compared.reference.tolist(),
                "current": compared.current.tolist(),
            }
            for where, compared in features
            if compared.feature in shown
        },
        "confidence": window.predictions.compare("confidence").current_mean
        if "confidence" in window.predictions.features
        else None,
        "unsure": [{"sample": one.sample, "said": one.said, "certainty": one.certainty} for one in window.unsure],
    }


def with_truth(
    figures: Mapping[str, Any] | None, package: InForce, known: Sequence[tuple[Seen, Any]]
) -> dict[str, Any] | None:
    """Return ``quality`` with the realised figure of the predictions whose truth is known (None: of none)."""
    if figures is None:
        return None
    pairs, certainty = [], []
    for seen, truth in known:
        if not judging.usable(truth, package.target):
            continue  # somebody's label for another task
        pairs.append((seen.said, truth))
        certainty.append(seen.certainty)
    results = np.array([judging.result(said, truth, package.target) for said, truth in pairs], np.float64)
    figure = quality.realised(results, accuracy=package.judging.binary)
    if figure is None:
        return {**figures, "realised": None}
    places = quality.Certainty(package.profile["quality"]).place(np.array(certainty, dtype=np.float64))
    weighted = quality.weighted(results, places, np.array(figures["shares"]))
    return {**figures, "realised": {**figure.as_dict(), "weighted": weighted}}


def summary(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the window's line on the timeline."""
    figures = found["quality"] or {}

    def short(figure: Mapping[str, Any] | None) -> list[Any] | None:
        return [figure["value"], figure["low"], figure["high"]] if figure else None

    return {
        "from": found["window"]["from"],
        "to": found["window"]["to"],
        "count": found["window"]["count"],
        "package": found["package"],
        "alarm": found["alarm"],
        "drifted": [drift["feature"] for drift in found["drift"] if drift["drifted"]],
        "estimated": short(figures.get("estimated")),
        "realised": short(figures.get("realised")),
        "confidence": found["confidence"],
        "beside": found["contract"]["samples"],
        "refused": found["contract"]["refused"],
    }


def alerts_of(found: Mapping[str, Any]) -> list[Alert]:
    """Return what a person should know of these findings, in words that name features and figures."""
    made = []
    window = found["window"]

    def alert(kind: Kind, severity: Literal["warning", "critical"], words: str) -> None:
        made.append(Alert(kind, severity, words, window["to"], found["package"], window["from"]))

    drifted = [drift for drift in found["drift"] if drift["drifted"]]
    if drifted:
        named = "; ".join(drift["words"] for drift in drifted[:NAMED])
        more = f"; and {len(drifted) - NAMED} more features" if len(drifted) > NAMED else ""
        alert("drift", "warning", f"drift over {window['count']} samples: {named}{more}")
    broken = [rule for rule in found["contract"]["rules"] if rule["alarm"]]
    if broken:
        total, refused = found["contract"]["of"], found["contract"]["refused"]
        named = "; ".join(breaches.words(rule, total) for rule in broken[:NAMED])
        more = f"; and {len(broken) - NAMED} more rules" if len(broken) > NAMED else ""
        lost = f"; {refused} inputs were refused" if refused else ""
        alert("contract", "critical" if refused else "warning", f"inputs beside the contract: {named}{more}{lost}")
    figures = found["quality"]
    if figures is not None:
        words = quality.worse(figures, figures["reference"], judging.by_metric(figures["metric"]))
        if words:
            alert("quality", "critical" if words.startswith("realised") else "warning", words)
    seen = window["count"] + found["undecodable"]
    if found["undecodable"] > max(5, UNDECODABLE_SHARE * seen):
        alert("input", "warning", f"{found['undecodable']} of {seen} inputs could not be decoded")
    return made
