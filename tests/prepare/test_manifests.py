"""Several manifests read as one: Hugging Face's shards, and folders with a ``metadata`` file each."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from modelwright.errors import InputError
from modelwright.prepare.guess.guessing import guess
from modelwright.store.dataset import Dataset

from .conftest import Project, picture

NAMES = ["cat", "dog"]


def shard(path: Path, numbers: range) -> None:
    """Write a file as ``datasets`` writes it: bytes and a class label, whose names are in the schema."""
    features = {
        "image": {"_type": "Image"},
        "label": {"names": NAMES, "_type": "ClassLabel"},
    }
    told = {"huggingface": json.dumps({"info": {"features": features}})}
    table = pa.table(
        {
            "image": pa.array(
                [{"bytes": picture(number, (40, 32)), "path": f"{number}.jpg"} for number in numbers],
                pa.struct({"bytes": pa.binary(), "path": pa.string()}),
            ),
            "label": pa.array([number % 2 for number in numbers], pa.int64()),
        }
    ).replace_schema_metadata(told)
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table, path)


def splits(dataset: Dataset) -> dict[str, str]:
    table = dataset.columns()
    return dict(zip(table["path"].to_pylist(), table["split"].to_pylist(), strict=True))


@pytest.mark.parametrize("location", ["ds", "ds/data", "'ds/data/*.parquet'"])
def test_shards_are_one_source(project: Project, location: str) -> None:
    data = project.root / "ds" / "data"
    shard(data / "train-00000-of-00002.parquet", range(16))
    shard(data / "train-00001-of-00002.parquet", range(16, 32))
    shard(data / "test-00000-of-00001.parquet", range(32, 44))
    dataset = project.prepare(f"sources: [{{manifest: {location}}}]\nsplit: {{column: split}}\n")
    found = splits(dataset)
    assert len(found) == 44
    assert dataset.meta["classes"] == NAMES
    for path, split in found.items():
        assert (split == "test") == ("test-" in path), path
    assert sum(split == "validation" for split in found.values()) > 0  # taken from train, which names none
    assert {row["label"] for row in dataset.samples().to_pylist()} == set(NAMES)
    assert next(dataset.raw("test"))[:2] == b"\xff\xd8"
    shard(data / "train-00001-of-00002.parquet", range(16, 31))
    assert len(splits(project.prepare(f"sources: [{{manifest: {location}}}]\n"))) == 43
    assert any("their names say test, train" in line for line in project.listener.said)


def test_folders_with_metadata_each(project: Project) -> None:
    for name, numbers in (("train", range(20)), ("test", range(20, 30))):
        folder = project.root / "ds" / name
        folder.mkdir(parents=True)
        for number in numbers:
            (folder / f"{number}.jpg").write_bytes(picture(number, (40, 32)))
        lines = [json.dumps({"file_name": f"{number}.jpg", "label": NAMES[number % 2]}) for number in numbers]
        (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n")
    (project.root / "ds" / "train" / "nobody.jpg").write_bytes(picture(99, (40, 32)))
    dataset = project.prepare("sources: [{manifest: ds}]\nsplit: {column: split}\n")
    found = splits(dataset)
    assert all((split == "test") == path.startswith("test/") for path, split in found.items())
    assert len(found) == 30
    assert next(dataset.raw("train"))[:2] == b"\xff\xd8"
    unlisted = [row["path"] for row in dataset.issues().to_pylist() if row["kind"] == "unlisted-file"]
    assert unlisted == ["0/train/nobody.jpg"]
    with pytest.raises(InputError, match="'wrong'"):
        project.prepare("sources: [{manifest: ds, label: wrong}]\n")


def test_bytes_and_names_are_two_sources(project: Project) -> None:
    shard(project.root / "ds" / "a.parquet", range(4))
    parquet.write_table(pa.table({"path": ["x.jpg"], "label": ["cat"]}), project.root / "ds" / "b.parquet")
    with pytest.raises(InputError, match="some of its manifests hold bytes, some name files"):
        project.prepare("sources: [{manifest: ds}]\n")


def test_init_knows_them(project: Project) -> None:
    shard(project.root / "ds" / "data" / "train-00000-of-00001.parquet", range(16))
    shard(project.root / "ds" / "data" / "test-00000-of-00001.parquet", range(16, 24))
    found = guess(project.root / "ds")
    assert (found.input, found.output) == ("image", "category")
    assert found.sources == [{"manifest": str(project.root / "ds")}]
    assert any("named test, train" in reason for reason in found.reasons)
    parquet.write_table(pa.table({"a": [1.5], "b": ["x"]}), project.root / "rows.parquet")
    (project.root / "rows").mkdir()
    (project.root / "rows.parquet").rename(project.root / "rows" / "rows.parquet")
    assert guess(project.root / "rows").input == "table"


def test_the_arrays_of_mnist_are_all_named(project: Project) -> None:
    random = np.random.default_rng(0)
    made = {name: random.integers(0, 255, (count, 9, 9), np.uint8) for name, count in (("x_train", 20), ("x_test", 8))}
    labels = {name: np.arange(count) % 2 for name, count in (("y_train", 20), ("y_test", 8))}
    np.savez(project.root / "mnist.npz", allow_pickle=False, **made, **labels)
    found = guess(project.root / "mnist.npz")
    assert [each["images"] for each in found.sources] == ["x_train", "x_test"]
    lines = "".join(f"  - {json.dumps({**each, 'arrays': 'mnist.npz'})}\n" for each in found.sources)
    assert len(splits(project.prepare(f"sources:\n{lines}"))) == 28
    project.prepare("sources: [{arrays: mnist.npz}]\n")
    assert any("mnist.npz also holds x_test, y_test" in line for line in project.listener.said)
    np.savez(project.root / "other.npz", a=labels["y_test"])
    with pytest.raises(InputError, match=r"other\.npz holds the arrays a; which are pictures"):
        guess(project.root / "other.npz")
