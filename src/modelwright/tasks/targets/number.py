"""A number with an interval: ``scores (n, 1)`` → ``value``, ``low``, ``high``, each ``(n,)``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from modelwright.errors import InputError
from modelwright.tasks.base import Arrays, LabelKind, Prediction, Problem, UndecodableError
from modelwright.tasks.limits import FLOAT32_MAX
from modelwright.tasks.targets import number_metrics
from modelwright.tasks.targets.sampling import resampled

COVERAGE = 0.9
"""Share of truths that the interval is to hold."""

_KNOTS = 6
_SAMPLES_PER_KNOT = 60


class Number:
    """The target ``number``."""

    name: ClassVar[str] = "number"
    version: ClassVar[int] = 1
    label_kind: ClassVar[LabelKind] = "number"
    losses: ClassVar[tuple[str, ...]] = ("squared", "absolute", "huber")
    primary_metric: ClassVar[str] = "rmse"
    higher_is_better: ClassVar[Mapping[str, bool]] = number_metrics.HIGHER_IS_BETTER

    def read(self, raw: Any) -> float | None:
        """Return the value, or None for empty text, None and NaN.

        Raises
        ------
        UndecodableError
            ``bad-label`` for text that is no number, infinities, numbers beyond float32, and other types.
        """
        if isinstance(raw, np.generic):
            raw = raw.item()
        if raw is None or (isinstance(raw, str) and not raw.strip()):
            return None
        if not isinstance(raw, (int, float, str)):
            message = f"the label is of type {type(raw).__name__}, expected a number"
            raise UndecodableError(Problem("bad-label", 1.0, message))
        try:
            value = float(raw)
        except (ValueError, OverflowError) as error:
            message = f"the label is {str(raw)[:60]!r}, expected a number"
            raise UndecodableError(Problem("bad-label", 1.0, message)) from error
        if math.isnan(value):
            return None
        if abs(value) > FLOAT32_MAX:
            raise UndecodableError(Problem("bad-label", 1.0, f"the label {value} is too large for a model"))
        return value

    def learn(self, labels: Sequence[Any]) -> dict[str, Any]:
        """Return ``mean``, ``std``, ``low``, ``high``, ``median``, ``quantiles`` (5, 25, 75, 95 %) and ``samples``.

        Raises
        ------
        InputError
            ``constant-target`` where there is nothing to predict.
        """
        whole = hasattr(labels, "__array__")  # millions of them: not a Python object each
        values = np.asarray(labels if whole else [label for label in labels if label is not None], np.float64)
        if not len(values) or values.min() == values.max():
            found = f"always {values[0]:g}" if len(values) else "never given"
            raise InputError(
                f"the number to predict is {found} in the training data",
                code="constant-target",
                hint="choose another label column",
            )
        quantiles = np.percentile(values, (5, 25, 75, 95))
        return {
            "mean": float(values.mean()),
            "std": float(values.std()),
            "low": float(values.min()),
            "high": float(values.max()),
            "median": float(np.median(values)),
            "quantiles": [float(value) for value in quantiles],
            "samples": len(values),
        }

    def encode(self, labels: Sequence[Any], schema: Mapping[str, Any]) -> NDArray[np.float32]:
        """Return ``(n,) float32``, NaN for None."""
        return np.array([math.nan if label is None else label for label in labels], np.float32)

    def graph(self, schema: Mapping[str, Any], calibration: Mapping[str, Any]) -> Any:
        """Return ``scores (n, 1) float32`` → ``value``, ``low``, ``high``, each ``(n,) float32``."""
        from onnx import TensorProto, helper, numpy_helper

        from modelwright.tasks.onnx_build import model

        band = _band(calibration)
        nodes = [
            helper.make_node("Sub", ["scores", "knots"], ["past"]),
            helper.make_node("Max", ["past", "zero"], ["from_zero"]),
            helper.make_node("Min", ["from_zero", "widths"], ["within"]),
        ]
        constants = [
            numpy_helper.from_array(band["knots"], "knots"),
            numpy_helper.from_array(band["widths"], "widths"),
            numpy_helper.from_array(np.zeros(1, np.float32), "zero"),
            numpy_helper.from_array(np.array([1], np.int64), "last"),
        ]
        for side in ("low", "high"):
            nodes += [
                helper.make_node("Mul", ["within", f"{side}_slopes"], [f"{side}_parts"]),
                helper.make_node("ReduceSum", [f"{side}_parts", "last"], [f"{side}_sum"], keepdims=1),
                helper.make_node("Add", [f"{side}_sum", f"{side}_start"], [f"{side}_offset"]),
                helper.make_node("Add", ["scores", f"{side}_offset"], [f"{side}_column"]),
                helper.make_node("Squeeze", [f"{side}_column", "last"], [side]),
            ]
            constants += [
                numpy_helper.from_array(band[f"{side}_slopes"], f"{side}_slopes"),
                numpy_helper.from_array(band[f"{side}_start"], f"{side}_start"),
            ]
        nodes.append(helper.make_node("Squeeze", ["scores", "last"], ["value"]))
        inputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 1])]
        names = ("value", "low", "high")
        outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in names]
        return model("number", nodes, inputs, outputs, constants)

    def calibrate(self, scores: NDArray[np.float32], truth: NDArray[Any], schema: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``{"coverage", "samples", "knots": [m], "low": [m], "high": [m]}``: offsets at predicted values.

        Split-conformal prediction (Vovk et al. 2005; Romano et al. 2019 for the signed residuals): an interval holds a
        new truth with probability 0.9 where production is like these held-out samples. With 120 samples or more the
        residuals are first divided by their size as a function of the predicted value, so that cheap houses get
        narrower intervals than dear ones; between knots offsets are linear, beyond them constant.
        """
        values = np.asarray(scores, np.float64).reshape(-1)
        truths = np.asarray(truth, np.float64).reshape(-1)
        known = np.isfinite(values) & np.isfinite(truths)
        values, residuals = values[known], (truths - values)[known]
        count = len(values)
        if not count:
            return {"coverage": COVERAGE, "samples": 0, "knots": [0.0], "low": [0.0], "high": [0.0]}
        knots, sizes = _residual_sizes(values, np.abs(residuals))
        lower, upper = _conformal(residuals / np.interp(values, knots, sizes))
        return {
            "coverage": COVERAGE,
            "samples": count,
            "knots": [float(knot) for knot in knots],
            "low": [float(lower * size) for size in sizes],
            "high": [float(upper * size) for size in sizes],
        }

    def outputs(self, scores: NDArray[np.float32], schema: Mapping[str, Any], calibration: Mapping[str, Any]) -> Arrays:
        """Return ``value``, ``low`` and ``high``, each ``(n,) float32``, as the graph does."""
        band = _band(calibration)
        column = np.asarray(scores, np.float32).reshape(-1, 1)
        within = np.minimum(np.maximum(column - band["knots"], np.float32(0)), band["widths"])
        arrays: Arrays = {"value": column[:, 0]}
        for side in ("low", "high"):
            offset = (within * band[f"{side}_slopes"]).sum(1, keepdims=True) + band[f"{side}_start"]
            arrays[side] = (column + offset)[:, 0]
        return arrays

    def decode(self, outputs: Mapping[str, NDArray[Any]], schema: Mapping[str, Any]) -> list[Prediction]:
        """Return ``{"value", "low", "high"}`` per sample; ``low`` to ``high`` is the 90 % interval."""
        columns = [np.asarray(outputs[name]).tolist() for name in ("value", "low", "high")]
        return [
            Prediction({"value": value, "low": low, "high": high}) for value, low, high in zip(*columns, strict=True)
        ]

    def metrics(
        self, truth: NDArray[Any], outputs: Mapping[str, NDArray[Any]], schema: Mapping[str, Any]
    ) -> dict[str, float]:
        """Return every figure of :data:`~number_metrics.HIGHER_IS_BETTER` that is defined on the known truths.

        Examples
        --------
        >>> outputs = {"value": np.array([1.0, 2.0, 4.0]), "low": np.zeros(3), "high": np.full(3, 9.0)}
        >>> Number().metrics(np.array([1.0, 2.0, 3.0]), outputs, {})["r2"]
        0.5
        """
        figures = _figures(truth, outputs)
        if not figures.count:
            return {}
        values = figures.of(np.ones((1, figures.count), np.float32))
        return {name: float(value[0]) for name, value in values.items() if np.isfinite(value[0])}

    def bootstrap(
        self,
        truth: NDArray[Any],
        outputs: Mapping[str, NDArray[Any]],
        schema: Mapping[str, Any],
        rng: np.random.Generator,
        repeats: int = 1000,
    ) -> dict[str, NDArray[np.float64]]:
        """Return ``(repeats,)`` per metric: its value on samples drawn with replacement (NaN where undefined)."""
        figures = _figures(truth, outputs)
        return resampled(figures.of, figures.count, rng, repeats)

    def per_sample_loss(self, truth: NDArray[Any], outputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        """Return ``(n,)`` absolute errors, NaN where the truth is unknown."""
        return np.abs(np.asarray(truth, np.float64) - np.asarray(outputs["value"], np.float64))

    def uncertainty(self, outputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        """Return ``(n,)`` the interval's width over itself plus the median one: 0.5 is as sure as most."""
        width = np.asarray(outputs["high"], np.float64) - np.asarray(outputs["low"], np.float64)
        typical = float(np.median(width)) if len(width) else 0.0
        return np.asarray(np.clip(width / np.maximum(width + typical, 1e-12), 0.0, 1.0), np.float64)

    def confusion(self, truth: NDArray[Any], outputs: Mapping[str, NDArray[Any]], schema: Mapping[str, Any]) -> None:
        """Return None: a number has no confusion matrix."""


def _figures(truth: NDArray[Any], outputs: Mapping[str, NDArray[Any]]) -> number_metrics.Figures:
    truths = np.asarray(truth, np.float64).reshape(-1)
    known = np.isfinite(truths)
    columns = (np.asarray(outputs[name], np.float64)[known] for name in ("value", "low", "high"))
    return number_metrics.Figures(truths[known], *columns)


def _residual_sizes(
    values: NDArray[np.float64], sizes: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return knots on the predicted value, and the mean absolute residual around each; one knot if data are few."""
    parts = min(_KNOTS, len(values) // _SAMPLES_PER_KNOT)
    overall = max(float(sizes.mean()), 1e-12)
    if parts < 2 or values.min() == values.max():
        return np.array([float(np.median(values))]), np.array([overall])
    blocks = np.array_split(np.argsort(values, kind="stable"), parts)
    knots = np.array([values[block].mean() for block in blocks])
    means = np.array([max(float(sizes[block].mean()), 0.05 * overall) for block in blocks])
    knots, first = np.unique(knots.astype(np.float32).astype(np.float64), return_index=True)
    return knots, means[first]


def _conformal(ratios: NDArray[np.float64]) -> tuple[float, float]:
    """Return the low and high bound for residuals: 5 % outside on each side; symmetric where samples are too few."""
    count = len(ratios)
    rank = math.ceil((count + 1) * (1.0 + COVERAGE) / 2.0)
    if rank <= count:
        ordered = np.sort(ratios)
        return float(ordered[count - rank]), float(ordered[rank - 1])
    ordered = np.sort(np.abs(ratios))
    widest = float(ordered[min(math.ceil((count + 1) * COVERAGE), count) - 1])
    return -widest, widest


def _band(calibration: Mapping[str, Any]) -> dict[str, NDArray[np.float32]]:
    """Turn knots and offsets into the form the graph computes: a start, and a slope within each segment."""
    knots = np.array(calibration.get("knots") or [0.0], np.float64)
    widths = np.diff(knots) if len(knots) > 1 else np.ones(1)
    band = {
        "knots": knots[: len(widths)].astype(np.float32)[None],
        "widths": widths.astype(np.float32)[None],
    }
    for side in ("low", "high"):
        offsets = np.array(calibration.get(side) or [0.0], np.float64)
        slopes = np.diff(offsets) / widths if len(offsets) > 1 else np.zeros(1)
        band[f"{side}_slopes"] = slopes.astype(np.float32)[None]
        band[f"{side}_start"] = offsets[:1].astype(np.float32)[None]
    return band
