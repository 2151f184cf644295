"""Pictures: samples of each class, what they have in common, and what they are like."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.drawing import chart
from modelwright.drawing import page as draw
from modelwright.drawing.page import Element
from modelwright.prepare.explore.layout import spread
from modelwright.prepare.explore.looks import Gauge, Pictures
from modelwright.prepare.explore.measured import by_class, drawn
from modelwright.prepare.explore.view import View, clip, png, share
from modelwright.tasks.modalities.image import sketch as image_sketch
from modelwright.tasks.modalities.image.modality import MAX_PIXELS, decode_rgb

_MEASURES = ("brightness", "contrast", "sharpness", "saturation", "width", "height")
_CLASSES = 20
_FEW = 3
"""Pictures of a class up to which such classes are shown together, each picture with its class."""
_SKETCHES = 4000
"""Thumbnails that mean and eigen-images are made of."""
_EIGEN = 8
_SIZES = 600
"""Pictures whose width and height are drawn."""


def thumbnail(raw: bytes, schema: Mapping[str, Any], side: int) -> Any:
    """Return a picture as a ``PIL.Image`` of at most ``side`` pixels.

    Raises
    ------
    UndecodableError
        If the bytes are no picture.
    """
    from PIL import Image

    most = int(schema.get("max_pixels", MAX_PIXELS))
    picture = _reduced(raw, most, side)
    if picture is None:
        picture = Image.fromarray(decode_rgb(raw, most))
    picture.thumbnail((side, side))
    return picture


def _reduced(raw: bytes, most: int, side: int) -> Any:
    """Return a plain JPEG decoded at a half to an eighth of its size, or None: the careful way is for all others.

    What is looked at small needs no more, and large photographs are decoded several times as fast.
    """
    from PIL import Image, ImageOps

    if raw[:3] != b"\xff\xd8\xff":
        return None
    try:
        with Image.open(io.BytesIO(raw), formats=["JPEG"]) as found:
            if found.width * found.height > most or found.mode not in {"L", "RGB"}:
                return None
            found.draft("RGB", (side, side))
            return ImageOps.exif_transpose(found.convert("RGB"))
    except Exception:  # noqa: BLE001 - the careful decoder says what is wrong with it
        return None


def of_sketch(sketch: NDArray[np.uint8], side: int) -> Any:
    """Return a square ``PIL.Image`` in colour from a sketch alone."""
    from PIL import Image

    _, grey, colours = image_sketch.parts(sketch[None])
    return Image.fromarray(_coloured(grey[0], colours[0])).resize((side, side), Image.Resampling.BICUBIC)


def _coloured(grey: NDArray[Any], colours: NDArray[Any]) -> NDArray[np.uint8]:
    """Return ``(32, 32, 3)`` RGB of brightness and half-size colour differences."""
    from PIL import Image

    full = colours.repeat(2, 1).repeat(2, 2)
    stacked = np.stack([grey, full[0], full[1]], 2).clip(0, 255).astype(np.uint8)
    return np.asarray(Image.fromarray(stacked, "YCbCr").convert("RGB"))


GAUGES: Mapping[str, Gauge] = {
    "brightness": Gauge("%", "from black to white"),
    "contrast": Gauge("%", "how far light and dark lie apart"),
    "sharpness": Gauge("", "of edges; below 0.1 is blurred"),
    "saturation": Gauge("%", "from grey to coloured"),
    "red_cast": Gauge("%", "red above green"),
    "blue_cast": Gauge("%", "blue above green"),
    "entropy": Gauge("bits", "variety of grey levels"),
    "shadows": Gauge("%", "brightness that the darkest twentieth stays below"),
    "highlights": Gauge("%", "brightness that all but the lightest hundredth stays below"),
    "edges_x": Gauge("%", "how far right the edges lie"),
    "edges_y": Gauge("%", "how far down the edges lie"),
    "mass_x": Gauge("%", "how far right lies what is not border"),
    "mass_y": Gauge("%", "how far down lies what is not border"),
    "width": Gauge("px"),
    "height": Gauge("px"),
    "aspect": Gauge("", "width over height"),
}
"""How measures are read; the shapes are many alike, and say nothing one by one."""
PICTURES = Pictures(thumbnail, of_sketch, gauge=GAUGES.get)


def sections(view: View) -> list[Element]:
    """Return a sheet of samples, mean and eigen-images, and the distributions of their measures."""
    return [part for part in (_sheet(view), _common(view), _alike(view)) if part is not None]


def _sheet(view: View) -> Element | None:
    shown_classes = view.groups[:_CLASSES]
    if not shown_classes:
        return None
    each_class = max(4, min(10, 120 // len(shown_classes))) if len(shown_classes) > 1 else 40
    parts: list[Any] = []
    few = [(name, places) for name, places in shown_classes if len(places) <= _FEW]
    alone = few if len(few) > 2 else []
    for name, places in shown_classes[: len(shown_classes) - len(alone)]:
        shown = [
            (small_, clip(view.path(place).rpartition("/")[2], 40))
            for place in view.some(places, each_class).tolist()
            if (small_ := view.small(place)) is not None
        ]
        parts.extend([draw.h("h3", f"{name} ", draw.h("small", f"{len(places):,}")), draw.gallery(shown, sheet=True)])
    if alone:
        shown = [
            (small_, clip(name, 40))
            for name, places in alone
            for place in places.tolist()
            if (small_ := view.small(place)) is not None
        ]
        parts += [draw.h("h3", f"Classes of {'one picture' if len(alone[0][1]) == 1 else 'a few pictures'}"),
                  draw.gallery(shown)]  # fmt: skip
    more = len(view.groups) - _CLASSES
    if more > 0:
        parts.append(draw.h("p", f"and {more:,} smaller classes", class_="muted"))
    return draw.section("Samples of each class" if view.classes else "Samples", *parts)


# ---------------------------------------------------------------------- mean and eigen-images


def _common(view: View) -> Element | None:
    places = view.some(np.flatnonzero(view.kept), _SKETCHES)
    found = view.sketches(places)
    if found is None or len(found[0]) < 8:
        return None
    places = places[found[0]]
    _, grey, colours = image_sketch.parts(found[1])
    whole, explained = _eigen(grey, _EIGEN)
    rows: list[Any] = [
        draw.h("h3", "All pictures"),
        draw.gallery(
            [
                (_png(_coloured(grey.mean(0), colours.mean(0))), "mean"),
                *((_png(each), f"{part:.0%}") for each, part in zip(whole, explained, strict=True)),
            ],
            width=84,
        ),
    ]
    classes = view.groups[:_CLASSES] if len(view.groups) > 1 else []
    tiles = []
    codes = view.group_codes[places]
    for number, (name, _) in enumerate(classes):
        inside = codes == number
        if inside.sum() >= 8:
            own, _ = _eigen(grey[inside], 3)
            mean = _coloured(grey[inside].mean(0), colours[inside].mean(0))
            strip = [draw.image(_png(each), f"{name}: {what}", width=64) for each, what in
                     zip([mean, *own], ("mean", "first", "second", "third"), strict=False)]  # fmt: skip
            tiles.append(
                draw.h("div", draw.h("h3", clip(name, 40)), draw.h("div", strip, class_="strip"), class_="tile")
            )
    return draw.section(
        "What the pictures have in common",
        draw.h(
            "p",
            "The mean of all pictures, and the patterns of light and dark by which they differ most (principal "
            "components of the brightness), each with its share of the differences. A sharp mean, or a pattern at the "
            "border, is worth a look: a model may learn the frame and not the thing.",
        ),
        *rows,
        draw.h("h3", "Mean and first three patterns of each class") if tiles else None,
        draw.h("div", tiles, class_="tiles") if tiles else None,
    )


def _eigen(grey: NDArray[np.uint8], count: int) -> tuple[list[NDArray[np.uint8]], list[float]]:
    """Return eigen-images ``(32, 32) uint8`` around mid-grey, and what share of the variance each explains."""
    flat = grey.reshape(len(grey), -1).astype(np.float32)
    centred = flat - flat.mean(0)
    components, explained = spread(flat, min(count, len(flat) - 1))
    shown = []
    for place in range(components.shape[1]):
        direction = components[:, place] @ centred
        size = float(np.abs(direction).max()) or 1.0
        shown.append((128 + 127 * direction / size).astype(np.uint8).reshape(32, 32))
    return shown, explained.tolist()


def _png(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    return png(Image.fromarray(pixels))


# ---------------------------------------------------------------------- measures


def _alike(view: View) -> Element | None:
    figures = drawn(view, _MEASURES, "picture")
    if not figures:
        return None
    return draw.section(
        "What the pictures are like",
        *figures,
        _sizes(view),
        by_class(view, ("brightness", "contrast", "sharpness", "saturation"), _CLASSES),
    )


def _sizes(view: View) -> Element | None:
    if not {"width", "height"} <= set(view.measures):
        return None
    size = np.stack([view.measure("width"), view.measure("height")], 1)[view.kept]
    size = size[np.isfinite(size).all(1)].astype(np.int64)
    if not len(size):
        return None
    across = int(size[:, 1].max()) + 1  # one number for both: as rows, they take ten times as long
    both, counts = np.unique(size[:, 0] * across + size[:, 1], return_counts=True)
    different = np.stack(np.divmod(both, across), 1)
    order = np.argsort(-counts, kind="stable")
    most = [f"{w} × {h_} ({share(count, len(size))})" for (w, h_), count in
            zip(different[order[:3]].tolist(), counts[order[:3]].tolist(), strict=True)]  # fmt: skip
    view.figures["sizes"] = {"different": len(different), "most": most}
    if len(different) == 1:
        return None  # said with what is the same in every picture
    shown = size[np.linspace(0, len(size) - 1, min(_SIZES, len(size))).astype(np.int64)]
    return draw.figure(
        chart.scatter({"": shown.tolist()}, title="Sizes of pictures", x_label="width, px", y_label="height, px"),
        f"{len(different):,} different sizes; the most frequent: {', '.join(most)}.",
    )
