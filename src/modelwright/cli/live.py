"""Production: deploy, serve, predict, monitor, retrain, export."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.cli.parsing import UsageError, whole
from modelwright.cli.projects import listening, relative, the_project

if TYPE_CHECKING:
    from modelwright.cli.screen import Screen


def add_deploy(parser: ArgumentParser) -> None:
    """Add the arguments of ``mw deploy``."""
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--no-start", action="store_true", help="make the package champion and start no server")
    how.add_argument(
        "--stop", action="store_true", help="stop the background server; every request under way is answered"
    )


def deploy(options: Namespace, screen: Screen) -> int:
    """Promote the newest accepted package and see that it is served."""
    project = the_project(options)
    if options.stop:
        stopped = project.undeploy()
        screen.answer(stopped, ["Stopped the server." if stopped["stopped"] else "There was no server to stop."])
        return 0
    with listening(screen) as progress:
        document = project.deploy(start=not options.no_start, progress=progress).as_dict()
    from modelwright.cli.steps import step_lines

    lines = step_lines(screen, document["steps"])
    server = document.get("server") or {}
    if server.get("url"):
        lines += ["", f"{screen.style('Serving', 'good')} {server['url']} in the background (pid {server.get('pid')})"]
        lines += ["  next: mw predict FILE; mw monitor; mw deploy --stop"]
    screen.answer(document, lines)
    report = document.get("report")
    return 3 if report is not None and report["verdict"] == "refused" else 0


def add_serve(parser: ArgumentParser) -> None:
    """Add the arguments of ``mw serve``."""
    parser.add_argument("--host", help="where to listen; default: deploy.host of the spec")
    parser.add_argument("--port", type=whole(0, 65535), help="0 takes a free one; default: deploy.port of the spec")
    parser.add_argument(
        "--package", metavar="DIGEST", help="serve this package instead of the champion, and never swap it"
    )


def serve(options: Namespace, screen: Screen) -> int:
    """Serve in this process until SIGINT or SIGTERM; the answer is given when requests are."""
    project = the_project(options)
    settings = project.serve_settings(host=options.host, port=options.port, package=options.package)

    def ready(address: str) -> None:
        lines = [f"{screen.style('Serving', 'good')} {address} (Ctrl-C ends it)"]
        screen.answer({"url": address, "target": settings.target, "package": settings.package}, lines)

    from modelwright.deploy.server import serve as serve_until_told

    serve_until_told(settings, on_ready=ready)
    return 0


def add_predict(parser: ArgumentParser) -> None:
    """Add the arguments of ``mw predict``."""
    parser.add_argument(
        "inputs", nargs="+", metavar="INPUT", help="files or folders; for tables CSV, TSV or Parquet files"
    )
    parser.add_argument(
        "--package", metavar="DIGEST", help="a package of the store, or a .mwpkg file; default: the newest"
    )


def predict(options: Namespace, screen: Screen) -> int:
    """Answer for each input; exit status 2 if all were unusable, 1 if some were."""
    from modelwright.cli.begin import existing

    project = the_project(options)
    paths = [existing(path) for path in options.inputs]
    counts = {"good": 0, "bad": 0}
    with listening(screen) as progress:
        answers = project.predict(paths, package=options.package, progress=progress)
        screen.stream("predictions", _told(answers, counts, screen))
    if not counts["bad"]:
        return 0
    screen.note(f"{counts['bad']:,} of {counts['good'] + counts['bad']:,} inputs could not be used")
    return 1 if counts["good"] else 2


def _told(answers: Iterable[Mapping[str, Any]], counts: dict[str, int], screen: Screen) -> Iterator[tuple[Any, str]]:
    from modelwright.cli.screen import clean

    for each in answers:
        name = clean(relative(each["input"]))
        if "error" in each:
            counts["bad"] += 1
            yield each, f"{name}  {screen.style('error', 'bad')} {clean(str(each['error']['message']))}"
        else:
            counts["good"] += 1
            found = each.get("prediction", {key: value for key, value in each.items() if key != "input"})
            yield each, f"{name}  {prediction_words(found)}"


def prediction_words(values: Mapping[str, Any]) -> str:
    """Return an answer in a few words: the label with its confidence, the tags with theirs, or value and interval."""
    from modelwright.cli.screen import clean, figure

    if "label" in values:
        sure = values.get("confidence", values.get("score"))
        scores = values.get("probabilities") or values.get("scores")
        if sure is None and isinstance(scores, Mapping):
            sure = scores.get(values["label"])
        return clean(str(values["label"])) + (f"  {figure(sure)}" if sure is not None else "")
    if isinstance(values.get("tags"), list):
        scores = values.get("scores") or {}
        named = (f"{tag}  {figure(scores[tag])}" if tag in scores else str(tag) for tag in values["tags"])
        return clean(", ".join(named)) or "no tag"
    if "value" in values:
        words = figure(values["value"])
        if values.get("low") is not None and values.get("high") is not None:
            words += f"  ({figure(values['low'])} to {figure(values['high'])})"
        return words
    return clean(", ".join(f"{key} {value}" for key, value in values.items()))


def add_monitor(parser: ArgumentParser) -> None:
    """Add the arguments of ``mw monitor``; what is watched, and how, is in the spec."""
    parser.add_argument(
        "--watch",
        action="store_true",
        help="look again and again, and retrain, promote and take back as the spec says, until SIGINT or SIGTERM",
    )
    parser.add_argument("--every", metavar="TIME", help="with --watch: how often, such as 30s or 5m; default: 60s")


def monitor(options: Namespace, screen: Screen) -> int:
    """Look at what production saw since the last look; with ``--watch`` for ever."""
    project = the_project(options)
    if options.watch:
        from modelwright.cli.watching import watch

        return watch(project, options.every, screen)
    if options.every is not None:
        raise UsageError("mw monitor: --every is for --watch", hint=f"mw monitor --watch --every {options.every}")
    with listening(screen) as progress:
        findings = project.monitor(progress=progress)
    if findings is None:
        from modelwright.project.rounds import NOTHING

        nothing = {**NOTHING, "undo": None}
        screen.answer(nothing, ["Nothing new in the prediction log since the last look.", "  next: mw log; mw status"])
        return 0
    screen.answer(findings, findings_lines(screen, findings))
    return 0


def findings_lines(screen: Screen, findings: Mapping[str, Any]) -> list[str]:
    """Return the alarm, what drifted, quality, alerts and the report's place."""
    from modelwright.cli.screen import clean, figure, interval, moment

    undo = findings.get("undo") or {}
    regrets = undo.get("verdict") == "undo"
    word = screen.style("The last promotion was a mistake", "bold", "bad")
    promotion = [
        f"{word}: {clean('; '.join(undo.get('reasons', ())))}",
        "  next: mw retrain --undo brings the former champion back (with 'promote: auto' mw retrain does, by itself)",
    ]
    window = findings.get("window")
    if window is None:
        return promotion if regrets else ["The last promotion was looked at; it stands.", "  next: mw status"]
    alarm = bool(findings.get("alarm"))
    word = screen.style("Drift", "bold", "bad") if alarm else screen.style("No drift", "bold", "good")
    lines = [
        f"{word} in {window.get('count', 0):,} predictions, {moment(window.get('from'))} to {moment(window.get('to'))}"
    ]
    drifted = [each for each in findings.get("drift", []) if each.get("drifted")]
    lines += screen.table(
        [
            (each["feature"], each.get("where", ""), figure(each.get("effect")), figure(each.get("adjusted_p")))
            for each in drifted[:12]
        ],
        ("feature", "where", "effect", "adjusted p"),
        right=(2, 3),
    )
    quality = findings.get("quality") or {}
    for kind in ("reference", "estimated", "realised"):
        entry = quality.get(kind)
        if entry is not None:
            shown = interval(entry) if isinstance(entry, Mapping) else figure(entry)
            lines.append(f"  {quality.get('metric', 'quality')} {kind}: {shown}")
    lines += [
        f"  {each.get('severity', '')}: {clean(str(each.get('message', '')))}" for each in findings.get("alerts", [])
    ]
    if findings.get("report"):
        lines.append(f"  report: {relative(findings['report'])}")
    if regrets:
        return lines + promotion
    lines.append("  next: mw label; mw retrain" if alarm else "  next: mw status")
    return lines


