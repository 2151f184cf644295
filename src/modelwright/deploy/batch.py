"""Prediction for files: pictures, folders of them, and tables, answered in a stream.

Memory is bounded by one batch, whatever the number or size of files. A file or row that cannot be used is reported in
its place and the rest is answered.
"""

from __future__ import annotations

import codecs
import csv
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TextIO

from modelwright import canonical
from modelwright.errors import InputError
from modelwright.progress import SILENT, Progress
from modelwright.runtime.predictor import Predictor
from modelwright.tasks.modalities.table.headers import distinct

BATCH = 64
LARGEST_FILE = 256 << 20
"""Bytes of one picture; a table may be of any size."""
TABLES = (".csv", ".tsv")
DELIMITERS = ",;\t|"
MISSING = frozenset({"", "?", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "#N/A"})
"""Cells that mean "missing", as they do where a dataset is prepared, unless a spec says otherwise."""
LINES = (".jsonl", ".ndjson")
TEXT = "text"
"""Key, or column, that holds the text where several texts are in one file."""


@dataclass(frozen=True)
class Counts:
    """How many samples were answered, and how many could not be."""

    answered: int
    failed: int


@dataclass(frozen=True)
class _Item:
    source: str
    raw: bytes
    error: dict[str, str] | None = None


def predict_files(
    predictor: Predictor,
    paths: Sequence[Path],
    out: TextIO,
    *,
    layout: Literal["jsonl", "csv"] = "jsonl",
    progress: Progress = SILENT,
) -> Counts:
    """Answer every sample in ``paths`` and write one line each to ``out``, in order.

    Parameters
    ----------
    predictor
        An opened package.
    paths
        Files, or folders (walked in the order of names; hidden files left out). For tables: CSV, TSV, JSON lines. For
        texts: a text a file, or JSON lines, CSV and TSV with the key or column ``text``.
    out
        Where the lines go. ``jsonl``: ``{"input": where, …answer…}`` or ``{"input": where, "error": {…}}``; ``csv``:
        ``input``, the answer's plain fields, ``error``.

    Raises
    ------
    InputError
        If a path does not exist, before anything is answered.
    """
    write = _CsvLines(out, predictor) if layout == "csv" else _JsonLines(out)
    answered = failed = 0
    for source, answer in answer_files(predictor, paths, progress=progress):
        write.line(source, answer)
        good = "error" not in answer
        answered += good
        failed += not good
    out.flush()
    return Counts(answered, failed)


