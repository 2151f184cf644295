"""The table's preprocessing as ONNX graphs: a few wide operations rather than many narrow ones.

``dense``: numbers imputed with the median, standardised and kept within ±10 deviations (a linear model must not run
away with one absurd value); a 0/1 for "was missing" where training missed some; ``sign(x)·log(1+|x|)``, standardised,
of skewed numbers; categories one-hot, an unknown one all zeros or "another one".
``trees``: numbers as they are with NaN for missing, categories as codes, most frequent first, NaN for missing and
unknown ones (or the code of "another one").
Words that are hashed are counts in both. Principal components take the place of what ``dense`` has, and stand beside
what ``trees`` has.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, ValueInfoProto, helper

from modelwright.tasks import directions, hashing
from modelwright.tasks.modalities.table import cells, dates
from modelwright.tasks.modalities.table import features as table_features
from modelwright.tasks.onnx_build import Build, model

_LIMIT = 10.0


def dense(schema: Mapping[str, Any]) -> ModelProto:
    """Return the graph to ``features (n, d) float32`` for linear models; every feature is finite."""
    build = Build()
    parts = _block(build, schema)
    if found := table_features.components(schema):
        parts = [directions.along(build, _joined(build, parts, "block"), found)]
    parts += _means(build, schema, scaled=True)
    return _finished("table_dense", build, parts, schema, len(table_features.names(schema, "dense")))


def block(schema: Mapping[str, Any]) -> ModelProto:
    """Return the graph to the ``dense`` features from which directions are learned."""
    build = Build()
    return _finished("table_block", build, _block(build, schema), schema, len(table_features.block(schema)))


def trees(schema: Mapping[str, Any]) -> ModelProto:
    """Return the graph to ``features (n, d) float32`` for trees; NaN is missing."""
    build = Build()
    parts = []
    for column in schema["columns"]:
        if not table_features.shown(schema, column):
            continue
        if column["kind"] == "category":
            parts.append(_codes(build, column, "code", missing=math.nan, unknown=math.nan))
        else:
            parts.append(column["tensor"])
    if found := table_features.components(schema):
        along = _block(build, schema)
        parts += [name for name in along if name in _hashed_outputs(schema)]
        parts.append(directions.along(build, _joined(build, along, "block"), found))
    else:
        parts += _hashed(build, schema)
    parts += _means(build, schema, scaled=False)
    return _finished("table_trees", build, parts, schema, len(table_features.names(schema, "trees")))


def _finished(name: str, build: Build, parts: list[str], schema: Mapping[str, Any], width: int) -> ModelProto:
    if len(parts) == 1:
        build.node("Identity", parts, "features")
    else:
        build.node("Concat", parts, "features", axis=1)
    return _model(name, build, schema, width)


def _row(build: Build, name: str, values: list[float]) -> str:
    """Add a constant ``(1, len) float32``."""
    return build.constant(name, np.array([values], np.float32))


def _joined(build: Build, parts: list[str], name: str) -> str:
    return build.node("Concat", parts, name, axis=1) if len(parts) > 1 else parts[0]


def _block(build: Build, schema: Mapping[str, Any]) -> list[str]:
    """Return what is standardised, one-hot or counted of each row: all but what comes from answers."""
    return [*_numbers(build, schema), *_one_hots(build, schema), *_hashed(build, schema)]


def _hashed_outputs(schema: Mapping[str, Any]) -> list[str]:
    return [f"{each.tensor}_counts" for each in table_features.hashed(schema)]


def _hashed(build: Build, schema: Mapping[str, Any]) -> list[str]:
    """Return the counts of words by their hash, one tensor a column."""
    made = []
    for each, output in zip(table_features.hashed(schema), _hashed_outputs(schema), strict=True):
        counting = hashing.Counting(build, each.tensor, each.tensor, each.width)
        real = counting.not_filling(each.tensor)
        none = build.constant(f"{each.tensor}_filling", np.array(0, np.int64))
        counting.add(build.node("Where", [real, each.tensor, none], f"{each.tensor}_safe"), real)
        made.append(build.node("Identity", [counting.sums], output))
    return made


def _numbers(build: Build, schema: Mapping[str, Any]) -> list[str]:
    plan = table_features.figures(schema)
    if not plan:
        return []
    tensors = list(dict.fromkeys(figure.tensor for figure in plan))
    raw = build.node("Concat", tensors, "numbers", axis=1) if len(tensors) > 1 else tensors[0]
    missing = build.node("IsNaN", [raw], "missing")
    medians = _row(build, "medians", [figure.median for figure in plan])
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
        one = _row(build, "one", [1.0])
        log = build.node("Log", [build.node("Add", [size, one], "skewed_size_1")], "skewed_log")
        signed = build.node("Mul", [build.node("Sign", [picked], "skewed_sign"), log], "skewed_signed")
        logs = [log for _, log in skewed]
        parts.append(_standardised(build, signed, "logs", [log["mean"] for log in logs], [log["std"] for log in logs]))
    return parts


def _picked(build: Build, source: str, name: str, places: list[int]) -> str:
    indices = build.constant(f"{name}_places", np.array(places, np.int64))
    return build.node("Gather", [source, indices], f"{name}_picked", axis=1)


def _standardised(build: Build, source: str, name: str, means: list[float], stds: list[float]) -> str:
    centred = build.node("Sub", [source, _row(build, f"{name}_mean", means)], f"{name}_centred")
    scaled = build.node("Div", [centred, _row(build, f"{name}_std", stds)], f"{name}_scaled")
    low = build.constant(f"{name}_low", np.array(-_LIMIT, np.float32))
    high = build.constant(f"{name}_high", np.array(_LIMIT, np.float32))
    return build.node("Clip", [scaled, low, high], f"{name}_features")


def _one_hots(build: Build, schema: Mapping[str, Any]) -> list[str]:
    columns = table_features.categories(schema)
    plan = table_features.one_hots(schema)
    if not plan:
        return []
    encoded = [
        _codes(build, column, "place", missing=table_features.MISSING_CODE, unknown=table_features.UNKNOWN_CODE)
        for column in columns
    ]
    codes = build.node("Concat", encoded, "codes", axis=1) if len(encoded) > 1 else encoded[0]
    spread = _picked(build, codes, "one_hot", [one.column for one in plan])
    wanted = _row(build, "one_hot_codes", [one.code for one in plan])
    return [build.node("Cast", [build.node("Equal", [spread, wanted], "hits")], "one_hot", to=TensorProto.FLOAT)]


def _means(build: Build, schema: Mapping[str, Any], *, scaled: bool) -> list[str]:
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


def _codes(build: Build, column: Mapping[str, Any], name: str, *, missing: float, unknown: float) -> str:
    words = [str(word) for word in column["categories"]]
    build.nodes.append(
        helper.make_node(
            "LabelEncoder",
            [column["tensor"]],
            [f"{column['tensor']}_{name}"],
            domain="ai.onnx.ml",
            keys_strings=["", *words],
            values_floats=[missing, *(float(code) for code in range(len(words)))],
            default_float=float(len(words)) if column["other"] else unknown,
        )
    )
    return f"{column['tensor']}_{name}"


def _model(name: str, build: Build, schema: Mapping[str, Any], width: int) -> ModelProto:
    inputs: list[ValueInfoProto] = []
    for column in schema["columns"]:
        kind = TensorProto.STRING if column["kind"] == "category" else TensorProto.FLOAT
        size = len(dates.PARTS) if column["kind"] == "date" else 1
        inputs.append(helper.make_tensor_value_info(column["tensor"], kind, ["n", size]))
        if "hashed" in column:
            shape = ["n", int(column["hashed"]["size"])]
            inputs.append(helper.make_tensor_value_info(cells.words_tensor(column), TensorProto.INT64, shape))
    outputs = [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", width])]
    return model(name, build.nodes, inputs, outputs, build.constants)
