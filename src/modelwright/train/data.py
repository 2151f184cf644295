"""The samples that fits see: features per encoding, truth, weights, with unknown truths left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.errors import InputError
from modelwright.models.base import Family, Fold, Task, encoding_of
from modelwright.progress import Progress
from modelwright.store.dataset import Dataset
from modelwright.tasks.base import Encoding
from modelwright.train import plan

HELD_BACK = 5
"""One in so many training samples is held back where the dataset has no validation split."""


def _known(truth: NDArray[Any]) -> NDArray[np.bool_]:
    if truth.ndim == 2:
        return np.asarray(np.isfinite(truth).all(axis=1))
    return np.asarray(truth >= 0 if truth.dtype.kind == "i" else np.isfinite(truth))


def from_others(parents: NDArray[np.int64], folds: NDArray[np.int64], fold: int) -> NDArray[np.bool_]:
    """Return ``(n,)``: which samples have a parent in ``fold``, given the ``(n, 2)`` positions of their parents.

    Examples
    --------
    >>> parents = np.array([[-1, -1], [-1, -1], [0, -1], [0, 1]])
    >>> from_others(parents, np.array([0, 1, 0, 0]), 1).tolist()
    [False, False, False, True]
    """
    return np.asarray(((parents >= 0) & (folds[parents] == fold)).any(1))


@dataclass
class Samples:
    """Training and validation samples of one dataset; the test split is never opened here."""

    dataset: Dataset
    progress: Progress
    seed: int
    weights: NDArray[np.float32] | None = None
    """Of the training samples, set once the metric is known."""
    _features: dict[tuple[str, str], NDArray[Any]] = field(default_factory=dict)

    @cached_property
    def _divided(self) -> tuple[NDArray[np.int64], NDArray[np.int64], str]:
        """Return the rows to learn from, the rows held out, and the split that these are rows of."""
        truth = self.dataset.truth("train")
        rows = np.flatnonzero(_known(truth))
        if len(rows) < 2:
            raise InputError(
                f"dataset {self.dataset.digest[:12]} has {len(rows)} labelled training samples; at least 2 are needed",
                code="no-samples",
                hint="label more samples, or give the training split a larger share",
            )
        held = (
            np.flatnonzero(_known(self.dataset.truth("validation"))) if self.dataset.count("validation") else rows[:0]
        )
        if len(held):
            return rows, held, "validation"
        folds = plan.deal(truth[rows], self.groups_of(rows), min(HELD_BACK, len(rows)), self.seed)
        made = self.dataset.synthetic("train")[rows]
        beside = from_others(self._parents_among(rows), folds, 0)
        self.progress.say(f"there is no validation split: one in {HELD_BACK} training samples is held back instead")
        return rows[(folds > 0) & ~beside], rows[(folds == 0) & ~made], "train"

    def _parents_among(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return ``(rows, 2)``: the positions in ``rows`` of what each was made from, -1 for none or not among them."""
        parents = self.dataset.made_from("train")
        position = np.full(len(parents) + 1, -1, np.int64)  # the last one is where -1 leads
        position[rows] = np.arange(len(rows))
        return np.asarray(position[parents[rows]])

    @cached_property
    def parents(self) -> NDArray[np.int64]:
        """``(n, 2)``: positions among the training samples of what each was made from, -1 for none."""
        return self._parents_among(self.train_rows)

    def learned(self, folds: NDArray[np.int64], fold: int) -> NDArray[np.int64]:
        """Return positions to learn from where ``fold`` is judged by: no sample of it, and none made of one of it."""
        return np.flatnonzero((folds != fold) & ~from_others(self.parents, folds, fold))

    def groups_of(self, rows: NDArray[np.int64]) -> list[Any]:
        """Return the group of each of these rows of the training split."""
        table = self.dataset.samples("train")
        groups: Sequence[Any] = table["group"].to_pylist() if "group" in table.column_names else [None] * len(table)
        return [groups[row] for row in rows]

    @cached_property
    def kept_folds(self) -> NDArray[np.int64] | None:
        """Folds that the dataset keeps for the training samples (the spec's ``split.folds``); None: it keeps none."""
        table = self.dataset.samples("train")
        if "fold" not in table.column_names:
            return None
        folds = table["fold"].to_numpy(zero_copy_only=False)[self.train_rows]
        return None if np.isnan(folds.astype(np.float64)).any() else np.asarray(folds, np.int64)

    @property
    def train_rows(self) -> NDArray[np.int64]:
        """Rows of the training split to learn from."""
        return self._divided[0]

    @cached_property
    def real(self) -> NDArray[np.bool_]:
        """Which of the rows to learn from were found and not made: only these are ever judged by."""
        return ~self.dataset.synthetic("train")[self._divided[0]]

    @cached_property
    def truth(self) -> NDArray[Any]:
        """Truth of the training samples."""
        return self.dataset.truth("train")[self._divided[0]]

    @cached_property
    def held_truth(self) -> NDArray[Any]:
        """Truth of the samples held out."""
        _, held, split = self._divided
        return self.dataset.truth(split)[held]

    def encoding(self, family: Family) -> Encoding:
        """Return the encoding that ``family`` learns from here."""
        return encoding_of(family, self.dataset.modality.encodings)

    def _of(self, split: str, encoding: Encoding) -> NDArray[Any]:
        if (split, encoding) not in self._features:
            self._features[split, encoding] = self.dataset.features(split, encoding, self.progress)
        return self._features[split, encoding]

    def train(self, encoding: Encoding) -> Fold:
        """Return what to learn from."""
        features = self._of("train", encoding)
        rows = self._divided[0]
        return Fold(features, self.truth, self.weights, None if len(rows) == len(features) else rows)

    def validation(self, encoding: Encoding) -> Fold:
        """Return what to stop and choose by."""
        _, held, split = self._divided
        features = self._of(split, encoding)
        return Fold(features, self.held_truth, None, None if len(held) == len(features) else held)

    def task(self, family: Family) -> Task:
        """Return the task as ``family`` sees it."""
        encoding = self.encoding(family)
        features = self._of("train", encoding)
        schema = self.dataset.schema
        names = self.names(encoding) or []
        columns = schema["input"].get("columns", ()) if encoding == "trees" else ()
        codes = tuple(
            names.index(column["name"])
            for column in columns
            if column["kind"] == "category" and column["name"] in names
        )
        return Task(
            schema["modality"],
            schema["target"],
            len(schema["output"].get("classes", ())),
            len(self._divided[0]),
            tuple(int(side) for side in features.shape[1:]),
            codes,
        )

    def names(self, encoding: Encoding) -> list[str] | None:
        """Return the names of the features, where the modality knows them."""
        named = getattr(self.dataset.modality, "feature_names", None)
        return None if named is None else list(named(self.dataset.schema["input"], encoding))
