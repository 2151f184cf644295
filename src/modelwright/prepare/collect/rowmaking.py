"""From a row of any table to a sample: typed cells, label, group, and the canonical JSON that production would send."""

from __future__ import annotations

import datetime as dt
import decimal as decimals
import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from modelwright import canonical
from modelwright.errors import InputError
from modelwright.prepare.collect import typing_columns
from modelwright.prepare.collect.base import Item, Rejected
from modelwright.prepare.collect.classes import named
from modelwright.tasks.limits import FLOAT32_MAX

Strays = dict[str, dict[str, int]]
"""Column of numbers to the cells in it that are none, with their counts."""


_SET = {
    "the column to predict": "set 'label:' in modelwright.yaml",
    "the group column": "set 'split.group' in modelwright.yaml",
    "the column with the time": "set 'split.time' in modelwright.yaml",
    "the column with the split": "set 'split.column' in modelwright.yaml",
}


class RowMaker:
    """Makes samples of rows.

    Parameters
    ----------
    label, group
        Columns that are no input.
    missing
        Cells that mean "missing".
    where
        The source, for messages.
    time
        Column with the sample's time; an input too.
    split
        Column with the sample's split, no input.
    flags
        Columns that are a tag each, 0 or 1; in place of ``label``.
    unlabelled
        Nothing is to be predicted: no label is missed, and a column named as one is no input.
    """

    def __init__(
        self,
        label: str | None,
        group: str | None,
        missing: frozenset[str],
        where: str,
        *,
        time: str | None = None,
        split: str | None = None,
        flags: Sequence[str] = (),
        unlabelled: bool = False,
    ) -> None:
        self._label, self._group, self._missing, self._where = label, group, missing, where
        self._flags = tuple(flags)
        if self._flags:
            self._label = None
        self._time, self._split = time, split
        self._unlabelled = unlabelled
        self.classes: Mapping[str, str] = {}
        """Names of labels that are numbers."""

    @property
    def flags(self) -> tuple[str, ...]:
        """The columns that are a tag each, in place of a label."""
        return self._flags

    @property
    def roles(self) -> dict[str, str | None]:
        """The columns that are something else than an input (the time is that too), by what they are."""
        return {"label": self._label, "group": self._group, "time": self._time, "split": self._split}

    @property
    def named(self) -> tuple[str, ...]:
        """The columns that are read besides the inputs."""
        return tuple(name for name in (self._label, *self._flags, self._group, self._time, self._split) if name)

    @property
    def no_inputs(self) -> frozenset[str]:
        """The columns that are no input."""
        return frozenset(name for name in (self._label, *self._flags, self._group, self._split) if name)

    def check_columns(self, table: str, names: Sequence[str]) -> None:
        """Raise an :class:`InputError` if the label or the group is no column."""
        for wanted, what in (
            (self._label, "the column to predict"),
            (self._group, "the group column"),
            (self._time, "the column with the time"),
            (self._split, "the column with the split"),
            *((name, "a column of 'labels'") for name in self._flags),
        ):
            if wanted is not None and wanted not in names:
                near = difflib.get_close_matches(wanted, names, 1, 0.5)
                raise InputError(
                    f"table {table}: {what}, {wanted!r}, is not there; its columns: {some(names)}",
                    code="missing-column",
                    hint=f"did you mean {near[0]!r}?" if near else _SET.get(what, ""),
                )
        if self._label is None and not self._flags and not self._unlabelled:
            short = table.rpartition("/")[2]
            raise InputError(
                f"{self._where}: the spec doesn't say which column to predict; columns of {short}: {some(names)}",
                code="missing-label",
                hint="set 'label:' in modelwright.yaml",
            )

    def typed(self, row: Mapping[str, Any], columns: Mapping[str, str], decimal: str, strays: Strays) -> dict[str, Any]:
        """Return the cells by type; those that are no numbers where numbers are wanted are counted in ``strays``."""
        typed: dict[str, Any] = {}
        for name, kind in columns.items():
            value = row.get(name)
            if isinstance(value, list):
                value = None  # a list is a label at most
            if value is None or kind == "text":
                typed[name] = None if value is None else str(value)
                continue
            if isinstance(value, str):
                parsed = typing_columns.number(value, kind == "integer", decimal)
                if parsed is None:
                    count_stray(strays, name, value)
                value = parsed
            elif isinstance(value, float) and abs(value) > FLOAT32_MAX:
                count_stray(strays, name, str(value))
                value = None
            typed[name] = float(value) if kind == "number" and value is not None else value
        return typed

    def item(self, path: str, row: Mapping[str, Any], columns: Mapping[str, str], decimal: str, strays: Strays) -> Item:
        """Return a row as a sample; see :meth:`typed`."""
        typed = self.typed(row, columns, decimal, strays)
        group = row.get(self._group) if self._group else None
        label: Any = named(row.get(self._label), self.classes) if self._label else None
        if self._flags:
            label = {name: row.get(name) for name in self._flags}
        return Item(
            path,
            label,
            None if group is None else str(group),
            raw=canonical.dumps(typed),
            row=typed,
            time=row.get(self._time) if self._time and self._time not in columns else None,
            split=_text(row.get(self._split)) if self._split else None,
        )

    def plain(self, value: Any) -> Any:
        """Return a typed cell as a row has it: None for what means "missing", dates as ISO 8601."""
        if isinstance(value, str):
            value = value.strip()
            return None if value in self._missing else value
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, float) and (value != value or value in {float("inf"), float("-inf")}):  # noqa: PLR0124 - NaN
            return None
        if isinstance(value, decimals.Decimal):
            return float(value) if value.is_finite() else None
        if isinstance(value, (dt.date, dt.time)):
            return value.isoformat()
        if isinstance(value, bytes):
            return value.decode("utf-8", "backslashreplace")
        return value


def count_stray(strays: Strays, column: str, word: str) -> None:
    """Count a cell that is no number; of the words, twenty are kept."""
    words = strays.setdefault(column, {})
    if len(words) < 20 or word in words:
        words[word] = words.get(word, 0) + 1


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def stray_issues(name: str, strays: Mapping[str, Mapping[str, int]]) -> Iterator[Rejected]:
    """Yield one issue a column of numbers with cells that are none."""
    for column, words in strays.items():
        yield Rejected(
            name,
            "type-mix",
            f"{name}: column {column!r} holds numbers, but {sum(words.values())} cells are none "
            f"({some(list(words))}); they are taken as missing",
            0.4,
            {"cells": dict(words)},
            column,
        )


def some(names: Sequence[str]) -> str:
    """Return up to twelve names in words."""
    shown = ", ".join(repr(name[:40]) for name in names[:12])
    return shown if len(names) <= 12 else f"{shown} and {len(names) - 12} more"
