"""How every graph of a modality or target is put together: one opset, checked, same content, same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto

OPSET = 20
ML_OPSET = 4
"""``ai.onnx.ml``: LabelEncoder with tensors of any type came with 4."""
IR_VERSION = 9
"""The one that goes with opset 20; older runtimes on devices read it."""


class Build:
    """Nodes and constants as they come, each with a name that the caller gives.

    Parameters
    ----------
    nodes, constants
        Lists to add to; None: new ones.
    """

    def __init__(self, nodes: list[NodeProto] | None = None, constants: list[TensorProto] | None = None) -> None:
        self.nodes = [] if nodes is None else nodes
        self.constants = [] if constants is None else constants

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Add a node with one output, and return that."""
        from onnx import helper

        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def constant(self, name: str, values: NDArray[Any] | np.generic) -> str:
        """Add a constant, and return its name."""
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(values, name))
        return name


def model(
    name: str,
    nodes: Sequence[NodeProto],
    inputs: Sequence[ValueInfoProto],
    outputs: Sequence[ValueInfoProto],
    constants: Sequence[TensorProto],
) -> ModelProto:
    """Return a checked model; ``ai.onnx.ml`` is imported only where a node is of that domain."""
    from onnx import checker, helper

    graph = helper.make_graph(list(nodes), name, list(inputs), list(outputs), list(constants))
    opsets = [helper.make_opsetid("", OPSET)]
    if any(node.domain == "ai.onnx.ml" for node in nodes):
        opsets.append(helper.make_opsetid("ai.onnx.ml", ML_OPSET))
    made = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="modelwright")
    checker.check_model(made, full_check=True)
    return made
