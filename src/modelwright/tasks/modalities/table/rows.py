"""Rows that are parsed already: checked one by one, put together by the batch. For servers, where rows come singly.

Making ten arrays a row and joining them again costs several times what checking the row does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from modelwright.tasks.abilities import Row
from modelwright.tasks.base import Arrays, Problem, UndecodableError
from modelwright.tasks.limits import FLOAT32_MAX
from modelwright.tasks.modalities.table import cells, dates, hashing


class Rows:
    """Reads rows of one schema; ``stack([read(row)])`` is what ``decode`` gives for the row's JSON.

    Parameters
    ----------
    schema
        From :meth:`modelwright.tasks.modalities.table.modality.Table.learn`.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        columns: Sequence[Mapping[str, Any]] = schema["columns"]
        self._strict = bool(schema.get("strict"))
        self._schema = schema
        self._readers = [(column["name"], _reader(column)) for column in columns]
        self._numbers = [
            (place, column["tensor"]) for place, column in enumerate(columns) if column["kind"] in {"number", "boolean"}
        ]
        self._words = [
            (place, column["tensor"]) for place, column in enumerate(columns) if column["kind"] == "category"
        ]
        self._dates = [(place, column["tensor"]) for place, column in enumerate(columns) if column["kind"] == "date"]
        self._hashed = [
            (place, cells.words_tensor(column), int(column["hashed"]["size"]))
            for place, column in enumerate(columns)
            if "hashed" in column
        ]
        self._order = [
            tensor
            for column in columns
            for tensor in (column["tensor"], *([cells.words_tensor(column)] if "hashed" in column else ()))
        ]

    def read(self, row: Mapping[str, Any]) -> Row:
        """Return the row's values, one a column of the schema, checked and converted; a missing key is missing.

        Raises
        ------
        UndecodableError
            ``wrong-type``, and ``unknown-column`` where the schema is ``strict``.
        """
        if self._strict:
            refuse_unknown(row, self._schema)
        get = row.get
        return tuple([read(get(name), name) for name, read in self._readers])

    def stack(self, rows: Sequence[Row]) -> Arrays:
        """Return the graph's inputs for rows from :meth:`read`, first axis the row."""
        count = len(rows)
        columns = list(zip(*rows, strict=True))
        made: Arrays = {}
        if self._numbers:
            # Transposed, so that each column lies in one piece.
            figures = np.array([columns[place] for place, _ in self._numbers], np.float32)[:, :, None]
            for (_, tensor), column in zip(self._numbers, figures, strict=True):
                made[tensor] = column
        for place, tensor in self._words:
            words = np.empty((count, 1), object)
            words[:, 0] = columns[place]
            made[tensor] = words
        for place, tensor, size in self._hashed:
            made[tensor] = hashing.hashes(columns[place], size)
        for place, tensor in self._dates:
            made[tensor] = dates.parts(dates.moments(columns[place]))
        return {tensor: made[tensor] for tensor in self._order}


def refuse_unknown(row: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Raise ``unknown-column`` for a key that is no column of the schema."""
    known = {column["name"] for column in schema["columns"]} | set(schema["others"])
    unknown = sorted(set(row) - known)
    if unknown:
        message = f'column "{unknown[0]}" is not one that the model knows'
        raise UndecodableError(Problem("unknown-column", 1.0, message, {"columns": unknown[:20]}))


def _reader(column: Mapping[str, Any]) -> Callable[[Any, str], Any]:
    kind = column["kind"]
    if kind == "number":
        return _number
    if kind == "category":
        return cells.category
    if kind == "boolean":
        return cells.boolean
    day_first = bool(column.get("day_first"))
    return lambda value, name: cells.moment(value, name, day_first=day_first)


def _number(value: Any, name: str) -> float:
    """Return what :func:`cells.number` does, without its question what else the value could be where it is a float."""
    if type(value) is float and -FLOAT32_MAX <= value <= FLOAT32_MAX:
        return value
    return math.nan if value is None else cells.number(value, name)