def add_retrain(parser: ArgumentParser) -> None:
    """Add the arguments of ``mw retrain``."""
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--force", action="store_true", help="begin a round even if nothing asks for one")
    how.add_argument("--undo", action="store_true", help="make the former champion champion again")


def retrain(options: Namespace, screen: Screen) -> int:
    """Begin a new round if there is a reason, or take the last promotion back; exit status 3 if the gate says no."""
    project = the_project(options)
    with listening(screen) as progress:
        result = project.retrain(force=options.force, undo=options.undo, progress=progress)
    screen.answer(result, retrain_lines(screen, result))
    return 3 if result["status"] == "refused" else 0


def retrain_lines(screen: Screen, result: Mapping[str, Any]) -> list[str]:
    """Return what became of the round and why."""
    from modelwright.cli.screen import clean, figure, interval, short

    words = {
        "nothing-to-do": ("Nothing to do", ()),
        "promoted": ("Promoted the challenger", ("good",)),
        "kept": ("Kept the champion", ()),
        "waiting": ("The challenger waits for you", ("warn",)),
        "refused": ("The gate refused the challenger", ("bad",)),
        "undone": ("The former champion is champion again", ("good",)),
    }
    text, looks = words.get(result["status"], (str(result["status"]), ()))
    lines = [screen.style(text, "bold", *looks)]
    lines += [f"  - {clean(str(reason))}" for reason in result.get("reasons") or []]
    if comparison := result.get("comparison"):
        sides = [(side, comparison.get(side)) for side in ("champion", "challenger")]
        rows = [(side, interval(each) if isinstance(each, Mapping) else figure(each)) for side, each in sides]
        lines += [
            f"  {clean(str(comparison.get('metric', '')))}, p = {figure(comparison.get('p_value'))}",
            *screen.table(rows, indent="    "),
        ]
    lines += [f"  {name}: {short(result[name])}" for name in ("champion", "challenger") if result.get(name)]
    if result.get("report"):
        lines.append(f"  report: {relative(result['report'])}")
    follow = {
        "waiting": "mw deploy",
        "promoted": "mw monitor; mw retrain --undo takes it back",
        "nothing-to-do": "mw label; mw retrain --force",
    }
    if result["status"] in follow:
        lines.append(f"  next: {follow[result['status']]}")
    return lines


