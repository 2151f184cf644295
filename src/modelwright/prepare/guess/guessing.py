"""Guessing a project from a path: what is the input, what is to be predicted, by which metric, and why.

Looks at names and the first rows only; neither numpy nor pyarrow is loaded (but for Parquet).
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelwright.errors import InputError
from modelwright.prepare.collect.base import Rejected, Settings
from modelwright.prepare.collect.classes import ClassFile
from modelwright.prepare.collect.delimited import NEEDS, Reader, Wanted, sniff
from modelwright.prepare.collect.table import TableSource
from modelwright.prepare.collect.typing_columns import MISSING, Tally
from modelwright.prepare.guess import drawings as guessing_drawings
from modelwright.prepare.guess import named as guessing_named
from modelwright.prepare.guess import series as guessing_series
from modelwright.prepare.guess import sounds as guessing_sounds
from modelwright.prepare.guess import texts as guessing_texts
from modelwright.prepare.guess import videos as guessing_videos
from modelwright.tasks.modalities.table.headers import distinct

_PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp")
_TABLES = (".csv", ".tsv", ".parquet", ".pq", ".data", ".csv.gz", ".tsv.gz", ".data.gz")
_SPLITS = frozenset({"train", "training", "test", "testing", "val", "valid", "validation"})
_ITS_NAME = "its name says so"
_LABELS = (
    "label", "labels", "tags", "target", "class", "y", "output", "outcome", "answer", "category", "survived", "quality",
    "species", "diagnosis", "income", "price", "median_house_value", "churn", "fraud", "result", "grade", "score",
    "type",
)  # fmt: skip
_ROWS = 5000
_LONGEST_TAG = 60
"""Characters of a tag; longer pieces between signs are sentences."""
_NUMBER_FROM = 20
"""Different whole numbers from which a column is a quantity and no class."""


@dataclass(frozen=True)
class Guess:
    """What a project for some data would be.

    Parameters
    ----------
    input, output
        The task.
    label
        The column to predict; None for folders.
    metric
        What to accept by.
    sources
        As the spec has them: ``[{"folder": path, option: value}]``.
    reasons
        Why, one line each.
    """

    input: str
    output: str
    label: str | None
    metric: str
    sources: list[dict[str, Any]]
    reasons: list[str] = field(default_factory=list)


def guess(path: str | os.PathLike[str]) -> Guess:
    """Look at a folder, an archive, a table or an export of annotations, and guess the task.

    Raises
    ------
    InputError
        No such path, an empty folder, or nothing that Modelwright reads.
    """
    path = Path(path)
    try:
        is_folder = path.is_dir()
        path.stat()
    except FileNotFoundError:
        raise InputError(f"there is nothing at {path}", code="no-such-path", hint="give a folder or a table") from None
    except OSError as error:
        raise InputError(f"{path} cannot be opened: {(error.strerror or '').lower()}", code="unreadable") from None
    try:
        return _guess(path, is_folder=is_folder)
    except RecursionError:  # os.walk calls itself for each folder in a folder
        raise InputError(
            f"{path} has folders in folders that are too deep to guess what is in them",
            code="too-deep",
            hint="write modelwright.yaml by hand, or give the folder that holds the data",
        ) from None


def _guess(path: Path, *, is_folder: bool) -> Guess:
    named = guessing_named.guess(path)
    if named is not None:
        reasons = [*named.reasons, "f1_macro counts every class alike, whatever its size"]
        return Guess(named.input, "category", None, "f1_macro", named.sources, reasons)
    films = guessing_videos.guess(path)
    if films is not None:
        reasons = [*films.reasons, "the frames of one recording stay in one split"]
        output, metric = ("category", "f1_macro") if films.classes else ("none", "")
        return Guess("video", output, None, metric, [{"video": str(path)}], reasons)
    sounds = guessing_sounds.guess(path)
    if sounds is not None:
        return _sounds(path, sounds)
    drawings = guessing_drawings.guess(path)
    if drawings is not None:
        source = {drawings.kind: str(path), **drawings.options}
        return Guess(drawings.input, drawings.output, None, drawings.metric, [source], list(drawings.reasons))
    recordings = guessing_series.guess(path)
    if recordings is not None:
        return _series(path, recordings)
    return _folder(path) if is_folder else _table(path, [path])


def _sounds(path: Path, found: guessing_sounds.Sounds) -> Guess:
    source = {found.kind: str(path), **found.options}
    if not found.labelled:
        return Guess("audio", "none", None, "", [source], list(found.reasons))
    reasons = [*found.reasons, "f1_macro counts every class alike, whatever its size"]
    return Guess("audio", "category", None, "f1_macro", [source], reasons)


def _series(path: Path, found: guessing_series.Recordings) -> Guess:
    reasons = [*found.reasons, "f1_macro counts every class alike, whatever its size"]
    source = {"series": str(path), **found.options}
    return Guess("series", "category", found.label, "f1_macro", [source], reasons)


def _folder(path: Path) -> Guess:
    try:
        entries = sorted(
            (entry for entry in os.scandir(path) if not entry.name.startswith(".")), key=lambda each: each.name
        )
    except OSError as error:
        raise InputError(f"{path} cannot be listed: {(error.strerror or '').lower()}", code="unreadable") from None
    folders = [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
    files = [entry for entry in entries if entry.is_file(follow_symlinks=False)]
    if not folders:
        tables = [Path(entry.path) for entry in files if entry.name.lower().endswith(_TABLES)]
        if tables:
            return _table(path, tables)
        if not files:
            raise InputError(
                f"the folder {path} is empty", code="empty-source", hint="put one folder a class in it, or a table"
            )
        raise InputError(
            f"the folder {path} has no class folders and no table; it holds {_some([entry.name for entry in files])}",
            code="no-classes",
            hint="one folder a class, with the pictures of the class in it",
        )
    return _class_folders(path, [Path(entry.path) for entry in folders])


def _class_folders(path: Path, folders: Sequence[Path]) -> Guess:
    options: dict[str, Any] = {}
    reasons = []
    level = 1
    names = [folder.name for folder in folders]
    if {name.lower() for name in names} <= _SPLITS:
        inner = sorted({each.name for folder in folders for each in folder.iterdir() if each.is_dir()})
        if inner:
            level, names = 2, inner
            options["level"] = 2
            reasons.append(
                f"the top folders are {_some([folder.name for folder in folders])}, so classes are the folders below"
            )
    endings = _endings(folders)
    pictures = Counter({ending: count for ending, count in endings.items() if ending in _PICTURES})
    if not pictures and guessing_texts.held_in(endings):
        reasons.append(f"texts in {len(names)} folders at depth {level}: each is a class ({_some(names)})")
        reasons.append("f1_macro counts every class alike, whatever its size")
        kept = [f"*{ending}" for ending in sorted(endings) if ending in guessing_texts.TEXTS]
        return Guess("text", "category", None, "f1_macro", [{"folder": str(path), **options, "files": kept}], reasons)
    if not pictures:
        found = ", ".join(f"{count} {ending or 'without ending'}" for ending, count in endings.most_common(4))
        raise InputError(
            f"the folders in {path} hold no pictures" + (f" but {found}" if found else ": they are empty"),
            code="empty-source",
            hint=f"pictures end in {', '.join(_PICTURES)}",
        )
    reasons.append(
        f"pictures in {len(names)} folder{'s' if len(names) != 1 else ''} at depth {level}: "
        f"each is a class ({_some(names)})"
    )
    masks = _masks(folders)
    if masks:
        options["files"] = [f"*{ending}" for ending in sorted(pictures) if ending != masks]
        reasons.append(
            f"nearly every picture has a {masks} of the same name beside it: those are taken as masks and left out"
        )
    reasons.append("f1_macro counts every class alike, whatever its size")
    return Guess("image", "category", None, "f1_macro", [{"folder": str(path), **options}], reasons)


def _endings(folders: Sequence[Path]) -> Counter[str]:
    endings: Counter[str] = Counter()
    for folder in folders:
        seen = 0
        for _, _, files in os.walk(folder):
            endings.update(os.path.splitext(name)[1].lower() for name in files if not name.startswith("."))  # noqa: PTH122
            seen += len(files)
            if seen > 2000:
                break
    return endings


def _masks(folders: Sequence[Path]) -> str:
    """Return ``.png`` if most ``.jpg`` have a ``.png`` of the same name beside them, or nothing."""
    photos = masks = both = 0
    for folder in folders:
        for _, _, files in os.walk(folder):
            stems = {os.path.splitext(name)[0] for name in files if name.lower().endswith((".jpg", ".jpeg"))}  # noqa: PTH122
            others = {os.path.splitext(name)[0] for name in files if name.lower().endswith(".png")}  # noqa: PTH122
            photos, masks, both = photos + len(stems), masks + len(others), both + len(stems & others)
    return ".png" if photos >= 2 and masks and both >= 0.9 * max(photos, masks) else ""


def _table(path: Path, files: Sequence[Path]) -> Guess:
    first = files[0]
    reasons = [f"{first.name} is a table"] if len(files) == 1 else [f"{len(files)} tables, the first is {first.name}"]
    tallies, values, headed = _look(first, reasons)
    texts, why_text = guessing_texts.text_columns(values)
    names = [tally.name for tally in tallies]
    candidates = guessing_texts.label_among(names, values, texts) if texts else names
    texts = texts if candidates else []
    label, why = _label(candidates or names, values, headed)
    if why != _ITS_NAME:
        label, why = _named(first, candidates or names, values) or (label, why)
    reasons.append(f"the column to predict is {label!r}: {why}")
    tally = next(each for each in tallies if each.name == label)
    output, why = _output(tally, values[label])
    reasons.append(why)
    metric = "mae" if output == "number" else "f1_macro"
    if output == "number":
        reasons.append("mae is the mean error in the units of the answer")
    else:
        reasons.append("f1_macro counts every class alike, whatever its size")
    # Beside a single table there may be notes in .txt, which a source of kind table would read as tables too.
    location = str(first if len(files) == 1 else path)
    if texts and label not in texts:
        reasons.append(why_text)
        return Guess("text", output, label, metric, [{"table": location, "text": texts}], reasons)
    return Guess("table", output, label, metric, [{"table": location}], reasons)


def _named(path: Path, names: Sequence[str], values: Mapping[str, Counter[str]]) -> tuple[str, str] | None:
    """Return the column whose numbers a file of class names beside the table fits, and why; None where none is."""
    file = ClassFile(None, Settings(location=str(path)), str(path))
    for name in names:
        found, said = file.fit(values[name])
        if found:
            return name, said
    return None


def _look(path: Path, reasons: list[str]) -> tuple[list[Tally], dict[str, Counter[str]], bool]:
    with path.open("rb") as file:
        parquet = file.read(4) == b"PAR1"
    if parquet:
        return _look_parquet(path)
    dialect = sniff(path, Wanted())
    reasons.extend(dialect.remarks)
    names, _ = distinct(dialect.names)
    tallies = [Tally(name) for name in names]
    values: dict[str, Counter[str]] = {name: Counter() for name in names}
    offset = 1 if dialect.index_column else 0
    rows = 0
    for entry in Reader(path, dialect):
        if isinstance(entry, Rejected) or len(entry[1]) != len(tallies) + offset:
            continue
        _count(tallies, values, entry[1][offset:])
        rows += 1
        if rows >= _ROWS:
            break
    if not rows:
        raise InputError(f"table {path} has no rows", code="empty-table", hint=NEEDS)
    return tallies, values, dialect.header


def _look_parquet(path: Path) -> tuple[list[Tally], dict[str, Counter[str]], bool]:
    source = TableSource(Settings(location=str(path)))
    names, rows = source.preview(path, _ROWS)
    tallies = [Tally(name) for name in names]
    values: dict[str, Counter[str]] = {name: Counter() for name in names}
    for row in rows:
        _count(tallies, values, ["" if row[name] is None else str(row[name]) for name in names])
    return tallies, values, True


def _count(tallies: Sequence[Tally], values: dict[str, Counter[str]], cells: Sequence[str]) -> None:
    for tally, cell in zip(tallies, cells, strict=True):
        cell = cell.strip()
        if cell in MISSING:
            tally.missing += 1
        else:
            tally.add(cell)
            values[tally.name][cell] += 1


def _label(names: Sequence[str], values: dict[str, Counter[str]], headed: bool) -> tuple[str, str]:
    if headed:
        lower = {re.sub(r"[^a-z]+", "_", name.lower()).strip("_"): name for name in names}
        for word in _LABELS:
            if word in lower and len(values[lower[word]]) > 1:
                return lower[word], _ITS_NAME
        for word, name in lower.items():
            if any(part in {"label", "target", "class"} for part in word.split("_")) and len(values[name]) > 1:
                return name, _ITS_NAME
    for name in reversed(names):
        if len(values[name]) > 1:
            return name, "it is the last column" if name == names[-1] else "it is the last column that is not constant"
    return names[-1], "it is the last column"


def _separator(values: Counter[str]) -> str:
    """Return the sign between the tags of a column of them, or nothing: few words must make up many cells."""
    total = sum(values.values())
    for sign in "|;":
        several = [value for value in values if sign in value]
        words = {word.strip() for value in values for word in value.split(sign)}
        often = sum(values[value] for value in several) >= 0.05 * total
        if often and len(words) <= max(3, 0.2 * total) and all(len(word) <= _LONGEST_TAG for word in words):
            return sign
    return ""


def _output(tally: Tally, values: Counter[str]) -> tuple[str, str]:
    kind = tally.type(".")
    different = len(values)
    sign = _separator(values)
    if kind == "text" and sign:
        return "tags", f"{tally.name!r} holds several words a row, between {sign!r}, so the output is tags"
    if kind == "text":
        return "category", f"{tally.name!r} holds {different} different words, so the output is a category"
    if kind == "integer" and different <= 2:
        return "category", f"{tally.name!r} has {different} different values, so the output is a category"
    if tally.name.lower() in {"quality", "score", "rating", "grade"} and different > 2:
        return "number", f"{tally.name!r} holds numbers in an order, so the output is a number"
    if kind == "integer" and different < _NUMBER_FROM and different * 10 <= tally.seen:
        return "category", f"{tally.name!r} has {different} different whole numbers, so the output is a category"
    return "number", f"{tally.name!r} holds {different} different numbers, so the output is a number"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
