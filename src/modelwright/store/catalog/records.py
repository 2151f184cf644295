"""What the catalog's repositories return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Run:
    """One execution of one step.

    Attributes
    ----------
    id
        12 hexadecimal characters.
    status
        ``running``, ``done``, ``failed``, ``refused``, ``cached``, or ``interrupted``: its process is gone and never
        said how it ended.
    inputs
        Name → digest.
    started, finished
        Nanoseconds since 1970 UTC.
    artifact
        Digest of what it made, if it made anything.
    error
        What went wrong, in one line, if it failed.
    """

    id: str
    step: str
    status: str
    inputs: Mapping[str, str]
    params: Mapping[str, Any]
    seed: int | None
    environment: Mapping[str, Any]
    started: int
    finished: int | None
    artifact: str | None
    error: str | None

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return asdict(self)


@dataclass(frozen=True)
class Event:
    """One line of the audit: what happened to what, by whom, when (ns since 1970 UTC), with JSON details."""

    seq: int
    event: str
    subject: str
    by: str
    time: int
    details: Mapping[str, Any]


@dataclass(frozen=True)
class Node:
    """One thing in a lineage: an artifact, or an input that is none (``kind`` is then the input's name)."""

    id: str
    kind: str
    created: int | None
    meta: Mapping[str, Any]


@dataclass(frozen=True)
class Edge:
    """``made`` was made from ``source``, which it calls ``name``."""

    source: str
    made: str
    name: str


@dataclass(frozen=True)
class Lineage:
    """Everything that one artifact was made from, and everything that was made from it."""

    root: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-ready: ``{"root", "nodes": [{"id", "kind", …}], "edges": [{"source", "made", "name"}]}``."""
        return asdict(self)
