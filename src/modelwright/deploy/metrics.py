"""What the server counts, and how Prometheus reads it.

Counting is plain arithmetic on the hot path; the Prometheus client library is imported at the first scrape and turns
the counts into its text format.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

LATENCY = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the latency histogram, seconds."""
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Upper bounds of the batch size histogram, samples."""


class Histogram:
    """Counts in fixed bins, and the sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, float]]:
        """Return cumulative ``(upper bound, count)``, the last bound ``+Inf``."""
        names = [*(str(bound) for bound in self.bounds), "+Inf"]
        running, found = 0, []
        for name, count in zip(names, self.counts, strict=True):
            running += count
            found.append((name, float(running)))
        return found


class Metrics:
    """Counters of one server. Event loop and worker write different ones."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()
        """By route and status."""
        self.latency = Histogram(LATENCY)
        self.batch_sizes = Histogram(SIZES)
        self.model_seconds = 0.0
        self.predictions = 0
        self.log_bytes = 0
        self.log_failures = 0
        self.feedback = 0
        self.contract: Counter[tuple[str, str]] = Counter()
        """Inputs beside the contract, by column and code."""
        self.swaps = 0
        self.swaps_refused = 0

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self.requests[route, status] += 1
        self.latency.add(seconds)

    def broken(self, findings: Sequence[Mapping[str, Any]]) -> None:
        """Count what was odd about one input."""
        for each in findings:
            self.contract[each["column"], each["code"]] += 1

    def batch(self, samples: int, seconds: float) -> None:
        """Count one run of the model, its logging included."""
        self.batch_sizes.add(samples)
        self.model_seconds += seconds

    def logged(self, records: int, size: int) -> None:
        """Count records that are safely in the log, and their input bytes."""
        self.predictions += records
        self.log_bytes += size


class Exposition:
    """Renders :class:`Metrics` in Prometheus' text format.

    ``gauges`` gives what is only known at the moment of the scrape: ``(name, help, value, labels)``.
    """

    def __init__(self, metrics: Metrics, gauges: Callable[[], list[tuple[str, str, float, dict[str, str]]]]) -> None:
        self._metrics = metrics
        self._gauges = gauges
        self._registry: Any = None
        self._lock = threading.Lock()

    def render(self) -> bytes:
        """Return the text. The first call imports the client library (tens of milliseconds)."""
        from prometheus_client import CollectorRegistry, generate_latest

        with self._lock:
            if self._registry is None:
                self._registry = CollectorRegistry(auto_describe=False)
                self._registry.register(self)
        return bytes(generate_latest(self._registry))

    def collect(self) -> Iterator[Any]:
        """Yield metric families; called by the client library."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        metrics = self._metrics
        requests = CounterMetricFamily("modelwright_requests", "Requests answered.", labels=["route", "status"])
        for (route, status), count in sorted(metrics.requests.items()):
            requests.add_metric([route, str(status)], count)
        yield requests
        broken = CounterMetricFamily(
            "modelwright_contract", "Values beside what training saw.", labels=["column", "code"]
        )
        for (column, code), count in sorted(metrics.contract.items()):
            broken.add_metric([column, code], count)
        yield broken
        for name, text, histogram in (
            ("modelwright_request_seconds", "From the request's last byte to its answer.", metrics.latency),
            ("modelwright_batch_samples", "Samples in one run of the model.", metrics.batch_sizes),
        ):
            family = HistogramMetricFamily(name, text)
            family.add_metric([], histogram.buckets(), histogram.total)
            yield family
        for name, text, value in (
            ("modelwright_model_seconds", "Time spent in the model and its log.", metrics.model_seconds),
            ("modelwright_predictions", "Predictions logged and answered.", metrics.predictions),
            ("modelwright_log_input_bytes", "Input bytes written to the prediction log.", metrics.log_bytes),
            (
                "modelwright_log_failures",
                "Batches that could not be logged, and so were refused.",
                metrics.log_failures,
            ),
            ("modelwright_feedback", "Truths received.", metrics.feedback),
            ("modelwright_swaps", "Packages swapped in.", metrics.swaps),
            ("modelwright_swaps_refused", "Packages refused by their golden check.", metrics.swaps_refused),
        ):
            yield CounterMetricFamily(name, text, value=value)
        for name, text, value, labels in self._gauges():
            gauge = GaugeMetricFamily(name, text, labels=list(labels))
            gauge.add_metric(list(labels.values()), value)
            yield gauge
