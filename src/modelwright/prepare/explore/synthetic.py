"""What was made out of real samples for training: how much, beside what it was made of, and what it is worth."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from modelwright.drawing import chart
from modelwright.drawing import page as draw
from modelwright.drawing.page import Element
from modelwright.drawing.rows import row_table
from modelwright.prepare.explore.view import View, clip
from modelwright.store.dataset import SYNTHETIC
from modelwright.tasks import abilities

_PAIRS = 12
_ROWS = 8


def sections(view: View, worth: Mapping[str, Any] | None) -> list[Element]:
    """Return one section, or nothing where nothing was made.

    Parameters
    ----------
    worth
        ``synthesis.json``: the gain measured on real samples.
    """
    places = np.flatnonzero(view.synthetic & view.kept)
    if not len(places):
        return []
    origins = [
        str(each)[len(SYNTHETIC) :].partition(":") for each in view.samples.take("annotation", places).to_pylist()
    ]
    ways = Counter(way for way, _, _ in origins)
    view.figures["synthetic"] = {"count": len(places), "ways": dict(sorted(ways.items())), "worth": worth}
    most = sorted(ways.items(), key=lambda pair: (-pair[1], pair[0]))
    chosen = view.some(np.arange(len(places)), _PAIRS).tolist()
    parents = _places_of(view, [origins[each][2].partition("+")[0] for each in chosen])
    shown = []
    for each, parent in zip(chosen, parents, strict=True):
        pair = [view.small(place, 112) if place >= 0 else None for place in (parent, int(places[each]))]
        if pair[0] is not None and pair[1] is not None:
            way = origins[each][0]
            drawn = [draw.image(pair[0], "real", width=112), draw.image(pair[1], f"made: {way}", width=112)]
            shown.append(draw.h("figure", draw.h("div", drawn, class_="strip"), draw.h("figcaption", way)))
    return [
        draw.section(
            "What was synthesized",
            draw.h("p", f"{len(places):,} samples were made out of real ones, for training alone."),
            draw.banner("good" if worth.get("better") else "note", str(worth["words"])) if worth else None,
            draw.figure(chart.bars([way for way, _ in most], [count for _, count in most], title="Samples by way"),
                        "How they were made."),
            draw.h("div", shown, class_="gallery pairs") if shown else _rows(view, places[:_ROWS]),
        )
    ]  # fmt: skip


def _places_of(view: View, digests: list[str]) -> list[int]:
    found = view.places_of(digests)
    return [found.get(digest, -1) for digest in digests]


def _rows(view: View, places: Any) -> Element | None:
    if not isinstance(view.modality, abilities.Tabular):
        return None
    rows = view.take_rows(places)
    if rows is None:
        return None
    labels = view.samples.take("label", places).to_pylist()
    entries = [((clip(str(label), 24),), json.dumps(row)) for label, row in zip(labels, rows.to_pylist(), strict=True)]
    return row_table(("label",), entries, caption="Some of them")
