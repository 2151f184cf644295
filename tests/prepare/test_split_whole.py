"""Splits by time and by a column, and folds, through the whole of prepare."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from modelwright.errors import InputError, SpecError
from modelwright.prepare import prepare
from modelwright.spec import loads
from modelwright.store import Store
from modelwright.store.dataset import Dataset


def made(folder: Path, rows: list[str], split: str, parent: Dataset | None = None) -> Dataset:
    """Prepare a CSV with these lines."""
    folder.mkdir(exist_ok=True)
    (folder / "data.csv").write_text("\n".join(rows) + "\n")
    spec = loads(f"sources: [{{table: data.csv}}]\nlabel: y\nsplit: {split}\n", folder / "modelwright.yaml")
    return prepare(spec, Store.open(folder / ".modelwright"), parent=parent)


def days(count: int, *, start: int = 0, part: str = "") -> list[str]:
    """Return a table with one row a day."""
    random = np.random.default_rng(start + 1000)
    first = np.datetime64("2024-01-01") + start
    rows = []
    for day in range(count):
        a, b = random.normal(size=2)
        rows.append(f"{first + day},{a:.6f},{b:.6f},{'up' if a > 0 else 'down'}{part}")
    return rows


def test_by_time_the_later_rows_are_the_test_and_the_proof_is_kept(tmp_path: Path) -> None:
    rows = ["when,a,b,y", *days(200)]
    dataset = made(tmp_path, rows, "{time: when}")
    division = dataset.meta["division"]
    assert division["by"] == "time"
    assert division["time"]["validation_from"] == "2024-05-20T00:00:00"
    assert division["time"]["test_from"] == "2024-06-09T00:00:00"
    assert division["proof"]["holds"]
    assert division["proof"]["time"]["spans"]["train"]["last"] == "2024-05-19T00:00:00"
    assert [dataset.count(name) for name in ("train", "validation", "test")] == [140, 20, 40]
    samples = dataset.samples("train")
    assert max(samples["time"].to_pylist()) < min(dataset.samples("test")["time"].to_pylist())
    # New rows go by the cuts that were made; the test stays locked.
    more = made(tmp_path, [*rows, *days(5, start=300), *days(3, start=-10)], "{time: when}", dataset)
    assert more.meta["division"]["time"]["cuts"] == division["time"]["cuts"]
    assert set(dataset.ids("test")) <= set(more.ids("test"))
    assert [more.count(name) for name in ("train", "validation", "test")] == [143, 20, 45]


def test_rows_without_a_time_are_shut_out_and_an_odd_one_is_named(tmp_path: Path) -> None:
    rows = ["when,a,b,y", *days(100), ",1,2,up"]
    dataset = made(tmp_path, rows, "{time: when}")
    assert dataset.meta["counts"]["dropped"] == 1
    assert dataset.issues()["kind"].to_pylist().count("missing-time") == 1
    with pytest.raises(InputError, match="found 'soon', which is neither a number nor a date"):
        made(tmp_path, [*rows, "soon,1,2,up"], "{time: when}")
    with pytest.raises(InputError, match="the column with the time, 'wen', is not there"):
        made(tmp_path, rows, "{time: wen}")


def test_by_column_what_it_says_holds_and_it_is_no_input(tmp_path: Path) -> None:
    body = days(100)
    rows = ["when,a,b,y,part", *(f"{row},{'Test' if place % 5 == 0 else 'training'}" for place, row in enumerate(body))]
    dataset = made(tmp_path, rows, "{column: part, folds: 4}")
    assert [dataset.count(name) for name in ("train", "validation", "test")] == [70, 10, 20]
    assert "part" not in {column["name"] for column in dataset.schema["input"]["columns"]}
    folds = dataset.samples("train")["fold"].to_numpy()
    assert np.bincount(folds.astype(int)).tolist() == dataset.meta["division"]["folds"]
    assert max(dataset.meta["division"]["folds"]) - min(dataset.meta["division"]["folds"]) <= 2
    assert dataset.samples("test")["fold"].null_count == 20
    with pytest.raises(InputError, match="'part': found 'later', which names no split"):
        made(tmp_path, [*rows, "2025-01-01,1,2,up,later"], "{column: part}")


def test_equal_rows_that_the_column_tears_apart_stay_in_the_test_only(tmp_path: Path) -> None:
    body = days(60)
    rows = ["when,a,b,y,part", *(f"{row},{'test' if place < 12 else 'train'}" for place, row in enumerate(body))]
    rows += [f"{body[0]},train", f"{body[1]},train"]
    dataset = made(tmp_path, rows, "{column: part}")
    assert dataset.count("test") == 12
    kinds = dataset.issues()["kind"].to_pylist()
    assert kinds.count("split-conflict") == 2
    tie = dataset.meta["division"]["proof"]["ties"][0]
    assert tie["across"] == 0


@pytest.mark.parametrize(
    ("split", "words"),
    [
        ("{by: time}", "split.by: found 'time', and split.time is missing"),
        ("{by: random, column: part}", "split.column: found 'part' beside a split by 'random'"),
        ("{time: when, column: part}", "split.time: found 'when' beside a split by 'column'"),
        ("{folds: 1}", "split.folds: found 1; allowed: 0, or 2 to 50"),
    ],
)
def test_keys_that_contradict_each_other_are_mistakes(split: str, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        loads(f"sources: [{{table: data.csv}}]\nlabel: y\nsplit: {split}\n", "modelwright.yaml")


def test_training_uses_the_folds_that_the_dataset_keeps(tmp_path: Path) -> None:
    from modelwright.progress import SILENT
    from modelwright.train.data import Samples
    from modelwright.train.training import _folds

    dataset = made(tmp_path, ["when,a,b,y", *days(120)], "{folds: 3}")
    spec = loads("sources: [{table: data.csv}]\nlabel: y\nsplit: {folds: 3}\n", tmp_path / "modelwright.yaml")
    samples = Samples(dataset, SILENT, 0)
    folds = _folds(spec, samples, SILENT)
    assert folds is not None
    np.testing.assert_array_equal(folds, dataset.samples("train")["fold"].to_numpy())
