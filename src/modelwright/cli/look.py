"""Looking: status, log, lineage, explore."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.cli.parsing import whole
from modelwright.cli.projects import relative, the_project
from modelwright.errors import InputError

if TYPE_CHECKING:
    from modelwright.cli.screen import Screen

REPORTS = ("dataset", "model", "report", "findings")
SPLITS = ("train", "validation", "test")


def add_status(parser: ArgumentParser) -> None:
    """Add no arguments."""


def status(options: Namespace, screen: Screen) -> int:
    """Say where the project stands."""
    found = the_project(options).status()
    screen.answer(found, status_lines(screen, found))
    return 0


def status_lines(screen: Screen, found: Mapping[str, Any]) -> list[str]:
    """Return the project's steps, champion, server, open issues and what to do next."""
    from modelwright.cli.screen import clean, moment, short

    task = found.get("task") or {}
    name = screen.style(clean(str(found["project"])), "bold")
    lines = [f"{name}  {task.get('input')} → {task.get('output')}  {clean(relative(found['path']))}"]
    if found.get("problem"):
        lines.append(f"  {clean(str(found['problem']))}")
    rows = [
        (step["step"], step["status"], short(step["artifact"]), moment(step.get("created"))) for step in found["steps"]
    ]
    lines += ["", *screen.table(rows), ""]
    if report := found.get("report"):
        word = str(report["verdict"])
        reasons = clean("; ".join(map(str, report.get("reasons") or [])))
        shown = screen.style(word, "bad" if word == "refused" else "good")
        lines.append(f"  gate      {shown}{f': {reasons}' if reasons else ''}")
    if champion := found.get("champion"):
        since = f"since {moment(champion.get('since'))}, by {clean(str(champion.get('by')))}"
        lines.append(f"  champion  {short(champion['package'])} {since}")
    if server := found.get("server"):
        where = f"{server.get('url')} (pid {server.get('pid')})" if server.get("running") else "not running"
        lines.append(f"  server    {where}")
    if issues := found.get("issues"):
        lines.append(f"  issues    {issues['open']:,} open of {issues['total']:,}")
    if labels := found.get("labels"):
        lines.append(f"  labels    {labels['new']:,} new since the dataset was made")
    if findings := found.get("findings"):
        lines.append(f"  drift     {screen.style('alarm', 'bad') if findings.get('alarm') else 'none'}")
    if (undo := found.get("undo")) and undo["verdict"] == "undo":
        lines.append(f"  undo      {screen.style('advised', 'bad')}: {clean('; '.join(undo['reasons']))}")
    if found.get("next"):
        lines.append(f"  next      {screen.style(clean(str(found['next'])), 'bold')}")
    return lines


def add_log(parser: ArgumentParser) -> None:
    """Add the arguments of ``mw log``."""
    parser.add_argument(
        "-n", dest="limit", type=whole(1, 100_000), default=20, metavar="N", help="at most so many; default: 20"
    )


def log(options: Namespace, screen: Screen) -> int:
    """List runs, the newest first."""
    from modelwright.cli.screen import length, moment, short

    runs = the_project(options).log(limit=options.limit)
    rows = [
        (
            moment(each.get("started")),
            each["step"],
            each["status"],
            "" if each.get("seconds") is None else length(each["seconds"]),
            short(each.get("artifact")),
            each.get("error") or "",
        )
        for each in runs
    ]
    lines = screen.table(rows, ("when", "step", "status", "took", "artifact", ""), right=(3,))
    screen.answer({"runs": runs}, lines or ["Nothing was run yet.", "  next: mw run"])
    return 0


def add_lineage(parser: ArgumentParser) -> None:
    """Add the arguments of ``mw lineage``."""
    parser.add_argument("id", metavar="ID", help="a digest, or the beginning of one, as status and log show them")


def lineage(options: Namespace, screen: Screen) -> int:
    """Draw what something was made from and what was made from it, as text."""
    found = the_project(options).lineage(options.id)
    lines = lineage_lines(screen, found)
    if found.get("picture"):
        lines.append(f"  picture: {relative(found['picture'])}")
    screen.answer(found, lines)
    return 0


