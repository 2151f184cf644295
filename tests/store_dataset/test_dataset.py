"""A Dataset as later steps use it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from modelwright import spec as specs
from modelwright.prepare import prepare
from modelwright.store import Store
from modelwright.store.dataset import Dataset
from modelwright.store.sample_names import os_path, printable


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root = tmp_path_factory.mktemp("project")
    random = np.random.default_rng(0)
    lines = ["size,colour,price"]
    for _ in range(20_000):
        size = random.normal()
        lines.append(f"{size:.6f},{'red' if random.random() < 0.5 else 'blue'},{3 * size + random.normal():.6f}")
    (root / "data.csv").write_text("\n".join(lines) + "\n")
    (root / "modelwright.yaml").write_text("sources: [{table: data.csv}]\noutput: number\nlabel: price\n")
    return prepare(specs.load(root / "modelwright.yaml"), Store.open(root / ".modelwright"))


def test_opens_again_from_the_store(table: Dataset) -> None:
    store = Store.open(table.store.root)
    again = Dataset(store, store.artifacts.open(table.digest, "dataset"))
    assert again.schema == table.schema
    assert again.count("train") == 14_000
    assert again.labels("test") == table.labels("test")
    assert repr(again).startswith(f"Dataset({table.digest[:12]}")


def test_features_are_made_once_and_mapped(table: Dataset) -> None:
    first = table.features("train", "dense")
    assert isinstance(first, np.memmap)
    assert first.dtype == np.float32
    folder = table.store.cache_dir("features")
    (path,) = folder.glob("*-train-dense-*.npy")
    stamp = path.stat().st_mtime_ns
    np.testing.assert_array_equal(table.features("train", "dense"), first)
    assert path.stat().st_mtime_ns == stamp
    assert not list(folder.glob("*.npy.*"))


def test_features_follow_the_order_of_samples(table: Dataset) -> None:
    trees = table.features("test", "trees")
    sizes = [float(value) for value in table.measures("test")["size"]]
    np.testing.assert_allclose(trees[:, 0], np.asarray(sizes, np.float32), rtol=1e-6)


def test_truth_and_splits(table: Dataset) -> None:
    assert table.truth("validation").shape == (2000,)
    assert sum(table.count(split) for split in ("train", "validation", "test")) == len(table.samples())
    ids = [set(table.ids(split)) for split in ("train", "validation", "test")]
    assert not ids[0] & ids[1]
    assert not ids[0] & ids[2]


def test_unknown_split(table: Dataset) -> None:
    with pytest.raises(ValueError, match="there is no split 'tset'"):
        table.count("tset")


def test_names_round_trip() -> None:
    for name in (b"a", "ü/ß ☃".encode(), b"\xff\xfe", b"bytes:%41", b"tab\there", "e\u0301".encode(), b"a%20b"):
        assert os_path(printable(name)) == name
        assert printable(name).isprintable()


def test_inputs_in_batches(table: Dataset, tmp_path: Path) -> None:
    del tmp_path
    batches = list(table.inputs("test", batch=300))
    counts = [len(next(iter(each.values()))) for each in batches if isinstance(each, dict)]
    assert sum(counts) == 4000
    assert max(counts) <= 300
