"""The audit: who did what to what, and how often somebody looked at a test split."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from modelwright.store.catalog.ledger import Ledger
from modelwright.store.catalog.records import Event
from modelwright.store.files import check_digest

LOOK = "test-look"


class Audit:
    """The audit log of a store: appended to, never changed."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def record(self, event: str, subject: str, by: str, details: Mapping[str, Any]) -> int:
        """Record one event, durably, and return its number in the log."""
        body = {"event": event, "by": by, "time": time.time_ns(), "details": dict(details)}
        return self._ledger.append([(subject, body)])

    def events(self, after: int = 0, subject: str | None = None, event: str | None = None) -> Iterator[Event]:
        """Yield the events behind number ``after``, in order; only of one subject or one kind where given."""
        for seq, about, body in self._ledger.entries(after, subject):
            if event is None or body["event"] == event:
                yield Event(seq, body["event"], about, body["by"], body["time"], body["details"])

    def look(self, test_split: str, by: str, details: Mapping[str, Any] | None = None) -> int:
        """Count one look at a test split (its digest), durably, and return how many there have been, this one included.

        The same model looked at again is a look too: ``details`` says what was looked at.

        Raises
        ------
        InputError
            If ``test_split`` is not a digest.
        """
        self.record(LOOK, check_digest(test_split), by, details or {})
        return self.looks(test_split)

    def looks(self, test_split: str) -> int:
        """Return how often a test split has been looked at."""
        return sum(1 for _ in self.events(subject=check_digest(test_split), event=LOOK))

    def verify(self) -> list[str]:
        """Return what is wrong with the log; empty if no entry was changed or removed."""
        return self._ledger.verify()
