"""Labels and groups of recordings in a file of their own: a table of names, or JSON with names or intervals."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelwright.errors import InputError
from modelwright.prepare.collect import typing_columns
from modelwright.prepare.collect.archive import cache_of
from modelwright.prepare.collect.base import Rejected, Settings, reason
from modelwright.prepare.collect.delimited import Reader, Wanted, sniff
from modelwright.prepare.collect.member_files import File, MemberFile
from modelwright.prepare.collect.rowmaking import some
from modelwright.prepare.collect.series_rows import is_packed
from modelwright.prepare.collect.typed import typed_file
from modelwright.store.packed import open_archive
from modelwright.store.sample_names import os_path, printable
from modelwright.tasks.modalities.series import time as series_time

INSIDE, OUTSIDE = "anomaly", "normal"
"""Labels that intervals give: of what lies inside one, and of the rest."""
_LARGEST = 64 << 20
_NAMES = ("file_name", "file", "path", "filename", "name", "id", "sequence", "sequence_id", "series", "recording")


@dataclass(frozen=True)
class Told:
    """What a file says about recordings: a text by name, or intervals of time."""

    shown: str
    by_name: Mapping[str, Any] = field(default_factory=dict)
    intervals: Mapping[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The names that it has something for."""
        return list(self.intervals or self.by_name)


def find(settings: Settings, name: str, where: str) -> File:
    """Return the file ``name``: in the archive that is the location, in the folder, or from the project's folder."""
    location = settings.path
    if is_packed(location):
        archive = open_archive(location, cache_of(settings))
        for member in archive.members():
            if printable(member.name) == name or member.name == os_path(name):
                return MemberFile(archive, member)
    for path in (location / name, location.parent / name, settings.root / name):
        if path.is_file():
            return path
    raise InputError(
        f"{where}: there is no file {name!r} in {location.name} or beside it",
        code="no-such-path",
        hint="give its path inside the archive or folder, or from the project's folder",
    )


def read(file: File, where: str, column: str | None, shown: str) -> Told:
    """Read what a file says.

    Parameters
    ----------
    column
        Column of a table with what is told; None: the first beside the names.

    Raises
    ------
    InputError
        If it is neither a table of at least two columns nor JSON of names.
    """
    name = file.name.lower()
    return _json(file, where, shown) if name.endswith(".json") else Told(shown, dict(_pairs(file, where, column)))


def _json(file: File, where: str, shown: str) -> Told:
    try:
        with file.open("rb") as opened:
            raw = opened.read(_LARGEST + 1)
        if len(raw) > _LARGEST:
            raise InputError(f"{where}: {shown} is larger than {_LARGEST:,} bytes", code="too-large")
        found = json.loads(raw)
    except OSError as error:
        raise InputError(f"{where}: {shown} cannot be read: {reason(error)}", code="unreadable") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: {shown} is no JSON: {str(error)[:100]}", code="corrupt") from None
    right = '{"file.csv": "label"}, or {"file.csv": [["from", "to"], …]}'
    if not isinstance(found, dict) or not found:
        raise InputError(f"{where}: {shown} must be an object such as {right}", code="wrong-format")
    if not any(isinstance(value, list) for value in found.values()):
        return Told(shown, {str(key): value for key, value in found.items()})
    return Told(
        shown, intervals={str(key): _spans(value, f"{where}: {shown}: {key!r}") for key, value in found.items()}
    )


def _spans(value: Any, where: str) -> tuple[tuple[float, float], ...]:
    """Return intervals in seconds; a single time is one that begins and ends there."""
    made = []
    for each in value if isinstance(value, list) else [value]:
        ends = each if isinstance(each, list) and len(each) == 2 else [each, each]
        begin, end = (series_time.seconds(moment) for moment in ends)
        if not (math.isfinite(begin) and math.isfinite(end)) or begin > end:
            raise InputError(
                f"{where} has {str(each)[:80]!r}, which is no time and no interval",
                code="wrong-format",
                hint='such as ["2014-01-27 14:20:00", "2014-01-29 13:30:00"]',
            )
        made.append((begin, end))
    return tuple(made)


