"""Source ``series``: recordings over time, one file each or in long tables, whole or cut into windows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from modelwright import canonical
from modelwright.errors import InputError
from modelwright.prepare.collect import series_labels, series_windows
from modelwright.prepare.collect.archive import ArchiveSource
from modelwright.prepare.collect.base import Item, Kept, Rejected, Settings, Survey, must_exist
from modelwright.prepare.collect.digesting import files_digest
from modelwright.prepare.collect.folder import FolderSource
from modelwright.prepare.collect.member_files import MemberFile
from modelwright.prepare.collect.options import Options
from modelwright.prepare.collect.series_rows import OPTIONS, Columns, Step, Steps, Table, is_address, is_packed
from modelwright.prepare.collect.series_windows import Cutting, Recording, Sequences, Tells

if TYPE_CHECKING:
    from modelwright.prepare.cache.index import Index

_FILES = ("*.csv", "*.tsv", "*.txt", "*.dat", "*.data", "*.json")
FEW = 5
"""Recordings below which windows are divided in stretches, not by recording."""


class SeriesSource:
    """Recordings: in files of their own, in a folder or an archive, or in long tables.

    Without ``window`` a sample is one recording: a file's bytes as they lie, or, where columns have to be chosen or
    told apart (``label``, ``sequence``, ``time``, ``ignore`` …), the canonical JSON of its channels. With ``window`` a
    sample is a stretch of a recording, as JSON. Labels come from a column (of the window's rows), from the folder, or
    from a file: a table of names and labels, or JSON with names and labels or names and intervals of time.

    Windows of one recording share a group. Where there are fewer than five recordings, stretches of ten windows do. In
    a split by time nothing is grouped; a window that reaches over a cut is in no split.
    """

    kind: ClassVar[str] = "series"
    option_names: ClassVar[Mapping[str, str]] = {
        "label": "column to predict, where it differs from the spec's 'label'",
        "labels": "file with the recordings' labels: a table (name, label), or JSON (names with labels or intervals)",
        "groups": "file with the recordings' groups: a table (name, group)",
        "group": "column whose equal values never straddle two splits",
        "files": "pattern, or list of patterns, that a file's name or path must match, such as 'valve*/*.csv'",
        "level": "depth of the folder whose name is the class, where no column and no file says it",
        "classes": "list of the class folders to use; default: all",
        "query": "the SELECT whose rows are the steps, where the location is a database's address",
        "timeout": "time in which that query has to give a row, such as 30s or 2h; default: 600s",
        "sequence": "column that says which recording a row belongs to",
        "time": "column of times; default: detected",
        "window": "steps of a window such as 60, or its length in time such as 30m; default: whole recordings",
        "step": "steps, or time, from one window to the next; default: as long as the window",
        "rule": "a window's label by its rows': end (default), any (any but the usual one), most, mean (of numbers)",
        "ahead": "steps, or time, behind the window's end where the label is read: a forecast",
        "gap": "longest step in time that a window may span, such as 10m; default: five usual steps",
        "delimiter": "character between columns; default: detected",
        "header": "true or false: whether the first row names the columns; default: detected",
        "columns": "list of column names, for files without a header",
        "encoding": "such as utf-8 or cp1252; default: detected",
        "decimal": "'.' or ','; default: detected",
        "missing": "list of cells that mean 'missing'",
        "ignore": "list of columns to leave out",
        "sheet": "sheet of an Excel workbook; default: the first",
    }

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        asked = Options(self.kind, settings)
        self._where = asked.where
        self._labels, self._groups = asked.text("labels"), asked.text("groups")
        self._column = asked.text("label") or settings.label
        self._sequence, self._time, self._group = (asked.text(key) for key in ("sequence", "time", "group"))
        self._sizes = {key: _size(asked, settings, key) for key in ("window", "step", "ahead", "gap")}
        self._rule = asked.text("rule")
        if self._rule is not None and self._rule not in series_windows.RULES:
            raise asked.bad("rule", f"one of {', '.join(series_windows.RULES)}")
        self._patterns = asked.texts("files")
        self._level = asked.whole("level", 1, 32)
        self._classes = asked.texts("classes")
        if self._sizes["window"] is None:
            for key in ("step", "ahead", "gap"):
                if self._sizes[key] is not None:
                    raise InputError(f"{self._where}: {key!r} goes with 'window'", code="bad-option")

    @cached_property
    def _whole_files(self) -> bool:
        """Whether a sample is a file as it lies."""
        options = self.settings.options
        if is_address(self.settings.location):
            return False
        if any(key in options for key in ("window", "sequence", "time", "group", *OPTIONS)):
            return False
        if self._column is not None and self._labels is None:
            return False
        return self.settings.path.is_dir() or is_packed(self.settings.path)

    @property
    def kept(self) -> Kept:
        """Files stay where they are; what is cut or put together is kept as rows."""
        return self._inner.kept if self._whole_files else "rows"

    @cached_property
    def _inner(self) -> FolderSource | ArchiveSource:
        patterns = [pattern.rpartition("/")[2] for pattern in self._patterns] or list(_FILES)
        options: dict[str, Any] = {"files": patterns}
        if self._level is not None:
            options["level"] = self._level
        if self._classes:
            options["classes"] = list(self._classes)
        return FolderSource(replace(self.settings, options=options))

    @cached_property
    def _steps(self) -> Steps:
        column = None if self._labels is not None else self._column
        columns = Columns(column, self._time, self._sequence, self._group, self._sizes["ahead"] is not None)
        return Steps(self.settings, columns, self._patterns, frozenset(self._aside()))

    def _aside(self) -> list[str]:
        return [name for name in (self._labels, self._groups) if name]

    def fingerprint(self, index: Index) -> str:
        """Return the digest of the recordings, and of the files of labels and groups."""
        self._must_exist()
        inner = self._inner if self._whole_files else self._steps
        parts = [inner.fingerprint(index)]
        aside = [series_labels.find(self.settings, name, self._where) for name in self._aside()]
        loose = [file for file in aside if not isinstance(file, MemberFile)]
        if loose:
            parts.append(files_digest(index, f"series-labels:{self.settings.path}", loose, self._where))
        return canonical.digest_value(parts)

    def _must_exist(self) -> None:
        if not is_address(self.settings.location):
            must_exist(self.settings.path, self._where)

    def survey(self) -> Survey:
        """Look through the files; of long tables the columns' types, times and usual steps are learned."""
        self._must_exist()
        if self._whole_files:
            return Survey(remarks=(*self._inner.survey().remarks, *self._said([item.path for item in self._members()])))
        found = self._steps.survey()
        files = self._steps.files()
        told = self._said([self._steps.shown(file) for file in files])
        timed = self._steps.known(files[0]).time is not None
        cut = series_windows.describe([self._cutting(file) for file in files], timed)
        return Survey(found.columns, (*found.remarks, *told, *cut))

    def _said(self, files: list[str]) -> list[str]:
        made = []
        for name, joined in (("labels", self._labelled(files)), ("groups", self._grouped(files))):
            if joined is not None:
                made.append(f"{name} are in {joined.told.shown}: recordings are found by {joined.how}")
        return made

    def _labelled(self, files: list[str]) -> series_labels.Joined | None:
        if self._labels is None:
            return None
        return series_labels.joined(self.settings, self._labels, self._where, self._column, files)

    def _grouped(self, files: list[str]) -> series_labels.Joined | None:
        if self._groups is None:
            return None
        return series_labels.joined(self.settings, self._groups, self._where, None, files)

    def items(self, columns: Mapping[str, str]) -> Iterator[Item | Rejected]:
        """Stream the samples."""
        if self._whole_files:
            yield from self._files_as_they_lie()
        else:
            yield from self._cut(columns)

    def _members(self) -> list[Item]:
        aside = set(self._aside())
        self._inner.survey()
        return [item for item in self._inner.items({}) if isinstance(item, Item) and item.path not in aside]

    def _files_as_they_lie(self) -> Iterator[Item | Rejected]:
        files = [item.path for item in self._members()]
        labelled, grouped = self._labelled(files), self._grouped(files)
        aside = set(self._aside())
        for item in self._inner.items({}):
            if isinstance(item, Rejected):
                yield item
                continue
            if item.path in aside:
                continue
            if labelled is not None and item.path not in labelled:
                words = f"{item.path} is not named in {labelled.told.shown}, and not used"
                yield Rejected(item.path, "unlisted-file", words, 0.3)
                continue
            label = item.label if labelled is None else labelled.of(item.path)
            group = None if grouped is None else grouped.of(item.path)
            yield replace(item, label=self._class(label), group=None if group is None else str(group))
        yield from self._not_there(labelled)

    def _not_there(self, labelled: series_labels.Joined | None) -> Iterator[Rejected]:
        for name in [] if labelled is None else labelled.unused[:1000]:
            words = f"{labelled.told.shown} names {name[:80]!r}, which is not there" if labelled is not None else ""
            yield Rejected(f"{self._labels}#{name[:80]}", "missing-file", words, 0.8)

    def _class(self, label: Any) -> Any:
        """Return a label as the target reads it; a class written as ``1.0`` is ``1``."""
        if self.settings.output != "category" or label is None:
            return label
        text = str(label).strip()
        try:
            figure = float(text)
        except ValueError:
            return text or None
        return str(int(figure)) if figure.is_integer() and "_" not in text else text

    def _cutting(self, file: Table) -> Cutting:
        known = self._steps.known(file)
        rows = {key: None if size is None else self._rows(key, size, known.usual) for key, size in self._sizes.items()}
        rule = self._rule or ("any" if self._by_interval else "end")
        window = rows["window"]
        return Cutting(
            window,
            rows["step"] or window or 1,
            rule,
            rows["ahead"] or 0,
            self._seconds("gap"),
            self._grouping(),
            self._usual(rule),
        )

    def _rows(self, key: str, size: str, usual: float) -> int | None:
        if key == "gap":
            return None
        found = series_windows.rows_of(size, usual)
        if found is None:
            raise InputError(
                f"{self._where}: {key} is {size!r}, a length of time, but no column of times was found",
                code="bad-option",
                hint="give a number of steps, or set 'time:'",
            )
        return found

    def _seconds(self, key: str) -> float | None:
        size = self._sizes[key]
        if size is None:
            return None
        return float(series_windows.rows_of(size, 1e-9) or 0) * 1e-9 if size[-1:].isalpha() else float(size)

    def _grouping(self) -> str | None:
        if self.settings.split_by == "time" or self.settings.split_group is not None:
            return None
        many = self._sequence is not None or self._groups is not None or self._group is not None
        return "recording" if many or len(self._steps.files()) >= FEW or self._sizes["window"] is None else "stretch"

    @cached_property
    def _by_interval(self) -> bool:
        """Whether labels are intervals of time."""
        joined = self._labelled([self._steps.shown(file) for file in self._steps.files()])
        return joined is not None and bool(joined.told.intervals)

    def _usual(self, rule: str) -> Any:
        """Return the most frequent label, where the rule passes over it."""
        if rule != "any":
            return None
        if self._labels is not None:
            return series_labels.OUTSIDE
        return self._most_frequent

    @cached_property
    def _most_frequent(self) -> Any:
        counts: Counter[Any] = Counter()
        for file in self._steps.files():
            for step in self._steps.steps(file, {}):
                if isinstance(step, Step) and step.label is not None:
                    counts[self._class(step.label)] += 1
        return max(counts, key=lambda label: (counts[label], str(label))) if counts else None

    def _cut(self, columns: Mapping[str, str]) -> Iterator[Item | Rejected]:
        steps = self._steps
        if not steps.surveyed:
            steps.survey()
        yield from steps.troubles
        files = steps.files()
        shown = [steps.shown(file) for file in files]
        labelled, grouped = self._labelled(shown), self._grouped(shown)
        passed: Counter[str] = Counter()
        tells = Tells(columns if self._sizes["ahead"] is None and self.settings.output == "category" else ())
        for file, name in zip(files, shown, strict=True):
            if labelled is not None and not labelled.told.intervals and name not in labelled:
                words = f"{name} is not named in {labelled.told.shown}, and not used"
                yield Rejected(name, "unlisted-file", words, 0.3)
                continue
            team = None if grouped is None else grouped.of(name)
            yield from self._of_file(file, name, columns, labelled, team, passed, tells)
        yield from tells.found()
        yield from self._not_there(labelled)

    def _of_file(
        self,
        file: Table,
        name: str,
        columns: Mapping[str, str],
        labelled: series_labels.Joined | None,
        team: Any,
        passed: Counter[str],
        tells: Tells,
    ) -> Iterator[Item | Rejected]:
        """Stream one file's samples; ``passed`` counts the rows of all, which stand for time where there is none."""
        cutting, usual = self._cutting(file), self._steps.known(file).usual
        open_ones = Sequences(cutting.window is None and self._sequence is not None)
        labels = _Labels(labelled, name, self._folder(name))
        own = self._column is not None and labelled is None
        offset = passed["rows"]
        for step in self._steps.steps(file, columns):
            if isinstance(step, Rejected):
                yield step
                continue
            passed["rows"] += 1
            key = step.sequence or ""
            recording = open_ones.get(key)
            if recording is None:
                whole = f"{name}/{key}" if self._sequence else name
                group = step.group if self._group else (None if team is None else str(team))
                recording = Recording(whole, list(columns), cutting, usual, group, offset)
                yield from open_ones.begin(key, recording)
            label = self._class(step.label if own else labels.of(step))
            tells.add(step.values, label if own else None)
            yield from recording.add(replace(step, label=label))
        yield from open_ones.end()

    def _folder(self, name: str) -> str | None:
        """Return the class by the folder, where labels come from nowhere else."""
        if self._column is not None or self._labels is not None:
            return None
        parts = name.split("/")
        level = self._level or 1
        return parts[level - 1] if len(parts) > level else None


class _Labels:
    """The label of a step that has none of its own: by its recording, its folder, or its time."""

    def __init__(self, joined: series_labels.Joined | None, name: str, folder: str | None) -> None:
        self._folder = folder
        self._spans: tuple[tuple[float, float], ...] = ()
        self._said: Any = None
        self._by_time = False
        if joined is not None:
            self._by_time = bool(joined.told.intervals)
            self._spans = joined.intervals(name)
            self._said = joined.of(name)

    def of(self, step: Step) -> Any:
        """Return the label."""
        if self._by_time:
            inside = any(begin <= step.time <= end for begin, end in self._spans)
            return series_labels.INSIDE if inside else series_labels.OUTSIDE
        return self._said if self._said is not None else self._folder


def _size(asked: Options, settings: Settings, key: str) -> str | None:
    value = settings.options.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int)) or series_windows.rows_of(value, 1.0) == 0:
        raise asked.bad(key, "a number of steps such as 60, or a length of time such as 30m")
    return str(value).strip()
