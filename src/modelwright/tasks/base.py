"""What a modality and a target are: the two seams from which every task is made.

A *task* is one modality × one target. Everything that must be the same in training and in production lives behind these
two protocols, in one of two forms:

- **decode**: from raw bytes to arrays, in plain numpy (and Pillow, …). It runs in training and on the device, from the
  same function.
- **graph**: from those arrays to what a model family learns from, as an ONNX graph. Training runs this very graph with
  onnxruntime to make its features, and packaging merges it, unchanged, in front of the model. What was trained on is
  what is served, by construction.

Vocabulary of shapes: ``n`` samples, ``k`` classes, ``d`` features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Arrays: TypeAlias = dict[str, NDArray[Any]]
"""Named arrays: the inputs of a graph. The first axis of each is the sample."""

Encoding: TypeAlias = Literal["pixels", "dense", "trees"]
"""What a family learns from: ``pixels`` ``(n, h, w, 3) uint8``; ``dense`` ``(n, d) float32``, imputed and scaled,
categories one-hot; ``trees`` ``(n, d) float32`` with NaN for missing and integer codes for categories."""


@dataclass(frozen=True)
class Problem:
    """Something wrong, or odd, about one sample or one column, as a check found it.

    Parameters
    ----------
    kind
        A word from the field: ``corrupt``, ``wrong-format``, ``too-large``, ``dark``, ``blurry``, ``missing-value`` …
    severity
        0 (a remark) to 1 (cannot be used).
    message
        What was found, in words, with the figure.
    evidence
        JSON-ready figures behind it.
    """

    kind: str
    severity: float
    message: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


class UndecodableError(Exception):
    """Raw bytes are not a usable sample. Carries the :class:`Problem`; never crosses the step that catches it."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class Modality(Protocol):
    """A kind of input: how it is read, checked, measured, and turned into features.

    A modality is stateless. What was learned about the inputs of one dataset (columns, categories, sizes) is its
    *schema*, a JSON object made by :meth:`learn` on the training split and carried in Dataset, Model and Package.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    """Declared version of the decode and graph code: raise it when outputs change."""
    media_types: ClassVar[tuple[str, ...]]
    """What ``/predict`` accepts, such as ``("image/png", "image/jpeg")``."""
    encodings: ClassVar[tuple[Encoding, ...]]

    def decode(self, raw: bytes, schema: Mapping[str, Any]) -> Arrays:
        """Turn one raw sample into the graph's inputs, first axis of length 1.

        ``schema`` may be empty while a dataset is still being prepared (images need none to be decoded).

        Raises
        ------
        UndecodableError
            With the problem found; never another exception, whatever the bytes, and within bounded memory.
        """

    def check(self, inputs: Arrays, measures: Mapping[str, NDArray[Any]] | None = None) -> list[Problem]:
        """Return what is odd about one decoded sample; ``measures`` are its own, where they were taken already."""

    def measure(self, inputs: Arrays, schema: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        """Return per-sample measures, each ``(n,)`` float64 (numbers) or object (categories, None for missing).

        The same measures describe the training data in a package's profile and production inputs in monitoring, so
        they are cheap and have stable names (``brightness``, ``contrast``, a column's name, …).
        """

    def learn(self, batches: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Learn the schema from the training split.

        ``batches`` is an iterable of :data:`Arrays`; memory stays bounded. The result is JSON-ready.
        """

    def graph(self, schema: Mapping[str, Any], encoding: Encoding) -> Any:
        """Return the preprocessing as an ``onnx.ModelProto``: inputs as from :meth:`decode`, output ``features``."""

    def describe(self, schema: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the graph's inputs for the package manifest: ``[{"name", "dtype", "shape"}]``, ``-1``: any length."""

    def feature_names(self, schema: Mapping[str, Any], encoding: Encoding) -> list[str]:
        """Return a name a person understands per feature of a flat encoding, in order; ``[]`` for ``pixels``."""


@dataclass(frozen=True)
class Prediction:
    """The answer for one sample, JSON-ready through :meth:`as_dict`."""

    values: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Return a plain dictionary."""
        return dict(self.values)


LabelKind: TypeAlias = Literal["class", "number", "structured", "none"]
"""What one label is: a class's name, a number, canonical JSON text with parts (tags, boxes, a mask), or nothing."""


class Labels(Protocol):
    """The part of a target that preparing data needs: how labels are read, and what is learned from them."""

    name: ClassVar[str]
    version: ClassVar[int]
    label_kind: ClassVar[LabelKind]

    def read(self, raw: Any) -> Any:
        """Return the canonical label (``str`` or ``float``) of a raw one, or None if it is missing.

        Raises
        ------
        UndecodableError
            If it is neither a label nor missing (text where a number is asked, infinity). NaN, as numpy and Parquet
            write it, is missing.
        """

    def learn(self, labels: Sequence[Any]) -> dict[str, Any]:
        """Return the target's schema (``{"classes": [...]}`` sorted, or ``{"mean", "std", "low", "high"}``).

        Raises
        ------
        modelwright.errors.InputError
            When nothing can be learned: one class only, a constant number.
        """


class Target(Labels, Protocol):
    """A kind of output: how truth is read, encoded, scored, and how a graph's outputs become an answer."""

    losses: ClassVar[tuple[str, ...]]
    """Loss names that families may be asked for; the first is the default."""
    primary_metric: ClassVar[str]
    higher_is_better: ClassVar[Mapping[str, bool]]
    """Every metric name this target reports, and its direction."""

    def encode(self, labels: Sequence[Any], schema: Mapping[str, Any]) -> NDArray[Any]:
        """Return truth as ``(n,) int64`` class indices, or ``(n,) float32`` values; -1 / NaN where unknown.

        Tags: ``(n, k) float32`` 0 or 1, a row of NaN where unknown.
        """

    def graph(self, schema: Mapping[str, Any], calibration: Mapping[str, Any]) -> Any:
        """Return the post-processing as an ``onnx.ModelProto``: input ``scores`` as families give them, named outputs.

        Category: ``scores (n, k) float32`` logits → ``probabilities (n, k)``, ``label (n,) string``.
        Number: ``scores (n, 1) float32`` → ``value (n,)``, ``low (n,)``, ``high (n,)``.
        Tags: ``scores (n, k) float32`` log odds → ``probabilities (n, k)``, ``tags (n, k) bool``.
        """

    def calibrate(self, scores: NDArray[np.float32], truth: NDArray[Any], schema: Mapping[str, Any]) -> dict[str, Any]:
        """Learn the calibration from held-out scores; JSON-ready, given to :meth:`graph`."""

    def outputs(self, scores: NDArray[np.float32], schema: Mapping[str, Any], calibration: Mapping[str, Any]) -> Arrays:
        """Compute in numpy what :meth:`graph` computes: the trained model's side of the parity check."""

    def decode(self, outputs: Mapping[str, NDArray[Any]], schema: Mapping[str, Any]) -> list[Prediction]:
        """Turn a graph's outputs into answers, one per sample."""

    def metrics(
        self, truth: NDArray[Any], outputs: Mapping[str, NDArray[Any]], schema: Mapping[str, Any]
    ) -> dict[str, float]:
        """Return every figure that is defined on these samples (AUC with one class, for example, is left out)."""

    def bootstrap(
        self,
        truth: NDArray[Any],
        outputs: Mapping[str, NDArray[Any]],
        schema: Mapping[str, Any],
        rng: np.random.Generator,
        repeats: int = 1000,
    ) -> dict[str, NDArray[np.float64]]:
        """Return ``(repeats,)`` per metric: its value on samples drawn with replacement (NaN where undefined)."""

    def confusion(
        self, truth: NDArray[Any], outputs: Mapping[str, NDArray[Any]], schema: Mapping[str, Any]
    ) -> NDArray[np.int64] | None:
        """Return ``(k, k)`` counts, rows truth and columns prediction; None where the target has no such thing."""

    def per_sample_loss(self, truth: NDArray[Any], outputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        """Return ``(n,)``: log loss (category; mean over tags) or absolute error (number); paired tests compare it."""

    def uncertainty(self, outputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        """Return ``(n,)`` in 0..1: 1 is least sure."""


def modality(name: str) -> Modality:
    """Return the registered modality ``name``."""
    from modelwright import registry

    made: Modality = registry.load("modalities", name)()
    return made


def labels(name: str) -> Labels:
    """Return the part of the registered target ``name`` that data is prepared with."""
    from modelwright import registry

    made: Labels = registry.load("targets", name)()
    return made


def learnable(labels: Labels) -> bool:
    """Say whether an output is a whole :class:`Target`, that model families learn and packages answer."""
    return hasattr(labels, "graph")


def target(name: str) -> Target:
    """Return the registered target ``name``.

    Raises
    ------
    modelwright.errors.InputError
        If data can be prepared for it, but nothing learns it.
    """
    made: Any = labels(name)
    if not learnable(made):
        from modelwright.errors import InputError

        raise InputError(
            f"no model family learns the output {name!r}: its data can be prepared, explored and exported",
            code="not-learnable",
            hint="stop before training: mw run --to prepare",
        )
    whole: Target = made
    return whole
