"""A dataset of boxes in YOLO's form: a text file a picture, and ``data.yaml`` with the names of the classes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelwright.prepare.exports.drawn import Drawn, only_places, pictures, wanted
from modelwright.prepare.exports.plain import make_export
from modelwright.spec.model import Source
from modelwright.store.dataset import SPLITS, Dataset


def export_yolo(dataset: Dataset, destination: Path) -> Path:
    """Write ``data/images/<split>``, ``data/labels/<split>`` and ``data/data.yaml``.

    Every picture has a text file, one without boxes an empty one. An outline is written in place of its box, and only
    if the box is the one around it.

    Raises
    ------
    InputError
        If boxes say what YOLO cannot: difficult, truncated, crowds, several outlines.
    """
    import yaml

    wanted(dataset, "boxes", "YOLO")
    names = list(dataset.meta["classes"])
    places = {name: number for number, name in enumerate(names)}

    def fill(folder: Path) -> Source:
        data = folder / "data"
        for split in SPLITS:
            for kind in ("images", "labels"):
                (data / kind / split).mkdir(parents=True)
        extra: list[str] = []
        for each in pictures(dataset):
            for box in each.label:
                only_places(box, "YOLO")
                if box["class"] not in places:  # in validation or test alone
                    places[box["class"]] = len(places)
                    extra.append(box["class"])
            (data / "images" / each.split / each.name).write_bytes(each.data)
            lines = [_line(box, places[box["class"]], each) for box in each.label]
            (data / "labels" / each.split / f"{each.stem}.txt").write_text("".join(lines), "utf-8")
        written = {"path": ".", **{_key(split): f"images/{split}" for split in SPLITS}, "names": [*names, *extra]}
        (data / "data.yaml").write_text(yaml.safe_dump(written, allow_unicode=True, sort_keys=False), "utf-8")
        return Source("yolo", "data", {}, 0)

    return make_export(dataset, destination, fill, split="split")


def _key(split: str) -> str:
    return "val" if split == "validation" else split


def _line(box: Mapping[str, Any], place: int, each: Drawn) -> str:
    if box.get("polygons"):
        values = [value for x, y in box["polygons"][0] for value in (x / each.width, y / each.height)]
    else:
        middle = (box["x"] + box["width"] / 2) / each.width, (box["y"] + box["height"] / 2) / each.height
        values = [*middle, box["width"] / each.width, box["height"] / each.height]
    return " ".join([str(place), *map(repr, values)]) + "\n"
