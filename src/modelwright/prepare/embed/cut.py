"""Cutting a graph in front of its last linear layer: what goes into that layer is the model's embedding.

A classifier ends in one linear layer over features that it learned; samples that it sees as alike have features alike
(Donahue et al. 2014, "DeCAF"). Nothing but the graph is needed, whatever made it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from modelwright.errors import InputError, IntegrityError

_LINEAR = {"Gemm", "MatMul", "LinearClassifier", "LinearRegressor"}
_TREES = "TreeEnsemble"


def cut(model: bytes) -> tuple[bytes, str]:
    """Return the part of a graph in front of the linear layer nearest to its outputs, and what comes out of it.

    Parameters
    ----------
    model
        An ONNX graph.

    Raises
    ------
    InputError
        Code ``no-embedding``: the graph has no such layer (boosted trees, for instance).
    IntegrityError
        If it is no ONNX graph.
    """
    import onnx

    try:
        proto = onnx.ModelProto.FromString(model)
    except Exception as error:  # protobuf's own classes
        raise IntegrityError("this is not an ONNX graph") from error
    graph = proto.graph
    if any(node.op_type.startswith(_TREES) for node in graph.node):
        raise _no_layer()  # what is linear in front of trees was not learned, and behind them only adds them up
    makers = {name: node for node in graph.node for name in node.output if name}
    wanted = _in_front(graph, makers)
    needed = _needed(wanted, makers)
    kept = [node for node in graph.node if any(name in needed for name in node.output)]
    used = {name for node in kept for name in _names(node)}
    del graph.node[:]
    graph.node.extend(kept)
    for field in (graph.initializer, graph.input):
        staying = [each for each in field if each.name in used]
        del field[:]
        field.extend(staying)
    del graph.value_info[:], graph.output[:]
    graph.output.append(onnx.helper.make_empty_tensor_value_info(wanted))
    return proto.SerializeToString(deterministic=True), wanted


def _in_front(graph: Any, makers: dict[str, Any]) -> str:
    """Return the name of what goes into the linear layer that is the fewest nodes away from an output."""
    constants = _constants(graph)
    seen: set[str] = set()
    names = [each.name for each in graph.output]
    while names:
        further: list[str] = []
        for name in names:
            node = makers.get(name)
            if name in seen or node is None:
                continue
            seen.add(name)
            if node.op_type in _LINEAR and (found := _data(node, constants)):
                return found
            further += _names(node)
        names = further
    raise _no_layer()


def _no_layer() -> InputError:
    return InputError(
        "the model has no linear layer, in front of which its features could be taken",
        code="no-embedding",
        hint="a network or a linear model has one, boosted trees have none",
    )


def _data(node: Any, constants: set[str]) -> str | None:
    """Return a linear node's input that is not its weights; None if it multiplies two things that vary, or none."""
    if not node.op_type.startswith(("Gemm", "MatMul")):
        return str(node.input[0])
    varying = [name for name in node.input[:2] if name not in constants]
    return str(varying[0]) if len(varying) == 1 else None


def _constants(graph: Any) -> set[str]:
    """Return the names of what is the same for all samples."""
    found = {each.name for each in graph.initializer}
    for node in graph.node:  # in the order in which they run
        if node.op_type == "Constant" or (node.input and all(name in found for name in node.input if name)):
            found.update(node.output)
    return found


def _needed(wanted: str, makers: dict[str, Any]) -> set[str]:
    found: set[str] = set()
    names = [wanted]
    while names:
        name = names.pop()
        if name not in found:
            found.add(name)
            names += _names(makers[name]) if name in makers else []
    return found


def _names(node: Any) -> list[str]:
    """Return all that a node reads, what the graphs inside it read from around them too."""
    return [*filter(None, node.input), *_read_inside(node)]


def _read_inside(node: Any) -> Iterator[str]:
    for attribute in node.attribute:
        for inner in (attribute.g, *attribute.graphs):
            for each in inner.node:
                yield from _names(each)
            yield from (each.name for each in inner.output)
