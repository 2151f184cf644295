"""What changed since the dataset before."""

from __future__ import annotations

from typing import Any

from modelwright.drawing import chart
from modelwright.drawing import page as draw
from modelwright.drawing.page import Element
from modelwright.prepare.differences import KINDS, compare
from modelwright.prepare.explore.view import View, clip
from modelwright.store.dataset import Dataset

_SHOWN = 12
_CLASSES = 40


def sections(view: View, before: Dataset | None, after: Dataset) -> list[Element]:
    """Return what was added, removed, relabelled and moved, with pictures of what was added."""
    if before is None or before.digest == after.digest:
        return []
    found = compare(before, after, view.samples)
    counts = found["counts"]
    view.figures["changes"] = {"before": before.digest, "counts": counts}
    rows: list[list[Any]] = [
        [clip(name, 60), one, other, f"{other - one:+,}"]
        for name, (one, other) in found["classes"].items()
        if one != other
    ]
    shown = [
        (data, clip(each["path"].rpartition("/")[2], 24))
        for each, place in _added(view, found["examples"]["added"])
        if (data := view.small(place)) is not None
    ]
    relabelled = [
        [clip(each["path"], 60), clip(str(each["old_label"]), 40), "→", clip(str(each["label"]), 40)]
        for each in found["examples"]["relabelled"][:_SHOWN]
    ]
    return [
        draw.section(
            "What changed since the dataset before",
            draw.figure(
                chart.bars([*KINDS, "same"], [counts[kind] for kind in (*KINDS, "same")], title="Changes"),
                f"From {before.digest[:12]} to {after.digest[:12]}. All of it: mw diff",
            ),
            draw.table(["class", "before", "now", "change"], rows[:_CLASSES]) if rows else None,
            draw.h("h3", "Some of what was added") if shown else None,
            draw.gallery(shown, sheet=True) if shown else None,
            draw.table(["sample", "labelled", "", "now"], relabelled, caption="Some of what has another label")
            if relabelled
            else None,
        )
    ]


def _added(view: View, examples: list[dict[str, Any]]) -> list[tuple[dict[str, Any], int]]:
    wanted = examples[:_SHOWN]
    places = view.places_of([each["sample"] for each in wanted])
    return [(each, places[each["sample"]]) for each in wanted if each["sample"] in places]
