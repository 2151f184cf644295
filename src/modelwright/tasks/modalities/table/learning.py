"""Learning a table's schema: columns in one pass, and beside it a sample of rows for the directions they differ in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.errors import InputError
from modelwright.tasks import directions
from modelwright.tasks.base import Arrays, UndecodableError
from modelwright.tasks.modalities.table import cells, hashing
from modelwright.tasks.modalities.table import features as table_features
from modelwright.tasks.modalities.table import schema as table_schema

MOST_ROWS = 20_000
"""Rows by which directions are found."""
MOST_CELLS = 4_000_000
MOST_VALUES = 16_000_000
"""Features of these rows: 128 MB of doubles. Where rows have many features, fewer rows are taken."""
_ALL = np.iinfo(np.uint64).max
_NAMED = 4
"""Columns that a reason names."""


def learn(batches: Iterable[Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema; see :meth:`modelwright.tasks.modalities.table.modality.Table.learn` and :mod:`.schema`.

    Beside what :func:`.schema.learn` returns: ``features`` where the spec names them, ``components`` where they are
    asked for, and ``reason``.

    Raises
    ------
    InputError
        ``unknown-feature``, and ``no-features`` where none of the words makes any.
    """
    asked = settings.get("features", "auto")
    if asked == "auto":
        schema = table_schema.learn(batches, {**settings, "features": ()})
        return {**schema, "reason": _counted(schema)}
    words = list(dict.fromkeys([asked] if isinstance(asked, str) else asked))
    for word in words:
        if word not in table_features.WORDS:
            raise InputError(
                f"features: found {word!r}; for tables there are: {', '.join(table_features.WORDS)}",
                code="unknown-feature",
                hint=f"features: auto takes {', '.join(table_features.AUTO)}",
            )
    sample = Sample()
    schema = table_schema.learn(sample.through(batches) if "pca" in words else batches, {**settings, "features": words})
    schema["features"] = words
    later = "answers" in words and any(column["kind"] == "category" for column in schema["columns"])
    if not later and not table_features.names(schema, "trees"):
        raise InputError(
            f"features: {', '.join(words)}: nothing is left to learn from, the table has no numbers",
            code="no-features",
            hint="add 'categories'",
        )
    notes = [_counted(schema), f"features as the spec says: {', '.join(words)}"]
    if "pca" in words:
        schema["components"] = _components(schema, sample)
        notes.append(f"pca: {schema['components']['reason']}")
    notes += [
        f"{column['name']}: {column['hashed']['words']:,} words in {hashing.LEAST} rows and more, hashed "
        f"to {column['hashed']['width']:,} columns"
        for column in schema["columns"]
        if "hashed" in column
    ]
    return {**schema, "reason": "; ".join([*notes, *_idle(words, schema)])}


def _counted(schema: Mapping[str, Any]) -> str:
    kinds = [column["kind"] for column in schema["columns"]]
    plural = {"number": "numbers", "category": "categories", "date": "dates", "boolean": "booleans"}
    counted = ", ".join(f"{kinds.count(kind)} {plural[kind]}" for kind in table_schema.KINDS if kind in kinds)
    left = [f"{each['name']} ({each['reason']})" for each in schema["left_out"]]
    more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
    return f"{len(kinds)} columns: {counted}" + (f"; left out: {', '.join(left[:_NAMED])}{more}" if left else "")


def _idle(words: Sequence[str], schema: Mapping[str, Any]) -> list[str]:
    """Return which words make nothing of this table, and why."""
    figures = table_features.figures(schema)
    kinds = {column["kind"] for column in schema["columns"]}
    idle = {
        "missing": None if any(each.indicator for each in figures) else "no number is missing in training",
        "log": None if any(each.log for each in figures) else "no number is far from symmetric",
        "dates": None if "date" in kinds else "there is no column of dates",
        "categories": None if table_features.categories(schema) else "no column has categories that come up often",
        "answers": None if "category" in kinds else "there is no column of categories",
        "hashing": None
        if table_features.hashed(schema)
        else f"no column has more than {table_schema.CAP} different texts with words that come up often",
        "pca": None if table_features.components(schema) else "the rows do not differ",
    }
    return [f"{word} adds nothing: {idle[word]}" for word in words if idle[word]]


