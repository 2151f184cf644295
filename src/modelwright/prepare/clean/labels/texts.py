"""Out-of-fold predictions of texts: linear models over the TF-IDF features that the modality makes for training too.

Sketches are too small to hold words, so texts are read a second time. What is learned without labels (the vocabulary
and its weights) is learned of all of them; what is learned with labels never sees the fold that it predicts.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.clean.labels.check import Predict
from modelwright.prepare.clean.labels.folds import FOLDS
from modelwright.prepare.clean.labels.predictions import Predicted, Truth
from modelwright.progress import Progress
from modelwright.tasks.abilities import Stacking
from modelwright.tasks.base import Arrays, Modality

LEAST = 50
WIDTH = 8_192
"""Columns of vocabulary; half as many from 50,000 texts on."""
PENALTY = 5.0
"""Inverse penalty: weaker than what predicts best learns wrong labels by heart."""
_MANY = 50_000
_BATCH = 64

Decoded = Callable[[NDArray[np.int64]], Iterator[Arrays]]
"""Gives the decoded samples at ascending places."""


def of_texts(modality: Modality, decoded: Decoded, progress: Progress) -> Predict:
    """Return what predicts samples of a modality that learns a vocabulary."""

    def predict(places: NDArray[np.int64], truth: Truth) -> tuple[NDArray[np.int64], Predicted] | None:
        if len(places) < LEAST:
            return None
        order = np.argsort(places, kind="stable")
        width = WIDTH if len(places) < _MANY else WIDTH // 2
        progress.begin("words of all texts", len(places))
        schema = modality.learn(_counted(decoded(places[order]), progress), {"width": width, "features": "auto"})
        progress.begin("features of all texts", len(places))
        found = _features(modality, schema, _counted(decoded(places[order]), progress))
        features = found[np.argsort(order, kind="stable")]
        what = "least squares" if truth.flags is None and not truth.classes else "logistic regression"
        how = f"{what} over {features.shape[1]:,} TF-IDF features, {truth.fold_count} folds"
        return np.arange(len(places)), Predicted(of_sparse(features, truth), how)

    return predict


def _counted(samples: Iterator[Arrays], progress: Progress) -> Iterator[Arrays]:
    for number, sample in enumerate(samples, 1):
        if number % _BATCH == 0:
            progress.advance(_BATCH)
        yield sample


def _features(modality: Modality, schema: dict[str, Any], samples: Iterator[Arrays]) -> Any:
    """Return ``(n, d)`` as a ``scipy.sparse.csr_array``."""
    from scipy import sparse

    from modelwright.runtime.session import open_session

    assert isinstance(modality, Stacking)
    session = open_session(modality.graph(schema, "dense").SerializeToString(deterministic=True), threads=1)
    pieces = []
    while batch := list(islice(samples, _BATCH)):
        (made,) = session.run(["features"], modality.stack(batch))
        pieces.append(sparse.csr_array(made))
    return sparse.vstack(pieces, format="csr")


def of_sparse(features: Any, truth: Truth) -> NDArray[np.float32]:
    """Return out-of-fold probabilities ``(n, k)``, or numbers ``(n, 1)``, of sparse features."""
    if truth.flags is not None:
        tags = [Truth(flags.astype(np.int64), truth.numbers, 2, truth.folds) for flags in truth.flags.T]
        return np.stack([of_sparse(features, each)[:, 1] for each in tags], axis=1)
    made = np.zeros((features.shape[0], max(truth.classes, 1)), np.float32)
    for number in range(FOLDS):
        held_out = np.flatnonzero(truth.folds == number)
        learned = np.flatnonzero(truth.folds != number)
        if not len(held_out):
            continue
        if not truth.classes:
            made[held_out, 0] = _numbers(features, truth.numbers, learned, held_out)
            continue
        classes, values = _classes(features, truth.codes, learned, held_out)
        made[np.ix_(held_out, classes)] = values
    return np.asarray(np.round(made, 5) if truth.classes else made)


def _classes(
    features: Any, codes: NDArray[np.int64], learned: NDArray[np.int64], held_out: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    seen = np.unique(codes[learned])
    if len(seen) < 2:
        return seen, np.ones((len(held_out), 1))
    model = LogisticRegression(C=PENALTY, max_iter=200, tol=1e-3, random_state=0)
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # what 200 steps give ranks labels as well
        model.fit(features[learned], codes[learned])
    return np.asarray(model.classes_, np.int64), np.asarray(model.predict_proba(features[held_out]))


def _numbers(
    features: Any, numbers: NDArray[np.float64], learned: NDArray[np.int64], held_out: NDArray[np.int64]
) -> NDArray[np.float64]:
    from sklearn.linear_model import Ridge
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        model = Ridge(alpha=1.0, solver="sparse_cg", tol=1e-4, max_iter=1000)
        model.fit(features[learned].astype(np.float64), numbers[learned])
        return np.asarray(model.predict(features[held_out].astype(np.float64)))
