"""What may stand beside a source in ``modelwright.yaml``: other words for its kind, and the options of each."""

from __future__ import annotations

from collections.abc import Mapping

from modelwright.spec.values import Choice, Flag, ListOf, Number, Text, Type

ALIASES = {
    **dict.fromkeys(("csv", "tsv", "jsonl", "parquet", "arrow", "feather", "excel"), "table"),
    **dict.fromkeys(("zip", "tar"), "archive"),
    **dict.fromkeys(("idx", "npy", "npz"), "arrays"),
}
"""Other words for a kind of source."""

INPUTS = {"table": "table", "sql": "table", "series": "series"}
"""The input by the first source's kind, where the spec doesn't say it; of any other kind it is an image."""

_COLUMN = Text("a column's name")
_EVERY = Text("a length of time such as 200ms, 1s or 2m", r"[0-9]+(\.[0-9]+)?\s*(ms|s|m|h)?")
_SIZE = Text("a number of steps such as 60, or a length of time such as 30m", r"\d+(\.\d+)?\s*(ms|s|m|h|d|w)?")

SOURCE_OPTIONS: dict[str, Mapping[str, Type]] = {
    "folder": {
        "files": ListOf(Text("a pattern such as '*.jpg'")),
        "level": Number(1, 32, whole=True),
        "classes": ListOf(Text("a folder's name")),
        "label": Text("a regular expression"),
    },
    "table": {
        "label": _COLUMN,
        "labels": ListOf(_COLUMN, least=1),
        "classes": Text("a path, or none"),
        "delimiter": Text("a character, or one of comma, semicolon, tab"),
        "header": Flag(),
        "columns": ListOf(_COLUMN),
        "encoding": Text("an encoding such as utf-8 or cp1252"),
        "decimal": Choice((".", ",")),
        "missing": ListOf(Text("a text", empty=True)),
        "group": _COLUMN,
        "time": _COLUMN,
        "split": _COLUMN,
        "ignore": ListOf(_COLUMN),
        "text": ListOf(_COLUMN),
        "sheet": Text("a sheet's name"),
    },
    "archive": {
        "files": ListOf(Text("a pattern such as '*.jpg'")),
        "level": Number(1, 32, whole=True),
        "classes": ListOf(Text("a folder's name")),
        "label": Text("a regular expression"),
    },
    "arrays": {
        "labels": Text("a path, or the name of an array"),
        "images": Text("the name of an array"),
        "names": ListOf(Text("a class name")),
        "classes": Text("a path"),
    },
    "manifest": {
        "path": _COLUMN,
        "label": _COLUMN,
        "labels": ListOf(_COLUMN, least=1),
        "group": _COLUMN,
        "time": _COLUMN,
        "split": _COLUMN,
        "folder": Text("a path"),
        "names": ListOf(Text("a class name")),
        "classes": Text("a path"),
    },
    "sql": {
        "query": Text("a SELECT", lines=True),
        "label": _COLUMN,
        "missing": ListOf(Text("a text", empty=True)),
        "timeout": _EVERY,
        "group": _COLUMN,
        "time": _COLUMN,
        "split": _COLUMN,
        "ignore": ListOf(_COLUMN),
        "text": ListOf(_COLUMN),
    },
    "series": {
        "label": _COLUMN,
        "labels": Text("a path"),
        "groups": Text("a path"),
        "group": _COLUMN,
        "files": ListOf(Text("a pattern such as 'valve*/*.csv'")),
        "level": Number(1, 32, whole=True),
        "classes": ListOf(Text("a folder's name")),
        "query": Text("a SELECT", lines=True),
        "timeout": _EVERY,
        "sequence": _COLUMN,
        "time": _COLUMN,
        "window": _SIZE,
        "step": _SIZE,
        "rule": Choice(("end", "any", "most", "mean")),
        "ahead": _SIZE,
        "gap": _SIZE,
        "delimiter": Text("a character, or one of comma, semicolon, tab"),
        "header": Flag(),
        "columns": ListOf(_COLUMN),
        "encoding": Text("an encoding such as utf-8 or cp1252"),
        "decimal": Choice((".", ",")),
        "missing": ListOf(Text("a text", empty=True)),
        "ignore": ListOf(_COLUMN),
        "sheet": Text("a sheet's name"),
    },
    "coco": {"images": Text("a path"), "annotations": Text("a pattern such as 'instances_*.json'")},
    "voc": {"images": Text("a path"), "one_based": Flag()},
    "yolo": {"names": ListOf(Text("a class name")), "classes": Text("a path")},
    "pairs": {
        "masks": Text("a folder's name"),
        "suffix": Text("the end of a name, such as _mask"),
        "names": ListOf(Text("a class name")),
        "ignore": Number(0, 0xFFFFFF, whole=True),
        "threshold": Number(1, 255, whole=True),
    },
    "video": {
        "every": _EVERY,
        "change": Number(0.0, 1.0),
        "most": Number(1, 1_000_000, whole=True),
        "pixels": Number(1, 1_000_000_000, whole=True),
        "label": Text("a label"),
        "files": ListOf(Text("a pattern such as '*.mp4'")),
        "level": Number(1, 32, whole=True),
        "classes": ListOf(Text("a folder's name")),
    },
    "camera": {
        "every": _EVERY,
        "change": Number(0.0, 1.0),
        "label": Text("a label"),
        "frames": Number(1, 1_000_000, whole=True),
        "seconds": _EVERY,
        "timeout": _EVERY,
        "take": Number(1, 1_000_000, whole=True),
    },
    "log": {
        "labels": Choice(("feedback", "answers", "all")),
        "since": Text("a date such as 2026-03-01, or a time before now such as 7d"),
        "until": Text("a date such as 2026-03-01, or a time before now such as 7d"),
        "unsure": Number(0.0, 1.0),
        "sure": Number(0.0, 1.0),
        "most": Number(1, 10_000_000, whole=True),
    },
    "labelstudio": {"files": Text("a path"), "field": _COLUMN, "control": Text("the name of a labelling tag")},
    "feedback": {"sources": ListOf(Text("a word such as feedback or person"))},
}
"""Option keys of the built-in sources; those of a plug-in are checked by the plug-in."""
