"""One column's values, as JSON or a table has them, to the array that the graph takes. One row and a million alike."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.tasks.base import Arrays, Problem, UndecodableError
from modelwright.tasks.limits import FLOAT32_MAX
from modelwright.tasks.modalities.table import dates, hashing

_TRUE = frozenset({"true", "yes", "y", "t", "1"})
_FALSE = frozenset({"false", "no", "n", "f", "0"})
_NUMBERS = (int, float, np.integer, np.floating, Decimal)

Values = Sequence[Any] | NDArray[Any]


def wrong(column: str, value: Any, expected: str, row: int | None = None) -> UndecodableError:
    """Return the error for a cell of the wrong type: column, what was found, what is right."""
    kind = {str: "text", bool: "a boolean", list: "a list", dict: "an object", float: "a number", int: "a number"}
    found = f"{kind.get(type(value), type(value).__name__)} {_short(value)}"
    evidence: dict[str, Any] = {"column": column, "found": found, "expected": expected}
    where = f'column "{column}"'
    if row is not None:
        evidence["row"] = row
        where += f", row {row}"
    return UndecodableError(Problem("wrong-type", 1.0, f"{where}: found {found}, expected {expected}", evidence))


def _short(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # an integer with more digits than Python will print
        return "of too many digits"
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= 60 else text[:57] + "…"


def number(value: Any, column: str) -> float:
    """Return the number, NaN for None."""
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, _NUMBERS):
        raise wrong(column, value, "a number or null")
    try:
        figure = float(value)
    except (OverflowError, ValueError) as error:
        raise wrong(column, value, f"a number of at most {FLOAT32_MAX:.3g}") from error
    if abs(figure) > FLOAT32_MAX:
        raise wrong(column, value, f"a number of at most {FLOAT32_MAX:.3g}")
    return figure


def category(value: Any, column: str) -> str:
    """Return the category's text, NFC and without blanks around it; "" for None and NaN."""
    if isinstance(value, str):
        text = value.strip()
        if text.isascii():
            return text
        if any("\ud800" <= char <= "\udfff" for char in text):
            raise wrong(column, value, "valid Unicode")
        return unicodedata.normalize("NFC", text)
    if value is None:
        return ""
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, _NUMBERS):
        return _number_text(value, column)
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    raise wrong(column, value, "text, a number, a boolean or null")


def _number_text(value: Any, column: str) -> str:
    try:
        if isinstance(value, (int, np.integer)):
            return str(int(value))
        figure = float(value)
    except (OverflowError, ValueError) as error:
        raise wrong(column, value, "a shorter number") from error
    if math.isnan(figure):
        return ""
    return str(int(figure)) if figure.is_integer() and abs(figure) < 2**53 else repr(figure)


def boolean(value: Any, column: str) -> float:
    """Return 1.0, 0.0, or NaN for None; the usual words count too."""
    if value is None:
        return math.nan
    if isinstance(value, (bool, np.bool_)):
        return float(value)
    if isinstance(value, _NUMBERS) and (value in {0, 1} or value != value):  # noqa: PLR0124 - NaN is not itself
        return float(value)
    if isinstance(value, str):
        word = value.strip().lower()
        if not word:
            return math.nan
        if word in _TRUE:
            return 1.0
        if word in _FALSE:
            return 0.0
    raise wrong(column, value, "true, false or null")


def moment(value: Any, column: str, *, day_first: bool = False) -> datetime | date | None:
    """Return the time, or None for None and empty text."""
    if value is None or isinstance(value, (datetime, date)):
        return value
    if isinstance(value, str):
        if not value.strip():
            return None
        found = dates.parse(value, day_first=day_first)
        if found is not None:
            return found
    raise wrong(column, value, 'a date such as "2024-03-01" or "2024-03-01T12:00:00", or null')


def one(value: Any, column: Mapping[str, Any]) -> NDArray[Any]:
    """Return one cell as ``(1, 1)`` float32 or object, or ``(1, 6)`` float32 for a date."""
    name, kind = column["name"], column["kind"]
    if kind == "number":
        return np.array([[number(value, name)]], np.float32)
    if kind == "category":
        return np.array([[category(value, name)]], object)
    if kind == "boolean":
        return np.array([[boolean(value, name)]], np.float32)
    return dates.parts(dates.moments([moment(value, name, day_first=bool(column.get("day_first")))]))


def many(values: Values, column: Mapping[str, Any]) -> NDArray[Any]:
    """Return a column's cells as ``(n, 1)`` float32 or object, or ``(n, 6)`` float32 for dates; as :func:`one`."""
    name, kind = column["name"], column["kind"]
    array = values if isinstance(values, np.ndarray) else None
    if kind == "number":
        if array is not None and array.dtype.kind in "iuf":
            return _typed_numbers(array, name)[:, None]
        return np.array(_each(values, lambda value: number(value, name)), np.float32).reshape(-1, 1)
    if kind == "category":
        return _objects(_each(values, lambda value: category(value, name)))[:, None]
    if kind == "boolean":
        if array is not None and array.dtype.kind == "b":
            return array.astype(np.float32)[:, None]
        return np.array(_each(values, lambda value: boolean(value, name)), np.float32).reshape(-1, 1)
    if array is not None and array.dtype.kind == "M":
        return dates.parts(array)
    day_first = bool(column.get("day_first"))
    return dates.parts(dates.moments(_each(values, lambda value: moment(value, name, day_first=day_first))))


def of_row(row: Mapping[str, Any], schema: Mapping[str, Any]) -> Arrays:
    """Return the graph's inputs for one row, first axis of length 1; a missing key is a missing value."""
    made: Arrays = {}
    for column in schema["columns"]:
        made |= _with_words(one(row.get(column["name"]), column), column)
    return made


def of_columns(columns: Mapping[str, Values], schema: Mapping[str, Any]) -> Arrays:
    """Return the graph's inputs for ``n`` rows given by column; a column that is not there is missing in each."""
    count = next((len(values) for values in columns.values()), 0)
    made: Arrays = {}
    for column in schema["columns"]:
        made |= _with_words(many(columns.get(column["name"], [None] * count), column), column)
    return made


def _with_words(values: NDArray[Any], column: Mapping[str, Any]) -> Arrays:
    """Return a column's tensor, and that of its words' hashes where they are asked for."""
    made: Arrays = {column["tensor"]: values}
    if "hashed" in column:
        made[words_tensor(column)] = hashing.hashes(values[:, 0].tolist(), int(column["hashed"]["size"]))
    return made


def words_tensor(column: Mapping[str, Any]) -> str:
    """Return the name of the tensor with the hashes of a column's words."""
    return f"{column['tensor']}_words"


def _typed_numbers(array: NDArray[Any], name: str) -> NDArray[np.float32]:
    figures = array.astype(np.float64)
    beyond = np.abs(figures) > FLOAT32_MAX  # NaN is missing, and not beyond
    if beyond.any():
        row = int(beyond.argmax())
        raise wrong(name, float(figures[row]), f"a number of at most {FLOAT32_MAX:.3g}", row)
    return figures.astype(np.float32)


def _each(values: Values, convert: Callable[[Any], Any]) -> list[Any]:
    try:
        return [convert(value) for value in values]
    except UndecodableError:
        for row, value in enumerate(values):
            try:
                convert(value)
            except UndecodableError as error:
                evidence = error.problem.evidence
                raise wrong(evidence["column"], value, evidence["expected"], row) from error
        raise


def _objects(items: Sequence[Any]) -> NDArray[Any]:
    array = np.empty(len(items), object)
    array[:] = items
    return array
