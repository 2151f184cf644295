"""Tables: one sample is one row, canonical JSON ``{"column": value}``; the graph's inputs are one tensor a column."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from modelwright.errors import InputError
from modelwright.tasks.abilities import Way
from modelwright.tasks.base import Arrays, Encoding, Problem, UndecodableError
from modelwright.tasks.modalities.table import cells, dates
from modelwright.tasks.modalities.table import rows as table_rows
from modelwright.tasks.modalities.table import synthesis as table_synthesis

MAX_BYTES = 1_000_000
"""Default limit on one row's JSON."""


class Table:
    """The modality ``table``.

    Columns have a kind: ``number`` and ``boolean`` are ``(n, 1) float32`` (NaN: missing), ``category`` is ``(n, 1)``
    text ("": missing), ``date`` is ``(n, 6) float32`` (:data:`.dates.PARTS`). The tensors
    are named ``c0``, ``c1``, …, since a column's name may be anything; the schema has both. A category whose words are
    hashed has ``c0_words`` ``(n, size) int64`` besides (:mod:`.hashing`).
    """

    name: ClassVar[str] = "table"
    version: ClassVar[int] = 1
    media_types: ClassVar[tuple[str, ...]] = ("application/json",)
    encodings: ClassVar[tuple[Encoding, ...]] = ("dense", "trees")

    @property
    def feature_words(self) -> Mapping[str, str]:
        """Words for ``features`` in the spec, with their meaning."""
        from modelwright.tasks.modalities.table import features as table_features

        return table_features.WORDS

    def decode(self, raw: bytes, schema: Mapping[str, Any]) -> Arrays:
        """Turn a JSON object into the graph's inputs; a missing key is a missing value.

        Unknown keys are ignored, unless the schema says ``strict``. With an empty schema (while a dataset is being
        prepared) the result is the row itself: ``{column: (1,) object}``, what :meth:`learn` takes.

        Raises
        ------
        UndecodableError
            ``empty``, ``too-large``, ``wrong-format``, ``corrupt`` (no valid JSON), ``unknown-column`` and
            ``wrong-type``, which names column, found and expected.
        """
        row = _row(raw)
        if "columns" not in schema:
            return {name: _cell(value) for name, value in row.items()}
        if schema.get("strict"):
            table_rows.refuse_unknown(row, schema)
        return cells.of_row(row, schema)

    def rows(self, schema: Mapping[str, Any]) -> table_rows.Rows:
        """Return the reader of rows that are parsed already."""
        return table_rows.Rows(schema)

    def from_columns(self, columns: Mapping[str, cells.Values], schema: Mapping[str, Any]) -> Arrays:
        """Turn ``n`` rows at once, given by column, into the graph's inputs; equal to :meth:`decode` row by row.

        Parameters
        ----------
        columns
            Numpy arrays or lists (numbers, text, booleans, dates, None), all of one length. A column of the schema
            that is not there is missing in every row; others are ignored.
        schema
            From :meth:`learn`.

        Raises
        ------
        UndecodableError
            ``wrong-type`` with ``column`` and ``row`` in its evidence.
        """
        return cells.of_columns(columns, schema)

    ways: ClassVar[Mapping[str, Way]] = table_synthesis.WAYS

    def synthesize(self, raws: Sequence[bytes], way: str, random: np.random.Generator) -> bytes:
        """Return a new row between two rows; see :mod:`.synthesis`."""
        return table_synthesis.synthesize(raws, way, random)

    def check(self, inputs: Arrays, measures: Mapping[str, NDArray[Any]] | None = None) -> list[Problem]:
        """Return ``missing-value`` for a row with more than half of its values missing."""
        own = [values for values in inputs.values() if values.dtype.kind != "i"]  # hashes are made of other values
        missing = sum(bool(_is_missing(values).all()) for values in own)
        if missing * 2 <= len(own):
            return []
        severity = 0.8 if missing == len(own) else 0.3
        message = f"{missing} of {len(own)} values are missing"
        return [Problem("missing-value", severity, message, {"missing": missing, "columns": len(own)})]

    def measure(self, inputs: Arrays, schema: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        """Return each column under its own name: float64 (a date as days since 1970), or object with None for missing.

        Booleans are categories ``true`` and ``false``. Nothing is measured while there is no schema.
        """
        return {
            column["name"]: _measured(inputs[column["tensor"]], column["kind"]) for column in schema.get("columns", ())
        }

    def learn(self, batches: Iterable[Any], settings: Mapping[str, Any]) -> dict[str, Any]:
        """Learn columns, kinds, categories and statistics from rows by column; see :mod:`.learning`.

        Parameters
        ----------
        batches
            Mappings from column name to ``n`` values (as :meth:`from_columns` takes, or :meth:`decode` gives with an
            empty schema), or lists of such; read once.
        settings
            ``target`` and ``ignore`` (names left out), ``kinds`` (``{column: kind}``, overrules the guess), ``cap``
            (most categories of a column, 64), ``strict`` (unknown keys are errors), ``features`` (``auto`` or words of
            :attr:`feature_words`).
        """
        from modelwright.tasks.modalities.table import learning as table_learning

        return table_learning.learn(batches, settings)

    def with_answers(
        self,
        schema: Mapping[str, Any],
        batches: Iterable[Mapping[str, Any]],
        answers: NDArray[np.float64],
        keys: NDArray[np.uint64],
        names: Sequence[str],
    ) -> dict[str, Any]:
        """Return the schema with the mean answers of categories; see :mod:`.answers`.

        Raises
        ------
        InputError
            ``no-features`` where there is nothing else, and no category comes up often enough.
        """
        from modelwright.tasks.modalities.table import answers as table_answers
        from modelwright.tasks.modalities.table import features as table_features

        made = table_answers.learn(schema, batches, answers, table_answers.folds_of(keys), list(names))
        if not table_features.names(made, "trees"):
            raise InputError(
                "features: answers: nothing is left to learn from, no category comes up often enough",
                code="no-features",
                hint="add 'categories' or 'hashing'",
            )
        return made

    def of_fold(self, schema: Mapping[str, Any], fold: int) -> Mapping[str, Any]:
        """Return the schema by which the training rows of one fold are encoded."""
        from modelwright.tasks.modalities.table import answers as table_answers

        return table_answers.of_fold(schema, fold)

    def graph(self, schema: Mapping[str, Any], encoding: Encoding) -> Any:
        """Return ``c0 … cN`` → ``features (n, d) float32``; see :mod:`table_graph` for what the features are."""
        from modelwright.tasks.modalities.table import graph as table_graph

        return table_graph.dense(schema) if encoding == "dense" else table_graph.trees(schema)

    def describe(self, schema: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the tensors, each with its ``column`` and ``kind`` beside name, dtype and shape."""
        made: list[dict[str, Any]] = []
        for column in schema["columns"]:
            about = {"column": column["name"], "kind": column["kind"]}
            dtype = "string" if column["kind"] == "category" else "float32"
            width = len(dates.PARTS) if column["kind"] == "date" else 1
            made.append({"name": column["tensor"], "dtype": dtype, "shape": [-1, width], **about})
            if "hashed" in column:
                shape = [-1, int(column["hashed"]["size"])]
                made.append({"name": cells.words_tensor(column), "dtype": "int64", "shape": shape, **about})
        return made

    def feature_names(self, schema: Mapping[str, Any], encoding: Encoding) -> list[str]:
        """Return ``age``, ``age is missing``, ``log age``, ``color = red``, ``born: year``, … in the graph's order."""
        from modelwright.tasks.modalities.table import features as table_features

        return table_features.names(schema, encoding)

    def feature_parts(self, schema: Mapping[str, Any]) -> dict[str, list[int]]:
        """Return where the ``dense`` features of each word are."""
        from modelwright.tasks.modalities.table import features as table_features

        return table_features.parts(schema)


def _row(raw: bytes) -> dict[str, Any]:
    if not raw.strip():
        raise UndecodableError(Problem("empty", 1.0, "the row is empty (0 bytes)"))
    if len(raw) > MAX_BYTES:
        message = f"the row has {len(raw):,} bytes, at most {MAX_BYTES:,} are allowed"
        raise UndecodableError(Problem("too-large", 1.0, message, {"bytes": len(raw)}))
    try:
        row = _DECODER.decode(raw.decode(json.detect_encoding(raw), "surrogatepass"))
    except (ValueError, RecursionError) as error:
        message = f"the row is not valid JSON: {str(error).splitlines()[0][:200] if str(error) else 'broken'}"
        raise UndecodableError(Problem("corrupt", 1.0, message)) from error
    if not isinstance(row, dict):
        message = f'the row is a JSON {type(row).__name__}, expected an object such as {{"column": value}}'
        raise UndecodableError(Problem("wrong-format", 1.0, message))
    return row


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON; a missing value is null")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
"""Made once: ``json.loads`` with an argument makes a new one for every row."""


def _cell(value: Any) -> NDArray[Any]:
    array = np.empty(1, object)
    array[0] = value
    return array


def _is_missing(values: NDArray[Any]) -> NDArray[np.bool_]:
    if values.dtype.kind == "f":
        return np.asarray(np.isnan(values))
    return np.array([value is None or value == "" for value in values.ravel()], bool)


def _measured(values: NDArray[Any], kind: str) -> NDArray[Any]:
    if kind == "number":
        return values[:, 0].astype(np.float64)
    if kind == "date":
        return values[:, dates.PARTS.index("days")].astype(np.float64)
    if kind == "boolean":
        names = np.array([None, "false", "true"], object)
        return names[np.nan_to_num(values[:, 0] + 1.0, nan=0.0).astype(np.int64)]
    words = values[:, 0].copy()
    words[words == ""] = None
    return words
