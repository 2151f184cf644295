"""Learning the input's schema from the training split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.gather.gathered import Gathered
from modelwright.prepare.gather.spaced import spaced
from modelwright.prepare.scan.read_again import decoded
from modelwright.tasks.abilities import Learning
from modelwright.tasks.base import Modality

MOST_FILES = 256
"""Files that are decoded a second time to learn size, mean and deviation; more change none of them visibly. A modality
that needs more says so (:class:`~modelwright.tasks.base.Learning`)."""


def learn_table(
    modality: Modality,
    rows: Path,
    train: NDArray[np.bool_],
    label: str | None,
    ignore: Sequence[str],
    features: str | Sequence[str] = "auto",
) -> dict[str, Any]:
    """Learn columns, kinds and statistics from the training rows, streamed."""
    settings = {"target": label, "ignore": list(ignore), "features": features}
    return modality.learn(training_rows(rows, train), settings)


def training_rows(rows: Path, train: NDArray[np.bool_]) -> Iterator[dict[str, Any]]:
    """Yield the training rows of ``rows.parquet`` by column, a few thousand at a time."""
    import pyarrow as pa
    from pyarrow import parquet

    start = 0
    with parquet.ParquetFile(rows, pre_buffer=False) as file:
        for batch in file.iter_batches(batch_size=8192, use_threads=False):
            some = batch.filter(pa.array(train[start : start + len(batch)]))
            start += len(batch)
            if len(some):
                yield by_column(some)


def by_column(batch: Any) -> dict[str, Any]:
    """Return an Arrow batch as a modality takes it: numbers as arrays (NaN: missing), texts as lists (or None)."""
    import pyarrow.types as kinds

    made: dict[str, Any] = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if kinds.is_string(column.type):
            coded = column.dictionary_encode()  # each different text becomes a Python object once
            words = np.array([*coded.dictionary.to_pylist(), None], object)
            places = coded.indices.fill_null(len(words) - 1).to_numpy(zero_copy_only=False)
            made[name] = words[places].tolist()
        else:
            made[name] = column.to_numpy(zero_copy_only=False)
    return made


def learn_files(
    modality: Modality,
    gathered: Gathered,
    sources: Sequence[Mapping[str, Any]],
    store: Any,
    rows: Path,
    train: NDArray[np.bool_],
    features: str | Sequence[str] = "auto",
) -> dict[str, Any]:
    """Learn from evenly spaced training samples.

    Parameters
    ----------
    sources
        As in the dataset's ``meta``.
    rows
        ``rows.parquet``, for sources that keep their samples there.
    """
    places = spaced(np.flatnonzero(train), modality.learns_from if isinstance(modality, Learning) else MOST_FILES)
    settings = {"samples": int(train.sum()), "features": features}
    return modality.learn(decoded(modality, gathered, sources, store, rows, places), settings)
