"""What was measured on every sample, drawn: a small histogram a measure, and its range in each class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.drawing import chart, small
from modelwright.drawing import page as draw
from modelwright.drawing.axes import HALF, SPLIT_PAINTS
from modelwright.drawing.page import Element
from modelwright.engine.here import map_ordered
from modelwright.engine.threads import usable_cores
from modelwright.prepare.explore import bins
from modelwright.prepare.explore.associations import Column, explained
from modelwright.prepare.explore.looks import Gauge
from modelwright.prepare.explore.rows import PAIRED
from modelwright.prepare.explore.view import View, clip

_MANY = 100_000
"""Samples from which threads pay for their start."""
_TELLING = 0.15
"""Share of the answer that one measure explains from which it is said: a model may learn it and not the thing."""


def drawn(view: View, names: Sequence[str], what: str) -> list[Element]:
    """Return a legend, one tile a measure, by split, and what is the same in all; figures go to :attr:`View.figures`.

    Parameters
    ----------
    what
        What one sample is called, such as ``sound``.
    """
    found = _each(view, names, partial(_told_of, view))
    tiles = [each for each in found if isinstance(each, Element)]
    same = [each for each in found if isinstance(each, str)]
    splits = [name for _, name in view.present]
    made = [small.swatches(splits, paints(view))] if len(splits) > 1 and tiles else []
    if tiles:
        made.append(draw.h("div", tiles, class_="tiles"))
    if same:
        made.append(draw.h("p", f"The same in every {what}: {', '.join(same)}."))
    return made


def _each(view: View, names: Sequence[str], draw_one: Callable[[str], Any]) -> list[Any]:
    """Return what is drawn of each measure that was stored, two at a time where there are many samples."""
    stored = [name for name in names if name in view.measures]
    view.group_codes  # noqa: B018 - what all need is made before threads ask for it
    return list(map_ordered(draw_one, stored, usable_cores() if len(view) > _MANY else 1))


def _told_of(view: View, name: str) -> Element | str | None:
    """Return a measure's tile, what it is where it is the same in all, or nothing where it was not measured."""
    values = view.measure(name)
    kept = values[view.kept & np.isfinite(values)]
    if not len(kept):
        return None
    if kept.min() == kept.max():
        return f"{_spaced(name)} {view.gauge(name).words(float(kept[0]))}"
    return _tile(view, name, values, kept)


def paints(view: View) -> list[str]:
    """Return the colours of the splits that are there."""
    return [SPLIT_PAINTS[number] for number, _ in view.present]


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def _tile(view: View, name: str, values: NDArray[np.float64], kept: NDArray[np.float64]) -> Element:
    gauge, edges = view.gauge(name), bins.edges(kept)
    series = {split: bins.counted(values[view.splits == number], edges) for number, split in view.present}
    view.figures.setdefault("measures", {})[name] = {
        "mean": float(kept.mean()),
        "low": float(kept.min()),
        "high": float(kept.max()),
        "edges": edges.tolist(),
        "counts": series,
    }
    said = [usual(gauge, kept)]
    told = _told(view, values)
    if told >= _TELLING:
        said.append(f"it alone explains {told:.0%} of the {'answer' if view.label_kind == 'number' else 'classes'}")
    return draw.h(
        "div",
        draw.h("h3", _spaced(name)),
        draw.h("p", gauge.says, class_="muted") if gauge.says else None,
        draw.h("p", "; ".join(said)),
        small.tile(edges.tolist(), series, title=_spaced(name), ends=bins.ends(edges), unit=gauge.unit,
                   paints=paints(view)),
        class_="tile",
    )  # fmt: skip


def usual(gauge: Gauge, values: NDArray[np.float64]) -> str:
    """Return the median, and where nine tenths of the values lie, in words."""
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95]).tolist()
    return f"median {gauge.words(middle)}, mostly {gauge.span(low, high)}"


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
    made = [each for each in _each(view, names, partial(_by_class, view, groups)) if each is not None]
    return draw.details("By class", draw.columns(*made)) if made else None


def _by_class(view: View, groups: Sequence[tuple[str, NDArray[np.int64]]], name: str) -> Element | None:
    values, gauge, rows = view.measure(name), view.gauge(name), []
    known = view.kept & np.isfinite(values)
    if not values.min(initial=np.inf, where=known) < values.max(initial=-np.inf, where=known):
        return None  # said with what is the same in all
    for group, places in groups:
        mine = values[places]
        mine = mine[np.isfinite(mine)]
        if len(mine):
            low, middle, high = np.quantile(mine, [0.05, 0.5, 0.95]).tolist()
            rows.append((clip(group, 40), middle, low, high))
    if not rows:
        return None
    percent = gauge.unit == "%"
    shown = _spaced(name) + (f", {gauge.unit}" if gauge.unit and not percent else "")
    words = f"{_spaced(name)}: median of each class, and the range of nine tenths of it."
    plot = chart.intervals(rows, title=f"{shown} by class", x_label=shown, percent=percent, width=HALF)
    return draw.figure(plot, words)