class Sample:
    """Rows of a stream, each as likely as any other: those of the smallest keys, which follow from their number.

    So the same rows are kept however the stream was cut, and a table that repeats itself is not met in step.
    """

    def __init__(self, rows: int = MOST_ROWS, cells_: int = MOST_CELLS) -> None:
        self._most_rows, self._most_cells = rows, cells_
        self._pieces: list[tuple[NDArray[np.uint64], Mapping[str, cells.Values]]] = []
        self._limit = int(_ALL)
        self._seen = 0

    def through(self, batches: Iterable[Any]) -> Iterator[Mapping[str, cells.Values]]:
        """Yield the batches' mappings of columns as they come, and keep some rows of each."""
        for batch in batches:
            for rows in batch if isinstance(batch, (list, tuple)) else [batch]:
                self._take(rows)
                yield rows

    def _take(self, rows: Mapping[str, cells.Values]) -> None:
        count = next((len(values) for values in rows.values()), 0)
        keys = _keys(np.arange(self._seen, self._seen + count, dtype=np.uint64))
        self._seen += count
        self._pieces.append(_below(self._limit, keys, rows))
        while sum(len(keys) for keys, _ in self._pieces) > self.most(len(rows)):
            self._limit //= 2
            self._pieces = [piece for each in self._pieces if len((piece := _below(self._limit, *each))[0])]

    def most(self, columns: int) -> int:
        """Return how many rows of so many columns are kept at most."""
        return max(64, min(self._most_rows, self._most_cells // max(columns, 1)))

    def arrays(self, schema: Mapping[str, Any], most: int) -> Iterator[Arrays]:
        """Yield the graph's inputs of the kept rows, in their order; at most ``most`` rows, those of smallest keys."""
        keys = np.concatenate([keys for keys, _ in self._pieces]) if self._pieces else np.empty(0, np.uint64)
        limit = int(np.sort(keys)[most]) - 1 if len(keys) > most else int(_ALL)
        for piece in self._pieces:
            _, rows = _below(limit, *piece)
            try:
                yield cells.of_columns(rows, schema)
            except UndecodableError:  # a cell of another kind than its column was set to
                yield from _one_by_one(rows, schema)


def _one_by_one(rows: Mapping[str, cells.Values], schema: Mapping[str, Any]) -> Iterator[Arrays]:
    for row in zip(*rows.values(), strict=True):
        try:
            yield cells.of_row(dict(zip(rows, row, strict=True)), schema)
        except UndecodableError:
            continue


def _below(
    limit: int, keys: NDArray[np.uint64], rows: Mapping[str, cells.Values]
) -> tuple[NDArray[np.uint64], Mapping[str, cells.Values]]:
    places = np.flatnonzero(keys <= np.uint64(limit))
    if len(places) == len(keys):
        return keys, rows
    return keys[places], {
        name: values[places] if isinstance(values, np.ndarray) else [values[place] for place in places.tolist()]
        for name, values in rows.items()
    }


def _keys(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return a well-mixed 64-bit key a number (SplitMix64; Steele, Lea and Flood 2014)."""
    mixed = numbers * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))


def _components(schema: Mapping[str, Any], sample: Sample) -> dict[str, Any]:
    """Learn the directions from the sample, by the very graph that makes the features."""
    import onnxruntime

    from modelwright.tasks.modalities.table import graph as table_graph

    names = table_features.block(schema)
    if not names:
        return {**directions.none(), "reason": "there is nothing to find directions in"}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    graph = table_graph.block(schema).SerializeToString(deterministic=True)
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    wanted = {each.name for each in session.get_inputs()}
    most = max(64, MOST_VALUES // len(names))
    parts = [
        session.run(["features"], {name: arrays[name] for name in wanted})[0].astype(np.float64)
        for arrays in sample.arrays(schema, most)
    ]
    matrix = np.concatenate(parts) if parts else np.zeros((0, len(names)))
    if len(matrix) < 2:
        return {**directions.none(), "reason": "there are fewer than two rows"}
    return directions.components(matrix, names)
