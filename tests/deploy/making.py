"""Makes small, real packages (image × category, table × category, table × number) with weights set by hand."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from modelwright import canonical
from modelwright.deploy.settings import Limits, ServeSettings
from modelwright.package import merge as merging
from modelwright.runtime.profile import ProfileBuilder
from modelwright.store import Store
from modelwright.tasks.base import modality as load_modality
from modelwright.tasks.base import target as load_target

SCHEMAS: dict[str, Any] = {}


def png(brightness: int, size: tuple[int, int] = (8, 8), seed: int = 0) -> bytes:
    """Return a PNG of noise around a brightness."""
    noise = np.random.default_rng(seed + brightness).integers(-5, 6, size=(*size, 3))
    pixels = np.clip(noise + brightness, 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Pillow.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def row(size: float | None = 1.0, color: str | None = "red") -> bytes:
    """Return a row's JSON."""
    return canonical.dumps({"size": size, "color": color})


def _linear(weights: np.ndarray, pixels: bool, bias: np.ndarray) -> Any:
    """Return ``features → scores`` as ONNX; pixels are averaged first."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes = []
    name = "features"
    if pixels:
        nodes.append(helper.make_node("Cast", ["features"], ["floats"], to=TensorProto.FLOAT))
        nodes.append(helper.make_node("ReduceMean", ["floats", "axes"], ["mean"], keepdims=0))
        nodes.append(helper.make_node("Reshape", ["mean", "column"], ["flat"]))
        name = "flat"
    nodes.append(helper.make_node("MatMul", [name, "weights"], ["product"]))
    nodes.append(helper.make_node("Add", ["product", "bias"], ["scores"]))
    kind = TensorProto.UINT8 if pixels else TensorProto.FLOAT
    shape = ["n", "h", "w", 3] if pixels else ["n", weights.shape[0]]
    constants = [
        numpy_helper.from_array(weights.astype(np.float32), "weights"),
        numpy_helper.from_array(bias.astype(np.float32), "bias"),
    ]
    if pixels:
        constants += [
            numpy_helper.from_array(np.array([1, 2, 3]), "axes"),
            numpy_helper.from_array(np.array([-1, 1]), "column"),
        ]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("features", kind, shape)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", weights.shape[1]])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    return model


def _task(kind: str, variant: float) -> tuple[str, str, list[bytes], Any, Any, Any, str]:
    """Return modality, target, raw samples, the schemas, the family's graph and the encoding."""
    if kind == "image":
        raws = [png(value) for value in (10, 60, 120, 180, 240)]
        labels: list[Any] = ["dark", "dark", "light", "light", "light"]
        names, encoding = ("image", "category"), "pixels"
    else:
        raws = [row(size, color) for size in (0.0, 1.0, 2.0, 5.0, 9.0) for color in ("red", "green")]
        labels = ["small", "small", "small", "big", "big"] * 2 if kind == "table" else [float(i) for i in range(10)]
        names, encoding = ("table", "category" if kind == "table" else "number"), "dense"
    modality, target = load_modality(names[0]), load_target(names[1])
    batches = [modality.decode(raw, {}) for raw in raws]
    input_schema = modality.learn(batches, {})
    output_schema = target.learn(labels)
    import onnxruntime

    preprocess = modality.graph(input_schema, encoding)  # type: ignore[arg-type]
    session = onnxruntime.InferenceSession(preprocess.SerializeToString(), providers=["CPUExecutionProvider"])
    features = session.run(["features"], modality.decode(raws[0], input_schema))[0]
    if kind == "image":
        weights, bias = np.array([[-0.05, 0.05]]), np.array([5.0, -5.0]) + variant
    else:
        width = len(output_schema["classes"]) if kind == "table" else 1
        weights = np.random.default_rng(7).normal(size=(features.shape[1], width))
        bias = np.full(width, variant)
        bias[0] += variant
    model = _linear(weights, kind == "image", bias)
    return (*names, raws, (input_schema, output_schema), (preprocess, model), (modality, target), encoding)


