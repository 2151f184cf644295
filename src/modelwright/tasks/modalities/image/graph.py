"""The image's preprocessing as ONNX graphs (opset 20: the first with antialiasing and 8-bit linear resize settled)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from modelwright.tasks.modalities.image import words as image_words
from modelwright.tasks.onnx_build import model

# ITU-R BT.601, what Pillow and most cameras use.
_LUMA = np.array([[0.299], [0.587], [0.114]], np.float32)


def pixels(schema: Mapping[str, Any]) -> ModelProto:
    """Return ``image (n, H, W, 3) uint8`` → ``features (n, height, width, 3) uint8``.

    The resize works on 8 bits: a 64-megapixel input needs no float copy, and at the right size it changes nothing.
    """
    height, width = int(schema["height"]), int(schema["width"])
    if schema.get("features"):
        nodes, constants = _resize("image", "resized", height, width)
        more, values = image_words.steps(schema["features"], "resized", "features")
        nodes, constants = nodes + more, constants + values
    elif schema["channels"] == 3:
        nodes, constants = _resize("image", "features", height, width)
    else:
        nodes, constants = _resize("image", "resized", height, width)
        nodes += [
            *_grey("resized", "luma"),
            helper.make_node("Round", ["luma"], ["rounded"]),
            helper.make_node("Cast", ["rounded"], ["grey"], to=TensorProto.UINT8),
            helper.make_node("Concat", ["grey", "grey", "grey"], ["features"], axis=3),
        ]
        constants.append(numpy_helper.from_array(_LUMA, "luma_weights"))
    return _model("image_pixels", nodes, constants, TensorProto.UINT8, [height, width, 3])


def dense(schema: Mapping[str, Any]) -> ModelProto:
    """Return ``image (n, H, W, 3) uint8`` → ``features (n, h·w·channels) float32``, standardised pixels."""
    height, width = (int(side) for side in schema["dense"])
    channels = int(schema["channels"])
    if schema.get("features"):  # what is done to the picture is done at the model's size
        nodes, constants = _resize("image", "whole", int(schema["height"]), int(schema["width"]))
        more, values = image_words.steps(schema["features"], "whole", "changed")
        again, sizes = _resize("changed", "resized", height, width, "dense_size")
        nodes, constants = nodes + more + again, constants + values + sizes
    else:
        nodes, constants = _resize("image", "resized", height, width)
    if channels == 1:
        nodes += _grey("resized", "plain")
        constants.append(numpy_helper.from_array(_LUMA, "luma_weights"))
    else:
        nodes.append(helper.make_node("Cast", ["resized"], ["plain"], to=TensorProto.FLOAT))
    nodes += [
        helper.make_node("Sub", ["plain", "mean"], ["centred"]),
        helper.make_node("Mul", ["centred", "scale"], ["scaled"]),
        helper.make_node("Reshape", ["scaled", "flat"], ["features"]),
    ]
    constants += [
        numpy_helper.from_array(np.array(schema["mean"], np.float32) * np.float32(255.0), "mean"),
        numpy_helper.from_array((1.0 / (np.array(schema["std"]) * 255.0)).astype(np.float32), "scale"),
        numpy_helper.from_array(np.array([-1, height * width * channels], np.int64), "flat"),
    ]
    return _model("image_dense", nodes, constants, TensorProto.FLOAT, [height * width * channels])


def _resize(
    source: str, result: str, height: int, width: int, size: str = "size"
) -> tuple[list[NodeProto], list[TensorProto]]:
    node = helper.make_node(
        "Resize",
        [source, "", "", size],
        [result],
        mode="linear",
        antialias=1,
        axes=[1, 2],
        coordinate_transformation_mode="half_pixel",
    )
    return [node], [numpy_helper.from_array(np.array([height, width], np.int64), size)]


def _grey(source: str, result: str) -> list[NodeProto]:
    return [
        helper.make_node("Cast", [source], [f"{source}_float"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", [f"{source}_float", "luma_weights"], [result]),
    ]


def _model(
    name: str, nodes: Sequence[NodeProto], constants: Sequence[TensorProto], kind: int, shape: Sequence[int]
) -> ModelProto:
    inputs = [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", "image_height", "image_width", 3])]
    outputs = [helper.make_tensor_value_info("features", kind, ["n", *shape])]
    return model(name, nodes, inputs, outputs, constants)
