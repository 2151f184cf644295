"""Gradient-boosted trees (Friedman, 2001) by LightGBM on the ``trees`` encoding.

Saved in LightGBM's own text format; exported by :mod:`modelwright.models.tree_graph`. Numbers are learned standardised,
so that float32 sums in the graph keep their precision whatever the unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from modelwright import canonical
from modelwright.errors import IntegrityError
from modelwright.models import boosting_tags, files, onnx_graph, tree_graph, tree_text
from modelwright.models.base import FitContext, Fitted, Fold, History, Task
from modelwright.models.boosting_rounds import SMALL, Grown, grow, kept_text, open_booster, settings_of
from modelwright.tasks.base import Encoding


class BoostingModel:
    """A LightGBM model held as its text; scores are raw logits, ``(n, 2)`` as [-s/2, s/2] for two classes."""

    def __init__(self, text: str, meta: Mapping[str, Any], history: History | None = None) -> None:
        self.history = history or History()
        self._text = text
        self._meta = dict(meta)
        self._booster = open_booster(text)

    def _raw(self, features: NDArray[Any]) -> NDArray[np.float64]:
        raw = self._booster.predict(
            np.asarray(features, np.float32), raw_score=True, num_threads=int(self._meta["threads"])
        )
        return np.asarray(raw, np.float64).reshape(len(features), -1)

    def scores(self, features: NDArray[Any]) -> NDArray[np.float32]:
        """Return ``(n, k)`` logits or ``(n, 1)`` values."""
        width = int(self._meta["trees_per_round"])
        if not len(features):
            return np.zeros((0, int(self._meta["scores"])), np.float32)
        raw = self._raw(features).reshape(len(features), width)
        if self._meta["classes"] == 2:
            return np.hstack([-raw / 2, raw / 2]).astype(np.float32)
        if self._meta["classes"]:
            return raw.astype(np.float32)
        return np.asarray(raw * self._meta["scale"] + self._meta["mean"], np.float32)

    def to_onnx(self) -> Any:
        """Return the graph: the tree ensemble, and the last step from sums to scores."""
        width = int(self._meta["trees_per_round"])
        trees = self._booster.dump_model()["tree_info"]
        shape = (int(self._meta["features"]),)
        if self._meta["classes"] > 2:
            return onnx_graph.build([tree_graph.ensemble(trees, width, "scores")], {}, shape, "float32", width)
        nodes = [tree_graph.ensemble(trees, 1, "sum")]
        if self._meta["classes"] == 2:
            nodes.append(onnx_graph.node("Mul", ["sum", "halves"], "scores"))
            return onnx_graph.build(nodes, {"halves": np.array([[-0.5, 0.5]], np.float32)}, shape, "float32", 2)
        nodes += [
            onnx_graph.node("Mul", ["sum", "scale"], "scaled"),
            onnx_graph.node("Add", ["scaled", "mean"], "scores"),
        ]
        constants = {name: np.array([self._meta[name]], np.float32) for name in ("scale", "mean")}
        return onnx_graph.build(nodes, constants, shape, "float32", 1)

    def save(self, folder: Path) -> None:
        """Write ``trees.txt`` (LightGBM's format) and ``boosting.json``."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "trees.txt").write_text(self._text, encoding="utf-8")
        described = {**self._meta, "digest": canonical.digest_bytes(self._text.encode())}
        files.write_json(folder / "boosting.json", described)

    def importance(self) -> NDArray[np.float64] | None:
        """Return the total gain of each feature's splits."""
        return np.asarray(self._booster.feature_importance("gain"), np.float64)


class Boosting:
    """LightGBM with early stopping on the validation samples. Deterministic for a number of threads."""

    name: ClassVar[str] = "boosting"
    version: ClassVar[int] = 1
    tasks: ClassVar[frozenset[tuple[str, str]]] = frozenset(
        (modality, target)
        for modality in ("image", "table", "audio", "text", "series")
        for target in ("category", "number", "tags")
    )
    encoding: ClassVar[Encoding] = "trees"

    def candidates(self, task: Task) -> list[dict[str, Any]]:
        """Return a usual, a cautious (few samples) or a deep (many samples) setting, best bet first."""
        usual = {"learning_rate": 0.05, "leaves": 31, "least_in_leaf": 20, "features": 0.8, "rows": 0.8, "l2": 1.0}
        cautious = {"learning_rate": 0.03, "leaves": 8, "least_in_leaf": 10, "features": 0.6, "rows": 0.8, "l2": 3.0}
        deep = {"learning_rate": 0.04, "leaves": 63, "least_in_leaf": 20, "features": 0.6, "rows": 0.8, "l2": 5.0}
        return [cautious, usual] if task.samples < 3000 else [usual, deep]

    def draw(self, task: Task, random: np.random.Generator) -> dict[str, Any]:
        """Draw a setting; ranges as are usual for LightGBM."""
        most_leaves = max(4.0, min(128.0, task.samples / 20))
        return {
            "learning_rate": float(np.round(10 ** random.uniform(-2, -0.8), 4)),
            "leaves": int(np.round(2 ** random.uniform(2, np.log2(most_leaves)))),
            "least_in_leaf": int(np.round(10 ** random.uniform(0.5, 2))),
            "features": float(np.round(random.uniform(0.4, 1.0), 2)),
            "rows": float(np.round(random.uniform(0.5, 1.0), 2)),
            "l2": float(np.round(10 ** random.uniform(-2, 1.5), 4)),
        }

    def fit(self, train: Fold, validation: Fold, task: Task, params: Mapping[str, Any], context: FitContext) -> Fitted:
        """Learn until the validation loss has not fallen for a while; tags one after the other."""
        import lightgbm

        train = train.fitting()
        threads = context.threads if train.count * train.features.shape[1] >= SMALL else 1
        settings = settings_of(task, params, context, threads)
        if task.target == "tags":
            return boosting_tags.fit(train, validation, task, settings, context)
        truth = train.truth.astype(np.float64)
        mean, scale = (0.0, 1.0) if task.target == "category" else (float(truth.mean()), float(truth.std()) or 1.0)
        options = {"free_raw_data": True, "categorical_feature": list(task.categorical), "params": settings}
        learn = lightgbm.Dataset(train.take(slice(None)), (truth - mean) / scale, weight=train.weights, **options)
        sets = {"train": learn}
        if validation.count:
            held_out = validation.fitting()
            values = (held_out.truth.astype(np.float64) - mean) / scale
            sets["validation"] = learn.create_valid(held_out.take(slice(None)), values, weight=held_out.weights)
        context.progress.begin(f"boosting, {params['leaves']} leaves", None)
        grown = grow(settings, sets, context, _start(context))
        return _finish(grown, task, {"mean": mean, "scale": scale, "threads": threads})

    def load(self, folder: Path) -> Fitted:
        """Open a saved model; its shape must be what ``boosting.json`` says."""
        if "tags" in files.read_json(folder / "boosting.json", ["threads"]):
            return boosting_tags.load(folder)
        keys = ["classes", "digest", "features", "mean", "scale", "scores", "threads", "trees_per_round"]
        meta = files.read_json(folder / "boosting.json", keys)
        try:
            text = (folder / "trees.txt").read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise IntegrityError(f"trees.txt of the model cannot be read: {error}") from error
        if canonical.digest_bytes(text.encode()) != meta["digest"]:
            raise IntegrityError("trees.txt of the model is damaged: its digest is not the one in boosting.json")
        _check_meta(meta)
        tree_text.audit(text, int(meta["features"]), int(meta["trees_per_round"]))
        return BoostingModel(text, meta)


def _start(context: FitContext) -> Any:
    """Return the booster to go on from, or None."""
    if context.warm_start is None:
        return None
    return open_booster((context.warm_start / "trees.txt").read_text(encoding="utf-8"))


def _finish(grown: Grown, task: Task, scaling: Mapping[str, Any]) -> BoostingModel:
    """Keep the best rounds."""
    width = task.classes if task.classes > 2 else 1
    meta = {
        "classes": task.classes,
        "features": grown.booster.num_feature(),
        "scores": task.classes or 1,
        "trees_per_round": width,
        **scaling,
    }
    history = History(tuple(grown.listener.curve), grown.best, grown.listener.cut_short)
    return BoostingModel(kept_text(grown, width), meta, history)


def _check_meta(meta: Mapping[str, Any]) -> None:
    """Refuse a description whose figures are not figures, or do not fit each other."""
    counts = [meta[name] for name in ("classes", "features", "scores", "threads", "trees_per_round")]
    sound = all(type(count) is int and 0 <= count <= 1 << 20 for count in counts)
    sound = sound and all(isinstance(meta[name], int | float) and np.isfinite(meta[name]) for name in ("mean", "scale"))
    classes = meta["classes"]
    sound = sound and meta["trees_per_round"] == (classes if classes > 2 else 1) and meta["scores"] == (classes or 1)
    if not sound:
        raise IntegrityError("boosting.json of the model has figures that do not fit each other")
