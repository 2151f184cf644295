"""Gradient-boosted trees for tags: a booster of its own for each, with its own number of rounds (binary relevance).

One by one they are as good as the chain in which each sees the answers before it, and no mistake travels along
(Read et al. 2011, "Classifier chains for multi-label classification", Machine Learning 85, discuss both).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright import canonical
from modelwright.errors import IntegrityError
from modelwright.models import files, onnx_graph, tree_graph, tree_text
from modelwright.models.base import FitContext, Fold, History, Task
from modelwright.models.boosting_rounds import Listener, grow, kept_text, open_booster

ABSENT = 12.0
"""Logit, up or down, of a tag that no training sample has, or that all of them have."""
MOST_TAGS = 1 << 16


class BoostingTagsModel:
    """As many LightGBM models as there are tags, as their texts; None for a tag with a constant score.

    Parameters
    ----------
    texts
        ``k`` texts in LightGBM's format, or None.
    constants
        ``(k,)`` the score of the tags that have no text, 0 for the others.
    features
        Columns of the features.
    threads
        Of a prediction.
    """

    def __init__(
        self,
        texts: Sequence[str | None],
        constants: Sequence[float],
        features: int,
        threads: int,
        history: History | None = None,
    ) -> None:
        self.history = history or History()
        self._texts = list(texts)
        self._constants = np.asarray(constants, np.float32)
        self._features, self._threads = features, threads
        self._boosters = [None if text is None else open_booster(text) for text in self._texts]

    def scores(self, features: NDArray[Any]) -> NDArray[np.float32]:
        """Return ``(n, k)`` logits."""
        made = np.repeat(self._constants[None], len(features), axis=0)
        if not len(features):
            return made
        rows = np.asarray(features, np.float32)
        for tag, booster in enumerate(self._boosters):
            if booster is not None:
                raw = booster.predict(rows, raw_score=True, num_threads=self._threads)
                made[:, tag] = np.asarray(raw, np.float32)
        return made

    def to_onnx(self) -> Any:
        """Return the graph: all trees in one ensemble, each adding to its tag, and the constants."""
        trees: list[Mapping[str, Any]] = []
        owners: list[int] = []
        for tag, booster in enumerate(self._boosters):
            if booster is not None:
                own = booster.dump_model()["tree_info"]
                trees += own
                owners += [tag] * len(own)
        width = len(self._texts)
        if not trees:
            # The operator wants a tree: one leaf that adds nothing.
            trees, owners = [{"tree_structure": {"leaf_value": 0.0}}], [0]
        nodes = [
            tree_graph.ensemble(trees, width, "sums", owners),
            onnx_graph.node("Add", ["sums", "constants"], "scores"),
        ]
        return onnx_graph.build(nodes, {"constants": self._constants[None]}, (self._features,), "float32", width)

    def save(self, folder: Path) -> None:
        """Write ``trees-<tag>.txt`` (LightGBM's format) for each tag that has one, and ``boosting.json``."""
        folder.mkdir(parents=True, exist_ok=True)
        digests: list[str | None] = []
        for tag, text in enumerate(self._texts):
            digests.append(None if text is None else canonical.digest_bytes(text.encode()))
            if text is not None:
                _path(folder, tag).write_text(text, encoding="utf-8")
        described = {
            "constants": [float(value) for value in self._constants],
            "features": self._features,
            "tags": digests,
            "threads": self._threads,
        }
        files.write_json(folder / "boosting.json", described)

    def importance(self) -> NDArray[np.float64] | None:
        """Return the gain of each feature's splits, all tags counting the same."""
        found = np.zeros(self._features)
        for booster in self._boosters:
            if booster is not None:
                gains = np.asarray(booster.feature_importance("gain"), np.float64)
                found += gains / max(float(gains.sum()), 1e-12)
        return found


def _path(folder: Path, tag: int) -> Path:
    return folder / f"trees-{tag}.txt"


def fit(
    train: Fold, validation: Fold, task: Task, settings: Mapping[str, Any], context: FitContext
) -> BoostingTagsModel:
    """Learn one tag after the other; the time that is left is shared evenly by those that are left."""
    import lightgbm

    truth = train.truth.astype(np.float64)
    options = {"free_raw_data": False, "categorical_feature": list(task.categorical), "params": dict(settings)}
    sets = {"train": lightgbm.Dataset(train.take(slice(None)), truth[:, 0], weight=_weights(train, 0), **options)}
    held_out = validation.fitting() if validation.count else None
    if held_out is not None:
        held = held_out.truth.astype(np.float64)
        sets["validation"] = sets["train"].create_valid(held_out.take(slice(None)), held[:, 0])
    texts: list[str | None] = []
    constants: list[float] = []
    heard: list[tuple[int, Listener]] = []
    warm = _warm(context, task.classes)
    context.progress.begin(f"boosting, {settings['num_leaves']} leaves, {task.classes} tags", None)
    for tag in range(task.classes):
        share = float(truth[:, tag].mean())
        if share in {0.0, 1.0}:
            texts.append(None)
            constants.append(ABSENT if share else -ABSENT)
            continue
        left = (context.deadline - time.monotonic()) / (task.classes - tag)
        sets["train"].set_label(truth[:, tag])
        if train.weights is not None:
            sets["train"].set_weight(_weights(train, tag))
        if held_out is not None:
            sets["validation"].set_label(held[:, tag])
        grown = grow(settings, sets, replace(context, deadline=time.monotonic() + left), warm[tag])
        texts.append(kept_text(grown, 1))
        constants.append(0.0)
        heard.append((grown.best, grown.listener))
    return BoostingTagsModel(texts, constants, train.features.shape[1], int(settings["num_threads"]), _history(heard))


def _weights(fold: Fold, tag: int) -> NDArray[np.float32] | None:
    if fold.weights is None:
        return None
    return np.ascontiguousarray(fold.weights if fold.weights.ndim == 1 else fold.weights[:, tag])


def _warm(context: FitContext, tags: int) -> list[Any]:
    """Return the booster to go on from of each tag, or None: a tag that was constant before begins anew."""
    if context.warm_start is None:
        return [None] * tags
    before = load(context.warm_start)
    return list(before._boosters) if len(before._boosters) == tags else [None] * tags


def _history(heard: Sequence[tuple[int, Listener]]) -> History:
    """Return the mean learning curve of all tags; one that stopped early stays where it was."""
    longest = max((len(listener.curve) for _, listener in heard), default=0)
    curve = []
    for step in range(longest):
        row = {"step": float(step + 1)}
        for key in ("train_loss", "validation_loss", "seconds"):
            row[key] = float(
                np.mean([listener.curve[min(step, len(listener.curve) - 1)][key] for _, listener in heard])
            )
        curve.append(row)
    best = round(float(np.mean([best for best, _ in heard]))) if heard else 0
    return History(tuple(curve), best, any(listener.cut_short for _, listener in heard))


def load(folder: Path) -> BoostingTagsModel:
    """Open a saved model; every text must be what ``boosting.json`` says."""
    meta = files.read_json(folder / "boosting.json", ["constants", "features", "tags", "threads"])
    digests, constants = meta["tags"], meta["constants"]
    sound = (
        isinstance(digests, list) and isinstance(constants, list) and 0 < len(digests) == len(constants) <= MOST_TAGS
    )
    sound = sound and all(isinstance(value, int | float) and np.isfinite(value) for value in constants)
    sound = sound and all(type(meta[name]) is int and 0 < meta[name] <= 1 << 20 for name in ("features", "threads"))
    if not sound:
        raise IntegrityError("boosting.json of the model has figures that do not fit each other")
    texts: list[str | None] = []
    for tag, digest in enumerate(digests):
        if digest is None:
            texts.append(None)
            continue
        try:
            text = _path(folder, tag).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise IntegrityError(f"{_path(folder, tag).name} of the model cannot be read: {error}") from error
        if canonical.digest_bytes(text.encode()) != digest:
            raise IntegrityError(f"{_path(folder, tag).name} of the model is damaged: its digest is another one")
        tree_text.audit(text, meta["features"], 1)
        texts.append(text)
    return BoostingTagsModel(texts, constants, meta["features"], meta["threads"])
