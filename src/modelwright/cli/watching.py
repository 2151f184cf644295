"""``mw monitor --watch``: one line a look, until a signal ends it."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from modelwright.cli.parsing import UsageError
from modelwright.cli.projects import listening

if TYPE_CHECKING:
    from modelwright.cli.screen import Screen
    from modelwright.project import Project

EVERY = "60s"
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def watch(project: Project, every: str | None, screen: Screen) -> int:
    """Write a line (with ``--json`` a part of one document) a look; exit status 0 when told to end."""
    pause = _seconds(every or EVERY)
    with listening(screen) as progress, _until_told() as ending:
        screen.stream("looks", _told(project.watch(pause, progress), ending))
    return 0


def _seconds(text: str) -> float:
    from modelwright.spec.values import seconds

    found = seconds(text)
    if found is None or found < 1:
        raise UsageError(f"mw monitor: --every {text!r} is no length of time of a second or more", hint="--every 60s")
    return found


class _Ending:
    """Whether somebody asked for the end. Work is broken off by the signal; a line that is being written is not."""

    def __init__(self) -> None:
        self.asked = False
        self.working = False

    def __call__(self, *_: object) -> None:
        """Take the signal."""
        self.asked = True
        if self.working:
            raise KeyboardInterrupt


@contextlib.contextmanager
def _until_told() -> Iterator[_Ending]:
    ending = _Ending()
    before = {number: signal.signal(number, ending) for number in SIGNALS}
    try:
        yield ending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _told(looks: Iterator[dict[str, Any]], ending: _Ending) -> Iterator[tuple[Any, str]]:
    try:
        while True:
            ending.working = True
            if ending.asked:
                return
            look = next(looks)
            ending.working = False
            yield look, line_of(look)
    except KeyboardInterrupt:
        return
    finally:
        ending.working = False


def line_of(look: Mapping[str, Any]) -> str:
    """Return a look in one line: when, what was seen, what was done about it."""
    from modelwright.cli.screen import clean, one_line, short

    parts = [_seen(look["findings"])]
    undo, made, error = look["undo"], look["round"], look["error"]
    if undo is not None and undo["verdict"] == "undo" and (made is None or made["status"] != "undone"):
        parts.append("the last promotion was a mistake")
    if made is not None:
        which = made["challenger"] if made["status"] in {"kept", "waiting", "refused"} else made["champion"]
        words = {
            "promoted": f"promoted {short(which)}",
            "kept": f"kept the champion, not {short(which)}",
            "waiting": f"{short(which)} waits for you (mw deploy)" if which else "waits for you",
            "refused": f"the gate refused {short(which)}",
            "undone": f"took {short(made.get('former'))} back for {short(which)}",
        }
        parts.append(f"{words.get(made['status'], made['status'])}: {'; '.join(map(str, made['reasons']))}")
    if error is not None:
        parts.append(f"error: {error['message']}")
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(look["time"] / 1e9))
    return f"{moment}  {clean(one_line('; '.join(parts)))}"


def _seen(findings: Mapping[str, Any] | None) -> str:
    from modelwright.cli.screen import interval

    if findings is None:
        return "nothing new"
    words = f"{findings['predictions']:,} predictions, {'drift' if findings['alarm'] else 'no drift'}"
    for kind in ("realised", "estimated"):
        if findings[kind]:
            words += f", {kind} {findings['metric']} {interval(findings[kind])}"
            break
    return "; ".join([words, *findings["alerts"]])
