"""Small charts that stand side by side, many on a page: a column's histogram, its values, shares stacked by group."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from modelwright.drawing.axes import (
    WIDTH,
    clamp,
    colour,
    coordinate,
    empty,
    finite,
    label,
    legend,
    line,
    number,
    painted,
    shorten,
    svg,
    text_width,
)
from modelwright.drawing.page import Element, h

TILE = 300
"""Width of a small chart's view box."""
_HEIGHT = 84
_ROW = 22


def tile(
    edges: Sequence[float],
    series: Mapping[str, Sequence[float]],
    *,
    title: str,
    ends: tuple[float, float] | None = None,
    unit: str = "",
    paints: Sequence[str] | None = None,
) -> Element:
    """Draw a histogram without axes, the ends of its range below it.

    Parameters
    ----------
    edges
        ``bins + 1`` bin edges, drawn equally wide.
    series
        Name to a count a bin. One series is drawn as bars; several as lines, each as shares of its own sum.
    ends
        What stands below the first and the last bin, if not the outer edges.
    unit
        Written behind the ends, such as ``"s"``; ``"%"`` for shares, which are then written in percent.
    paints
        CSS colours of the series, if not the usual ones.
    """
    names = list(series)
    bins = len(edges) - 1
    if bins < 1 or not names or not any(any(counts) for counts in series.values()):
        return empty(title)
    step = TILE / bins
    parts: list[Element] = []
    several = len(names) > 1
    heights = {name: _shares(series[name]) if several else [clamp(value) for value in series[name]] for name in names}
    top = max(max(values) for values in heights.values()) or 1.0
    for index, name in enumerate(names):
        if several:
            points = []
            for place, value in enumerate(heights[name]):
                y = coordinate(_HEIGHT - (_HEIGHT - 4) * value / top)
                points += [f"{coordinate(place * step)},{y}", f"{coordinate((place + 1) * step)},{y}"]
            parts.append(h("polyline", h("title", name), points=" ".join(points), fill="none",
                           stroke=painted(index, paints), stroke_width=1.6, stroke_linejoin="round"))  # fmt: skip
        else:
            for place, value in enumerate(heights[name]):
                if value > 0:
                    tip = f"{measure(edges[place], unit)} to {measure(edges[place + 1], unit)}: {number(value)}"
                    high = max((_HEIGHT - 4) * value / top, 1)
                    parts.append(_box(place * step, _HEIGHT - high, step - 0.7, high, painted(index, paints), tip))
    parts.append(line(0, _HEIGHT, TILE, _HEIGHT, stroke="var(--soft,#5d646f)"))
    low, high = ends or (edges[0], edges[-1])
    parts.append(label(measure(low, unit), 0, _HEIGHT + 15, size=11))
    parts.append(label(measure(high, unit), TILE, _HEIGHT + 15, anchor="end", size=11))
    return svg(TILE, _HEIGHT + 20, title, parts)


def measure(value: float, unit: str = "") -> str:
    """Return a figure with three digits that count, and its unit; shares in percent where that is the unit.

    Examples
    --------
    >>> measure(0.41614, "%"), measure(0.00012, "%"), measure(177.62, "px"), measure(-23.35, "dB"), measure(12.0)
    ('42%', '0.012%', '178 px', '-23.4 dB', '12')
    """
    if unit == "%":
        return f"{number(100 * value, 2)}%" if abs(value) < 0.995 else f"{100 * value:.0f}%"
    shown = number(value, 3)
    return f"{shown} {unit}" if unit else shown


