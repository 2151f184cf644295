"""Samples that were scanned already, read once more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.errors import InputError
from modelwright.prepare.gather.gathered import Gathered
from modelwright.store.dataset import ROW_TEXT
from modelwright.store.packed import MemberError
from modelwright.store.raws import Raws
from modelwright.tasks.abilities import Glancing
from modelwright.tasks.base import Arrays, Modality, UndecodableError


def raws(
    gathered: Gathered, sources: Sequence[Mapping[str, Any]], store: Any, rows: Path, places: NDArray[np.int64]
) -> Iterator[bytes]:
    """Yield the bytes of samples at ascending ``places``.

    Parameters
    ----------
    sources
        As in the dataset's ``meta``.
    rows
        ``rows.parquet``, for sources that keep their samples there.

    Raises
    ------
    InputError
        If one of them cannot be read any more.
    """
    files = Raws(store, sources)
    in_rows = np.array([source["kept"] == "rows" for source in sources])
    texts = texts_of(rows, places[in_rows[np.asarray(gathered.sources)[places]]])
    for place in places.tolist():
        source = gathered.sources[place]
        try:
            yield next(texts) if in_rows[source] else files.read(source, gathered.paths[place], gathered.id(place))
        except MemberError as error:
            raise changed(gathered.paths[place], error) from error


def decoded(
    modality: Modality,
    gathered: Gathered,
    sources: Sequence[Mapping[str, Any]],
    store: Any,
    rows: Path,
    places: NDArray[np.int64],
    *,
    whole: bool = False,
) -> Iterator[Arrays]:
    """Yield the samples at ascending ``places``, read and decoded (or glanced at) again.

    Parameters
    ----------
    whole
        Decode in full what could be glanced at: boxes are in pixels, and many are small.

    Raises
    ------
    InputError
        If one of them changed since it was scanned.
    """
    from modelwright.engine.here import map_ordered
    from modelwright.engine.threads import usable_cores

    read = modality.glance if isinstance(modality, Glancing) and not whole else modality.decode

    def one(sample: tuple[int, bytes]) -> Arrays:
        try:
            return read(sample[1], {})
        except UndecodableError as error:
            raise changed(gathered.paths[sample[0]], error) from error

    again = zip(places.tolist(), raws(gathered, sources, store, rows, places), strict=True)
    # What can be glanced at takes milliseconds and leaves the interpreter alone meanwhile; a text is read in less time
    # than it takes to hand it over.
    workers = usable_cores() if isinstance(modality, Glancing) else 1
    yield from map_ordered(one, again, workers=workers, window=2 * workers)


def changed(name: str, error: Exception) -> InputError:
    """Return the error that a sample is not any more what was scanned."""
    return InputError(f"{name} changed while it was read: {error}", code="source-changed", hint="run it again")


def texts_of(rows: Path, places: NDArray[np.int64]) -> Iterator[bytes]:
    """Yield the texts at ascending ``places`` of a ``rows.parquet`` that holds texts, as bytes; bounded memory."""
    from pyarrow import parquet

    if not len(places):
        return
    start = 0
    with parquet.ParquetFile(rows, pre_buffer=False) as file:
        for batch in file.iter_batches(batch_size=256, columns=[ROW_TEXT], use_threads=False):
            low, high = np.searchsorted(places, [start, start + len(batch)])
            yield from (text.encode() for text in batch[ROW_TEXT].take(places[low:high] - start).to_pylist())
            start += len(batch)
