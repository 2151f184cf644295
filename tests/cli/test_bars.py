"""Progress: bars on a terminal after a second, lines elsewhere, nothing on standard output."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from modelwright.cli.bars import Lines, listen
from modelwright.cli.screen import Screen

WORK = """
import time
import modelwright.cli.bars as bars
from modelwright.cli.screen import Screen
bars.PATIENCE = 0.05
screen = Screen()
listener = bars.listen(screen)
listener.begin("features", 100)
listener.advance(10)
time.sleep(0.6)
listener.advance(20, note="loss 0.5")
listener.say("chose [bold]ridge[/bold]\\x1b[31m")
time.sleep(0.3)
listener.begin("quick", 3)
listener.advance(3)
listener.close()
screen.answer({}, ["done"])
"""


def _on_a_terminal(environment: dict[str, str]) -> str:
    """Run the work with standard error on a terminal and return what the terminal was sent."""
    ours, theirs = pty.openpty()
    env = {key: value for key, value in os.environ.items() if key not in {"NO_COLOR", "TERM"}} | environment
    with subprocess.Popen([sys.executable, "-c", WORK], stdout=subprocess.PIPE, stderr=theirs, env=env) as process:
        os.close(theirs)
        pieces = []
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # the other side is closed
                break
            if not piece:
                break
            pieces.append(piece)
        assert process.stdout is not None
        assert process.stdout.read() == b"done\n"
    os.close(ours)
    assert process.returncode == 0
    return b"".join(pieces).decode()


def test_a_bar_comes_on_a_terminal_and_goes_again() -> None:
    shown = _on_a_terminal({"TERM": "xterm-256color"})
    assert "features" in shown
    assert "/100" in shown
    assert "chose [bold]ridge[/bold]\\x1b[31m" in shown
    assert "quick" not in shown


def test_no_colour_means_none() -> None:
    shown = _on_a_terminal({"TERM": "xterm-256color", "NO_COLOR": "1"})
    assert "features" in shown
    assert "\x1b[3" not in shown.replace("\x1b[3A", "")


def test_a_dumb_terminal_gets_lines() -> None:
    shown = _on_a_terminal({"TERM": "dumb"})
    assert shown == "  chose [bold]ridge[/bold]\\x1b[31m\r\n"


def test_elsewhere_only_what_stays_is_written(capfd: pytest.CaptureFixture[str]) -> None:
    listener = listen(Screen())
    assert type(listener) is Lines
    listener.begin("features", 3)
    listener.advance(3)
    listener.say("two\nlines")
    listener.close()
    told = capfd.readouterr()
    assert told.out == ""
    assert told.err == "  two lines\n"