def values(rows: Sequence[tuple[str, Sequence[float]]], names: Sequence[str], *, title: str, total: float) -> Element:
    """Draw the most frequent values, a bar each, put together from parts, with its share of ``total``.

    Parameters
    ----------
    rows
        Value, and how often it occurs in each part.
    names
        What the parts are called; one part needs no name.
    """
    if not rows or total <= 0:
        return empty(title)
    drawn: list[Element] = []
    sums = [sum(finite(parts)) for _, parts in rows]
    most = max(sums) or 1.0
    room = min(130.0, max(text_width(name, 11) for name, _ in rows) + 10)
    for index, ((name, parts), size) in enumerate(zip(rows, sums, strict=True)):
        top, x = index * 19, room
        drawn.append(label(name, room - 6, top + 13, anchor="end", room=room - 8, size=11))
        for part, value in enumerate(parts):
            if value > 0:
                wide = (TILE - room - 46) * clamp(value) / most
                where = f", {names[part]}" if len(parts) > 1 else ""
                tip = f"{name}{where}: {number(value)} ({value / total:.1%})"
                drawn.append(_box(x, top + 3, max(wide, 0.8), 13, colour(part), tip))
                x += wide
        drawn.append(label(f"{size / total:.1%}", max(x, room + 1) + 5, top + 13, soft=False, size=11))
    return svg(TILE, len(rows) * 19 + 4, title, drawn)


def stacked(
    rows: Sequence[tuple[str, Sequence[float]]],
    names: Sequence[str],
    *,
    title: str,
    limit: int = 40,
    share: bool = False,
    paints: Sequence[str] | None = None,
) -> Element:
    """Draw horizontal bars, each put together from the parts that ``names`` name.

    Parameters
    ----------
    rows
        Label, and one value a part.
    share
        Draw every bar equally long: what counts is the mixture.
    paints
        CSS colours of the parts, if not the usual ones.
    """
    shown = rows[:limit]
    sums = [sum(finite(parts)) for _, parts in shown]
    most = max(sums, default=0.0)
    if most <= 0:
        return empty(title)
    drawn, top = legend(names, paints=paints)
    room = min(230.0, max(text_width(name) for name, _ in shown) + 6)
    figures = [number(total) for total in sums]
    wide = WIDTH - room - 14 - max(text_width(text) for text in figures) - 10
    top += 4
    for index, ((name, parts), total, text) in enumerate(zip(shown, sums, figures, strict=True)):
        y = top + index * _ROW
        drawn.append(label(name, room, y + 14, anchor="end", room=room))
        x = room + 10
        scale = wide / (total if share and total > 0 else most)
        for part, value in enumerate(parts):
            if not math.isfinite(value) or value <= 0:
                continue
            tip = f"{name}, {names[part]}: {number(value)} ({value / total:.1%})"
            drawn.append(_box(x, y + 2, max(value * scale - 0.6, 0.6), 16, painted(part, paints), tip))
            x += value * scale
        drawn.append(label(text, x + 6, y + 14, soft=False))
    height = top + len(shown) * _ROW + 4
    if len(rows) > limit:
        drawn.append(label(f"and {len(rows) - limit:,} more", room + 10, height + 12))
        height += 20
    return svg(WIDTH, height, title, drawn)


def patterns(columns: Sequence[str], rows: Sequence[tuple[Sequence[bool], float]], *, title: str) -> Element:
    """Draw which things occur together: a row a combination, a dot a column that is in it, a bar how often.

    After Lex and others (2014), "UpSet: Visualization of intersecting sets".
    """
    if not rows or not columns:
        return empty(title)
    room, cell, line_high = 300.0, 24.0, 20.0
    cell = min(cell, room / len(columns))
    longest = min(130.0, max(text_width(name, 11) for name in columns) + 6)
    parts: list[Element] = []
    for index, name in enumerate(columns):
        at = (index + 0.5) * cell
        text = label(name, 0, 0, room=longest, size=11)
        parts.append(h("g", text, transform=f"translate({coordinate(at + 4)},{coordinate(longest)}) rotate(-60)"))
    most = max(value for _, value in rows) or 1.0
    start = len(columns) * cell + 60
    for index, (inside, value) in enumerate(rows):
        y = longest + 10 + index * line_high
        together = ", ".join(name for name, is_in in zip(columns, inside, strict=True) if is_in) or "nothing"
        for place, is_in in enumerate(inside):
            parts.append(
                h("circle", cx=coordinate((place + 0.5) * cell), cy=coordinate(y + 8), r=min(5.5, cell / 2.6),
                  fill=colour(1) if is_in else "var(--grid,#e9ebee)")
            )  # fmt: skip
        wide = max((WIDTH - start - 90) * clamp(value) / most, 1.0)
        parts.append(_box(start, y + 1, wide, 14, colour(1), f"{together}: {number(value)}"))
        parts.append(label(number(value), start + wide + 6, y + 13, soft=False))
    return svg(WIDTH, longest + 16 + len(rows) * line_high, title, parts)


