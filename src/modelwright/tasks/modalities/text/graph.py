"""The text's preprocessing as ONNX graphs: counts of known n-grams, TF-IDF, and the directions in which texts differ.

Inputs: ``words (n, l) string`` filled up with "", ``characters (n, m) int32`` filled up with -1, and
``figures (n, k) float32``. Filling up changes nothing: no n-gram of the vocabulary holds it.

``dense``: a block a feature word, each of length 1 (L2): ``(1 + ln count) · idf`` (sublinear TF-IDF, Salton and Buckley
1988), and the figures, standardised. ``trees``: the directions of latent semantic analysis, and the figures as they
are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper

from modelwright.tasks import directions, hashing
from modelwright.tasks.modalities.text import figures as text_figures
from modelwright.tasks.modalities.text import schema as text_schema
from modelwright.tasks.onnx_build import Build, model
from modelwright.tasks.places import runs

CHARACTER_WEIGHT = 0.5
"""Length of the block of characters: they are many, and say the same as the words in other words."""
HASHED_WEIGHT = 0.5
FIGURE_WEIGHT = 0.05
_LIMIT = 10.0
_PRIME, _MODULUS = 1_000_003, 2_147_483_647
_UNITS = 16_384.0
"""Values of the n-gram blocks are rounded to this part before they meet the directions."""


def dense(schema: Mapping[str, Any]) -> ModelProto:
    """Return the graph to ``features (n, d) float32`` for linear models."""
    build = Build()
    names = schema["features"]
    parts = [_directions(build, schema)] if "svd" in names and schema["svd"]["rank"] else _blocks(build, schema)
    if "figures" in names:
        parts.append(_standardised(build, schema))
    return _finish(build, parts, "text_dense", len(feature_names(schema, "dense")))


def trees(schema: Mapping[str, Any]) -> ModelProto:
    """Return the graph to ``features (n, d) float32`` for trees; the figures also where there is nothing else."""
    build = Build()
    parts = [_directions(build, schema)] if schema["svd"]["rank"] else []
    if _has_figures(schema):
        parts.append(_picked(build))
    return _finish(build, parts, "text_trees", len(feature_names(schema, "trees")))


def blocks(schema: Mapping[str, Any]) -> ModelProto:
    """Return the graph to the n-gram blocks alone: what the directions are learned from."""
    build = Build()
    return _finish(build, _blocks(build, schema), "text_blocks", block_width(schema))


def block_width(schema: Mapping[str, Any]) -> int:
    """Return the columns of the n-gram blocks together."""
    known = sum(len(schema[name]["terms"]) for name in ("words", "characters") if name in schema)
    return known + int(schema.get("hashing", 0))


def feature_names(schema: Mapping[str, Any], encoding: str) -> list[str]:
    """Return a name a column."""
    figures = [text_figures.NAMES[name].partition(",")[0] for name in schema["figures"]["names"]]
    figures = [f"{name}: {words}" for name, words in zip(schema["figures"]["names"], figures, strict=True)]
    directions = [f"direction {place}" for place in range(1, int(schema["svd"]["rank"]) + 1)]
    if encoding == "trees":
        return [*directions, *(figures if _has_figures(schema) else ())]
    made: list[str] = []
    if "svd" in schema["features"] and directions:
        made = directions
    else:
        made += [f"word {term!r}" for term in schema.get("words", {}).get("terms", ())]
        made += [f"letters {term!r}" for term in schema.get("characters", {}).get("terms", ())]
        made += [f"hashed letters {place}" for place in range(int(schema.get("hashing", 0)))]
    return [*made, *(figures if "figures" in schema["features"] else ())]


def feature_parts(schema: Mapping[str, Any]) -> dict[str, list[int]]:
    """Return where the ``dense`` features of each word are."""
    words = schema["features"]
    if "svd" in words and schema["svd"]["rank"]:
        widths = {"svd": int(schema["svd"]["rank"])}
    else:
        widths = {name: len(schema.get(name, {}).get("terms", ())) for name in ("words", "characters")}
        widths["hashing"] = int(schema.get("hashing", 0))
    widths["figures"] = len(schema["figures"]["names"]) if "figures" in words else 0
    return runs(widths)


def _has_figures(schema: Mapping[str, Any]) -> bool:
    """Say whether trees get the figures."""
    return "figures" in schema["features"] or not schema["svd"]["rank"]


def _finish(build: Build, parts: Sequence[str], name: str, width: int) -> ModelProto:
    build.node("Concat" if len(parts) > 1 else "Identity", parts, "features", **({"axis": 1} if len(parts) > 1 else {}))
    inputs = [
        helper.make_tensor_value_info("words", TensorProto.STRING, ["n", "l"]),
        helper.make_tensor_value_info("characters", TensorProto.INT32, ["n", "m"]),
        helper.make_tensor_value_info("figures", TensorProto.FLOAT, ["n", len(text_figures.NAMES)]),
    ]
    outputs = [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", width])]
    return model(name, build.nodes, inputs, outputs, build.constants)


def _blocks(build: Build, schema: Mapping[str, Any]) -> list[str]:
    made = []
    if schema.get("words", {}).get("terms"):
        made.append(_tf_idf(build, schema, "words", 1.0))
    if schema.get("characters", {}).get("terms"):
        made.append(_tf_idf(build, schema, "characters", CHARACTER_WEIGHT))
    if schema.get("hashing"):
        made.append(_hashed(build, int(schema["hashing"])))
    return made


def _tf_idf(build: Build, schema: Mapping[str, Any], name: str, weight: float) -> str:
    block = schema[name]
    shortest, longest = text_schema.WORD_GRAMS if name == "words" else text_schema.CHARACTER_GRAMS
    starts, at = [0] * (shortest - 1), 0
    pool: list[Any] = []
    for length, count in zip(range(shortest, longest + 1), block["lengths"], strict=True):
        starts.append(len(pool))
        for term in block["terms"][at : at + count]:
            pool += term.split(" ") if name == "words" else [ord(char) for char in term]
        at += count
        assert len(pool) == starts[-1] + count * length
    longest = max(length for length, count in zip(range(shortest, longest + 1), block["lengths"], strict=True) if count)
    build.node(
        "TfIdfVectorizer",
        [name],
        f"{name}_counts",
        mode="TF",
        min_gram_length=shortest,
        max_gram_length=longest,
        max_skip_count=0,
        ngram_counts=starts[:longest],
        ngram_indexes=list(range(len(block["terms"]))),
        **{"pool_strings" if name == "words" else "pool_int64s": pool},
    )
    rare = build.constant(f"{name}_idf", text_schema.idf(schema, name)[None])
    return _unit(build, build.node("Mul", [_sublinear(build, f"{name}_counts"), rare], f"{name}_tfidf"), name, weight)


def _sublinear(build: Build, counts: str) -> str:
    """Return ``1 + ln count`` where there is one, else 0; the sign of a count is kept."""
    one = build.constant(f"{counts}_one", np.array(1.0, np.float32))
    size = build.node("Max", [build.node("Abs", [counts], f"{counts}_size"), one], f"{counts}_least")
    log = build.node("Add", [build.node("Log", [size], f"{counts}_log"), one], f"{counts}_tf")
    return build.node("Mul", [build.node("Sign", [counts], f"{counts}_sign"), log], f"{counts}_signed")


def _unit(build: Build, values: str, name: str, weight: float) -> str:
    """Return rows of length ``weight``; a row of zeros stays one."""
    axis = build.constant(f"{name}_axis", np.array([1], np.int64))
    squares = build.node("ReduceSumSquare", [values, axis], f"{name}_squares", keepdims=1)
    tiny = build.constant(f"{name}_tiny", np.array(1e-12, np.float32))
    length = build.node("Sqrt", [build.node("Max", [squares, tiny], f"{name}_positive")], f"{name}_length")
    made = build.node("Div", [values, length], f"{name}_unit")
    if weight == 1.0:
        return made
    return build.node("Mul", [made, build.constant(f"{name}_weight", np.array(weight, np.float32))], f"{name}_block")


def _hashed(build: Build, width: int) -> str:
    """Return counts with a sign of hashed characters, ``(n, width)``: see :mod:`modelwright.tasks.hashing`."""
    codes = build.node("Cast", ["characters"], "codes", to=TensorProto.INT64)
    counting = hashing.Counting(build, "hashed", codes, width)
    prime = build.constant("hash_prime", np.array(_PRIME, np.int64))
    modulus = build.constant("hash_modulus", np.array(_MODULUS, np.int64))
    axis = build.constant("column_axis", np.array([1], np.int64))
    end = build.constant("hash_end", np.array([np.iinfo(np.int64).max], np.int64))
    shortest, longest = text_schema.HASHED_GRAMS
    value = ""
    for length in range(1, longest + 1):
        start = build.constant(f"from_{length}", np.array([length - 1], np.int64))
        last = build.node("Slice", [codes, start, end, axis], f"last_{length}")
        if length == 1:
            value = last
            continue
        cut = build.constant(f"to_{length}", np.array([-1], np.int64))
        begin = build.constant(f"begin_{length}", np.array([0], np.int64))
        before = build.node("Slice", [value, begin, cut, axis], f"before_{length}")
        grown = build.node("Add", [build.node("Mul", [before, prime], f"times_{length}"), last], f"grown_{length}")
        value = build.node("Mod", [grown, modulus], f"hash_{length}")
        if length >= shortest:
            counting.add(value, counting.not_filling(last))
    return _unit(build, _sublinear(build, counting.sums), "hashed", HASHED_WEIGHT)


def _directions(build: Build, schema: Mapping[str, Any]) -> str:
    """Return ``(n, rank)``: the n-gram blocks along the learned directions."""
    parts = _blocks(build, schema)
    joined = build.node("Concat", parts, "blocks", axis=1) if len(parts) > 1 else parts[0]
    return directions.along(build, joined, schema["svd"], _UNITS)


def _picked(build: Build) -> str:
    places = build.constant("figure_places", np.array(text_figures.columns(text_figures.LEARNED), np.int64))
    return build.node("Gather", ["figures", places], "learned_figures", axis=1)


def _standardised(build: Build, schema: Mapping[str, Any]) -> str:
    picked = _picked(build)
    one = build.constant("figure_one", np.array(1.0, np.float32))
    log = build.node("Log", [build.node("Add", [picked, one], "figures_1")], "figures_log")
    logged = build.constant("is_count", np.array([[name in text_figures.LOGGED for name in text_figures.LEARNED]]))
    values = build.node("Where", [logged, log, picked], "figure_values")
    mean = build.constant("figure_mean", np.array([schema["figures"]["mean"]], np.float32))
    std = build.constant("figure_std", np.array([schema["figures"]["std"]], np.float32))
    scaled = build.node("Div", [build.node("Sub", [values, mean], "figures_centred"), std], "figures_scaled")
    low, high = (
        build.constant(f"figure_{word}", np.array(value, np.float32))
        for word, value in (("low", -_LIMIT), ("high", _LIMIT))
    )
    kept = build.node("Clip", [scaled, low, high], "figures_kept")
    return build.node(
        "Mul", [kept, build.constant("figure_weight", np.array(FIGURE_WEIGHT, np.float32))], "figure_block"
    )
