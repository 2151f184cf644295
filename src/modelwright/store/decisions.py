"""Decisions: what people decided about the issues that preparing found; each may be undone, none is forgotten."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from modelwright.errors import InputError
from modelwright.store.catalog.ledger import Ledger

DECISIONS = ("drop", "fix", "keep", "review")


@dataclass(frozen=True)
class Decision:
    """What ``by`` decided about one issue at ``time`` (ns since 1970 UTC); None took back the decision before."""

    seq: int
    issue: str
    decision: str | None
    by: str
    reason: str
    time: int
    value: Any = None
    """What a ``fix`` puts in place, such as the label suggested when it was decided; None where the issue says it."""


class Decisions:
    """The decision log of a store: appended to, never changed."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def record(self, issue_id: str, decision: str, by: str, reason: str = "", value: Any = None) -> int:
        """Record a decision (``drop``, ``fix``, ``keep``, ``review``), durably, and return its number.

        Raises
        ------
        InputError
            If it is another word, or the issue's id is empty or longer than 256 characters.
        """
        if decision not in DECISIONS:
            raise InputError(f"{decision!r} is not a decision; allowed: {', '.join(DECISIONS)}", code="bad-decision")
        return self._append(issue_id, decision, by, reason, value)

    def undo(self, issue_id: str, by: str, reason: str = "") -> int:
        """Take back what was decided about an issue: it is as if nobody had decided.

        Raises
        ------
        InputError
            If nothing is decided about it.
        """
        if issue_id not in self.current():
            raise InputError(f"nothing is decided about the issue {issue_id[:80]!r}", code="nothing-to-undo")
        return self._append(issue_id, None, by, reason)

    def current(self) -> dict[str, Decision]:
        """Return, for each issue that somebody decided, the decision that holds."""
        newest = (_decision(*entry) for entry in self._ledger.newest())
        return {each.issue: each for each in newest if each.decision is not None}

    def history(self) -> Iterator[Decision]:
        """Yield every decision ever made or taken back, in order."""
        return (_decision(*entry) for entry in self._ledger.entries())

    def head(self) -> str:
        """Return the digest that names the log's state; without opening the database where that is possible."""
        return self._ledger.head()

    def verify(self) -> list[str]:
        """Return what is wrong with the log; empty if no entry was changed or removed."""
        return self._ledger.verify()

    def _append(self, issue_id: str, decision: str | None, by: str, reason: str, value: Any = None) -> int:
        if not 0 < len(issue_id) <= 256:
            raise InputError(f"an issue's id has 1 to 256 characters; found {len(issue_id)}", code="bad-name")
        body = {"decision": decision, "by": by, "reason": reason, "time": time.time_ns()}
        if value is not None:
            body["value"] = value
        return self._ledger.append([(issue_id, body)])


def _decision(seq: int, issue: str, body: dict[str, Any]) -> Decision:
    return Decision(seq, issue, body["decision"], body["by"], body["reason"], body["time"], body.get("value"))