def _pairs(file: File, where: str, column: str | None) -> Iterator[tuple[str, Any]]:
    names, rows = _table(file, where)
    if len(names) < 2:
        raise InputError(
            f"{where}: {file.name} has one column; it needs names and what is said of them", code="wrong-format"
        )
    plain = [name.lstrip("# ").strip().lower() for name in names]
    key = next((place for place, name in enumerate(plain) if name in _NAMES), 0)
    rest = [place for place in range(len(names)) if place != key]
    if column is None:
        value = rest[0]
    elif column in names:
        value = names.index(column)
    else:
        raise InputError(
            f"{where}: {file.name} has no column {column!r}; its columns: {some(names)}", code="missing-column"
        )
    for row in rows:
        name, said = row[key], row[value]
        if isinstance(name, float) and name.is_integer():
            name = int(name)
        if name is not None and str(name).strip():
            missing = said is None or str(said).strip() in typing_columns.MISSING
            yield str(name).strip(), None if missing else said


def _table(file: File, where: str) -> tuple[list[str], Iterator[Sequence[Any]]]:
    typed = typed_file(file, where)
    if typed is not None:
        names = list(typed.columns())
        rows = ([row.get(name) for name in names] for row in typed.rows(names) if not isinstance(row, Rejected))
        return names, rows
    dialect = sniff(file, Wanted())
    skip = 1 if dialect.index_column else 0
    cells = (
        [cell.strip() for cell in entry[1][skip:]]
        for entry in Reader(file, dialect)
        if not isinstance(entry, Rejected) and len(entry[1]) == len(dialect.names) + skip
    )
    return list(dialect.names), cells


def _number_at_end(shown: str) -> str:
    match = re.search(r"(\d+)$", shown.rpartition("/")[2].partition(".")[0])
    return str(int(match[1])) if match else ""


_KEYS = (
    ("their whole paths", lambda shown: shown),
    ("their names", lambda shown: shown.rpartition("/")[2]),
    ("their names without the ending", lambda shown: shown.rpartition("/")[2].partition(".")[0]),
    ("the number at the end of their names", _number_at_end),
)


class Joined:
    """Which recording a name in a file of labels is.

    Names are compared with whole paths, file names, names without ending, and the number at the end of a name; what
    finds most of them counts, and it must be unique.
    """

    def __init__(self, told: Told, files: Sequence[str]) -> None:
        self.told = told
        said = told.names
        best: dict[str, str] = {}
        self.how = _KEYS[0][0]
        for how, key in _KEYS:
            places: dict[str, list[str]] = {}
            for shown in files:
                places.setdefault(key(shown), []).append(shown)
            found = {}
            for name in said:
                wanted = str(int(name)) if name.isascii() and name.isdigit() else name.removeprefix("./")
                here = places.get(wanted, ())
                if wanted and len(here) == 1:
                    found[here[0]] = name
            if len(found) > len(best):
                best, self.how = found, how
        self._names = best
        self.unused = [name for name in said if name not in set(best.values())]

    def __contains__(self, shown: str) -> bool:
        return shown in self._names

    def of(self, shown: str) -> Any:
        """Return what is said of a recording, None where nothing is."""
        name = self._names.get(shown)
        return None if name is None else self.told.by_name.get(name)

    def intervals(self, shown: str) -> tuple[tuple[float, float], ...]:
        """Return the intervals of a recording."""
        return self.told.intervals.get(self._names.get(shown, ""), ())

    def matched(self) -> int:
        """Return the number of recordings that something is said of."""
        return len(self._names)


def joined(settings: Settings, name: str, where: str, column: str | None, files: Sequence[str]) -> Joined:
    """Read ``name`` and join it with the recordings.

    Raises
    ------
    InputError
        If it names none of them.
    """
    found = Joined(read(find(settings, name, where), where, column, name), files)
    if not found.matched():
        raise InputError(
            f"{where}: {name} names none of the recordings; it names {some(found.told.names)}, "
            f"they are {some(list(files))}",
            code="wrong-format",
            hint="its names must be paths, file names, or the numbers at the end of file names",
        )
    return found
