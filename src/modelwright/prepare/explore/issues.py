"""The worst issues, with pictures, and the samples whose label is probably wrong."""

from __future__ import annotations

from typing import Any

from modelwright.drawing import page as draw
from modelwright.drawing.page import Element
from modelwright.prepare.explore.view import Found, View, clip

_WORST = 40
_EACH_KIND = 8
_SUSPECTS = 24
_PAIRS = 20_000
"""Mislabelled samples whose classes are counted."""


def sections(view: View) -> list[Element]:
    """Return what people should look at first."""
    return [_worst(view), _mislabelled(view)]


def _worst(view: View) -> Element:
    """Show the most severe issues, but of no kind more than its share, so that one flood hides nothing."""
    rows: list[list[Any]] = []
    shown: list[tuple[bytes, str]] = []
    for each in view.found(_WORST, each_kind=_EACH_KIND):
        small = view.small(each.place, 160) if each.place >= 0 else None
        if small is not None:
            shown.append((small, f"{each.kind}: {clip(each.path, 40)} ({each.decision})"))
        rows.append([each.kind, f"{each.severity:.2f}", clip(each.message, 300), each.decision, each.id])
    return draw.section(
        "The worst issues",
        draw.gallery(shown, width=128) if shown else None,
        draw.table(["issue", "severity", "what was found", "decision", "id"], rows, caption="All of them: mw issues"),
    )


def _mislabelled(view: View) -> Element:
    """Show the samples whose label is probably wrong, worst first, and which classes are taken for which."""
    mine = view.found(_PAIRS, kind="mislabelled")
    facts = view.meta["label_check"]
    if not mine:
        said = f"Not checked: {facts['skipped']}." if "skipped" in facts else "None was found."
        return draw.section("Probably mislabelled", draw.h("p", said))
    shown = [_shown(small, each) for each in mine[:_SUSPECTS] if (small := view.small(each.place, 128)) is not None]
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
            f"{dict(view.kinds)['mislabelled']:,} of {facts['samples']:,} samples are labelled otherwise than "
            f"{facts['how']} say, none of which saw the sample's own label. They stay as they are until somebody "
            "decides: fix takes the suggested label, drop leaves the sample out, keep settles that the label is right.",
        ),
        draw.gallery(shown, width=128) if shown else None,
        None
        if shown
        else draw.table(
            ["severity", "what was found", "decision", "id"],
            [[f"{each.severity:.2f}", clip(each.message, 200), each.decision, each.id] for each in mine[:_SUSPECTS]],
        ),
        draw.table(["labelled", "looks like", "how many"], [[*pair, count] for pair, count in most]) if most else None,
    )


def _shown(small: bytes, each: Found) -> tuple[bytes, str]:
    given, suggested = (clip(str(each.evidence[word]), 24) for word in ("given", "suggested"))
    return small, f"{given} → {suggested}? {clip(each.path, 40)} ({each.decision})"
