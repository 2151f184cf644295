"""A map of samples: a point each, small pictures for some of them, groups that can be switched off without a script.

Pictures are cut from one sheet that the page carries once. What is switched on is said by check boxes, which the
stylesheet reads (``:has``): in a browser without it everything stays visible.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from modelwright.drawing.axes import bounds, colour, coordinate, label, number, svg
from modelwright.drawing.page import Element, h

GROUPS = 16
"""Groups that can be told apart on a map, and switched off one by one; the stylesheet knows as many."""
WIDTH, HEIGHT = 960, 620
_ROOM = 26
_RAMP = ("#5b4be0", "#a04bd0", "#d8557a", "#f08a3c", "#e3b71f")
"""Colours of ordered groups: lighter for more, and apart for colour-blind readers, as in matplotlib's plasma."""


@dataclass(frozen=True)
class Dot:
    """One sample on the map."""

    x: float
    y: float
    group: int
    tip: str
    marked: bool = False


@dataclass(frozen=True)
class Sheet:
    """Small pictures in rows on one JPEG or PNG: picture ``i`` is in row ``i // across``, each ``side`` pixels."""

    data: bytes
    side: int
    across: int
    count: int


def atlas(
    dots: Sequence[Dot],
    groups: Sequence[tuple[str, int]],
    *,
    title: str,
    name: str,
    sheet: Sheet | None = None,
    pictured: Sequence[int] = (),
    marks: str = "",
    ordered: bool = False,
) -> Element:
    """Draw a map.

    Parameters
    ----------
    dots
        At most some thousands: each costs about a hundred bytes.
    groups
        Name and size of each group, at most :data:`GROUPS`.
    name
        A word of letters, different for every map on a page.
    sheet, pictured
        Pictures, and which dot each is of, in order.
    ordered
        Groups follow each other, such as fifths of a number: their colours do, too.
    marks
        What the ring around a marked dot says; empty: nothing is marked.
    """
    place = _placer(dots)
    paints = [_RAMP[min(index, len(_RAMP) - 1)] if ordered else colour(index) for index in range(len(groups))]
    layers = []
    for number_, (group, _) in enumerate(groups):
        mine = [dot for dot in dots if dot.group == number_]
        inside = [_mark(*place(dot), number_, dot.tip) for dot in mine]
        rings = [_ring(*place(dot), f"{dot.tip}\n{marks}") for dot in mine if dot.marked]
        layers.append(
            h("g", h("g", inside, fill=paints[number_], class_="dots"), h("g", rings, class_="rings"),
              class_=f"k{number_}", aria_label=group)
        )  # fmt: skip
    pictures = _pictures(dots, sheet, pictured, place, name, paints) if sheet is not None and sheet.count else []
    drawn = svg(WIDTH, HEIGHT, title, layers, pictures) if dots else svg(WIDTH, 60, title, label("Nothing.", 10, 30))
    return h(
        "div",
        _switches(groups, paints, pictures=bool(pictures), marks=marks if any(dot.marked for dot in dots) else ""),
        drawn,
        class_="atlas",
    )


def _placer(dots: Sequence[Dot]) -> Callable[[Dot], tuple[float, float]]:
    xs, ys = bounds([dot.x for dot in dots]), bounds([dot.y for dot in dots])

    def place(dot: Dot) -> tuple[float, float]:
        across = _ROOM + (WIDTH - 2 * _ROOM) * (dot.x - xs[0]) / (xs[1] - xs[0])
        return across, _ROOM + (HEIGHT - 2 * _ROOM) * (ys[1] - dot.y) / (ys[1] - ys[0])

    return place


def apart(dots: Sequence[Dot], distance: float) -> list[int]:
    """Return dots that are at least ``distance`` pixels apart on the map, marked ones before the others."""
    place = _placer(dots)
    taken: dict[tuple[int, int], list[tuple[float, float]]] = {}
    chosen = []
    for index in sorted(range(len(dots)), key=lambda index: not dots[index].marked):
        x, y = place(dots[index])
        cell = int(x // distance), int(y // distance)
        near = [spot for i in (-1, 0, 1) for j in (-1, 0, 1) for spot in taken.get((cell[0] + i, cell[1] + j), ())]
        if all((x - a) ** 2 + (y - b) ** 2 >= distance * distance for a, b in near):
            taken.setdefault(cell, []).append((x, y))
            chosen.append(index)
    return chosen


def _mark(x: float, y: float, group: int, tip: str) -> Element:
    """Draw a dot; the second eight groups are squares, since colours repeat."""
    if group >= 8:
        return h("rect", h("title", tip), x=coordinate(x - 3.2), y=coordinate(y - 3.2), width=6.4, height=6.4)
    return h("circle", h("title", tip), cx=coordinate(x), cy=coordinate(y), r=3.6)


def _ring(x: float, y: float, tip: str) -> Element:
    return h("circle", h("title", tip), cx=coordinate(x), cy=coordinate(y), r=7)


def _pictures(
    dots: Sequence[Dot],
    sheet: Sheet,
    pictured: Sequence[int],
    place: Callable[[Dot], tuple[float, float]],
    name: str,
    paints: Sequence[str],
) -> list[Element]:
    rows = -(-sheet.count // sheet.across)
    kind = "png" if sheet.data.startswith(b"\x89PNG") else "jpeg"
    source = f"data:image/{kind};base64,"
    whole = h("image", href=source + base64.b64encode(sheet.data).decode(), id=f"sheet-{name}",
              width=sheet.across * sheet.side, height=rows * sheet.side)  # fmt: skip
    cut = []
    for index, chosen in enumerate(pictured):
        dot = dots[chosen]
        x, y = place(dot)
        half = sheet.side / 2
        left, top = coordinate(x - half), coordinate(y - half)
        row, column = divmod(index, sheet.across)
        view = f"{column * sheet.side} {row * sheet.side} {sheet.side} {sheet.side}"
        cut.append(
            h("g", h("title", dot.tip),
              h("svg", h("use", href=f"#sheet-{name}"), x=left, y=top, width=sheet.side, height=sheet.side,
                viewBox=view),
              h("rect", x=left, y=top, width=sheet.side, height=sheet.side, fill="none", stroke=paints[dot.group],
                stroke_width=2), class_=f"k{dot.group}")
        )  # fmt: skip
    return [h("defs", whole), h("g", cut, class_="pictures")]


def _switches(groups: Sequence[tuple[str, int]], paints: Sequence[str], *, pictures: bool, marks: str) -> Element:
    boxes = [
        h("label", h("input", type="checkbox", class_=f"f{index}", checked=True), _swatch(index, paints[index]),
          f"{group} ", h("small", number(size)))
        for index, (group, size) in enumerate(groups)
    ]  # fmt: skip
    extra = []
    if pictures:
        extra.append(h("label", h("input", type="checkbox", class_="fp", checked=True), "pictures"))
    if marks:
        extra.append(h("label", h("input", type="checkbox", class_="fr", checked=True), marks))
    return h("fieldset", h("legend", "Show"), boxes, extra, class_="switches")


def _swatch(group: int, paint: str) -> Element:
    return h("svg", _mark(5.5, 5.5, group, ""), width=11, height=11, viewBox="0 0 11 11", fill=paint,
             aria_hidden="true")  # fmt: skip
