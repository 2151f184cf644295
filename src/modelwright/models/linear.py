"""Linear models on the ``dense`` encoding: logistic regression, ridge and lasso, solved by scikit-learn.

The learned weights are kept as float32 in safetensors, and exported as one MatMul and one Add.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from modelwright.errors import IntegrityError
from modelwright.models import files, onnx_graph
from modelwright.models.base import FitContext, Fold, History, Task
from modelwright.models.design import design
from modelwright.tasks.base import Encoding

ABSENT = 20.0
"""How far below the lowest intercept a class that was never seen is put, in logits (a share of about 2e-9)."""


class LinearModel:
    """Scores ``features @ weights + bias``; ``weights (d, k) float32``, ``bias (k,) float32``."""

    def __init__(self, weights: NDArray[np.float32], bias: NDArray[np.float32], history: History | None = None) -> None:
        self.history = history or History()
        self._weights = weights
        self._bias = bias

    def scores(self, features: NDArray[Any]) -> NDArray[np.float32]:
        """Return ``(n, k)``, summed in double precision."""
        wide = self._weights.astype(np.float64)
        return np.asarray(features.astype(np.float64) @ wide + self._bias, np.float32)

    def to_onnx(self) -> Any:
        """Return the graph: MatMul, Add."""
        nodes = [
            onnx_graph.node("MatMul", ["features", "weights"], "product"),
            onnx_graph.node("Add", ["product", "bias"], "scores"),
        ]
        constants = {"weights": self._weights, "bias": self._bias}
        return onnx_graph.build(nodes, constants, self._weights.shape[:1], "float32", len(self._bias))

    def save(self, folder: Path) -> None:
        """Write ``linear.safetensors`` and ``linear.json``."""
        folder.mkdir(parents=True, exist_ok=True)
        files.write_tensors(folder / "linear.safetensors", {"weights": self._weights, "bias": self._bias})
        files.write_json(folder / "linear.json", {"features": len(self._weights), "scores": len(self._bias)})

    def importance(self) -> NDArray[np.float64] | None:
        """Return the mean absolute weight of each (scaled) feature over the scores."""
        return np.asarray(np.abs(self._weights.astype(np.float64)).mean(axis=1))


def _load(folder: Path) -> LinearModel:
    shape = files.read_json(folder / "linear.json", ["features", "scores"])
    tensors = files.read_tensors(folder / "linear.safetensors", ["weights", "bias"])
    weights, bias = tensors["weights"], tensors["bias"]
    if weights.shape != (shape["features"], shape["scores"]) or bias.shape != (shape["scores"],):
        raise IntegrityError(f"linear.safetensors of the model has weights of shape {weights.shape}; {shape} is right")
    return LinearModel(weights.astype(np.float32), bias.astype(np.float32))


@contextmanager
def _solver(threads: int) -> Iterator[list[warnings.WarningMessage]]:
    """Limit BLAS and OpenMP to ``threads``, and collect scikit-learn's remarks about convergence."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(limits=threads), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught


class Logistic:
    """Logistic regression with an L2 penalty, by L-BFGS: multinomial for classes, one against the rest for tags."""

    name: ClassVar[str] = "logistic"
    version: ClassVar[int] = 1
    tasks: ClassVar[frozenset[tuple[str, str]]] = frozenset(
        (modality, target)
        for modality in ("image", "table", "audio", "text", "series")
        for target in ("category", "tags")
    )
    encoding: ClassVar[Encoding] = "dense"

    def candidates(self, task: Task) -> list[dict[str, Any]]:
        """Return inverse penalties ``c``, the usual one first; larger for texts, whose features have length 1."""
        return [{"c": 10.0}, {"c": 1.0}] if task.modality == "text" else [{"c": 1.0}, {"c": 0.1}]

    def draw(self, task: Task, random: np.random.Generator) -> dict[str, Any]:
        """Draw ``c`` log-uniformly from 0.001 to 100."""
        del task
        return {"c": float(np.round(10 ** random.uniform(-3, 2), 6))}

    def fit(
        self, train: Fold, validation: Fold, task: Task, params: Mapping[str, Any], context: FitContext
    ) -> LinearModel:
        """Learn; classes that the training samples lack get a score far below the others."""
        del validation
        train, features = design(train)
        if task.target == "tags":
            return _one_against_the_rest(train, features, task.classes, float(params["c"]), context)
        seen = np.unique(train.truth)
        width = train.features.shape[1]
        weights, bias = np.zeros((width, task.classes)), np.zeros(task.classes)
        converged = True
        if len(seen) > 1:
            weights[:, seen], bias[seen], converged = _logistic(train, features, float(params["c"]), context)
        absent = np.setdiff1d(np.arange(task.classes), seen)
        bias[absent] = bias[seen].min() - ABSENT
        if not converged:
            context.progress.say("logistic regression stopped before it converged (1,000 steps); its answer is usable")
        return LinearModel(weights.astype(np.float32), bias.astype(np.float32))

    def load(self, folder: Path) -> LinearModel:
        """Open a saved model."""
        return _load(folder)


