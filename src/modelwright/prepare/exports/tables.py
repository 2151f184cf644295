"""A dataset as a table: CSV, TSV, JSON lines, Parquet, Arrow, Excel or SQLite; files lie beside it, named in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from modelwright.errors import InputError
from modelwright.prepare.exports import rows as writers
from modelwright.prepare.exports.plain import files_of, grouped, make_export
from modelwright.spec.model import Source
from modelwright.store.dataset import SPLITS, Dataset

Writer = Callable[[Path, writers.Types], AbstractContextManager[writers.Put]]
_BY_ENDING: dict[str, Writer] = {
    "csv": writers.csv_rows,
    "tsv": writers.tsv_rows,
    "jsonl": writers.json_rows,
    "parquet": writers.parquet_rows,
    "arrow": writers.arrow_rows,
    "xlsx": writers.excel_rows,
    "sqlite": writers.sqlite_rows,
}
_TYPED = ("parquet", "arrow", "sqlite")
"""What says itself which columns are texts."""


def export_csv(dataset: Dataset, destination: Path) -> Path:
    """Write a dataset as ``data.csv``, pictures as files that it names."""
    return _table(dataset, destination, "csv")


def export_tsv(dataset: Dataset, destination: Path) -> Path:
    """Write a dataset as ``data.tsv``, pictures as files that it names."""
    return _table(dataset, destination, "tsv")


def export_jsonl(dataset: Dataset, destination: Path) -> Path:
    """Write a dataset as ``data.jsonl``, pictures as files that it names."""
    return _table(dataset, destination, "jsonl")


def export_parquet(dataset: Dataset, destination: Path) -> Path:
    """Write a dataset as ``data.parquet``, pictures as files that it names."""
    return _table(dataset, destination, "parquet")


def export_arrow(dataset: Dataset, destination: Path) -> Path:
    """Write a dataset as ``data.arrow``, pictures as files that it names."""
    return _table(dataset, destination, "arrow")


def export_excel(dataset: Dataset, destination: Path) -> Path:
    """Write a dataset of rows as ``data.xlsx`` (extra ``excel``)."""
    return _table(dataset, destination, "xlsx")


def export_sqlite(dataset: Dataset, destination: Path) -> Path:
    """Write a dataset of rows as the table ``samples`` of ``data.sqlite``."""
    return _table(dataset, destination, "sqlite")


def export_huggingface(dataset: Dataset, destination: Path) -> Path:
    """Write files with a ``metadata.csv`` in their folder, as ``datasets.load_dataset("imagefolder")`` reads it."""
    _no_masks(dataset)
    if dataset.meta["modality"] == "table":
        raise InputError(
            "a folder with metadata.csv holds files; this dataset has rows",
            code="wrong-form",
            hint="mw export dataset-parquet",
        )

    def fill(folder: Path) -> Source:
        (folder / "data").mkdir()
        together = _files(
            dataset, folder, "data/metadata.csv", {"file_name": "string", "label": _kind(dataset)}, "data"
        )
        return Source("manifest", "data", {"path": "file_name", "label": "label", **together}, 0)

    return make_export(dataset, destination, fill, split="split")


def _no_masks(dataset: Dataset) -> None:
    if dataset.meta["target"] == "mask":
        raise InputError("a table cannot hold masks", code="wrong-form", hint="mw export dataset-pairs")


def _kind(dataset: Dataset) -> str:
    return "double" if dataset.meta["target"] == "number" else "string"


def _table(dataset: Dataset, destination: Path, ending: str) -> Path:
    _no_masks(dataset)
    if dataset.meta["modality"] == "table":
        return _rows(dataset, destination, ending)
    if ending in {"xlsx", "sqlite"}:
        raise InputError(
            f"dataset-{'excel' if ending == 'xlsx' else ending} holds rows; this dataset has files",
            code="wrong-form",
            hint="mw export dataset-csv (or -tsv, -jsonl, -parquet, -arrow)",
        )

    def fill(folder: Path) -> Source:
        (folder / "files").mkdir()
        together = _files(dataset, folder, f"data.{ending}", {"path": "string", "label": _kind(dataset)}, "files")
        return Source("manifest", f"data.{ending}", {"path": "path", "label": "label", **together}, 0)

    return make_export(dataset, destination, fill, split="split")


def _files(dataset: Dataset, folder: Path, table: str, types: dict[str, str], beside: str) -> dict[str, str]:
    """Write every file into ``beside`` and name it, from the table's own folder, in the first column.

    Returns
    -------
    dict
        The source's option that names the column of groups, where there are some.
    """
    path = folder / table
    start = "" if path.parent == folder / beside else f"{beside}/"
    (place, label) = types
    together = {"group": "group"} if grouped(dataset) else {}
    every = {**types, "split": "string", **dict.fromkeys(together, "string")}
    groups = (group for which in SPLITS for group in dataset.groups(which))
    with _BY_ENDING[path.suffix[1:]](path, every) as put:
        for (which, answer, name, data), group in zip(files_of(dataset), groups, strict=True):
            (folder / beside / name).write_bytes(data)
            put({place: f"{start}{name}", label: answer, "split": which, **dict.fromkeys(together, group)})
    return together


def _rows(dataset: Dataset, destination: Path, ending: str) -> Path:
    types = _types(dataset)
    label, split = _free("label", types), _free("split", types)
    together = [_free("group", types)] if grouped(dataset) else []

    def fill(folder: Path) -> Source:
        every = {**types, label: _kind(dataset), split: "string", **dict.fromkeys(together, "string")}
        with _BY_ENDING[ending](folder / f"data.{ending}", every) as put:
            for which in SPLITS:
                columns = zip(dataset.raw(which), dataset.labels(which), dataset.groups(which), strict=True)
                for raw, answer, group in columns:
                    put({**json.loads(raw), label: answer, split: which, **dict.fromkeys(together, group)})
        return _source(ending, types, together)

    return make_export(dataset, destination, fill, label, split)


def _source(ending: str, types: dict[str, str], together: list[str]) -> Source:
    """Return the source that reads a table back, with nothing left to guess."""
    options: dict[str, Any] = {"missing": [""], **({"group": together[0]} if together else {})}
    texts = [name for name, kind in types.items() if kind == "string"]
    if texts and ending not in _TYPED:
        options["text"] = texts
    if ending in {"csv", "tsv"}:
        delimiter = "comma" if ending == "csv" else "tab"
        options |= {"delimiter": delimiter, "header": True, "encoding": "utf-8", "decimal": "."}
    if ending == "sqlite":
        options["query"] = f"SELECT * FROM {writers.ROWS_TABLE} ORDER BY rowid"  # noqa: S608 - a constant
        return Source("sql", "sqlite:///data.sqlite", options, 0)
    return Source("table", f"data.{ending}", options, 0)


def _types(dataset: Dataset) -> dict[str, str]:
    from pyarrow import parquet

    schema = parquet.read_schema(dataset.artifact.path("rows.parquet"))
    return {field.name: str(field.type) for field in schema}


def _free(name: str, taken: dict[str, str]) -> str:
    while name in taken:
        name += "_"
    return name
