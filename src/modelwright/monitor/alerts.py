"""Alerts, and where they go. A sink is found in the registry under ``alert_sinks``; a plug-in's is one more name.

A sink is made with the store's folder and has ``send(alert)``. It is called at least once an alert: the same alert has
the same ``id``, by which a sink that must not repeat itself knows it again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

from modelwright import canonical, registry
from modelwright.errors import ModelwrightError
from modelwright.progress import Progress

Kind: TypeAlias = Literal["drift", "quality", "input", "contract", "promotion"]
TAIL_BYTES = 1 << 16


@dataclass(frozen=True)
class Alert:
    """Something a person should know, in words."""

    kind: Kind
    severity: Literal["warning", "critical"]
    message: str
    time: int
    """End of the window, nanoseconds since 1970 UTC."""
    package: str
    window: int
    """Beginning of the window, nanoseconds since 1970 UTC."""

    @property
    def id(self) -> str:
        """Name of this alert: one a kind, window and package, however often the window is looked at."""
        return canonical.digest_value([self.kind, self.package, self.window])[:16]

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return {
            "id": self.id,
            "kind": self.kind,
            "severity": self.severity,
            "message": self.message,
            "time": self.time,
            "package": self.package,
        }


class Sink(Protocol):
    """Where alerts go."""

    def send(self, alert: Mapping[str, Any]) -> None:
        """Deliver one alert (:meth:`Alert.as_dict`), or raise."""


class FileSink:
    """Appends alerts to ``alerts.jsonl`` in the store's folder, one JSON object a line, each alert once."""

    def __init__(self, root: Path) -> None:
        self.path = root / "alerts.jsonl"

    def send(self, alert: Mapping[str, Any]) -> None:
        """Append the alert, unless one with its id is among the last.

        Raises
        ------
        ModelwrightError
            If the file cannot be written.
        """
        try:
            with self.path.open("a+b") as file:
                size = file.seek(0, 2)
                file.seek(max(0, size - TAIL_BYTES))
                tail = file.read()
                if json.dumps(alert["id"]).encode() in tail:
                    return
                # A line cut short by a crash must not swallow this one.
                torn = b"\n" if tail and not tail.endswith(b"\n") else b""
                file.write(torn + canonical.dumps(dict(alert)) + b"\n")
        except OSError as error:
            raise ModelwrightError(f"cannot write {self.path}: {error.strerror}", code="alert-failed") from error


def send(alerts: Sequence[Alert], sinks: Sequence[str], root: Path, progress: Progress) -> None:
    """Send alerts to the named sinks. One that fails is said and left: it stops neither the others nor monitoring."""
    if not alerts:
        return
    for name in sinks:
        try:
            sink: Sink = registry.load("alert_sinks", name)(root)
            for alert in alerts:
                sink.send(alert.as_dict())
        except Exception as error:  # noqa: BLE001 - a stranger's plug-in may raise anything
            progress.say(f"the alert sink {name!r} failed: {type(error).__name__}: {error}")
