"""The profile's quality block: how good held-out predictions were, by how sure they were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.tasks import judging
from modelwright.tasks.targets import tags_metrics

RELIABILITY_BINS = 10


def as_number(values: Any) -> NDArray[np.float64]:
    """Return values as ``(n,) float64``."""
    return np.asarray(values, dtype=np.float64).reshape(-1)


class Quality:
    """How good the held-out predictions were, by how sure they were: a uniform sample of (certainty, result) pairs."""

    def __init__(self, capacity: int, seed: int) -> None:
        self._random = np.random.default_rng([seed, 0])
        self._capacity = capacity
        self._metric = ""
        self._keys = np.empty(0)
        self._certainty = np.empty(0)
        self._result = np.empty(0)
        self._count = 0
        self._total = 0.0
        self._covered = 0

    def add(self, outputs: Mapping[str, NDArray[Any]], truth: NDArray[Any], target: str) -> None:
        """Count a batch; see :meth:`~modelwright.runtime.profile.ProfileBuilder.add_predictions`."""
        if target == "category":
            self._metric = "accuracy"
            probabilities = np.asarray(outputs["probabilities"], dtype=np.float64)
            known = np.asarray(np.asarray(truth).reshape(-1) >= 0)
            certainty = probabilities.max(axis=1)[known]
            result = (probabilities.argmax(axis=1) == np.asarray(truth).reshape(-1))[known].astype(np.float64)
        elif target == "tags":
            self._metric = "jaccard"
            flags = np.asarray(truth, dtype=np.float64)
            known = np.asarray(np.isfinite(flags).all(axis=1))
            decided = np.asarray(outputs["tags"], bool)[known]
            certainty = tags_metrics.expected_jaccard(np.asarray(outputs["probabilities"])[known], decided)
            result = tags_metrics.jaccard(flags[known] > 0.5, decided)
        elif target == "number":
            self._metric = "mae"
            wanted = as_number(truth)
            known = np.asarray(np.isfinite(wanted))
            value = as_number(outputs["value"])
            low, high = as_number(outputs.get("low", value)), as_number(outputs.get("high", value))
            certainty = (high - low)[known]
            result = np.abs(value - wanted)[known]
            self._covered += int(((low <= wanted) & (wanted <= high))[known].sum())
        else:
            return
        self._count += result.size
        self._total += float(result.sum())
        keys = np.concatenate([self._keys, self._random.random(result.size)])
        kept = np.sort(np.argsort(keys, kind="stable")[: self._capacity])
        self._keys = keys[kept]
        self._certainty = np.concatenate([self._certainty, certainty])[kept]
        self._result = np.concatenate([self._result, result])[kept]

    def finish(self) -> dict[str, Any] | None:
        """Return the block, JSON-ready (``docs/formats.md``); None where no truth was known."""
        if not self._count:
            return None
        figure = {"metric": self._metric, "estimated": self._total / self._count, "samples": self._count}
        names = ("confidence", "accuracy") if judging.by_metric(self._metric).share else ("spread", "error")
        bins = []
        edges = np.unique(np.quantile(self._certainty, np.linspace(0, 1, RELIABILITY_BINS + 1)[1:-1]))
        place = np.searchsorted(edges, self._certainty, side="right")
        for index in range(edges.size + 1):
            inside = place == index
            if inside.any():
                bins.append(
                    {
                        "low": float(self._certainty[inside].min()),
                        "high": float(self._certainty[inside].max()),
                        "count": int(inside.sum()),
                        names[0]: float(self._certainty[inside].mean()),
                        names[1]: float(self._result[inside].mean()),
                    }
                )
        figure["reliability"] = bins
        if self._metric == "mae":
            figure["coverage"] = self._covered / self._count
            figure["error_std"] = float(self._result.std())
        return figure