def files_of(kind: str, variant: float = 0.0, *, broken: bool = False) -> dict[str, bytes]:
    """Return a package's files; ``broken``: its golden answers are not what the graph says."""
    import onnxruntime

    modality_name, target_name, raws, schemas, graphs, (modality, target), _ = _task(kind, variant)
    graph = merging.merge(graphs[0], graphs[1], target.graph(schemas[1], {}))
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    outputs = merging.signature(graph)
    entries, files = [], {"model.onnx": graph, "card.md": b"# card\n", "sbom.cdx.json": b"{}"}
    for index, raw in enumerate(raws):
        name = f"golden/inputs/{index}.bin"
        files[name] = raw
        values = session.run(None, modality.decode(raw, schemas[0]))
        answers = {out["name"]: value[0] for out, value in zip(outputs, values, strict=True)}
        plain = {key: value.tolist() if hasattr(value, "tolist") else value for key, value in answers.items()}
        if broken:
            plain = {key: [0.5] * len(v) if isinstance(v, list) else v for key, v in plain.items()}
        entries.append({"input": name, "outputs": plain})
    files["golden/expected.json"] = canonical.dumps(entries)
    files["profile.json"] = canonical.dumps(_profile(raws, modality, schemas[0], session, target_name))
    manifest = {
        "format": 1,
        "name": kind,
        "task": {"modality": modality_name, "target": target_name},
        "modality_version": modality.version,
        "target_version": target.version,
        "schema": {"input": schemas[0], "output": schemas[1]},
        "input": {"media_types": list(modality.media_types), "tensors": modality.describe(schemas[0])},
        "output": outputs,
        "graphs": {"model": "model.onnx"},
        "family": "hand",
        "lineage": {"dataset": "0" * 64, "model": "1" * 64},
        "files": {
            name: {"digest": canonical.digest_bytes(data), "size": len(data)} for name, data in sorted(files.items())
        },
    }
    return {"manifest.json": canonical.dumps(manifest), **files}


def _profile(raws: list[bytes], modality: Any, schema: Any, session: Any, target: str) -> dict[str, Any]:
    """Return a profile that has seen each sample twenty times; answers were always right."""
    builder = ProfileBuilder()
    names = [out.name for out in session.get_outputs()]
    for raw in raws * 20:
        arrays = modality.decode(raw, schema)
        builder.add_inputs(modality.measure(arrays, schema))
        outputs = dict(zip(names, session.run(None, arrays), strict=True))
        truth = outputs["probabilities"].argmax(1) if target == "category" else outputs["value"]
        builder.add_predictions(outputs, truth, target)
    made: dict[str, Any] = builder.finish()
    return made


def publish(store: Store, kind: str, variant: float = 0.0, *, broken: bool = False) -> str:
    """Publish a package and return its digest."""
    files = files_of(kind, variant, broken=broken)
    with store.artifacts.begin("package") as writer:
        for name, data in files.items():
            path = writer.file(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        artifact = writer.publish({"name": kind}, inputs={})
    return str(artifact.digest)


def promote(store: Store, package: str, target: str = "server") -> None:
    """Make a package the champion."""
    store.deployments.promote(target, package, by="person", reason="test")


def settings(store: Store, **changes: Any) -> ServeSettings:
    """Return settings for a test server on a free port."""
    changes.setdefault("limits", Limits(head_deadline=1.0, body_deadline=1.5, idle=5.0, write_deadline=1.5))
    return ServeSettings(store=Path(store.root), port=0, poll=0.05, **changes)


def logged(store: Store, target: str = "server") -> list[Any]:
    """Return every record of a log."""
    return [record for _, records in store.logs.read(target) for record in records]


def body_of(response: bytes) -> Any:
    """Return the JSON body of a raw HTTP response."""
    return json.loads(response.partition(b"\r\n\r\n")[2])