def add_export(parser: ArgumentParser) -> None:
    """Add the arguments of ``mw export``."""
    from modelwright import registry

    parser.add_argument(
        "format",
        metavar="FORMAT",
        help=f"for the package one of {', '.join(registry.BUILT_IN['exporters'])}, for the newest dataset one of "
        f"{', '.join(registry.BUILT_IN['dataset_exporters'])}, or a plug-in's",
    )
    parser.add_argument(
        "--to", metavar="PATH", help="where to write it; default: the project's name in the current folder"
    )


def export(options: Namespace, screen: Screen) -> int:
    """Write the newest accepted package, or the newest dataset, in another form."""
    from modelwright import registry

    known = [*registry.names("exporters"), *registry.names("dataset_exporters")]
    if options.format not in known:
        import difflib

        near = difflib.get_close_matches(options.format, known, 1)
        raise UsageError(
            f"mw export: there is no format {options.format!r}; there are: {', '.join(known)}",
            hint=f"did you mean {near[0]!r}?" if near else "",
        )
    project = the_project(options)
    made = project.export(options.format, to=None if options.to is None else Path(options.to).expanduser().absolute())
    size = f" ({made['bytes'] / 1e6:.1f} MB)" if made.get("bytes") is not None else ""
    screen.answer(made, [f"{screen.style('Wrote', 'good')} {relative(made['path'])}{size}"])
    return 0
