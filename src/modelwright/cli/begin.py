"""``mw init``: look at data and write a spec."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.cli.projects import SPEC_NAME, folder_of, relative
from modelwright.errors import InputError

if TYPE_CHECKING:
    from modelwright.cli.screen import Screen


def add_init(parser: ArgumentParser) -> None:
    """Add the arguments of ``mw init``."""
    parser.add_argument(
        "path", nargs="?", metavar="PATH", help="a folder with one folder a class, or a CSV or Parquet file"
    )
    parser.add_argument("--name", help="what the project is called; default: the folder's name")


def init(options: Namespace, screen: Screen) -> int:
    """Write ``modelwright.yaml`` in the current folder."""
    from modelwright.project import init_project

    source = None if options.path is None else existing(options.path)
    made = init_project(folder_of(options), source, name=options.name)
    screen.answer(made, [*made_lines(screen, made), f"  next: correct {SPEC_NAME} where it is wrong, then mw run"])
    return 0


def existing(path: str) -> Path:
    """Return a path given on the command line.

    Raises
    ------
    InputError
        If there is nothing there, with the nearest name beside it.
    """
    import difflib

    given = Path(path).expanduser()
    try:
        if given.exists():
            return given.absolute()
        beside = [each.name for each in given.absolute().parent.iterdir()] if given.absolute().parent.is_dir() else []
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path!r} cannot be looked at: {str(why).lower()}", code="no-such-path") from None
    near = difflib.get_close_matches(given.name, beside, 1)
    raise InputError(
        f"there is no {path!r} (from {Path.cwd()})",
        code="no-such-path",
        hint=f"did you mean {str(given.parent / near[0])!r}?" if near else "",
    )


def made_lines(screen: Screen, made: dict[str, Any]) -> list[str]:
    """Return what ``mw init`` found, and why it guessed as it did."""
    from modelwright.cli.screen import clean

    task = f"{made['input']} → {made['output']}"
    label = f", predicting column {made['label']!r}" if made.get("label") else ""
    lines = [
        f"{screen.style('Wrote', 'good')} {clean(relative(made['spec']))}: {screen.style(clean(task + label), 'bold')}"
    ]
    lines += [f"  - {clean(reason)}" for reason in made["reasons"]]
    return lines
