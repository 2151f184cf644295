"""Boxes: drawn on their pictures, how large they are and where they lie, how many a picture has, and the worst ones."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.drawing import chart, matrix
from modelwright.drawing import page as draw
from modelwright.drawing.axes import HALF
from modelwright.drawing.page import Element
from modelwright.prepare.explore.found import Found
from modelwright.prepare.explore.view import View, clip, jpeg

MOST_READ = 20_000
"""Pictures whose boxes are counted; of more, an even sample."""
PALETTE = (
    (230, 80, 60), (40, 140, 220), (60, 170, 80), (220, 160, 30), (150, 90, 200), (20, 170, 170), (220, 90, 160),
    (130, 110, 80), (120, 190, 40), (90, 100, 230),
)  # fmt: skip
"""Colours of classes, the most frequent first; later ones begin again."""
_SHOWN = 12
_NAMED = 4
"""Classes that a picture's caption counts."""
_SIDE = 320
_WORST = 18
_CLASSES = 12
_GRID = 10
_SIZES = {2.0 ** (-half / 2): f"{100 / 2 ** (half / 2):.2g}%" for half in range(21)}
_SHAPES = {
    1 / 16: "1:16", 1 / 8: "1:8", 1 / 4: "1:4", 1 / 2: "1:2", 1 / 1.5: "2:3", 1.0: "1:1", 1.5: "3:2", 2.0: "2:1",
    4.0: "4:1", 8.0: "8:1", 16.0: "16:1",
}  # fmt: skip
_MANY = ("mislabelled", "overlooked-box", "misplaced-box")
"""Kinds of which six are shown, of the others three."""
_KINDS = (
    "conflicting-boxes", "inverted-box", "zero-area-box", "outside-box", "duplicate-box", "tiny-box",
)  # fmt: skip

Boxes = list[dict[str, Any]]


def sections(view: View) -> list[Element]:
    """Return the pictures with their boxes, the figures about boxes, and the boxes with problems."""
    places = view.some(np.flatnonzero(view.kept), MOST_READ)
    labels = {place: read(view.label(place)) for place in places.tolist()}
    counts: dict[str, int] = {}
    for boxes in labels.values():
        for box in boxes:
            counts[box["class"]] = counts.get(box["class"], 0) + 1
    names = sorted(counts, key=lambda name: (-counts[name], name))
    if not names:
        return []
    paints = {name: PALETTE[number % len(PALETTE)] for number, name in enumerate(names)}
    parts = [_sheet(view, labels, names, paints), _figures(view, labels, names, counts), _worst(view, paints)]
    return [part for part in parts if part is not None]


def read(label: str | None) -> Boxes:
    """Return the boxes of a label; none for no label."""
    made: Boxes = [] if label is None else json.loads(label)
    return made


