"""``mw demo``: the whole loop on real pictures, in front of the user, with every figure from the run."""

from __future__ import annotations

import shutil
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.cli.parsing import whole
from modelwright.cli.projects import listening, relative
from modelwright.errors import InputError

if TYPE_CHECKING:
    from modelwright.cli.screen import Screen

MARK = ".modelwright-demo"
"""A file that says that a folder was made by the demo and may be made anew."""


def add_demo(parser: ArgumentParser) -> None:
    """Add the arguments of ``mw demo``."""
    parser.add_argument(
        "path", nargs="?", metavar="PATH", default="modelwright-demo", help="where to; default: modelwright-demo"
    )
    parser.add_argument("--seed", type=whole(0, 2**31 - 1), default=0, help="changes every figure; default: 0")
    parser.add_argument("--keep-serving", action="store_true", help="leave the server running at the end")


def demo(options: Namespace, screen: Screen) -> int:
    """Play the loop once; exit status 1 if the promise was not kept (no drift found, or accuracy not regained)."""
    folder = _fresh(Path(options.path).absolute())
    started = time.monotonic()
    with listening(screen) as progress:
        from modelwright.cli.story import play

        found = play(folder, options.seed, progress, keep_serving=options.keep_serving)
    found["seconds"] = round(time.monotonic() - started, 1)
    screen.answer(found, lines(screen, found))
    return 0 if found["kept_the_promise"] else 1


def _fresh(folder: Path) -> Path:
    """Empty the folder of an earlier demo, or make it; never touch one that is somebody's."""
    if folder.exists():
        if not folder.is_dir() or (any(folder.iterdir()) and not (folder / MARK).exists()):
            raise InputError(
                f"{folder} is there already and is not an earlier demo's",
                code="exists",
                hint="mw demo PATH plays it somewhere else",
            )
        _stop(folder)
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / MARK).touch()
    return folder


def _stop(folder: Path) -> None:
    """Stop the server that an earlier demo may have left running."""
    from modelwright.deploy import process

    if (folder / ".modelwright").is_dir():
        process.stop(folder / ".modelwright")


def lines(screen: Screen, found: Mapping[str, Any]) -> list[str]:
    """Return the short table at the end, and where the reports are."""
    accuracy, drift, retrain = found["accuracy"], found["drift"], found["retrain"]
    words = {
        "before": "before the camera slipped",
        "during": "after it slipped, same model",
        "after": "fresh pictures, retrained model",
    }
    rows = [
        (
            words[name],
            f"{accuracy[name]['value']:.1%}",
            f"{accuracy[name]['low']:.1%} to {accuracy[name]['high']:.1%}",
            str(accuracy[name]["count"]),
        )
        for name in words
    ]
    told = [screen.style("Accuracy in production", "bold")]
    told += screen.table(rows, ("", "accuracy", "95 % interval", "pictures"), right=(1, 2, 3))
    if drift["alarm"]:
        told.append(
            f"Drift was raised after {drift['pictures']} slipped pictures ({drift['seconds']:.1f} s), without a label: "
            f"{drift['message']}"
        )
    else:
        told.append("Drift was not raised.")
    told.append(
        f"{retrain['labels']} labels asked for; the challenger was {retrain['status']}: {retrain['reasons'][-1]}"
        if retrain["reasons"]
        else f"{retrain['labels']} labels asked for; the challenger was {retrain['status']}"
    )
    told.append(
        f"{found['requests']['sent']} requests sent, {found['requests']['failed']} failed, also during the swap."
    )
    told.append(screen.style("Reports", "bold"))
    told += screen.table([(name, relative(path)) for name, path in found["reports"].items() if path])
    told.append(f"{found['seconds']} s in all. Look around: mw -C {relative(found['project'])} status")
    return told
