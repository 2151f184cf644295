"""From where somebody stands to the project they mean."""

from __future__ import annotations

import contextlib
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from modelwright.errors import InputError

if TYPE_CHECKING:
    from modelwright.cli.bars import Lines
    from modelwright.cli.screen import Screen
    from modelwright.project import Project

SPEC_NAME = "modelwright.yaml"


def folder_of(options: Namespace) -> Path:
    """Return the folder that ``-C`` names, or the current one; it need not be a project.

    Raises
    ------
    InputError
        If it is not a folder.
    """
    if options.directory is None:
        try:
            return Path.cwd()
        except OSError:
            raise InputError("the current folder is gone", code="no-folder", hint="cd to one that is there") from None
    path = Path(options.directory).expanduser()
    try:
        there = path.is_dir()
    except (OSError, ValueError):
        there = False
    if not there:
        raise InputError(f"-C {options.directory}: there is no such folder", code="no-folder")
    return path.absolute()


def find_project(options: Namespace) -> Path | None:
    """Return the project's folder: the one ``-C`` names, or the nearest upwards; None if there is none."""
    start = folder_of(options)
    places = [start] if options.directory is not None else [start, *start.parents]
    for place in places:
        with contextlib.suppress(OSError):
            if (place / SPEC_NAME).is_file():
                return place
    return None


def the_project(options: Namespace) -> Project:
    """Open the project.

    Raises
    ------
    InputError
        If there is none, or its spec has a mistake.
    """
    found = find_project(options)
    if found is None:
        where = folder_of(options)
        above = "" if options.directory is not None else " or above it"
        raise InputError(
            f"there is no {SPEC_NAME} in {where}{above}",
            code="no-project",
            hint="mw init PATH makes a project of a folder of pictures or a table; mw -C DIR names another folder",
        )
    from modelwright.project import open_project

    return open_project(found)


@contextlib.contextmanager
def listening(screen: Screen) -> Iterator[Lines]:
    """Give a progress listener, and take its bar away at the end, whatever the end is."""
    from modelwright.cli.bars import listen

    listener = listen(screen)
    try:
        yield listener
    finally:
        listener.close()


def relative(path: object) -> str:
    """Return a path as seen from the current folder, where that is shorter."""
    import os

    text = str(path)
    with contextlib.suppress(ValueError, OSError):
        seen = os.path.relpath(text)
        return seen if len(seen) < len(text) else text
    return text


def after_prepare(project: Project) -> str:
    """Return what to do with a dataset: train, or what else it is good for where no model family learns its output."""
    return "mw train" if project.learnable() else "mw explore, mw export (no model family learns this output)"
