"""Where the check gets its features: from the thumbnails that scans keep, or from a table's columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.cache.scanned import Look
from modelwright.prepare.clean.labels import patches, predictions
from modelwright.prepare.clean.labels.check import Predict
from modelwright.prepare.embed.embedded import Embedded
from modelwright.prepare.gather.gathered import Gathered
from modelwright.prepare.learning import learn_table, training_rows
from modelwright.progress import Progress
from modelwright.tasks.abilities import Sketched
from modelwright.tasks.base import Modality
from modelwright.tasks.modalities.image import sketch as image_sketch
from modelwright.tasks.modalities.image.modality import Image

_VECTORS = 4096
_MOST_VALUES = 1 << 27
"""Cells of a table's features that are held in memory: 512 MB."""


def of_files(
    modality: Modality,
    gathered: Gathered,
    look: Look,
    folder: Path,
    progress: Progress,
    embedded: Embedded | None = None,
) -> Predict:
    """Return what predicts samples from the sketches that scans keep, so that none is decoded again.

    Pictures are predicted from patches of their thumbnails, anything else from its light features. Where a model that
    never saw these labels made vectors, samples are predicted from those.
    """

    def predict(
        places: NDArray[np.int64], truth: predictions.Truth
    ) -> tuple[NDArray[np.int64], predictions.Predicted] | None:
        if embedded is not None and not embedded.embedder.supervised:
            inside, vectors = embedded.among(places)
            return inside, predictions.of_embeddings(vectors, truth.first(inside), embedded.embedder.name)
        if not isinstance(modality, Sketched):
            return None
        inside, sketches = sketches_of(modality, gathered, look, places)
        if len(inside) < patches.LEAST:
            return None
        folder.mkdir(parents=True, exist_ok=True)
        mine = truth.first(inside)
        if isinstance(modality, Image):
            _, grey, chroma = image_sketch.parts(sketches)
            return inside, predictions.of_pictures(grey, chroma, mine, folder, progress)
        return inside, predictions.of_vectors(modality.vectors(sketches), mine)

    return predict


def sketches_of(
    modality: Sketched,
    gathered: Gathered,
    look: Look,
    places: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return which of ``places`` (positions) have a sketch, and their sketches ``(m, sketch_bytes)``."""
    there, made = look(gathered.digests()[places], modality.sketch_bytes)
    inside = np.flatnonzero(there)
    return inside, made if len(inside) == len(places) else made[inside]


def vectors_of(
    modality: Sketched, gathered: Gathered, look: Look, places: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return which of ``places`` (positions) have a sketch, and their light features; few sketches are held at once."""
    inside: list[NDArray[np.int64]] = []
    made: list[NDArray[np.float32]] = []
    for start in range(0, len(places), _VECTORS):
        some, sketches = sketches_of(modality, gathered, look, places[start : start + _VECTORS])
        if len(some):
            inside.append(start + some)
            made.append(modality.vectors(sketches))
    if not made:
        return np.empty(0, np.int64), np.empty((0, 0), np.float32)
    return np.concatenate(inside), np.concatenate(made)


def of_rows(modality: Modality, rows: Path, label: str | None, dropped: Sequence[str], progress: Progress) -> Predict:
    """Return what predicts rows: from the ``dense`` features that the modality learns from the same rows."""

    def predict(
        places: NDArray[np.int64], truth: predictions.Truth
    ) -> tuple[NDArray[np.int64], predictions.Predicted] | None:
        from pyarrow import parquet

        from modelwright.runtime.session import open_session

        mask = np.zeros(parquet.read_metadata(rows).num_rows, bool)
        mask[places] = True
        schema = learn_table(modality, rows, mask, label, dropped)
        width = len(modality.feature_names(schema, "dense"))
        if not width or width * len(places) > _MOST_VALUES:
            return None
        session = open_session(modality.graph(schema, "dense").SerializeToString(deterministic=True), threads=1)
        wanted = {each.name for each in session.get_inputs()}
        made = np.empty((len(places), width), np.float32)
        progress.begin("features of rows", len(places))
        start = 0
        for columns in training_rows(rows, mask):
            feed = modality.from_columns(columns, schema)  # type: ignore[attr-defined]
            (some,) = session.run(["features"], {name: values for name, values in feed.items() if name in wanted})
            made[start : start + len(some)] = some
            start += len(some)
            progress.advance(len(some))
        return np.arange(len(places)), predictions.of_columns(made, truth)

    return predict
