"""The worst issues, with pictures, and the samples whose label is probably wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from modelwright.drawing import page as draw
from modelwright.drawing.axes import number
from modelwright.drawing.page import Element
from modelwright.drawing.rows import row_table
from modelwright.prepare.explore.found import Found
from modelwright.prepare.explore.view import View, clip

_WORST = 40
_EACH_KIND = 6
_SUSPECTS, _ROWS, _NAMED = 24, 12, 12
_PAIRS = 20_000
"""Mislabelled samples whose classes are counted."""


def sections(view: View) -> list[Element]:
    """Return what people should look at first."""
    return [_worst(view)] if view.label_kind == "none" else [_worst(view), _mislabelled(view)]


def _worst(view: View) -> Element:
    """Show the most severe issues, but of no kind more than its share, so that one flood hides nothing."""
    rows: list[list[Any]] = []
    read: list[str | None] = []
    shown: list[tuple[bytes, str]] = []
    pictured: set[tuple[str, int]] = set()
    for each in view.found(_WORST, each_kind=_EACH_KIND, but="mislabelled"):
        seen = (each.kind, each.place)
        small = view.small(each.place, 160) if each.place >= 0 and seen not in pictured else None
        if small is not None:
            pictured.add(seen)
            shown.append((small, f"{each.kind}, {each.decision}: {clip(each.path.rpartition('/')[2], 40)}"))
        rows.append([each.kind, f"{each.severity:.2f}", clip(each.message, 300), each.decision, each.id[:10]])
        read.append(view.quote(each.place) if each.place >= 0 else None)
    if not rows:
        return draw.section("The worst issues", draw.h("p", "Nothing was found.", class_="muted"))
    head = ["issue", "severity", "what was found", "decision", "id"]
    if any(read):
        head.insert(3, "text")
        rows = [[*row[:3], text, *row[3:]] for row, text in zip(rows, read, strict=True)]
    listing = draw.table(head, rows)
    return draw.section(
        "The worst issues",
        draw.gallery(shown, width=132) if shown else None,
        draw.details("In words", listing) if shown else listing,
        draw.h("p", "All of them: mw issues. Decide: mw issues ID --decide drop, fix or keep.", class_="muted"),
    )


def _mislabelled(view: View) -> Element:
    """Show the samples whose label is probably wrong, worst first, and which classes are taken for which."""
    mine = view.found(_PAIRS, kind="mislabelled")
    facts = view.meta["label_check"]
    if not mine:
        said = f"Not checked: {facts['skipped']}." if "skipped" in facts else "None was found."
        return draw.section("Probably mislabelled", draw.h("p", said), _left_out(facts))
    shown = [_shown(small, each) for each in mine[:_SUSPECTS] if (small := view.small(each.place, 132)) is not None]
    pairs: dict[tuple[str, str], int] = {}
    for each in mine:
        if "probabilities" in each.evidence:
            pair = str(each.evidence["given"]), str(each.evidence["suggested"])
            pairs[pair] = pairs.get(pair, 0) + 1
    most = sorted(pairs.items(), key=lambda entry: (-entry[1], entry[0]))[:12]
    return draw.section(
        "Probably mislabelled",
        draw.h(
            "p",
            f"{dict(view.kinds)['mislabelled']:,} of {facts['samples']:,} labels differ from what models say that "
            f"never saw them ({facts['how']}). They stay as they are until somebody decides: fix takes the suggested "
            "label, drop leaves the sample out, keep settles that the label is right.",
        ),
        _left_out(facts),
        draw.gallery(shown, width=132) if shown else _as_rows(view, mine[:_ROWS]),
        draw.table(
            ["labelled", "looks like", "how many"],
            [[*pair, count] for pair, count in most],
            caption="Which classes are taken for which",
        )
        if most
        else None,
    )


def _left_out(facts: Mapping[str, Any]) -> Element | None:
    """Return which classes or tags nobody was accused by, and why; nothing where that is said already."""
    poor = facts.get("not_understood")
    if not poor or "skipped" in facts:
        return None
    named = [f"{clip(name, 30)} ({area:.2f})" for name, area in list(poor.items())[:_NAMED]]
    more = f" and {len(poor) - _NAMED} more" if len(poor) > _NAMED else ""
    return draw.h(
        "p",
        f"Left out, since these features tell too little about them: {', '.join(named)}{more}. The figure is the area "
        "under the ROC curve, out of fold: 0.5 is chance, and clearly more than 0.7 is asked.",
        class_="muted",
    )


def _as_rows(view: View, mine: list[Found]) -> Element:
    """Return suspects with the columns of their rows, so that a person sees what speaks against the label."""
    places = sorted({each.place for each in mine if each.place >= 0})
    rows = view.take_rows(np.array(places, np.int64)) if view.rows is not None else None
    if rows is None:
        return draw.table(
            ["severity", "what was found", "decision", "id"],
            [[f"{each.severity:.2f}", clip(each.message, 200), each.decision, each.id] for each in mine],
        )
    names = [name for name in rows.column_names if name not in view.meta["dropped_columns"]]
    texts = dict(
        zip(places, (json.dumps({name: row[name] for name in names}) for row in rows.to_pylist()), strict=True)
    )
    entries = [
        (
            (
                _answer(each.evidence.get("given", "")),
                _answer(each.evidence.get("suggested", "")),
                f"{each.severity:.2f}",
                each.id[:8],
            ),
            texts[each.place],
        )
        for each in mine
        if each.place in texts
    ]
    return row_table(("labelled", "suggested", "severity", "id"), entries)


def _shown(small: bytes, each: Found) -> tuple[bytes, str]:
    given, suggested = (_answer(each.evidence[word]) for word in ("given", "suggested"))
    decided = "" if each.decision == "review" else f" ({each.decision})"
    return small, f"{given} → {suggested}? {clip(each.path.rpartition('/')[2], 40)}{decided}"


def _answer(value: Any) -> str:
    return number(float(value), 3) if isinstance(value, int | float) else clip(str(value), 24)
