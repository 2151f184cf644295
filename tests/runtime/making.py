"""Writes small packages byte by byte, sound ones and others, without any code of the packaging step."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from modelwright import canonical

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()


def graph_bytes(*, external: bool = False) -> bytes:
    """Return a graph from ``c0 (n, 1)`` and ``c1 (n, 1)`` to ``value``, ``low`` and ``high``: c0 + 2 c1, ± 1."""
    from onnx import TensorProto, helper

    two = helper.make_tensor("two", TensorProto.FLOAT, [1], [2.0])
    if external:
        two.ClearField("float_data")
        two.data_location = TensorProto.EXTERNAL
        two.external_data.add(key="location", value="weights.bin")
    nodes = [
        helper.make_node("Mul", ["c1", "two"], ["twice"]),
        helper.make_node("Add", ["c0", "twice"], ["sum"]),
        helper.make_node("Flatten", ["sum"], ["flat"], axis=0),
        helper.make_node("Squeeze", ["flat", "zero"], ["value"]),
        helper.make_node("Sub", ["value", "one"], ["low"]),
        helper.make_node("Add", ["value", "one"], ["high"]),
    ]
    zero = helper.make_tensor("zero", TensorProto.INT64, [1], [0])
    one = helper.make_tensor("one", TensorProto.FLOAT, [], [1.0])
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 1]) for name in ("c0", "c1")]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in ("value", "low", "high")]
    graph = helper.make_graph(nodes, "sum", inputs, outputs, [two, zero, one])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return bytes(model.SerializeToString(deterministic=True))


def sound_files(graph: bytes | None = None) -> dict[str, bytes]:
    """Return the files of a package but its manifest and signature."""
    golden = [{"input": "golden/inputs/0.bin", "outputs": {"value": 5.0, "low": 4.0, "high": 6.0}}]
    return {
        "model.onnx": graph_bytes() if graph is None else graph,
        "golden/inputs/0.bin": b'{"a":1,"b":2}',
        "golden/expected.json": canonical.dumps(golden),
        "profile.json": canonical.dumps({"format": 1, "inputs": {}, "predictions": {}}),
        "card.md": b"# sum\n",
        "sbom.cdx.json": b"{}",
    }


def manifest_of(files: dict[str, bytes], **changes: Any) -> dict[str, Any]:
    """Return the manifest that names ``files``."""
    tensors = [{"name": name, "dtype": "float32", "shape": [-1, 1]} for name in ("c0", "c1")]
    made: dict[str, Any] = {
        "format": 1,
        "name": "sum",
        "task": {"modality": "table", "target": "number"},
        "modality_version": 1,
        "target_version": 1,
        "schema": {"input": {}, "output": {"mean": 0.0, "std": 1.0}},
        "input": {"media_types": ["application/json"], "tensors": tensors},
        "output": [{"name": name, "dtype": "float32", "shape": [-1]} for name in ("value", "low", "high")],
        "graphs": {"model": "model.onnx"},
        "family": "ridge",
        "lineage": {"dataset": "0" * 64, "model": "1" * 64},
        "files": {
            name: {"digest": canonical.digest_bytes(data), "size": len(data)} for name, data in sorted(files.items())
        },
    }
    return {**made, **changes}


def signed(manifest: bytes, key: Ed25519PrivateKey = KEY) -> bytes:
    """Return ``signature.json`` over a manifest."""
    public = key.public_key().public_bytes_raw().hex()
    return canonical.dumps({"algorithm": "ed25519", "public_key": public, "signature": key.sign(manifest).hex()})


def whole(files: dict[str, bytes] | None = None, **changes: Any) -> dict[str, bytes]:
    """Return all files of a signed package, in the order in which they are archived."""
    files = sound_files() if files is None else files
    manifest = canonical.dumps(manifest_of(files, **changes))
    return {"manifest.json": manifest, "signature.json": signed(manifest), **dict(sorted(files.items()))}


def write_zip(path: Path, files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    """Write files as an archive, as the exporter does."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o100644 << 16
            entry.create_system = 3
            entry.compress_type = compression
            archive.writestr(entry, data)
    return path


def write_folder(path: Path, files: dict[str, bytes]) -> Path:
    """Write files as a folder."""
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path