def _logistic(train: Fold, features: Any, c: float, context: FitContext) -> tuple[NDArray[Any], NDArray[Any], bool]:
    """Return ``weights (d, seen)``, ``bias (seen,)`` and whether the solver converged."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with _solver(context.threads) as caught:
        model = LogisticRegression(C=c, max_iter=1000, tol=1e-4, random_state=context.seed)
        model.fit(features, train.truth, sample_weight=train.weights)
    converged = not any(issubclass(warning.category, ConvergenceWarning) for warning in caught)
    weights, bias = model.coef_.T, model.intercept_
    if weights.shape[1] == 1:  # two classes: one score s, shared evenly as -s/2 and +s/2
        weights, bias = np.hstack([-weights / 2, weights / 2]), np.array([-bias[0] / 2, bias[0] / 2])
    return weights, bias, converged


def _one_against_the_rest(train: Fold, features: Any, tags: int, c: float, context: FitContext) -> LinearModel:
    """Fit each tag by itself; one that no sample has, or that all have, gets a score far from 0 on that side."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    weights, bias = np.zeros((features.shape[1], tags)), np.zeros(tags)
    slow = 0
    for tag in range(tags):
        wanted = train.truth[:, tag] > 0.5
        if wanted.all() or not wanted.any():
            bias[tag] = ABSENT if wanted.any() else -ABSENT
            continue
        own = train.weights if train.weights is None or train.weights.ndim == 1 else train.weights[:, tag]
        with _solver(context.threads) as caught:
            model = LogisticRegression(C=c, max_iter=1000, tol=1e-4, random_state=context.seed)
            model.fit(features, wanted, sample_weight=own)
        slow += any(issubclass(warning.category, ConvergenceWarning) for warning in caught)
        weights[:, tag], bias[tag] = model.coef_[0], model.intercept_[0]
    if slow:
        context.progress.say(f"logistic regression of {slow} tags stopped before it converged (1,000 steps)")
    return LinearModel(weights.astype(np.float32), bias.astype(np.float32))


def _regress(estimator: Any, train: Fold, features: Any, context: FitContext) -> LinearModel:
    """Fit a scikit-learn regressor on standardised truth and fold the scale into the weights."""
    truth = train.truth.astype(np.float64)
    mean, scale = truth.mean(), truth.std() or 1.0
    with _solver(context.threads):
        estimator.fit(features, (truth - mean) / scale, sample_weight=train.weights)
    weights = estimator.coef_.reshape(-1, 1) * scale
    bias = np.array([float(estimator.intercept_) * scale + mean])
    return LinearModel(weights.astype(np.float32), bias.astype(np.float32))


class Ridge:
    """Least squares with an L2 penalty (Hoerl and Kennard, 1970), in closed form; by conjugate gradients if sparse."""

    name: ClassVar[str] = "ridge"
    version: ClassVar[int] = 1
    tasks: ClassVar[frozenset[tuple[str, str]]] = frozenset(
        (modality, "number") for modality in ("image", "table", "audio", "text", "series")
    )
    encoding: ClassVar[Encoding] = "dense"

    def candidates(self, task: Task) -> list[dict[str, Any]]:
        """Return penalties ``alpha``."""
        del task
        return [{"alpha": 1.0}, {"alpha": 10.0}]

    def draw(self, task: Task, random: np.random.Generator) -> dict[str, Any]:
        """Draw ``alpha`` log-uniformly from 0.001 to 1,000."""
        del task
        return {"alpha": float(np.round(10 ** random.uniform(-3, 3), 6))}

    def fit(
        self, train: Fold, validation: Fold, task: Task, params: Mapping[str, Any], context: FitContext
    ) -> LinearModel:
        """Learn from the training samples alone."""
        from sklearn.linear_model import Ridge as Solver

        del validation, task
        train, features = design(train)
        if isinstance(features, np.ndarray):
            return _regress(Solver(alpha=float(params["alpha"]), solver="svd"), train, features, context)
        solver = Solver(alpha=float(params["alpha"]), solver="sparse_cg", tol=1e-6, max_iter=1000)
        return _regress(solver, train, features, context)

    def load(self, folder: Path) -> LinearModel:
        """Open a saved model."""
        return _load(folder)


class Lasso:
    """Least squares with an L1 penalty (Tibshirani, 1996), by coordinate descent: many weights become zero."""

    name: ClassVar[str] = "lasso"
    version: ClassVar[int] = 1
    tasks: ClassVar[frozenset[tuple[str, str]]] = frozenset(
        (modality, "number") for modality in ("image", "table", "audio", "text", "series")
    )
    encoding: ClassVar[Encoding] = "dense"

    def candidates(self, task: Task) -> list[dict[str, Any]]:
        """Return penalties ``alpha``, for truth scaled to unit variance."""
        del task
        return [{"alpha": 0.001}, {"alpha": 0.01}]

    def draw(self, task: Task, random: np.random.Generator) -> dict[str, Any]:
        """Draw ``alpha`` log-uniformly from 0.0001 to 0.1."""
        del task
        return {"alpha": float(np.round(10 ** random.uniform(-4, -1), 8))}

    def fit(
        self, train: Fold, validation: Fold, task: Task, params: Mapping[str, Any], context: FitContext
    ) -> LinearModel:
        """Learn from the training samples alone."""
        from sklearn.linear_model import Lasso as Solver

        del validation, task
        train, features = design(train)
        solver = Solver(alpha=float(params["alpha"]), max_iter=5000, selection="cyclic")
        return _regress(solver, train, features, context)

    def load(self, folder: Path) -> LinearModel:
        """Open a saved model."""
        return _load(folder)
