"""What to label next: the samples that teach most, and why each was chosen.

Uncertainty alone asks for the same hard picture a hundred times; diversity alone asks for outliers that never come
again. The queue multiplies the two: it takes, again and again, the sample with the largest product of uncertainty and
distance to everything labelled or chosen so far (k-centre greedy, Sener and Savarese 2018, https://arxiv.org/abs/1708.00489,
weighted by uncertainty). A small part is drawn at random, so that quality measured on the labels is not only about hard
cases.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.errors import ModelwrightError
from modelwright.progress import SILENT, Progress
from modelwright.retrain.reservoir import RecentReservoir
from modelwright.runtime.predictor import Predictor
from modelwright.store import Store

POOL = 2000
"""Candidates considered at once."""
ANCHORS = 1000
"""Labelled samples that candidates are compared with."""
AUDIT = 0.1
VALUES = 16
BATCH = 32
_MATRIX = 1 << 22


@dataclass(frozen=True)
class Ranked:
    """One sample of the queue: ``uncertainty`` and ``novelty`` are 0..1, ``score`` their product when it was chosen."""

    sample: str
    score: float
    uncertainty: float
    novelty: float
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return {
            "sample": self.sample,
            "score": self.score,
            "uncertainty": self.uncertainty,
            "novelty": self.novelty,
            "reason": self.reason,
        }


def rank(
    samples: Sequence[str],
    uncertainty: NDArray[np.float64],
    features: NDArray[np.float64],
    *,
    budget: int,
    labelled: NDArray[np.float64] | None = None,
    audit: float = AUDIT,
    seed: int = 0,
) -> list[Ranked]:
    """Choose what to label, best first.

    Parameters
    ----------
    samples
        Digests; a repeated one counts once, and one whose bytes differ but whose features do not is chosen late.
    uncertainty
        ``(n,)`` in 0..1.
    features
        ``(n, d)`` on comparable scales (see :func:`embed`); finite.
    budget
        How many to choose at most.
    labelled
        ``(m, d)`` features of samples that have a label already.
    audit
        Share of the budget drawn at random from the rest.
    seed
        Of that draw.

    Returns
    -------
    list of Ranked
        The same for the same arguments, in any order of ``samples``. Time grows with ``n`` × ``budget``, memory
        with ``n``.

    Examples
    --------
    >>> features = np.array([[0.0], [0.01], [5.0]])
    >>> [one.sample for one in rank(["a", "b", "c"], np.array([0.9, 0.9, 0.5]), features, budget=2, audit=0)]
    ['a', 'c']
    """
    order = [index for _, index in sorted({sample: index for index, sample in enumerate(samples)}.items())]
    if not order or budget <= 0:
        return []
    names = [samples[index] for index in order]
    unsure = np.clip(np.asarray(uncertainty, np.float64)[order], 0.0, 1.0)
    points = np.asarray(features, np.float64)[order]
    scale = _typical_distance(points)
    nearest = np.full(len(names), np.inf)
    if labelled is not None and len(labelled):
        nearest = _distance_to(points, np.asarray(labelled, np.float64))
    random_part = min(round(audit * budget), max(0, len(names) - 1))
    chosen: list[Ranked] = []
    free = np.ones(len(names), dtype=bool)
    for _ in range(min(budget - random_part, len(names))):
        novelty = np.where(np.isinf(nearest), 1.0, nearest / (np.where(np.isinf(nearest), 0.0, nearest) + scale))
        score = np.where(free, (unsure + 1e-3) * (novelty + 1e-3), -1.0)
        best = int(np.argmax(score))
        chosen.append(_ranked(names[best], unsure[best], novelty[best], anything_near=bool(np.isfinite(nearest[best]))))
        free[best] = False
        nearest = np.minimum(nearest, np.linalg.norm(points - points[best], axis=1))
    left = np.flatnonzero(free)
    drawn = np.random.default_rng(seed).choice(left, min(random_part, len(left)), replace=False) if len(left) else left
    reason = "drawn at random, to keep figures honest"
    return chosen + [Ranked(names[index], 0.0, float(unsure[index]), 0.0, reason) for index in drawn.tolist()]


def _ranked(name: str, unsure: float, novelty: float, *, anything_near: bool) -> Ranked:
    if not anything_near:
        reason = f"uncertainty {unsure:.2f}, the first of its kind"
    elif novelty >= 0.5:
        reason = f"uncertainty {unsure:.2f}, unlike anything labelled or chosen so far"
    else:
        reason = f"uncertainty {unsure:.2f}, close to others but hard"
    return Ranked(name, float(unsure * novelty), float(unsure), float(novelty), reason)


def _typical_distance(points: NDArray[np.float64]) -> float:
    """Return the median distance between (evenly picked) points: the unit in which novelty is measured."""
    picked = points[:: max(1, len(points) // 200)]
    distances = np.linalg.norm(picked[:, None] - picked[None], axis=2)
    positive = distances[distances > 0]
    return float(np.median(positive)) / 2 if positive.size else 1.0


def _distance_to(points: NDArray[np.float64], anchors: NDArray[np.float64]) -> NDArray[np.float64]:
    chunk = max(1, _MATRIX // max(1, anchors.size))
    parts = [
        np.linalg.norm(points[start : start + chunk, None] - anchors[None], axis=2).min(axis=1)
        for start in range(0, len(points), chunk)
    ]
    return np.concatenate(parts)


def embed(measures: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    """Return ``(n, d)`` features of measures: numbers by median and interquartile range, values one-hot.

    The 16 most frequent values of a category get a column; a missing number is the median.
    """
    columns: list[NDArray[np.float64]] = []
    for name in sorted(measures):
        values = np.asarray(measures[name])
        if values.dtype.kind in "OUS":
            texts = np.array(["" if value is None else str(value) for value in values.tolist()], dtype=object)
            seen, counts = np.unique(texts.astype(str), return_counts=True)
            frequent = [str(value) for _, value in sorted(zip(-counts, seen, strict=True))[:VALUES]]
            columns += [(texts == value).astype(np.float64) for value in frequent]
            continue
        numbers = values.astype(np.float64)
        known = numbers[np.isfinite(numbers)]
        if not known.size or known.min() == known.max():
            continue
        low, middle, high = np.quantile(known, [0.25, 0.5, 0.75])
        width = (high - low) or known.std()
        columns.append(np.clip(np.where(np.isfinite(numbers), (numbers - middle) / width, 0.0), -5.0, 5.0))
    if not columns:
        return np.zeros((len(next(iter(measures.values()), ())), 1))
    return np.asarray(np.stack(columns, axis=1) / np.sqrt(len(columns)), dtype=np.float64)


def label_queue(
    store: Store,
    deployment: str,
    predictor: Predictor,
    *,
    budget: int,
    seed: int = 0,
    progress: Progress = SILENT,
) -> list[Ranked]:
    """Rank what a deployment has seen lately by what a label would teach the package in force.

    Parameters
    ----------
    deployment
        Whose prediction log is read: a recency-weighted sample of it.
    predictor
        The package in force; candidates are answered anew by it, whoever answered them first.
    budget
        How many samples to return at most.

    Returns
    -------
    list of Ranked
        None of them has a label yet.
    """
    known = {sample for sample, note in store.annotations.newest().items() if note.kind == "label"}
    reservoir = RecentReservoir(POOL, seed)
    anchors = RecentReservoir(ANCHORS, seed + 1)
    seen: set[str] = set()
    for _, records in store.logs.read(deployment):
        for record in records:
            (anchors if record.sample in known else reservoir).add(record.sample)
    candidates = list(dict.fromkeys(reservoir.items))
    seen.update(candidates, anchors.items)
    progress.begin("measuring samples for the label queue", len(seen))
    names, unsure, measures = _measured(store, predictor, seen, progress)
    if not names:
        return []
    features = embed(measures)
    is_anchor = np.array([name in known for name in names])
    return rank(
        [name for name in names if name not in known],
        unsure[~is_anchor],
        features[~is_anchor],
        budget=budget,
        labelled=features[is_anchor],
        seed=seed,
    )


def _measured(
    store: Store, predictor: Predictor, wanted: set[str], progress: Progress
) -> tuple[list[str], NDArray[np.float64], dict[str, NDArray[Any]]]:
    """Return names, ``(n,)`` uncertainties and measures of those of ``wanted`` that can be read."""
    names: list[str] = []
    unsure: list[NDArray[np.float64]] = []
    measures: dict[str, list[NDArray[Any]]] = {}
    for batch in _batches(store, wanted):
        usable = [(sample, raw) for sample, raw in batch if _decodes(predictor, raw)]
        progress.advance(len(batch))
        if not usable:
            continue
        raws = [raw for _, raw in usable]
        try:
            outputs = predictor.outputs(raws)
        except ModelwrightError:
            continue  # the graph refuses this batch; there are others to label
        unsure.append(predictor.target.uncertainty(outputs))
        names += [sample for sample, _ in usable]
        for name, values in predictor.measures(raws).items():
            measures.setdefault(name, []).append(values)
    joined = {name: np.concatenate(parts) for name, parts in measures.items()}
    return names, np.concatenate(unsure) if unsure else np.empty(0), joined


def _decodes(predictor: Predictor, raw: bytes) -> bool:
    try:
        predictor.decode(raw)
    except ModelwrightError:
        return False
    return True


def _batches(store: Store, wanted: set[str]) -> Iterator[list[tuple[str, bytes]]]:
    batch: list[tuple[str, bytes]] = []
    for sample, _, raw in store.logs.find_inputs(wanted):
        batch.append((sample, raw))
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
