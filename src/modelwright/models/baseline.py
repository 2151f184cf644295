"""The trivial answer that every other family must beat: class shares, or the middle of the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from modelwright.errors import IntegrityError
from modelwright.models import files, onnx_graph
from modelwright.models.base import FitContext, Fold, History, Task
from modelwright.tasks.base import Encoding


class BaselineModel:
    """The same scores for every sample: log class shares or log odds of tags ``(k,)``, or one value ``(1,)``."""

    def __init__(self, constant: NDArray[np.float32], shape: tuple[int, ...], dtype: str) -> None:
        self.history = History()
        self._constant = constant
        self._shape = shape
        self._dtype = dtype

    def scores(self, features: NDArray[Any]) -> NDArray[np.float32]:
        """Return the constant once for each row of ``features``."""
        return np.repeat(self._constant[None, :], len(features), axis=0)

    def to_onnx(self) -> Any:
        """Return the graph: the constant, expanded to the batch."""
        width = len(self._constant)
        nodes = [
            onnx_graph.node("Shape", ["features"], "rows", start=0, end=1),
            onnx_graph.node("Concat", ["rows", "one"], "shape", axis=0),
            onnx_graph.node("Tile", ["constant", "shape"], "scores"),
        ]
        constants: dict[str, NDArray[Any]] = {"constant": self._constant[None, :], "one": np.array([1], np.int64)}
        return onnx_graph.build(nodes, constants, self._shape, self._dtype, width)

    def save(self, folder: Path) -> None:
        """Write ``baseline.json``."""
        folder.mkdir(parents=True, exist_ok=True)
        value = {"constant": self._constant.tolist(), "shape": list(self._shape), "dtype": self._dtype}
        files.write_json(folder / "baseline.json", value)

    def importance(self) -> NDArray[np.float64] | None:
        """Return None: nothing is looked at."""
        return None


class Baseline:
    """Predicts shares of classes or tags (``statistic: prior``), or the ``mean`` or ``median`` of training numbers."""

    name: ClassVar[str] = "baseline"
    version: ClassVar[int] = 1
    tasks: ClassVar[frozenset[tuple[str, str]]] = frozenset(
        (modality, target)
        for modality in ("image", "table", "audio", "text", "series")
        for target in ("category", "number", "tags")
    )
    encoding: ClassVar[Encoding] = "dense"

    def candidates(self, task: Task) -> list[dict[str, Any]]:
        """Return the one or two constants worth comparing with."""
        if task.target in {"category", "tags"}:
            return [{"statistic": "prior"}]
        return [{"statistic": "mean"}, {"statistic": "median"}]

    def fit(
        self, train: Fold, validation: Fold, task: Task, params: Mapping[str, Any], context: FitContext
    ) -> BaselineModel:
        """Compute the constant; unknown truth must have been left out."""
        del validation, context
        if task.target == "tags":
            constant = _log_odds(train)
            return BaselineModel(constant.astype(np.float32), task.shape, str(train.features.dtype))
        weights = np.ones(train.count) if train.weights is None else train.weights.astype(np.float64)
        if task.target == "category":
            # One imaginary sample per class keeps the logarithm finite for a class that a fold happens to lack.
            shares = np.bincount(train.truth.astype(np.int64), weights, minlength=task.classes) + 1.0
            constant = np.log(shares / shares.sum())
        elif params["statistic"] == "median":
            constant = np.array([np.median(train.truth.astype(np.float64))])
        else:
            constant = np.array([np.average(train.truth.astype(np.float64), weights=weights)])
        return BaselineModel(constant.astype(np.float32), task.shape, str(train.features.dtype))

    def load(self, folder: Path) -> BaselineModel:
        """Open ``baseline.json``."""
        value = files.read_json(folder / "baseline.json", ["constant", "shape", "dtype"])
        constant = np.asarray(value["constant"], np.float32)
        if constant.ndim != 1 or not len(constant) or value["dtype"] not in {"uint8", "float32"}:
            raise IntegrityError("baseline.json of the model is not one row of scores and a known dtype")
        return BaselineModel(constant, tuple(int(side) for side in value["shape"]), str(value["dtype"]))


def _log_odds(train: Fold) -> NDArray[np.float64]:
    """Return ``(k,)`` log odds of each tag, half a sample added on both sides to keep them finite."""
    there = train.truth.astype(np.float64)
    weights = np.ones_like(there)
    if train.weights is not None:
        weights = np.broadcast_to(train.weights.reshape(len(there), -1), there.shape).astype(np.float64)
    return np.asarray(np.log((weights * there).sum(0) + 0.5) - np.log((weights * (1.0 - there)).sum(0) + 0.5))
