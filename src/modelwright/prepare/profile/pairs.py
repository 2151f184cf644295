"""How columns depend on each other: on an even sample by ranks and tables, over all rows by straight lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.explore import associations
from modelwright.prepare.profile import facts, parts, times
from modelwright.prepare.profile import words as words_of
from modelwright.prepare.profile.engine import Gathered

MATRIX = 40
"""Columns whose dependence is told, the first ones."""
_KINDS = frozenset({"number", "whole number", "category", "boolean", "date"})
_CODES = 1000
_FEW = 5
_CLOUDS = 6
_STRETCHES = 20
_LEAST = 20
_ALL = 1 << 40


@dataclass(frozen=True)
class Sampled:
    """A column's sampled rows.

    Parameters
    ----------
    numbers
        ``(m,)``, NaN missing; of dates seconds since 1970; None for words.
    codes, words
        ``(m,)`` by falling frequency, -1 missing, and what they stand for; None for numbers.
    """

    name: str
    kind: str
    numbers: NDArray[np.float64] | None
    codes: NDArray[np.int64] | None
    words: list[str]


def sampled(found: Gathered, place: int, column: facts.Column, asked: parts.Asked) -> Sampled:
    """Return one column of the sample."""
    arrays = found.sample.column(place)
    if asked.way == "other" or column.kind in {"empty", "nested"}:
        rows = sum(map(len, arrays))
        return Sampled(column.name, column.kind, np.full(rows, np.nan), None, [])
    numeric = column.numbers is not None and column.lengths is None
    if numeric:
        values = [_numbers(each, asked) for each in arrays]
        return Sampled(column.name, column.kind, np.concatenate(values) if values else np.zeros(0), None, [])
    texts = _texts(arrays)
    codes, words = _coded(texts)
    if column.kind == "date":
        return Sampled(column.name, column.kind, _seconds(words, codes, asked), codes, words)
    return Sampled(column.name, column.kind, None, codes, words)


def _numbers(array: Any, asked: parts.Asked) -> NDArray[np.float64]:
    import pyarrow as pa
    import pyarrow.types as kinds

    if kinds.is_null(array.type):
        return np.full(len(array), np.nan)
    if kinds.is_timestamp(array.type):
        micros = array.cast(pa.timestamp("us"), safe=False).cast(pa.int64()).cast(pa.float64(), safe=False)
        return np.asarray(micros.to_numpy(zero_copy_only=False), np.float64) / 1e6
    if not kinds.is_integer(array.type) and not kinds.is_floating(array.type):
        words = _texts([array])
        read = words_of.numbers_of(words.fill_null(""), asked.decimal)[0]
        return np.where(np.isfinite(read), read, np.nan)
    values = np.asarray(array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def _texts(arrays: list[Any]) -> Any:
    import pyarrow as pa
    import pyarrow.types as kinds
    from pyarrow import compute

    plain = [each.dictionary_decode() if kinds.is_dictionary(each.type) else each for each in arrays]
    whole = pa.concat_arrays([each.cast(pa.string()) for each in plain]) if plain else pa.array([], pa.string())
    return compute.utf8_trim_whitespace(whole)


def _coded(texts: Any) -> tuple[NDArray[np.int64], list[str]]:
    import pyarrow as pa
    from pyarrow import compute

    from modelwright.prepare.collect.typing_columns import MISSING

    gone = compute.is_in(texts, value_set=words_of.word_set(MISSING))
    known = compute.if_else(gone, pa.scalar(None, pa.string()), texts)
    return associations.by_frequency(known.dictionary_encode(), _ALL)


def _seconds(words: list[str], codes: NDArray[np.int64], asked: parts.Asked) -> NDArray[np.float64]:
    import pyarrow as pa

    read = times.seconds(pa.array(words, pa.string()), day_first=asked.day_first)
    return np.append(read, np.nan)[codes]


def pairs(found: Gathered, columns: list[facts.Column], some: list[Sampled]) -> facts.Pairs:
    """Return how the first columns that can be compared depend on each other."""
    usable = [
        (column, each)
        for column, each in zip(columns, some, strict=True)
        if column.kind in _KINDS and column.distinct > 1 and (each.numbers is not None or len(each.words) <= _CODES)
    ][:MATRIX]
    straight = [place for place in found.straight if columns[place].numbers is not None and columns[place].distinct > 1]
    names = tuple(columns[place].name for place in straight)
    pearson: tuple[tuple[float | None, ...], ...] = ()
    if found.products is not None and len(straight) > 1:
        inside = [found.straight.index(place) for place in straight]
        pearson = _rows(found.products.correlation()[np.ix_(inside, inside)])
    else:
        names = ()
    if len(usable) < 2:
        return facts.Pairs(straight=names, pearson=pearson, straight_rows=found.rows if names else 0)
    compared = [
        associations.Column(column.name, numbers=each.numbers)
        if each.numbers is not None
        else associations.Column(column.name, codes=_first(each.codes))
        for column, each in usable
    ]
    return facts.Pairs(
        tuple(column.name for column, _ in usable),
        _rows(associations.matrix(compared)),
        len(found.sample.rows()),
        names,
        pearson,
        found.rows if names else 0,
    )


def clouds(related: facts.Pairs, columns: list[facts.Column], some: list[Sampled]) -> tuple[facts.Cloud, ...]:
    """Return how the pairs of numbers lie that depend most on each other."""
    by_name = {
        column.name: each.numbers
        for column, each in zip(columns, some, strict=True)
        if column.kind in {"number", "whole number"} and each.numbers is not None and column.distinct > _FEW
    }
    listed = []
    for one, row in enumerate(related.matrix):
        for other in range(one + 1, len(row)):
            first, second, value = related.columns[one], related.columns[other], row[other]
            if value is not None and first in by_name and second in by_name:
                listed.append((-abs(value), one, other))
    made = []
    for _, one, other in sorted(listed)[:_CLOUDS]:
        x, y = by_name[related.columns[one]], by_name[related.columns[other]]
        known = np.isfinite(x) & np.isfinite(y)
        if int(known.sum()) < _LEAST:
            continue
        x_edges, y_edges = _edges(x[known]), _edges(y[known])
        inside = np.clip(x[known], x_edges[0], x_edges[-1]), np.clip(y[known], y_edges[0], y_edges[-1])
        counts = np.histogram2d(inside[1], inside[0], (y_edges, x_edges))[0].astype(np.int64)
        made.append(
            facts.Cloud(
                related.columns[one],
                related.columns[other],
                tuple(x_edges.tolist()),
                tuple(y_edges.tolist()),
                tuple(map(tuple, counts.tolist())),
            )
        )
    return tuple(made)


def _edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return edges of equal stretches; a long tail counts in the outermost."""
    low, high = np.quantile(values, [0.005, 0.995])
    if not high > low:
        low, high = float(values.min()), float(values.max())
    edges = np.linspace(low, high, _STRETCHES + 1)
    if not (np.diff(edges) > 0).all() or not np.isfinite(edges).all():
        return np.array([-1.0, 1.0])
    return edges


def _first(codes: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
    """Return codes with those of rare words as one."""
    return None if codes is None else np.minimum(codes, associations.MOST_VALUES)


def _rows(matrix: NDArray[np.float64]) -> tuple[tuple[float | None, ...], ...]:
    return tuple(tuple(round(float(value), 6) if np.isfinite(value) else None for value in row) for row in matrix)
