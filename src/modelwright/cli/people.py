"""Where a person decides: issues and labels."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from modelwright.cli.parsing import UsageError, share, whole
from modelwright.cli.projects import after_prepare, relative, the_project
from modelwright.errors import InputError

if TYPE_CHECKING:
    from modelwright.cli.screen import Screen

DECISIONS = ("drop", "fix", "keep", "review", "undo")


def add_issues(parser: ArgumentParser) -> None:
    """Add the arguments of ``mw issues``."""
    parser.add_argument("ids", nargs="*", metavar="ID", help="issues by the beginning of their ids; one is shown whole")
    parser.add_argument("--kind", help="only this kind, such as mislabelled")
    parser.add_argument("--decision", metavar="WORD", help="only those that stand at this decision, such as review")
    parser.add_argument("--path", metavar="PATTERN", help="only about samples with such a name, as in 'raw/*.jpg'")
    parser.add_argument("--column", help="only about this column")
    parser.add_argument(
        "--severity", type=share, default=0.0, metavar="LEAST", help="only of this severity or more, from 0 to 1"
    )
    parser.add_argument(
        "--decide", choices=DECISIONS, help="decide about the ones named or filtered; undo takes a decision back"
    )
    parser.add_argument("--all", action="store_true", help="with --decide and no filter: yes, all of them")
    parser.add_argument("--by", help="who decides; default: the user's name")
    parser.add_argument("--reason", default="", help="why, for the record")
    parser.add_argument(
        "-n", dest="limit", type=whole(1, 1_000_000), default=30, metavar="N", help="list at most so many; default: 30"
    )


def issues(options: Namespace, screen: Screen) -> int:
    """List issues, show one, or decide about some."""
    project = the_project(options)
    fitting = project.issues(options.kind, options.decision, options.path, options.column, options.severity)
    found = _chosen(fitting, options.ids)
    if options.decide:
        return _decide(project, found, options, screen)
    if len(options.ids) == 1 and len(found) == 1:
        screen.answer({"issues": found}, _whole(screen, found[0]))
        return 0
    shown = found[: options.limit]
    rows = [
        (
            each["id"][:10],
            each["kind"],
            each.get("decision") or "open",
            each.get("path") or each.get("column") or "",
            each["message"],
        )
        for each in shown
    ]
    lines = screen.table(rows, ("id", "kind", "decision", "where", "what"))
    if len(found) > len(shown):
        lines.append(f"  and {len(found) - len(shown):,} more (-n {len(found)})")
    lines += _summary(found)
    screen.answer({"issues": found}, lines or ["No issues.", f"  next: {after_prepare(project)}"])
    return 0


def _chosen(found: Sequence[Mapping[str, Any]], ids: Sequence[str]) -> list[Mapping[str, Any]]:
    """Return the issues that ``ids`` name; all of them for none."""
    if not ids:
        return list(found)
    chosen: dict[str, Mapping[str, Any]] = {}
    for prefix in ids:
        fitting = [each for each in found if each["id"].startswith(prefix)]
        if len(fitting) != 1:
            raise InputError(
                f"{len(fitting) or 'no'} issues have an id that begins with {prefix!r}",
                code="unknown-issue" if not fitting else "ambiguous",
                hint="mw issues lists them" if not fitting else "give more of the id",
            )
        chosen[fitting[0]["id"]] = fitting[0]
    return list(chosen.values())


def _decide(project: Any, found: Sequence[Mapping[str, Any]], options: Namespace, screen: Screen) -> int:
    filters = (options.kind, options.decision, options.path, options.column, options.severity)
    if not (options.ids or any(filters) or options.all):
        raise UsageError(
            f"mw issues: --decide {options.decide} would be about all {len(found):,} issues",
            hint="name ids, filter by --kind, --decision, --path, --column or --severity, or say --all",
        )
    if not found:
        raise InputError(
            "no issue fits, so there is nothing to decide", code="unknown-issue", hint="mw issues lists them"
        )
    by = options.by or person()
    made = project.decide([each["id"] for each in found], options.decide, by, reason=options.reason)
    count = made["decided"]
    said = f"Recorded {options.decide!r} for {count:,} issue{'s' if count != 1 else ''}, by {by}."
    screen.answer(made, [said, "  next: mw run applies it (--decide undo takes it back)"])
    return 0


def _summary(found: Sequence[Mapping[str, Any]]) -> list[str]:
    counts: dict[str, int] = {}
    for each in found:
        counts[each["kind"]] = counts.get(each["kind"], 0) + 1
    if not counts:
        return []
    words = ", ".join(f"{count:,} {kind}" for kind, count in sorted(counts.items(), key=lambda pair: -pair[1]))
    return ["", f"  {len(found):,} in all: {words}", "  next: mw issues --kind KIND --decide drop|fix|keep|review"]


def _whole(screen: Screen, issue: Mapping[str, Any]) -> list[str]:
    import json

    rows = [
        (key, json.dumps(value, ensure_ascii=False) if isinstance(value, Mapping | list) else value)
        for key, value in issue.items()
    ]
    return screen.table(rows, indent="")


def person() -> str:
    """Return the name of whoever sits here."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return "somebody"


def add_label(parser: ArgumentParser) -> None:
    """Add the arguments of ``mw label``."""
    parser.add_argument(
        "sample", nargs="?", metavar="SAMPLE", help="a sample's digest (or its beginning), as the queue shows it"
    )
    parser.add_argument("value", nargs="?", metavar="VALUE", help="what it is: a class or a number")
    parser.add_argument("--by", help="who says so; default: the user's name")
    parser.add_argument(
        "-n", dest="limit", type=whole(1, 100_000), default=20, metavar="N", help="at most so many; default: 20"
    )


def label(options: Namespace, screen: Screen) -> int:
    """List what teaches most next, or record what a sample is."""
    project = the_project(options)
    if options.sample is None:
        return _queue(project, options, screen)
    if options.value is None:
        raise UsageError("mw label: SAMPLE wants a VALUE", hint="mw label SAMPLE VALUE")
    made = project.annotate(options.sample, options.value, options.by or person())
    screen.answer(made, [f"Recorded {made['value']!r} for sample {str(made['sample'])[:12]}.", "  next: mw retrain"])
    return 0


def _queue(project: Any, options: Namespace, screen: Screen) -> int:
    from modelwright.cli.live import prediction_words
    from modelwright.cli.screen import figure

    queue = project.label_queue(limit=options.limit)
    rows = [
        (
            each["sample"][:12],
            figure(each.get("score")),
            prediction_words(each["prediction"]) if isinstance(each.get("prediction"), Mapping) else "",
            each.get("why") or "",
            relative(each["file"]) if each.get("file") else "",
        )
        for each in queue
    ]
    lines = screen.table(rows, ("sample", "teaches", "predicted", "why", "file"), right=(1,))
    lines += (
        ["", "  next: mw label SAMPLE VALUE"]
        if rows
        else ["Nothing to label: production has sent nothing new.", "  next: mw status"]
    )
    screen.answer({"queue": queue}, lines)
    return 0
