"""What a route is, and a request that may take it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from modelwright.deploy.guard import Access
from modelwright.deploy.messages import Reply, Request

Handler: TypeAlias = Callable[[Request, str, Reply], None]


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path. Every route says who may call it and how much it reads."""

    label: str
    access: Access
    handler: Handler
    body: int = 0


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that may be read: its route and the model's name or version from the path."""

    route: Route
    argument: str
