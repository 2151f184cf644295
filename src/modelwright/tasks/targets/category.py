"""One label out of k: ``scores (n, k)`` logits → ``probabilities (n, k)`` and ``label (n,)``."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from modelwright.errors import InputError
from modelwright.tasks.base import Arrays, LabelKind, Prediction, Problem, UndecodableError
from modelwright.tasks.targets import category_metrics, temperature
from modelwright.tasks.targets.sampling import resampled

MAX_LABEL = 1000
"""Characters in a label; a longer one is a text in the wrong column."""


class Category:
    """The target ``category``."""

    name: ClassVar[str] = "category"
    version: ClassVar[int] = 1
    label_kind: ClassVar[LabelKind] = "class"
    losses: ClassVar[tuple[str, ...]] = ("cross-entropy", "label-smoothing", "focal")
    primary_metric: ClassVar[str] = "f1_macro"
    higher_is_better: ClassVar[Mapping[str, bool]] = category_metrics.HIGHER_IS_BETTER

    def read(self, raw: Any) -> str | None:
        """Return the label as text (NFC, no blanks around it; ``3.0`` is ``3``), or None for empty, None and NaN.

        Raises
        ------
        UndecodableError
            ``bad-label`` for anything but text, a number or a boolean, infinities, and more than 1,000 characters.
        """
        if isinstance(raw, np.generic):
            raw = raw.item()
        if raw is None or (isinstance(raw, float) and math.isnan(raw)):
            return None
        if isinstance(raw, bool):
            return "true" if raw else "false"
        if isinstance(raw, float):
            if math.isinf(raw):
                raise UndecodableError(Problem("bad-label", 1.0, "the label is infinite"))
            return str(int(raw)) if raw.is_integer() and abs(raw) < 2**53 else repr(raw)
        if isinstance(raw, int):
            return str(raw)
        if not isinstance(raw, str):
            message = f"the label is of type {type(raw).__name__}, expected text, a number or a boolean"
            raise UndecodableError(Problem("bad-label", 1.0, message))
        text = unicodedata.normalize("NFC", raw).strip()
        if len(text) > MAX_LABEL:
            message = f"the label has {len(text)} characters, at most {MAX_LABEL} are allowed"
            raise UndecodableError(Problem("bad-label", 1.0, message, {"length": len(text)}))
        if any("\ud800" <= char <= "\udfff" for char in text):
            raise UndecodableError(Problem("bad-label", 1.0, "the label is not valid Unicode"))
        return text or None

    def learn(self, labels: Sequence[Any]) -> dict[str, Any]:
        """Return ``{"classes": sorted labels}``.

        Raises
        ------
        InputError
            ``one-class`` where there is nothing to tell apart.
        """
        classes = sorted({label for label in labels if label is not None})
        if len(classes) < 2:
            found = f"only one class, {classes[0]!r}" if classes else "no label at all"
            raise InputError(
                f"the training data has {found}; a category needs at least two classes",
                code="one-class",
                hint="one folder per class, or another label column",
            )
        return {"classes": classes}

    def encode(self, labels: Sequence[Any], schema: Mapping[str, Any]) -> NDArray[np.int64]:
        """Return ``(n,) int64`` class indices, -1 for None and for classes that training did not have."""
        index = {name: place for place, name in enumerate(schema["classes"])}
        return np.fromiter((index.get(label, -1) for label in labels), np.int64, len(labels))

    def graph(self, schema: Mapping[str, Any], calibration: Mapping[str, Any]) -> Any:
        """Return ``scores (n, k) float32`` → ``probabilities (n, k) float32``, ``label (n,) string``."""
        from onnx import TensorProto, helper, numpy_helper

        from modelwright.tasks.onnx_build import model

        classes = [str(name) for name in schema["classes"]]
        k = len(classes)
        scale, bias = _scale_and_bias(k, calibration)
        nodes = [
            helper.make_node("Mul", ["scores", "scale"], ["scaled"]),
            helper.make_node("Add", ["scaled", "bias"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
            helper.make_node("ArgMax", ["logits"], ["index"], axis=1, keepdims=0),
            helper.make_node("Gather", ["classes", "index"], ["label"], axis=0),
        ]
        constants = [
            numpy_helper.from_array(scale, "scale"),
            numpy_helper.from_array(bias, "bias"),
            helper.make_tensor("classes", TensorProto.STRING, [k], [name.encode() for name in classes]),
        ]
        inputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", k])]
        outputs = [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", k]),
            helper.make_tensor_value_info("label", TensorProto.STRING, ["n"]),
        ]
        return model("category", nodes, inputs, outputs, constants)

    def calibrate(self, scores: NDArray[np.float32], truth: NDArray[Any], schema: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``{"temperature", "bias": [k] or None, "before", "after", "samples"}`` (mean log losses, nats).

        One temperature (Guo et al. 2017, https://arxiv.org/abs/1706.04599); a bias per class is added only where
        cross-validation on these samples says that it clearly helps.
        """
        known = np.asarray(truth) >= 0
        return temperature.fit(np.asarray(scores)[known], np.asarray(truth)[known], len(schema["classes"]))

    def outputs(self, scores: NDArray[np.float32], schema: Mapping[str, Any], calibration: Mapping[str, Any]) -> Arrays:
        """Return ``probabilities (n, k) float32`` and ``label (n,) object``, as the graph does."""
        classes = np.array(schema["classes"], object)
        scale, bias = _scale_and_bias(len(classes), calibration)
        logits = np.asarray(scores, np.float32) * scale + bias
        powers = np.exp(logits - logits.max(1, keepdims=True))
        return {
            "probabilities": powers / powers.sum(1, keepdims=True),
            "label": classes[logits.argmax(1)],
        }

    def decode(self, outputs: Mapping[str, NDArray[Any]], schema: Mapping[str, Any]) -> list[Prediction]:
        """Return ``{"label": str, "score": its probability, "scores": {class: probability}}`` per sample."""
        classes = schema["classes"]
        rows = np.asarray(outputs["probabilities"]).tolist()
        return [
            Prediction({"label": str(label), "score": max(row), "scores": dict(zip(classes, row, strict=True))})
            for label, row in zip(outputs["label"], rows, strict=True)
        ]

    def metrics(
        self, truth: NDArray[Any], outputs: Mapping[str, NDArray[Any]], schema: Mapping[str, Any]
    ) -> dict[str, float]:
        """Return every figure of :data:`~category_metrics.HIGHER_IS_BETTER` that is defined on the known truths.

        Examples
        --------
        >>> outputs = {"probabilities": np.array([[0.9, 0.1], [0.4, 0.6], [0.7, 0.3]], np.float32)}
        >>> figures = Category().metrics(np.array([0, 1, 1]), outputs, {"classes": ["cat", "dog"]})
        >>> round(figures["accuracy"], 3), figures["auc_roc"]
        (0.667, 1.0)
        """
        probabilities, known = _known(truth, outputs)
        if not len(known):
            return {}
        figures = category_metrics.Figures(known, probabilities).of(np.ones((1, len(known)), np.float32))
        return {name: float(value[0]) for name, value in figures.items() if np.isfinite(value[0])}

    def bootstrap(
        self,
        truth: NDArray[Any],
        outputs: Mapping[str, NDArray[Any]],
        schema: Mapping[str, Any],
        rng: np.random.Generator,
        repeats: int = 1000,
    ) -> dict[str, NDArray[np.float64]]:
        """Return ``(repeats,)`` per metric: its value on samples drawn with replacement (NaN where undefined)."""
        probabilities, known = _known(truth, outputs)
        return resampled(category_metrics.Figures(known, probabilities).of, len(known), rng, repeats)

    def per_sample_loss(self, truth: NDArray[Any], outputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        """Return ``(n,)`` log loss in nats, NaN where the truth is unknown."""
        truth = np.asarray(truth)
        rows = np.asarray(outputs["probabilities"])
        chosen = category_metrics.clipped(rows[np.arange(len(rows)), np.maximum(truth, 0)])
        return np.where(truth >= 0, -np.log(chosen), np.nan)

    def uncertainty(self, outputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        """Return ``(n,)`` the entropy of the probabilities divided by its largest value, ``log k``."""
        rows = np.clip(np.asarray(outputs["probabilities"], np.float64), 1e-12, 1.0)
        return np.asarray(np.clip(-(rows * np.log(rows)).sum(1) / math.log(rows.shape[1]), 0.0, 1.0), np.float64)

    def confusion(
        self, truth: NDArray[Any], outputs: Mapping[str, NDArray[Any]], schema: Mapping[str, Any]
    ) -> NDArray[np.int64]:
        """Return ``(k, k)`` counts: rows are truth, columns predictions, in the order of ``schema["classes"]``."""
        probabilities, known = _known(truth, outputs)
        k = len(schema["classes"])
        cells = np.bincount(known * k + probabilities.argmax(1), minlength=k * k)
        return cells.reshape(k, k).astype(np.int64)


def _known(truth: NDArray[Any], outputs: Mapping[str, NDArray[Any]]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    indices = np.asarray(truth, np.int64)
    keep = indices >= 0
    return np.asarray(outputs["probabilities"])[keep].astype(np.float64), indices[keep]


def _scale_and_bias(k: int, calibration: Mapping[str, Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    scale = np.full(1, 1.0 / float(calibration.get("temperature") or 1.0), np.float32)
    bias = np.array(calibration.get("bias") or [0.0] * k, np.float32)
    return scale, bias
