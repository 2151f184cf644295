"""One column of a table with all of its rows, read by parts: exact counts, and its values where memory need not hold
them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.clean.column_sample import MOST_ROWS
from modelwright.prepare.collect.rowtext import digests
from modelwright.prepare.gather import sorting
from modelwright.prepare.gather.rows import pieces_of
from modelwright.prepare.gather.scratch import Scratch, forget, parts, places

MOST_WORDS = MOST_ROWS
"""Different texts of a column that are kept; of a column with more, each is known by 53 bits of its digest."""
_DIGEST_BITS = 53
"""What a float holds without rounding: four million texts are all told apart but in one of a thousand columns."""
MISSING = frozenset({"unknown", "missing", "not available", "not known", "n.a.", "-", "--", "none given", "tbd"})
"""Texts that stand for "missing", in any case, with or without blanks around."""
_LONGEST = 100
"""Characters of such a text with its blanks."""


@dataclass
class Whole:
    """One column.

    Parameters
    ----------
    rows
        ``rows.parquet``.
    kind
        ``integer``, ``number`` or ``text``.
    values
        ``(n,) float64``, perhaps not in memory: the numbers; of texts their codes, by first appearance, or numbers from
        their digests where there are more than :data:`MOST_WORDS`. NaN is missing.
    scratch
        Where what is larger than memory goes.
    """

    rows: Path
    name: str
    kind: str
    values: NDArray[np.float64]
    scratch: Scratch
    missing: int = 0
    distinct: int = 0
    first: Any = None
    """The first value that is there, as Python has it."""
    low: float = np.inf
    high: float = -np.inf
    words: list[str] = field(default_factory=list)
    """Different texts by first appearance, the first :data:`MOST_WORDS`."""
    counts: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    """How often each of ``words`` occurs; empty where there are more."""
    coded: dict[str, int] = field(default_factory=dict)
    """How often each text occurs that means "missing"."""

    @property
    def present(self) -> int:
        """Rows that have a value."""
        return len(self.values) - self.missing

    @property
    def worded(self) -> bool:
        """Whether ``words`` are all texts."""
        return self.kind == "text" and self.distinct <= MOST_WORDS

    def pieces(self) -> Iterator[tuple[slice, Any]]:
        """Yield the column as Arrow arrays, each with the rows that it holds."""
        start = 0
        for piece in pieces_of(self.rows, self.name):
            yield slice(start, start + len(piece)), piece
            start += len(piece)

    def at(self, wanted: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the values at some rows."""
        made = self.values[wanted]
        forget(self.values)
        return made

    def known(self, wanted: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return values that are there by their ascending numbers."""
        made, before = np.empty(len(wanted)), 0
        for part in parts(len(self.values), self.values):
            here = self.values[part]
            here = here[~np.isnan(here)]
            low, high = np.searchsorted(wanted, [before, before + len(here)])
            made[low:high] = here[wanted[low:high] - before]
            before += len(here)
        return made

    def count(self, value: float) -> int:
        """Return how often a value occurs."""
        return sum(int((self.values[part] == value).sum()) for part in parts(len(self.values), self.values))

    def steps(self) -> bool:
        """Say whether all numbers follow each other by the same step."""
        step: float | None = None
        last: NDArray[np.float64] = np.empty(0)
        for part in parts(len(self.values), self.values):
            here = self.values[part]
            known = np.concatenate([last, here[~np.isnan(here)]])
            between, last = np.diff(known), known[-1:]
            if len(between):
                step = float(between[0]) if step is None else step
                if not (between == step).all():
                    return False
        return step is not None

    def some_words(self, most: int) -> list[str]:
        """Return at most ``most`` of the different texts, evenly spaced by first appearance."""
        if self.worded:
            chosen = np.unique(np.linspace(0, len(self.words) - 1, min(len(self.words), most)).astype(np.int64))
            return [self.words[place] for place in chosen.tolist()]
        first = self._first()
        count = int(np.count_nonzero(first))
        wanted = np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))
        rows, made = places(first, wanted), list[str]()
        for part, piece in self.pieces():
            low, high = np.searchsorted(rows, [part.start, part.stop])
            made += piece.take(rows[low:high] - part.start).to_pylist()
        return made

    def _first(self) -> NDArray[np.bool_]:
        """Return ``(n,)`` where each text comes first, found range by range of their digests."""
        made = np.zeros(len(self.values), bool)
        ranges = -(-16 * len(self.values) // self.scratch.held) if self.scratch.folder is not None else 1
        edges = np.linspace(0, 2.0**_DIGEST_BITS, ranges + 1)
        for low, high in pairwise(edges):
            where, what = [np.empty(0, np.int64)], [np.empty(0)]
            for part in parts(len(self.values), self.values):
                here = self.values[part]
                inside = np.flatnonzero((here >= low) & (here < high))
                where.append(part.start + inside)
                what.append(here[inside])
            made[np.concatenate(where)[np.unique(np.concatenate(what), return_index=True)[1]]] = True
        return made


def read(
    rows: Path, name: str, values: NDArray[np.float64], gaps: NDArray[np.unsignedinteger[Any]], scratch: Scratch
) -> Whole:
    """Read a column of ``rows.parquet``.

    Parameters
    ----------
    values
        ``(n,)`` is overwritten.
    gaps
        ``(n,)`` one is added where the column lacks a value.
    """
    import pyarrow.types as kinds

    made = Whole(rows, name, "text", values, scratch)
    texts: _Texts | None = None
    runs = sorting.Runs(scratch, 1)
    for part, piece in made.pieces():
        if piece.null_count:
            made.missing += piece.null_count
            gaps[part] += piece.is_null().to_numpy(zero_copy_only=False)
        if made.first is None and piece.null_count < len(piece):
            made.first = piece.drop_null()[0].as_py()
        if kinds.is_integer(piece.type) or kinds.is_floating(piece.type):
            made.kind = "integer" if kinds.is_integer(piece.type) else "number"
            _take_numbers(made, part, piece, runs)
        else:
            texts = texts or _Texts(made, runs)
            texts.take(part, piece)
        forget(values)
    made.distinct = len(texts.codes) if texts is not None and not texts.many else sorting.different_in(runs)
    return made


def bits_of(piece: Any) -> NDArray[np.uint64]:
    """Return 64 bits for each value of an Arrow array of numbers or texts, the same for equal ones; none for null.

    For texts, a number for each different one in the array, from its digest.
    """
    import pyarrow.types as kinds

    if kinds.is_string(piece.type):
        return _hashed(piece.drop_null().dictionary_encode().dictionary)
    known = piece.drop_null().to_numpy(zero_copy_only=False)
    if known.dtype.kind == "f":
        known = known[~np.isnan(known)] + 0.0  # -0.0 is 0.0
    return np.asarray(known.view(np.uint64))


def _take_numbers(column: Whole, part: slice, piece: Any, runs: sorting.Runs) -> None:
    column.values[part] = piece.to_numpy(zero_copy_only=False)
    known = piece.drop_null().to_numpy(zero_copy_only=False)
    if known.dtype.kind == "f":
        known = known[~np.isnan(known)] + 0.0  # -0.0 is 0.0
    if len(known):
        column.low, column.high = min(column.low, float(known.min())), max(column.high, float(known.max()))
        runs.add(known.view(np.uint64))


class _Texts:
    """Takes the texts of one column: by their codes while there are few, then by their digests."""

    def __init__(self, column: Whole, runs: sorting.Runs) -> None:
        self._column, self._runs = column, runs
        self.codes: dict[str, int] = {}
        self.many = False

    def take(self, part: slice, piece: Any) -> None:
        """Take some more."""
        column = self._column
        coded = piece.dictionary_encode()
        indices = coded.indices.fill_null(len(coded.dictionary)).to_numpy(zero_copy_only=False)
        words = coded.dictionary.to_pylist()
        counted = np.bincount(indices, minlength=len(words) + 1)[: len(words)]
        for word, count in zip(words, counted.tolist(), strict=True):
            if len(word) <= _LONGEST and word.strip().lower() in MISSING:
                column.coded[word] = column.coded.get(word, 0) + count
        if not self.many:
            own = [self.codes.setdefault(word, len(self.codes)) for word in words]
            column.values[part] = np.array([*own, np.nan])[indices]
            counts = np.zeros(len(self.codes), np.int64)
            counts[: len(column.counts)] = column.counts
            counts[own] += counted
            column.counts = counts
            column.words += list(self.codes)[len(column.words) :] if len(self.codes) > len(column.words) else []
            if len(self.codes) > MOST_WORDS:
                self._turn(part.stop)
            return
        hashed = _hashed(coded.dictionary)
        self._runs.add(hashed)
        column.values[part] = np.append((hashed >> np.uint64(64 - _DIGEST_BITS)).astype(np.float64), np.nan)[indices]

    def _turn(self, stop: int) -> None:
        """Put digests in place of the codes of the texts so far."""
        import pyarrow as pa

        column, self.many = self._column, True
        hashed = _hashed(pa.array(list(self.codes), pa.string()))
        self._runs.add(hashed)
        table = np.append((hashed >> np.uint64(64 - _DIGEST_BITS)).astype(np.float64), np.nan)
        for part in parts(stop, column.values):
            codes = column.values[part]
            column.values[part] = table[np.where(np.isnan(codes), len(hashed), codes).astype(np.int64)]
        column.words, column.counts = column.words[:MOST_WORDS], np.empty(0, np.int64)
        self.codes = {}


def _hashed(texts: Any) -> NDArray[np.uint64]:
    """Return the first 64 bits of each text's digest."""
    return np.frombuffer(digests(texts), np.uint64)[::4].copy()
