"""A matrix as a heat map: confusion of two classes or of two hundred."""

from __future__ import annotations

import math
from collections.abc import Sequence

from modelwright.drawing.axes import WIDTH, clamp, coordinate, empty, label, number, svg, text_width
from modelwright.drawing.page import Element, h

_MOST_CELLS = 12_000


def heatmap(
    matrix: Sequence[Sequence[float | None]],
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    *,
    title: str = "",
    row_title: str = "truth",
    column_title: str = "prediction",
    by_row: bool = True,
    signed: bool = False,
    wide: float = WIDTH,
) -> Element:
    """Draw a matrix, darker for more.

    Parameters
    ----------
    matrix
        Rows of figures; for a confusion matrix counts, rows are the truth.
    by_row
        Whether a cell's shade is its share of its row (recall on the diagonal), or of the largest cell.
    signed
        Figures are -1 to 1, such as correlations: the shade is the figure, negative ones have another colour, and
        those that are zero are written too.
    wide
        How wide the drawing may be.

    Notes
    -----
    Up to about 24 columns every cell carries its figure; above that labels are thinned and figures are in the tooltips.
    Of a huge matrix the 12,000 largest cells are drawn.
    """
    rows, across = len(matrix), max((len(row) for row in matrix), default=0)
    if not rows or not across:
        return empty(title)
    named = any(row_labels)
    left = (16 if row_title else 0) + (min(180.0, max(text_width(name, 11) for name in row_labels) + 8) if named else 2)
    side = max(3.0, min(44.0, (wide - left - 4) / across))
    upright = side < 26 or any(text_width(name, 11) > side - 2 for name in column_labels)
    longest = max((text_width(name, 11) for name in column_labels), default=0)
    top = (16 if column_title else 0) + (min(120.0, longest) + 8 if upright else 18 if any(column_labels) else 2)
    width, height = max(200.0, left + side * across + 16), top + rows * side + 4
    parts: list[Element] = []
    if column_title:
        parts.append(label(f"{column_title} →", left, 11, size=11))
    if row_title:
        parts.append(h("text", f"{row_title} →", fill="var(--soft,#5d646f)", font_size=11, text_anchor="end",
                       transform=f"translate(11,{coordinate(top)}) rotate(-90)"))  # fmt: skip
    every = max(1, math.ceil(12 / side))
    for index in range(0, min(rows, len(row_labels)) if named else 0, every):
        middle = top + (index + 0.5) * side + 4
        parts.append(
            label(row_labels[index], left - 6, middle, anchor="end", room=left - (22 if row_title else 8), size=11)
        )
    for index in range(0, min(across, len(column_labels)) if any(column_labels) else 0, every):
        middle = left + (index + 0.5) * side
        parts.append(_column_name(column_labels[index], middle, top - 6, upright=upright))
    parts.append(_box(left, top, side * across, side * rows, "var(--grid,#e9ebee)", "0.45"))
    names = (list(row_labels), list(column_labels))
    for row, column, value, shade in _cells(matrix, by_row=by_row and not signed, zeros=signed):
        shade = min(1.0, abs(value)) if signed else shade
        parts.append(
            _cell(
                left + column * side,
                top + row * side,
                side,
                shade,
                _tip(names, row, column, value, shade, by_row=by_row and not signed),
                f"{value:.2f}" if signed else number(value, 2),
                "var(--c1,#d55e00)" if signed and value < 0 else "var(--c0,#0072b2)",
            )
        )
    return svg(width, height, title or f"Matrix of {rows} by {across}", parts)


def _cells(
    matrix: Sequence[Sequence[float | None]], *, by_row: bool, zeros: bool = False
) -> list[tuple[int, int, float, float]]:
    """Return ``(row, column, value, shade 0..1)`` of the cells worth drawing: those that are not zero, or all."""
    found = [
        (i, j, clamp(value))
        for i, row in enumerate(matrix)
        for j, value in enumerate(row)
        if value is not None and math.isfinite(value) and (zeros or value != 0)
    ]
    largest = max((abs(value) for _, _, value in found), default=1.0) or 1.0
    tops: dict[int, float] = {}
    for i, _, value in found:
        tops[i] = max(tops.get(i, 0.0), abs(value))
    tops = {i: top or 1.0 for i, top in tops.items()}
    sums: dict[int, float] = {}
    for i, _, value in found:
        # Shares of the row's largest first: the plain sum of huge or tiny figures overflows or vanishes.
        sums[i] = sums.get(i, 0.0) + abs(value) / tops[i]
    if len(found) > _MOST_CELLS:
        found = sorted(sorted(found, key=lambda cell: -abs(cell[2]))[:_MOST_CELLS])
    return [
        (i, j, value, abs(value) / tops[i] / (sums[i] or 1.0) if by_row else abs(value) / largest)
        for i, j, value in found
    ]


def _tip(names: tuple[list[str], list[str]], row: int, column: int, value: float, shade: float, *, by_row: bool) -> str:
    first = names[0][row] if row < len(names[0]) else str(row)
    second = names[1][column] if column < len(names[1]) else str(column)
    between = f"{first} → {second}: " if first or second else ""
    return f"{between}{number(value)}" + (f" ({shade:.1%} of its row)" if by_row else "")


def _column_name(text: str, x: float, y: float, *, upright: bool) -> Element:
    if not upright:
        return label(text, x, y, anchor="middle", size=11)
    inner = label(text, 0, 0, room=120, size=11)
    return h("g", inner, transform=f"translate({coordinate(x + 4)},{coordinate(y)}) rotate(-90)")


def _box(x: float, y: float, width: float, height: float, fill: str, opacity: str, tip: str = "") -> Element:
    return h(
        "rect",
        h("title", tip) if tip else None,
        x=coordinate(x),
        y=coordinate(y),
        width=coordinate(max(width, 1)),
        height=coordinate(max(height, 1)),
        rx=2 if height > 12 else None,
        fill=fill,
        fill_opacity=opacity,
    )


def _cell(x: float, y: float, side: float, shade: float, tip: str, text: str, fill: str) -> Element:
    opacity = f"{0.08 + 0.92 * min(1.0, shade):.3f}"
    box = _box(x + 0.5, y + 0.5, side - 1, side - 1, fill, opacity, tip)
    if side < 24 or text_width(text, 11) > side - 4:
        return box
    figure = h(
        "text",
        text,
        x=coordinate(x + side / 2),
        y=coordinate(y + side / 2 + 4),
        text_anchor="middle",
        font_size=11,
        fill="var(--paper,#fff)" if shade > 0.5 else "currentColor",
        pointer_events="none",
    )
    return h("g", box, figure)
