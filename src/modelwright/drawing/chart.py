"""Charts as inline SVG: one function per kind, plain numbers in, an element out.

Every mark carries its figures as a ``<title>``, which browsers show as a tooltip and screen readers read. Missing
values (None, NaN, infinities) are left out, and a chart without any says so instead of failing. Colours stay apart for
colour-blind readers and lines differ by dash too.

Examples
--------
>>> from modelwright.drawing.page import document, figure, section
>>> chart = bars(["apple", "pear"], [12, 30], title="Fruit")
>>> "pear: 30" in chart.render()
True
>>> page = document("Report", section("Data", figure(chart, "What came over the belt.")))
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from modelwright.drawing.axes import (
    WIDTH,
    Scale,
    bounds,
    clamp,
    colour,
    coordinate,
    dash,
    empty,
    finite,
    frame,
    label,
    legend,
    line,
    moment,
    nice,
    number,
    painted,
    shorten,
    svg,
    text_width,
    time_ticks,
)
from modelwright.drawing.intervals import intervals
from modelwright.drawing.matrix import heatmap
from modelwright.drawing.network import graph
from modelwright.drawing.page import Element, h

__all__ = ["bars", "graph", "heatmap", "histogram", "intervals", "lines", "number", "scatter"]

Point = tuple[float, float]
"""``(x, y)``, both finite."""
Loose = tuple[float | None, float | None]
"""``(x, y)`` as it comes: None, NaN or infinite where it is not known."""

_ROW = 24


def bars(
    labels: Sequence[str],
    values: Sequence[float | None],
    *,
    title: str = "",
    unit: str = "",
    low: Sequence[float | None] | None = None,
    high: Sequence[float | None] | None = None,
    limit: int = 40,
    digits: int = 4,
    width: float = WIDTH,
) -> Element:
    """Draw horizontal bars from zero, one a label, with the figure at its end.

    Parameters
    ----------
    labels, values
        Same length; a missing value is drawn as a dash.
    unit
        Written behind each figure, such as ``"ms"`` or ``"%"``.
    low, high
        Ends of an interval around each value, drawn as a whisker.
    limit
        Bars drawn at most; a line says how many more there are.
    digits
        Digits of each figure that count.
    width
        Of the view box: :data:`~modelwright.drawing.axes.HALF` for a chart beside another.
    """
    pairs = list(zip(labels, values, strict=True))
    shown = pairs[:limit]
    if not shown:
        return empty(title)
    whiskers = [*(low or ()), *(high or ())]
    start, stop = bounds([*finite(values), *finite(whiskers)], zero=True)
    name_room = min(0.36 * width, max(text_width(name) for name, _ in shown) + 4)
    texts = [f"{number(value, digits)}{f' {unit}' if unit and value is not None else ''}" for _, value in shown]
    figure_room = max(text_width(text) for text in texts) + 16
    x = Scale(start, stop, name_room + 12 + (figure_room if start < 0 else 0), width - figure_room)
    parts: list[Element] = []
    for index, ((name, value), text) in enumerate(zip(shown, texts, strict=True)):
        top = 4 + index * _ROW
        parts.append(label(name, name_room, top + 15, room=name_room, anchor="end"))
        if value is None or not math.isfinite(value):
            parts.append(label(text, x(0) + 6, top + 15))
            continue
        left, right = sorted((x(0), x(value)))
        whisker = _whisker(x, low, high, index, top + 10)
        tip = f"{name}: {text}{whisker[1]}"
        wide = max(right - left, 1.0)
        parts.append(
            h(
                "rect",
                h("title", tip),
                x=coordinate(left),
                y=top + 2,
                width=coordinate(wide),
                height=16,
                rx=3,
                fill=colour(0),
            )
        )
        parts.extend(whisker[0])
        end = max(right, whisker[2]) + 6 if value >= 0 else left - 6
        parts.append(label(text, end, top + 15, anchor="start" if value >= 0 else "end", soft=False))
    parts.append(line(x(0), 2, x(0), 4 + len(shown) * _ROW, stroke="var(--soft,#5d646f)"))
    height = 8 + len(shown) * _ROW
    if len(pairs) > limit:
        parts.append(label(f"and {len(pairs) - limit:,} more", name_room + 12, height + 12))
        height += 20
    return svg(width, height, title or f"Bars of {len(pairs)} values", parts)


def _whisker(
    x: Scale, low: Sequence[float | None] | None, high: Sequence[float | None] | None, index: int, y: float
) -> tuple[list[Element], str, float]:
    if low is None or high is None:
        return [], "", 0.0
    a, b = low[index], high[index]
    if a is None or b is None or not (math.isfinite(a) and math.isfinite(b)):
        return [], "", 0.0
    parts = [line(x(a), y, x(b), y, stroke="currentColor", width=1.5)]
    parts += [line(x(end), y - 4, x(end), y + 4, stroke="currentColor", width=1.5) for end in (a, b)]
    return parts, f" ({number(a)} to {number(b)})", max(x(a), x(b))


def lines(
    series: Mapping[str, Sequence[Loose]],
    *,
    title: str = "",
    x_label: str = "",
    y_label: str = "",
    time: bool = False,
    bands: Mapping[str, Sequence[tuple[float, float, float]]] | None = None,
    marks: Sequence[tuple[float, str]] = (),
    levels: Sequence[tuple[float, str]] = (),
    zero: bool = False,
    paints: Sequence[str] | None = None,
    width: float = WIDTH,
) -> Element:
    """Draw one line a series over a common x axis.

    Parameters
    ----------
    series
        Name to ``[(x, y), …]`` in the order of x; a missing y breaks the line. More than 2,000 points are thinned to
        the smallest and largest of equal stretches, so that no peak is lost.
    time
        x is nanoseconds since 1970, written as dates and times in UTC.
    bands
        Name of a series to ``[(x, low, high), …]``: its interval, drawn as a shade.
    marks
        ``(x, words)``: upright lines at events, such as a promotion.
    levels
        ``(y, words)``: level lines, such as a limit.
    zero
        Whether the y axis must hold 0.
    paints
        CSS colours of the series, if not the usual ones.
    width
        Of the view box: :data:`~modelwright.drawing.axes.HALF` for a chart beside another.
    """
    bands = bands or {}
    clean = {name: _thin(points) for name, points in series.items()}
    every = [point for points in clean.values() for point in points if point is not None]
    if not every:
        return empty(title)
    shades = {name: [row for row in rows if len(finite(row)) == 3] for name, rows in bands.items()}
    edges = [value for rows in shades.values() for row in rows for value in row[1:]]
    x_range = bounds([x for x, _ in every] + [x for x, _ in marks])
    y_range = bounds([y for _, y in every] + edges + [y for y, _ in levels], zero=zero)
    names = list(clean)
    parts, top = legend(names, dashed=True, width=width, paints=paints)
    if marks:
        top += 16
    marked = time_ticks(*x_range, 5 if width >= WIDTH else 3) if time else None
    plot = frame(x_range, y_range, top=top, x_label=x_label, y_label=y_label, x_ticks=marked, width=width)
    parts.extend(plot.elements)
    for index, name in enumerate(names):
        if rows := shades.get(name):
            upper = [(plot.x(x), plot.y(b)) for x, _, b in rows]
            lower = [(plot.x(x), plot.y(a)) for x, a, _ in reversed(rows)]
            parts.append(h("path", d=_path(upper + lower) + "Z", fill=painted(index, paints), fill_opacity="0.16"))
    for value, words in levels:
        parts.append(
            line(plot.x.start, plot.y(value), plot.x.stop, plot.y(value), stroke="var(--bad,#b3261e)", dashed="5 4")
        )
        parts.append(label(words, plot.x.stop - 2, plot.y(value) - 5, anchor="end", room=300))
    for value, words in marks:
        parts.append(
            line(
                plot.x(value), plot.y.stop - 4, plot.x(value), plot.y.start, stroke="var(--soft,#5d646f)", dashed="2 3"
            )
        )
        half = text_width(shorten(words, 160)) / 2
        parts.append(
            label(words, max(half, min(plot.x(value), width - half)), plot.y.stop - 9, anchor="middle", room=160)
        )
    for index, name in enumerate(names):
        look = painted(index, paints), dash(index)
        parts.extend(_line(clean[name], plot.x, plot.y, look, name, time=time))
    return svg(plot.width, plot.height, title or f"Lines: {', '.join(names)[:200]}", parts)


def _thin(points: Sequence[Loose], limit: int = 1000) -> list[Point | None]:
    """Keep finite points (None breaks the line); of too many, the smallest and largest y of each stretch."""
    kept: list[Point | None] = []
    for x, y in points:
        if x is None or not math.isfinite(x):
            continue
        kept.append((clamp(x), clamp(y)) if y is not None and math.isfinite(y) else None)
    if len(kept) <= 2 * limit:
        return kept
    thinned: list[Point | None] = []
    for part in range(limit):
        stretch = [p for p in kept[part * len(kept) // limit : (part + 1) * len(kept) // limit] if p is not None]
        if not stretch:
            thinned.append(None)
            continue
        ends = {min(stretch, key=lambda p: p[1]), max(stretch, key=lambda p: p[1])}
        thinned.extend(sorted(ends))
    return thinned


def _line(
    points: Sequence[Point | None], x: Scale, y: Scale, look: tuple[str, str | None], name: str, *, time: bool
) -> list[Element]:
    pieces: list[list[Point]] = [[]]
    for point in points:
        if point is None:
            pieces.append([])
        else:
            pieces[-1].append(point)
    parts = []
    for piece in pieces:
        if len(piece) > 1:
            drawn = _path([(x(a), y(b)) for a, b in piece])
            parts.append(
                h("path", h("title", name), d=drawn, fill="none", stroke=look[0], stroke_width=2,
                  stroke_dasharray=look[1], stroke_linejoin="round", stroke_linecap="round")
            )  # fmt: skip
    dots = [point for point in points if point is not None]
    if len(dots) <= 150:
        radius = 3 if len(dots) <= 60 else 2
        for a, b in dots:
            place = moment(a) if time else number(a)
            parts.append(_dot(x(a), y(b), radius, look[0], f"{name}\n{place}: {number(b)}"))
    return parts


def _dot(x: float, y: float, radius: float, paint: str, tip: str, opacity: str | None = None) -> Element:
    return h(
        "circle",
        h("title", tip),
        cx=coordinate(x),
        cy=coordinate(y),
        r=radius,
        fill=paint,
        fill_opacity=opacity,
    )


def _path(points: Sequence[Point]) -> str:
    return "M" + "L".join(f"{coordinate(a)},{coordinate(b)}" for a, b in points)


def histogram(
    edges: Sequence[float],
    counts: Mapping[str, Sequence[float | None]],
    *,
    title: str = "",
    x_label: str = "",
    y_label: str = "share",
    x_ticks: Sequence[tuple[float, str]] | None = None,
    paints: Sequence[str] | None = None,
    width: float = WIDTH,
) -> Element:
    """Draw how values are spread; several series (training and production, say) as shares on top of each other.

    Parameters
    ----------
    edges
        ``bins + 1`` bin edges: drawn to scale, heights are shares (per unit of width where widths differ). Or
        ``bins - 1`` inner edges of a reference profile: bins are drawn equally wide, and the first and last are open.
    counts
        Series name to one count a bin; each series is divided by its sum.
    x_ticks
        Places and words below the axis, where numbers would say little.
    paints
        CSS colours of the series, if not the usual ones.
    width
        Of the view box: :data:`~modelwright.drawing.axes.HALF` for a chart beside another.
    """
    series = {name: _shares(values) for name, values in counts.items()}
    bins = len(next(iter(series.values()), ()))
    if not bins or any(len(values) != bins for values in series.values()) or not any(map(any, series.values())):
        return empty(title)
    inner = len(edges) != bins + 1
    borders: list[float] = [float(index) for index in range(bins + 1)] if inner else [clamp(edge) for edge in edges]
    if not inner and (len(finite(edges)) != bins + 1 or any(b <= a for a, b in pairwise(borders))):
        borders, inner = [float(index) for index in range(bins + 1)], True
    heights = dict(series)
    widths = [b - a for a, b in pairwise(borders)]
    if max(widths) > 1.01 * min(widths):
        largest = max(widths)
        heights = {
            name: [value * largest / width for value, width in zip(values, widths, strict=True)]
            for name, values in series.items()
        }
        y_label = f"{y_label}, by width"
    marks = x_ticks
    if inner:
        every = max(1, math.ceil((bins - 1) / 8))
        marks = [(float(i + 1), number(edges[i], 3)) for i in range(0, min(bins - 1, len(edges)), every)]
    names = list(series)
    parts, top = legend(names, width=width, paints=paints)
    y_range = bounds([value for values in heights.values() for value in values], zero=True)
    plot = frame(
        (borders[0], borders[-1]), y_range, top=top, height=220, x_label=x_label, y_label=y_label, x_ticks=marks,
        width=width,
    )  # fmt: skip
    parts.extend(plot.elements)
    for index, name in enumerate(names):
        for bin_, value in enumerate(heights[name]):
            left, right = plot.x(borders[bin_]), plot.x(borders[bin_ + 1])
            tip = f"{name}: {_bin_words(edges, bin_, bins, inner=inner)}\n{series[name][bin_]:.2%}"
            parts.append(
                h("rect", h("title", tip), x=coordinate(left + 0.5), y=coordinate(plot.y(value)),
                  width=coordinate(max(right - left - 1, 0.6)), height=coordinate(max(plot.y(0) - plot.y(value), 0)),
                  fill=painted(index, paints), fill_opacity="0.85" if len(names) == 1 else "0.3")
            )  # fmt: skip
        if len(names) > 1:
            outline = []
            for bin_, value in enumerate(heights[name]):
                outline += [(plot.x(borders[bin_]), plot.y(value)), (plot.x(borders[bin_ + 1]), plot.y(value))]
            parts.append(
                h(
                    "path",
                    d=_path(outline),
                    fill="none",
                    stroke=painted(index, paints),
                    stroke_width=2,
                    stroke_dasharray=dash(index),
                )
            )
    return svg(plot.width, plot.height, title or x_label or "Histogram", parts)


def _shares(values: Sequence[float | None]) -> list[float]:
    kept = [max(0.0, clamp(value)) if value is not None and math.isfinite(value) else 0.0 for value in values]
    largest = max(kept, default=0.0)
    if largest <= 0:
        return kept
    scaled = [value / largest for value in kept]
    total = sum(scaled)
    return [value / total for value in scaled]


def _bin_words(edges: Sequence[float], index: int, bins: int, *, inner: bool) -> str:
    if not inner:
        return f"{number(edges[index])} to {number(edges[index + 1])}"
    if len(edges) != bins - 1:
        return f"bin {index + 1}"
    if not edges:
        return "all"
    if index == 0:
        return f"below {number(edges[0])}"
    return (
        f"{number(edges[-1])} and above"
        if index == bins - 1
        else f"{number(edges[index - 1])} to {number(edges[index])}"
    )


def scatter(
    series: Mapping[str, Sequence[Loose]],
    *,
    title: str = "",
    x_label: str = "",
    y_label: str = "",
    diagonal: bool = False,
    limit: int = 4000,
) -> Element:
    """Draw points; ``diagonal`` adds the line y = x (prediction against truth). Above ``limit`` every k-th is drawn."""
    clean: dict[str, list[Point]] = {}
    total = 0
    for name, points in series.items():
        usable = [(pair[0], pair[1]) for pair in map(finite, points) if len(pair) == 2]
        total += len(usable)
        clean[name] = usable
    if not total:
        return empty(title)
    step = math.ceil(total / limit)
    clean = {name: points[::step] for name, points in clean.items()}
    xs = [x for points in clean.values() for x, _ in points]
    ys = [y for points in clean.values() for _, y in points]
    x_range, y_range = nice(*bounds(xs)), bounds(ys)
    if diagonal:
        x_range = y_range = nice(*bounds(xs + ys))
    parts, top = legend(list(clean))
    plot = frame(x_range, y_range, top=top, height=320, x_label=x_label, y_label=y_label)
    parts.extend(plot.elements)
    if diagonal:
        a, b = x_range
        parts.append(line(plot.x(a), plot.y(a), plot.x(b), plot.y(b), stroke="var(--soft,#5d646f)", dashed="5 4"))
    opacity = "0.8" if total < 200 else "0.45"
    for index, (name, points) in enumerate(clean.items()):
        prefix = f"{name}\n" if len(clean) > 1 else ""
        parts.extend(
            _dot(plot.x(x), plot.y(y), 3, colour(index), f"{prefix}{number(x)}, {number(y)}", opacity)
            for x, y in points
        )
    height = plot.height
    if step > 1:
        parts.append(label(f"every {step:,}th of {total:,} points", plot.x.start, height + 6))
        height += 14
    return svg(plot.width, height, title or "Scatter plot", parts)
