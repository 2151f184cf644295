"""``mw run`` and the steps up to the gate."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.cli.begin import existing, made_lines
from modelwright.cli.projects import SPEC_NAME, after_prepare, find_project, folder_of, listening, relative, the_project
from modelwright.errors import InputError

if TYPE_CHECKING:
    from modelwright.cli.screen import Screen

STEPS = ("prepare", "train", "package", "validate", "deploy")
KINDS = {"prepare": "dataset", "train": "model", "package": "package", "validate": "report", "deploy": "deployment"}


def add_run(parser: ArgumentParser) -> None:
    """Add the arguments of ``mw run``."""
    parser.add_argument(
        "path",
        nargs="?",
        metavar="PATH",
        help="data to make a project of, where there is none yet: a folder of pictures or a table",
    )
    parser.add_argument(
        "--to",
        metavar="STEP",
        choices=STEPS,
        default="validate",
        help=f"the last step: {', '.join(STEPS)}; default: validate",
    )


def run(options: Namespace, screen: Screen) -> int:
    """Bring everything up to date."""
    if options.path is not None:
        _make_if_new(options, screen)
    project = the_project(options)
    with listening(screen) as progress:
        result = project.run(to=options.to, progress=progress)
    return _finish(screen, result.as_dict(), project)


def _make_if_new(options: Namespace, screen: Screen) -> None:
    """Make a project of bare data; where there is one already, its data must be what was named."""
    data = existing(options.path)
    found = find_project(options)
    if found is None:
        from modelwright.project import init_project

        made = init_project(folder_of(options), data)
        for line in made_lines(screen, made):
            screen.note_raw(line)
        return
    from modelwright import spec

    known = spec.load(found / SPEC_NAME)
    if data.resolve() not in [known.resolve(source.location).resolve() for source in known.sources]:
        raise InputError(
            f"{found} is a project already, and {options.path!r} is not among its sources",
            code="other-source",
            hint=f"add it under 'sources' in {relative(found / SPEC_NAME)}, or go elsewhere: mw -C DIR run PATH",
        )


def add_prepare(parser: ArgumentParser) -> None:
    """Add no arguments: what is prepared, and how, is in the spec."""


def prepare(options: Namespace, screen: Screen) -> int:
    """Make the dataset."""
    return _one(options, screen, "prepare")


def add_train(parser: ArgumentParser) -> None:
    """Add no arguments: what is tried, and how long, is in the spec."""


def train(options: Namespace, screen: Screen) -> int:
    """Make the model."""
    return _one(options, screen, "train")


def add_package(parser: ArgumentParser) -> None:
    """Add no arguments: what is done to the graph is in the spec."""


def package(options: Namespace, screen: Screen) -> int:
    """Make the package."""
    return _one(options, screen, "package")


def add_validate(parser: ArgumentParser) -> None:
    """Add no arguments: what is acceptable is in the spec."""


def validate(options: Namespace, screen: Screen) -> int:
    """Make the report; exit status 3 if the gate says no."""
    return _one(options, screen, "validate")


def _one(options: Namespace, screen: Screen, step: str) -> int:
    project = the_project(options)
    with listening(screen) as progress:
        result = getattr(project, step)(progress=progress)
    return _finish(screen, result.as_dict(), project)


def _finish(screen: Screen, document: Mapping[str, Any], project: Any) -> int:
    """Give the answer: what each step did, the verdict, the figures, where the report is, what to do next."""
    report = document.get("report")
    refused = report is not None and report["verdict"] == "refused"
    lines = step_lines(screen, document["steps"])
    if report is not None:
        lines += ["", *verdict_lines(screen, report)]
    if (server := document.get("server")) and server.get("url"):
        lines += ["", f"  serving {server['url']} (mw deploy --stop ends it)"]
    lines += _next(screen, document, project)
    screen.answer(document, lines)
    return 3 if refused else 0


def step_lines(screen: Screen, steps: Any) -> list[str]:
    """Return a line a step."""
    from modelwright.cli.screen import length, short

    rows = [
        (
            step["step"],
            step["status"],
            length(step["seconds"]) if step["status"] != "cached" else "",
            f"{KINDS.get(step['step'], '')} {short(step['artifact'])}" if step["artifact"] else "",
        )
        for step in steps
    ]
    return screen.table(rows, right=(2,))


def verdict_lines(screen: Screen, report: Mapping[str, Any]) -> list[str]:
    """Return the verdict, its reasons and the figures."""
    from modelwright.cli.screen import clean, interval

    refused = report["verdict"] == "refused"
    word = screen.style(str(report["verdict"]).capitalize(), "bold", "bad" if refused else "good")
    lines = [f"{word}: {clean('; '.join(map(str, report.get('reasons') or ['no conditions were set'])))}"]
    rows = [(name, interval(entry)) for name, entry in report.get("metrics", {}).items()]
    return [*lines, *screen.table(rows)]


def _next(screen: Screen, document: Mapping[str, Any], project: Any) -> list[str]:
    steps = document["steps"]
    last = steps[-1]["step"] if steps else ""
    kind = {"prepare": "dataset", "train": "model", "validate": "report", "deploy": "report"}.get(last)
    lines = []
    if kind is not None and not screen.json:
        path: Path | None = project.report_path(kind)
        lines.append(f"  report: {relative(path)}" if path is not None else "")
    refused = (document.get("report") or {}).get("verdict") == "refused"
    follow = {
        "prepare": f"mw issues, then {after_prepare(project)}" if last == "prepare" else "",
        "train": "mw package",
        "package": "mw validate",
        "validate": "mw explore report; more data, more time (train.budget), or other limits (accept)"
        if refused
        else "mw deploy",
        "deploy": "mw predict FILE, mw monitor",
    }.get(last)
    if follow:
        lines.append(f"  next: {follow}")
    return ["", *[line for line in lines if line]] if any(lines) else []
