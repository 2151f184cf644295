"""The steps of recordings, out of any tables: one row a step, with its time, label and sequence, in order."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import translate
from itertools import islice
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright import canonical
from modelwright.errors import InputError
from modelwright.prepare.collect import typing_columns
from modelwright.prepare.collect.archive import SYSTEM_FILES, cache_of
from modelwright.prepare.collect.base import Rejected, Settings, Survey, must_exist, printable
from modelwright.prepare.collect.delimited import Wanted
from modelwright.prepare.collect.digesting import files_digest
from modelwright.prepare.collect.member_files import File, MemberFile
from modelwright.prepare.collect.options import Options
from modelwright.prepare.collect.rowmaking import RowMaker, Strays, some, stray_issues
from modelwright.prepare.collect.series_table import Query, StepTable
from modelwright.prepare.collect.sql import SqlSource
from modelwright.store.packed import archive_kind, open_archive
from modelwright.tasks.modalities.series import time as series_time

if TYPE_CHECKING:
    from modelwright.prepare.cache.index import Index

TABLE_ENDINGS = tuple(
    (ending + packed).encode()
    for ending in (
        ".csv",
        ".tsv",
        ".txt",
        ".data",
        ".dat",
        ".jsonl",
        ".ndjson",
        ".parquet",
        ".pq",
        ".arrow",
        ".feather",
        ".xlsx",
    )
    for packed in ("", ".gz")
)
Table = File | Query
OPTIONS = ("delimiter", "header", "columns", "encoding", "decimal", "missing", "ignore", "sheet")
"""Options of tables that a series has too."""
_LOOKED = 2000
"""Rows of each file by which the column of times, the day's place in dates and the usual step are found."""


@dataclass(frozen=True)
class Columns:
    """Which columns are no channels, and what they are."""

    label: str | None = None
    time: str | None = None
    sequence: str | None = None
    group: str | None = None
    label_is_input: bool = False


@dataclass(frozen=True)
class Step:
    """One row."""

    values: Mapping[str, Any]
    time: float
    """Seconds, NaN where unknown."""
    label: Any
    sequence: str | None
    group: str | None


@dataclass(frozen=True)
class Recorded:
    """What is known of one file before it is streamed."""

    time: str | None
    day_first: bool
    usual: float
    """Usual step in seconds, NaN where unknown."""
    decimal: str
    names: tuple[str, ...]


