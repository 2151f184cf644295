"""What all charts share: numbers in words, nice ticks, scales, text that fits, legends, the frame.

Everything here takes any floats. NaN and infinities never reach a coordinate: they are left out before a scale is made.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from modelwright.drawing.page import Child, Element, h
from modelwright.drawing.style import SERIES, SPLITS

FONT = 12
"""Size of text in charts, in units of the view box."""
WIDTH = 720
"""Width of the view box."""
HALF = 470
"""Width of the view box of a chart that stands beside another one: its text stays as large as elsewhere."""
LARGEST = 1e300
"""Values are kept within ±this, so that a difference of two never overflows."""
DASHES = ("", "6 3", "2 3", "9 3 2 3")


SPLIT_PAINTS = tuple(f"var(--s{index},{paint})" for index, paint in enumerate(SPLITS))
"""Colours of training, validation and test: those of no series, so that no colour means two things on a page."""


def colour(index: int) -> str:
    """Return the CSS colour of series ``index``: the page's variable, or the light colour outside a page."""
    slot = index % len(SERIES)
    return f"var(--c{slot},{SERIES[slot]})"


def painted(index: int, paints: Sequence[str] | None) -> str:
    """Return the colour of series ``index``: that of ``paints`` where these are given."""
    return paints[index % len(paints)] if paints else colour(index)


def dash(index: int) -> str | None:
    """Return the dash pattern of series ``index``, so that lines differ by more than colour."""
    return DASHES[index % len(DASHES)] or None


def finite(values: Iterable[float | None]) -> list[float]:
    """Return the finite ones among ``values``, within ±1e300."""
    return [clamp(value) for value in values if value is not None and math.isfinite(value)]


def clamp(value: float) -> float:
    """Return a finite ``value`` within ±1e300."""
    return max(-LARGEST, min(LARGEST, float(value)))


def number(value: float | None, digits: int = 4) -> str:
    """Return a number as people read it.

    Examples
    --------
    >>> [number(v) for v in (0.93456, 12345, 1234567.8, 0.0000123, float("nan"), None, -0.0)]
    ['0.9346', '12,345', '1,234,568', '1.23e-05', '–', '–', '0']
    """
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e12 or size < 1e-4:
        return f"{value:.{max(digits - 2, 0)}e}"
    if size >= 1000 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


@dataclass(frozen=True)
class Scale:
    """Values ``low..high`` along coordinates ``start..stop``."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        """Return the coordinate of ``value``, kept within the frame."""
        share = (clamp(value) - self.low) / (self.high - self.low)
        return self.start + max(0.0, min(1.0, share)) * (self.stop - self.start)


def bounds(values: Sequence[float], *, zero: bool = False) -> tuple[float, float]:
    """Return a range that holds ``values`` and is never empty; ``zero`` makes it hold 0 too."""
    kept = finite(values)
    if zero:
        kept.append(0.0)
    if not kept:
        return 0.0, 1.0
    low, high = min(kept), max(kept)
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-280):
        room = abs(high) * 0.1 or 1.0
        if zero and low == 0.0:
            return 0.0, max(high, 1.0) if high == 0 else high * 1.1
        return clamp(low - room), clamp(high + room)
    return low, high


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Return about ``wanted`` round values within ``low..high`` (steps of 1, 2, 2.5 or 5 times a power of ten).

    Examples
    --------
    >>> ticks(0, 97)
    [0.0, 20.0, 40.0, 60.0, 80.0]
    """
    raw = (high - low) / max(wanted, 1)
    if not raw > 0:
        return [low]
    power = 10.0 ** math.floor(math.log10(raw))
    if power == 0.0:
        return [low]
    step = next((factor * power for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if factor * power >= raw * 0.999), raw)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    if last - first > 4 * wanted + 4:
        return [low, high]
    digits = max(0, -math.floor(math.log10(step)) + 1)
    found = [round(index * step, digits) if digits < 300 else index * step for index in range(first, last + 1)]
    return [value for value in dict.fromkeys(found) if low - step * 1e-6 <= value <= high + step * 1e-6] or [low]


def nice(low: float, high: float, wanted: int = 5) -> tuple[float, float]:
    """Return ``low..high`` widened to whole ticks."""
    marks = ticks(low, high, wanted)
    if len(marks) < 2:
        return low, high
    step = marks[1] - marks[0]
    if not step > 0:
        return low, high
    below = marks[0] if marks[0] <= low else marks[0] - step
    above = marks[-1] if marks[-1] >= high else marks[-1] + step
    return clamp(min(below, low)), clamp(max(above, high))


