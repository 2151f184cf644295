"""A package made ready to serve: opened, replayed against its golden samples, and timed."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from modelwright.deploy.tensors import DATATYPES, TensorSpec
from modelwright.errors import IntegrityError
from modelwright.runtime.parity import Parity
from modelwright.runtime.predictor import Predictor
from modelwright.runtime.reader import PackageReader
from modelwright.tasks.abilities import Tabular
from modelwright.tasks.contract import Contract

INLINE_SECONDS = 0.001
"""A batch that takes less than this is run on the event loop: handing it to a thread would cost more than it gives."""


@dataclass(frozen=True)
class Served:
    """One package, ready. Requests keep the one they arrived for, so a swap never mixes two in one answer."""

    name: str
    package: str
    """Digest of the package."""
    predictor: Predictor
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    media_types: tuple[str, ...]
    classes: tuple[str, ...]
    """Of a category; empty otherwise."""
    parity: Parity
    decode_seconds: float
    """Median over the golden samples."""
    run_seconds: float
    """Of a batch of 16 (or one of the largest golden sample where that is more)."""
    contract: Contract
    """What training saw, to hold inputs against."""
    policy: Literal["off", "warn", "refuse"] = "off"

    @property
    def warns(self) -> bool:
        """Whether answers say what is odd about their inputs."""
        return self.policy == "warn" and bool(self.contract)

    @property
    def refuses(self) -> bool:
        """Whether inputs beside the contract are refused."""
        return self.policy == "refuse" and bool(self.contract)

    @property
    def takes_json(self) -> bool:
        """Whether a raw sample is a JSON object of plain values (a row)."""
        return "application/json" in self.media_types and isinstance(self.predictor.modality, Tabular)

    @property
    def takes_documents(self) -> bool:
        """Whether a raw sample may be a JSON object of any depth (a series)."""
        return "application/json" in self.media_types and not self.takes_json

    @property
    def takes_text(self) -> bool:
        """Whether a raw sample is a text, which may also come inside of JSON."""
        return "text/plain" in self.media_types

    @property
    def inline(self) -> bool:
        """Whether decoding and the model are fast enough for the event loop."""
        return self.run_seconds <= INLINE_SECONDS and self.decode_seconds <= INLINE_SECONDS


def open_served(path: Path, package: str, threads: int = 1, policy: Literal["off", "warn", "refuse"] = "off") -> Served:
    """Open the package in ``path`` (a folder or ``.mwpkg``) and prove it on its golden samples.

    ``policy`` is what happens to inputs beside the contract.

    Raises
    ------
    IntegrityError
        If it is damaged, or its answers differ from the trained model's.
    """
    with PackageReader.open(path, trusted_keys=None) as reader:
        predictor = Predictor(reader, threads=threads)
        parity = predictor.check_golden()
        if not parity.passed:
            raise IntegrityError(
                f"package {package[:12]} does not answer its golden samples as the trained model did: the largest "
                f"difference is {parity.largest_difference:.3g}, the limit {parity.limit:g}",
                code="parity-failed",
                hint="package it again on this machine's versions, or go back to the former champion",
            )
        raws = [reader.read(entry["input"]) for entry in reader.golden()[:8]]
    manifest = predictor.manifest
    decode_seconds, run_seconds = measure(predictor, raws)
    return Served(
        name=str(manifest["name"]),
        package=package,
        predictor=predictor,
        inputs=_specs(manifest["input"]["tensors"], package),
        outputs=_specs(manifest["output"], package),
        media_types=tuple(str(kind).lower() for kind in manifest["input"]["media_types"]),
        classes=tuple(str(label) for label in manifest["schema"]["output"].get("classes", ())),
        parity=parity,
        decode_seconds=decode_seconds,
        run_seconds=run_seconds,
        contract=Contract(predictor.modality, predictor.input_schema),
        policy=policy,
    )


def _specs(entries: list[dict[str, object]], package: str) -> tuple[TensorSpec, ...]:
    for entry in entries:
        if entry["dtype"] not in DATATYPES:
            raise IntegrityError(
                f"package {package[:12]}: tensor {entry['name']!r} is of dtype {entry['dtype']!r}; known are: "
                + ", ".join(DATATYPES)
            )
    return tuple(
        TensorSpec(str(entry["name"]), str(entry["dtype"]), tuple(int(n) for n in entry["shape"]))  # type: ignore[attr-defined]
        for entry in entries
    )


def measure(predictor: Predictor, raws: list[bytes]) -> tuple[float, float]:
    """Return the median seconds of decoding one of ``raws``, and of running 16 together."""
    decodes, decoded = [], []
    for raw in raws:
        start = time.perf_counter()
        decoded.append(predictor.decode(raw))
        decodes.append(time.perf_counter() - start)
    largest = max(decoded, key=lambda arrays: sum(array.size for array in arrays.values()))
    batch = {name: np.repeat(array, 16, axis=0) for name, array in largest.items()}
    runs = []
    for _ in range(3):
        start = time.perf_counter()
        predictor.answers(predictor.run(batch))
        runs.append(time.perf_counter() - start)
    return statistics.median(decodes), min(runs)
