"""Merging: what goes in comes out, whatever its versions and names; nothing of the maker's machine does."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from modelwright.errors import ModelwrightError
from modelwright.package.merge import merge, signature
from modelwright.runtime.session import open_session, run_session


def part(nodes: list[Any], inputs: dict[str, list[Any]], outputs: dict[str, list[Any]], opset: int = 20) -> Any:
    def values(named: dict[str, list[Any]]) -> list[Any]:
        return [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in named.items()]

    graph = helper.make_graph(nodes, "part", values(inputs), values(outputs))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def parts(batch: Any = "n", opsets: tuple[int, int, int] = (20, 20, 20)) -> list[Any]:
    """Return three graphs that use the same inner names: −x, then |x| + x, then √x."""
    pre = part([helper.make_node("Neg", ["x"], ["features"])], {"x": [batch, 2]}, {"features": [batch, 2]}, opsets[0])
    nodes = [helper.make_node("Abs", ["features"], ["x"]), helper.make_node("Add", ["x", "features"], ["scores"])]
    model = part(nodes, {"features": [batch, 2]}, {"scores": [batch, 2]}, opsets[1])
    post = part(
        [helper.make_node("Sqrt", ["scores"], ["value"])], {"scores": [batch, 2]}, {"value": [batch, 2]}, opsets[2]
    )
    return [pre, model, post]


def run(data: bytes, x: list[list[float]]) -> list[list[float]]:
    found: list[list[float]] = run_session(open_session(data), {"x": np.array(x, np.float32)}, ["value"])[
        "value"
    ].tolist()
    return found


@pytest.mark.parametrize("opsets", [(20, 20, 20), (17, 20, 18), (20, 13, 20)])
def test_the_parts_run_one_after_the_other(opsets: tuple[int, int, int]) -> None:
    data = merge(*parts(opsets=opsets))
    assert run(data, [[-2.0, 8.0], [-8.0, -0.5], [0.0, -32.0]]) == [[2.0, 0.0], [4.0, 1.0], [0.0, 8.0]]
    assert signature(data) == [{"name": "value", "dtype": "float32", "shape": [-1, 2]}]


def test_the_bytes_depend_on_the_graphs_alone() -> None:
    plain = merge(*parts())
    chatty = parts()
    for each in chatty:
        each.producer_name, each.doc_string = "an exporter", "made in /home/somebody"
        each.metadata_props.add(key="where", value="/home/somebody")
        for node in each.graph.node:
            node.doc_string = "File /home/somebody/model.py, line 3"
            node.metadata_props.add(key="pkg.torch.onnx.stack_trace", value="/home/somebody/model.py")
        each.graph.value_info.extend([helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])])
    assert merge(*chatty) == plain
    assert b"somebody" not in plain


def test_inputs_are_not_changed() -> None:
    given = parts()
    before = [each.SerializeToString(deterministic=True) for each in given]
    merge(*given)
    assert [each.SerializeToString(deterministic=True) for each in given] == before


def test_a_fixed_batch_is_refused() -> None:
    with pytest.raises(ModelwrightError, match="the batch, is fixed"):
        merge(*parts(batch=1))


def test_graphs_that_do_not_fit() -> None:
    pre, model, post = parts()
    wrong = onnx.ModelProto()
    wrong.CopyFrom(model)
    wrong.graph.input[0].name = "other"
    wrong.graph.node[0].input[0] = "other"
    wrong.graph.node[1].input[1] = "other"
    with pytest.raises(ModelwrightError, match="do not fit together"):
        merge(pre, wrong, post)
