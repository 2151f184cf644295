"""One sequence's bytes, JSON or delimited text, to named channels and their times; hostile bytes included.

JSON: ``{"values": {channel: [numbers or null]}, "time": [numbers or texts]}``; ``time`` may be left out.
Delimited text: one row a step, with a header (a leading ``#`` is no part of it) or without; comma, semicolon, tab, bar
or blanks between columns; a column of times if there is one; other columns of words are no channels.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright import canonical
from modelwright.tasks.base import Problem, UndecodableError
from modelwright.tasks.limits import FLOAT32_MAX
from modelwright.tasks.modalities.series import time as series_time
from modelwright.tasks.modalities.table.headers import distinct

MAX_BYTES = 32 << 20
"""Bytes of the longest sequence."""
MAX_VALUES = 4_000_000
"""Steps × channels of the largest sequence."""
MAX_CHANNELS = 1000

_MISSING = frozenset({"", "?", "na", "n/a", "nan", "null", "none", "#n/a", "-", "inf", "-inf", "+inf"})
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\Z")
_LONGEST_FIELD = 1 << 16


@dataclass(frozen=True)
class Frame:
    """One sequence as it was written.

    Parameters
    ----------
    names
        The channels, different, in the order written.
    values
        ``(T, C) float32``, NaN for missing.
    time
        ``(T,) float64`` seconds, NaN where unreadable; None if no time was given.
    """

    names: tuple[str, ...]
    values: NDArray[np.float32]
    time: NDArray[np.float64] | None


def refuse(kind: str, message: str, **evidence: Any) -> UndecodableError:
    """Return the error for bytes that are no sequence."""
    return UndecodableError(Problem(kind, 1.0, message.replace("\n", " ")[:300], evidence))


def read(raw: bytes, channels: Sequence[str] = ()) -> Frame:
    """Read one sequence.

    Parameters
    ----------
    channels
        The channels wanted, where they are known: text without a header is then read by position if it has as many
        columns.

    Raises
    ------
    UndecodableError
        ``empty``, ``too-large``, ``corrupt``, ``wrong-format`` or ``wrong-type``.
    """
    if not raw.strip(b"\0 \r\n\t\xef\xbb\xbf"):
        raise refuse("empty", f"the sequence is empty ({len(raw)} bytes)")
    if len(raw) > MAX_BYTES:
        raise refuse(
            "too-large", f"the sequence has {len(raw):,} bytes, at most {MAX_BYTES:,} are allowed", bytes=len(raw)
        )
    head = raw[:256].lstrip(b"\xef\xbb\xbf \r\n\t")
    if head[:1] in {b"{", b"["} or (head[:2] == b"\xff\xfe" and head[2:3] == b"{"):
        return _json(raw)
    return _delimited(raw, channels)


def written(names: Sequence[str], values: NDArray[np.floating], time: NDArray[np.float64] | None = None) -> bytes:
    """Return a sequence as canonical JSON, which :func:`read` reads back: single precision, null for missing.

    Parameters
    ----------
    names
        The channels.
    values
        ``(T, C)``, NaN for missing.
    time
        ``(T,)`` seconds, or None.
    """
    columns = values.astype(np.float32).astype(np.float64).T.tolist()
    document: dict[str, Any] = {
        "values": {
            name: [value if math.isfinite(value) else None for value in column]
            for name, column in zip(names, columns, strict=True)
        }
    }
    if time is not None:
        document["time"] = [value if math.isfinite(value) else None for value in time.tolist()]
    return canonical.dumps(document)


def _json(raw: bytes) -> Frame:
    try:
        document = json.loads(raw.decode(json.detect_encoding(raw), "surrogatepass"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        words = str(error).splitlines()[0][:200] if str(error) else "broken"
        raise refuse("corrupt", f"the sequence is not valid JSON: {words}") from error
    if not isinstance(document, dict) or not isinstance(document.get("values"), dict):
        raise refuse("wrong-format", 'the sequence is JSON, but no object such as {"values": {"channel": [1.5, null]}}')
    return from_document(document)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON; a missing value is null")


def from_document(document: Mapping[str, Any]) -> Frame:
    """Return the sequence in a parsed document ``{"values": {…}, "time": […]}``."""
    columns: Mapping[str, Any] = document["values"]
    if not columns:
        raise refuse("empty", "the sequence has no channels")
    if len(columns) > MAX_CHANNELS:
        raise refuse("too-large", f"the sequence has {len(columns):,} channels, at most {MAX_CHANNELS} are allowed")
    lengths = {name: len(column) if isinstance(column, list) else -1 for name, column in columns.items()}
    time = document.get("time")
    if time is not None:
        lengths["time"] = len(time) if isinstance(time, list) else -1
    for name, length in lengths.items():
        if length < 0:
            raise refuse("wrong-type", f"{_short(name)} is not a list of numbers")
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{_short(name)} {length}" for name, length in list(lengths.items())[:6])
        raise refuse("wrong-format", f"the channels differ in length: {found}")
    steps = next(iter(lengths.values()))
    if not steps:
        raise refuse("empty", "the sequence has no steps")
    _bounded(steps, len(columns))
    if any("\ud800" <= char <= "\udfff" for name in columns for char in name):
        raise refuse("wrong-type", "a channel's name is not valid Unicode")
    values = np.stack([_numbers(column, name) for name, column in columns.items()], 1)
    return Frame(tuple(columns), values, None if time is None else _times(time))


def _times(time: list[Any]) -> NDArray[np.float64]:
    if not all(
        value is None or (isinstance(value, (str, int, float)) and not isinstance(value, bool)) for value in time
    ):
        raise refuse("wrong-type", 'time holds what is no time: give seconds, or texts such as "2024-03-01T12:00:00"')
    return series_time.many(time)


def _numbers(column: list[Any], name: str) -> NDArray[np.float32]:
    for value in column:
        if value is not None and type(value) not in {int, float}:
            raise refuse(
                "wrong-type", f"channel {_short(name)}: found {_short(repr(value))}, expected a number or null"
            )
    try:
        wide = np.array([math.nan if value is None else float(value) for value in column], np.float64)
    except OverflowError as error:
        raise refuse("wrong-type", f"channel {_short(name)} has a number beyond {FLOAT32_MAX:.3g}") from error
    return _narrow(wide, name)


def _narrow(wide: NDArray[np.float64], name: str) -> NDArray[np.float32]:
    wide[np.isinf(wide)] = math.nan
    if (np.abs(wide) > FLOAT32_MAX).any():  # NaN is missing, and not beyond
        raise refuse("wrong-type", f"channel {_short(name)} has a number beyond {FLOAT32_MAX:.3g}")
    return wide.astype(np.float32)


def _bounded(steps: int, channels: int) -> None:
    if steps * channels > MAX_VALUES:
        raise refuse("too-large", f"the sequence has {steps:,} × {channels} values, at most {MAX_VALUES:,} are allowed")


def _short(text: str) -> str:
    text = repr(text).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= 60 else text[:57] + "…"


def _delimited(raw: bytes, channels: Sequence[str]) -> Frame:
    rows, delimiter = _rows(_text(raw))
    if not rows:
        raise refuse("empty", "the sequence has no lines")
    names, body = _header(rows)
    width = Counter(len(row) for row in body).most_common(1)[0][0] if body else 0
    if not body or not width:
        raise refuse("empty", "the sequence has a header and no steps")
    if width > MAX_CHANNELS + 2:
        raise refuse("too-large", f"the sequence has {width:,} columns, at most {MAX_CHANNELS} are allowed")
    ragged = sum(len(row) != width for row in body)
    if ragged * 10 > len(body):
        raise refuse("wrong-format", f"{ragged} of {len(body)} lines don't have {width} cells", ragged=ragged)
    body = [row for row in body if len(row) == width]
    _bounded(len(body), width)
    skip = 1 if names and len(names) == width - 1 else 0  # an unnamed row number comes first
    if not names:
        names = list(channels) if len(channels) == width else [f"channel {place}" for place in range(1, width + 1)]
    elif len(names) != width - skip:
        raise refuse("wrong-format", f"the header has {len(names)} names, the lines have {width} cells")
    names = distinct([name or f"channel {place}" for place, name in enumerate(names, 1)])[0]
    columns = [[row[place].strip() for row in body] for place in range(skip, width)]
    return _framed(names, columns, comma=delimiter != ",")


def _text(raw: bytes) -> str:
    if raw[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        text = raw.decode("utf-16", "replace")
    else:
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = raw.decode("latin-1")
    controls = sum(text.count(chr(code)) for code in range(32) if code not in {9, 10, 12, 13, 26})
    if controls * 50 > len(text):
        raise refuse("wrong-format", "the sequence is binary data: neither JSON nor delimited text")
    return text


def _rows(text: str) -> tuple[list[list[str]], str]:
    """Return the lines' cells, and what separates them (a blank: any run of blanks)."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    sample = [line for line in text[:65536].split("\n") if line.strip()][:50]
    best, share = " ", 0.0
    for delimiter in ("\t", ";", "|", ","):
        widths = Counter(line.count(delimiter) for line in sample)
        width, count = widths.most_common(1)[0] if widths else (0, 0)
        if width and count > share:
            best, share = delimiter, count
    if text.count("\n") * 2 > MAX_VALUES * 2:
        raise refuse("too-large", f"the sequence has more than {MAX_VALUES:,} lines")
    if best == " ":
        return [line.split() for line in text.split("\n") if line.strip()], best
    if text.count(best) > 2 * MAX_VALUES:
        raise refuse("too-large", f"the sequence has more than {MAX_VALUES:,} values")
    if '"' not in text:
        return [line.split(best) for line in text.split("\n") if line.strip()], best
    try:
        return [row for row in csv.reader(io.StringIO(text), delimiter=best, skipinitialspace=True) if row], best
    except csv.Error as error:
        raise refuse("corrupt", f"the sequence cannot be read as delimited text: {error}") from error


