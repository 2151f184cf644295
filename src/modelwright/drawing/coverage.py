"""Which stretches of time are covered: a row a recording, a bar a stretch, marks where clocks go wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from modelwright.drawing.axes import (
    WIDTH,
    colour,
    coordinate,
    empty,
    label,
    legend,
    line,
    number,
    svg,
    ticks,
    time_ticks,
)
from modelwright.drawing.page import Element, h

_ROW = 18
_ROOM = 190.0


def coverage(
    rows: Sequence[tuple[str, Sequence[tuple[float, float]]]],
    marks: Mapping[str, Sequence[tuple[float, str, str]]],
    *,
    title: str,
    calendar: bool,
) -> Element:
    """Draw bars over a common axis of time.

    Parameters
    ----------
    rows
        Name and ``[(begin, end), …]`` in seconds.
    marks
        By name ``(moment, kind, words)``: drawn over the bars, a colour a kind, the words as tooltip.
    calendar
        Whether seconds are since 1970, and written as dates.
    """
    spans = [span for _, each in rows for span in each]
    if not spans:
        return empty(title)
    first, last = min(begin for begin, _ in spans), max(end for _, end in spans)
    reach = last - first or 1.0
    wide = WIDTH - _ROOM - 20

    def x(moment: float) -> float:
        return _ROOM + 8 + (moment - first) / reach * wide

    kinds = list(dict.fromkeys(kind for each in marks.values() for _, kind, _ in each))
    parts, top = legend(["covered", *kinds]) if kinds else ([], 4.0)
    bottom = top + len(rows) * _ROW + 4
    for at, words in _ticks(first, last, calendar=calendar):
        parts.append(line(x(at), top, x(at), bottom, stroke="var(--grid,#e9ebee)"))
        parts.append(label(words, x(at), bottom + 14, anchor="middle", size=11))
    for index, (name, each) in enumerate(rows):
        y = top + index * _ROW
        parts.append(label(name, _ROOM, y + 13, anchor="end", room=_ROOM - 4, size=11))
        for begin, end in sorted(each):
            across = max(x(end) - x(begin), 0.8)
            parts.append(_bar(x(begin), y + 4, across, 9, colour(0), f"{name}: {_words(begin, calendar=calendar)}"))
        for moment, kind, words in marks.get(name, ()):
            if first <= moment <= last:
                parts.append(_bar(x(moment) - 1, y + 1, 2.4, 15, colour(1 + kinds.index(kind)), words))
    return svg(WIDTH, bottom + 22, title, parts)


def _ticks(first: float, last: float, *, calendar: bool) -> list[tuple[float, str]]:
    if calendar:
        return [(at / 1e9, words) for at, words in time_ticks(first * 1e9, last * 1e9)]
    return [(at, number(at)) for at in ticks(first, last) if first <= at <= last]


def _words(moment: float, *, calendar: bool) -> str:
    from modelwright.drawing.axes import moment as dated

    return dated(moment * 1e9) if calendar else f"{number(moment)} s"


def _bar(x: float, y: float, width: float, height: float, fill: str, tip: str) -> Element:
    return h("rect", h("title", tip), x=coordinate(x), y=coordinate(y), width=coordinate(width),
             height=coordinate(height), fill=fill, rx=1)  # fmt: skip
