"""A dataset leaves the store: as class folders, or as a table (CSV, JSON lines, Parquet), with the files beside it.

Each export is a folder with the data and a ``modelwright.yaml`` that reads it back: the same samples with the same
labels. Only kept samples are written, each with its split; which one, a new split decides anew unless asked otherwise.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from modelwright.errors import InputError, ModelwrightError
from modelwright.prepare.collect.archive import SYSTEM_FILES
from modelwright.spec.model import Source
from modelwright.spec.writing import Draft, write
from modelwright.store.dataset import SPLITS, Dataset
from modelwright.store.sample_names import printable

_ENDINGS = (
    (b"\xff\xd8", ".jpg"), (b"\x89PNG", ".png"), (b"GIF8", ".gif"), (b"BM", ".bmp"), (b"RIFF", ".webp"),
    (b"II*\0", ".tif"), (b"MM\0*", ".tif"),
)  # fmt: skip
_CHUNK = 4096

Row = dict[str, Any]
Put = Callable[[Row], None]


def export_folder(dataset: Dataset, destination: Path) -> Path:
    """Write pictures as class folders, ``<class>/<digest>.jpg``.

    Raises
    ------
    InputError
        If samples are no files, labels no classes, or a class cannot be the name of a folder.
    """
    if dataset.meta["modality"] == "table" or dataset.meta["target"] != "category":
        raise InputError(
            "class folders hold files with classes; this dataset has "
            + ("rows" if dataset.meta["modality"] == "table" else "numbers"),
            code="wrong-form",
            hint="mw export dataset-csv (or -jsonl, -parquet)",
        )
    for name in dataset.meta["classes"]:
        raw = name.encode("utf-8", "surrogatepass")
        bad = not name or name[0] == "." or "/" in name or raw in SYSTEM_FILES or len(raw) > 255
        if bad or printable(raw) != name:
            raise InputError(
                f"the class {name!r} cannot be the name of a folder",
                code="wrong-form",
                hint="mw export dataset-csv (or -jsonl, -parquet)",
            )

    def fill(folder: Path) -> Source:
        for _, label, name, data in files_of(dataset):
            place = folder / "data" / label
            place.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(data)
        return Source("folder", "data", {}, 0)

    return make_export(dataset, destination, fill)


def export_csv(dataset: Dataset, destination: Path) -> Path:
    """Write a dataset as ``data.csv``, pictures as files that it names."""
    return _table(dataset, destination, "csv")


def export_jsonl(dataset: Dataset, destination: Path) -> Path:
    """Write a dataset as ``data.jsonl``, pictures as files that it names."""
    return _table(dataset, destination, "jsonl")


def export_parquet(dataset: Dataset, destination: Path) -> Path:
    """Write a dataset as ``data.parquet``, pictures as files that it names."""
    return _table(dataset, destination, "parquet")


def _table(dataset: Dataset, destination: Path, form: str) -> Path:
    rows = dataset.meta["modality"] == "table"
    if dataset.meta["target"] == "mask":
        raise InputError("a table cannot hold masks", code="wrong-form", hint="mw export dataset-pairs")
    number = dataset.meta["target"] == "number"
    types = _types(dataset) if rows else {"path": "string"}
    label, split = _free("label", types), _free("split", types)

    def fill(folder: Path) -> Source:
        every = {**types, label: "double" if number else "string", split: "string"}
        with ExitStack() as stack:
            put = _writer(stack, folder / f"data.{form}", form, every)
            if rows:
                for which in SPLITS:
                    for raw, answer in zip(dataset.raw(which), dataset.labels(which), strict=True):
                        put({**json.loads(raw), label: answer, split: which})
            else:
                (folder / "files").mkdir()
                for which, answer, name, data in files_of(dataset):
                    (folder / "files" / name).write_bytes(data)
                    put({"path": f"files/{name}", label: answer, split: which})
        if not rows:
            return Source("manifest", f"data.{form}", {"path": "path", "label": label}, 0)
        return Source("table", f"data.{form}", _options(form, types, split), 0)

    return make_export(dataset, destination, fill, label if rows else None)


def _options(form: str, types: dict[str, str], split: str) -> dict[str, Any]:
    """Return what a table needs so that nothing has to be guessed when it is read back."""
    options: dict[str, Any] = {"ignore": [split], "missing": [""]}
    texts = [name for name, kind in types.items() if kind == "string"]
    if texts and form != "parquet":
        options["text"] = texts
    if form == "csv":
        options |= {"delimiter": ",", "header": True, "encoding": "utf-8", "decimal": "."}
    return options


def _types(dataset: Dataset) -> dict[str, str]:
    from pyarrow import parquet

    schema = parquet.read_schema(dataset.artifact.path("rows.parquet"))
    return {field.name: str(field.type) for field in schema}


def _free(name: str, taken: dict[str, str]) -> str:
    while name in taken:
        name += "_"
    return name


def files_of(dataset: Dataset) -> Iterator[tuple[str, Any, str, bytes]]:
    """Yield ``(split, label, file name, bytes)`` of every kept sample."""
    seen: Counter[str] = Counter()
    usual = ".txt" if dataset.meta["modality"] == "text" else ""
    for split in SPLITS:
        columns = zip(dataset.ids(split), dataset.labels(split), dataset.raw(split), strict=True)
        for sample, label, data in columns:
            ending = next((each for magic, each in _ENDINGS if data.startswith(magic)), usual)
            copy = f"-{seen[sample]}" if seen[sample] else ""
            seen[sample] += 1
            yield split, label, f"{sample[:32]}{copy}{ending}", data


def _writer(stack: ExitStack, path: Path, form: str, types: dict[str, str]) -> Put:
    if form == "parquet":
        return _parquet_writer(stack, path, types)
    file = stack.enter_context(path.open("w", encoding="utf-8", newline=""))
    if form == "jsonl":
        return lambda row: print(json.dumps(row, ensure_ascii=False, allow_nan=False), file=file)
    lines = csv.writer(file, lineterminator="\n")
    lines.writerow(types)

    def put(row: Row) -> None:
        cells = ["" if row.get(name) is None else row[name] for name in types]
        if any(isinstance(cell, str) and "\0" in cell for cell in cells):
            raise InputError(
                "a text holds a NUL byte, which CSV cannot keep", code="wrong-form", hint="mw export dataset-parquet"
            )
        lines.writerow([repr(cell) if isinstance(cell, float) else cell for cell in cells])

    return put


def _parquet_writer(stack: ExitStack, path: Path, types: dict[str, str]) -> Put:
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in types.items()])
    writer = stack.enter_context(parquet.ParquetWriter(path, schema, compression="zstd"))
    waiting: list[Row] = []

    def flush() -> None:
        if waiting:
            writer.write_table(pa.Table.from_pylist(waiting, schema))
            waiting.clear()

    def put(row: Row) -> None:
        waiting.append(row)
        if len(waiting) == _CHUNK:
            flush()

    stack.callback(flush)
    return put


def make_export(dataset: Dataset, destination: Path, fill: Callable[[Path], Source], label: str | None = None) -> Path:
    """Fill a folder beside ``destination`` and put it in its place when it is complete."""
    destination = Path(os.path.abspath(destination))  # noqa: PTH100 - resolve would follow a link
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise InputError(f"there is something at {destination} already", code="exists", hint="name another place")
    temporary = None
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{destination.name}.", dir=destination.parent))
        source = fill(temporary)
        draft = Draft(dataset.meta["name"], dataset.meta["modality"], dataset.meta["target"], [source], label=label)
        (temporary / "modelwright.yaml").write_text(write(draft), "utf-8")
        temporary.chmod(0o755)
        if destination.exists():
            destination.rmdir()
        temporary.rename(destination)
    except OSError as error:
        raise ModelwrightError(
            f"the dataset cannot be written to {destination}: {(error.strerror or '').lower()}", code="cannot-write"
        ) from error
    finally:
        if temporary is not None and temporary.exists():
            shutil.rmtree(temporary, ignore_errors=True)
    return destination
