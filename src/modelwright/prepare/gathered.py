"""What was gathered: columns with one entry a sample, some hundred bytes each, whatever a sample is."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.divide.chronology import Moments
from modelwright.prepare.issues import Issue
from modelwright.tasks.base import LabelKind

_CHUNK = 8192


class Texts:
    """A long list of texts, kept as Arrow chunks."""

    def __init__(self) -> None:
        self._chunks: list[Any] = []
        self._open: list[str] = []

    def append(self, text: str) -> None:
        """Add one."""
        self._open.append(text)
        if len(self._open) == _CHUNK:
            self._close()

    def extend(self, prefix: str, first: int, count: int) -> None:
        """Add ``<prefix>#<first>``, ``<prefix>#<first + 1>`` …"""
        import pyarrow as pa
        from pyarrow import compute

        self._close()
        numbers = pa.array(np.arange(first, first + count)).cast(pa.string())
        self._chunks.append(compute.binary_join_element_wise(prefix, numbers, "#"))

    def _close(self) -> None:
        import pyarrow as pa

        if self._open:
            self._chunks.append(pa.array(self._open, pa.string()))
            self._open = []

    def arrow(self) -> Any:
        """Return a ``pyarrow.ChunkedArray``."""
        import pyarrow as pa

        self._close()
        return pa.chunked_array(self._chunks, pa.string())


class Codes:
    """A long list of texts of which few are different: a number each."""

    def __init__(self) -> None:
        self.values: dict[str, int] = {}
        self._codes = array("i")
        self._missing = 0
        """Missing ones before the first that is there: what a source never tells takes no memory."""

    @property
    def codes(self) -> array[int]:
        """The codes, -1 for missing."""
        if self._missing:
            self._codes = array("i", np.full(self._missing, -1, np.int32).tobytes())
            self._missing = 0
        return self._codes

    def append(self, text: str | None) -> None:
        """Add one; None is -1."""
        if text is None and not self._codes:
            self._missing += 1
            return
        self.codes.append(-1 if text is None else self.values.setdefault(text, len(self.values)))

    def extend(self, texts: Any, count: int) -> None:
        """Add an Arrow array of ``count`` texts; None: nothing but missing ones."""
        if texts is None and not self._codes:
            self._missing += count
            return
        if texts is None:
            self.codes.frombytes(np.full(count, -1, np.int32).tobytes())
            return
        coded = texts.dictionary_encode()
        self.extend_coded(coded.dictionary.to_pylist(), coded.indices)

    def extend_coded(self, words: Sequence[str | None], indices: Any) -> None:
        """Add an Arrow array of indices of ``words``; null and a word that is None are missing."""
        own = [-1 if word is None else self.values.setdefault(word, len(self.values)) for word in words]
        places = indices.fill_null(len(words)).to_numpy(zero_copy_only=False)
        self.codes.frombytes(np.array([*own, -1], np.int32)[places].tobytes())

    def numpy(self) -> NDArray[np.int64]:
        """Return ``(n,) int64`` codes."""
        return np.full(self._missing, -1, np.int64) if self._missing else np.array(self._codes, np.int64)


@dataclass
class Gathered:
    """Everything that was found, one entry a sample, in the order of the sources."""

    label_kind: LabelKind
    ids: bytearray = field(default_factory=bytearray)
    sources: array[int] = field(default_factory=lambda: array("H"))
    paths: Texts = field(default_factory=Texts)
    labels: Codes = field(default_factory=Codes)
    numbers: array[float] = field(default_factory=lambda: array("d"))
    times: Moments = field(default_factory=Moments)
    begins: array[float] = field(default_factory=lambda: array("d"))
    """When samples begin that are stretches of time; as long as the last one of them."""
    """As the source tells them."""
    told: Codes = field(default_factory=Codes)
    """Splits as the source tells them."""
    groups: Codes = field(default_factory=Codes)
    annotations: array[int] = field(default_factory=lambda: array("q"))
    """Sequence number of the annotation behind a label; -1: the source itself."""
    unusable: bytearray = field(default_factory=bytearray)
    hashes: array[int] = field(default_factory=lambda: array("Q"))
    hashed: bytearray = field(default_factory=bytearray)
    measures: dict[str, array[float]] = field(default_factory=dict)
    issues: list[Issue] = field(default_factory=list)
    faults: dict[tuple[str, str], array[int]] = field(default_factory=dict)
    """``(kind, what is wrong in words)`` to the places of samples whose label is missing or unusable."""
    columns: dict[str, str] = field(default_factory=dict)
    source_digests: list[str] = field(default_factory=list)
    scanner: str = ""
    _shown: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def coded(self) -> bool:
        """Whether labels are texts, a code each: class names, or canonical JSON."""
        return self.label_kind in {"class", "structured"}

    def id(self, place: int) -> str:
        """Return a sample's digest."""
        return self.ids[32 * place : 32 * place + 32].hex()

    def id_array(self) -> NDArray[Any]:
        """Return ``(n,)`` digests as ``V32``; not a copy, so nothing can be gathered any more while it is there."""
        return np.frombuffer(self.ids, "V32")

    def label(self, place: int) -> str | float | None:
        """Return a sample's label."""
        if not self.coded:
            value = self.numbers[place]
            return None if np.isnan(value) else value
        code = self.labels.codes[place]
        if len(self._shown) != len(self.labels.values):
            self._shown = self.names()
        return None if code < 0 else self._shown[code]

    def beginnings(self) -> NDArray[np.float64]:
        """Return ``(n,)`` when each sample begins, NaN where it is no stretch of time."""
        made = np.full(len(self), np.nan)
        made[: len(self.begins)] = self.begins
        return made

    def names(self) -> list[str]:
        """Return the labels by code: class names, or the texts of structured labels."""
        return list(self.labels.values)
