"""Listeners for the steps' progress: bars on a terminal, lines elsewhere, both on standard error."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from modelwright.cli.screen import clean, one_line

if TYPE_CHECKING:
    from modelwright.cli.screen import Screen
    from modelwright.progress import Progress

PATIENCE = 1.0
"""Seconds that a piece of work may take before a bar appears."""


class Lines:
    """Writes what should stay, and nothing else."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def begin(self, what: str, total: int | None = None) -> None:
        """Say nothing: only what stays is written."""

    def advance(self, units: int = 1, note: str = "") -> None:
        """Say nothing: only what stays is written."""

    def say(self, message: str) -> None:
        """Write one line."""
        self._screen.note_raw(self._screen.style(f"  {clean(one_line(message))}", "dim", err=True))

    def close(self) -> None:
        """Do nothing: there is no bar to take away."""


class Bars(Lines):
    """Draws one bar with rich once a piece of work has taken longer than a second; gone when it is done."""

    def __init__(self, screen: Screen) -> None:
        super().__init__(screen)
        self._lock = threading.RLock()
        self._timer: threading.Timer | None = None
        self._drawn: Any = None
        self._task: Any = None
        self._what = ""
        self._total: int | None = None
        self._done = 0
        self._note = ""

    def begin(self, what: str, total: int | None = None) -> None:
        """Start a piece of work; its bar comes after a second."""
        with self._lock:
            self.close()
            self._what, self._total, self._done, self._note = clean(one_line(what)), total, 0, ""
            self._timer = threading.Timer(PATIENCE, self._draw)
            self._timer.daemon = True
            self._timer.start()

    def _draw(self) -> None:
        with self._lock:
            if self._timer is None or self._drawn is not None:
                return
            try:
                from rich.console import Console
                from rich.progress import (
                    BarColumn,
                    MofNCompleteColumn,
                    TextColumn,
                    TimeElapsedColumn,
                    TimeRemainingColumn,
                )
                from rich.progress import Progress as Drawing
            except ImportError:
                return
            sized = (BarColumn(bar_width=32), MofNCompleteColumn(), TimeRemainingColumn())
            looks = sized if self._total else (TimeElapsedColumn(),)
            self._drawn = Drawing(
                TextColumn("  {task.description}", markup=False),
                *looks,
                TextColumn("{task.fields[note]}", markup=False, style="dim"),
                console=Console(stderr=True, no_color=not self._screen.colour_err),
                transient=True,
            )
            self._task = self._drawn.add_task(self._what, total=self._total, completed=self._done, note=self._note)
            self._drawn.start()

    def advance(self, units: int = 1, note: str = "") -> None:
        """Move the bar."""
        with self._lock:
            self._done += units
            self._note = clean(one_line(note)) if note else self._note
            if self._total and self._done >= self._total:
                self.close()
            elif self._drawn is not None:
                self._drawn.update(self._task, completed=self._done, note=self._note)

    def say(self, message: str) -> None:
        """Write one line above the bar."""
        with self._lock:
            if self._drawn is None:
                super().say(message)
            else:
                self._drawn.console.print(f"  {clean(one_line(message))}", markup=False, highlight=False, style="dim")

    def close(self) -> None:
        """Take the bar away."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if self._drawn is not None:
                self._drawn.stop()
                self._drawn = None


def listen(screen: Screen) -> Lines | Bars:
    """Return the listener that fits where standard error goes; ``close()`` it when the work is over."""
    return Bars(screen) if screen.bars else Lines(screen)


def _fits(listener: Lines) -> Progress:
    """Let the type checker see that a listener is a Progress."""
    return listener
