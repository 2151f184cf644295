"""What a check of ``mw doctor`` says."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal


@dataclass(frozen=True)
class Check:
    """One finding.

    Parameters
    ----------
    name
        What was looked at.
    status
        ``ok``, ``warn`` (works, but will hurt) or ``fail`` (does not work).
    found
        What is there.
    why, remedy
        Why that matters and what to do; empty where all is well.
    """

    name: str
    status: Literal["ok", "warn", "fail"]
    found: str
    why: str = ""
    remedy: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return ``{"name", "status", "found", "why", "remedy"}``."""
        return asdict(self)
