"""Out-of-fold predictions from light features: ridge over patches or columns, and trees for tables.

Everything runs on this machine from the data alone, and the same data gives the same predictions.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.engine.threads import idle_cores
from modelwright.prepare.clean.labels import patches, ridge
from modelwright.prepare.clean.labels.folds import FOLDS
from modelwright.progress import Progress

TRIED = 2000
"""Pictures on which the two views are compared."""
BOTH = 10_000
"""Pictures up to which both views are made of all at once; above, only the better one is."""
WAVES = 1024
"""Random features of light features."""
_MOST_WAVES = 1 << 27
"""Random features of all samples together: 512 MB."""
_TREES = 120
_MOST_TREE_CLASSES = 30
_MOST_TREE_TAGS = 12


@dataclass(frozen=True)
class Predicted:
    """Out-of-fold predictions: ``values (n, k) float32`` probabilities or ``(n, 1)`` numbers; ``how`` in words."""

    values: NDArray[np.float32]
    how: str


@dataclass(frozen=True)
class Truth:
    """What is to be predicted: ``codes (n,)`` of ``classes``, or ``numbers (n,)`` and no classes; and the folds.

    For tags ``flags (n, k)`` says which are there, and ``classes`` is k.
    """

    codes: NDArray[np.int64]
    numbers: NDArray[np.float64]
    classes: int
    folds: NDArray[np.int64]
    flags: NDArray[np.float32] | None = None

    @property
    def fold_count(self) -> int:
        """How many folds there are."""
        return len(np.unique(self.folds))

    @property
    def exactly(self) -> str:
        """How a ridge regression is cross-validated, in words."""
        return f"{self.fold_count} exact folds"

    @property
    def wanted(self) -> NDArray[Any]:
        """The truth itself, whatever its kind."""
        if self.flags is not None:
            return self.flags
        return self.codes if self.classes else self.numbers

    def targets(self, rows: slice) -> NDArray[np.float64]:
        """Return ``(rows, k)`` indicators, or ``(rows, 1)`` numbers."""
        if self.flags is not None:
            return self.flags[rows].astype(np.float64)
        if not self.classes:
            return self.numbers[rows, None]
        codes = self.codes[rows]
        made = np.zeros((len(codes), self.classes))
        made[np.arange(len(made)), codes] = 1.0
        return made

    def first(self, places: NDArray[np.int64]) -> Truth:
        """Return it of some samples only."""
        flags = None if self.flags is None else self.flags[places]
        return Truth(self.codes[places], self.numbers[places], self.classes, self.folds[places], flags)


def of_pictures(
    grey: NDArray[np.uint8], chroma: NDArray[np.uint8], truth: Truth, folder: Path, progress: Progress
) -> Predicted:
    """Predict pictures from their patches; features lie in ``folder`` while they are needed.

    Parameters
    ----------
    grey, chroma
        ``(n, 32, 32)`` and ``(n, 2, 16, 16)`` uint8, as scans keep them.
    """
    count = len(grey)
    bank = patches.learn(grey, chroma, np.random.default_rng(0))
    tried = np.unique(np.linspace(0, count - 1, min(count, TRIED)).astype(np.int64))
    every = count <= BOTH
    first = np.arange(count) if every else tried
    progress.begin("features of small pictures", len(first) + (0 if every else count))
    files = [_View(folder / f"{view}.{os.getpid()}.npy", view, len(first)) for view in patches.VIEWS]
    try:
        _fill(files, grey[first], chroma[first], bank, progress)
        compared = tried if every else np.arange(len(tried))
        some = truth.first(tried)
        losses = [_fit(each.features[compared], some, search=False).loss for each in files]
        best = files[int(np.argmin(losses))]
        if not every:
            files.append(_View(folder / f"all.{os.getpid()}.npy", best.view, count))
            _fill(files[-1:], grey, chroma, bank, progress)
        features = best.features if every else files[-1].features
        how = f"ridge regression over {patches.WIDTH:,} features of random patches ({best.view}), {truth.exactly}"
        return Predicted(_fit(features, truth).values, how)
    finally:
        for each in files:
            each.path.unlink(missing_ok=True)


def of_columns(features: NDArray[np.float32], truth: Truth) -> Predicted:
    """Predict rows from ``(n, d)`` finite features: by ridge and by trees, whichever is better out of fold."""
    linear = Predicted(
        _fit(features, truth).values,
        f"ridge regression over {features.shape[1]} features, {truth.exactly}",
    )
    if truth.classes > (_MOST_TREE_CLASSES if truth.flags is None else _MOST_TREE_TAGS):
        return linear
    grown = _trees(features, truth)
    if _loss(grown, truth) < _loss(linear.values, truth):
        return Predicted(grown, f"boosted trees over {features.shape[1]} features, {truth.fold_count} folds")
    return linear


def of_vectors(features: NDArray[np.float32], truth: Truth) -> Predicted:
    """Predict samples from ``(n, d)`` light features of one scale: plainly, or through random waves where that is
    better.

    Cosines of random projections stand for the Gaussian kernel (Rahimi and Recht 2007, "Random features for large-scale
    kernel machines"); it is as wide as two samples lie apart on average.
    """
    plain = _fit(features, truth)
    how = f"ridge regression over {features.shape[1]} light features"
    if len(features) * WAVES <= _MOST_WAVES:
        waved = _fit(_waves(features, np.random.default_rng(0)), truth)
        if waved.loss < plain.loss:
            plain, how = waved, f"ridge regression over {WAVES:,} random waves of {features.shape[1]} light features"
    return Predicted(plain.values, f"{how}, {truth.exactly}")


def of_embeddings(features: NDArray[np.float32], truth: Truth, name: str) -> Predicted:
    """Predict samples from ``(n, d)`` vectors that a model made of them, which ``name`` is in words."""
    how = f"ridge regression over embeddings by {name}, {truth.exactly}"
    return Predicted(_fit(features, truth).values, how)


def _waves(features: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    width = np.sqrt(2.0 * float(features.var(axis=0, dtype=np.float64).sum())) or 1.0
    directions = (random.normal(size=(features.shape[1], WAVES)) / width).astype(np.float32)
    phases = random.uniform(0.0, 2.0 * np.pi, WAVES).astype(np.float32)
    made = np.empty((len(features), WAVES), np.float32)
    for start in range(0, len(features), 4096):
        made[start : start + 4096] = np.cos(features[start : start + 4096] @ directions + phases)
    return made


class _View:
    """Features of one view in a file that goes away again."""

    def __init__(self, path: Path, view: patches.View, count: int) -> None:
        self.path = path
        self.view = view
        self.features: NDArray[np.float16] = np.lib.format.open_memmap(
            path, "w+", np.dtype(np.float16), (count, patches.WIDTH)
        )


def _fill(
    files: list[_View], grey: NDArray[np.uint8], chroma: NDArray[np.uint8], bank: patches.Bank, progress: Progress
) -> None:
    start = 0
    for made in patches.extract(grey, chroma, bank, [each.view for each in files], idle_cores()):
        for each in files:
            some = made[each.view]
            each.features[start : start + len(some)] = some
        start += len(some)
        progress.advance(len(some))


def _fit(features: NDArray[Any], truth: Truth, *, search: bool = True) -> ridge.Best:
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    ridge.ready(*features.shape)
    # BLAS waits by spinning: threads on cores that others use would slow both down.
    with threadpool_limits(limits=idle_cores()):
        of = ridge.OutOfFold(features, truth.targets, truth.folds)
        if truth.flags is not None:
            return ridge.tags(of, truth.flags, search=search)
        if truth.classes:
            return ridge.classes(of, truth.codes, search=search)
        return ridge.numbers(of, truth.numbers, search=search)


def _trees(features: NDArray[np.float32], truth: Truth) -> NDArray[np.float32]:
    import lightgbm

    settings: dict[str, Any] = {
        "learning_rate": 0.08,
        "num_leaves": 15,
        "min_data_in_leaf": 20,
        "lambda_l2": 1.0,
        "feature_fraction": 0.8,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "seed": 0,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": idle_cores(),
        "verbosity": -1,
    }
    if truth.flags is not None:
        tags = [Truth(flags.astype(np.int64), truth.numbers, 2, truth.folds) for flags in truth.flags.T]
        return np.stack([_trees(features, each)[:, 1] for each in tags], axis=1)
    wanted: NDArray[Any] = truth.codes
    if not truth.classes:
        settings["objective"] = "regression_l1"  # wrong numbers must not pull the trees to them
        wanted = truth.numbers
    elif truth.classes == 2:
        settings["objective"] = "binary"
    else:
        settings |= {"objective": "multiclass", "num_class": truth.classes}
    made = np.empty((len(features), max(truth.classes, 1)), np.float32)
    for train, held_out in _halves(truth.folds):
        data = lightgbm.Dataset(features[train], wanted[train], params={"verbosity": -1})
        found = np.asarray(lightgbm.train(settings, data, _TREES).predict(features[held_out]))
        made[held_out] = np.stack([1.0 - found, found], 1) if truth.classes == 2 else found.reshape(len(held_out), -1)
    return np.asarray(np.round(made, 5) if truth.classes else made)


def _halves(folds: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    for number in range(FOLDS):
        mine = folds == number
        if mine.any():
            yield np.flatnonzero(~mine), np.flatnonzero(mine)


def _loss(values: NDArray[np.float32], truth: Truth) -> float:
    if truth.flags is not None:
        sure = np.clip(values.astype(np.float64), 1e-6, 1.0 - 1e-6)
        return float(-np.where(truth.flags > 0.5, np.log(sure), np.log1p(-sure)).mean())
    if truth.classes:
        own = values[np.arange(len(values)), truth.codes].astype(np.float64)
        return float(-np.log(np.maximum(own, 1e-6)).mean())
    return float(np.abs(values[:, 0] - truth.numbers).mean())
