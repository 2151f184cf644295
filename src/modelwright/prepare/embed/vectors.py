"""The vectors of a dataset's samples: made once for each sample, remembered by its digest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from modelwright.engine.threads import idle_cores
from modelwright.errors import InputError
from modelwright.prepare.cache.journal import Journal
from modelwright.prepare.embed.base import Embedder
from modelwright.progress import Progress
from modelwright.tasks.base import UndecodableError

MOST_VALUES = 1 << 26
"""Numbers in all vectors together, two bytes each; of more samples than that allows, evenly spaced ones get one."""
_FRAME = 256
"""Samples that are embedded and kept together; read into memory first."""

Read = Callable[[NDArray[np.int64]], Iterator[tuple[str, bytes]]]
"""Gives names and bytes of the samples at ascending positions."""
_Pair = tuple[int, NDArray[np.float32] | None]


def place_of(folder: Path, identity: str) -> Path:
    """Return the journal of one model's vectors, in the cache of prepare."""
    return folder / "embeddings" / identity[:32]


def remembered(path: Path, digests: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
    """Return which of ``(n, 32)`` digests have a vector, by position, and these ``(m, d)``.

    A damaged journal holds none: it is thrown away.
    """
    wanted = np.ascontiguousarray(digests).view("V32").ravel()
    with Journal(path) as journal:
        try:
            frames = [
                (journal.read(each.columns["digest"]), journal.read(each.columns["vector"])) for each in journal.frames
            ]
        except (ValueError, KeyError):
            journal.throw_away()
            frames = []
    if not frames:
        return np.empty(0, np.int64), np.empty((0, 0), np.float16)
    known = np.concatenate([digest for digest, _ in frames]).view("V32").ravel()
    order = np.argsort(known, kind="stable")
    at = order[np.minimum(np.searchsorted(known, wanted, sorter=order), len(order) - 1)]
    inside = np.flatnonzero(known[at] == wanted)
    return inside, np.concatenate([vector for _, vector in frames])[at[inside]]


class Vectors:
    """Makes and remembers vectors.

    Parameters
    ----------
    embedder
        The model.
    folder
        The cache of prepare.
    progress
        Who listens.
    """

    def __init__(self, embedder: Embedder, folder: Path, progress: Progress) -> None:
        self.embedder = embedder
        self._path = place_of(folder, embedder.identity)
        self._progress = progress

    def of(self, digests: NDArray[np.uint8], read: Read) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
        """Return which of ``(n, 32)`` digests have a vector, by position, and these ``(m, d)`` of length 1.

        Parameters
        ----------
        read
            Yields names and bytes of the samples at ascending positions.

        Raises
        ------
        InputError
            If the model fails on a sample: a model for other inputs, as a rule.
        """
        inside, vectors = remembered(self._path, digests)
        missing = np.setdiff1d(np.arange(len(digests)), inside)
        if not len(missing):
            return inside, vectors
        self._progress.begin(f"embeddings by {self.embedder.name}", len(missing))
        with Journal(self._path) as journal:
            fresh = list(self._make(journal, digests, missing, read))
        if not fresh:
            return inside, vectors
        places = np.concatenate([inside, *(some for some, _ in fresh)])
        order = np.argsort(places)
        every = [*([vectors] if len(inside) else []), *(made for _, made in fresh)]
        return places[order], np.concatenate(every)[order]

    def _make(
        self, journal: Journal, digests: NDArray[np.uint8], missing: NDArray[np.int64], read: Read
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float16]]]:
        """Yield positions and vectors, each piece kept for the next time before it is yielded."""
        with ThreadPoolExecutor(idle_cores()) as pool:
            for start in range(0, len(missing), _FRAME):
                some = missing[start : start + _FRAME]
                pairs = zip(some.tolist(), pool.map(self._one, read(some)), strict=True)
                made = [(place, vector) for place, vector in self._counted(pairs) if vector is not None]
                if made:
                    places = np.array([place for place, _ in made], np.int64)
                    vectors = np.stack([vector for _, vector in made]).astype(np.float16)
                    journal.append({}, {"digest": digests[places], "vector": vectors})
                    yield places, vectors

    def _counted(self, pairs: Iterable[_Pair]) -> Iterator[_Pair]:
        for pair in pairs:
            self._progress.advance()
            yield pair

    def _one(self, named: tuple[str, bytes]) -> NDArray[np.float32] | None:
        name, raw = named
        try:
            return self.embedder.embed(raw)
        except UndecodableError:
            return None  # a model's own schema may ask for more than the scan did
        except InputError as error:
            raise InputError(f"clean.embeddings, {name}: {error.message}", code=error.code, hint=error.hint) from error
