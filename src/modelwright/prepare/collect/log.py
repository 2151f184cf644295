"""Source ``log``: what production saw, from a deployment's prediction log."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from modelwright import canonical
from modelwright.prepare.collect.base import Item, Kept, Rejected, Settings, Survey
from modelwright.prepare.collect.feedback import row_of
from modelwright.prepare.collect.frames import seconds_of
from modelwright.prepare.collect.options import Options

if TYPE_CHECKING:
    from modelwright.prepare.cache.index import Index

MOST = 10_000
_TENSORS = "application/vnd.modelwright"


class LogSource:
    """Inputs that a deployment answered, each once, the newest ones; the location is the deployment (``server``).

    What a sample is labelled with is, first, what a person or ``/feedback`` said of it. ``labels`` says what of the
    rest is taken: nothing (``feedback``, the default), all of it with the model's own answer as the label
    (``answers``; mind that a model learns its own mistakes so), or all of it without one (``all``: for outputs that
    need none, or to be labelled). The bytes are copied to the store's objects, so that the dataset stands when the log
    is gone. Order: time of the newest answer, then digest.
    """

    kind: ClassVar[str] = "log"
    option_names: ClassVar[Mapping[str, str]] = {
        "labels": "feedback, answers or all: what of the samples that nobody labelled is taken; default: feedback",
        "since": "a date such as 2026-03-01, or a time before now such as 7d: older answers are left out",
        "until": "the same for the other end",
        "unsure": "0 to 1: only answers whose confidence is at most this",
        "sure": "0 to 1: only answers whose confidence is at least this",
        "most": f"samples, at most; default: {MOST:,}, the newest",
    }
    kept: ClassVar[Kept] = "objects"

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        options = Options(self.kind, settings)
        self._where = options.where
        self._labels = options.text("labels") or "feedback"
        if self._labels not in {"feedback", "answers", "all"}:
            raise options.bad("labels", "feedback, answers or all")
        self._since, self._until = (_moment(options, key) for key in ("since", "until"))
        self._unsure, self._sure = (_share(options, key) for key in ("unsure", "sure"))
        self._most = options.whole("most", 1, 10_000_000) or MOST

    def fingerprint(self, index: Index) -> str:
        """Return the digest of which samples would be taken, with what labels; the log is read only if it grew."""
        store = self.settings.store
        options = [self._labels, self._since, self._until, self._unsure, self._sure, self._most]
        mark = canonical.digest_value(
            [_stat(store.root / "logs" / self.settings.location), store.annotations.head(), options]
        )
        key = f"log:{self.settings.location}:{self._labels}"
        known = index.listing(key, mark)
        if known is None:
            taken = [[sample, canonical.dumps(answer).decode()] for _, sample, answer in self._chosen()]
            known = canonical.digest_value([self.kind, taken, self._labels, store.annotations.head()])
            index.remember_listing(key, mark, known)
        return known

    def survey(self) -> Survey:
        """Return nothing: production may have sent nothing yet, and that is no error."""
        return Survey()

    def items(self, columns: Mapping[str, str]) -> Iterator[Item | Rejected]:
        """Stream the samples; of one whose bytes are damaged in the log, an issue."""
        store = self.settings.store
        chosen = self._chosen()
        missing = {sample for _, sample, _ in chosen if not store.objects.has(sample)}
        for _, _, data in store.logs.find_inputs(missing):
            store.objects.put(data)
        newest = (
            {sample: each for sample, each in store.annotations.newest().items() if each.kind == "label"}
            if store.annotations.head()
            else {}
        )
        for moment, sample, answer in chosen:
            if not store.objects.has(sample):
                yield Rejected(sample, "missing-file", f"the input of sample {sample[:12]} cannot be read from the log")
                continue
            raw = store.objects.get(sample)
            row = None
            if self.settings.input == "table":
                row = row_of(raw, columns)
                if row is None:
                    yield Rejected(sample, "corrupt", f"production sample {sample[:12]} is not a JSON object")
                    continue
            said = newest.get(sample)
            label = answer if self._labels == "answers" else None
            annotation = "source" if said is None else f"annotation:{said.seq}"
            value = label if said is None else said.value
            yield Item(sample, value, raw=raw, row=row, annotation=annotation, time=moment / 1e9)

    def _chosen(self) -> list[tuple[int, str, Any]]:
        """Return ``(time of the newest answer, sample, what it said)`` of what is taken; only digests are held."""
        from modelwright.tasks import judging

        store, output = self.settings.store, self.settings.output
        if self.settings.location not in store.logs.deployments():
            return []
        labelled: set[str] | None = None
        if self._labels == "feedback":
            head = store.annotations.head()
            labelled = {s for s, each in store.annotations.newest().items() if each.kind == "label"} if head else set()
        found: dict[str, tuple[int, Any]] = {}
        for _, records in store.logs.read(self.settings.location):
            for record in records:
                if record.media_type.startswith(_TENSORS) or (labelled is not None and record.sample not in labelled):
                    continue
                if not self._wants(record.time, judging.read_answer(record.output, output)):
                    continue
                found.pop(record.sample, None)
                found[record.sample] = (record.time, judging.said(record.output, output))
            if len(found) > 2 * self._most:
                found = dict(sorted(found.items(), key=_by_time)[-self._most :])
        newest = sorted(found.items(), key=_by_time)[-self._most :]
        return [(moment, sample, answer) for sample, (moment, answer) in newest]

    def _wants(self, moment: int, answer: Mapping[str, Any] | None) -> bool:
        seconds = moment / 1e9
        if (self._since is not None and seconds < self._since) or (self._until is not None and seconds > self._until):
            return False
        if self._unsure is None and self._sure is None:
            return True
        confidence = (answer or {}).get("confidence")
        if confidence is None:
            return False
        return (self._unsure is None or confidence <= self._unsure) and (self._sure is None or confidence >= self._sure)


def _stat(folder: Path) -> list[list[Any]]:
    """Return name, size and time of each segment of a log; nothing where there is no such log."""
    try:
        found = [(entry.name, entry.stat()) for entry in os.scandir(folder)]
    except OSError:
        return []
    return sorted([name, status.st_size, status.st_mtime_ns] for name, status in found)


def _by_time(entry: tuple[str, tuple[int, Any]]) -> tuple[int, str]:
    return entry[1][0], entry[0]


def _share(options: Options, key: str) -> float | None:
    value = options.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.0 <= value <= 1.0:
        raise options.bad(key, "a number from 0 to 1")
    return float(value)


def _moment(options: Options, key: str) -> float | None:
    """Return a date, or a time before now, in seconds since 1970 UTC."""
    value = options.get(key)
    if value is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(str(value).strip())
    except ValueError:
        import time

        return time.time() - seconds_of(options, key, 0.0, 3650 * 86_400.0)
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)).timestamp()
