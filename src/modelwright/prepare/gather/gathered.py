"""What was gathered: columns with one entry a sample, some hundred bytes each, whatever a sample is."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.divide.chronology import Moments
from modelwright.prepare.gather.scratch import Growing, Scratch, parts
from modelwright.prepare.issues import Issue
from modelwright.tasks.base import LabelKind

_CHUNK = 8192


class Texts:
    """A long list of texts: Arrow chunks, and runs ``<prefix>#<first>``, ``<prefix>#<first + 1>`` …

    Of a run only its ends are kept: the names of a table's rows take no memory.
    """

    def __init__(self) -> None:
        self._pieces: list[Any] = []
        self._starts: list[int] = []
        self._closed = 0
        self._open: list[str] = []

    def __len__(self) -> int:
        return self._closed + len(self._open)

    def __getitem__(self, place: int) -> str:
        if place >= self._closed:
            return self._open[place - self._closed]
        number = bisect_right(self._starts, place) - 1
        piece, place = self._pieces[number], place - self._starts[number]
        return f"{piece.prefix}#{piece.first + place}" if isinstance(piece, _Run) else str(piece[place].as_py())

    def append(self, text: str) -> None:
        """Add one."""
        self._open.append(text)
        if len(self._open) == _CHUNK:
            self._close()

    def extend(self, prefix: str, first: int, count: int) -> None:
        """Add ``<prefix>#<first>``, ``<prefix>#<first + 1>`` …"""
        self._close()
        last = self._pieces[-1] if self._pieces else None
        if isinstance(last, _Run) and last.prefix == prefix and last.first + last.count == first:
            last.count += count
            self._closed += count
        else:
            self._keep(_Run(prefix, first, count))

    def extend_arrow(self, texts: Any) -> None:
        """Add an Arrow array of texts."""
        self._close()
        self._keep(texts)

    def _close(self) -> None:
        import pyarrow as pa

        if self._open:
            self._keep(pa.array(self._open, pa.string()))
            self._open = []

    def _keep(self, piece: Any) -> None:
        self._pieces.append(piece)
        self._starts.append(self._closed)
        self._closed += len(piece)

    def part(self, start: int, count: int) -> Any:
        """Return ``count`` of them from ``start`` on, or as many as there are, as one ``pyarrow.StringArray``."""
        import pyarrow as pa

        self._close()
        stop, made = min(start + count, self._closed), [pa.array([], pa.string())]
        number = max(bisect_right(self._starts, start) - 1, 0)
        while start < stop:
            inside = start - self._starts[number]
            some = self._pieces[number].slice(inside, stop - start)
            made.append(some)
            start, number = start + len(some), number + 1
        return pa.concat_arrays(made)


@dataclass
class _Run:
    prefix: str
    first: int
    count: int

    def __len__(self) -> int:
        return self.count

    def slice(self, start: int, count: int) -> Any:
        import pyarrow as pa
        from pyarrow import compute

        first = self.first + start
        numbers = pa.array(np.arange(first, min(first + count, self.first + self.count))).cast(pa.string())
        return compute.binary_join_element_wise(self.prefix, numbers, "#")


class Figures:
    """A long list of numbers that takes no memory while all are the usual one.

    Parameters
    ----------
    kind
        Of the numbers: ``d`` or ``q``, 64 bits each.
    usual
        What most are.
    scratch
        Where many go.

    Examples
    --------
    >>> made = Figures("q", -1)
    >>> made.extend(None, 3)
    >>> made.append(7)
    >>> np.asarray(made).tolist(), made[0], len(made)
    ([-1, -1, -1, 7], -1, 4)
    """

    def __init__(self, kind: Literal["d", "q"], usual: float, scratch: Scratch | None = None) -> None:
        self._kind, self._usual = kind, usual
        self._values = Growing(scratch or Scratch(), kind)
        self._same = 0
        """How many usual ones there are, while no other came."""

    def __len__(self) -> int:
        return self._same or len(self._values)

    def __getitem__(self, place: int) -> float:
        if not self._same:
            value = self._values.array()[place]
            return float(value) if self._kind == "d" else int(value)
        if not -self._same <= place < self._same:
            raise IndexError(place)
        return self._usual

    def __setitem__(self, place: int, value: float) -> None:
        self._fill()
        self._values.array()[place] = value

    def _fill(self) -> None:
        for part in parts(self._same):
            self._values.extend(np.full(part.stop - part.start, self._usual, self._kind))
        self._same = 0

    def _is_usual(self, value: float) -> bool:
        return value == self._usual or (value != value and self._usual != self._usual)  # noqa: PLR0124 - NaN

    def append(self, value: float) -> None:
        """Add one."""
        if not len(self._values) and self._is_usual(value):
            self._same += 1
            return
        self._fill()
        self._values.extend(np.array([value], self._kind))

    def extend(self, values: NDArray[Any] | None, count: int) -> None:
        """Add ``count`` numbers, ``(count,)``; None: the usual one."""
        if values is None and not len(self._values):
            self._same += count
            return
        self._fill()
        self._values.extend(np.full(count, self._usual) if values is None else values)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return ``(n,)``, read-only where it is not a copy; without memory of its own while all are the usual one."""
        if self._same:
            made: NDArray[Any] = np.broadcast_to(np.array(self._usual, dtype or self._kind), self._same)
        else:
            made = self._values.array().astype(dtype or self._kind, copy=False)
        return made.copy() if copy else made


class Codes:
    """A long list of texts of which few are different: a number each, of one byte while that is enough."""

    def __init__(self, scratch: Scratch | None = None) -> None:
        self.values: dict[str, int] = {}
        self._scratch = scratch or Scratch()
        self._codes = Growing(self._scratch, np.int8)
        self._most = 1 << 7
        """Words that the codes' type is wide enough for."""
        self._missing = 0
        """Missing ones before the first that is there: what a source never tells takes no memory."""

    def __len__(self) -> int:
        return self._missing or len(self._codes)

    def __getitem__(self, place: int) -> int:
        return -1 if self._missing else int(self._codes.array()[place])

    def __setitem__(self, place: int, text: str | None) -> None:
        self._add(np.empty(0, np.int64))
        code = -1 if text is None else self.values.setdefault(text, len(self.values))
        self._widen()
        self._codes.array()[place] = code

    def append(self, text: str | None) -> None:
        """Add one; None is -1."""
        if text is None and not len(self._codes):
            self._missing += 1
            return
        self._add(np.array([-1 if text is None else self.values.setdefault(text, len(self.values))]))

    def extend(self, texts: Any, count: int) -> None:
        """Add an Arrow array of ``count`` texts; None: nothing but missing ones."""
        if texts is None and not len(self._codes):
            self._missing += count
            return
        if texts is None:
            self._add(np.full(count, -1))
            return
        coded = texts.dictionary_encode()
        self.extend_coded(coded.dictionary.to_pylist(), coded.indices)

    def extend_coded(self, words: Sequence[str | None], indices: Any) -> None:
        """Add an Arrow array of indices of ``words``; null and a word that is None are missing."""
        own = [-1 if word is None else self.values.setdefault(word, len(self.values)) for word in words]
        places = indices.fill_null(len(words)).to_numpy(zero_copy_only=False)
        self._add(np.array([*own, -1])[places])

    def _add(self, codes: NDArray[Any]) -> None:
        missing, self._missing = self._missing, 0
        for part in parts(missing):
            self._codes.extend(np.full(part.stop - part.start, -1, self._codes.kind))
        self._widen()
        self._codes.extend(codes.astype(self._codes.kind))

    def _widen(self) -> None:
        """Take wider numbers when the words need them."""
        if len(self.values) > self._most:
            kind = np.min_scalar_type(-len(self.values))
            narrow, self._codes = self._codes, Growing(self._scratch, kind)
            self._most = 1 << (8 * kind.itemsize - 1)
            for part in parts(len(narrow)):
                self._codes.extend(narrow.part(part.start, part.stop))

    def numpy(self) -> NDArray[np.signedinteger[Any]]:
        """Return ``(n,)`` codes, not a copy, of the narrowest type that holds them; -1 is missing."""
        return np.broadcast_to(np.int8(-1), self._missing) if self._missing else self._codes.array()


