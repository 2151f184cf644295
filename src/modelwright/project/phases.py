"""How good it was before, during and after: figures with intervals for the page of a round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from modelwright.project.workflow import read_json, report_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from modelwright.retrain.evidence import Evidence
    from modelwright.store import Artifact, Store
    from modelwright.tasks.judging import Judging

Phase = tuple[str, float, float, float]


def phases(
    store: Store, champion: Artifact, evidence: Evidence, findings: Mapping[str, Any] | None, how: Judging
) -> list[Phase]:
    """Return what is known as ``(when, value, low, high)`` with 95 % intervals, in the figure that ``how`` names.

    Before: the champion when it was validated, and in production until drift came. During and after: champion and
    challenger on the labelled production samples that neither has learned from.
    """
    rows: list[Phase] = []
    report = report_of(store, champion.digest)
    if report is not None:
        figure = read_json(report, "report.json")["metrics"].get(how.metric)
        if figure is not None:
            rows.append(("before: champion when validated", figure["value"], figure["low"], figure["high"]))
    calm = _calm(findings, champion.digest)
    if calm is not None:
        kind, (value, low, high) = calm
        rows.append((f"before: champion in production, {kind}", value, low, high))
    for when, losses in (
        ("now: champion", evidence.production.champion),
        ("now: challenger", evidence.production.challenger),
    ):
        rows += _measured(when, losses, how)
    return rows


def _calm(findings: Mapping[str, Any] | None, package: str) -> tuple[str, Sequence[float]] | None:
    """Return the last figure of production before the first alarm about a package; a realised one if there is any."""
    entries = [entry for entry in (findings or {}).get("timeline", ()) if entry["package"] == package]
    quiet = []
    for entry in entries:
        if entry["alarm"]:
            break
        quiet.append(entry)
    for kind in ("realised", "estimated"):
        for entry in reversed(quiet):
            if entry[kind]:
                return kind, entry[kind]
    return None


def _measured(when: str, losses: NDArray[Any], how: Judging) -> list[Phase]:
    from modelwright.monitor.quality import realised

    figure = realised(1 - losses if how.share else losses, accuracy=how.binary)
    return [] if figure is None else [(f"{when} ({figure.count} labels)", figure.value, figure.low, figure.high)]
