"""What a modality or a target may be able to do beside its task: optional protocols, asked for by whoever needs them.

A modality or a target has an ability by having its methods; nobody lists them. Whatever is not there is left out of a
step, and the step says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from modelwright.tasks.base import Arrays, Problem

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
    """What a modality may have beside :class:`Modality` whose ``dense`` features are chosen by words of the spec.

    Each feature is made by one word, or by none. Where words are steps that change the whole sample, as those of
    pictures are, no feature is one word's: such a modality has words, but is :class:`Staged`.
    """

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


@dataclass(frozen=True)
class Sketches:
    """The sketches of several samples, by column.

    Parameters
    ----------
    hashes
        ``(n,) uint64``, 0 where there is none.
    hashed
        ``(n,)``: which have one.
    data
        ``(n, sketch_bytes) uint8``.
    """

    hashes: NDArray[np.uint64]
    hashed: NDArray[np.bool_]
    data: NDArray[np.uint8]


@runtime_checkable
class Batched(Protocol):
    """What a modality may have beside :class:`Together` and :class:`Sketched` if many small samples are looked at in
    one go, each to the last bit as alone: of a million, the interpreter would take most of the time one by one.
    """

    def glance_many(self, raws: Sequence[bytes]) -> list[tuple[list[int], Arrays]]:
        """Return places in ``raws``, and the arrays that ``glance`` gives them joined, for those of one shape each.

        Whatever is not plain, not small, or odd in any way is left out: ``glance`` says what it is.
        """

    def remarkable(self, inputs: Arrays, measures: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
        """Return ``(n,)``: of which samples ``check`` has something to say."""

    def sketch_many(self, inputs: Arrays) -> Sketches:
        """Return the sketch of each sample."""


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
class Channelled(Protocol):
    """What a modality may have whose samples have channels of their own names."""

    of_channels: ClassVar[tuple[str, ...]]
    """Figures that are measured of each channel, as ``<figure> of <channel>``: ``mean``, ``std``, ``min``, ``max`` and
    ``missing``, the share of missing values, among them. A sample without the channel lacks them."""


@runtime_checkable
class Dated(Protocol):
    """What a modality may have whose samples say when they were made."""

    def made(self, raw: bytes) -> float:
        """Return days since 1970 with fractions; NaN where a sample does not say it."""
        ...


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
