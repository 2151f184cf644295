"""Figures with their intervals, a row each, over one axis."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from modelwright.drawing.axes import (
    WIDTH,
    Scale,
    bounds,
    colour,
    coordinate,
    empty,
    finite,
    label,
    line,
    nice,
    number,
    svg,
    text_width,
    tick_text,
    ticks,
)
from modelwright.drawing.page import Element, h

_ROW = 24


def intervals(
    rows: Sequence[tuple[str, float | None, float | None, float | None]],
    *,
    title: str = "",
    x_label: str = "",
    reference: float | None = None,
    limit: int = 60,
    percent: bool = False,
    width: float = WIDTH,
) -> Element:
    """Draw a forest plot: one row ``(label, value, low, high)`` with its interval.

    Parameters
    ----------
    reference
        Where an upright line stands.
    percent
        Figures are shares, and written in percent.
    width
        Of the view box: :data:`~modelwright.drawing.axes.HALF` for a chart beside another.
    """
    written = _percent if percent else _plain
    shown = list(rows[:limit])
    places = finite([value for row in shown for value in row[1:]])
    if not shown or not places:
        return empty(title)
    low, high = nice(*bounds([*places, *finite([reference])]), 6)
    name_room = min(0.36 * width, max(text_width(row[0]) for row in shown) + 4)
    texts = [_words(written, value, a, b) for _, value, a, b in shown]
    x = Scale(low, high, name_room + 20, width - max(text_width(text) for text in texts) - 20)
    bottom = 6 + len(shown) * _ROW
    parts: list[Element] = []
    for value in ticks(low, high, 6):
        parts.append(line(x(value), 2, x(value), bottom))
        words = f"{tick_text(100 * value, 100 * (high - low))}%" if percent else tick_text(value, high - low)
        parts.append(label(words, x(value), bottom + 16, anchor="middle"))
    if reference is not None and math.isfinite(reference):
        parts.append(line(x(reference), 2, x(reference), bottom, stroke="var(--bad,#b3261e)", dashed="5 4"))
    for index, ((name, middle, a, b), text) in enumerate(zip(shown, texts, strict=True)):
        y = 6 + index * _ROW + 10
        parts.append(label(name, name_room, y + 4, room=name_room, anchor="end"))
        ends = finite((a, b))
        if len(ends) == 2:
            bar = line(x(ends[0]), y, x(ends[1]), y, stroke=colour(0), width=3, opacity="0.55")
            parts.append(h("g", h("title", f"{name}: {text}"), bar))
        if middle is not None and math.isfinite(middle):
            tip = h("title", f"{name}: {text}")
            parts.append(h("circle", tip, cx=coordinate(x(middle)), cy=coordinate(y), r=4.5, fill=colour(0)))
        parts.append(label(text, width - 4, y + 4, anchor="end", soft=False))
    height = bottom + 24
    if x_label:
        parts.append(label(x_label, x.stop, height + 10, anchor="end"))
        height += 16
    if len(rows) > limit:
        parts.append(label(f"and {len(rows) - limit:,} more", 4, height + 10))
        height += 16
    return svg(width, height, title or x_label or "Intervals", parts)


def _plain(value: float | None) -> str:
    return number(value, 3)


def _percent(value: float | None) -> str:
    return number(value) if value is None or not math.isfinite(value) else f"{value:.1%}"


def _words(written: Callable[[float | None], str], value: float | None, low: float | None, high: float | None) -> str:
    words = written(value)
    if low is not None and high is not None and not (math.isnan(low) or math.isnan(high)):
        words += f"  [{written(low)}, {written(high)}]"
    return words
