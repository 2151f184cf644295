"""Whether synthetic samples help: measured on real samples that were held back, and claimed only beyond chance.

A light model (ridge regression over the packaged graph's dense features) learns once from the real training samples and
once from all of them; both answer the validation split, which holds real samples only. The difference has a 95 %
interval by the paired bootstrap (Efron and Tibshirani 1993, section 16.4).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.gather.spaced import spaced
from modelwright.progress import Progress
from modelwright.store.dataset import Dataset

LEAST = 20
"""Validation samples below which nothing is measured."""
MOST = 20_000
"""Training samples that the light model learns from; of more, evenly spaced ones."""
_REPEATS = 2000
_RIDGES = (0.1, 1.0, 10.0, 100.0, 1000.0)


def measure(dataset: Dataset, progress: Progress) -> dict[str, Any]:
    """Return ``{"metric", "without", "with", "gain", "low", "high", "samples", "better", "words"}``.

    ``gain`` is positive where the synthetic samples help; ``better`` says whether that is beyond chance. Only ``words``
    is there where nothing can be measured.
    """
    if dataset.label_kind not in {"class", "number"}:
        return {
            "words": "what the synthetic samples are worth was not measured: labels are neither classes nor numbers"
        }
    held = dataset.truth("validation")
    known = np.isfinite(held) if held.dtype.kind == "f" else held >= 0
    if known.sum() < LEAST:
        return {
            "words": "what the synthetic samples are worth was not measured: the validation split has "
            f"{int(known.sum())} samples, {LEAST} are needed; no gain is claimed"
        }
    progress.begin("measuring what synthetic samples are worth")
    features, truth = dataset.features("train", "dense"), dataset.truth("train")
    real = ~dataset.synthetic("train")
    tested = np.asarray(dataset.features("validation", "dense"), np.float64)[known]
    places = spaced(np.flatnonzero(real), MOST)
    ridge = _best_ridge(features, truth, places)
    before = _answers(features, truth, places, tested, ridge)
    after = _answers(
        features, truth, np.sort(np.concatenate([places, spaced(np.flatnonzero(~real), MOST)])), tested, ridge
    )
    return _compared(before, after, held[known], classes=held.dtype.kind != "f")


def _compared(
    before: NDArray[np.float64], after: NDArray[np.float64], truth: NDArray[Any], *, classes: bool
) -> dict[str, Any]:
    random = np.random.default_rng(0)
    drawn = random.integers(0, len(truth), (_REPEATS, len(truth)))
    if classes:
        name = "balanced accuracy"
        right = [answer.argmax(1) == truth for answer in (before, after)]
        scores = [_balanced(each, truth) for each in right]
        differences = np.array(
            [_balanced(right[1][row], truth[row]) - _balanced(right[0][row], truth[row]) for row in drawn]
        )
        gained = scores[1] - scores[0]
    else:
        name = "mean absolute error"
        errors = [np.abs(answer[:, 0] - truth) for answer in (before, after)]
        scores = [float(each.mean()) for each in errors]
        less = errors[0] - errors[1]
        differences = less[drawn].mean(1)
        gained = float(less.mean())
    low, high = (float(value) for value in np.quantile(differences, [0.025, 0.975]))
    better = low > 0
    verdict = "a gain beyond chance" if better else "a loss beyond chance" if high < 0 else "not beyond chance"
    claim = "" if better else ", so no gain is claimed"
    words = (
        f"a light model's {name} on {len(truth)} real held-back samples: {scores[0]:.4g} without and "
        f"{scores[1]:.4g} with the synthetic samples; gain {gained:+.3g} [{low:+.3g}, {high:+.3g}], {verdict}{claim}"
    )
    return {
        "metric": name,
        "without": round(scores[0], 6),
        "with": round(scores[1], 6),
        "gain": round(gained, 6),
        "low": round(low, 6),
        "high": round(high, 6),
        "samples": len(truth),
        "better": better,
        "words": words,
    }


def _balanced(right: NDArray[np.bool_], truth: NDArray[np.int64]) -> float:
    counts = np.bincount(truth)
    hits = np.bincount(truth, weights=right)
    return float((hits[counts > 0] / counts[counts > 0]).mean())


def _targets(truth: NDArray[Any]) -> NDArray[np.float64]:
    if truth.dtype.kind == "f":
        return truth.astype(np.float64)[:, None]
    return np.asarray(np.eye(int(truth.max()) + 1)[truth])


def _best_ridge(features: NDArray[Any], truth: NDArray[Any], places: NDArray[np.int64]) -> float:
    """Return the penalty with the least squared error on every fifth real training sample."""
    held = places[::5]
    learned = np.setdiff1d(places, held)
    wanted = _targets(truth)[held]
    tested = np.asarray(features[held], np.float64)
    errors = [
        float(np.square(_answers(features, truth, learned, tested, ridge, wanted.shape[1]) - wanted).mean())
        for ridge in _RIDGES
    ]
    return _RIDGES[int(np.argmin(errors))]


def _answers(
    features: NDArray[Any],
    truth: NDArray[Any],
    places: NDArray[np.int64],
    tested: NDArray[np.float64],
    ridge: float,
    width: int | None = None,
) -> NDArray[np.float64]:
    """Learn from the samples at ``places`` and return ``(tested, k)``."""
    known = places[np.isfinite(truth[places])] if truth.dtype.kind == "f" else places[truth[places] >= 0]
    block = np.asarray(features[known], np.float64)
    wanted = _targets(truth[known])
    middle, center = block.mean(0), wanted.mean(0)
    block -= middle
    if block.shape[0] < block.shape[1]:
        weights = block.T @ np.linalg.solve(block @ block.T + ridge * np.eye(len(block)), wanted - center)
    else:
        weights = np.linalg.solve(block.T @ block + ridge * np.eye(block.shape[1]), block.T @ (wanted - center))
    made = (tested - middle) @ weights + center
    if width is not None and made.shape[1] < width:
        made = np.pad(made, ((0, 0), (0, width - made.shape[1])))
    return np.asarray(made)
