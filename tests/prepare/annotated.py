"""Small sets of annotated pictures in every form that sources read, with dirt in them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from modelwright.prepare.collect.base import Settings, make
from modelwright.store import Store
from modelwright.testing.source import SourceCase

from .conftest import picture

SIZE = (96, 80)
"""Width and height of the pictures."""


def put(root: Path, files: Mapping[str, bytes | str]) -> Path:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    return root


def png(array: np.ndarray, mode: str | None = None) -> bytes:
    out = io.BytesIO()
    made = Image.fromarray(array)
    (made if mode is None else made.convert(mode)).save(out, "PNG")
    return out.getvalue()


def coco(images: list[dict[str, Any]], annotations: list[dict[str, Any]], names: list[str]) -> str:
    categories = [{"id": number, "name": name} for number, name in enumerate(names, 1)]
    return json.dumps({"info": {}, "annotations": annotations, "images": images, "categories": categories})


def voc(objects: Sequence[tuple[str, tuple[float, float, float, float]]], name: str = "x.jpg", more: str = "") -> str:
    boxes = "".join(
        f"<object><name>{kind}</name><difficult>1</difficult><bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax>"
        f"<ymax>{d}</ymax></bndbox>{more}</object>"
        for kind, (a, b, c, d) in objects
    )
    size = f"<size><width>{SIZE[0]}</width><height>{SIZE[1]}</height></size>"
    return f"<annotation><filename>{name}</filename>{size}{boxes}</annotation>"


def rectangle(name: str, x: float, y: float, width: float, height: float, **more: Any) -> dict[str, Any]:
    value = {"x": x, "y": y, "width": width, "height": height, "rotation": 0, "rectanglelabels": [name], **more}
    size = {"original_width": SIZE[0], "original_height": SIZE[1]}
    return {"type": "rectanglelabels", "from_name": "label", "to_name": "image", **size, "value": value}


def task(path: str, results: list[dict[str, Any]] | None, **more: Any) -> dict[str, Any]:
    annotations = [] if results is None else [{"result": results, "created_at": "2026-01-01T00:00:00Z"}]
    return {"data": {"image": path}, "annotations": annotations, "predictions": [{"result": [{"x": 1}]}], **more}


def square(left: int, top: int, side: int, value: int = 255) -> np.ndarray:
    made = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    made[top : top + side, left : left + side] = value
    return made


def coco_files(root: Path) -> None:
    images = [{"id": n, "file_name": f"{n}.jpg", "width": 96, "height": 80} for n in (1, 2, 3)]
    notes = [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 30, 40]},
        {"id": 2, "image_id": 1, "category_id": 9, "bbox": [1, 2, 30, 40]},
        {"id": 3, "image_id": 77, "category_id": 1, "bbox": [1, 2, 30, 40]},
    ]
    files = {"train/_annotations.coco.json": coco(images, notes, ["cat", "dog"])}
    put(root, files | {f"train/{n}.jpg": picture(n) for n in (1, 2, 4)})


def case(root: Path, kind: str, output: str, change: Callable[[], object]) -> SourceCase:
    store = Store.open(root / ".modelwright")

    def changed() -> None:
        change()

    return SourceCase(
        lambda: make(kind, Settings("data", root=root, output=output, store=store)),
        changed,
        lambda: make(kind, Settings("nowhere", root=root, output=output, store=store)),
        root,
    )


def coco_case(root: Path) -> SourceCase:
    coco_files(root / "data")
    return case(root, "coco", "boxes", lambda: put(root / "data/train", {"_annotations.coco.json": coco([], [], [])}))


def voc_case(root: Path) -> SourceCase:
    files = {
        "Annotations/1.xml": voc([("cat", (1, 2, 30, 40)), ("dog", (5, 5, 5, 5))]),
        "Annotations/2.xml": "<annotation>",
        "Annotations/9.xml": voc([]),
        "ImageSets/Main/train.txt": "1\n2\n",
    }
    put(root / "data", files | {f"JPEGImages/{n}.jpg": picture(n) for n in (1, 2, 3)})
    return case(root, "voc", "boxes", lambda: put(root / "data", {"Annotations/2.xml": voc([])}))


def yolo_case(root: Path) -> SourceCase:
    files = {
        "data.yaml": "names: {0: cat, 1: dog}\n",
        "labels/train/1.txt": "0 0.5 0.5 0.25 0.5\n1 0.1 0.1 0.2 0.1 0.2 0.3\nx\n7 0.5 0.5 0.1 0.1\n",
        "labels/train/9.txt": "0 0.5 0.5 0.25 0.5\n",
    }
    put(root / "data", files | {f"images/train/{n}.jpg": picture(n) for n in (1, 2)})
    return case(root, "yolo", "boxes", lambda: put(root / "data", {"labels/train/2.txt": ""}))


def pairs_case(root: Path) -> SourceCase:
    files: dict[str, bytes | str] = {f"images/{n}.jpg": picture(n) for n in range(4)}
    files |= {"masks/0.png": png(square(3, 4, 20)), "masks/1.png": png(square(3, 4, 20)[:40, :48])}
    files |= {"masks/2.png": b"no picture", "masks/8.png": png(square(3, 4, 20))}
    put(root / "data", files)
    return case(root, "pairs", "mask", lambda: put(root / "data", {"masks/3.png": png(square(0, 0, 9))}))


def labelstudio_case(root: Path) -> SourceCase:
    tasks = [
        task("/data/local-files/?d=some/where/files/1.jpg", [rectangle("cat", 10, 20, 30, 40)]),
        task("/data/upload/7/0a1b2c3d-2.jpg", []),
        task("https://example.org/gone.jpg", []),
        task("files/3.jpg", None),
        {"image": "files/4.jpg"},
    ]
    put(root / "data", {"export.json": json.dumps(tasks)} | {f"files/{n}.jpg": picture(n) for n in (1, 2, 3)})
    return case(root, "labelstudio", "boxes", lambda: put(root / "data", {"export.json": json.dumps(tasks[:2])}))


CASES: dict[str, Callable[[Path], SourceCase]] = {
    "coco": coco_case,
    "voc": voc_case,
    "yolo": yolo_case,
    "pairs": pairs_case,
    "labelstudio": labelstudio_case,
}
