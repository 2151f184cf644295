"""A cloud of points, binned: how many rows lie where in two numbers."""

from __future__ import annotations

from itertools import pairwise

from modelwright.drawing.axes import Scale, colour, coordinate, empty, label, number, svg
from modelwright.drawing.page import Element, h
from modelwright.prepare.profile.facts import Cloud

_SIDE = 260
_LEFT = 56
_WIDTH = 340


def cloud(found: Cloud) -> Element:
    """Draw a pair of numbers, darker where more rows lie; shades go with the square root of the count.

    Examples
    --------
    >>> "7" in cloud(Cloud("a", "b", (0.0, 1.0), (0.0, 1.0), ((7,),))).render()
    True
    """
    most = max((count for row in found.counts for count in row), default=0)
    if not most:
        return empty(f"{found.y} over {found.x}")
    x = Scale(found.x_edges[0], found.x_edges[-1], _LEFT, _WIDTH - 8)
    y = Scale(found.y_edges[0], found.y_edges[-1], _SIDE, 20)
    parts: list[Element] = []
    for (low, high), row in zip(pairwise(found.y_edges), found.counts, strict=True):
        for (left, right), count in zip(pairwise(found.x_edges), row, strict=True):
            if count:
                tip = f"{number(left)} to {number(right)}, {number(low)} to {number(high)}: {count:,}"
                parts.append(
                    h("rect", h("title", tip), x=coordinate(x(left)), y=coordinate(y(high)),
                      width=coordinate(x(right) - x(left) + 0.3), height=coordinate(y(low) - y(high) + 0.3),
                      fill=colour(0), fill_opacity=f"{0.12 + 0.88 * (count / most) ** 0.5:.2f}")
                )  # fmt: skip
    parts += [
        label(found.y, _LEFT, 12, room=_WIDTH - _LEFT),
        label(number(found.y_edges[-1], 3), _LEFT - 6, 28, anchor="end", size=11),
        label(number(found.y_edges[0], 3), _LEFT - 6, _SIDE, anchor="end", size=11),
        label(number(found.x_edges[0], 3), _LEFT, _SIDE + 15, size=11),
        label(number(found.x_edges[-1], 3), _WIDTH - 8, _SIDE + 15, anchor="end", size=11),
        label(found.x, (_LEFT + _WIDTH) / 2, _SIDE + 16, anchor="middle", room=_WIDTH - _LEFT - 100),
        h("rect", x=_LEFT, y=20, width=_WIDTH - 8 - _LEFT, height=_SIDE - 20, fill="none",
          stroke="var(--line,#e3e5e8)"),
    ]  # fmt: skip
    return svg(_WIDTH, _SIDE + 22, f"{found.y} over {found.x}", parts)
