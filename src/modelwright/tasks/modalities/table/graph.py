"""The table's preprocessing as ONNX graphs: a few wide operations rather than many narrow ones.

``dense``: numbers imputed with the median, standardised and kept within ±10 deviations (a linear model must not run
away with one absurd value); a 0/1 for "was missing" where training missed some; ``sign(x)·log(1+|x|)``, standardised,
of skewed numbers; categories one-hot, an unknown one all zeros or "another one".
``trees``: numbers as they are with NaN for missing, categories as codes, most frequent first, NaN for missing and
unknown ones (or the code of "another one").
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from modelwright.tasks.modalities.table import dates
from modelwright.tasks.modalities.table import features as table_features
from modelwright.tasks.onnx_build import model

_LIMIT = 10.0


class _Build:
    """Nodes and constants as they come."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, name: str, values: NDArray[Any]) -> str:
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def row(self, name: str, values: list[float]) -> str:
        """Add a constant ``(1, len) float32``."""
        return self.constant(name, np.array([values], np.float32))


def dense(schema: Mapping[str, Any]) -> ModelProto:
    """Return the graph to ``features (n, d) float32`` for linear models; every feature is finite."""
    build = _Build()
    parts = [*_numbers(build, schema), *_one_hots(build, schema), *_means(build, schema, scaled=True)]
    if len(parts) == 1:
        build.node("Identity", parts, "features")
    else:
        build.node("Concat", parts, "features", axis=1)
    return _model("table_dense", build, schema, len(table_features.names(schema, "dense")))


def trees(schema: Mapping[str, Any]) -> ModelProto:
    """Return the graph to ``features (n, d) float32`` for trees; NaN is missing."""
    build = _Build()
    parts = []
    for column in schema["columns"]:
        if not table_features.shown(schema, column):
            continue
        if column["kind"] == "category":
            parts.append(_codes(build, column, missing=math.nan, unknown=math.nan))
        else:
            parts.append(column["tensor"])
    parts += _means(build, schema, scaled=False)
    if len(parts) == 1:
        build.node("Identity", parts, "features")
    else:
        build.node("Concat", parts, "features", axis=1)
    return _model("table_trees", build, schema, len(table_features.names(schema, "trees")))


def _numbers(build: _Build, schema: Mapping[str, Any]) -> list[str]:
    plan = table_features.figures(schema)
    if not plan:
        return []
    tensors = list(dict.fromkeys(figure.tensor for figure in plan))
    raw = build.node("Concat", tensors, "numbers", axis=1) if len(tensors) > 1 else tensors[0]
    missing = build.node("IsNaN", [raw], "missing")
    medians = build.row("medians", [figure.median for figure in plan])
    filled = build.node("Where", [missing, medians, raw], "filled")
    means = [figure.mean for figure in plan]
    parts = [_standardised(build, filled, "numbers", means, [figure.std for figure in plan])]
    indicators = [place for place, figure in enumerate(plan) if figure.indicator]
    if indicators:
        picked = _picked(build, missing, "indicators", indicators)
        parts.append(build.node("Cast", [picked], "missing_features", to=TensorProto.FLOAT))
    skewed = [(place, figure.log) for place, figure in enumerate(plan) if figure.log]
    if skewed:
        picked = _picked(build, filled, "skewed", [place for place, _ in skewed])
        size = build.node("Abs", [picked], "skewed_size")
        one = build.row("one", [1.0])
        log = build.node("Log", [build.node("Add", [size, one], "skewed_size_1")], "skewed_log")
        signed = build.node("Mul", [build.node("Sign", [picked], "skewed_sign"), log], "skewed_signed")
        logs = [log for _, log in skewed]
        parts.append(_standardised(build, signed, "logs", [log["mean"] for log in logs], [log["std"] for log in logs]))
    return parts


def _picked(build: _Build, source: str, name: str, places: list[int]) -> str:
    indices = build.constant(f"{name}_places", np.array(places, np.int64))
    return build.node("Gather", [source, indices], f"{name}_picked", axis=1)


def _standardised(build: _Build, source: str, name: str, means: list[float], stds: list[float]) -> str:
    centred = build.node("Sub", [source, build.row(f"{name}_mean", means)], f"{name}_centred")
    scaled = build.node("Div", [centred, build.row(f"{name}_std", stds)], f"{name}_scaled")
    low = build.constant(f"{name}_low", np.array(-_LIMIT, np.float32))
    high = build.constant(f"{name}_high", np.array(_LIMIT, np.float32))
    return build.node("Clip", [scaled, low, high], f"{name}_features")


def _one_hots(build: _Build, schema: Mapping[str, Any]) -> list[str]:
    columns = table_features.categories(schema)
    plan = table_features.one_hots(schema)
    if not plan:
        return []
    encoded = [
        _codes(build, column, missing=table_features.MISSING_CODE, unknown=table_features.UNKNOWN_CODE)
        for column in columns
    ]
    codes = build.node("Concat", encoded, "codes", axis=1) if len(encoded) > 1 else encoded[0]
    spread = _picked(build, codes, "one_hot", [one.column for one in plan])
    wanted = build.row("one_hot_codes", [one.code for one in plan])
    return [build.node("Cast", [build.node("Equal", [spread, wanted], "hits")], "one_hot", to=TensorProto.FLOAT)]


def _means(build: _Build, schema: Mapping[str, Any], *, scaled: bool) -> list[str]:
    """Return the mean answers by category, for linear models as deviations from the mean of all."""
    made = []
    for mean in table_features.means(schema):
        found, place = mean.column["answers"], mean.dimension
        prior, std = found["prior"][place], found["std"][place] if scaled else 1.0
        values = [(value - (prior if scaled else 0.0)) / std for value in found["values"][place]]
        output = f"{mean.column['tensor']}_answer{place}"
        build.nodes.append(
            helper.make_node(
                "LabelEncoder",
                [mean.column["tensor"]],
                [output],
                domain="ai.onnx.ml",
                keys_strings=found["words"],
                values_floats=values,
                default_float=0.0 if scaled else prior,
            )
        )
        made.append(output)
    return made


def _codes(build: _Build, column: Mapping[str, Any], *, missing: float, unknown: float) -> str:
    words = [str(word) for word in column["categories"]]
    build.nodes.append(
        helper.make_node(
            "LabelEncoder",
            [column["tensor"]],
            [f"{column['tensor']}_code"],
            domain="ai.onnx.ml",
            keys_strings=["", *words],
            values_floats=[missing, *(float(code) for code in range(len(words)))],
            default_float=float(len(words)) if column["other"] else unknown,
        )
    )
    return f"{column['tensor']}_code"


def _model(name: str, build: _Build, schema: Mapping[str, Any], width: int) -> ModelProto:
    inputs: list[ValueInfoProto] = []
    for column in schema["columns"]:
        kind = TensorProto.STRING if column["kind"] == "category" else TensorProto.FLOAT
        size = len(dates.PARTS) if column["kind"] == "date" else 1
        inputs.append(helper.make_tensor_value_info(column["tensor"], kind, ["n", size]))
    outputs = [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", width])]
    return model(name, build.nodes, inputs, outputs, build.constants)