def lineage_lines(screen: Screen, found: Mapping[str, Any]) -> list[str]:
    """Return two trees: upstream ("made from") and downstream ("used for"), each node drawn out once."""
    from modelwright.cli.screen import clean, short

    nodes = {node["id"]: node for node in found["nodes"]}
    root = found["root"]

    def words(digest: str) -> str:
        node = nodes.get(digest, {})
        label = node.get("label")
        parts = [node.get("kind", ""), short(digest), label if label != digest else "", node.get("note")]
        return clean("  ".join(str(part) for part in parts if part))

    def tree(start: str, children: Mapping[str, list[tuple[str, str]]]) -> list[str]:
        lines: list[str] = []
        seen = {start}
        stack = [(digest, "", last) for digest, last in _marked(children.get(start, []))][::-1]
        while stack:
            digest, prefix, last = stack.pop()
            again = digest in seen
            branch, above = ("└─ " if last else "├─ "), " (see above)" if again and children.get(digest) else ""
            lines.append(f"  {prefix}{branch}{words(digest)}{above}")
            if not again:
                seen.add(digest)
                below = prefix + ("   " if last else "│  ")
                stack += [(child, below, end) for child, end in _marked(children.get(digest, []))][::-1]
        return lines

    upward: dict[str, list[tuple[str, str]]] = {}
    downward: dict[str, list[tuple[str, str]]] = {}
    for edge in found["edges"]:
        role = str(edge[2]) if len(edge) > 2 else ""
        upward.setdefault(edge[1], []).append((edge[0], role))
        downward.setdefault(edge[0], []).append((edge[1], role))
    lines = [screen.style(words(root), "bold")]
    for title, children in (("made from", upward), ("used for", downward)):
        if drawn := tree(root, children):
            lines += [screen.style(title, "dim"), *drawn]
    return lines


def _marked(children: list[tuple[str, str]]) -> list[tuple[str, bool]]:
    """Return each child once, and whether it is the last."""
    names = list(dict.fromkeys(name for name, _ in children))
    return [(name, index == len(names) - 1) for index, name in enumerate(names)]


def add_diff(parser: ArgumentParser) -> None:
    """Add the arguments of ``mw diff``."""
    parser.add_argument("before", nargs="?", metavar="A", help="a dataset; default: the one that B grew from")
    parser.add_argument("after", nargs="?", metavar="B", help="a dataset; default: the newest")


def diff(options: Namespace, screen: Screen) -> int:
    """Say what changed between two datasets, and draw it."""
    from modelwright.cli.screen import clean, short

    found = the_project(options).diff(options.before, options.after)
    lines = [f"From {short(found['before'])} to {short(found['after'])}", ""]
    lines += screen.table([(kind, f"{count:,}") for kind, count in found["counts"].items()], right=(1,))
    changes: dict[str, Callable[[Mapping[str, Any]], str]] = {
        "added": lambda each: str(each["label"]),
        "removed": lambda each: str(each["label"]),
        "relabelled": lambda each: f"{each['old_label']} → {each['label']}",
        "moved": lambda each: f"{each['old_split']} → {each['split']}",
    }
    for kind, words in changes.items():
        some = found["examples"][kind][:5]
        if some:
            lines += ["", screen.style(kind, "dim")]
            lines += [f"  {clean(str(each['path']))}  {clean(words(each))}" for each in some]
            if found["counts"][kind] > len(some):
                lines.append(f"  and {found['counts'][kind] - len(some):,} more")
    lines += ["", f"  picture: {relative(found['picture'])}"]
    screen.answer(found, lines)
    return 0


def add_explore(parser: ArgumentParser) -> None:
    """Add the arguments of ``mw explore``."""
    parser.add_argument(
        "what",
        nargs="*",
        metavar="REPORT|FILE",
        help=f"which report of the project: {', '.join(REPORTS)}; default: dataset. Or tables to look at, without a "
        "project: CSV, TSV, JSON lines, Parquet, Arrow, Excel, or an address such as sqlite:///data.db",
    )
    parser.add_argument("--id", metavar="ID", help="which one, by the beginning of its digest; default: the newest")
    parser.add_argument("--split", choices=SPLITS, help="draw one split of a dataset alone")
    parser.add_argument(
        "--output",
        metavar="FILE",
        type=Path,
        help="write the page to FILE, too; a table's page: to FILE or into a folder, in place of NAME.html here",
    )
    parser.add_argument("--sheet", metavar="NAME", help="of a workbook: which sheet; default: the first")
    parser.add_argument("--query", metavar="SELECT", help="of a database: the rows to look at; default: its only table")
    parser.add_argument("--open", action="store_true", help="open it in the browser")


def explore(options: Namespace, screen: Screen) -> int:
    """Say where a page is, draw it anew for one split, and open it if asked to; as JSON, give the figures on it.

    What is named and is no report is a table: a page about it is drawn, without a project.
    """
    if len(options.what) > 1 or (options.what and options.what[0] not in REPORTS):
        from modelwright.cli.tables import explore_tables

        return explore_tables(options, screen, REPORTS)
    for option, given in (("--sheet", options.sheet), ("--query", options.query)):
        if given is not None:
            raise InputError(f"{option} goes with a table", code="usage", hint="mw explore FILE")
    what = options.what[0] if options.what else "dataset"
    found = the_project(options).explore(what, digest=options.id, split=options.split, to=options.output)
    path = Path(found["path"]).absolute()
    opened = False
    if options.open:
        import webbrowser

        opened = webbrowser.open(path.as_uri())
    lines = [str(path) if not screen.colour else screen.style(str(path), "link")]
    screen.answer({**found, "path": str(path), "url": path.as_uri(), "opened": opened}, lines)
    return 0
