"""One request's samples on their way through the server, and the identity of a prediction."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, TypeAlias

from modelwright.canonical import digest_bytes
from modelwright.deploy.messages import Reply, Response
from modelwright.deploy.served import Served
from modelwright.tasks.abilities import Row
from modelwright.tasks.base import Arrays

TENSOR_MEDIA_TYPE = "application/vnd.modelwright.tensors+json"
"""In the prediction log: the input is the canonical JSON of the graph's own tensors, not a raw sample."""

_ID = re.compile(r"([0-9a-f]{16})-([0-9a-f]{64})\Z")


class Sample:
    """One sample: raw bytes in, an answer out."""

    __slots__ = ("answer", "arrays", "digest", "id", "job", "media_type", "outputs", "raw", "row")

    def __init__(self, job: Job, raw: bytes, media_type: str, arrays: Arrays | Row) -> None:
        self.job = job
        self.raw = raw
        self.media_type = media_type
        self.arrays = arrays
        self.digest = digest_bytes(raw)
        self.id = ""
        self.answer: dict[str, Any] = {}
        self.outputs: Arrays = {}
        self.row = 0
        """Position of this sample in ``outputs``, which it shares with the batch it was run in."""


Done: TypeAlias = "Callable[[Job], None]"


class Job:
    """What one request asks for; ``done`` is called once, on the event loop, when all is answered and logged."""

    __slots__ = ("done", "error", "remaining", "reply", "samples", "served", "started", "write")

    def __init__(self, served: Served, done: Done, reply: Reply) -> None:
        self.served = served
        self.done = done
        self.reply = reply
        self.write: Callable[[Job], Response] | None = None
        """Makes the response when everything is answered; set when the request has been read."""
        self.samples: list[Sample] = []
        self.remaining = 0
        self.error: Exception | None = None
        self.started = time.perf_counter()

    def add(self, raw: bytes, media_type: str, arrays: Arrays | Row) -> None:
        """Add one decoded sample."""
        self.samples.append(Sample(self, raw, media_type, arrays))
        self.remaining += 1


class Identities:
    """Makes prediction ids: 16 hexadecimal digits that only grow, ``-``, the digest of the raw sample.

    The digits are nanoseconds since 1970, pushed forward where two fall together or the clock went back, so ids of one
    process are unique and sorted; the digest lets feedback find the sample without a lookup.
    """

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> int:
        """Return the next number; never the same twice."""
        self._last = max(self._last + 1, time.time_ns())
        return self._last


def make_id(number: int, digest: str) -> str:
    """Return the id of a prediction.

    Examples
    --------
    >>> make_id(255, "ab" * 32)[:20]
    '00000000000000ff-aba'
    """
    return f"{number:016x}-{digest}"


def sample_of(prediction_id: str) -> str | None:
    """Return the digest of the sample that a prediction id names, or None if it is not one.

    Examples
    --------
    >>> sample_of("00000000000000ff-" + "ab" * 32) == "ab" * 32, sample_of("x")
    (True, None)
    """
    match = _ID.match(prediction_id)
    return match.group(2) if match else None