def answer_files(
    predictor: Predictor, paths: Sequence[Path], *, progress: Progress = SILENT
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield ``(where, answer)`` of every sample in ``paths``, in order; ``{"error": …}`` for what cannot be used.

    Raises
    ------
    InputError
        At the first answer asked for, if a path does not exist.
    """
    for path in paths:
        if not path.exists():
            raise InputError(f"no such file or folder: {path}", code="no-such-path")
    modality = predictor.manifest["task"]["modality"]
    columns = predictor.manifest["schema"]["input"].get("columns", ())
    kinds = {column["name"]: column["kind"] for column in columns}
    readers: dict[str, Callable[[Iterable[Path]], Iterator[_Item]]]
    readers = {"text": _texts, "table": partial(_rows, kinds=kinds)}
    items = readers.get(modality, _files)(paths)
    progress.begin("predictions", None)
    while batch := list(islice(items, BATCH)):
        for item, answer in zip(batch, _answers(predictor, batch), strict=True):
            yield item.source, answer
        progress.advance(len(batch))


def _answers(predictor: Predictor, batch: Sequence[_Item]) -> list[dict[str, Any]]:
    usable = [item.raw for item in batch if item.error is None]
    found = iter(predictor.predict(usable, on_error="report"))
    return [next(found) if item.error is None else {"error": item.error} for item in batch]


def _walk(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from _walk(sorted(child for child in path.iterdir() if not child.name.startswith(".")))
        else:
            yield path


def _failure(code: str, message: str) -> dict[str, str]:
    return {"code": code, "message": message, "hint": ""}


def _files(paths: Iterable[Path]) -> Iterator[_Item]:
    for path in _walk(paths):
        where = str(path)
        try:
            if not path.is_file():
                yield _Item(where, b"", _failure("not-a-file", "not a regular file"))
            elif path.stat().st_size > LARGEST_FILE:
                yield _Item(where, b"", _failure("too-large", f"larger than {LARGEST_FILE >> 20} MiB"))
            else:
                yield _Item(where, path.read_bytes())
        except OSError as error:
            yield _Item(where, b"", _failure("unreadable", error.strerror or "cannot be read"))


def _texts(paths: Iterable[Path]) -> Iterator[_Item]:
    """Yield a text a file; of JSON lines a text a line, of CSV and TSV with a column ``text`` a text a row."""
    for path in _walk(paths):
        suffix = path.suffix.lower()
        if suffix in LINES or (suffix in TABLES and _has_text_column(path)):
            for item in _rows([path], {TEXT: "category"}):
                yield item if item.error is not None else _text_of(item)
        else:
            yield from _files([path])


def _has_text_column(path: Path) -> bool:
    with suppress(OSError), path.open("rb") as file:
        head = file.readline(1 << 16).decode("utf-8-sig", "replace")
        return any(TEXT in [cell.strip().strip('"') for cell in head.split(sign)] for sign in DELIMITERS)
    return False


def _text_of(item: _Item) -> _Item:
    """Return the text in the JSON of one line or row: the JSON is a text, or an object with the key ``text``."""
    try:
        found = json.loads(item.raw)
    except (ValueError, RecursionError) as error:
        return _Item(item.source, b"", _failure("corrupt", f"not JSON: {str(error).splitlines()[0][:100]}"))
    text = found.get(TEXT) if isinstance(found, dict) else found
    if not isinstance(text, str):
        return _Item(item.source, b"", _failure("wrong-format", f"neither a text nor an object with the key {TEXT!r}"))
    return _Item(item.source, text.encode("utf-8", "replace"))


def _rows(paths: Iterable[Path], kinds: Mapping[str, str]) -> Iterator[_Item]:
    for path in _walk(paths):
        suffix = path.suffix.lower()
        try:
            if suffix in TABLES:
                yield from _delimited(path, kinds)
            elif suffix in LINES:
                yield from _json_lines(path)
            elif suffix == ".json":
                yield _Item(str(path), path.read_bytes())
            else:
                allowed = ", ".join((*TABLES, *LINES, ".json"))
                yield _Item(str(path), b"", _failure("wrong-format", f"not a table this reads: {allowed}"))
        except UnicodeDecodeError as error:
            yield _Item(str(path), b"", _failure("wrong-encoding", f"not UTF-8 at byte {error.start}"))
        except OSError as error:
            yield _Item(str(path), b"", _failure("unreadable", error.strerror or "cannot be read"))
        except csv.Error as error:
            yield _Item(str(path), b"", _failure("corrupt", f"not a table: {error}"))


def _delimited(path: Path, kinds: Mapping[str, str]) -> Iterator[_Item]:
    """Yield the rows of a CSV as JSON, cells of columns whose kind is ``number`` as numbers."""
    with path.open("rb") as opened:
        wide = opened.read(2) in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}
    with path.open(encoding="utf-16" if wide else "utf-8-sig", errors="modelwright-windows", newline="") as file:
        first = file.readline(1 << 16)
        delimiter = max(DELIMITERS, key=first.count)
        file.seek(0)
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        head = next(reader, None)
        if head is None:
            yield _Item(str(path), b"", _failure("empty", "the table is empty"))
            return
        head, _ = distinct([name.strip() for name in head])
        if kinds and not kinds.keys() & set(head):
            # Every cell would count as missing, and anything at all (a page, a picture) would get an answer.
            wanted = ", ".join(repr(name) for name in list(kinds)[:8])
            message = f"its first row names none of the columns that the model takes: {wanted}"
            yield _Item(str(path), b"", _failure("wrong-format", message))
            return
        for number, cells in enumerate(reader, 1):
            if not cells:
                continue
            where = f"{path}#{number}"
            if len(cells) != len(head):
                message = f"{len(cells)} cells; the header has {len(head)}"
                yield _Item(where, b"", _failure("ragged", message))
                continue
            row = {
                name: _value(cell.strip(), kinds.get(name) == "number") for name, cell in zip(head, cells, strict=True)
            }
            yield _Item(where, canonical.dumps(row))


def _as_windows(error: UnicodeError) -> tuple[str, int]:
    """Read what is not UTF-8 as Windows-1252, as it is where a dataset is prepared."""
    if not isinstance(error, UnicodeDecodeError) or error.encoding != "utf-8":
        raise error
    data = error.object[error.start : error.end]
    return data.decode("latin-1" if set(data) & {0x81, 0x8D, 0x8F, 0x90, 0x9D} else "cp1252"), error.end


codecs.register_error("modelwright-windows", _as_windows)


def _value(cell: str, number: bool) -> str | int | float | None:
    """Return what a cell says; a cell of a number column that is none stays text, and is refused when decoded."""
    if cell in MISSING:
        return None
    if number:
        with suppress(ValueError):
            return int(cell)
        with suppress(ValueError):
            figure = float(cell)
            return figure if math.isfinite(figure) else cell
    return cell


def _json_lines(path: Path) -> Iterator[_Item]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield _Item(f"{path}#{number}", line.strip())


class _JsonLines:
    def __init__(self, out: TextIO) -> None:
        self._out = out

    def line(self, source: str, answer: dict[str, Any]) -> None:
        self._out.write(json.dumps({"input": source, **answer}, ensure_ascii=False) + "\n")


class _CsvLines:
    """Plain fields only: what is nested (the score of every class) is in the JSON lines."""

    def __init__(self, out: TextIO, predictor: Predictor) -> None:
        fields = {"number": ["value", "low", "high"], "tags": ["tags"]}
        self._fields = fields.get(predictor.manifest["task"]["target"], ["label", "score"])
        self._writer = csv.writer(out)
        self._writer.writerow(["input", *self._fields, "error"])

    def line(self, source: str, answer: dict[str, Any]) -> None:
        error = answer.get("error", {}).get("message", "")
        cells = [_safe(source), *(_safe(_cell(answer.get(field, ""))) for field in self._fields), _safe(error)]
        self._writer.writerow(cells)


def _cell(value: Any) -> Any:
    """Return a list of tags as one text that reads back as them, also where a tag holds the sign between them."""
    if not isinstance(value, list):
        return value
    plain = all("|" not in each for each in value) and len(value) > 1
    return "|".join(value) if plain else json.dumps(value, ensure_ascii=False)


def _safe(value: Any) -> Any:
    """Keep a spreadsheet from taking a text for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"} else value
