"""What became of a step and of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class StepResult:
    """What became of one step.

    Parameters
    ----------
    step
        A step of the workflow.
    status
        ``ran``, ``cached``, ``failed`` or ``refused``.
    artifact
        Digest of the artifact, or None.
    seconds
        Wall time.
    """

    step: str
    status: str
    artifact: str | None
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON contract's form."""
        return {"step": self.step, "status": self.status, "artifact": self.artifact, "seconds": round(self.seconds, 3)}


@dataclass(frozen=True)
class RunResult:
    """What became of a run: one entry a step, and the gate's report if it was reached."""

    steps: Sequence[StepResult]
    report: Mapping[str, Any] | None = None
    server: Mapping[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON contract's form: ``{"steps", "report"}`` and, after a deployment, ``"server"``."""
        made: dict[str, Any] = {"steps": [step.as_dict() for step in self.steps], "report": self.report}
        if self.server is not None:
            made["server"] = dict(self.server)
        return made

    @property
    def verdict(self) -> str | None:
        """``accepted``, ``refused``, or None when the gate was not reached."""
        return None if self.report is None else str(self.report["verdict"])
