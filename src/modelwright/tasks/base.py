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
from typing import Any, ClassVar, Literal, Protocol, TypeAlias, runtime_checkable

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


Row: TypeAlias = tuple[Any, ...]
"""One sample's values by column, checked and converted, not yet arrays; what :class:`RowReader` makes and takes."""


class RowReader(Protocol):
    """Reads samples that are parsed already; ``stack([read(value)])`` equals ``decode`` of the value's JSON."""

    def read(self, row: Mapping[str, Any]) -> Row:
        """Check and convert one sample.

        Raises
        ------
        UndecodableError
            As ``decode`` does for the same sample.
        """

    def stack(self, rows: Sequence[Row]) -> Arrays:
        """Return the graph's inputs, first axis the sample."""


@runtime_checkable
class Tabular(Protocol):
    """What a modality may have beside :class:`Modality` if its raw sample is a JSON object: a way without the text."""

    def rows(self, schema: Mapping[str, Any]) -> RowReader:
        """Return the reader for one schema."""


@runtime_checkable
class Answering(Protocol):
    """What a modality may have beside :class:`Modality` if features may be learned from the answers too.

    A training sample must not see its own answer: it is encoded by :meth:`of_fold` of its group's fold
    (``key % schema["answer_folds"]``), every other sample by the schema itself.
    """

    def with_answers(
        self,
        schema: Mapping[str, Any],
        batches: Any,
        answers: NDArray[np.float64],
        keys: NDArray[np.uint64],
        names: Sequence[str],
    ) -> dict[str, Any]:
        """Return the schema with what the ``(n, d)`` answers of the training samples say, in all and by fold."""

    def of_fold(self, schema: Mapping[str, Any], fold: int) -> Mapping[str, Any]:
        """Return the schema by which the training samples of a fold are encoded."""


@runtime_checkable
class Worded(Protocol):
    """What a modality may have beside :class:`Modality` whose ``dense`` features are chosen by words of the spec."""

    @property
    def feature_words(self) -> Mapping[str, str]:
        """Words for ``features``, with their meaning."""

    def feature_parts(self, schema: Mapping[str, Any]) -> dict[str, list[int]]:
        """Return where among the ``dense`` features those of each word are, in order; what no word makes is in none."""


@dataclass(frozen=True)
class Stage:
    """A step on the way to what a model sees.

    Parameters
    ----------
    name, does
        What it is called, as in ``features`` of a spec where it is chosen there; and what it does, in words.
    schema
        The graph made by this schema ends after it.
    """

    name: str
    does: str
    schema: Mapping[str, Any]


@runtime_checkable
class Staged(Protocol):
    """What a modality may have beside :class:`Modality` whose ``pixels`` can be looked at between their steps."""

    def stages(self, schema: Mapping[str, Any]) -> list[Stage]:
        """Return the steps in their order; the last one's schema gives what ``schema`` itself does."""


@runtime_checkable
class Glancing(Protocol):
    """What a modality may have beside :class:`Modality` if a sample can be judged without decoding it in full."""

    def glance(self, raw: bytes, schema: Mapping[str, Any]) -> Arrays:
        """Return as much of one sample as ``check``, ``measure`` and ``sketch`` need, which take it as ``decode``'s.

        Measures and sketches are those of the full decode within the modality's stated tolerance, and bytes are refused
        with the same kind of problem.

        Raises
        ------
        UndecodableError
            As ``decode`` does.
        """


@runtime_checkable
class Together(Protocol):
    """What a modality may have whose small samples are measured together, to the last bit as each alone."""

    together: ClassVar[int]
    """Bytes of one sample's arrays up to which that is so."""


@dataclass(frozen=True)
class Sketch:
    """A sample in few bytes: what near-duplicates, outliers, the map and the label check are found by.

    Parameters
    ----------
    hash
        64 bits; near-duplicates differ in few of them. None: this sample (silence, a flat picture, one word) is never
        called a near-duplicate.
    data
        As many bytes as the modality's ``sketch_bytes``.
    """

    hash: int | None
    data: bytes


