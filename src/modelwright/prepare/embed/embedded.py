"""The samples of one dataset as a model sees them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.embed.base import Embedder
from modelwright.prepare.embed.vectors import MOST_VALUES, Vectors
from modelwright.prepare.gather.gathered import Gathered
from modelwright.prepare.gather.spaced import spaced
from modelwright.prepare.scan.read_again import raws
from modelwright.progress import Progress

_FIRST = 8
"""Samples that say how wide the model's vectors are."""


@dataclass(frozen=True)
class Embedded:
    """Vectors of samples.

    Parameters
    ----------
    embedder
        What made them.
    places
        ``(m,)`` which samples have one, ascending.
    vectors
        ``(m, d) float16``, of length 1.
    """

    embedder: Embedder
    places: NDArray[np.int64]
    vectors: NDArray[np.float16]

    def among(self, places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return which of ascending ``places`` (positions) have a vector, and these ``(k, d) float32``."""
        at = np.searchsorted(self.places, places)
        at[at == len(self.places)] = 0
        inside = np.flatnonzero(self.places[at] == places) if len(self.places) else np.empty(0, np.int64)
        return inside, self.vectors[at[inside]].astype(np.float32)

    @property
    def facts(self) -> dict[str, Any]:
        """What the dataset's ``meta`` says of it."""
        return {"identity": self.embedder.identity, "name": self.embedder.name, "samples": len(self.places)}


def embed(
    embedder: Embedder,
    gathered: Gathered,
    usable: NDArray[np.bool_],
    store: Any,
    sources: Sequence[Mapping[str, Any]],
    rows: Path,
    progress: Progress,
) -> Embedded:
    """Return the vectors of all usable samples; of more than fit into bounded memory, of evenly spaced ones.

    Parameters
    ----------
    sources
        As in the dataset's ``meta``.
    rows
        ``rows.parquet``, for sources that keep their samples there.
    """
    digests = gathered.digests()
    made = Vectors(embedder, store.cache_dir("prepare"), progress)

    def of(places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
        def read(some: NDArray[np.int64]) -> Iterator[tuple[str, bytes]]:
            asked = places[some]
            again = raws(gathered, sources, store, rows, asked)
            return zip(map(gathered.paths.__getitem__, asked.tolist()), again, strict=True)

        return made.of(digests[places], read)

    places = np.flatnonzero(usable)
    inside, first = of(places[:_FIRST])
    most = MOST_VALUES // max(first.shape[1] if len(inside) else 1, 1)
    if len(places) > most:
        progress.say(f"embeddings: {most:,} of {len(places):,} samples get one, evenly spaced")
        places = spaced(places, most)
    inside, vectors = of(places)
    return Embedded(embedder, places[inside], vectors)