def _sheet(view: View, labels: Mapping[int, Boxes], names: Sequence[str], paints: Mapping[str, Any]) -> Element | None:
    """Show pictures so that every one of the frequent classes, and a picture with nothing, is seen."""
    chosen: dict[int, None] = {}
    holders = {name: [place for place, boxes in labels.items() if any(b["class"] == name for b in boxes)]
               for name in names[:_SHOWN]}  # fmt: skip
    empty = [place for place, boxes in labels.items() if not boxes]
    for turn in range(3):
        for mine in [*holders.values(), empty[:1]]:
            free = [place for place in mine if place not in chosen]
            if free and len(chosen) < _SHOWN:
                chosen[free[(turn + 1) * len(free) // 4]] = None
    shown = []
    for place in chosen:
        data = with_boxes(view, place, labels[place], paints)
        if data is not None:
            shown.append((data, f"{_counted(labels[place])}: {clip(view.path(place).rpartition('/')[2], 40)}"))
    if not shown:
        return None
    more = len(names) - len(PALETTE)
    again = f"{more:,} further classes have these colours again: the captions say which classes are on a picture."
    return draw.section(
        "Boxes on the pictures",
        _legend(names[: len(PALETTE)], paints),
        draw.h("p", again, class_="muted") if more > 0 else None,
        wide(shown),
    )


def _counted(boxes: Boxes) -> str:
    """Say how many boxes of each class there are, the most frequent first."""
    if not boxes:
        return "no boxes"
    most = Counter(box["class"] for box in boxes).most_common()
    rest = sum(count for _, count in most[_NAMED:])
    named = [f"{count:,} {clip(name, 24)}" for name, count in most[:_NAMED]]
    return ", ".join([*named, f"{rest:,} more"] if rest else named)


def wide(pictures: Sequence[tuple[bytes, str]]) -> Element:
    """Return pictures large enough to see what is drawn on them, each above its caption."""
    return draw.gallery(pictures, width=_SIDE)


def _legend(names: Sequence[str], paints: Mapping[str, tuple[int, int, int]]) -> Element:
    """Return the classes in the colours that their boxes have."""
    return draw.h(
        "p",
        [
            draw.h(
                "span",
                draw.h("svg", draw.h("rect", width=11, height=11, rx=2, fill="#%02x%02x%02x" % paints[name]),  # noqa: UP031
                       width=11, height=11, viewBox="0 0 11 11", aria_hidden="true"),
                clip(name, 40),
                class_="swatch",
            )
            for name in names
        ],
        class_="swatches",
    )  # fmt: skip


def with_boxes(
    view: View,
    place: int,
    boxes: Sequence[Mapping[str, Any]],
    paints: Mapping[str, tuple[int, int, int]],
    *,
    marked: Sequence[Mapping[str, Any]] = (),
    better: Sequence[Mapping[str, Any]] = (),
) -> bytes | None:
    """Return a picture with boxes and outlines on it, as JPEG; ``marked`` ones thick and red, ``better`` ones green.

    None if the picture cannot be looked at, or the page's budget is spent.
    """
    from PIL import ImageDraw

    if view.left <= 0:
        return None
    picture = view.picture(place, _SIDE)
    if picture is None:
        return None
    picture = picture.convert("RGB")
    scale = picture.width / max(_side(view, "width", place), 1.0)
    canvas = ImageDraw.Draw(picture)
    for box in boxes:
        paint = paints.get(box["class"], PALETTE[0])
        _draw(canvas, box, scale, paint, 2)
        for ring in box.get("polygons", ()):
            points = [(x * scale, y * scale) for x, y in ring]
            canvas.line([*points, points[0]], fill=paint, width=1)
    for box in marked:
        _draw(canvas, box, scale, (255, 255, 255), 5)
        _draw(canvas, box, scale, (220, 0, 60), 3)
    for box in better:
        _draw(canvas, box, scale, (255, 255, 255), 4)
        _draw(canvas, box, scale, (0, 150, 70), 2)
    return view.spend(jpeg(picture))


def _side(view: View, name: str, place: int) -> float:
    return float(view.samples[f"measure.{name}"][place].as_py() or 0) if name in view.measures else 0.0


def _draw(canvas: Any, box: Mapping[str, Any], scale: float, paint: tuple[int, int, int], width: int) -> None:
    left, right = sorted((box["x"] * scale, (box["x"] + box["width"]) * scale))
    top, bottom = sorted((box["y"] * scale, (box["y"] + box["height"]) * scale))
    if right - left < width and bottom - top < width:  # a point: seen as a ring around it
        left, top, right, bottom = left - 6, top - 6, right + 6, bottom + 6
    canvas.rectangle([left, top, right, bottom], outline=paint, width=width)


# ---------------------------------------------------------------------- figures


def _figures(view: View, labels: Mapping[int, Boxes], names: Sequence[str], counts: Mapping[str, int]) -> Element:
    table = _table(view, labels)
    many = np.array([len(boxes) for boxes in labels.values()])
    rows: list[list[Any]] = []
    for name in names[:200]:
        mine = table[table["class"] == names.index(name)]
        rows.append(
            [
                name,
                counts[name],
                len(np.unique(mine["place"])),
                f"{np.median(mine['width']):.0f} × {np.median(mine['height']):.0f}" if len(mine) else "",
                f"{np.median(mine['share']):.2%}" if len(mine) else "",
            ]
        )
    view.figures["boxes"] = {
        "pictures": len(labels),
        "boxes": int(many.sum()),
        "empty": int((many == 0).sum()),
        "classes": {name: counts[name] for name in names},
    }
    drawn = [draw.figure(_histogram(many), "How many boxes a picture has.")]
    if len(table):
        drawn += [
            draw.figure(_logs(np.sqrt(table["share"]), "of the picture's side", _SIZES), "Size: the side of the square "
                        "as large as the box, in percent of the picture's."),
            draw.figure(_logs(table["width"] / table["height"], "width to height", _SHAPES),
                        "Shape: width to height, from upright to flat."),
        ]  # fmt: skip
    maps = [
        draw.figure(_positions(table[table["class"] == number]), f"{clip(name, 40)}: {counts[name]:,}")
        for number, name in enumerate(names[:_CLASSES])
        if (table["class"] == number).sum() >= 3
    ]
    of = f", of an even sample of {len(labels):,} pictures" if len(labels) < int(view.kept.sum()) else ""
    return draw.section(
        "What the boxes are like",
        draw.table(
            ["class", "boxes", "pictures", "median size, px", "of the picture"], rows, caption=f"Boxes by class{of}."
        ),
        draw.columns(*drawn),
        draw.h("h3", "Where the middles of boxes lie") if maps else None,
        draw.h("p", "How many in each part of the picture.", class_="muted") if maps else None,
        draw.columns(*maps) if maps else None,
    )


def _table(view: View, labels: Mapping[int, Boxes]) -> NDArray[Any]:
    """Return the boxes with an area, one row each: class, sample, size, share of the picture, middle (0..1)."""
    order: dict[str, int] = {}
    counts: dict[str, int] = {}
    for boxes in labels.values():
        for box in boxes:
            counts[box["class"]] = counts.get(box["class"], 0) + 1
    for name in sorted(counts, key=lambda name: (-counts[name], name)):
        order[name] = len(order)
    wide, tall = (view.measure(name) if name in view.measures else np.full(len(view), np.nan)
                  for name in ("width", "height"))  # fmt: skip
    rows = [
        (
            order[box["class"]],
            place,
            abs(box["width"]),
            abs(box["height"]),
            abs(box["width"] * box["height"]) / (wide[place] * tall[place]),
            (box["x"] + box["width"] / 2) / wide[place],
            (box["y"] + box["height"] / 2) / tall[place],
        )
        for place, boxes in labels.items()
        for box in boxes
        if box["width"] and box["height"]
    ]
    names = [
        ("class", "i8"),
        ("place", "i8"),
        ("width", "f8"),
        ("height", "f8"),
        ("share", "f8"),
        ("x", "f8"),
        ("y", "f8"),
    ]
    return np.array(rows, names)


def _histogram(many: NDArray[np.int64]) -> Element:
    top = int(many.max()) if len(many) else 0
    step = max(1, -(-(top + 1) // 24))
    edges = np.arange(0, top + step + 1, step)
    found = np.histogram(many, edges)[0]
    return chart.histogram(
        edges.tolist(), {"": found.tolist()}, title="Boxes a picture", x_label="boxes on a picture",
        y_label="share of the pictures", width=HALF,
    )  # fmt: skip


def _logs(values: NDArray[np.float64], what: str, marks: Mapping[float, str]) -> Element:
    """Draw positive values on a scale of powers of two, the ends being the 1st and 99th hundredth."""
    logs = np.log2(values[np.isfinite(values) & (values > 0)])
    if not len(logs):
        return chart.histogram([], {}, x_label=what, width=HALF)
    low, high = np.quantile(logs, [0.01, 0.99])
    edges = np.linspace(low - 0.05, high + 0.05, 25)
    found = np.histogram(np.clip(logs, low, high), edges)[0]
    shown = sorted((float(np.log2(at)), words) for at, words in marks.items() if edges[0] <= np.log2(at) <= edges[-1])
    shown = shown[:: max(1, len(shown) // 5)]
    return chart.histogram(
        edges.tolist(), {"": found.tolist()}, title=what, x_label=what, y_label="share of the boxes",
        x_ticks=shown or [(float(edges[0]), f"{2 ** edges[0]:.2g}"), (float(edges[-1]), f"{2 ** edges[-1]:.2g}")],
        width=HALF,
    )  # fmt: skip


def _positions(mine: NDArray[Any]) -> Element:
    down = np.clip((mine["y"] * _GRID).astype(np.int64), 0, _GRID - 1)
    across = np.clip((mine["x"] * _GRID).astype(np.int64), 0, _GRID - 1)
    found = np.bincount(down * _GRID + across, minlength=_GRID * _GRID).reshape(_GRID, _GRID)
    blank = [""] * _GRID
    return matrix.heatmap(found.tolist(), blank, blank, row_title="", column_title="", by_row=False, wide=HALF)


# ---------------------------------------------------------------------- problems


def _worst(view: View, paints: Mapping[str, tuple[int, int, int]]) -> Element | None:
    """Show the pictures whose boxes have problems, those boxes marked."""
    shown: list[tuple[bytes, str]] = []
    for kind in (*_MANY, *_KINDS):
        for each in view.found(6 if kind in _MANY else 3, kind=kind):
            marked = _marked(each)
            if each.place < 0 or not marked or len(shown) >= _WORST:
                continue
            better = [each.evidence["suggested"]] if each.kind == "misplaced-box" else []
            data = with_boxes(view, each.place, given(view, each.place), paints, marked=marked, better=better)
            if data is not None:
                words = each.message.partition(": ")[2] if kind != "mislabelled" else each.message
                shown.append((data, clip(f"{each.kind} ({each.decision}): {words}", 160)))
    checked = view.meta["label_check"].get("located", {})
    reason = checked["said"] if "said" in checked else f"where boxes are was not checked: {checked.get('skipped')}"
    about = draw.h("p", f"{reason[0].upper()}{reason[1:]}.") if checked else None
    if not shown:
        return draw.section("Boxes with problems", about) if about is not None else None
    words = "As the source has them; what was found is drawn thick and red, where its thing seems to lie in green."
    return draw.section("Boxes with problems", about, draw.h("p", words, class_="muted"), wide(shown))


def _marked(each: Found) -> list[Mapping[str, Any]]:
    found = each.evidence.get("boxes") or ([each.evidence["box"]] if "box" in each.evidence else [])
    return [box for box in found if isinstance(box, Mapping)]


def given(view: View, place: int) -> Boxes:
    """Return the boxes that a sample had before anything was mended."""
    if "given" in view.samples.column_names:
        before = view.samples.take("given", [place])[0].as_py()
        if before is not None:
            return read(before)
    return read(view.label(place))