@runtime_checkable
class Sketched(Protocol):
    """What a modality may have beside :class:`Modality`: samples can be compared without reading them again."""

    sketch_bytes: ClassVar[int]
    """Length of every sketch's ``data``."""

    def sketch(self, inputs: Arrays) -> Sketch:
        """Return the sketch of one decoded sample."""

    def alike(self, one: bytes, other: bytes, agreement: float) -> bool:
        """Say whether two sketches are of the same thing, changed little.

        ``agreement`` (0..1, the spec's ``clean.near_duplicate``) is what is asked of an ordinary sample; the modality
        may ask more of samples that say little.
        """

    def vectors(self, sketches: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return ``(n, d) float32`` light features of ``(n, sketch_bytes)`` sketches, each of the same scale."""


@runtime_checkable
class Uniform(Protocol):
    """What a modality may have whose samples usually come from one kind of device, all with the same settings."""

    uniform: ClassVar[Mapping[str, tuple[str, str]]]
    """Measure to the kind of issue that a data set has whose samples differ in it, and what becomes of them, in words:
    ``rate`` to ``("mixed-rates", "all are brought to one rate")``."""


@runtime_checkable
class Paired(Protocol):
    """What a modality may have beside :class:`Sketched` if many pairs are compared faster than one by one."""

    def alike_many(self, ones: NDArray[np.uint8], others: NDArray[np.uint8], agreement: float) -> NDArray[np.bool_]:
        """Return of ``(n, sketch_bytes)`` pairs of sketches what :meth:`Sketched.alike` says of each."""


@runtime_checkable
class Croppable(Protocol):
    """What a modality may have beside :class:`Sketched` if samples are found of which a margin was cut off."""

    def cropped_hashes(self, sketches: NDArray[np.uint8]) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        """Return ``(n, v)`` hashes that samples of ``(n, sketch_bytes)`` would have if cropped, and which have any."""


@runtime_checkable
class Bordered(Protocol):
    """What a modality may have beside :class:`Sketched` whose samples have an edge that is not what they show."""

    def border(self, sketches: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return ``(n, d)`` features of the edges, ``(n, e)`` of what is inside, of ``(n, sketch_bytes)`` sketches."""


@runtime_checkable
class Carried(Protocol):
    """What a modality may have whose samples come in a form that is no part of what they show."""

    carried: ClassVar[tuple[str, ...]]
    """Measures of the form: a picture's width and height, a sound's rate. They should not tell the class."""


@dataclass(frozen=True)
class Way:
    """A way to make a new sample out of real ones.

    Parameters
    ----------
    does
        What it does, one line.
    second
        It takes a second sample of the same class, a near one.
    moves
        What was at one place or time is at another: not for labels that point at places.
    between
        What comes out lies between two samples: their label must be one and the same.
    """

    does: str
    second: bool = False
    moves: bool = False
    between: bool = False


@runtime_checkable
class Synthesizing(Protocol):
    """What a modality may have that can make a new sample out of real ones."""

    ways: ClassVar[Mapping[str, Way]]
    """Ways by name."""

    def synthesize(self, raws: Sequence[bytes], way: str, random: np.random.Generator) -> bytes:
        """Return a new sample's bytes, as production would send them, made from one real sample, or from two.

        The same generator state gives the same bytes.
        """


@runtime_checkable
class Learning(Protocol):
    """What a modality may have that learns more from more samples (a vocabulary) than sizes and means."""

    learns_from: ClassVar[int]
    """Samples, evenly spaced over the training split, that :meth:`Modality.learn` is given at most."""


@runtime_checkable
class Stacking(Protocol):
    """What a modality may have whose samples have different lengths."""

    def stack(self, samples: Sequence[Arrays]) -> Arrays:
        """Return samples as one batch, padded so that the graph gives each what it gives it alone."""


@runtime_checkable
class Sparse(Protocol):
    """What a modality has whose ``dense`` features are thousands, nearly all zero: more than a sketch can tell."""

    sparse: ClassVar[bool]


@dataclass(frozen=True)
class Shared:
    """Something wrong, or odd, that shows only beside the other samples.

    Parameters
    ----------
    kind, severity
        As of a :class:`Problem`.
    message
        What follows a sample's name, or a number of samples.
    places
        ``(m,)`` positions of the samples that have it.
    single
        One trouble of each sample; else one of all of them together.
    """

    kind: str
    severity: float
    message: str
    places: NDArray[np.int64]
    single: bool = True


@runtime_checkable
class Comparing(Protocol):
    """What a modality may have that finds more when it sees all samples at once."""

    def compare(self, sketches: NDArray[np.uint8]) -> list[Shared]:
        """Return what ``(n, sketch_bytes)`` sketches say of each other; ``places`` are rows."""


@runtime_checkable
class Unusual(Protocol):
    """What a modality may have whose samples are odd only beside the others."""

    unusual: ClassVar[Mapping[str, str]]
    """Measure to the kind of issue that a sample far outside the data set's usual range has."""


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


@runtime_checkable
class Structured(Protocol):
    """What a target of ``label_kind`` ``structured`` has beside :class:`Labels`."""

    def classes(self, label: str) -> list[str]:
        """Return the class names in one canonical label, one a part (a box, a tag), in its order."""

    def check(self, label: str, measures: Mapping[str, float]) -> list[Problem]:
        """Return what is wrong with one label, given its sample's measures (``width``, ``height`` of a picture)."""

    def mend(self, label: str, measures: Mapping[str, float], kinds: frozenset[str]) -> str:
        """Return the label with the problems of these kinds put right: parts left out, clipped, joined."""


@runtime_checkable
class Decided(Protocol):
    """What a target may have beside :class:`Target` if an answer is a matter of thresholds."""

    def thresholds(self, schema: Mapping[str, Any], calibration: Mapping[str, Any]) -> list[float]:
        """Return the probability from which each class is given, as the graph has it; the manifest tells them."""


@runtime_checkable
class PerClass(Protocol):
    """What a target may have beside :class:`Target` if its classes are judged one by one."""

    def per_class(
        self, truth: NDArray[Any], outputs: Mapping[str, NDArray[Any]], schema: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """Return ``{"class", "count", …figures}`` of each class, None for a figure that is not defined."""


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
