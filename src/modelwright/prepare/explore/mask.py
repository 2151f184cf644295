"""Masks: laid over their pictures, how much of the pictures each class takes, where it lies, and the worst ones."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.drawing import chart, matrix
from modelwright.drawing import page as draw
from modelwright.drawing.axes import HALF
from modelwright.drawing.page import Element
from modelwright.errors import ModelwrightError
from modelwright.prepare.explore.boxes import MOST_READ, PALETTE, wide
from modelwright.prepare.explore.view import View, clip, jpeg
from modelwright.tasks.targets.mask import IGNORED

_SHOWN = 12
_SIDE = 280
_WORST = 9
_CLASSES = 12
_MAPPED = 300
"""Masks that are opened to see where classes lie."""
_GRID = 12
_KINDS = ("wrong-size-mask", "soft-mask", "unknown-mask-value", "empty-mask")
_STRENGTH = 0.5


def sections(view: View) -> list[Element]:
    """Return pictures under their masks, the classes' shares, and the masks with problems."""
    places = view.some(np.flatnonzero(view.kept), MOST_READ)
    labels = {place: label for place in places.tolist() if (label := _read(view.label(place))) is not None}
    pixels: dict[str, int] = {}
    for label in labels.values():
        for name, count in label["classes"].items():
            pixels[name] = pixels.get(name, 0) + count
    names = sorted(pixels, key=lambda name: (-pixels[name], name))
    if not names:
        return []
    # What takes the most room, mostly the background, stays as it is: colour is for the rest.
    paints = {name: PALETTE[number % len(PALETTE)] for number, name in enumerate(names[1:] or names)}
    parts = [_sheet(view, labels, paints), _shares(view, labels, names, pixels), _worst(view, paints)]
    return [part for part in parts if part is not None]


def _read(label: str | None) -> dict[str, Any] | None:
    made: dict[str, Any] | None = None if label is None else json.loads(label)
    return made


def opened(view: View, label: Mapping[str, Any]) -> NDArray[np.uint8] | None:
    """Return ``(h, w)`` places in the label's names, or None if the store has lost the mask."""
    from PIL import Image

    try:
        data = view.store.objects.get(label["mask"])
        return np.asarray(Image.open(io.BytesIO(data)))
    except (ModelwrightError, OSError, ValueError):
        return None


def overlaid(view: View, place: int, label: Mapping[str, Any], paints: Mapping[str, Any]) -> bytes | None:
    """Return a picture with its classes tinted, as JPEG; None if either cannot be looked at, or the budget is spent."""
    from PIL import Image

    if view.left <= 0:
        return None
    picture = view.picture(place, _SIDE)
    mask = opened(view, label)
    if picture is None or mask is None:
        return None
    pixels = np.asarray(picture.convert("RGB")).astype(np.float32)
    small = np.asarray(Image.fromarray(mask).resize((pixels.shape[1], pixels.shape[0]), Image.Resampling.NEAREST))
    for number, name in enumerate(label["names"]):
        inside = small == number
        if name in paints and inside.any():
            pixels[inside] = (1 - _STRENGTH) * pixels[inside] + _STRENGTH * np.array(paints[name], np.float32)
            pixels[_edge(inside)] = paints[name]
    ignored = small == IGNORED
    pixels[ignored] = pixels[ignored] * 0.3
    return view.spend(jpeg(Image.fromarray(pixels.astype(np.uint8))))


