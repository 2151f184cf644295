"""A store with a package (written byte by byte) and a deployment whose log is filled at will."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from modelwright import canonical
from modelwright.runtime.profile import ProfileBuilder
from modelwright.spec import Spec, loads
from modelwright.store import Artifact, Store
from modelwright.store.logs import Record
from modelwright.tasks.modalities.image.modality import Image
from modelwright.testing.camera import png

SECOND = 1_000_000_000
START = 1_790_000_000 * SECOND


def picture(random: np.random.Generator, light: float) -> bytes:
    """Return a small grey picture of about this brightness."""
    level = np.clip(random.normal(light, 0.08, (8, 8, 1)) * 255, 0, 255)
    return png(np.repeat(level.astype(np.uint8), 3, axis=2))


def publish(store: Store, *, name: str = "lamp", seed: int = 0, count: int = 400) -> Artifact:
    """Publish a package trained (so it says) on pictures of brightness 0.5, right in about 90 % of cases."""
    random = np.random.default_rng(seed)
    builder = ProfileBuilder()
    modality = Image()
    for _ in range(count):
        builder.add_inputs(modality.measure(modality.decode(picture(random, 0.5), {}), {}))
    confidence = random.uniform(0.8, 1.0, count)
    outputs = {"probabilities": np.stack([confidence, 1 - confidence], 1), "label": np.full(count, "on", dtype=object)}
    builder.add_predictions(outputs, (random.random(count) > confidence).astype(np.int64), "category")
    files = {
        "model.onnx": b"\x08\x0a",
        "golden/inputs/0.bin": picture(random, 0.5),
        "golden/expected.json": canonical.dumps(
            [{"input": "golden/inputs/0.bin", "outputs": {"probabilities": [1.0]}}]
        ),
        "profile.json": canonical.dumps(builder.finish()),
    }
    manifest: dict[str, Any] = {
        "format": 1,
        "name": name,
        "task": {"modality": "image", "target": "category"},
        "modality_version": 1,
        "target_version": 1,
        "schema": {"input": {}, "output": {"classes": ["off", "on"]}},
        "input": {"media_types": ["image/png"], "tensors": []},
        "output": [],
        "graphs": {"model": "model.onnx"},
        "family": "baseline",
        "lineage": {"dataset": "0" * 64, "model": "1" * 64},
        "files": {each: {"digest": canonical.digest_bytes(data), "size": len(data)} for each, data in files.items()},
    }
    with store.artifacts.begin("package") as writer:
        for each, data in {**files, "manifest.json": canonical.dumps(manifest)}.items():
            path = writer.file(each)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return writer.publish({"name": name}, inputs={})


def records(
    package: Artifact, count: int, *, light: float = 0.5, start: int = START, seed: int = 1, low: float = 0.8
) -> list[Record]:
    """Return predictions, ten a second, of a model that says ``on`` with a confidence from ``low`` to 1."""
    random = np.random.default_rng([seed, start % 2**31])
    made = []
    for index in range(count):
        raw = picture(random, light)
        score = float(random.uniform(low, 1.0))
        output = {"label": "on", "score": score, "scores": {"off": 1 - score, "on": score}}
        time = start + index * SECOND // 10
        identity = f"{start}-{index}"
        made.append(Record(identity, time, package.digest, canonical.digest_bytes(raw), "image/png", raw, output, 100))
    return made


def write(store: Store, made: list[Record], deployment: str = "server") -> None:
    """Append records to the deployment's log."""
    writer = store.logs.writer(deployment)
    writer.append_many(made)
    writer.close()


def spec(tmp_path: Path, **monitor: Any) -> Spec:
    """Return a spec whose monitor part is as given."""
    settings = "".join(f", {key}: {value}" for key, value in monitor.items())
    (tmp_path / "photos").mkdir(exist_ok=True)
    text = f"sources: [{{folder: photos/}}]\ninput: image\noutput: category\nmonitor: {{window: 20s{settings}}}\n"
    return loads(text, tmp_path / "modelwright.yaml")
