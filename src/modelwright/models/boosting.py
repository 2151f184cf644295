"""Gradient-boosted trees (Friedman, 2001) by LightGBM on the ``trees`` encoding.

Saved in LightGBM's own text format; exported by :mod:`modelwright.models.tree_graph`. Numbers are learned standardised,
so that float32 sums in the graph keep their precision whatever the unit.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from modelwright import canonical
from modelwright.errors import IntegrityError, ModelwrightError
from modelwright.models import files, onnx_graph, tree_graph, tree_text
from modelwright.models.base import FitContext, Fold, History, Task
from modelwright.tasks.base import Encoding

MOST_ROUNDS = 3000
SMALL = 100_000
"""Numbers (samples × features) below which a second thread costs more than it brings."""
OBJECTIVES = {
    "cross-entropy": "multiclass",
    "squared": "regression",
    "absolute": "regression_l1",
    "huber": "huber",
}


class BoostingModel:
    """A LightGBM model held as its text; scores are raw logits, ``(n, 2)`` as [-s/2, s/2] for two classes."""

    def __init__(self, text: str, meta: Mapping[str, Any], history: History | None = None) -> None:
        self.history = history or History()
        self._text = text
        self._meta = dict(meta)
        self._booster = _booster(text)

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


def _booster(text: str) -> Any:
    import lightgbm

    try:
        return lightgbm.Booster(model_str=text)
    except lightgbm.basic.LightGBMError as error:
        raise IntegrityError(f"trees.txt of the model is not a LightGBM model: {error}") from error


class _Listener:
    """LightGBM callback: learning curve, progress, early stopping, deadline."""

    def __init__(self, context: FitContext, patience: int) -> None:
        self.curve: list[dict[str, float]] = []
        self.best = (float("inf"), 0)
        self.cut_short = False
        self._context = context
        self._patience = patience
        self._start = time.monotonic()
        self.order = 10
        self.before_iteration = False

    def __call__(self, env: Any) -> None:
        """Note one round; raise LightGBM's own signal to stop."""
        from lightgbm.callback import EarlyStopException

        losses = {name: float(value) for name, _, value, _ in env.evaluation_result_list}
        step = env.iteration + 1
        seconds = time.monotonic() - self._start
        train, held_out = losses["train"], losses.get("validation", losses["train"])
        self.curve.append({"step": step, "train_loss": train, "validation_loss": held_out, "seconds": seconds})
        # A gain below one part in ten thousand is not worth more trees.
        if held_out < self.best[0] - 1e-4 * abs(self.best[0] if np.isfinite(self.best[0]) else 0.0):
            self.best = (held_out, step)
        if step % 10 == 0:
            self._context.progress.advance(10, f"loss {held_out:.4g}")
        self.cut_short = self._context.out_of_time()
        if self.cut_short or step - self.best[1] >= self._patience:
            raise EarlyStopException(self.best[1] - 1, [])


