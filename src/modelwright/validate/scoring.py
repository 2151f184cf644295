"""The figures of one package on one split: each with its interval, from the packaged graph's own outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.tasks.base import Arrays, Target
from modelwright.tasks.targets import tags_metrics
from modelwright.validate.compare import mean_interval

REPEATS = 1000
"""Bootstrap resamples behind every interval."""
RELIABILITY_BINS = 10


@dataclass(frozen=True)
class Scored:
    """Outputs and truth of one split, sample by sample."""

    outputs: Arrays
    truth: NDArray[Any]
    loss: NDArray[np.float64]
    """``(n,)`` per-sample loss, NaN where the truth is unknown."""

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which samples have a truth that the model could have given."""
        return np.isfinite(self.loss)


def score(target: Target, outputs: Arrays, truth: NDArray[Any]) -> Scored:
    """Return outputs and truth with their losses."""
    return Scored(outputs, truth, target.per_sample_loss(truth, outputs))


def with_intervals(target: Target, scored: Scored, schema: Mapping[str, Any], seed: int) -> dict[str, dict[str, float]]:
    """Return ``{metric: {"value", "low", "high"}}`` with 95 % intervals.

    Percentiles of 1,000 seeded bootstrap resamples (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993,
    §13.3). Resampling cannot see a mistake that did not happen: the interval of accuracy is never narrower than
    Wilson's, so that 20 of 20 right is not 100 % to 100 %.
    """
    values = target.metrics(scored.truth, scored.outputs, schema)
    drawn = bootstrap(target, scored, schema, seed)
    found = {}
    for name, value in values.items():
        sample = drawn.get(name, np.empty(0))
        sample = sample[np.isfinite(sample)]
        low, high = np.quantile(sample, (0.025, 0.975)) if sample.size else (value, value)
        if name == "accuracy":
            wilson = mean_interval(correct(scored)[scored.known], binary=True)
            low, high = min(low, wilson[0]), max(high, wilson[1])
        found[name] = {"value": value, "low": float(min(low, value)), "high": float(max(high, value))}
    return found


def bootstrap(
    target: Target, scored: Scored, schema: Mapping[str, Any], seed: int, repeats: int = REPEATS
) -> dict[str, NDArray[np.float64]]:
    """Return ``(repeats,)`` per metric: vectorised by the target, or one resample after the other if it cannot."""
    generator = np.random.default_rng(seed)
    vectorised = getattr(target, "bootstrap", None)
    if vectorised is not None:
        drawn: dict[str, NDArray[np.float64]] = vectorised(scored.truth, scored.outputs, schema, generator, repeats)
        return drawn
    count = len(scored.truth)
    rows: list[dict[str, float]] = []
    for _ in range(repeats):
        chosen = generator.integers(0, count, count)
        rows.append(
            target.metrics(scored.truth[chosen], {name: v[chosen] for name, v in scored.outputs.items()}, schema)
        )
    names = sorted({name for row in rows for name in row})
    return {name: np.array([row.get(name, np.nan) for row in rows]) for name in names}


def correct(scored: Scored) -> NDArray[np.float64]:
    """Return ``(n,)`` 1 where the most probable class is the truth, else 0."""
    chosen = np.asarray(scored.outputs["probabilities"]).argmax(axis=1)
    return np.asarray(chosen == scored.truth, dtype=np.float64)


def has_tags(scored: Scored) -> bool:
    """Whether the answers are tags, any number for a sample."""
    return "tags" in scored.outputs


def onto(outputs: Arrays, theirs: Sequence[str], ours: Sequence[str]) -> Arrays:
    """Return the probabilities that a model with the tags ``theirs`` gives to ``ours``: 0 to one it never heard of."""
    index = {name: place for place, name in enumerate(theirs)}
    known = [place for place, name in enumerate(ours) if name in index]
    given = np.asarray(outputs["probabilities"])
    made = np.zeros((len(given), len(ours)), given.dtype)
    made[:, known] = given[:, [index[ours[place]] for place in known]]
    return {"probabilities": made}


def rightness(scored: Scored) -> NDArray[np.float64]:
    """Return ``(n,)`` 0..1 how right each answer is: all or nothing for a class, Jaccard's index for tags."""
    if has_tags(scored):
        return tags_metrics.jaccard(scored.truth > 0.5, np.asarray(scored.outputs["tags"], bool))
    return correct(scored)


def slice_scores(scored: Scored) -> tuple[NDArray[np.float64], str, bool]:
    """Return what slices are compared by, its name, and whether higher is better: how right, or the error."""
    if has_tags(scored):
        return rightness(scored), "jaccard", True
    if "probabilities" in scored.outputs:
        return correct(scored), "accuracy", True
    return scored.loss, "mae", False


def reliability(scored: Scored) -> list[dict[str, float]]:
    """Return how right the model is by how sure it is; bins of equal counts, none for a number."""
    if "probabilities" not in scored.outputs:
        return []
    probabilities = np.asarray(scored.outputs["probabilities"], np.float64)[scored.known]
    if has_tags(scored):
        decided = np.asarray(scored.outputs["tags"], bool)[scored.known]
        confidence = tags_metrics.expected_jaccard(probabilities, decided)
    else:
        confidence = probabilities.max(axis=1)
    right = rightness(scored)[scored.known]
    bins = []
    for part in np.array_split(np.argsort(confidence, kind="stable"), min(RELIABILITY_BINS, len(confidence))):
        low, high = mean_interval(right[part], binary=not has_tags(scored))
        bins.append(
            {
                "confidence": float(confidence[part].mean()),
                "accuracy": float(right[part].mean()),
                "low": max(0.0, low),
                "high": min(1.0, high),
                "count": len(part),
            }
        )
    return bins


def trivial(target: Target, schema: Mapping[str, Any], train: NDArray[Any], truth: NDArray[Any]) -> Scored:
    """Return what a model says that has seen the training split's labels only: its class shares, or its mean.

    Parameters
    ----------
    train
        ``(m,)`` truth of the training split: class indices, or numbers; ``(m, k)`` tags.
    truth
        ``(n,)`` or ``(n, k)`` truth of the samples to score.
    """
    if train.ndim == 2:
        known = train[np.isfinite(train).all(axis=1)].astype(np.float64)
        constant = np.log(known.sum(0) + 0.5) - np.log((1.0 - known).sum(0) + 0.5)
    elif "classes" in schema:
        shares = np.bincount(train[train >= 0], minlength=len(schema["classes"])) + 1.0
        constant = np.log(shares / shares.sum())
    else:
        constant = np.array([train[np.isfinite(train)].mean(dtype=np.float64)])
    scores = np.repeat(constant[None].astype(np.float32), len(truth), axis=0)
    return score(target, target.outputs(scores, schema, {}), truth)


def gap(
    train: Mapping[str, float], test: Mapping[str, Mapping[str, float]], higher_is_better: Mapping[str, bool]
) -> dict[str, float]:
    """Return by how much each metric is worse on the test split than on the training split; negative: it is better."""
    return {
        name: (train[name] - test[name]["value"]) * (1.0 if higher_is_better.get(name, True) else -1.0)
        for name in test
        if name in train
    }
