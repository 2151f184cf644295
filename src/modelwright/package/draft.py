"""A package before it is one: its manifest and graph in memory, so that the runtime itself can try it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from modelwright.engine.threads import usable_cores
from modelwright.progress import Progress
from modelwright.tasks.base import Arrays

if TYPE_CHECKING:
    from modelwright.runtime.predictor import Predictor
    from modelwright.store.dataset import Dataset


MOST = 10_000
"""Most held-out samples behind the golden ones and the profile of predictions."""


@dataclass(frozen=True)
class Draft:
    """What :class:`~modelwright.runtime.predictor.Predictor` reads of a package."""

    path: Path
    manifest: Mapping[str, Any]
    graph: bytes
    files: Mapping[str, bytes]
    """Golden samples, by name."""
    entries: Sequence[Mapping[str, Any]]
    """As in `golden/expected.json`."""

    def model(self) -> bytes:
        """Return the graph."""
        return self.graph

    def read(self, name: str) -> bytes:
        """Return a golden sample."""
        return self.files[name]

    def golden(self) -> list[dict[str, Any]]:
        """Return the golden entries."""
        return [dict(entry) for entry in self.entries]


@dataclass(frozen=True)
class Answers:
    """What the packaged graph says about samples of one split."""

    indices: NDArray[np.int64]
    """Which samples of the split, ascending."""
    outputs: Arrays
    truth: NDArray[Any]


def answer(predictor: Predictor, dataset: Dataset, split: str, progress: Progress) -> Answers:
    """Run a split, or 10,000 samples evenly spread over it, through the packaged graph; only outputs stay in memory."""
    count = dataset.count(split)
    indices = (
        np.unique(np.linspace(0, count - 1, min(count, MOST)).astype(np.int64)) if count else np.empty(0, np.int64)
    )
    progress.begin(f"{split} samples through the packaged graph", len(indices))
    outputs = predictor.outputs(dataset.raw(split, indices), progress.advance, decoders=min(4, usable_cores()))
    return Answers(indices, outputs, dataset.truth(split)[indices])