def _edge(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels of an area that touch what is not of it."""
    padded = np.pad(inside, 1, mode="edge")
    core = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return inside & ~core


def _sheet(view: View, labels: Mapping[int, dict[str, Any]], paints: Mapping[str, Any]) -> Element | None:
    chosen: dict[int, None] = {}
    holders = [[place for place, label in labels.items() if name in label["classes"]] for name in list(paints)[:_SHOWN]]
    for turn in range(_SHOWN):
        for mine in holders:
            if len(chosen) < _SHOWN and mine:
                chosen[mine[min(turn * len(mine) // max(_SHOWN // len(holders), 1), len(mine) - 1)]] = None
    shown = [
        (data, clip(view.path(place).rpartition("/")[2], 40))
        for place in chosen
        if (data := overlaid(view, place, labels[place], paints)) is not None
    ]
    if not shown:
        return None
    words = ", ".join(f"{name} {_colour(paint)}" for name, paint in list(paints.items())[:10])
    return draw.section("Masks on the pictures", draw.h("p", f"Tinted: {words}.", class_="muted"),
                        wide(shown))  # fmt: skip


def _colour(paint: tuple[int, int, int]) -> str:
    words = ("red", "blue", "green", "yellow", "violet", "turquoise", "pink", "brown", "light green", "indigo")
    return words[PALETTE.index(paint)]


def _shares(
    view: View, labels: Mapping[int, dict[str, Any]], names: Sequence[str], pixels: Mapping[str, int]
) -> Element:
    total = sum(pixels.values())
    rows: list[list[Any]] = []
    drawn: list[Element] = []
    for name in names[:200]:
        mine = np.array(
            [label["classes"].get(name, 0) / max(sum(label["classes"].values()), 1) for label in labels.values()]
        )
        there = mine > 0
        rows.append(
            [
                name,
                f"{pixels[name] / total:.2%}",
                int(there.sum()),
                f"{np.median(mine[there]):.2%}" if there.any() else "",
            ]
        )
        if len(drawn) < _CLASSES and name in list(names)[1 : _CLASSES + 1]:
            edges = np.linspace(0, max(float(mine.max()), 1e-3), 21)
            counts = np.histogram(mine, edges)[0].tolist()
            ticks = [(float(at), f"{at:.0%}" if edges[-1] >= 0.04 else f"{at:.2%}") for at in edges[::4]]
            plot = chart.histogram(edges.tolist(), {name: counts}, x_label="of the picture", x_ticks=ticks,
                                   y_label="share of the pictures", width=HALF)  # fmt: skip
            drawn.append(draw.figure(plot, f"How much of a picture is {clip(name, 40)}."))
    empty = sum(len(label["classes"]) < 2 for label in labels.values())
    view.figures["masks"] = {
        "pictures": len(labels),
        "empty": empty,
        "pixels": {name: pixels[name] for name in names},
    }
    maps = _maps(view, labels, names)
    return draw.section(
        "What the masks are like",
        draw.table(["class", "of all pixels", "pictures with it", "median share there"], rows,
                   caption=f"Pixels by class; {empty:,} of {len(labels):,} masks are of one class alone."),
        draw.columns(*drawn) if drawn else None,
        draw.h("h3", "Where the classes lie") if maps else None,
        draw.columns(*maps) if maps else None,
    )  # fmt: skip


def _maps(view: View, labels: Mapping[int, dict[str, Any]], names: Sequence[str]) -> list[Element]:
    """Draw, for each class but the largest, how often each part of the picture is of it."""
    from PIL import Image

    wanted = list(names)[1 : _CLASSES + 1]
    sums = {name: np.zeros((_GRID, _GRID)) for name in wanted}
    count = 0
    for place in view.some(np.array(list(labels), np.int64), _MAPPED).tolist():
        label = labels[place]
        mask = opened(view, label)
        if mask is None:
            continue
        count += 1
        for number, name in enumerate(label["names"]):
            if name in sums and name in label["classes"]:
                inside = Image.fromarray((mask == number).astype(np.uint8) * 255)
                sums[name] += np.asarray(inside.resize((_GRID, _GRID), Image.Resampling.BOX), np.float64) / 255
    blank = [""] * _GRID
    return [
        draw.figure(
            matrix.heatmap((100 * sums[name] / count).round(1).tolist(), blank, blank, row_title="", column_title="",
                           by_row=False, wide=HALF),
            f"{clip(name, 40)}: percent of {count:,} masks that are of it there.",
        )
        for name in wanted
        if count and sums[name].any()
    ]  # fmt: skip


def _worst(view: View, paints: Mapping[str, Any]) -> Element | None:
    shown: list[tuple[bytes, str]] = []
    for kind in _KINDS:
        for each in view.found(3, kind=kind):
            label = _read(view.label(each.place)) if each.place >= 0 else None
            if label is None or len(shown) >= _WORST:
                continue
            data = overlaid(view, each.place, label, paints)
            if data is not None:
                name = each.path.rpartition("/")[2]
                words = each.message.partition(": ")[2]
                shown.append((data, clip(f"{each.kind} ({each.decision}): {name}, {words}", 180)))
    return draw.section("Masks with problems", wide(shown)) if shown else None