class Origins:
    """The number of the source that each sample came from: sources are read one after the other."""

    def __init__(self) -> None:
        self._numbers: list[int] = []
        self._ends: list[int] = []

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, place: int) -> int:
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        return self._numbers[bisect_right(self._ends, place % len(self))]

    def extend(self, number: int, count: int) -> None:
        """Add ``count`` samples of one source."""
        if not count:
            return
        if self._numbers and self._numbers[-1] == number:
            self._ends[-1] += count
        else:
            self._numbers.append(number)
            self._ends.append(len(self) + count)

    def part(self, start: int, stop: int) -> NDArray[np.int32]:
        """Return the sources of some."""
        ends = np.clip(np.array(self._ends, np.int64), start, stop) - start
        return np.repeat(np.array(self._numbers, np.int32), np.diff(ends, prepend=0))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return ``(n,)`` numbers."""
        return self.part(0, len(self)).astype(dtype or np.int32, copy=False)

    def among(self, numbers: Sequence[int]) -> NDArray[np.bool_]:
        """Return ``(n,)`` which come from one of these sources; without memory where none does."""
        if not set(numbers) & set(self._numbers):
            return np.broadcast_to(np.False_, len(self))
        made = np.isin(np.array(self._numbers), numbers)
        return np.repeat(made, np.diff(np.array(self._ends), prepend=0))


@dataclass
class Gathered:
    """Everything that was found, one entry a sample, in the order of the sources."""

    label_kind: LabelKind
    scratch: Scratch = field(default_factory=Scratch)
    """Where columns go that are larger than what it holds in memory."""
    sources: Origins = field(default_factory=Origins)
    paths: Texts = field(default_factory=Texts)
    times: Moments = field(default_factory=Moments)
    """As the source tells them."""
    begins: array[float] = field(default_factory=lambda: array("d"))
    """When samples begin that are stretches of time; as long as the last one of them."""
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

    def __post_init__(self) -> None:
        self.ids = Growing(self.scratch, "V32")
        self.labels = Codes(self.scratch)
        self.numbers = Figures("d", np.nan, self.scratch)
        self.told = Codes(self.scratch)
        """Splits as the source tells them."""
        self.groups = Codes(self.scratch)
        self.annotations = Figures("q", -1, self.scratch)
        """Sequence number of the annotation behind a label; -1: the source itself."""

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def coded(self) -> bool:
        """Whether labels are texts, a code each: class names, or canonical JSON."""
        return self.label_kind in {"class", "structured"}

    def id(self, place: int) -> str:
        """Return a sample's digest."""
        return self.ids.part(place, place + 1).tobytes().hex()

    def id_array(self) -> NDArray[Any]:
        """Return ``(n,)`` digests as ``V32``; not a copy, so nothing can be gathered any more while it is there."""
        return self.ids.array()

    def digests(self) -> NDArray[np.uint8]:
        """Return ``(n, 32) uint8``: the same as :meth:`id_array`, by the byte."""
        return self.ids.array().view(np.uint8).reshape(-1, 32)

    def label(self, place: int) -> str | float | None:
        """Return a sample's label."""
        if not self.coded:
            value = self.numbers[place]
            return None if np.isnan(value) else value
        code = self.labels[place]
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
