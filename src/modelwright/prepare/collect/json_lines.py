"""JSON lines: one object a line."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from modelwright.errors import InputError
from modelwright.prepare.collect import typing_columns
from modelwright.prepare.collect.base import Rejected, reason
from modelwright.prepare.collect.delimited import LONGEST_LINE, open_bytes
from modelwright.prepare.collect.member_files import File
from modelwright.prepare.collect.typed import tallied

_WIDEST = 2**63
MOST_LISTS = 1000
"""Columns of lists that are told apart."""


class JsonLines:
    """A ``.jsonl`` or ``.ndjson`` file, or gzipped.

    Nested values are left out, but for lists of plain ones in a column that is asked for by name. Lines that are no
    object are issues.
    """

    def __init__(self, path: File, where: str) -> None:
        self._path, self._where = path, where
        self._lists: dict[str, None] = {}
        self._looked = False

    def columns(self) -> dict[str, str]:
        """Return the columns of all lines."""
        types, count = tallied(self.rows(()), frozenset(typing_columns.MISSING), f"{self._where}: {self._path}")
        if not count:
            raise InputError(
                f"{self._where}: {self._path} holds no JSON object", code="empty-table", hint="one object a line"
            )
        return types

    def lists(self) -> list[str]:
        """Return the columns that held a list in some line, as far as the file was read."""
        if not self._looked:
            for _ in self.rows(()):
                continue
        return list(self._lists)

    def rows(self, columns: Sequence[str]) -> Iterator[Mapping[str, Any] | Rejected]:
        """Stream the lines with all their plain values; lists only of ``columns``."""
        wanted = frozenset(columns)
        number = 0
        try:
            with open_bytes(self._path) as file:
                while line := file.readline(LONGEST_LINE):
                    number += 1
                    if len(line) >= LONGEST_LINE and not line.endswith(b"\n"):
                        yield self._wrong(number, "too-large", f"is longer than {LONGEST_LINE} bytes")
                        while (piece := file.readline(LONGEST_LINE)) and not piece.endswith(b"\n"):
                            continue
                        continue
                    if line.strip():
                        yield self._row(line, number, wanted)
            self._looked = True
        except (EOFError, zlib.error) as error:
            yield self._wrong(number + 1, "corrupt", f"cannot be unpacked ({error}); what came before is used")
        except OSError as error:
            raise InputError(
                f"{self._where}: {self._path} cannot be read: {reason(error)}", code="unreadable"
            ) from None

    def _row(self, line: bytes, number: int, wanted: frozenset[str]) -> Mapping[str, Any] | Rejected:
        try:
            found = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
        except UnicodeDecodeError:
            return self._wrong(number, "mixed-encoding", "is not UTF-8")
        except (ValueError, RecursionError) as error:
            return self._wrong(number, "corrupt", f"is no JSON: {str(error)[:80]}")
        if not isinstance(found, dict):
            return self._wrong(number, "ragged-row", f"holds {_words(found)}, not an object")
        row: dict[str, Any] = {}
        for name, value in found.items():
            if not isinstance(value, (dict, list)):
                row[clean(name)] = plain(value)
            elif isinstance(value, list):
                if len(self._lists) < MOST_LISTS:
                    self._lists.setdefault(clean(name))
                if name in wanted and not any(isinstance(each, (dict, list)) for each in value):
                    row[clean(name)] = [plain(each) for each in value]
        return row

    def _wrong(self, number: int, kind: str, what: str) -> Rejected:
        name = self._path.name
        return Rejected(f"{name}#line{number}", kind, f"{name} line {number} {what}", evidence={"line": number})


def plain(value: Any) -> Any:
    """Return a JSON value as a cell: whole numbers beyond 64 bits as floats, no lone surrogates."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, int) and not isinstance(value, bool) and not -_WIDEST <= value < _WIDEST:
        try:
            return float(value)
        except OverflowError:
            return None
    return value


def clean(text: str) -> str:
    """Return a text that can be stored as UTF-8: lone surrogates are replaced.

    Examples
    --------
    >>> clean("a\\ud800b")
    'a?b'
    """
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _words(value: Any) -> str:
    return {list: "a list", str: "a text", type(None): "null", bool: "true or false"}.get(type(value), "a number")
