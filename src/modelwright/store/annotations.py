"""Annotations: statements about samples, by people and programs; the newest one about a sample wins."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from modelwright.store.catalog.ledger import Ledger
from modelwright.store.files import check_digest


@dataclass(frozen=True)
class Annotation:
    """One statement about one sample.

    Attributes
    ----------
    seq
        Its number in the log, from 1, without gaps.
    sample
        Digest of the raw bytes.
    kind
        What it states: ``label``.
    value
        What was said, JSON-ready.
    source
        Where it came from: ``feedback``, ``person``, ``import``, …
    time
        Nanoseconds since 1970 UTC.
    prediction
        The id of the prediction that it answers, or None.
    """

    seq: int
    sample: str
    kind: str
    value: Any
    author: str
    source: str
    time: int
    prediction: str | None


@dataclass(frozen=True)
class Statement:
    """What is to be appended: an :class:`Annotation` before it has its number and time."""

    sample: str
    kind: str
    value: Any
    author: str
    source: str
    prediction: str | None = None


class Annotations:
    """The annotation log of a store: appended to, never changed."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def append(
        self, sample: str, kind: str, value: Any, author: str, source: str, prediction: str | None = None
    ) -> int:
        """Append one statement and return its number; it is durable when this returns.

        Raises
        ------
        InputError
            If ``sample`` is not a digest, or ``value`` is not JSON.
        StorageError
            If the disk or the database refuses; then it is not stored.
        """
        return self.append_many([Statement(sample, kind, value, author, source, prediction)])

    def append_many(self, statements: Sequence[Statement]) -> int:
        """Append statements, all or none, and return the number of the last; see :meth:`append`."""
        now = time.time_ns()
        return self._ledger.append([(check_digest(each.sample), _body(each, now)) for each in statements])

    def newest(self, source: str | None = None) -> dict[str, Annotation]:
        """Return, for each sample, the newest statement (if that is from ``source``, where one is given)."""
        return {
            annotation.sample: annotation
            for annotation in map(_annotation, self._ledger.newest())
            if source is None or annotation.source == source
        }

    def since(self, seq: int = 0) -> Iterator[Annotation]:
        """Yield the statements behind number ``seq``, in order; 0 is from the beginning."""
        return map(_annotation, self._ledger.entries(after=seq))

    def of(self, sample: str) -> tuple[Annotation, ...]:
        """Return everything that was ever said about one sample, in order."""
        return tuple(map(_annotation, self._ledger.entries(subject=check_digest(sample))))

    def count(self, head: str | None = None) -> int:
        """Return how many there are, or were when the log's head was ``head``."""
        return self._ledger.count(head)

    def head(self) -> str:
        """Return the digest that names the log's state; without opening the database where that is possible."""
        return self._ledger.head()

    def verify(self) -> list[str]:
        """Return what is wrong with the log; empty if no entry was changed or removed."""
        return self._ledger.verify()


def _body(statement: Statement, now: int) -> dict[str, Any]:
    return {
        "kind": statement.kind,
        "value": statement.value,
        "author": statement.author,
        "source": statement.source,
        "time": now,
        "prediction": statement.prediction,
    }


def _annotation(entry: tuple[int, str, dict[str, Any]]) -> Annotation:
    seq, sample, body = entry
    return Annotation(
        seq,
        sample,
        body["kind"],
        body["value"],
        body["author"],
        body["source"],
        body["time"],
        body["prediction"],
    )
