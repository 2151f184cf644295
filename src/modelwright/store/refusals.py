"""Inputs that a server refused because of the contract, counted: they are in no prediction log, and monitoring asks.

One JSON object a line in ``refusals/<target>.jsonl``, appended whole by the one server of the target, a line at most
every few seconds however many were refused; nothing of the inputs but a value or two of the columns at fault.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelwright.canonical import dumps
from modelwright.store.files import check_name, make_folders, storage_errors

EVERY = 5.0
"""Seconds between two lines at least."""
LARGEST = 8 << 20
"""Bytes from which a new server begins a new file; months of refusals."""
MOST_RULES = 200
"""Columns and rules counted in one line; of more, the first."""
MOST_SHOWN = 3
"""Values that are kept of each."""
_LINE = 1 << 20


@dataclass
class Refused:
    """What was refused between two lines, of one package.

    ``rules`` are counts by ``(column, code)``, ``found`` the first values of each, ``expected`` what would be right.
    """

    package: str
    time: int = 0
    """Nanoseconds since 1970 UTC, of the last one."""
    samples: int = 0
    rules: dict[tuple[str, str], int] = field(default_factory=dict)
    found: dict[tuple[str, str], list[Any]] = field(default_factory=dict)
    expected: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, findings: Sequence[Mapping[str, Any]]) -> None:
        """Count one sample by what is odd about it."""
        self.samples += 1
        for each in findings:
            rule = each["column"], each["code"]
            if rule not in self.rules and len(self.rules) >= MOST_RULES:
                continue
            self.rules[rule] = self.rules.get(rule, 0) + 1
            self.expected.setdefault(rule, each["expected"])
            shown = self.found.setdefault(rule, [])
            if len(shown) < MOST_SHOWN and each["found"] not in shown:
                shown.append(each["found"])

    def merge(self, other: Refused) -> None:
        """Count what another one counted."""
        self.time, self.samples = max(self.time, other.time), self.samples + other.samples
        for rule, count in other.rules.items():
            if rule in self.rules or len(self.rules) < MOST_RULES:
                self.rules[rule] = self.rules.get(rule, 0) + count
                self.expected.setdefault(rule, other.expected[rule])
                shown = self.found.setdefault(rule, [])
                shown += [each for each in other.found[rule] if each not in shown][: MOST_SHOWN - len(shown)]

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-ready.

        Examples
        --------
        >>> made = Refused("ab")
        >>> made.add([{"column": "x", "code": "out-of-range", "found": 9.0, "expected": "0 to 1"}])
        >>> Refused.from_dict(made.as_dict()) == made
        True
        """
        rules = [
            [column, code, count, self.expected[column, code], self.found[column, code]]
            for (column, code), count in self.rules.items()
        ]
        return {"package": self.package, "time": self.time, "samples": self.samples, "rules": rules}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Refused:
        """Restore what :meth:`as_dict` gave."""
        made = cls(saved["package"], saved["time"], saved["samples"])
        for column, code, count, expected, found in saved["rules"]:
            made.rules[column, code] = count
            made.expected[column, code] = expected
            made.found[column, code] = list(found)
        return made


class Refusals:
    """The lines of one target; one server appends, monitoring reads."""

    def __init__(self, root: Path, target: str) -> None:
        self._root = root
        self._path = root / "refusals" / f"{check_name(target, 'target')}.jsonl"

    def begin(self) -> None:
        """Begin a new file if the old one is large: for a server that starts."""
        with storage_errors("write", self._path):
            if self._path.is_file() and self._path.stat().st_size > LARGEST:
                self._path.unlink()

    def append(self, refused: Refused) -> None:
        """Append a line, whole.

        Raises
        ------
        StorageError
            If it cannot be written.
        """
        with storage_errors("write", self._path):
            make_folders(self._path.parent, self._root)
            place = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                os.write(place, dumps(refused.as_dict()) + b"\n")
            finally:
                os.close(place)

    def read(self, offset: int) -> Iterator[tuple[int, Refused]]:
        """Yield ``(offset behind it, what was refused)`` of each whole line from ``offset`` on; damaged ones are left.

        A file that has become shorter is read from its beginning.
        """
        with storage_errors("read", self._path):
            try:
                file = self._path.open("rb")
            except FileNotFoundError:
                return
            with file:
                if os.fstat(file.fileno()).st_size < offset:
                    offset = 0
                file.seek(offset)
                while line := file.readline(_LINE):
                    if not line.endswith(b"\n") and len(line) < _LINE:
                        return  # being written
                    offset += len(line)
                    try:
                        refused = Refused.from_dict(json.loads(line))
                    except (ValueError, KeyError, TypeError):
                        continue
                    yield offset, refused
