"""Tables without a project: their profiles, drawn and in figures."""

from __future__ import annotations

import difflib
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.cli.projects import listening
from modelwright.errors import InputError

if TYPE_CHECKING:
    from modelwright.cli.screen import Screen
    from modelwright.prepare.profile.facts import Profile

_SHOWN = 5


def explore_tables(options: Namespace, screen: Screen, reports: tuple[str, ...]) -> int:
    """Write a page about each table, and say where it is; as JSON, give the figures on it.

    Raises
    ------
    InputError
        If one of them is no table, or the page cannot go where it should.
    """
    from modelwright.prepare.profile import profile
    from modelwright.prepare.profile.page import page

    for option, given in (("--id", options.id), ("--split", options.split)):
        if given is not None:
            raise InputError(f"{option} goes with a report of a project, not with a table", code="usage")
    sources = list(dict.fromkeys(options.what))
    pages = _pages(sources, options.output, reports)
    answers: list[dict[str, Any]] = []
    lines: list[str] = []
    for source, path in zip(sources, pages, strict=True):
        with listening(screen) as progress:
            found = profile(source, sheet=options.sheet, query=options.query, progress=progress)
            progress.begin(f"drawing {found.name}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(page(found), encoding="utf-8")
        opened = False
        if options.open:
            import webbrowser

            opened = webbrowser.open(path.as_uri())
        answers.append({**found.as_dict(), "source": source, "page": str(path), "url": path.as_uri(), "opened": opened})
        lines += _lines(screen, found, path)
    screen.answer({"profiles": answers}, lines)
    return 0


def _pages(sources: list[str], output: Path | None, reports: tuple[str, ...]) -> list[Path]:
    """Return where the pages go: ``<name>.html`` in the current folder, or where ``--output`` says."""
    names = []
    for source in sources:
        if ":" not in source and not Path(source).exists():
            near = difflib.get_close_matches(source, reports, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"a table's path, or one of: {', '.join(reports)}"
            raise InputError(f"there is nothing at {source}", code="no-such-path", hint=hint)
        names.append(f"{_name(source)}.html")
    if output is None or output.is_dir():
        folder = (output or Path()).absolute()
        twice = {name for name in names if names.count(name) > 1}
        return [folder / (f"{number}-{name}" if name in twice else name) for number, name in enumerate(names, 1)]
    if any(Path(source).exists() and output.exists() and output.samefile(source) for source in sources):
        raise InputError(f"--output {output} is the table itself", code="usage", hint="name another file for its page")
    if len(sources) > 1:
        raise InputError(
            f"--output {output} must be a folder that is there, for the pages of {len(sources)} tables", code="usage"
        )
    return [output.absolute()]


def _name(source: str) -> str:
    """Return the last part of a path or an address, fit for a file's name."""
    name = source.partition("?")[0].replace("\\", "/").rstrip("/").rpartition("/")[2]
    return "".join(letter for letter in name if letter.isprintable()) or "table"


def _lines(screen: Screen, found: Profile, path: Path) -> list[str]:
    from modelwright.cli.screen import clean

    many = f"{found.rows:,} rows, {len(found.columns):,} columns"
    lines = [f"{screen.style(clean(found.name), 'bold')}  {many}"]
    lines += [f"  {clean(each.message)}" for each in found.findings[:_SHOWN]]
    if len(found.findings) > _SHOWN:
        lines.append(f"  and {len(found.findings) - _SHOWN:,} more to look at")
    place = str(path)
    return [*lines, f"  page: {screen.style(place, 'link') if screen.colour else place}"]
