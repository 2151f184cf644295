"""Learning the input's schema from the training split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.errors import InputError
from modelwright.prepare.gather import Gathered
from modelwright.store.packed import MemberError
from modelwright.store.raws import Raws
from modelwright.tasks.base import Arrays, Modality, UndecodableError

MOST_FILES = 256
"""Files that are decoded a second time to learn size, mean and deviation; more change none of them visibly."""


def learn_table(
    modality: Modality, rows: Path, train: NDArray[np.bool_], label: str | None, ignore: Sequence[str]
) -> dict[str, Any]:
    """Learn columns, kinds and statistics from the training rows, streamed."""
    return modality.learn(training_rows(rows, train), {"target": label, "ignore": list(ignore)})


def training_rows(rows: Path, train: NDArray[np.bool_]) -> Iterator[dict[str, Any]]:
    """Yield the training rows of ``rows.parquet`` by column, a few thousand at a time."""
    import pyarrow as pa
    from pyarrow import parquet

    start = 0
    with parquet.ParquetFile(rows) as file:
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
            made[name] = column.to_pylist()
        else:
            made[name] = column.to_numpy(zero_copy_only=False)
    return made


def learn_files(
    modality: Modality, gathered: Gathered, sources: Sequence[Mapping[str, Any]], store: Any, train: NDArray[np.bool_]
) -> dict[str, Any]:
    """Learn from evenly spaced training files; ``sources`` as in the dataset's ``meta``."""
    places = np.flatnonzero(train)
    if len(places) > MOST_FILES:
        places = places[np.linspace(0, len(places) - 1, MOST_FILES).astype(np.int64)]
    return modality.learn(_decoded(modality, gathered, sources, store, places), {"samples": int(train.sum())})


def _decoded(
    modality: Modality, gathered: Gathered, sources: Sequence[Mapping[str, Any]], store: Any, places: NDArray[np.int64]
) -> Iterator[Arrays]:
    paths = gathered.paths.arrow()
    raws = Raws(store, sources)
    for place in places.tolist():
        name = str(paths[place].as_py())
        try:
            raw = raws.read(gathered.sources[place], name, gathered.id(place))
            yield modality.decode(raw, {})
        except (MemberError, UndecodableError) as error:
            raise InputError(
                f"{name} changed while it was read: {error}", code="source-changed", hint="run it again"
            ) from error