_DAY = 86_400
_TIME_STEPS = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200,
    _DAY, 2 * _DAY, 3 * _DAY, 5 * _DAY, 7 * _DAY, 14 * _DAY,
)  # fmt: skip
_MONTH_STEPS = (1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200, 2400)
"""Months from one tick to the next, where days would be too many."""


def time_ticks(low: float, high: float, wanted: int = 5) -> list[tuple[float, str]]:
    """Return ``(nanoseconds, words)`` ticks for a range of nanoseconds since 1970, in UTC."""
    span = (high - low) / 1e9
    step = next((value for value in _TIME_STEPS if span / value <= wanted + 1), None)
    if step is None:
        return _month_ticks(low, high, wanted)
    form = "%H:%M:%S" if step < 60 else "%H:%M" if span < _DAY else "%d %b %H:%M" if step < _DAY else "%Y-%m-%d"
    first = math.ceil(low / 1e9 / step)
    marks = []
    for index in range(first, first + wanted + 3):
        seconds = index * step
        if seconds * 1e9 > high:
            break
        if seconds * 1e9 < low:  # of times closer than a float tells apart
            continue
        marks.append((seconds * 1e9, moment(seconds * 1e9, form)))
    return marks


def _month_ticks(low: float, high: float, wanted: int) -> list[tuple[float, str]]:
    """Return ticks at the first of months, or of years."""
    try:
        first, last = (datetime.fromtimestamp(value / 1e9, UTC) for value in (low, high))
    except (ValueError, OverflowError, OSError):
        return [(value, number(value)) for value in ticks(low, high, wanted)]
    begin, end = 12 * first.year + first.month - 1, 12 * last.year + last.month - 1
    step = next((value for value in _MONTH_STEPS if (end - begin) / value <= wanted + 1), _MONTH_STEPS[-1])
    marks = []
    for month in range(-(-begin // step) * step, end + 1, step):
        if not 12 <= month < 12 * 9999:
            continue
        at = datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC).timestamp() * 1e9
        if low <= at <= high:
            marks.append((at, moment(at, "%Y" if step % 12 == 0 else "%Y-%m")))
    return marks


def moment(nanoseconds: float, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """Return a time in UTC as words; what no calendar holds is given as a number."""
    try:
        return datetime.fromtimestamp(nanoseconds / 1e9, UTC).strftime(form)
    except (ValueError, OverflowError, OSError):
        return number(nanoseconds)


_NARROW, _BROAD = frozenset("ijlIft.,:;'|!()[]{}/\\ -"), frozenset("mwMW@%—…")


def text_width(text: str, size: float = FONT) -> float:
    """Return how wide ``text`` is drawn at most in a usual font without serifs; East Asian characters count double."""
    return size * sum(_letter(letter) for letter in text)


def _letter(letter: str) -> float:
    if letter in _NARROW:
        return 0.4
    if letter in _BROAD or unicodedata.east_asian_width(letter) in "WF":
        return 1.0
    return 0.72 if letter.isupper() else 0.63


def shorten(text: str, room: float, size: float = FONT) -> str:
    """Return ``text``, cut with an ellipsis if it is wider than ``room``; line breaks become spaces."""
    text = " ".join(text.split()) or " "
    if text_width(text, size) <= room:
        return text
    used, kept = size * 0.8, []
    for letter in text[:400]:
        used += text_width(letter, size)
        if used > room:
            break
        kept.append(letter)
    return "".join(kept).rstrip() + "…"


def svg(width: float, height: float, label: str, *children: Child) -> Element:
    """Return an ``<svg>`` with an accessible name."""
    return h(
        "svg",
        h("title", label),
        children,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width:g} {height:g}",
        width=f"{width:g}",
        height=f"{height:g}",
        role="img",
        aria_label=label,
        font_size=FONT,
        font_family="system-ui, sans-serif",
    )


def label(
    text: str, x: float, y: float, *, room: float = 1e9, anchor: str = "start", soft: bool = True, size: float = FONT
) -> Element:
    """Return a text at ``(x, y)`` (baseline), cut to ``room``; the whole text is its tooltip where it was cut."""
    shown = shorten(text, room, size)
    return h(
        "text",
        shown,
        h("title", text) if shown != text else None,
        x=_c(x),
        y=_c(y),
        text_anchor=anchor,
        fill="var(--soft,#5d646f)" if soft else "currentColor",
        font_size=size if size != FONT else None,
    )


def line(
    x1: float,
    y1: float,
    x2: float,
    y2: float,
    *,
    stroke: str = "var(--grid,#e9ebee)",
    width: float = 1,
    dashed: str | None = None,
    opacity: str | None = None,
) -> Element:
    """Return a straight line."""
    return h(
        "line",
        x1=_c(x1),
        y1=_c(y1),
        x2=_c(x2),
        y2=_c(y2),
        stroke=stroke,
        stroke_width=width,
        stroke_dasharray=dashed,
        stroke_opacity=opacity,
        stroke_linecap="round" if width > 2 else None,
    )


def _c(value: float) -> str:
    """Write a coordinate with at most two decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


coordinate = _c


@dataclass(frozen=True)
class Frame:
    """The plotting area of a chart with two numeric axes."""

    x: Scale
    y: Scale
    elements: tuple[Element, ...]
    width: float
    height: float


def frame(
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    *,
    top: float,
    height: float = 260,
    x_label: str = "",
    y_label: str = "",
    x_ticks: Sequence[tuple[float, str]] | None = None,
    width: float = WIDTH,
) -> Frame:
    """Lay out axes: ticks with round numbers, a light grid, labels; ``top`` is where the legend ends."""
    y_low, y_high = nice(*y_range)
    y_marks = [(value, tick_text(value, y_high - y_low)) for value in ticks(y_low, y_high)]
    left = max(34.0, *(text_width(text) for _, text in y_marks)) + 12
    above = top + (18 if y_label else 6)
    bottom = above + height
    x = Scale(*x_range, left, width - 16)
    y = Scale(y_low, y_high, bottom, above)
    parts: list[Element] = []
    if y_label:
        parts.append(label(y_label, left - 8 if left < 60 else 0, top + 8, room=width - left))
    for value, text in y_marks:
        parts.append(line(left, y(value), width - 16, y(value)))
        parts.append(label(text, left - 8, y(value) + 4, anchor="end"))
    marks = x_ticks if x_ticks is not None else [(v, tick_text(v, x_range[1] - x_range[0])) for v in ticks(*x_range, 7)]
    parts.append(line(left, bottom, width - 16, bottom, stroke="var(--soft,#5d646f)"))
    reached = -1e9
    for value, text in marks:
        place, half = x(value), text_width(text) / 2
        if place - half < reached + 6:
            continue
        reached = place + half
        parts.append(line(place, bottom, place, bottom + 4, stroke="var(--soft,#5d646f)"))
        parts.append(label(text, min(place, width - 2 - half), bottom + 18, anchor="middle"))
    if x_label:
        parts.append(label(x_label, width - 16, bottom + 36, anchor="end", room=width - left))
    return Frame(x, y, tuple(parts), width, bottom + (44 if x_label else 26))


def tick_text(value: float, span: float) -> str:
    """Return a tick in as many decimals as its neighbours need."""
    if value == 0:
        return "0"
    if abs(value) >= 1e6 or (abs(value) < 1e-4 and span < 1e-3):
        return f"{value:.3g}"
    if abs(value) >= 1000 and value == int(value):
        return f"{value:,.0f}"
    if span <= 0 or span > 1e6:
        return number(value)
    decimals = max(0, min(9, 2 - math.floor(math.log10(span))))
    shown = f"{value:,.{decimals}f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def legend(
    names: Sequence[str],
    top: float = 4,
    *,
    dashed: bool = False,
    width: float = WIDTH,
    paints: Sequence[str] | None = None,
) -> tuple[list[Element], float]:
    """Return the legend and the height it ends at; one series needs none. ``paints``: their colours, if not ours."""
    if len(names) < 2:
        return [], top
    parts: list[Element] = []
    x, y = 2.0, top + 10
    for index, name in enumerate(names):
        shown = shorten(name, 180)
        room = 26 + text_width(shown) + 16
        if x + room > width and x > 2:
            x, y = 2.0, y + 18
        paint = painted(index, paints)
        if dashed:
            parts.append(line(x, y - 4, x + 20, y - 4, stroke=paint, width=2.5, dashed=dash(index)))
        else:
            parts.append(h("rect", x=_c(x + 4), y=_c(y - 9), width=11, height=11, rx=2, fill=paint))
        parts.append(label(name, x + 26, y, room=180))
        x += room
    return parts, y + 10


def empty(title: str) -> Element:
    """Return what stands where there is nothing to draw."""
    return svg(WIDTH, 64, title or "empty chart", label("Nothing to draw yet.", WIDTH / 2, 36, anchor="middle"))
