"""Synthetic samples teach, and are never judged by."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright import spec as specs
from modelwright.prepare import prepare
from modelwright.progress import SILENT
from modelwright.store.dataset import Dataset
from modelwright.store.store import Store
from modelwright.train import plan, train
from modelwright.train.data import Samples, from_others

TEXT = """
sources: [{table: data.csv}]
label: y
split: {train: 0.7, validation: SHARE, test: REST, folds: KEPT}
synthesize: {ways: [smote], copies: 6}
train: {models: [logistic], folds: FOLDS, budget: 1m}
"""


def made(folder: Path, share: float, folds: int, kept: int = 0) -> tuple[specs.Spec, Dataset, Store]:
    random = np.random.default_rng(0)
    with (folder / "data.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["a", "b", "y"])
        for number in range(300):
            rare = number % 10 == 0
            writer.writerow([random.normal(2 * rare), random.normal(), ["no", "yes"][rare]])
    text = TEXT.replace("SHARE", str(share)).replace("REST", str(round(0.3 - share, 2))).replace("FOLDS", str(folds))
    text = text.replace("KEPT", str(kept))
    (folder / "modelwright.yaml").write_text(text, "utf-8")
    spec = specs.load(folder / "modelwright.yaml")
    store = Store.open(folder / ".modelwright")
    return spec, prepare(spec, store), store


@pytest.mark.parametrize(("share", "folds"), [(0.1, 0), (0.1, 4)])
def test_they_are_learned_from_and_not_judged_by(tmp_path: Path, share: float, folds: int) -> None:
    spec, dataset, store = made(tmp_path, share, folds)
    samples = Samples(dataset, SILENT, 0)
    rows, held, split = samples._divided
    assert dataset.synthetic("train")[rows].sum() > 20
    assert not dataset.synthetic(split)[held].any()
    assert int(samples.real.sum()) == len(rows) - int(dataset.synthetic("train")[rows].sum())
    model = train(spec, dataset, store)
    if folds:
        assert f"on {int(samples.real.sum())} " in model.meta["reason"]
    assert np.isfinite(model.meta["score"])


def parents_of(dataset: Dataset) -> dict[int, list[str]]:
    """Return the digests of what each synthetic row of the training split was made from, as it says itself."""
    said = dataset.samples("train")["annotation"].to_pylist()
    return {row: each.split(":")[2].split("+") for row, each in enumerate(said) if each.startswith("synthetic:")}


def test_what_is_mixed_comes_from_one_kept_fold(tmp_path: Path) -> None:
    spec, dataset, store = made(tmp_path, 0.1, 0, kept=4)
    table = dataset.samples("train")
    fold = dict(zip(table["id"].to_pylist(), table["fold"].to_pylist(), strict=True))
    found = parents_of(dataset)
    assert sum(len(parents) == 2 for parents in found.values()) == len(found) > 20
    for row, parents in found.items():
        assert {fold[parent] for parent in parents} == {table["fold"][row].as_py()}
    samples = Samples(dataset, SILENT, 0)
    assert samples.kept_folds is not None
    for number in range(4):  # so nothing has to be left out
        assert len(samples.learned(samples.kept_folds, number)) == int((samples.kept_folds != number).sum())
    assert np.isfinite(train(spec, dataset, store).meta["score"])


class Unvalidated(Dataset):
    """A dataset whose validation split is empty."""

    def count(self, split: str) -> int:
        return 0 if split == "validation" else super().count(split)


@pytest.mark.parametrize("kind", [Dataset, Unvalidated])
def test_nothing_made_of_a_judged_sample_is_learned_from(tmp_path: Path, kind: type[Dataset]) -> None:
    _, dataset, store = made(tmp_path, 0.1, 0)
    dataset = kind(store, dataset.artifact)
    samples = Samples(dataset, SILENT, 0)
    ids = dataset.ids("train")
    made_of = parents_of(dataset)
    left_out = 0
    for seed in range(3):
        folds = plan.deal(samples.truth, samples.groups_of(samples.train_rows), 5, seed)
        for number in range(5):
            judged = {ids[row] for row in samples.train_rows[folds == number]}
            learned = samples.train_rows[samples.learned(folds, number)]
            assert not judged & {ids[row] for row in learned}
            assert not judged & {parent for row in learned.tolist() for parent in made_of.get(row, ())}
            left_out += int((folds != number).sum()) - len(learned)
    assert left_out > 0  # some were made of samples in two folds
    _, held, split = samples._divided
    if kind is Unvalidated:  # one in five training samples is held back: what was made of it must not teach
        assert split == "train"
        assert not set(held.tolist()) & set(samples.train_rows.tolist())
        judged = {ids[row] for row in held}
        assert not judged & {parent for row in samples.train_rows.tolist() for parent in made_of.get(row, ())}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 30), st.integers(0, 60), st.integers(2, 6))
def test_of_any_folds_no_parent_is_on_the_other_side(seed: int, real: int, synthetic: int, count: int) -> None:
    random = np.random.default_rng(seed)
    parents = np.full((real + synthetic, 2), -1, np.int64)
    parents[real:, 0] = random.integers(0, real, synthetic)
    parents[real:, 1] = random.integers(-1, real, synthetic)
    folds = random.integers(0, count, real + synthetic)
    for number in range(count):
        beside = from_others(parents, folds, number)
        assert not beside[:real].any()
        for row in range(real, real + synthetic):
            assert beside[row] == (number in {int(folds[parent]) for parent in parents[row] if parent >= 0})