class Steps:
    """The rows of all tables at one location: a file, a pattern, a folder of any depth, or an archive.

    Parameters
    ----------
    settings
        Of the source of series.
    columns
        Those that are no channels.
    files
        Patterns that a file's name, or its whole path inside, must match; none: all that look like tables.
    leave
        Paths inside that are no recordings: tables of labels and groups.
    """

    def __init__(
        self, settings: Settings, columns: Columns, files: Sequence[str] = (), leave: frozenset[str] = frozenset()
    ) -> None:
        self.settings, self._parts, self._leave = settings, columns, leave
        asked = Options("series", settings)
        self._where = asked.where
        self._ignore, self._sheet = asked.texts("ignore"), asked.text("sheet")
        self._missing = frozenset(asked.texts("missing") or typing_columns.MISSING) | {""}
        delimiter, header, self._decimal = (
            asked.text("delimiter"),
            settings.options.get("header"),
            asked.text("decimal"),
        )
        delimiter = {"\\t": "\t", "tab": "\t", "comma": ",", "semicolon": ";"}.get(delimiter or "", delimiter)
        if delimiter is not None and len(delimiter) != 1:
            raise asked.bad("delimiter", "one character")
        if header is not None and not isinstance(header, bool):
            raise asked.bad("header", "true or false")
        if self._decimal not in {None, ".", ","}:
            raise asked.bad("decimal", "'.' or ','")
        self._wanted = Wanted(delimiter, header, asked.text("encoding"), asked.texts("columns"))
        self._accept = re.compile("|".join(map(translate, files)), re.IGNORECASE) if files else None
        self._listed: list[Table] | None = None
        self._shown: dict[Table, str] = {}
        self._known: dict[Table, Recorded] = {}
        self._query: Query | None = None
        if is_address(settings.location):
            asked_of = {key: value for key, value in settings.options.items() if key in {"query", "missing", "timeout"}}
            self._query = Query(SqlSource(replace(settings, options=asked_of)))
        self.troubles: list[Rejected] = []
        self.surveyed = False

    def shown(self, path: Table) -> str:
        """Return a file's name inside the location."""
        return self._shown[path]

    def known(self, path: Table) -> Recorded:
        """Return what the survey found out about a file."""
        return self._known[path]

    def files(self) -> Sequence[Table]:
        """Return the recordings' files in order; after the survey, those that are usable."""
        if self._listed is None:
            found = list(self._found())
            self._shown = dict(found)
            self._listed = [file for file, shown in found if self._wants(shown)]
            if not self._listed:
                names = ", ".join(shown for _, shown in found[:6])
                raise InputError(
                    f"{self._where}: there is no table of steps" + (f" among {len(found)} ({names})" if found else ""),
                    code="empty-source",
                    hint="'files:' takes patterns such as '*.csv' or 'valve*/*.csv'",
                )
        return self._listed

    def _wants(self, shown: str) -> bool:
        if shown in self._leave:
            return False
        return self._accept is None or bool(self._accept.match(shown) or self._accept.match(shown.rpartition("/")[2]))

    def _found(self) -> Iterator[tuple[Table, str]]:
        if self._query is not None:
            yield self._query, self._query.name
            return
        path = self.settings.path
        if path.is_dir():
            yield from self._in_folder(path)
        elif not path.exists() and glob.has_magic(str(path)):
            for name in sorted(glob.glob(str(path))):  # noqa: PTH207 - absolute
                if Path(name).is_file():
                    yield Path(name), Path(name).name
        elif is_packed(path):
            yield from self._in_archive(path)
        else:
            yield path, path.name

    def _in_archive(self, path: Path) -> Iterator[tuple[File, str]]:
        archive = open_archive(path, cache_of(self.settings))
        found = []
        for member in archive.members():
            parts = member.name.split(b"/")
            if any(part[:1] in {b".", b"_"} or part in SYSTEM_FILES for part in parts):
                continue
            if not member.name.lower().endswith(TABLE_ENDINGS):
                continue
            shown = printable(member.name)
            if member.problem.startswith("too-large"):
                member = replace(member, problem="")  # it is streamed
            if member.problem:
                kind, _, words = member.problem.partition(": ")
                self.troubles.append(Rejected(shown, kind, f"{shown} {words}"))
                continue
            found.append((MemberFile(archive, member), shown))
        yield from sorted(found, key=lambda pair: pair[1])

    def _in_folder(self, root: Path) -> Iterator[tuple[File, str]]:
        top = os.fsencode(root)
        for folder, below, files in os.walk(top):
            below[:] = sorted(name for name in below if name[:1] not in {b".", b"_"} and name not in SYSTEM_FILES)
            for name in sorted(files):
                whole = os.path.join(folder, name)  # noqa: PTH118 - bytes
                path = Path(os.fsdecode(whole))
                if name[:1] == b"." or not name.lower().endswith(TABLE_ENDINGS) or path.is_symlink():
                    continue
                if path.is_file():
                    yield path, printable(os.path.relpath(whole, top))

    def fingerprint(self, index: Index) -> str:
        """Return the digest of the files' names and contents; of an archive its own."""
        if self._query is not None:
            return self._query.source.fingerprint(index)
        location = self.settings.path
        files = [file for file in self.files() if isinstance(file, Path)] or [location]
        names = [printable(os.fsencode(self._shown.get(file, file.name))) for file in files]
        return canonical.digest_value([files_digest(index, f"series:{location}", files, self._where), names])

    def _table(self, path: Table) -> StepTable:
        return StepTable(path, self._where, self._wanted, self._sheet, self._missing)

    def survey(self) -> Survey:
        """Read the files once for the channels' types; one of several that cannot be read is only a trouble."""
        remarks: list[str] = []
        types: dict[str, list[str]] = {}
        usable: list[Table] = []
        files = self.files()
        for path in files:
            shown = self.shown(path)
            try:
                found = self._look(path, remarks)
            except InputError as error:
                if len(files) == 1:
                    raise
                self.troubles.append(Rejected(shown, error.code, f"{shown}: {error.message}"))
                continue
            if self._parts.label is not None and self._parts.label not in found:
                words = f"{shown} has no column {self._parts.label!r}; nothing of it is used"
                self.troubles.append(Rejected(shown, "missing-label", words, 0.5, column=self._parts.label))
                continue
            usable.append(path)
            for name, kind in found.items():
                types.setdefault(name, []).append(kind)
        if not usable:
            first = self.troubles[0].message if self.troubles else "there is none"
            raise InputError(f"{self._where}: no file is usable; the first: {first}", code="empty-source")
        self._listed = usable
        self.surveyed = True
        return self._channels(types, remarks)

    def _look(self, path: Table, remarks: list[str]) -> dict[str, str]:
        """Learn a file's columns, which of them has the times and how they are written, and the usual step."""
        parts = self._parts
        table = self._table(path)
        found, decimal = table.columns(self._decimal)
        remarks.extend(table.remarks)
        for wanted, key in ((parts.sequence, "sequence"), (parts.group, "group"), (parts.time, "time")):
            if wanted is not None and wanted not in found:
                raise InputError(
                    f"{self._where}: {self.shown(path)} has no column {wanted!r}; its columns: {some(list(found))}",
                    code="missing-column",
                    hint=f"set '{key}:'",
                )
        rows = [row for row in islice(table.rows(), _LOOKED) if not isinstance(row, Rejected)]
        time = parts.time
        if time is None:
            free = [name for name in found if name not in {parts.label, parts.sequence, parts.group, *self._ignore}]
            time = next((name for name in free if _holds_times(name, [row.get(name) for row in rows])), None)
            if time is not None:
                remarks.append(f"the column of times is {time!r}: {_why(time)}")
        texts = [row.get(time) for row in rows] if time else []
        day_first = series_time.says_day_first(texts)
        keys = [row.get(parts.sequence) if parts.sequence else None for row in rows]
        usual = _usual_step([series_time.seconds(text, day_first=day_first) for text in texts], keys)
        self._known[path] = Recorded(time, day_first, usual, decimal, tuple(found))
        return found

    def _channels(self, types: Mapping[str, Sequence[str]], remarks: list[str]) -> Survey:
        parts = self._parts
        times = {known.time for known in self._known.values() if known.time}
        leave = {*self._ignore, parts.sequence, parts.group, *times}
        if not parts.label_is_input:
            leave.add(parts.label)
        widest = {name: typing_columns.widest(list(kinds)) for name, kinds in types.items() if name not in leave}
        words = [name for name, kind in widest.items() if kind == "text"]
        if words:
            remarks.append(f"columns of words are no channels: {some(words)}")
        remarks.extend(f"columns left out because the spec says so: {name}" for name in self._ignore)
        channels = {name: "number" for name, kind in widest.items() if kind != "text"}
        if not channels:
            raise InputError(
                f"{self._where}: no column of numbers is left; its columns: {some(list(types))}", code="no-columns"
            )
        return Survey(channels, tuple(together(remarks)))

    def steps(self, path: Table, channels: Mapping[str, str]) -> Iterator[Step | Rejected]:
        """Stream one file's steps, then what is wrong with some of its cells."""
        parts, known, shown = self._parts, self._known[path], self.shown(path)
        maker = RowMaker(None, None, self._missing, self._where)
        here = {name: kind for name, kind in channels.items() if name in known.names}
        strays: Strays = {}
        columns = [*here, *(name for name in (parts.label, known.time, parts.sequence, parts.group) if name)]
        for row in self._table(path).rows(list(dict.fromkeys(columns))):
            if isinstance(row, Rejected):
                yield replace(row, path=row.path.replace(path.name, shown, 1))
                continue
            moment = series_time.seconds(row.get(known.time), day_first=known.day_first) if known.time else nan
            sequence, group = (row.get(name) if name else None for name in (parts.sequence, parts.group))
            yield Step(
                maker.typed(row, here, known.decimal, strays),
                moment,
                row.get(parts.label) if parts.label else None,
                None if sequence is None else str(sequence),
                None if group is None else str(group),
            )
        yield from stray_issues(shown, strays)


