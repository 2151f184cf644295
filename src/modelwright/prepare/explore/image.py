"""Pictures: samples of each class, and what the pictures are like."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from modelwright.drawing import chart
from modelwright.drawing import page as draw
from modelwright.drawing.page import Element
from modelwright.prepare.explore.view import View, clip
from modelwright.tasks.base import Arrays

_SHOWN_MEASURES = ("brightness", "contrast", "sharpness", "saturation", "width", "height")


def thumbnail(inputs: Arrays, side: int) -> Any:
    """Return a decoded picture as a ``PIL.Image`` of at most ``side`` pixels."""
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(inputs["image"][0]))
    picture.thumbnail((side, side))
    return picture


def sections(view: View) -> list[Element]:
    """Return a sheet of samples and the distributions of their measures."""
    figures = list(_measures(view))
    sheet = _sheet(view)
    return [
        *([sheet] if sheet is not None else []),
        *([draw.section("What the pictures are like", draw.columns(*figures))] if figures else []),
    ]


def _sheet(view: View) -> Element | None:
    shown_classes = view.by_class[:20]
    if not shown_classes:
        return None
    each_class = max(2, min(8, 96 // len(shown_classes)))
    parts: list[Any] = []
    for name, places in shown_classes:
        shown = [
            (small, clip(view.path(place).rpartition("/")[2], 18))
            for place in view.some(places, each_class).tolist()
            if (small := view.small(place)) is not None
        ]
        parts.extend([draw.h("h3", name), draw.gallery(shown)])
    return draw.section("Samples of each class", *parts)


def _measures(view: View) -> Iterator[Element]:
    for name in _SHOWN_MEASURES:
        if name not in view.measures:
            continue
        values = view.measure(name)
        kept = values[view.kept & ~np.isnan(values)]
        if not len(kept) or kept.min() == kept.max():
            continue
        edges = np.histogram_bin_edges(kept, bins=24)
        series = {
            split_name: np.histogram(values[(view.splits == number) & ~np.isnan(values)], edges)[0].tolist()
            for number, split_name in view.present
        }
        yield draw.figure(chart.histogram(edges.tolist(), series, x_label=name), name)