def _header(rows: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """Return the names (empty: there is no header) and the rows below it."""
    start = 0
    while start < len(rows) - 1 and rows[start][0].lstrip().startswith("#") and len(rows[start]) < len(rows[-1]) - 1:
        start += 1  # a remark, not a header
    first = [cell.strip() for cell in rows[start]]
    if any(_NUMBER.match(cell.replace(",", ".", 1)) for cell in first) or all(
        cell.lower() in _MISSING for cell in first
    ):
        return [], rows[start:]
    if all(series_time.share_of_dates([cell]) for cell in first if cell):
        return [], rows[start:]
    first[0] = first[0].lstrip("# ")
    return [name.strip().strip('"') for name in first], rows[start + 1 :]


def _framed(names: Sequence[str], columns: Sequence[list[str]], *, comma: bool) -> Frame:
    time: NDArray[np.float64] | None = None
    kept: list[str] = []
    parsed: list[NDArray[np.float32]] = []
    for name, column in zip(names, columns, strict=True):
        if time is None and _is_time(name, column):
            time = series_time.many(column)
            continue
        numbers = _cells(column, comma=comma)
        if numbers is not None:
            kept.append(name)
            parsed.append(_narrow(numbers, name))
    if not parsed:
        raise refuse("wrong-format", f"no column holds numbers; the columns: {', '.join(map(_short, names[:8]))}")
    return Frame(tuple(kept), np.stack(parsed, 1), time)


def _is_time(name: str, column: Sequence[str]) -> bool:
    sample = column[:: max(1, len(column) // 50)][:50]
    if series_time.share_of_dates(sample) >= 0.8:
        return True
    return series_time.is_time_name(name) and bool(np.isfinite(series_time.many(sample)).mean() >= 0.8)


def _cells(column: list[str], *, comma: bool) -> NDArray[np.float64] | None:
    """Return a column's numbers, NaN for what is none; None if most of it is words."""
    if not any("_" in cell for cell in column):
        try:
            return np.array(column, dtype=object).astype(np.float64)
        except ValueError:
            pass
    found = np.array([_cell(cell, comma=comma) for cell in column], np.float64)
    words = sum(math.isnan(number) and cell.lower() not in _MISSING for number, cell in zip(found, column, strict=True))
    return None if words * 2 > len(column) else found


def _cell(cell: str, *, comma: bool) -> float:
    if comma:
        cell = cell.replace(",", ".", 1)
    return float(cell) if _NUMBER.match(cell) and len(cell) <= 400 else math.nan
