"""A package before it is one: its manifest and graph in memory, so that the runtime itself can try it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from modelwright.progress import Progress
from modelwright.tasks.base import Arrays

if TYPE_CHECKING:
    from modelwright.runtime.predictor import Predictor
    from modelwright.store.dataset import Dataset


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
    """What the packaged graph says about one split."""

    outputs: Arrays
    truth: NDArray[Any]


def answer(predictor: Predictor, dataset: Dataset, split: str, progress: Progress) -> Answers:
    """Run a whole split through the packaged graph, from raw bytes; only its outputs stay in memory."""
    count = dataset.count(split)
    progress.begin(f"{split} samples through the packaged graph", count)
    return Answers(predictor.outputs(dataset.raw(split), progress.advance), dataset.truth(split))
