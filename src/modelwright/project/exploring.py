"""The pages about datasets, models, reports and findings: where they are, and the dataset's drawn anew where asked."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.errors import InputError

if TYPE_CHECKING:
    from modelwright.store import Artifact, Store

REPORTS = ("dataset", "model", "report", "findings")


def artifact_of(store: Store, kind: str, digest: str | None = None) -> Artifact:
    """Return the newest artifact that a report of ``kind`` is about, or the one that ``digest`` begins.

    Raises
    ------
    InputError
        If there are no reports of that kind, or none yet.
    """
    if kind not in REPORTS:
        raise InputError(f"there is no report of a {kind!r}; there are {', '.join(REPORTS)}", code="unknown-kind")
    found = store.artifacts.latest(kind) if digest is None else store.artifacts.open(digest, kind)
    if found is None:
        raise InputError(f"there is no report of a {kind} yet", code="nothing-yet", hint="mw run")
    return found


def path_of(store: Store, kind: str, problem: str = "") -> Path:
    """Return the newest page of ``kind``; a dataset's is drawn if it has none (its run was killed before).

    Raises
    ------
    InputError
        If there is none.
    """
    return _attached(store, artifact_of(store, kind), kind, problem)


def _attached(store: Store, artifact: Artifact, kind: str, problem: str) -> Path:
    path = artifact.attached("report.html")
    if path is None and kind == "dataset":
        from modelwright.prepare.explore import attach
        from modelwright.store.dataset import Dataset

        attach(Dataset(store, artifact), problem=problem)
        path = artifact.attached("report.html")
    if path is None:
        raise InputError(f"{artifact!r} has no report", code="nothing-yet", hint="mw run")
    return path


def explore(
    store: Store,
    kind: str = "dataset",
    *,
    digest: str | None = None,
    split: str | None = None,
    to: Path | None = None,
    problem: str = "",
) -> dict[str, Any]:
    """Return where a page is and, of a dataset, the figures on it.

    Parameters
    ----------
    digest
        Which one, by the beginning of its digest; None: the newest.
    split
        Draw this split of a dataset alone.
    to
        Write the page there, too.

    Raises
    ------
    InputError
        If there is no such page, or ``to`` cannot be written.
    """
    if split is not None and kind != "dataset":
        raise InputError(f"a {kind} has no splits to be shown alone", code="usage", hint="mw explore --split train")
    artifact = artifact_of(store, kind, digest)
    if split is None:
        path = _attached(store, artifact, kind, problem)
        figures = artifact.attached("figures.json") if kind == "dataset" else None
        shown = None if figures is None else json.loads(figures.read_bytes())
        if to is not None:
            path = _write(to, path.read_bytes())
        return {"kind": kind, "digest": artifact.digest, "path": str(path), "figures": shown}
    from modelwright.prepare.explore import page, parent_of
    from modelwright.store.dataset import Dataset

    dataset = Dataset(store, artifact)
    made = page(dataset, parent=parent_of(dataset), only=split, problem=problem)
    place = to or store.cache_dir("explore") / f"{artifact.digest[:16]}-{split}.html"
    path = _write(place, made.html.encode())
    return {"kind": kind, "digest": artifact.digest, "path": str(path), "figures": made.figures}


def _write(path: Path, data: bytes) -> Path:
    """Write a file in one stroke: a reader sees the old one or the new one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError as error:
        raise InputError(
            f"the page cannot be written to {path}: {(error.strerror or 'unknown').lower()}", code="unwritable"
        ) from error
    return path
