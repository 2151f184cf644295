"""The map of the data: samples that are like each other lie near each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.drawing import page as draw
from modelwright.drawing.atlas import GROUPS, Dot, Sheet, apart, atlas
from modelwright.drawing.page import Element
from modelwright.drawing.rows import cell
from modelwright.prepare.embed.vectors import place_of, remembered
from modelwright.prepare.explore.layout import neighbours, spread
from modelwright.prepare.explore.view import MOST_CLASSES, View, clip, jpeg
from modelwright.prepare.scan.columns import digest_array
from modelwright.store.dataset import ROW_TEXT
from modelwright.tasks import abilities

_POINTS = 2200
_MARKED = 300
"""Samples with an issue that are on the map beside those drawn evenly from all."""
_EACH = 20
_LEAST = 12
_SIDE = 36
"""Pixels of a small picture."""
_TAIL = 4.0
_WORDS, _COLUMNS = 70, 4
"""Letters of a text, and columns of a row, that a tooltip says."""
_READ = 48
"""Small pictures where each must be made from the sample itself."""


def sections(view: View) -> list[Element]:
    """Return the map, or nothing where samples cannot be compared."""
    marked = _with_issues(view)
    places = _chosen(view, marked)
    found = _vectors(view, places)
    if found is None or len(found[0]) < _LEAST:
        return []
    places, vectors, sketches = found
    near = view.remembered.get("map", [vectors], lambda: {"near": neighbours(vectors)})["near"]
    flat, explained = spread(vectors, 2)
    if flat.shape[1] < 2:
        return []
    groups, codes = _groups(view, places)
    tips = _tips(view, places, marked)
    view.figures["map"] = {
        "points": len(places),
        "marked": sum(bool(marked.get(place)) for place in places.tolist()),
        "explained": [round(float(part), 4) for part in explained],
    }

    def dots(placed: NDArray[np.float32]) -> list[Dot]:
        return [
            Dot(float(x), float(y), int(code), tip, place in marked)
            for (x, y), code, tip, place in zip(placed, codes.tolist(), tips, places.tolist(), strict=True)
        ]

    ordered = view.label_kind == "number"
    points = dots(near)
    sheet, pictured = _pictures(view, points, places, sketches)
    kept = int(view.kept.sum())
    of = "all samples" if len(places) == kept else f"{len(places):,} of {kept:,} samples, evenly spaced"
    return [
        draw.section(
            "Map of the data",
            atlas(points, groups, title="Map: neighbours near each other", name="near", sheet=sheet, pictured=pictured,
                  marks="has an issue", ordered=ordered),
            draw.h(
                "p",
                f"Of {of}. What lies together is alike{_by(view)}{_colours(view)}. An island is worth a look: a second "
                f"camera, a series of copies, another unit{_inside(view)}. Distances between islands mean little.",
            ),
            draw.details(
                f"The same by principal components ({sum(explained):.0%} of the differences in two directions)",
                atlas(dots(flat), groups, title="Map: principal components", name="flat", marks="has an issue",
                      ordered=ordered),
            ),
        )
    ]  # fmt: skip


def _by(view: View) -> str:
    return f" to {view.figures['map_by']}" if "map_by" in view.figures else ""


def _colours(view: View) -> str:
    if view.label_kind == "none":
        return ""
    what = {
        "number": "ranges of the answer, low to high",
        "structured": "each sample's most frequent class, of several the rarest",
    }
    return f"; colours are {what.get(view.label_kind, 'classes')}"


def _inside(view: View) -> str:
    return "" if view.label_kind == "none" else "; so is one colour deep inside another"


def _chosen(view: View, marked: dict[int, list[str]]) -> NDArray[np.int64]:
    """Return samples evenly spaced, some of every class however rare, and those with an issue."""
    every = view.shown(_POINTS)
    rare = [view.some(places, _EACH) for _, places in view.groups[:MOST_CLASSES]]
    return np.unique(np.concatenate([every, *rare, np.fromiter(marked, np.int64, len(marked))]))


def _with_issues(view: View) -> dict[int, list[str]]:
    """Return some of the samples that are kept and have an issue, the worst first, and the kinds of their issues."""
    found: dict[int, list[str]] = {}
    for each in view.found(_MARKED, each_kind=_MARKED // 4, samples=True):
        if each.place >= 0 and view.kept[each.place]:
            found.setdefault(each.place, []).append(each.kind)
    return found


def _vectors(
    view: View, places: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.uint8] | None] | None:
    """Return the places that can be compared, their light features (or a model's vectors), and their sketches."""
    if isinstance(view.modality, abilities.Sketched):
        found = view.sketches(places)
        if found is None or not len(found[0]):
            return None
        inside, vectors = _embedded(view, places[found[0]])
        if len(inside) >= _LEAST:
            view.figures["map_by"] = view.meta["embeddings"]["name"]
            return places[found[0]][inside], vectors, found[1][inside]
        return places[found[0]], view.modality.vectors(found[1]), found[1]
    features = view.features(places, "dense")
    if features is None:
        return None
    # Standardised columns have long tails: a few huge values would push all others into one spot.
    return places, np.clip(np.nan_to_num(np.asarray(features, np.float32)), -_TAIL, _TAIL), None


def _embedded(view: View, places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return which of ``places`` (positions) have a vector by the model that compared samples, and these.

    None has where light features did, and where the cache was deleted since.
    """
    known = view.meta.get("embeddings")
    if known is None:
        return np.empty(0, np.int64), np.empty((0, 0), np.float32)
    path = place_of(view.store.cache_dir("prepare"), known["identity"])
    inside, vectors = remembered(path, digest_array(view.samples.take("id", places.tolist()).to_pylist()))
    return inside, vectors.astype(np.float32)


def _groups(view: View, places: NDArray[np.int64]) -> tuple[list[tuple[str, int]], NDArray[np.int64]]:
    """Return name and size of at most :data:`GROUPS` groups, and the group of each place."""
    named = [(clip(name, 40), len(members)) for name, members in view.groups]
    codes = view.group_codes[places].astype(np.int64)
    if len(named) > GROUPS or (codes < 0).any():
        most = min(len(named), GROUPS - 1)
        rest = int(view.kept.sum()) - sum(size for _, size in named[:most])
        named = [*named[:most], ("other" if len(view.groups) > most else "no label", rest)]
        codes = np.where((codes < 0) | (codes >= most), most, codes)
    return named, codes


def _tips(view: View, places: NDArray[np.int64], marked: dict[int, list[str]]) -> list[str]:
    paths, labels = (view.samples.take(name, places).to_pylist() for name in ("path", "label"))
    said = _in_short(view, places)
    tips = []
    for number, (place, path, label) in enumerate(zip(places.tolist(), paths, labels, strict=True)):
        words = [clip(str(path), 60)]
        if label is not None:
            parts = view.parts(label) if view.label_kind == "structured" else [str(label)]
            words.append(clip(", ".join(dict.fromkeys(parts)) or "(nothing)", 60))
        if said:
            words.append(said[number])
        if place in marked:
            words.append(", ".join(dict.fromkeys(marked[place])))
        tips.append("\n".join(words))
    return tips


def _in_short(view: View, places: NDArray[np.int64]) -> list[str]:
    """Return what each row says, in a few words; nothing for files."""
    rows = view.take_rows(places)
    if rows is None:
        return []
    if not isinstance(view.modality, abilities.Tabular):
        return [clip(" ".join((text or "")[: 4 * _WORDS].split()), _WORDS) for text in rows[ROW_TEXT].to_pylist()]
    names = [name for name in rows.column_names if name not in view.meta["dropped_columns"]][:_COLUMNS]
    return [
        ", ".join(f"{clip(name, 20)} {clip(str(cell(value)), 20)}" for name, value in row.items() if value is not None)
        for row in rows.select(names).to_pylist()
    ]


def _pictures(
    view: View, dots: Sequence[Dot], places: NDArray[np.int64], sketches: NDArray[np.uint8] | None
) -> tuple[Sheet | None, list[int]]:
    """Return a sheet of small pictures, and which dots they are of: far enough apart to be seen."""
    from PIL import Image

    if not view.pictured:
        return None, []
    fast = sketches is not None and view.tiny(sketches[0], _SIDE) is not None
    chosen = apart(dots, _SIDE + 3) if fast else apart(dots, 3 * _SIDE)[:_READ]
    made: list[Any] = []
    pictured = []
    for each in chosen:
        one = view.tiny(sketches[each], _SIDE) if fast and sketches is not None else _square(view, int(places[each]))
        if one is not None:
            made.append(one)
            pictured.append(each)
    if not made:
        return None, []
    across = min(24, len(made))
    whole = Image.new("RGB", (across * _SIDE, -(-len(made) // across) * _SIDE), (255, 255, 255))
    for index, one in enumerate(made):
        whole.paste(one, (index % across * _SIDE, index // across * _SIDE))
    data = view.spend(jpeg(whole, 82))
    return (Sheet(data, _SIDE, across, len(made)), pictured) if data is not None else (None, [])


def _square(view: View, place: int) -> Any:
    picture = view.picture(place, 2 * _SIDE)
    return None if picture is None else picture.convert("RGB").resize((_SIDE, _SIDE))