class Boosting:
    """LightGBM with early stopping on the validation samples. Deterministic for a number of threads."""

    name: ClassVar[str] = "boosting"
    version: ClassVar[int] = 1
    tasks: ClassVar[frozenset[tuple[str, str]]] = frozenset(
        (modality, target) for modality in ("image", "table") for target in ("category", "number")
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

    def fit(
        self, train: Fold, validation: Fold, task: Task, params: Mapping[str, Any], context: FitContext
    ) -> BoostingModel:
        """Learn until the validation loss has not fallen for a while."""
        import lightgbm

        train = train.fitting()
        threads = context.threads if train.count * train.features.shape[1] >= SMALL else 1
        settings = _settings(task, params, context, threads)
        truth = train.truth.astype(np.float64)
        mean, scale = (0.0, 1.0) if task.target == "category" else (float(truth.mean()), float(truth.std()) or 1.0)
        options = {"free_raw_data": True, "categorical_feature": list(task.categorical), "params": settings}
        learn = lightgbm.Dataset(train.take(slice(None)), (truth - mean) / scale, weight=train.weights, **options)
        sets, names = [learn], ["train"]
        if validation.count:
            held_out = validation.fitting()
            values = (held_out.truth.astype(np.float64) - mean) / scale
            sets.append(learn.create_valid(held_out.take(slice(None)), values, weight=held_out.weights))
            names.append("validation")
        patience = max(50, int(3 / float(params["learning_rate"])))
        listener = _Listener(context, patience)
        rounds = MOST_ROUNDS if validation.count else 200
        context.progress.begin(f"boosting, {params['leaves']} leaves", rounds)
        try:
            booster = lightgbm.train(
                settings,
                learn,
                rounds,
                valid_sets=sets,
                valid_names=names,
                init_model=_start(context),
                callbacks=[listener],
            )
        except lightgbm.basic.LightGBMError as error:
            raise ModelwrightError(f"gradient boosting failed: {error}", code="fit-failed") from error
        best = listener.best[1] if validation.count else rounds
        return _finish(booster, best, listener, task, {"mean": mean, "scale": scale, "threads": threads})

    def load(self, folder: Path) -> BoostingModel:
        """Open a saved model; its shape must be what ``boosting.json`` says."""
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


def _settings(task: Task, params: Mapping[str, Any], context: FitContext, threads: int) -> dict[str, Any]:
    """Return LightGBM's parameters."""
    if task.target == "category":
        objective: dict[str, Any] = {"objective": "binary"}
        if task.classes > 2:
            objective = {"objective": "multiclass", "num_class": task.classes}
    else:
        objective = {"objective": OBJECTIVES.get(context.loss, "regression")}
    return {
        **objective,
        "learning_rate": float(params["learning_rate"]),
        "num_leaves": int(params["leaves"]),
        "min_data_in_leaf": int(params["least_in_leaf"]),
        "feature_fraction": float(params["features"]),
        "bagging_fraction": float(params["rows"]),
        "bagging_freq": 1,
        "lambda_l2": float(params["l2"]),
        "cat_smooth": 10.0,
        "max_cat_threshold": 32,
        "min_data_per_group": max(10, int(params["least_in_leaf"])),
        "seed": context.seed,
        "deterministic": True,
        "force_row_wise": True,
        "feature_pre_filter": False,
        "num_threads": threads,
        "verbosity": -1,
    }


def _start(context: FitContext) -> Any:
    """Return the booster to go on from, or None."""
    if context.warm_start is None:
        return None
    return _booster((context.warm_start / "trees.txt").read_text(encoding="utf-8"))


def _finish(booster: Any, best: int, listener: _Listener, task: Task, scaling: Mapping[str, Any]) -> BoostingModel:
    """Keep the best rounds, without the parameters of the run (threads would otherwise change the bytes)."""
    width = task.classes if task.classes > 2 else 1
    before = booster.num_trees() // width - len(listener.curve)
    text = booster.model_to_string(num_iteration=max(1, before + best))
    head, _, _ = text.partition("\nparameters:")
    meta = {
        "classes": task.classes,
        "features": booster.num_feature(),
        "scores": task.classes or 1,
        "trees_per_round": width,
        **scaling,
    }
    return BoostingModel(head + "\n", meta, History(tuple(listener.curve), best, listener.cut_short))


def _check_meta(meta: Mapping[str, Any]) -> None:
    """Refuse a description whose figures are not figures, or do not fit each other."""
    counts = [meta[name] for name in ("classes", "features", "scores", "threads", "trees_per_round")]
    sound = all(type(count) is int and 0 <= count <= 1 << 20 for count in counts)
    sound = sound and all(isinstance(meta[name], int | float) and np.isfinite(meta[name]) for name in ("mean", "scale"))
    classes = meta["classes"]
    sound = sound and meta["trees_per_round"] == (classes if classes > 2 else 1) and meta["scores"] == (classes or 1)
    if not sound:
        raise IntegrityError("boosting.json of the model has figures that do not fit each other")
