"""What was measured on every sample, drawn: a small histogram a measure, and its range in each class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from modelwright.drawing import chart, small
from modelwright.drawing import page as draw
from modelwright.drawing.page import Element
from modelwright.prepare.explore.associations import Column, explained
from modelwright.prepare.explore.rows import PAIRED
from modelwright.prepare.explore.view import View, clip

BINS = 28
_TELLING = 0.15
"""Share of the answer that one measure explains from which it is said: a model may learn it and not the thing."""


def tiles(view: View, names: Sequence[str], what: str) -> Iterator[Element]:
    """Yield one tile a measure, by split, with what is usual in words; its figures go to :attr:`View.figures`.

    Parameters
    ----------
    what
        What one sample is called, such as ``sound``.
    """
    for name in names:
        if name not in view.measures:
            continue
        values = view.measure(name)
        kept = values[view.kept & np.isfinite(values)]
        if not len(kept):
            continue
        shown = name.replace("_", " ")
        if kept.min() == kept.max():
            words = f"{chart.number(float(kept[0]))} in every {what}"
            yield draw.h("div", draw.h("h3", shown), draw.h("p", words), class_="tile")
            continue
        edges = np.histogram_bin_edges(np.clip(kept, *np.quantile(kept, [0.002, 0.998])), bins=BINS)
        inside = np.clip(values, edges[0], edges[-1])
        series = {
            split: np.histogram(inside[(view.splits == number) & np.isfinite(values)], edges)[0].tolist()
            for number, split in view.present
        }
        view.figures.setdefault("measures", {})[name] = {
            "mean": float(kept.mean()),
            "low": float(kept.min()),
            "high": float(kept.max()),
            "edges": edges.tolist(),
            "counts": series,
        }
        told = _told(view, values)
        low, middle, high = np.quantile(kept, [0.05, 0.5, 0.95])
        words = f"{chart.number(middle)}, mostly {chart.number(low)} to {chart.number(high)}"
        if told >= _TELLING:
            words += f"; it alone explains {told:.0%} of the {'answer' if view.label_kind == 'number' else 'classes'}"
        drawn = small.tile(edges.tolist(), series, title=shown)
        yield draw.h("div", draw.h("h3", shown), draw.h("p", words), drawn, class_="tile")


def _told(view: View, values: NDArray[np.float64]) -> float:
    """Return what share of the answer a measure explains, on a sample; NaN where there is nothing to be explained."""
    if len(view.groups) < 2:
        return float("nan")
    places = view.some(np.flatnonzero(view.kept), PAIRED)
    return explained(Column("", numbers=values[places]), Column("", codes=view.group_codes[places].astype(np.int64)))


def by_class(view: View, names: Sequence[str], most: int) -> Element | None:
    """Return the median and the middle nine tenths of measures in each of the ``most`` largest classes, folded away."""
    groups = view.groups[:most]
    if len(groups) < 2:
        return None
    drawn = []
    for name in names:
        if name not in view.measures:
            continue
        values, shown = view.measure(name), name.replace("_", " ")
        rows = []
        for group, places in groups:
            mine = values[places]
            mine = mine[np.isfinite(mine)]
            if len(mine):
                low, middle, high = np.quantile(mine, [0.05, 0.5, 0.95]).tolist()
                rows.append((clip(group, 40), middle, low, high))
        if rows:
            words = f"{shown}: median of each class, and the range of nine tenths of it."
            drawn.append(draw.figure(chart.intervals(rows, title=f"{shown} by class", x_label=shown), words))
    return draw.details("By class", draw.columns(*drawn)) if drawn else None
