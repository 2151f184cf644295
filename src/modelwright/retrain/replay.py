"""Champion and challenger on the same stored traffic, from the raw bytes that production sent."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelwright.progress import SILENT, Progress
from modelwright.retrain.promotion import Pairs
from modelwright.runtime.predictor import Predictor
from modelwright.store import Store
from modelwright.tasks import judging

BATCH = 32
LIMIT = 2000
EXAMPLES = 24


@dataclass(frozen=True)
class Sample:
    """One stored input: its digest, its bytes, and its truth (None: unknown)."""

    sample: str
    raw: bytes
    truth: Any = None


@dataclass(frozen=True)
class Example:
    """A sample on which the two differ."""

    sample: str
    truth: Any
    champion: Any
    challenger: Any


@dataclass(frozen=True)
class Replay:
    """What came of it.

    Attributes
    ----------
    samples
        How many were answered by both.
    failed
        How many could not be answered by one of them (no decode, a shape that does not fit).
    agreement
        Share of equal labels, or of equal sets of tags; for numbers: share that differ by less than 1 % of the
        champion's spread of answers.
    pairs
        Losses where the truth is known.
    changed
        Some samples on which they differ: those with known truth first, numbers the farthest apart first.
    latency_ms
        Mean milliseconds a sample: ``{"champion", "challenger"}``. Observed, never part of an identity.
    """

    samples: int
    failed: int
    agreement: float
    pairs: Pairs
    changed: tuple[Example, ...]
    latency_ms: Mapping[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-ready, without latencies."""
        return {
            "samples": self.samples,
            "failed": self.failed,
            "agreement": self.agreement,
            "labelled": self.pairs.count,
            "champion_loss": float(self.pairs.champion.mean()) if self.pairs.count else None,
            "challenger_loss": float(self.pairs.challenger.mean()) if self.pairs.count else None,
            "changed": [
                {
                    "sample": one.sample,
                    "truth": one.truth,
                    "champion": one.champion,
                    "challenger": one.challenger,
                }
                for one in self.changed
            ],
        }


def replay(
    champion: Predictor, challenger: Predictor, traffic: Iterable[Sample], progress: Progress = SILENT
) -> Replay:
    """Let both answer the same samples; memory is bounded by one batch of inputs.

    Parameters
    ----------
    champion, challenger
        Opened packages of one task. Their classes may differ: a truth that one has never learned is an error of it.
    traffic
        Stored inputs, such as :func:`recent_traffic` gives.
    """
    target = champion.target.name
    how = judging.judging(target)
    losses: list[tuple[float, ...]] = []
    answers: list[tuple[Any, Any]] = []
    changed: list[Example] = []
    spent = {"champion": 0.0, "challenger": 0.0}
    failed = 0
    progress.begin("replaying stored traffic")
    stream = iter(traffic)
    while batch := list(itertools.islice(stream, BATCH)):
        raws = [one.raw for one in batch]
        found: dict[str, list[dict[str, Any]]] = {}
        for name, predictor in (("champion", champion), ("challenger", challenger)):
            started = time.perf_counter()
            found[name] = predictor.predict(raws, on_error="report")
            spent[name] += time.perf_counter() - started
        for one, first, second in zip(batch, found["champion"], found["challenger"], strict=True):
            said = judging.said(first, target), judging.said(second, target)
            if said[0] is None or said[1] is None:
                failed += 1
                continue
            answers.append(said)
            if one.truth is not None:
                results = (judging.result(each, one.truth, target) for each in said)
                losses.append(tuple(1.0 - each if how.share else each for each in results))
            if said[0] != said[1]:
                changed.append(Example(one.sample, one.truth, *said))
        if len(changed) > 4 * EXAMPLES:
            changed = _telling(changed)
        progress.advance(len(batch))
    table = np.array(losses, dtype=np.float64).reshape(-1, 2)
    samples = len(answers)
    return Replay(
        samples=samples,
        failed=failed,
        agreement=_agreement(answers, numbers=target == "number"),
        pairs=Pairs(table[:, 0], table[:, 1]),
        changed=tuple(_telling(changed)),
        latency_ms={name: 1000 * seconds / max(1, samples + failed) for name, seconds in spent.items()},
    )


def _telling(examples: list[Example]) -> list[Example]:
    """Return the examples that say most: those with known truth first, numbers by how far they are apart."""

    def rank(one: Example) -> tuple[bool, float, str]:
        number = isinstance(one.champion, (int, float)) and isinstance(one.challenger, (int, float))
        return one.truth is None, -abs(one.champion - one.challenger) if number else 0.0, one.sample

    return sorted(examples, key=rank)[:EXAMPLES]


def _agreement(answers: list[tuple[Any, Any]], *, numbers: bool) -> float:
    if not answers:
        return 1.0
    if not numbers:
        return sum(bool(first == second) for first, second in answers) / len(answers)
    values = np.array(answers, dtype=np.float64)
    near = np.abs(values[:, 0] - values[:, 1]) <= 0.01 * values[:, 0].std()
    return float(np.count_nonzero(near)) / len(answers)


def recent_traffic(store: Store, deployment: str, truths: Mapping[str, Any], *, limit: int = LIMIT) -> Iterator[Sample]:
    """Yield the newest ``limit`` distinct inputs of a deployment's log, each with its truth where that is known.

    Only digests are held; the bytes are streamed from the log.
    """
    newest: dict[str, None] = {}
    for _, records in store.logs.read(deployment):
        for record in records:
            newest.pop(record.sample, None)
            newest[record.sample] = None
        while len(newest) > limit:
            del newest[next(iter(newest))]
    for sample, _, raw in store.logs.find_inputs(set(newest)):
        yield Sample(sample, raw, truths.get(sample))
