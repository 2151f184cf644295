"""Synthetic samples teach, and are never judged by."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from modelwright import spec as specs
from modelwright.prepare import prepare
from modelwright.progress import SILENT
from modelwright.store.dataset import Dataset
from modelwright.store.store import Store
from modelwright.train import train
from modelwright.train.data import Samples

TEXT = """
sources: [{table: data.csv}]
label: y
split: {train: 0.7, validation: SHARE, test: REST}
synthesize: {ways: [smote], copies: 6}
train: {models: [logistic], folds: FOLDS, budget: 1m}
"""


def made(folder: Path, share: float, folds: int) -> tuple[specs.Spec, Dataset, Store]:
    random = np.random.default_rng(0)
    with (folder / "data.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["a", "b", "y"])
        for number in range(300):
            rare = number % 10 == 0
            writer.writerow([random.normal(2 * rare), random.normal(), ["no", "yes"][rare]])
    text = TEXT.replace("SHARE", str(share)).replace("REST", str(round(0.3 - share, 2))).replace("FOLDS", str(folds))
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
