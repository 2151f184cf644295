"""Small helpers for the ONNX graphs that families build by hand: input ``features``, output ``scores``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.tasks import onnx_build


def build(
    nodes: Sequence[Any],
    constants: Mapping[str, NDArray[Any]],
    feature_shape: Sequence[int],
    feature_dtype: str,
    width: int,
) -> Any:
    """Return a checked ``onnx.ModelProto`` from ``features (n, *feature_shape)`` to ``scores (n, width) float32``."""
    from onnx import TensorProto, helper, numpy_helper

    kind = {"float32": TensorProto.FLOAT, "uint8": TensorProto.UINT8}[feature_dtype]
    return onnx_build.model(
        "family",
        list(nodes),
        [helper.make_tensor_value_info("features", kind, ["n", *feature_shape])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", width])],
        [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in constants.items()],
    )


def node(kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> Any:
    """Return one node with one output; ``attributes`` are the operator's own."""
    from onnx import helper

    return helper.make_node(kind, list(inputs), [output], name=output, **attributes)
