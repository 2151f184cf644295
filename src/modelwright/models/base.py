"""What a model family is: the seam behind which learning happens.

A family learns from *features* (what the modality's graph gives in the encoding the family asks for) and *truth* (what
the target's ``encode`` gives), and returns something :class:`Fitted` that can score, be saved without pickle, and be
written as an ONNX graph from ``features`` to ``scores``.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from modelwright.progress import SILENT, Progress
from modelwright.tasks.base import Encoding


@dataclass(frozen=True)
class Task:
    """One modality × one target, with the figures a family needs to choose its size."""

    modality: str
    target: str
    classes: int
    """Number of classes or tags; 0 for a number."""
    samples: int
    """Training samples."""
    shape: tuple[int, ...]
    """Shape of one sample's features, such as ``(28, 28, 3)`` or ``(14,)``."""
    categorical: tuple[int, ...] = ()
    """Columns of the features that are codes of unordered categories (``trees``): they are not compared by size."""


@dataclass(frozen=True)
class Fold:
    """Features and truth to learn from and to stop by. Arrays may be memory maps."""

    features: NDArray[Any]
    truth: NDArray[Any]
    weights: NDArray[np.float32] | None = None
    """Per-sample weights ``(n,)`` (class weights multiplied in), for tags also ``(n, k)``, or None for equal ones."""
    rows: NDArray[np.int64] | None = None
    """The rows of ``features`` meant, in the order of ``truth`` and ``weights``; None: all of them. So that a part of a
    memory map (a cross-validation fold) needs no copy."""

    @property
    def count(self) -> int:
        """Number of samples."""
        return len(self.truth)

    def take(self, positions: NDArray[np.int64] | slice) -> NDArray[Any]:
        """Return the features at these positions (of ``truth``) as an array in memory."""
        if self.rows is None:
            return np.ascontiguousarray(self.features[positions])
        return np.ascontiguousarray(self.features[self.rows[positions]])

    def part(self, positions: NDArray[np.int64]) -> Fold:
        """Return these samples as a fold of their own, without a copy of the features."""
        rows = positions if self.rows is None else self.rows[positions]
        weights = None if self.weights is None else self.weights[positions]
        return Fold(self.features, self.truth[positions], weights, rows)

    def fitting(self, limit: int = 512 << 20) -> Fold:
        """Return this fold, or an evenly spaced part of it whose features take at most ``limit`` bytes.

        For libraries that need everything in memory at once.
        """
        per_sample = int(np.prod(self.features.shape[1:], dtype=np.int64)) * self.features.dtype.itemsize
        most = max(1, limit // max(1, per_sample))
        if self.count <= most:
            return self
        return self.part(np.linspace(0, self.count - 1, most).astype(np.int64))


@dataclass
class FitContext:
    """What a fit is given besides data: no ambient state."""

    seed: int
    loss: str
    threads: int
    deadline: float = float("inf")
    """On :func:`time.monotonic`'s clock. A fit that reaches it stops at the best it has and says ``cut_short``."""
    checkpoints: Path | None = None
    """A folder of its own where a long fit leaves what it needs to go on after kill -9; None: no checkpoints."""
    progress: Progress = SILENT
    warm_start: Path | None = None
    """Folder of a saved model of the same family to start from, if the family can."""

    def out_of_time(self) -> bool:
        """Whether the deadline has passed."""
        return time.monotonic() >= self.deadline


@dataclass(frozen=True)
class History:
    """The learning curve and how the fit ended."""

    curve: Sequence[Mapping[str, float]] = field(default_factory=tuple)
    """One entry per epoch or round: ``{"step", "train_loss", "validation_loss", "seconds", …}``.

    Seconds are not part of a digest.
    """
    best_step: int = 0
    cut_short: bool = False


class Fitted(Protocol):
    """A learned model."""

    history: History

    def scores(self, features: NDArray[Any]) -> NDArray[np.float32]:
        """Return ``(n, k)`` logits or ``(n, 1)`` values, by the native library.

        Logits of classes are ``log p`` up to a constant per row, those of a tag its log odds.
        """

    def to_onnx(self) -> Any:
        """Return an ``onnx.ModelProto``: input ``features`` (any batch), output ``scores``."""

    def save(self, folder: Path) -> None:
        """Write safetensors, JSON or the library's own text format into ``folder``, never pickle.

        The same model gives the same bytes.
        """

    def importance(self) -> NDArray[np.float64] | None:
        """Return ``(d,)`` non-negative feature importances, or None."""


class Family(Protocol):
    """A way to learn a task. Registered in :mod:`modelwright.registry` under ``families``."""

    name: ClassVar[str]
    version: ClassVar[int]
    tasks: ClassVar[frozenset[tuple[str, str]]]
    """``(modality, target)`` pairs it can learn; the contract suite tests it on every one of them."""
    encoding: ClassVar[Encoding]

    def candidates(self, task: Task) -> list[dict[str, Any]]:
        """Return parameter sets worth trying, most promising first; all JSON-ready. Fixed by the task alone."""

    def fit(self, train: Fold, validation: Fold, task: Task, params: Mapping[str, Any], context: FitContext) -> Fitted:
        """Learn. Deterministic for the same arguments on one architecture, unless cut short by the deadline."""

    def load(self, folder: Path) -> Fitted:
        """Open what :meth:`Fitted.save` wrote. Checks before it builds; executes nothing from the folder."""


@runtime_checkable
class Tunable(Protocol):
    """A family whose parameters can be searched beyond :meth:`Family.candidates` (``train.trials``)."""

    def draw(self, task: Task, random: np.random.Generator) -> dict[str, Any]:
        """Return one parameter set drawn at random; JSON-ready."""


def encoding_of(chosen: Family, available: Sequence[Encoding]) -> Encoding:
    """Return the encoding ``chosen`` learns from, given those a modality offers.

    A family that looks at no feature (the baseline) takes whatever there is.
    """
    return chosen.encoding if chosen.encoding in available else available[0]


def family(name: str) -> Family:
    """Return the registered family ``name``."""
    from modelwright import registry

    made: Family = registry.load("families", name)()
    return made