def _shares(counts: Sequence[float]) -> list[float]:
    total = sum(finite(counts))
    return [clamp(value) / total if total > 0 else 0.0 for value in counts]


def _box(x: float, y: float, width: float, height: float, fill: str, tip: str) -> Element:
    return h("rect", h("title", tip), x=coordinate(x), y=coordinate(y), width=coordinate(width),
             height=coordinate(height), fill=fill)  # fmt: skip


def swatches(names: Sequence[str], paints: Sequence[str] | None = None) -> Element:
    """Return a legend in words for charts that have none of their own; ``paints``: colours, if not the usual ones."""
    return h(
        "p",
        [
            h("span", h("svg", h("rect", width=11, height=11, rx=2, fill=painted(index, paints)), width=11,
                        height=11, viewBox="0 0 11 11", aria_hidden="true"), shorten(name, 200), class_="swatch")
            for index, name in enumerate(names)
        ],
        class_="swatches",
    )  # fmt: skip


def dots(rows: Sequence[tuple[str, Sequence[float]]], names: Sequence[str], *, title: str) -> Element:
    """Draw a row a label with a dot a series, over one axis, so that what differs lies apart.

    Parameters
    ----------
    rows
        Label, and one value a series; those that are not finite are left out.
    names
        What the series are called, in the order of their colours.
    """
    known = finite([value for _, values_ in rows for value in values_])
    if not known:
        return empty(title)
    low, high = min([*known, 0.0]), max([*known, 0.0])
    span = (high - low) or 1.0
    room = min(230.0, max(text_width(name, 11) for name, _ in rows) + 6)
    wide = WIDTH - room - 34

    def across(value: float) -> float:
        return room + 18 + wide * (value - low) / span

    height = len(rows) * _ROW + 4
    drawn: list[Element] = [line(across(0.0), 0, across(0.0), height, stroke="var(--grid,#e9ebee)")]
    for index, (name, values_) in enumerate(rows):
        y = index * _ROW + 13
        drawn.append(label(name, room, y + 4, anchor="end", room=room, size=11))
        drawn.append(line(room + 8, y, WIDTH - 6, y, stroke="var(--grid,#e9ebee)"))
        for place, value in enumerate(values_):
            if math.isfinite(value):
                tip = h("title", f"{name}, {names[place]}: {number(value)}")
                drawn.append(h("circle", tip, cx=coordinate(across(value)), cy=coordinate(y), r=5.5,
                               fill=colour(place), fill_opacity=0.85))  # fmt: skip
    drawn.append(label(number(low, 3), room + 8, height + 12, size=11))
    drawn.append(label(number(high, 3), WIDTH - 6, height + 12, anchor="end", size=11))
    return svg(WIDTH, height + 18, title, drawn)


def weights(rows: Sequence[tuple[str, float]], *, title: str, shade: int = 0) -> Element:
    """Draw a bar a label with its figure, to the right of zero or, where negative, paler; colour number ``shade``."""
    if not rows:
        return empty(title)
    most = max(abs(value) for _, value in rows) or 1.0
    room = min(150.0, max(text_width(name, 11) for name, _ in rows) + 20)
    drawn: list[Element] = []
    for index, (name, value) in enumerate(rows):
        top = index * 19
        wide = max((TILE - room - 52) * clamp(abs(value)) / most, 0.8)
        drawn.append(label(name, room - 6, top + 13, anchor="end", room=room - 8, size=11))
        drawn.append(h("rect", h("title", f"{name}: {number(value)}"), x=coordinate(room), y=top + 3,
                       width=coordinate(wide), height=13, fill=colour(shade),
                       fill_opacity=1.0 if value >= 0 else 0.45))  # fmt: skip
        drawn.append(label(number(value, 3), room + wide + 5, top + 13, soft=False, size=11))
    return svg(TILE, len(rows) * 19 + 4, title, drawn)
