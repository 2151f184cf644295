"""The steps of recordings, out of any tables: one row a step, with its time, label and sequence, in order."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import translate
from itertools import islice
from pathlib import Path
from typing import Any

from modelwright.errors import InputError
from modelwright.prepare.collect import typing_columns
from modelwright.prepare.collect.archive import SYSTEM_FILES
from modelwright.prepare.collect.base import Item, Rejected, Settings, Survey, must_exist, printable
from modelwright.prepare.collect.member_files import File
from modelwright.prepare.collect.rowmaking import RowMaker, Strays, some
from modelwright.prepare.collect.table import TableSource
from modelwright.prepare.collect.typed import typed_file
from modelwright.store.packed import archive_kind
from modelwright.tasks.modalities import series_time
from modelwright.tasks.modalities.series_measures import TimeTally

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
    labelled: bool
    names: tuple[str, ...]


class _StepMaker(RowMaker):
    """Makes steps: the label may be missing in a file, and the JSON of each row is not wanted."""

    def check_columns(self, table: str, names: Sequence[str]) -> None:
        if self._group is not None and self._group not in names:
            raise InputError(
                f"{self._where}: {table} has no column {self._group!r}; its columns: {some(names)}",
                code="missing-column",
                hint="set 'sequence:'",
            )

    def item(self, path: str, row: Mapping[str, Any], columns: Mapping[str, str], decimal: str, strays: Strays) -> Item:
        typed = self.typed(row, columns, decimal, strays)
        label = row.get(self._label) if self._label else None
        return Item(path, label, raw=b"", row=typed, time=row.get(self._time) if self._time else None)


class Steps(TableSource):
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
        options = {key: value for key, value in settings.options.items() if key in OPTIONS}
        super().__init__(replace(settings, options=options, label=None))
        self._where = f"source 'series: {settings.location}'"
        self._parts = columns
        self._label = columns.label
        self._accept = re.compile("|".join(map(translate, files)), re.IGNORECASE) if files else None
        self._leave = leave
        self._shown: dict[File, str] = {}
        self._known: dict[File, Recorded] = {}
        self.troubles: list[Rejected] = []
        self.surveyed = False
        self._maker(columns.time)

    def _maker(self, time: str | None) -> None:
        parts = self._parts
        self._rows = _StepMaker(parts.label, parts.sequence, self._missing, self._where, time=time)

    def shown(self, path: File) -> str:
        """Return a file's name inside the location."""
        return self._shown.get(path, path.name)

    def files(self) -> Sequence[File]:
        """Return the recordings' files in order."""
        return self._files()

    def _files(self) -> Sequence[File]:
        if self._members is not None:
            return self._members
        path = self.settings.path
        found = self._in_folder(path) if path.is_dir() else list(super()._files())
        self._shown.update({each: each.name for each in found if each not in self._shown})
        wanted = [each for each in found if self._wants(self._shown[each])]
        if not wanted:
            names = ", ".join(self._shown[each] for each in found[:6])
            raise InputError(
                f"{self._where}: no table is left of {len(found)} ({names})",
                code="empty-source",
                hint="'files:' takes patterns such as '*.csv' or 'valve*/*.csv'",
            )
        self._members = wanted
        return wanted

    def _wants(self, shown: str) -> bool:
        if shown in self._leave:
            return False
        return self._accept is None or bool(self._accept.match(shown) or self._accept.match(shown.rpartition("/")[2]))

    def _in_folder(self, root: Path) -> list[File]:
        found: list[File] = []
        top = os.fsencode(root)
        for folder, below, files in os.walk(top):
            below[:] = sorted(name for name in below if name[:1] not in {b".", b"_"} and name not in SYSTEM_FILES)
            for name in sorted(files):
                inside = os.path.relpath(os.path.join(folder, name), top)  # noqa: PTH118 - bytes
                path = Path(os.fsdecode(os.path.join(folder, name)))  # noqa: PTH118 - bytes
                if name[:1] == b"." or not name.lower().endswith(table_endings()) or path.is_symlink():
                    continue
                if path.is_file():
                    self._shown[path] = printable(inside)
                    found.append(path)
        if not found:
            raise InputError(f"{self._where}: the folder {root} holds no table", code="empty-source")
        return found

    def survey(self) -> Survey:
        """Read the files once for the channels' types; one of several that cannot be read is only a trouble."""
        remarks: list[str] = []
        types: dict[str, list[str]] = {}
        parts = self._parts
        usable: list[File] = []
        files = self.files()
        for path in files:
            try:
                found = self._types(path, remarks)
                self._known[path] = self._look(path, found, remarks)
            except InputError as error:
                if len(files) == 1:
                    raise
                shown = self.shown(path)
                self.troubles.append(Rejected(shown, error.code, f"{shown}: {error.message}", 0.8))
                continue
            if parts.label is not None and not self._known[path].labelled:
                shown = self.shown(path)
                words = f"{shown} has no column {parts.label!r}; nothing of it is used"
                self.troubles.append(Rejected(shown, "missing-label", words, 0.5, column=parts.label))
                continue
            usable.append(path)
            for name, kind in found.items():
                types.setdefault(name, []).append(kind)
        if not usable:
            first = self.troubles[0].message if self.troubles else "there is none"
            raise InputError(f"{self._where}: no file is usable; the first: {first}", code="empty-source")
        self._members = usable
        self.surveyed = True
        return self._channels(types, remarks)

    def _types(self, path: File, remarks: list[str]) -> dict[str, str]:
        typed = typed_file(path, self._where, self._sheet)
        found = self._survey_text(path, remarks) if typed is None else typed.columns()
        self._rows.check_columns(self.shown(path), list(found))
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

    def _look(self, path: File, types: Mapping[str, str], remarks: list[str]) -> Recorded:
        """Find the column of times, how it is written, and the usual step, from the first rows."""
        parts = self._parts
        names = tuple(types)
        self._maker(None)
        as_text = dict.fromkeys(names, "text")
        rows = [item.row or {} for item in islice(self._plain(path, as_text), _LOOKED)]
        time = parts.time
        if time is None:
            time = next((name for name in names if _holds_times(name, [row[name] for row in rows])), None)
            if time is not None:
                remarks.append(f"the column of times is {time!r}: {_why(time)}")
        elif time not in names:
            raise InputError(
                f"{self._where}: {self.shown(path)} has no column {time!r}; its columns: {some(names)}",
                code="missing-column",
                hint="set 'time:'",
            )
        texts = [row.get(time) for row in rows] if time else []
        day_first = series_time.says_day_first(texts)
        tally = TimeTally()
        before = None
        for row, text in zip(rows, texts, strict=False):
            key = row.get(parts.sequence) if parts.sequence else None
            if key != before:
                before = key
                tally.last = float("nan")
            tally.add(series_time.seconds(text, day_first=day_first))
        labelled = parts.label is None or parts.label in names
        return Recorded(time, day_first, tally.usual, labelled, names)

    def known(self, path: File) -> Recorded:
        """Return what the survey found out about a file."""
        return self._known[path]

    def _plain(self, path: File, columns: Mapping[str, str]) -> Iterator[Item]:
        for item in self._of(path, columns):
            if isinstance(item, Item):
                yield item

    def _of(self, path: File, columns: Mapping[str, str]) -> Iterator[Item | Rejected]:
        typed = typed_file(path, self._where, self._sheet)
        if typed is not None:
            yield from self._typed_items(path, typed, columns)
            return
        if path not in self._dialects:
            self._survey_text(path, [])
        yield from self._text_items(path, columns)

    def steps(self, path: File, channels: Mapping[str, str]) -> Iterator[Step | Rejected]:
        """Stream one file's steps, and what is wrong with single rows."""
        parts, known, shown = self._parts, self._known[path], self.shown(path)
        self._maker(known.time)
        extra = dict.fromkeys((name for name in (parts.sequence, parts.group) if name), "text")
        wanted = {name: kind for name, kind in channels.items() if name in known.names}
        for item in self._of(path, {**wanted, **extra}):
            if isinstance(item, Rejected):
                yield replace(item, path=item.path.replace(path.name, shown, 1))
                continue
            row = dict(item.row or {})
            sequence = row.pop(parts.sequence, None) if parts.sequence else None
            group = row.pop(parts.group, None) if parts.group else None
            moment = series_time.seconds(item.time, day_first=known.day_first) if known.time else float("nan")
            yield Step(row, moment, item.label, sequence, group)


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


def table_endings() -> tuple[bytes, ...]:
    """Return the endings of files that are tables."""
    from modelwright.prepare.collect.table import _ENDINGS

    return tuple(ending.encode() for ending in _ENDINGS)


def is_packed(path: Path) -> bool:
    """Say whether a location is an archive."""
    must_exist(path, "source series")
    return path.is_file() and not path.name.lower().endswith((".xlsx", ".xlsm")) and bool(archive_kind(path))
