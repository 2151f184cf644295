"""A dataset as tasks of Label Studio, with their annotations, and the configuration that shows them there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from modelwright.errors import InputError
from modelwright.prepare.exports.drawn import Drawn, only_places, pictures, wanted
from modelwright.prepare.exports.plain import files_of, make_export
from modelwright.spec.model import Source
from modelwright.store.dataset import SPLITS, Dataset
from modelwright.tasks.modalities.text import encoding

_DATA = {"image": "Image", "text": "Text", "audio": "Audio"}
_TARGETS = ("category", "tags", "number", "boxes")


def export_labelstudio(dataset: Dataset, destination: Path) -> Path:
    """Write ``data/tasks.json``, ``data/files`` and ``data/config.xml``, the labelling interface.

    Files are named as ``/data/local-files/?d=files/…``: set Label Studio's document root to the folder ``data``. The
    split is in the tasks' data. Texts are in the tasks themselves.

    Raises
    ------
    InputError
        For rows of tables, series and masks, and for boxes that say what Label Studio's regions cannot.
    """
    modality, target = dataset.meta["modality"], dataset.meta["target"]
    if modality not in _DATA or target not in _TARGETS:
        raise InputError(
            f"Label Studio's tasks are made of images, texts and sounds with {', '.join(_TARGETS)}; this dataset is "
            f"{modality} → {target}",
            code="wrong-form",
            hint="mw export dataset-pairs (masks), dataset-csv, -jsonl or -parquet",
        )
    if target == "boxes":
        wanted(dataset, "boxes", "Label Studio")
    names = list(dataset.meta["classes"])

    def fill(folder: Path) -> Source:
        data = folder / "data"
        data.mkdir()
        with (data / "tasks.json").open("w", encoding="utf-8") as file:
            file.write("[")
            for number, task in enumerate(_tasks(dataset, data), 1):
                file.write(("," if number > 1 else "") + "\n" + json.dumps({"id": number, **task}, ensure_ascii=False))
            file.write("\n]\n")
        (data / "config.xml").write_text(_config(modality, target, names), "utf-8")
        options = {} if modality == "text" else {"files": "data"}
        return Source("labelstudio", "data/tasks.json", {**options, "field": modality}, 0)

    return make_export(dataset, destination, fill, split="split")


def _tasks(dataset: Dataset, folder: Path) -> Iterator[dict[str, Any]]:
    modality, target = dataset.meta["modality"], dataset.meta["target"]
    if modality == "text":
        for split in SPLITS:
            for raw, label in zip(dataset.raw(split), dataset.labels(split), strict=True):
                text = encoding.read(raw).text
                yield _task({"text": text, "split": split}, [_answer(label, target, modality)])
        return
    (folder / "files").mkdir()
    if target == "boxes":
        for each in pictures(dataset):
            (folder / "files" / each.name).write_bytes(each.data)
            regions = [_region(box, each) for box in each.label]
            yield _task({modality: _address(each.name), "split": each.split}, regions)
        return
    for split, label, name, data in files_of(dataset):
        (folder / "files" / name).write_bytes(data)
        yield _task({modality: _address(name), "split": split}, [_answer(label, target, modality)])


def _address(name: str) -> str:
    return f"/data/local-files/?d=files/{name}"


def _task(data: Mapping[str, str], results: list[dict[str, Any]]) -> dict[str, Any]:
    return {"data": dict(data), "annotations": [{"result": results, "was_cancelled": False}]}


def _answer(label: Any, target: str, modality: str) -> dict[str, Any]:
    made: dict[str, Any] = {"from_name": "label", "to_name": modality}
    if target == "number":
        return made | {"type": "number", "value": {"number": label}}
    return made | {"type": "choices", "value": {"choices": [label] if target == "category" else json.loads(label)}}


def _region(box: Mapping[str, Any], each: Drawn) -> dict[str, Any]:
    only_places(box, "Label Studio")
    made: dict[str, Any] = {
        "from_name": "label",
        "to_name": "image",
        "original_width": each.width,
        "original_height": each.height,
        "image_rotation": 0,
    }
    across, down = 100 / each.width, 100 / each.height
    if box.get("polygons"):
        points = [[x * across, y * down] for x, y in box["polygons"][0]]
        value: dict[str, Any] = {"points": points, "closed": True, "polygonlabels": [box["class"]]}
        return made | {"type": "polygonlabels", "value": value}
    value = {
        "x": box["x"] * across,
        "y": box["y"] * down,
        "width": box["width"] * across,
        "height": box["height"] * down,
        "rotation": 0,
        "rectanglelabels": [box["class"]],
    }
    return made | {"type": "rectanglelabels", "value": value}


def _config(modality: str, target: str, names: list[str]) -> str:
    """Return the labelling interface: what is shown, and the tag that answers."""
    shown = f'  <{_DATA[modality]} name="{modality}" value="${modality}"/>\n'
    if target == "number":
        return f'<View>\n{shown}  <Number name="label" toName="{modality}"/>\n</View>\n'
    tag, inner = ("RectangleLabels", "Label") if target == "boxes" else ("Choices", "Choice")
    more = ' choice="multiple"' if target == "tags" else ""
    values = "".join(f"    <{inner} value={quoteattr(name)}/>\n" for name in names)
    return f'<View>\n{shown}  <{tag} name="label" toName="{modality}"{more}>\n{values}  </{tag}>\n</View>\n'
