"""The first thing on the page: how much there is, and how it is shared out over classes and splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from modelwright.drawing import chart
from modelwright.drawing import page as draw
from modelwright.drawing.page import Element
from modelwright.prepare import split
from modelwright.prepare.explore.view import MOST_CLASSES, View, share

_READ = 200_000
"""Structured labels whose parts are counted; of more, that many evenly spaced ones are."""


def sections(view: View) -> list[Element]:
    """Return the figures that matter, and the labels."""
    return [_cards(view), *labels(view)]


def _cards(view: View) -> Element:
    counts = {name: int((view.splits == number).sum()) for number, name in enumerate(split.NAMES)}
    kept, dropped = sum(counts.values()), int(view.meta["counts"]["dropped"])
    view.figures["counts"] = {**counts, "dropped": dropped}
    kinds = len(view.kinds)
    return draw.section(
        "Overview",
        draw.cards(
            [
                ("samples", f"{kept:,}", f"{dropped:,} dropped"),
                ("to train", f"{counts['train']:,}", share(counts["train"], kept)),
                ("to validate", f"{counts['validation']:,}", share(counts["validation"], kept)),
                ("to test", f"{counts['test']:,}", f"{share(counts['test'], kept)}, locked"),
                ("issues", f"{view.issues.num_rows:,}", f"of {kinds} kinds" if kinds else "nothing found"),
            ]
        ),
        draw.table(
            ["source", "kind", "digest"],
            [[each["location"], each["kind"], each["digest"][:12]] for each in view.meta["sources"]],
        ),
    )


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
        inside = np.bincount(view.splits[places], minlength=3).tolist()
        rows.append([name, *inside, len(places)])
    view.figures["classes"] = {row[0]: dict(zip((*split.NAMES, "all"), row[1:], strict=True)) for row in rows}
    return [
        draw.section(
            "Classes",
            draw.figure(
                chart.bars([row[0] for row in rows], [row[-1] for row in rows], title="samples per class"),
                "Kept samples.",
            ),
            draw.table(["class", *split.NAMES, "all"], rows[:200]),
        )
    ]


def _numbers(view: View) -> list[Element]:
    known = view.numbers[view.kept & np.isfinite(view.numbers)]
    if not len(known):
        return []
    edges = np.histogram_bin_edges(known, bins=30)
    series = {
        name: np.histogram(view.numbers[view.splits == number], edges)[0].tolist() for number, name in view.present
    }
    view.figures["answers"] = {"edges": edges.tolist(), "counts": series}
    return [
        draw.section(
            "Answers by split",
            draw.figure(chart.histogram(edges.tolist(), series, x_label="answer"), "The splits should look alike."),
        )
    ]


def _parts(view: View) -> list[Element]:
    places = view.some(np.flatnonzero(view.kept), _READ)
    per: dict[int, Counter[str]] = {number: Counter() for number, _ in view.present}
    sizes: Counter[int] = Counter()
    for number, label in zip(view.splits[places].tolist(), view.samples["label"].take(places).to_pylist(), strict=True):
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
    return [
        draw.section(
            "Classes",
            draw.figure(
                chart.bars([row[0] for row in rows], [row[-1] for row in rows], title="parts per class"),
                f"How often each class occurs; a sample may have several, or none.{of}",
            ),
            draw.figure(_sizes(sizes), "How many a sample has."),
            draw.table(["class", *split.NAMES, "all"], rows[:200]),
        )
    ]


def _sizes(sizes: Mapping[int, int]) -> Element:
    shown = sorted(sizes)[:MOST_CLASSES]
    return chart.bars([f"{size:,}" for size in shown], [sizes[size] for size in shown], title="Parts in a sample")
