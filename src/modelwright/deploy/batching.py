"""Samples that wait together are answered together, and logged before they are answered.

How a batch forms: requests that arrive in the same turn of the event loop, and those that arrive while the model is
busy. An idle server never waits. Under load a batch may wait up to ``wait_ms`` for the clients that were just answered
to come back, because half-full batches would otherwise alternate for ever.

A model that is fast enough (``Served.inline``) is run on the event loop: handing over to a thread costs more than
running it. Otherwise one worker thread runs model and log, so that answers keep their order in the log.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from modelwright.deploy.messages import HttpError
from modelwright.deploy.metrics import Metrics
from modelwright.deploy.served import Served
from modelwright.deploy.settings import Batching
from modelwright.deploy.work import Identities, Job, Sample, make_id
from modelwright.errors import ModelwrightError
from modelwright.tasks.base import Arrays

RETRY = ((b"retry-after", b"1"),)


class Journal(Protocol):
    """Where predictions are written: the store's log writer."""

    def append_many(self, records: list[Any]) -> None:
        """Write; return when they would survive (as configured); raise a ModelwrightError if they could not be kept."""

    def close(self) -> None:
        """Flush and close."""


class Batcher:
    """Collects samples, runs the model on them, logs, and calls each job's ``done`` on the event loop.

    Parameters
    ----------
    journal
        The prediction log.
    record
        Makes one log record: ``(id, time, package, sample, media_type, input, output, latency_us)``.
    slow_journal
        Whether writing waits for the disk (``power``): then never on the event loop.
    """

    def __init__(
        self,
        journal: Journal,
        record: Callable[..., Any],
        settings: Batching,
        metrics: Metrics,
        *,
        slow_journal: bool,
    ) -> None:
        self._journal = journal
        self._record = record
        self._most = settings.samples
        self._wait = settings.wait_ms / 1000
        self._metrics = metrics
        self._slow_journal = slow_journal
        self._waiting: deque[Sample] = deque()
        self._identities = Identities()
        self._loop = asyncio.get_running_loop()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._scheduled = False
        self._busy = False
        self._recent = 0.0
        """Smoothed size of batches, by which a batch knows whether company is likely."""
        self._seconds = 0.0
        """Duration of the last batch."""

    @property
    def waiting(self) -> int:
        """Samples in the queue."""
        return len(self._waiting)

    def submit(self, job: Job) -> None:
        """Queue a job's samples (all decoded). On the event loop only."""
        self._waiting.extend(job.samples)
        if not self._scheduled and not self._busy:
            self._scheduled = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """Start the next batch, at the end of a turn of the event loop."""
        self._scheduled = False
        if self._busy or not self._waiting:
            return
        samples = self._take()
        self._recent += 0.25 * (len(samples) - self._recent)
        if self._slow_journal or not samples[0].job.served.inline:
            self._busy = True
            self._worker.submit(self._in_worker, samples)
        else:
            self._process(samples)
            self._deliver(samples)

    def _take(self) -> list[Sample]:
        """Take up to a full batch that belongs to one package."""
        waiting, most = self._waiting, self._most
        served = waiting[0].job.served
        samples: list[Sample] = []
        while waiting and len(samples) < most and waiting[0].job.served is served:
            samples.append(waiting.popleft())
        return samples

    def _in_worker(self, samples: list[Sample]) -> None:
        self._process(samples)
        self._loop.call_soon_threadsafe(self._after_worker, samples)

    def _after_worker(self, samples: list[Sample]) -> None:
        self._busy = False
        self._deliver(samples)

    def _deliver(self, samples: list[Sample]) -> None:
        """Answer the jobs that are complete, and see to the next batch."""
        for sample in samples:
            job = sample.job
            job.remaining -= 1
            if not job.remaining:
                job.done(job)
        if not self._waiting or self._scheduled or self._busy:
            return
        self._scheduled = True
        if self._recent >= 2 and len(self._waiting) < min(self._recent, self._most) / 2:
            self._loop.call_later(min(self._wait, self._seconds / 4), self._turn)
        else:
            self._loop.call_soon(self._turn)

    def _process(self, samples: list[Sample]) -> None:
        """Run the model and write the log; on the event loop or in the worker, never in both at once."""
        start = time.perf_counter()
        served = samples[0].job.served
        answered: list[Sample] = []
        for positions, stacked in served.predictor.stack([sample.arrays for sample in samples]):
            part = [samples[position] for position in positions]
            try:
                outputs = served.predictor.run(stacked)
                answers = served.predictor.answers(outputs)
                if served.warns:
                    self._warn(served, stacked, answers)
            except Exception as error:  # noqa: BLE001 - whatever a graph does, the server answers
                _fail(part, _model_error(error))
                continue
            for row, sample in enumerate(part):
                sample.answer = answers[row]
                sample.outputs = outputs
                sample.row = row
            answered += part
        if answered:
            self._log(answered, served)
        self._seconds = time.perf_counter() - start
        self._metrics.batch(len(samples), self._seconds)

    def _warn(self, served: Served, stacked: Arrays, answers: list[dict[str, Any]]) -> None:
        """Say in the answers what is odd about their inputs, and count it; what the log keeps says it too."""
        for row, findings in served.contract.check(stacked).items():
            answers[row]["warnings"] = findings
            self._metrics.broken(findings)

    def _log(self, samples: Sequence[Sample], served: Served) -> None:
        now = time.perf_counter()
        records = []
        size = 0
        for sample in samples:
            number = self._identities.next()
            sample.id = make_id(number, sample.digest)
            size += len(sample.raw)
            records.append(
                self._record(
                    id=sample.id,
                    time=number,
                    package=served.package,
                    sample=sample.digest,
                    media_type=sample.media_type,
                    input=sample.raw,
                    output=sample.answer,
                    latency_us=int((now - sample.job.started) * 1e6),
                )
            )
        try:
            self._journal.append_many(records)
        except Exception:  # noqa: BLE001 - disk full, I/O error, or anything: no answer without its record
            self._metrics.log_failures += 1
            _fail(
                samples,
                HttpError(
                    503,
                    "log-unavailable",
                    "the prediction could not be written to the log, so it is not given",
                    hint="the server's disk is full or failing; try again later",
                    headers=RETRY,
                ),
            )
        else:
            self._metrics.logged(len(records), size)

    async def drain(self) -> None:
        """Wait until nothing is queued or running."""
        while self._waiting or self._busy or self._scheduled:
            await asyncio.sleep(0.005)

    def close(self) -> None:
        """Stop the worker and close the log. Nothing may be queued any more."""
        self._worker.shutdown(wait=True)
        self._journal.close()


def _fail(samples: Sequence[Sample], error: Exception) -> None:
    for sample in samples:
        if sample.job.error is None:
            sample.job.error = error


def _model_error(error: Exception) -> Exception:
    """Return what the client is told when the graph did not answer; the runtime's own text stays here."""
    if isinstance(error, ModelwrightError) and error.code == "bad-shape":
        return HttpError(400, "bad-shape", "the input does not fit the model")
    return HttpError(422, "inference-failed", "the model could not answer this input")