def _usual_step(times: Sequence[float], keys: Sequence[Any]) -> float:
    """Return the usual step of times whose recordings are told apart by ``keys``."""
    from modelwright.tasks.modalities.series.measures import TimeTally

    tally = TimeTally()
    before: Any = None
    for moment, key in zip(times, keys, strict=False):
        if key != before:
            before = key
            tally.last = nan
        tally.add(moment)
    return tally.usual


def together(remarks: Sequence[str]) -> list[str]:
    """Return remarks about files, each once; what is said of more than three files is said of all at once.

    Examples
    --------
    >>> together(["a.csv: no header", "b.csv: no header", "c.csv: no header", "d.csv: no header", "d.csv: tabs"])
    ['4 files: no header', 'd.csv: tabs']
    """
    files: dict[str, list[str]] = {}
    for remark in remarks:
        name, colon, what = remark.partition(": ")
        names = files.setdefault(what if colon else remark, [])
        if colon and name not in names:
            names.append(name)
    made = []
    for what, names in files.items():
        if len(names) > 3:
            made.append(f"{len(names)} files: {what}")
        else:
            made.extend([f"{name}: {what}" for name in names] or [what])
    return made


def _holds_times(name: str, values: Sequence[Any]) -> bool:
    if series_time.share_of_dates(values) >= 0.8:
        return True
    return series_time.is_time_name(name) and _grows(values)


def _grows(values: Sequence[Any]) -> bool:
    times = series_time.many(values)
    steps = times[1:] - times[:-1]
    return bool(len(steps)) and bool((steps >= 0).mean() > 0.9)


def _why(name: str) -> str:
    return "its name says so" if series_time.is_time_name(name) else "it holds dates"


def is_address(location: str) -> bool:
    """Say whether a location is a database's address."""
    return location.partition(":")[0].partition("+")[0] in {"sqlite", "postgresql", "postgres"}


def is_packed(path: Path) -> bool:
    """Say whether a location is an archive."""
    must_exist(path, "source series")
    return path.is_file() and not path.name.lower().endswith((".xlsx", ".xlsm")) and bool(archive_kind(path))
