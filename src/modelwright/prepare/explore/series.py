"""Series: samples of each class, their mean course, spectra, channels, times, and what is odd in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.drawing import chart, matrix, small
from modelwright.drawing import page as draw
from modelwright.drawing.axes import HALF, WIDTH
from modelwright.drawing.coverage import coverage
from modelwright.drawing.page import Element
from modelwright.drawing.traces import traces
from modelwright.prepare.explore import bins
from modelwright.prepare.explore.associations import correlation_ratio
from modelwright.prepare.explore.found import Found
from modelwright.prepare.explore.looks import Gauge, Pictures
from modelwright.prepare.explore.measured import usual
from modelwright.prepare.explore.view import View, clip
from modelwright.tasks.base import Arrays
from modelwright.tasks.modalities.series import sketch as series_sketch
from modelwright.tasks.modalities.series.modality import Series
from modelwright.tasks.modalities.series.time import CALENDAR, in_words, length_in_words

_CLASSES = 8
_CHANNELS = 8
_SKETCHES = 4000
_DECODED = 160
"""Samples read again for spectra and correlations, all classes together."""
_LINES = 40
"""Recordings whose times are drawn."""
_FRAME = 64


def picture(raw: bytes, schema: Mapping[str, Any], side: int) -> Any:
    """Return a sequence's channels as lines: a ``PIL.Image`` of ``side`` × ``side / 2`` pixels.

    Raises
    ------
    UndecodableError
        If the bytes are no sequence.
    """
    values = Series().decode(raw, schema)["values"][0]
    scale = [(float(channel["low"]), float(channel["high"])) for channel in schema.get("channels", ())] or None
    return traces(values, side, max(side // 2, 8), scale)


def of_sketch(sketch: NDArray[np.uint8], side: int) -> Any:
    """Return the shapes of a sketch as lines, square."""
    _, shapes = series_sketch.courses(sketch[None])
    moving = shapes[0][:, np.any(shapes[0] != 0, axis=0)]
    return traces(moving if moving.size else shapes[0][:, :1], side, side, [(-2.5, 2.5)] * max(moving.shape[1], 1))


_SAYS = {
    "mean": Gauge("", "mean value"),
    "std": Gauge("", "how far the values lie around their mean (standard deviation)"),
    "min": Gauge("", "smallest value"),
    "max": Gauge("", "largest value"),
    "missing": Gauge("%", "of the values are missing"),
    "stuck": Gauge("%", "of the values are in the longest run of one value"),
}


def gauge(measure: str) -> Gauge | None:
    """Return how a measure is read: of a channel (``std of flow``), or of the whole sequence."""
    whole = {"length": Gauge("steps", "how long"), "step": Gauge("s", "usual time from step to step")}
    return whole.get(measure) or _SAYS.get(measure.partition(" of ")[0])


PICTURES = Pictures(picture, of_sketch, gauge=gauge)


def sections(view: View) -> list[Element]:
    """Return samples of each class, mean courses, spectra, correlations, measures, times, and the oddities as plots."""
    names = [str(channel["name"]) for channel in view.schema["input"]["channels"]]
    decoded = _decoded(view)
    found = (
        _sheet(view),
        _courses(view, names),
        _spectra(view, names, decoded),
        _together(view, names, decoded),
        _measured(view),
        _times(view),
        _oddities(view),
    )
    return [part for part in found if part is not None]


def _decoded(view: View) -> list[tuple[int, Arrays]]:
    """Return samples of all classes, evenly spaced, with the number of their class."""
    groups = view.groups[:_CLASSES]
    each = max(4, _DECODED // max(len(groups), 1))
    made = []
    for number, (_, places) in enumerate(groups):
        for place in view.some(places, each).tolist():
            arrays = view.decoded(place)
            if arrays is not None:
                made.append((number, arrays))
    return made


def _sheet(view: View) -> Element | None:
    groups = view.groups[:_CLASSES]
    if not groups:
        return None
    each = max(4, min(12, 72 // len(groups)))
    parts: list[Any] = []
    for name, places in groups:
        shown = [
            (drawn, clip(view.path(place).rpartition("/")[2], 24))
            for place in view.some(places, each).tolist()
            if (drawn := view.small(place, 220)) is not None
        ]
        parts.extend([draw.h("h3", f"{name} ", draw.h("small", f"{len(places):,}")), draw.gallery(shown, width=220)])
    channels = [clip(str(channel["name"]), 30) for channel in view.schema["input"]["channels"]][:_CHANNELS]
    legend = small.swatches(channels)
    return draw.section("Samples of each class" if view.classes else "Samples", legend, *parts)


def _courses(view: View, names: Sequence[str]) -> Element | None:
    """Draw the mean course of each class, with the range of eight tenths of its samples, channel by channel."""
    places = view.some(np.flatnonzero(view.kept), _SKETCHES)
    found = view.sketches(places)
    if found is None or len(found[0]) < 8:
        return None
    codes = view.group_codes[places[found[0]]]
    courses, _ = series_sketch.courses(found[1])
    drawn = []
    x = (np.arange(series_sketch.PARTS) + 0.5) / series_sketch.PARTS * 100
    wide = HALF if min(courses.shape[2], len(names)) > 1 else WIDTH
    for channel in range(min(courses.shape[2], len(names))):
        lines, bands = {}, {}
        for number, (name, _) in enumerate(view.groups[:_CLASSES]):
            mine = courses[codes == number, :, channel]
            if len(mine) < 2:
                continue
            low, high = np.quantile(mine, [0.1, 0.9], axis=0)
            label = clip(name, 30)
            lines[label] = list(zip(x.tolist(), mine.mean(0).tolist(), strict=True))
            bands[label] = list(zip(x.tolist(), low.tolist(), high.tolist(), strict=True))
        if lines:
            figure = chart.lines(
                lines, title=names[channel], x_label="% of the sample", y_label=names[channel], bands=bands,
                width=wide,
            )  # fmt: skip
            drawn.append(draw.figure(figure, ""))
            view.figures.setdefault("courses", {})[names[channel]] = {
                name: [round(y, 6) for _, y in points] for name, points in lines.items()
            }
    if not drawn:
        return None
    words = "Mean course of each class from start to end, whatever the length, and the range of eight tenths of it."
    return draw.section("Course", draw.h("p", words, class_="muted"), draw.columns(*drawn))


def _spectra(view: View, names: Sequence[str], decoded: Sequence[tuple[int, Arrays]]) -> Element | None:
    """Draw each class's mean spectrum (Welch 1967) of each channel, on logarithmic axes."""
    frame = min(_FRAME, 1 << max(2, int(np.median([a["values"].shape[1] for _, a in decoded] or [4])).bit_length() - 1))
    step = view.schema["input"].get("step")
    groups = view.groups[:_CLASSES]
    drawn = []
    for channel, name in enumerate(names[:_CHANNELS]):
        lines = {}
        for number, (group, _) in enumerate(groups):
            powers = [_power(a["values"][0, :, channel], frame) for code, a in decoded if code == number]
            usable = [power for power in powers if power is not None]
            if len(usable) >= 2:
                mean = np.mean(usable, 0)
                bins = np.arange(1, frame // 2 + 1) / frame
                frequency = bins / step if step else bins
                level = np.log10(mean + 1e-12)
                lines[clip(group, 30)] = list(zip(frequency.tolist(), level.tolist(), strict=True))
        if lines:
            unit = "frequency, Hz" if step else "frequency, 1 / step"
            figure = chart.lines(
                lines, title=f"Spectrum of {name}", x_label=unit, y_label=f"{name}: log10 power", width=HALF
            )
            drawn.append(draw.figure(figure, ""))
    if not drawn:
        return None
    words = f"Power by frequency, without the mean, over windows of {frame} steps: what swings how fast in each class."
    return draw.section("Spectra", draw.h("p", words, class_="muted"), draw.columns(*drawn))


def _power(column: NDArray[np.float32], frame: int) -> NDArray[np.float64] | None:
    known = np.isfinite(column)
    if known.sum() < 4 or len(column) < frame:
        return None
    filled = np.interp(np.arange(len(column)), np.flatnonzero(known), column[known].astype(np.float64))
    filled -= filled.mean()
    starts = range(0, len(filled) - frame + 1, max(1, frame // 2))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(frame) + 0.5) / frame)
    window /= np.sqrt((window**2).sum())
    pieces = np.stack([filled[start : start + frame] * window for start in starts])
    power: NDArray[np.float64] = (np.abs(np.fft.rfft(pieces, axis=1)[:, 1 : frame // 2 + 1]) ** 2).mean(0)
    return power


def _together(view: View, names: Sequence[str], decoded: Sequence[tuple[int, Arrays]]) -> Element | None:
    """Draw the correlations of channels: within samples (what moves together), and of their means (what goes along)."""
    shown = list(names[:24])
    if len(shown) < 2 or len(decoded) < 4:
        return None
    within, means = [], []
    for _, arrays in decoded:
        values = arrays["values"][0][:, : len(shown)].astype(np.float64)
        middle = np.array(
            [column[np.isfinite(column)].mean() if np.isfinite(column).any() else np.nan for column in values.T]
        )
        means.append(middle)
        centred = np.where(np.isfinite(values), values - middle, 0.0)
        scale = np.sqrt((centred**2).sum(0))
        with np.errstate(invalid="ignore", divide="ignore"):
            within.append((centred.T @ centred) / np.outer(scale, scale))
    stacked = np.stack(within)
    there = np.isfinite(stacked)
    inside = np.where(there, stacked, 0.0).sum(0) / np.maximum(there.sum(0), 1)
    table = np.stack(means)
    table = table[np.isfinite(table).all(1)]
    std = table.std(0) if len(table) > 3 else np.zeros(len(shown))
    across = (
        np.where(np.outer(std, std) > 0, np.corrcoef(table[:, :], rowvar=False), np.nan) if (std > 0).all() else None
    )
    drawn = [draw.figure(_heat(inside, shown, "within samples"), "Within samples: what moves together, on average.")]
    if across is not None:
        drawn.append(draw.figure(_heat(across, shown, "of their means"), "Of samples' means: what is high together."))
    view.figures["correlations"] = {"within": np.round(inside, 4).tolist(), "channels": shown}
    return draw.section("Channels together", draw.columns(*drawn))


def _heat(figures: NDArray[np.float64], names: Sequence[str], title: str) -> Element:
    rows = [[None if not np.isfinite(value) else round(float(value), 2) for value in row] for row in figures]
    labels = [clip(name, 24) for name in names]
    return matrix.heatmap(
        rows, labels, labels, title=f"Correlations {title}", row_title="", column_title="", by_row=False, signed=True,
        wide=HALF,
    )  # fmt: skip


def _measured(view: View) -> Element | None:
    tiles: list[tuple[float, Element]] = []
    codes = view.group_codes.astype(np.int64)
    for name in view.measures:
        values = view.measure(name)
        kept = values[view.kept & np.isfinite(values)]
        if len(kept) < 2 or float(kept.min()) == float(kept.max()) or len(tiles) == 48:
            continue
        edges, read = bins.edges(kept), view.gauge(name)
        counts = {
            group: bins.counted(values[(codes == number) & view.kept], edges)
            for number, (group, _) in enumerate(view.groups[:_CLASSES])
        }
        told = correlation_ratio(np.where(view.kept, values, np.nan), codes) if len(view.groups) > 1 else float("nan")
        words = usual(read, kept)
        if told >= 0.5:
            words += f"; it alone tells {told**2:.0%} of the classes apart"
        plot = small.tile(edges.tolist(), counts, title=name, ends=bins.ends(edges), unit=read.unit)
        tiles.append((told if np.isfinite(told) else 0.0, draw.h("div", draw.h("h3", clip(name, 60)),
                      draw.h("p", read.says, class_="muted") if read.says else None, draw.h("p", words), plot,
                      class_="tile")))  # fmt: skip
    if not tiles:
        return None
    tiles.sort(key=lambda pair: -pair[0])
    legend = small.swatches([clip(group, 30) for group, _ in view.groups[:_CLASSES]]) if len(view.groups) > 1 else None
    return draw.section("What they are like", legend, draw.h("div", [tile for _, tile in tiles], class_="tiles"))


def _times(view: View) -> Element | None:
    """Draw which stretches of time the recordings cover."""
    places = view.some(np.flatnonzero(view.kept), 600)
    spans: dict[str, list[tuple[float, float]]] = {}
    for place in places.tolist():
        arrays = view.decoded(place)
        if arrays is None or "time" not in arrays:
            return None
        time = arrays["time"][0]
        known = time[np.isfinite(time)]
        if len(known):
            name = view.path(place).partition("#")[0]
            spans.setdefault(name, []).append((float(known.min()), float(known.max())))
    if not spans:
        return None
    rows = sorted(((name, each) for name, each in spans.items()), key=lambda pair: min(pair[1]))
    marks = _marks(view)
    first, last = min(min(each)[0] for _, each in rows), max(max(end for _, end in each) for _, each in rows)
    view.figures["times"] = {"first": first, "last": last, "recordings": len(rows)}
    drawn = coverage(rows[:_LINES], marks, title="Times that are covered", calendar=first >= CALENDAR)
    words = (
        f"{len(rows):,} recordings from {in_words(first)} to {in_words(last)}, {length_in_words(last - first)}. "
        "A bar is a sample (at most 600 are drawn); what is between bars is not covered."
    )
    return draw.section("Times", draw.figure(drawn, words))


def _marks(view: View) -> dict[str, list[tuple[float, str, str]]]:
    """Return by recording ``(moment, kind, words)`` of what is odd about its times."""
    made: dict[str, list[tuple[float, str, str]]] = {}
    for each in _found(view, ("gap", "backward-time", "repeated-time")):
        name = each.path.partition("#")[0]
        marks = made.setdefault(name, [])
        evidence = each.evidence
        for step, before in evidence.get("longest", ())[:8]:
            marks.append((float(before), "gap", f"gap of {length_in_words(step)} after {in_words(before)}"))
        if each.kind == "backward-time":
            marks.extend((float(old), each.kind, f"back from {in_words(old)} to {in_words(new)}") for old, new in
                         evidence.get("first", ()))  # fmt: skip
        if each.kind == "repeated-time":
            marks.extend(
                (float(moment), each.kind, f"{in_words(moment)} again") for moment in evidence.get("first", ())
            )
    return made


def _found(view: View, kinds: Sequence[str]) -> Iterator[Found]:
    present = {kind for kind, _ in view.kinds}
    for kind in kinds:
        if kind in present:
            yield from view.found(12, kind=kind)


def _oddities(view: View) -> Element | None:
    """Draw the samples with stuck or constant channels, odd lengths and rates."""
    shown: list[tuple[bytes, str]] = []
    for each in _found(view, ("stuck-sensor", "odd-length", "odd-rate", "constant-channel")):
        if each.place < 0 or len(shown) == 12:
            continue
        drawn = view.small(each.place, 260)
        if drawn is not None:
            shown.append((drawn, clip(each.message, 110)))
    told = [each.message for each in _found(view, ("gap", "backward-time", "repeated-time", "irregular-step"))]
    if not shown and not told:
        return None
    listed = draw.h("ul", [draw.h("li", words) for words in told[:20]]) if told else None
    return draw.section("Clocks and sensors", listed, draw.gallery(shown, width=260) if shown else None)


__all__ = ["PICTURES", "of_sketch", "picture", "sections"]
