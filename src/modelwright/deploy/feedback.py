"""The truth about a prediction, as somebody says it: checked here, kept in the store's annotation log."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from modelwright.deploy.messages import HttpError, shorten
from modelwright.deploy.served import Served
from modelwright.deploy.work import sample_of
from modelwright.tasks.abilities import Structured
from modelwright.tasks.base import UndecodableError

if TYPE_CHECKING:
    from modelwright.store.annotations import Statement

KEYS = frozenset({"id", "sample", "truth", "author", "new_class"})
MOST = 256
"""Truths in one request; all are kept, durably, before the answer, or none."""
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


class Annotations(Protocol):
    """The part of the store's annotation log that feedback needs."""

    def append_many(self, statements: Sequence[Statement]) -> int:
        """Append durably, all or none; return the sequence number of the last."""


@dataclass(frozen=True, slots=True)
class Truth:
    """One checked statement."""

    sample: str
    prediction: str | None
    value: str | float
    author: str


def read_feedback(value: Any, served: Served) -> list[Truth]:
    """Check the parsed body of ``POST /feedback``: one statement, or a list of them (all good, or none kept).

    Raises
    ------
    HttpError
        400 where it has not the right form, 422 where the truth is not a label of this task.
    """
    entries = value if isinstance(value, list) else [value]
    if not 1 <= len(entries) <= MOST:
        raise HttpError(400, "bad-feedback", f"{len(entries)} statements; from 1 to {MOST} are allowed")
    return [
        _read_one(entry, served, f"statement {index}: " if isinstance(value, list) else "")
        for index, entry in enumerate(entries)
    ]


def _read_one(entry: Any, served: Served, where: str) -> Truth:
    form = 'send {"id": <the prediction\'s id>, "truth": <label, number or list of tags>}'
    if not isinstance(entry, dict):
        raise HttpError(400, "bad-feedback", f"{where}not a JSON object", hint=form)
    unknown = sorted(set(entry) - KEYS)
    if unknown:
        raise HttpError(400, "bad-feedback", f"{where}unknown key {shorten(unknown[0])!r}", hint=form)
    if ("id" in entry) == ("sample" in entry):
        raise HttpError(400, "bad-feedback", f"{where}give either 'id' or 'sample'", hint=form)
    prediction = None
    if "id" in entry:
        prediction = entry["id"]
        sample = sample_of(prediction) if isinstance(prediction, str) else None
        if sample is None:
            raise HttpError(400, "bad-id", f"{where}'id' is not the id of a prediction", hint=form)
    else:
        sample = entry["sample"]
        if not isinstance(sample, str) or not _DIGEST.match(sample):
            raise HttpError(400, "bad-id", f"{where}'sample' is not a digest (64 hexadecimal characters)", hint=form)
    author = entry.get("author", "feedback")
    if not isinstance(author, str) or not 1 <= len(author) <= 100 or not author.isprintable():
        raise HttpError(400, "bad-feedback", f"{where}'author' is not a name of 1 to 100 characters")
    if "truth" not in entry:
        raise HttpError(400, "bad-feedback", f"{where}'truth' is missing", hint=form)
    return Truth(sample, prediction, _read_truth(entry, served, where), author)


def _read_truth(entry: dict[str, Any], served: Served, where: str) -> str | float:
    raw = entry["truth"]
    tags = served.predictor.target.name == "tags"
    if isinstance(raw, dict) or (isinstance(raw, list) and not tags):
        raise HttpError(422, "bad-label", f"{where}'truth' is neither a label nor a number")
    try:
        truth: str | float | None = served.predictor.target.read(raw)
    except UndecodableError as error:
        raise HttpError(422, "bad-label", where + error.problem.message) from None
    if truth is None:
        raise HttpError(422, "bad-label", f"{where}'truth' is missing")
    new = entry.get("new_class", False)
    if not isinstance(new, bool):
        raise HttpError(400, "bad-feedback", f"{where}'new_class' is neither true nor false")
    named = _parts(served, truth) if tags else [truth]
    strange = [str(each) for each in named if served.classes and each not in served.classes]
    if strange and not new:
        shown = ", ".join(served.classes[:20]) + (" …" if len(served.classes) > 20 else "")
        raise HttpError(
            422,
            "unknown-class",
            f"{where}{shorten(strange[0])!r} is not a {'tag' if tags else 'class'} of this model",
            hint=f'the classes are: {shown}; to say that there is a new one, send "new_class": true',
        )
    return truth


def _parts(served: Served, truth: str | float) -> list[str]:
    """Return the single tags of a truth that the target has read."""
    target = served.predictor.target
    return target.classes(str(truth)) if isinstance(target, Structured) else []


def keep(annotations: Annotations, truths: list[Truth]) -> list[dict[str, Any]]:
    """Append the statements, all or none, durable when this returns; return what is answered. Not on the event loop."""
    from modelwright.store.annotations import Statement

    last = annotations.append_many(
        [Statement(each.sample, "label", each.value, each.author, "feedback", each.prediction) for each in truths]
    )
    first = last - len(truths) + 1
    return [
        {"sample": truth.sample, "truth": truth.value, "sequence": number} for number, truth in enumerate(truths, first)
    ]
