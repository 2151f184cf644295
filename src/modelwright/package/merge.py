"""Three graphs become one: preprocessing, the family's model, post-processing. The bytes depend on nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelwright.errors import ModelwrightError

if TYPE_CHECKING:
    from onnx import ModelProto

PRODUCER = "modelwright"
# Versions of ai.onnx.ml in which every operator means what it meant in the ones before, so that graphs may share one.
_COMPATIBLE_ML = range(1, 5)


def merge(preprocess: Any, model: Any, postprocess: Any) -> bytes:
    """Return the serialised graph ``inputs → features → scores → outputs``, checked.

    Parameters
    ----------
    preprocess, model, postprocess
        ``onnx.ModelProto``: any inputs to ``features``; ``features`` to ``scores``; ``scores`` to any outputs.

    Returns
    -------
    bytes
        The same for the same graphs: names, operators and weights only. Comments, stack traces and whatever else an
        exporter leaves behind (often with paths of the machine) is removed.

    Raises
    ------
    ModelwrightError
        If the graphs do not fit together, or have a first axis of fixed length.
    """
    import onnx
    from onnx import compose

    parts = _align([preprocess, model, postprocess])
    inputs = [value.name for value in parts[0].graph.input]
    outputs = [value.name for value in parts[2].graph.output]
    try:
        named = [
            compose.add_prefix(part, prefix) for part, prefix in zip(parts, ("pre/", "model/", "post/"), strict=True)
        ]
        merged = compose.merge_models(named[0], named[1], [("pre/features", "model/features")])
        merged = compose.merge_models(merged, named[2], [("model/scores", "post/scores")])
        _rename(merged, {f"pre/{name}": name for name in inputs} | {f"post/{name}": name for name in outputs})
        _clean(merged)
        onnx.checker.check_model(merged, full_check=True)
    except (ValueError, TypeError, onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ModelwrightError(
            f"the graphs of preprocessing, model and post-processing do not fit together: {_first_line(error)}",
            code="export-failed",
        ) from error
    _check_batch(merged)
    return bytes(merged.SerializeToString(deterministic=True))


def _align(parts: list[ModelProto]) -> list[ModelProto]:
    """Give all parts the same operator-set and format versions: the newest of each."""
    from onnx import helper, version_converter

    opset = max(_opset(part, "") for part in parts)
    ml = max(_opset(part, "ai.onnx.ml") for part in parts)
    ir_version = max(part.ir_version for part in parts)
    aligned = []
    for part in parts:
        if _opset(part, "") not in {0, opset}:
            try:
                part = version_converter.convert_version(part, opset)
            except Exception as error:  # the converter raises whatever its C++ side does
                raise ModelwrightError(
                    f"a graph cannot be raised to operator set {opset}: {_first_line(error)}", code="export-failed"
                ) from error
        copy = type(part)()
        copy.CopyFrom(part)
        has = _opset(copy, "ai.onnx.ml")
        if has and has != ml and not {has, ml} <= set(_COMPATIBLE_ML):
            raise ModelwrightError(f"graphs with ai.onnx.ml {has} and {ml} cannot be merged", code="export-failed")
        others = {entry.domain: entry.version for entry in copy.opset_import} | {"": opset}
        if has:
            others["ai.onnx.ml"] = ml
        others.pop("ai.onnx", None)
        del copy.opset_import[:]
        copy.opset_import.extend(helper.make_opsetid(domain, version) for domain, version in sorted(others.items()))
        copy.ir_version = ir_version
        aligned.append(copy)
    return aligned


def _opset(model: ModelProto, domain: str) -> int:
    alike = {"", "ai.onnx"} if not domain else {domain}
    return max((entry.version for entry in model.opset_import if entry.domain in alike), default=0)


def _rename(model: ModelProto, names: dict[str, str]) -> None:
    """Rename values of the outermost graph and wherever sub-graphs use them."""

    def walk(graph: Any) -> None:
        for node in graph.node:
            node.input[:] = [names.get(name, name) for name in node.input]
            node.output[:] = [names.get(name, name) for name in node.output]
            for attribute in node.attribute:
                for below in [attribute.g, *attribute.graphs]:
                    walk(below)
        for value in [*graph.input, *graph.output, *graph.value_info, *graph.initializer]:
            value.name = names.get(value.name, value.name)

    walk(model.graph)


def _clean(model: ModelProto) -> None:
    """Remove what is not the model: comments, metadata, intermediate shapes, the exporter's name."""

    def walk(graph: Any) -> None:
        graph.doc_string = ""
        del graph.metadata_props[:]
        del graph.value_info[:]
        for value in [*graph.input, *graph.output, *graph.initializer]:
            value.doc_string = ""
            del value.metadata_props[:]
        nodes(graph.node)

    def nodes(found: Any) -> None:
        for node in found:
            node.doc_string = ""
            del node.metadata_props[:]
            for attribute in node.attribute:
                attribute.doc_string = ""
                for below in [attribute.g, *attribute.graphs] if attribute.type in {5, 10} else []:
                    walk(below)

    walk(model.graph)
    for function in model.functions:
        function.doc_string = ""
        del function.metadata_props[:]
        del function.value_info[:]
        nodes(function.node)
    del model.metadata_props[:]
    model.doc_string = ""
    model.graph.name = "package"
    model.producer_name = PRODUCER
    model.producer_version = ""
    model.domain = ""
    model.model_version = 1
    opsets = sorted({(entry.domain, entry.version) for entry in model.opset_import})
    del model.opset_import[:]
    for domain, version in opsets:
        model.opset_import.add(domain=domain, version=version)


def _check_batch(model: ModelProto) -> None:
    """Refuse a fixed first axis: an exporter may fix the batch size without a word (torch does for some graphs)."""
    for value in [*model.graph.input, *model.graph.output]:
        dims = value.type.tensor_type.shape.dim
        if not dims or dims[0].HasField("dim_value"):
            found = [dim.dim_param or dim.dim_value for dim in dims]
            raise ModelwrightError(
                f"the graph's {value.name!r} has shape {found}: its first axis, the batch, is fixed",
                code="export-failed",
            )


def signature(model: bytes) -> list[dict[str, Any]]:
    """Return a serialised graph's outputs for the manifest: ``[{"name", "dtype", "shape"}]``, -1 for any length."""
    import onnx

    found = []
    for value in onnx.load_model_from_string(model).graph.output:
        tensor = value.type.tensor_type
        shape = [dim.dim_value if dim.HasField("dim_value") else -1 for dim in tensor.shape.dim]
        found.append({"name": value.name, "dtype": _dtype(tensor.elem_type), "shape": shape})
    return found


def _dtype(kind: int) -> str:
    import numpy as np
    from onnx import TensorProto, helper

    return "string" if kind == TensorProto.STRING else np.dtype(helper.tensor_dtype_to_np_dtype(kind)).name


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:300]
