"""Small models on disk: graphs, and folders of weights as `transformers` saves them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

SIDE = 32
PREPROCESSOR = {"size": SIDE, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.25, 0.25]}


def rows_of_colours() -> bytes:
    """Return a classifier of pictures that sees the mean colour of each line: mirrored pictures are the same to it."""
    weights = np.random.default_rng(0).normal(size=(3 * SIDE, 4)).astype(np.float32)
    axes = numpy_helper.from_array(np.array([3], np.int64), "axes")
    nodes = [
        helper.make_node("ReduceMean", ["pixels", "axes"], ["means"], keepdims=0),
        helper.make_node("Flatten", ["means"], ["features"]),
        helper.make_node("Gemm", ["features", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
    ]
    given = [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [1, 3, SIDE, SIDE])]
    made = [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1, 4])]
    graph = helper.make_graph(nodes, "rows", given, made, [axes, numpy_helper.from_array(weights, "weights")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def folder(root: Path) -> Path:
    """Return a folder with that classifier and how pictures are prepared for it."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "model.onnx").write_bytes(rows_of_colours())
    (root / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
    return root


def mirrored(raw: bytes) -> bytes:
    """Return a picture seen in a mirror, encoded anew."""
    out = io.BytesIO()
    Image.open(io.BytesIO(raw)).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(out, "PNG")
    return out.getvalue()
