"""The first thing on the page: how much there is, what matters most, and how it is shared out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.drawing import chart, small
from modelwright.drawing import page as draw
from modelwright.drawing.axes import SPLIT_PAINTS
from modelwright.drawing.page import Element
from modelwright.prepare.divide import moments, split
from modelwright.prepare.explore import bins
from modelwright.prepare.explore.measured import paints
from modelwright.prepare.explore.view import MOST_CLASSES, View, share
from modelwright.prepare.gather.scratch import parts
from modelwright.tasks import abilities
from modelwright.tasks.modalities.series.time import in_words, length_in_words

_TIMES = 60
"""Equal stretches of time whose samples are counted."""
_READ = 200_000
"""Structured labels whose parts are counted; of more, that many evenly spaced ones are."""


def cards(view: View) -> Element:
    """Return the figures that matter."""
    counts = {name: int((view.splits == number).sum()) for number, name in enumerate(split.NAMES)}
    kept, dropped = sum(counts.values()), int(view.meta["counts"]["dropped"])
    view.figures["counts"] = {**counts, "dropped": dropped}
    kinds = len(view.kinds)
    made = _synthetic(view)
    view.figures["counts"]["synthetic"] = made
    shown = [
        ("samples", f"{kept:,}", f"{dropped:,} dropped" + (f", {made:,} synthetic" if made else "")),
        ("to train", f"{counts['train']:,}", share(counts["train"], kept)),
        ("to validate", f"{counts['validation']:,}", share(counts["validation"], kept)),
        ("to test", f"{counts['test']:,}", f"{share(counts['test'], kept)}, locked"),
        ("issues", f"{view.issues.num_rows:,}", _plural(kinds, "kind") if kinds else "nothing found"),
    ]
    if view.label_kind in {"class", "structured"} and view.classes:
        shown.insert(1, ("classes", f"{len(view.meta['classes']) or len(view.by_class):,}", ""))
    return draw.cards(shown)


def _plural(count: int, what: str) -> str:
    return f"of {count:,} {what}{'s' if count > 1 else ''}"


def _synthetic(view: View) -> int:
    return int((view.synthetic & view.kept).sum())


def sources(view: View) -> Element | None:
    """Return where the samples came from; a source that gave none (production, before there is any) is left out."""
    counted, start = np.zeros(len(view.meta["sources"]), np.int64), 0
    for piece in view.samples.pieces("source"):
        counted += np.bincount(piece.to_numpy()[view.kept[start : start + len(piece)]], minlength=len(counted))
        start += len(piece)
    rows: list[list[Any]] = [
        [each["location"], each["kind"], int(count), each["digest"][:12]]
        for each, count in zip(view.meta["sources"], counted.tolist(), strict=True)
        if count
    ]
    view.figures["sources"] = [row[:3] for row in rows]
    return draw.section("Sources", draw.table(["source", "kind", "samples", "digest"], rows))


def labels(view: View) -> list[Element]:
    """Return how the labels are spread over the splits."""
    if view.label_kind == "number":
        return _numbers(view)
    if view.label_kind == "structured":
        return _parts(view)
    if not view.by_class:
        return []
    rows: list[list[Any]] = []
    for name, places in view.by_class:
        inside = sum(np.bincount(view.splits[places[part]], minlength=3) for part in parts(len(places)))
        rows.append([name, *np.asarray(inside).tolist(), len(places)])
    view.figures["classes"] = {row[0]: dict(zip((*split.NAMES, "all"), row[1:], strict=True)) for row in rows}
    return [_classes(rows, "Samples of each class, by split.")]


def _classes(rows: list[list[Any]], caption: str, more: Element | None = None) -> Element:
    bars = [(str(row[0]), [float(count) for count in row[1:4]]) for row in rows]
    return draw.section(
        "Classes",
        draw.figure(small.stacked(bars, split.NAMES, title="Samples by class and split", paints=SPLIT_PAINTS), caption),
        draw.details(
            "As a table",
            draw.table(["class", *split.NAMES, "all"], rows[:200],
                       caption=f"the 200 largest of {len(rows):,}" if len(rows) > 200 else ""),
        ),
        more,
    )  # fmt: skip


def _numbers(view: View) -> list[Element]:
    known = view.numbers[view.kept & np.isfinite(view.numbers)]
    if not len(known):
        return []
    edges = bins.edges(known, 40, 0.0)
    series = {name: bins.counted(view.numbers[view.splits == number], edges) for number, name in view.present}
    ends = np.quantile(known, [0, 0.25, 0.5, 0.75, 1]).tolist()
    view.figures["answers"] = {"edges": edges.tolist(), "counts": series, "quantiles": ends}
    low, first, middle, third, high = (chart.number(value) for value in ends)
    return [
        draw.section(
            "Answers",
            draw.figure(
                chart.histogram(
                    edges.tolist(),
                    series,
                    x_label="answer",
                    title="Answers by split",
                    y_label="share of the split",
                    paints=paints(view),
                ),
                f"From {low} to {high}; half of them between {first} and {third}, the median is {middle}. The splits "
                "should look alike.",
            ),
        )
    ]


def _parts(view: View) -> list[Element]:
    places = view.shown(_READ)
    per: dict[int, Counter[str]] = {number: Counter() for number, _ in view.present}
    sizes: Counter[int] = Counter()
    for number, label in zip(view.splits[places].tolist(), view.samples.take("label", places).to_pylist(), strict=True):
        parts = view.parts(label)
        per[number].update(parts)
        sizes[len(parts)] += 1
    total: Counter[str] = Counter()
    for counted in per.values():
        total.update(counted)
    rows: list[list[Any]] = [
        [name, *(per.get(number, Counter())[name] for number in range(3)), count]
        for name, count in sorted(total.items(), key=lambda pair: (-pair[1], pair[0]))
    ]
    view.figures["classes"] = {row[0]: dict(zip((*split.NAMES, "all"), row[1:], strict=True)) for row in rows}
    view.figures["parts"] = {str(size): count for size, count in sorted(sizes.items())}
    of = "" if len(places) == int(view.kept.sum()) else f" Counted on {len(places):,} of the samples."
    more = draw.details("How many a sample has", draw.figure(_sizes(sizes), "Samples by how many parts they have."))
    return [_classes(rows, f"How often each class occurs, by split; a sample may have several, or none.{of}", more)]


def _sizes(sizes: Mapping[int, int]) -> Element:
    shown = sorted(sizes)[:MOST_CLASSES]
    return chart.bars([f"{size:,}" for size in shown], [sizes[size] for size in shown], title="Parts of a sample")


def times(view: View) -> list[Element]:
    """Return when the samples were taken, by split, where that is known, or columns of dates say it."""
    found = _taken(view)
    if found is None:
        return []
    seconds, splits, by = found
    known = seconds[(splits >= 0) & np.isfinite(seconds)]
    if len(known) < 2 or known.min() == known.max():
        return []
    edges = np.linspace(known.min(), known.max(), _TIMES + 1)
    dates = view.meta.get("division", {}).get("time", {}).get("form", "date") == "date"
    lines = {}
    for number, name in view.present:
        counts = np.histogram(seconds[(splits == number) & np.isfinite(seconds)], edges)[0]
        middles = (edges[:-1] + edges[1:]) / 2 * (1e9 if dates else 1)
        # A split's line ends where its samples do: zeros are drawn between them, and one at either end.
        there = np.flatnonzero(np.convolve(counts, [1, 1, 1], "same"))
        inside = slice(there[0], there[-1] + 1) if len(there) else slice(0)
        lines[name] = [(float(x), float(y)) for x, y in zip(middles[inside], counts[inside], strict=True)]
    gaps = np.diff(np.sort(known))
    view.figures["time"] = {"first": float(known.min()), "last": float(known.max()), "longest_gap": float(gaps.max())}
    whole = float(known.max() - known.min())
    gap = float(gaps.max()) / (whole or 1.0)
    read, lasting = (in_words, length_in_words) if dates else (chart.number, chart.number)
    words = (
        f"From {read(float(known.min()))} to {read(float(known.max()))}, a point each {lasting(whole / _TIMES)}. The "
        f"longest stretch without a sample is {lasting(float(gaps.max()))} ({share(gap, 1)} of the whole).{by}"
    )
    return [
        draw.section(
            "When",
            draw.figure(
                chart.lines(
                    lines, title="Samples over time", time=dates, zero=True, y_label="samples", paints=paints(view)
                ),
                words,
            ),
        )
    ]


def _taken(view: View) -> tuple[NDArray[np.float64], NDArray[np.int8], str] | None:
    """Return when samples were taken, the split of each, and by which columns, in words.

    Of rows without a time of their own at most :data:`_READ`, evenly spaced, by the columns that say it.
    """
    if "time" in view.samples.column_names:
        seconds = np.asarray(view.samples["time"].to_numpy(zero_copy_only=False), np.float64)
        joined = view.meta.get("division", {}).get("time", {}).get("joined")
        return seconds, view.splits, "" if joined is None else _by(view, joined["columns"], joined["reason"])
    if view.rows is None or not isinstance(view.modality, abilities.Tabular):
        return None
    moment = moments.told(view.rows)
    if moment is None:
        return None
    places = view.shown(_READ)
    seconds = moments.joined(moments.read(view.rows, moment.columns, places))
    sampled = "" if len(places) == int(view.kept.sum()) else f" Of {len(places):,} rows, evenly spaced."
    return seconds, view.splits[places], _by(view, moment.columns, moment.reason) + sampled


def _by(view: View, columns: Sequence[str], reason: str) -> str:
    """Say which columns tell the time, and why these; what is not used to divide the samples says so."""
    view.figures["time_by"] = list(columns)
    named = f" By {'column' if len(columns) == 1 else 'columns'} {', '.join(map(repr, columns))}: {reason}."
    if view.meta.get("division", {}).get("by") == "time":
        return named
    asked = columns[0] if len(columns) == 1 else f"[{', '.join(columns)}]"
    return f"{named} The splits are not by time; they would be with split: {{time: {asked}}}."
