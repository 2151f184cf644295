"""How a step says how far it has come, without knowing who is listening.

Steps take a :class:`Progress`; the command line passes one that draws bars on a terminal, a test passes
:data:`SILENT`. A step never prints.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """Listens to one step."""

    def begin(self, what: str, total: int | None = None) -> None:
        """Say that a piece of work of ``total`` units (unknown: None) begins; it replaces the one before."""

    def advance(self, units: int = 1, note: str = "") -> None:
        """Say that ``units`` more are done; ``note`` is a short remark such as the latest loss."""

    def say(self, message: str) -> None:
        """Say one line that should stay: an automatic choice and its reason, a warning."""


class Silent:
    """A listener that does not care."""

    def begin(self, what: str, total: int | None = None) -> None:
        """Ignore it."""

    def advance(self, units: int = 1, note: str = "") -> None:
        """Ignore it."""

    def say(self, message: str) -> None:
        """Ignore it."""


SILENT: Progress = Silent()


def track(items: Iterable[T], progress: Progress, what: str, total: int | None = None) -> Iterator[T]:
    """Yield ``items`` and advance ``progress`` by one after each."""
    progress.begin(what, total)
    for item in items:
        yield item
        progress.advance()
