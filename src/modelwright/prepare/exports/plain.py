"""A dataset leaves the store: as class folders; and what every export shares.

Each export is a folder with the data and a ``modelwright.yaml`` that reads it back: the same samples with the same
labels. Only kept samples are written. Forms that have a place for it say which split each is in, and the spec takes
them at their word: what was grouped, divided by time or kept apart as alike would not stay so if it were dealt anew.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
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


def export_folder(dataset: Dataset, destination: Path) -> Path:
    """Write pictures as class folders, ``<class>/<digest>.jpg``.

    Raises
    ------
    InputError
        If samples are no files, labels no classes, or a class cannot be the name of a folder.
    """
    if dataset.meta["modality"] == "table" or dataset.meta["target"] != "category":
        raise InputError(
            f"class folders hold files with one class each; this dataset is {dataset.meta['modality']} → "
            f"{dataset.meta['target']}",
            code="wrong-form",
            hint="mw export dataset-pairs"
            if dataset.meta["target"] == "mask"
            else "mw export dataset-csv (or -jsonl, -parquet)",
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


def grouped(dataset: Dataset) -> bool:
    """Say whether some samples of a dataset have to stay together."""
    groups = [each for split in SPLITS for each in dataset.groups(split)]
    return len(set(groups)) < len(groups)


def make_export(
    dataset: Dataset,
    destination: Path,
    fill: Callable[[Path], Source],
    label: str | None = None,
    split: str = "",
) -> Path:
    """Fill a folder beside ``destination`` and put it in its place when it is complete.

    Parameters
    ----------
    split
        Column (or entry) of the export that says which split a sample is in; empty where the form has none.
    """
    destination = Path(os.path.abspath(destination))  # noqa: PTH100 - resolve would follow a link
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise InputError(f"there is something at {destination} already", code="exists", hint="name another place")
    temporary = None
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{destination.name}.", dir=destination.parent))
        source = fill(temporary)
        draft = Draft(
            dataset.meta["name"], dataset.meta["modality"], dataset.meta["target"], [source], label=label, split=split
        )
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
