"""External data is found wherever ONNX allows it, by a reader that has no onnx."""

from __future__ import annotations

from typing import Any

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from modelwright.runtime.external import has_external_data


def tensor(external: bool) -> Any:
    made = helper.make_tensor("location", TensorProto.FLOAT, [1], [2.0])
    if external:
        made.data_location = TensorProto.EXTERNAL
        made.external_data.add(key="location", value="/etc/passwd")
    return made


def sparse(external: bool) -> Any:
    indices = helper.make_tensor("i", TensorProto.INT64, [1], [0])
    return helper.make_sparse_tensor(tensor(external), indices, [4])


def graph(*nodes: Any, initializer: Any = None) -> Any:
    return helper.make_graph(list(nodes), "g", [], [], [initializer] if initializer else [])


def constant(external: bool) -> Any:
    return helper.make_node("Constant", [], ["c"], value=tensor(external))


def models(external: bool) -> dict[str, Any]:
    subgraph = helper.make_node("If", ["x"], ["y"], then_branch=graph(constant(external)), else_branch=graph())
    many = helper.make_node("Odd", [], ["y"], domain="x", tensors=[tensor(external), tensor(external)])
    many_graphs = helper.make_node("Odd", [], ["y"], domain="x", graphs=[graph(initializer=tensor(external))])
    function = helper.make_function("d", "f", [], ["c"], [constant(external)], [helper.make_opsetid("", 20)])
    sparse_graph = graph()
    sparse_graph.sparse_initializer.append(sparse(external))
    found = {
        "initializer": helper.make_model(graph(initializer=tensor(external))),
        "constant": helper.make_model(graph(constant(external))),
        "subgraph": helper.make_model(graph(subgraph)),
        "tensors": helper.make_model(graph(many)),
        "graphs": helper.make_model(graph(many_graphs)),
        "function": helper.make_model(graph(), functions=[function]),
        "sparse": helper.make_model(sparse_graph),
        "sparse attribute": helper.make_model(graph(helper.make_node("C", [], ["c"], sparse_value=sparse(external)))),
    }
    training = helper.make_model(graph())
    training.training_info.add().algorithm.CopyFrom(graph(constant(external)))
    return found | {"training": training}


@pytest.mark.parametrize("kind", sorted(models(external=True)))
def test_found_everywhere_and_nowhere_else(kind: str) -> None:
    assert has_external_data(models(external=True)[kind].SerializeToString())
    assert not has_external_data(models(external=False)[kind].SerializeToString())


def test_the_field_numbers_are_those_of_onnx() -> None:
    """Every path from a model to a tensor that onnx.proto knows is followed."""
    from modelwright.runtime.external import _FIELDS

    names = {
        "ModelProto": "model", "TrainingInfoProto": "training", "GraphProto": "graph", "FunctionProto": "function",
        "NodeProto": "node", "AttributeProto": "attribute", "SparseTensorProto": "sparse", "TensorProto": "tensor",
    }  # fmt: skip
    for proto, ours in names.items():
        if ours == "tensor":
            continue
        fields = getattr(onnx, proto).DESCRIPTOR.fields
        led = {f.number: names[f.message_type.name] for f in fields if f.message_type and f.message_type.name in names}
        assert _FIELDS[ours] == led


@given(st.binary(max_size=200))
def test_noise_never_raises_anything_else(noise: bytes) -> None:
    try:
        has_external_data(noise + b"location")
    except ValueError:
        return
