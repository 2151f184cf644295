"""Real datasets in a real store, made from generated samples without the prepare step."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from modelwright import canonical
from modelwright.spec import Spec, loads
from modelwright.store.dataset import Dataset
from modelwright.store.store import Store
from modelwright.tasks import base as tasks


def png(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def split_of(number: int) -> str:
    return "test" if number % 10 == 9 else "validation" if number % 10 >= 7 else "train"


def publish(
    store: Store, modality: str, target: str, raws: Sequence[bytes], labels: Sequence[Any], splits: Sequence[str]
) -> Dataset:
    """Publish a dataset whose samples are kept as objects."""
    import pyarrow as pa
    from pyarrow import parquet

    kind, output = tasks.modality(modality), tasks.target(target)
    train = [place for place, split in enumerate(splits) if split == "train"]
    if modality == "table":
        rows = [json.loads(raws[place]) for place in train]
        columns = {name: np.array([row[name] for row in rows], object) for name in rows[0]}
        learned = kind.learn([columns], {})
    else:
        learned = kind.learn([[kind.decode(raws[place], {}) for place in train]], {})
    schema: dict[str, Any] = {
        "modality": modality,
        "modality_version": kind.version,
        "input": learned,
        "target": target,
        "target_version": output.version,
        "output": output.learn([labels[place] for place in train]),
    }
    ids = [store.objects.put(raw) for raw in raws]
    count = len(raws)
    table = pa.table(
        {
            "id": ids,
            "source": [0] * count,
            "path": [f"{number}" for number in range(count)],
            "label": list(labels),
            "split": list(splits),
            "group": ids,
            "status": ["kept"] * count,
            "annotation": ["source"] * count,
        }
    )
    counts = {split: list(splits).count(split) for split in ("train", "validation", "test")}
    meta = {
        "name": "made",
        "modality": modality,
        "target": target,
        "counts": {**counts, "dropped": 0},
        "classes": schema["output"].get("classes"),
        "sources": [{"kind": "folder", "location": ".", "digest": "0" * 64, "kept": "objects"}],
    }
    with store.artifacts.begin("dataset") as writer:
        parquet.write_table(table, writer.file("samples.parquet"))
        if modality == "table":
            parquet.write_table(pa.Table.from_pylist([json.loads(raw) for raw in raws]), writer.file("rows.parquet"))
        writer.file("schema.json").write_bytes(canonical.dumps(schema))
        return Dataset(store, writer.publish(meta, {}))


def flowers(count: int, seed: int = 0) -> tuple[list[bytes], list[Any], list[Any]]:
    """Return rows with a number, a category and a gap, a class to tell, and a number to predict."""
    random = np.random.default_rng(seed)
    raws, labels, values = [], [], []
    for _ in range(count):
        length, colour = float(random.normal()), str(random.choice(["red", "green", "blue"]))
        width = None if random.random() < 0.1 else float(random.normal())
        value = 3 * length + (2.0 if colour == "red" else 0.0) + 0.3 * float(random.normal())
        labels.append("big" if value > 0.7 else "small")
        values.append(value)
        raws.append(canonical.dumps({"length": length, "width": width, "colour": colour}))
    return raws, labels, values


def pictures(count: int, seed: int = 0) -> tuple[list[bytes], list[Any], list[Any]]:
    """Return 12 × 12 pictures of upright and level bars, and how bright they are."""
    random = np.random.default_rng(seed)
    raws, labels, values = [], [], []
    for number in range(count):
        picture = random.integers(0, 60, (12, 12)).astype(np.uint8)
        place, light = int(random.integers(2, 10)), int(random.integers(120, 250))
        if number % 2:
            picture[:, place] = light
        else:
            picture[place] = light
        raws.append(png(np.repeat(picture[..., None], 3, axis=2)))
        labels.append("upright" if number % 2 else "level")
        values.append(float(light))
    return raws, labels, values


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "project" / ".modelwright")


@pytest.fixture
def spec_of(tmp_path: Path) -> Callable[..., Spec]:
    def make(modality: str, target: str, train: str = "{}", accept: str = "{}") -> Spec:
        label = "label: y\n" if modality == "table" else ""
        source = "  - table: data.csv" if modality == "table" else "  - folder: photos"
        (tmp_path / "data.csv").touch()
        (tmp_path / "photos").mkdir(exist_ok=True)
        text = (
            f"name: made\ninput: {modality}\noutput: {target}\n{label}sources:\n{source}\n"
            f"train: {train}\naccept: {accept}\n"
        )
        return loads(text, tmp_path / "modelwright.yaml")

    return make
