"""A dataset of boxes in COCO's form, one JSON file a split beside its pictures."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Self

from modelwright.prepare.exports.drawn import Drawn, pictures, wanted
from modelwright.prepare.exports.plain import make_export
from modelwright.spec.model import Source
from modelwright.store.dataset import SPLITS, Dataset
from modelwright.tasks.targets.boxes import FLAGS

FILE = "_annotations.coco.json"


def export_coco(dataset: Dataset, destination: Path) -> Path:
    """Write ``data/<split>/_annotations.coco.json`` and the pictures beside it.

    Outlines are ``segmentation``; ``difficult`` and ``truncated``, which COCO does not know, stand beside ``iscrowd``.
    """
    wanted(dataset, "boxes", "COCO")
    names = sorted({box for split in SPLITS for label in dataset.labels(split) for box in _classes(label)})
    ids = {name: number for number, name in enumerate(names, 1)}

    def fill(folder: Path) -> Source:
        with ExitStack() as stack:
            files: dict[str, _File] = {}
            for image, each in enumerate(pictures(dataset), 1):
                place = folder / "data" / each.split
                if each.split not in files:
                    place.mkdir(parents=True)
                    files[each.split] = stack.enter_context(_File(place, names))
                (place / each.name).write_bytes(each.data)
                files[each.split].add(image, each, ids)
        return Source("coco", "data", {}, 0)

    return make_export(dataset, destination, fill, split="split")


def _classes(label: str) -> set[str]:
    return {box["class"] for box in json.loads(label)}


class _File:
    """Writes one COCO file as a stream: annotations wait in a file of their own until the images are written."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        self._path, self._rest = folder / FILE, folder / ".annotations"
        self._images: IO[str] = self._path.open("w", encoding="utf-8")
        self._annotations: IO[str] = self._rest.open("w+", encoding="utf-8")
        self._seen = self._count = 0
        categories = [{"id": number, "name": name} for number, name in enumerate(names, 1)]
        self._images.write(f'{{"info": {{}}, "licenses": [], "categories": {_json(categories)}, "images": [')

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        with self._images, self._annotations:
            self._images.write('\n], "annotations": [')
            self._annotations.seek(0)
            for line in self._annotations:
                self._images.write(line)
            self._images.write("\n]}\n")
        self._rest.unlink()

    def add(self, image: int, each: Drawn, ids: dict[str, int]) -> None:
        """Write a picture's entry, and put its annotations aside."""
        comma = "," if self._seen else ""
        self._seen += 1
        entry = {"id": image, "file_name": each.name, "width": each.width, "height": each.height}
        self._images.write(f"{comma}\n{_json(entry)}")
        for box in each.label:
            comma = "," if self._count else ""
            self._count += 1
            rings = [[value for point in ring for value in point] for ring in box.get("polygons", ())]
            made: dict[str, Any] = {
                "id": self._count,
                "image_id": image,
                "category_id": ids[box["class"]],
                "bbox": [box["x"], box["y"], box["width"], box["height"]],
                "area": round(abs(box["width"] * box["height"]), 2),
                "iscrowd": int(bool(box.get("crowd"))),
                "segmentation": rings,
            }
            made |= {flag: 1 for flag in FLAGS if flag != "crowd" and box.get(flag)}
            self._annotations.write(f"{comma}\n{_json(made)}")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
