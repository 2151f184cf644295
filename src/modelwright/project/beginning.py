"""Open a project, or begin one by looking at the data."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.errors import InputError
from modelwright.project.project import SPEC_NAME, Project

if TYPE_CHECKING:
    from modelwright.spec import Source as SourceEntry


def open_project(path: str | os.PathLike[str] = ".") -> Project:
    """Return the project in the folder ``path``.

    Raises
    ------
    InputError
        If there is no spec there, or the spec has a mistake (with its line, and the nearest right word).
    """
    return Project(Path(path))


def init_project(
    path: str | os.PathLike[str] = ".", source: str | os.PathLike[str] | None = None, *, name: str | None = None
) -> dict[str, Any]:
    """Look at ``source`` and write ``modelwright.yaml`` into the folder ``path``, each guess with its reason.

    Parameters
    ----------
    path
        The project's folder; made if it is not there.
    source
        A folder of class folders, or a CSV or Parquet file. Default: ``path`` itself.
    name
        Name of the project. Default: the folder's.

    Returns
    -------
    dict
        ``{"project", "spec", "input", "output", "label", "metric", "sources", "reasons"}``.

    Raises
    ------
    InputError
        If there is a spec already (nothing is overwritten), or no guess can be made.
    """
    from modelwright.prepare.guess.guessing import guess
    from modelwright.spec import Draft, write

    folder = Path(path).absolute()
    file = folder / SPEC_NAME
    if file.exists():
        raise _exists(file)
    data = folder if source is None else Path(source).absolute()
    found = guess(data)
    sources = [_entry(entry, folder) for entry in found.sources]
    text = write(
        Draft(
            name=name or folder.name,
            input=found.input,
            output=found.output,
            sources=sources,
            label=found.label,
            metric=found.metric,
            reasons=found.reasons,
        )
    )
    _write_new(file, text)
    return {
        "project": str(folder),
        "spec": str(file),
        "input": found.input,
        "output": found.output,
        "label": found.label,
        "metric": found.metric,
        "sources": [{"kind": entry.kind, "location": entry.location} for entry in sources],
        "reasons": list(found.reasons),
    }


def _exists(file: Path) -> InputError:
    return InputError(f"{file} exists already", code="exists", hint="edit it, or delete it to have it written anew")


def _write_new(file: Path, text: str) -> None:
    """Write a file that is not there yet: whole or not at all, also if two processes do it or one is killed."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(text.encode("utf-8"))
            try:
                file.hardlink_to(temporary)
            except FileExistsError:
                raise _exists(file) from None
            except OSError:  # a file system without hard links
                temporary.rename(file)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {file}: {error.strerror}", code="not-writable", hint="mw doctor") from error


def _entry(guessed: Mapping[str, Any], folder: Path) -> SourceEntry:
    """Return a guessed source, ``{kind: location, option: value}``, as the spec's own."""
    from modelwright.spec import Source as Entry

    kind, location = next(iter(guessed.items()))
    options = {name: value for name, value in guessed.items() if name != kind}
    return Entry(kind, _relative(Path(location), folder), options)


def _relative(location: Path, folder: Path) -> str:
    """Return ``location`` relative to the project where it lies inside it or beside it, else absolute."""
    location = location.absolute()
    try:
        return location.relative_to(folder).as_posix() or "."
    except ValueError:
        return Path(os.path.relpath(location, folder)).as_posix() if location.parent == folder.parent else str(location)
