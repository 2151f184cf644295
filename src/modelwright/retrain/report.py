"""One round of retraining as a page: before and after, the replay, what drifted, what was labelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelwright.drawing import chart, page
from modelwright.drawing.page import Element, h
from modelwright.drawing.rows import cell, row_table
from modelwright.errors import InputError
from modelwright.tasks.modalities.audio import clips as audio_clips


@dataclass(frozen=True)
class Round:
    """What is drawn; all but the first two may be left out.

    ``phases`` are figures with intervals, such as ``("before", 0.95, 0.93, 0.97)``; ``labelled`` are pictures (PNG,
    JPEG, …) with a caption; ``rows`` are labels, each with its row's JSON; ``seen`` are media type and bytes of samples
    on which the replay differed.
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
    seen: Mapping[str, tuple[str, bytes]] = field(default_factory=dict)
    champion: str = ""
    challenger: str = ""


ROWS_SHOWN = 12
_SPECTROGRAM = (192, 96)
"""Rows of a table that are shown at once."""
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
        _replayed(found.replay, found.seen),
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
        row_table(("truth",), [((cell(label),), text) for label, text in found.rows[-ROWS_SHOWN:]])
        if found.rows
        else None,
    )


def picture_of(media_type: str, data: bytes) -> bytes | None:
    """Return a sample as something to look at: a picture as it is, a sound's spectrogram, else None."""
    if media_type.startswith("image/"):
        return data
    return audio_clips.png(data, *_SPECTROGRAM) if media_type.startswith("audio/") else None


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
        ("other conditions", "; ".join(found.decision["waiting"]) or "–"),
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


def _replayed(replay: Mapping[str, Any] | None, seen: Mapping[str, tuple[str, bytes]]) -> Element | None:
    if replay is None:
        return None
    return page.section(
        "Replay of stored traffic",
        page.cards(
            [
                ("Replayed", replay["samples"], f"{replay['failed']} could not be answered by both"),
                ("Same answer", f"{replay['agreement']:.1%}", ""),
                ("With known truth", replay["labelled"], ""),
            ]
        ),
        *_differences(replay["changed"], seen),
    )


def _differences(changed: Sequence[Mapping[str, Any]], seen: Mapping[str, tuple[str, bytes]]) -> list[Element]:
    """Return the samples on which the two differ: pictures as pictures, rows with their fields."""
    pictures, entries = [], []
    for one in changed:
        media_type, data = seen.get(one["sample"], ("", b""))
        picture = picture_of(media_type, data)
        if picture is not None:
            truth = "" if one["truth"] is None else f", is {one['truth']}"
            pictures.append((picture, f"{cell(one['champion'])} → {cell(one['challenger'])}{truth}"))
        lead = (cell(one["truth"]), cell(one["champion"]), cell(one["challenger"]), _who(one))
        text = data.decode("utf-8", "replace") if media_type.startswith("application/json") else "{}"
        entries.append((lead, text))
    shown = _showable(pictures)
    if not entries:
        return []
    if shown:
        return [h("p", "Where the two differ: champion → challenger."), page.gallery(shown)]
    head = ("truth", "champion", "challenger", "nearer")
    made = [row_table(head, entries[:ROWS_SHOWN], caption="Where the two differ.")]
    if rest := entries[ROWS_SHOWN:]:
        made.append(page.details(f"{len(rest)} more", row_table(head, rest)))
    return made


def _who(one: Mapping[str, Any]) -> str:
    """Return which of the two is nearer to the truth."""
    if one["truth"] is None:
        return "unknown"
    losses = []
    for name in ("champion", "challenger"):
        if isinstance(one[name], str):
            losses.append(float(one[name] != str(one["truth"])))
        else:
            losses.append(abs(float(one[name]) - float(one["truth"])))
    if losses[0] == losses[1]:
        return "both" if not losses[0] else "neither"
    return "champion" if losses[0] < losses[1] else "challenger"


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
    several = any(len(points) > 1 for points in series.values())
    drawn = chart.lines(series, title="Quality in production", time=True, marks=marks) if several else None
    said = [drift["words"] for drift in findings["drift"] if drift["drifted"]]
    return page.section(
        "What monitoring saw",
        page.figure(drawn, "Quality as monitoring saw it; marks are windows in which drift was found.")
        if drawn
        else None,
        h("ul", [h("li", words) for words in said]) if said else h("p", "No drift.", class_="muted"),
    )
