"""A dataset of boxes or masks in COCO's form, one JSON file a split beside its pictures."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Self

import numpy as np

from modelwright.errors import InputError
from modelwright.prepare.collect.labelling import BACKGROUND
from modelwright.prepare.exports.drawn import Drawn, pictures, wanted
from modelwright.prepare.exports.plain import make_export
from modelwright.spec.model import Source
from modelwright.store.dataset import SPLITS, Dataset
from modelwright.tasks.targets.boxes import FLAGS

FILE = "_annotations.coco.json"


def export_coco(dataset: Dataset, destination: Path) -> Path:
    """Write ``data/<split>/_annotations.coco.json`` and the pictures beside it.

    Outlines are ``segmentation``; ``difficult`` and ``truncated``, which COCO does not know, stand beside ``iscrowd``.
    Of masks each class but ``background`` is one run-length mask a picture.

    Raises
    ------
    InputError
        For other datasets, and for masks without a class ``background`` or with pixels of no class: COCO's pixels that
        nobody drew are the background.
    """
    if dataset.meta["target"] == "mask":
        names = _names_of_masks(dataset)
    else:
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
                boxes = each.label if isinstance(each.label, list) else list(_drawn_in(each, dataset.store))
                files[each.split].add(image, each, boxes, ids)
        return Source("coco", "data", {}, 0)

    return make_export(dataset, destination, fill, split="split")


def _classes(label: str) -> set[str]:
    return {box["class"] for box in json.loads(label)}


def _names_of_masks(dataset: Dataset) -> list[str]:
    """Return the classes of a dataset's masks, without the background."""
    wanted(dataset, "mask", "COCO")
    labels = [json.loads(label) for split in SPLITS for label in dataset.labels(split)]
    names = {name for label in labels for name in label["names"]}
    if BACKGROUND not in names or any(
        sum(each["classes"].values()) < each["width"] * each["height"] for each in labels
    ):
        raise InputError(
            "COCO takes pixels that nobody drew for the background; these masks have "
            + ("pixels of no class" if BACKGROUND in names else f"no class {BACKGROUND!r}"),
            code="wrong-form",
            hint="mw export dataset-pairs",
        )
    return sorted(names - {BACKGROUND})


def _drawn_in(each: Drawn, store: Any) -> Iterator[dict[str, Any]]:
    """Yield each class of a mask as COCO's run-length form has it: runs down the columns, the first one outside."""
    from PIL import Image

    places = np.asarray(Image.open(io.BytesIO(bytes(store.objects.get(each.label["mask"])))))
    for number, name in enumerate(each.label["names"]):
        inside = places == number
        if name == BACKGROUND or not inside.any():
            continue
        flat = inside.T.reshape(-1)
        borders = np.flatnonzero(np.diff(flat, prepend=False))
        runs = np.diff(np.concatenate([[0], borders, [flat.size]])).tolist()
        rows, across = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        left, top = int(across[0]), int(rows[0])
        yield {
            "class": name,
            "x": left,
            "y": top,
            "width": int(across[-1]) - left + 1,
            "height": int(rows[-1]) - top + 1,
            "area": int(inside.sum()),
            "pixels": {"size": [places.shape[0], places.shape[1]], "counts": runs},
        }


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

    def add(self, image: int, each: Drawn, boxes: list[dict[str, Any]], ids: dict[str, int]) -> None:
        """Write a picture's entry, and put its annotations aside."""
        comma = "," if self._seen else ""
        self._seen += 1
        entry = {"id": image, "file_name": each.name, "width": each.width, "height": each.height}
        self._images.write(f"{comma}\n{_json(entry)}")
        for box in boxes:
            comma = "," if self._count else ""
            self._count += 1
            rings = [[value for point in ring for value in point] for ring in box.get("polygons", ())]
            made: dict[str, Any] = {
                "id": self._count,
                "image_id": image,
                "category_id": ids[box["class"]],
                "bbox": [box["x"], box["y"], box["width"], box["height"]],
                "area": box.get("area", round(abs(box["width"] * box["height"]), 2)),
                "iscrowd": int(bool(box.get("crowd"))),
                "segmentation": box.get("pixels", rings),
            }
            made |= {flag: 1 for flag in FLAGS if flag != "crowd" and box.get(flag)}
            self._annotations.write(f"{comma}\n{_json(made)}")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
