"""One round of retraining as a page: before and after, the replay, what drifted, what was labelled."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelwright.drawing import chart, page
from modelwright.drawing.page import Element, h
from modelwright.errors import InputError


@dataclass(frozen=True)
class Round:
    """What is drawn; all but the first two may be left out.

    ``phases`` are figures with intervals, such as ``("before", 0.95, 0.93, 0.97)``; ``labelled`` are pictures (PNG,
    JPEG, …) with a caption; ``rows`` are labels, each with its row's JSON.
    """

    name: str
    decision: Mapping[str, Any]
    verdict: Mapping[str, Any] | None = None
    replay: Mapping[str, Any] | None = None
    findings: Mapping[str, Any] | None = None
    phases: Sequence[tuple[str, float, float, float]] = field(default_factory=tuple)
    metric: str = "accuracy"
    labelled: Sequence[tuple[bytes, str]] = field(default_factory=tuple)
    rows: Sequence[tuple[str, str]] = field(default_factory=tuple)
    champion: str = ""
    challenger: str = ""


ROWS_SHOWN = 12
COLUMNS_SHOWN = 8
"""Of the labelled rows of a table."""
TONES = {"promote": "good", "keep": "note", "undecided": "warn"}
SAID = {
    "promote": "The challenger takes the champion's place.",
    "keep": "The champion stays.",
    "undecided": "Undecided: the champion stays until there are more labels.",
}


def draw(found: Round) -> str:
    """Return the page of one round."""
    return page.document(
        f"Retraining: {found.name}",
        _outcome(found),
        _comparison(found.verdict),
        _replayed(found.replay),
        _drift(found.findings),
        _labelled(found),
        subtitle=f"champion {found.champion[:12]}, challenger {found.challenger[:12]}" if found.challenger else "",
    )


def _labelled(found: Round) -> Element | None:
    if not found.labelled and not found.rows:
        return None
    return page.section(
        "What was labelled",
        page.gallery(_showable(found.labelled)) if found.labelled else None,
        _cells(found.rows[-ROWS_SHOWN:]) if found.rows else None,
    )


def _cells(rows: Sequence[tuple[str, str]]) -> Element:
    """Return labelled rows as a table: a column a field, as far as there is room."""
    read = []
    for label, text in rows:
        try:
            row = json.loads(text)
        except ValueError:
            continue
        if isinstance(row, dict):
            read.append((label, row))
    names = list(dict.fromkeys(name for _, row in read for name in row))[:COLUMNS_SHOWN]
    body = [(_short(label), *(_short(row.get(name)) for name in names)) for label, row in read]
    return page.table(("truth", *names), body, caption=f"The newest {len(body)} of the labelled rows.")


def _short(value: Any) -> Any:
    try:
        return f"{float(value):.4g}"
    except (TypeError, ValueError):
        return None if value is None else str(value)[:40]


def _showable(pictures: Sequence[tuple[bytes, str]]) -> list[tuple[bytes, str]]:
    """Return those that a browser shows; production may send others (BMP, TIFF)."""
    shown = []
    for data, caption in pictures:
        try:
            page.image(data, caption)
        except InputError:
            continue
        shown.append((data, caption))
    return shown


def _outcome(found: Round) -> Element:
    parts: list[Element] = []
    if found.verdict is not None:
        verdict = str(found.verdict["verdict"])
        parts.append(page.banner(TONES[verdict], SAID[verdict]))
        parts.append(h("ul", [h("li", reason) for reason in found.verdict["reasons"]]))
    else:
        words = "A round began." if found.decision["go"] else "No round was due."
        parts.append(page.banner("note", words))
    why = [
        ("because", "; ".join(found.decision["reasons"]) or "–"),
        ("waiting", "; ".join(found.decision["waiting"]) or "–"),
    ]
    parts.append(page.facts(why))
    if found.phases:
        drawn = chart.intervals(list(found.phases), title=found.metric, x_label=found.metric)
        parts.append(page.figure(drawn, f"{found.metric.capitalize()} before, during and after, with 95 % intervals."))
    return page.section("Outcome", *parts)


def _comparison(verdict: Mapping[str, Any] | None) -> Element | None:
    if verdict is None:
        return None
    rows = []
    for name, key in (("labelled production samples, held out", "production"), ("locked test split", "locked")):
        one = verdict[key]
        if one is not None:
            rows.append(
                (
                    name,
                    one["count"],
                    f"{one['champion']:.4g}",
                    f"{one['challenger']:.4g}",
                    f"{one['difference']:+.4g} ({one['low']:+.3g} to {one['high']:+.3g})",
                    f"{one['p_better']:.2g}",
                    one["test"],
                )
            )
    head = ("samples", "count", "champion's loss", "challenger's loss", "difference (90 %)", "p", "test")
    return page.section(
        "Champion against challenger",
        page.table(
            head, rows, caption="Loss: share of wrong answers, or mean absolute error. Negative: the challenger wins."
        ),
    )


def _replayed(replay: Mapping[str, Any] | None) -> Element | None:
    if replay is None:
        return None
    rows = [
        (one["sample"][:12], one["truth"], one["champion"], one["challenger"], _who(one)) for one in replay["changed"]
    ]
    return page.section(
        "Replay of stored traffic",
        page.cards(
            [
                ("Replayed", replay["samples"], f"{replay['failed']} could not be answered by both"),
                ("Same answer", f"{replay['agreement']:.1%}", ""),
                ("With known truth", replay["labelled"], ""),
            ]
        ),
        page.table(("sample", "truth", "champion", "challenger", "right"), rows, caption="Where the two differ."),
    )


def _who(one: Mapping[str, Any]) -> str:
    if one["truth"] is None:
        return "unknown"
    right = [name for name in ("champion", "challenger") if str(one[name]) == str(one["truth"])]
    return " and ".join(right) or "neither"


def _drift(findings: Mapping[str, Any] | None) -> Element | None:
    if findings is None:
        return None
    entries = findings.get("timeline", ())
    series: dict[str, list[tuple[float, float | None]]] = {}
    for entry in entries:
        for name in ("estimated", "realised"):
            if entry[name]:
                series.setdefault(name, []).append((entry["to"], entry[name][0]))
    marks = [(float(entry["to"]), "drift") for entry in entries if entry["alarm"]]
    drawn = chart.lines(series, title="Quality in production", time=True, marks=marks) if series else None
    said = [drift["words"] for drift in findings["drift"] if drift["drifted"]]
    return page.section(
        "What monitoring saw",
        page.figure(drawn, "Quality as monitoring saw it; marks are windows in which drift was found.")
        if drawn
        else None,
        h("ul", [h("li", words) for words in said]) if said else h("p", "No drift.", class_="muted"),
    )
