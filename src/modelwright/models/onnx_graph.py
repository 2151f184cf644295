"""Small helpers for the ONNX graphs that families build by hand: input ``features``, output ``scores``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

OPSET = 20
"""Version of the ``ai.onnx`` operators; the same in every graph of a package, so that they can be merged."""
ML_OPSET = 3
"""Version of the ``ai.onnx.ml`` operators (tree ensembles)."""
IR_VERSION = 10


def build(
    nodes: Sequence[Any],
    constants: Mapping[str, NDArray[Any]],
    feature_shape: Sequence[int],
    feature_dtype: str,
    width: int,
) -> Any:
    """Return a checked ``onnx.ModelProto`` from ``features (n, *feature_shape)`` to ``scores (n, width) float32``."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    kind = {"float32": TensorProto.FLOAT, "uint8": TensorProto.UINT8}[feature_dtype]
    graph = helper.make_graph(
        list(nodes),
        "family",
        [helper.make_tensor_value_info("features", kind, ["n", *feature_shape])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", width])],
        [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", OPSET)]
    if any(node.domain == "ai.onnx.ml" for node in nodes):
        opsets.append(helper.make_opsetid("ai.onnx.ml", ML_OPSET))
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="modelwright")
    onnx.checker.check_model(model, full_check=True)
    return model


def node(kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> Any:
    """Return one node with one output; ``attributes`` are the operator's own."""
    from onnx import helper

    return helper.make_node(kind, list(inputs), [output], name=output, **attributes)
