"""What passes over samples found, remembered by column: the scans of a million samples as a few arrays.

Scans are kept as columns (:mod:`modelwright.prepare.scan.columns`) of a
:class:`~modelwright.prepare.cache.journal.Journal`, a frame for every few thousand samples, so that what is wanted of
unchanged samples is taken as slices and no object is made for each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from modelwright.errors import InputError
from modelwright.prepare.cache.journal import Frame, Journal, replacement
from modelwright.prepare.gather.aligned import among, equal_rows, words
from modelwright.prepare.scan.columns import HASH, ODD, SKETCH, Columns, digest_array, joined
from modelwright.prepare.scan.sample_scan import Scan, unpack

_WHOLE = 0.1
"""Share of a frame's sketches from which all of them are read at once."""
_LEAST = 4 << 20
"""Bytes of a journal from which it is worth writing anew."""
_FRAME = 4096
"""Samples that are put into one frame when it is."""
_LOOKED_THROUGH = 64
"""Digests up to which all others are looked through once rather than sorted."""
_RUNS = 8
"""Runs of digests that are looked through one by one."""

Look = Callable[[NDArray[np.uint8], int], tuple[NDArray[np.bool_], NDArray[np.uint8]]]
"""Gives which of ``(n, 32)`` digests have a sketch of so many bytes, and ``(n, bytes)`` sketches: zeros for others."""


@dataclass(frozen=True)
class Found:
    """What was found of some samples, in the order asked for.

    Parameters
    ----------
    hashes
        ``(n,) uint64``, 0 where there is none.
    hashed
        ``(n,)``: which have one.
    measures
        Measure to ``(n,) float64``, NaN where a sample has none.
    odd
        Position to the whole scan, of those that are kept whole.
    """

    hashes: NDArray[np.uint64]
    hashed: NDArray[np.bool_]
    measures: dict[str, NDArray[np.float64]]
    odd: dict[int, Scan]


class Scanned:
    """The scans that one scanner made in one project.

    Parameters
    ----------
    path
        The journal. One that is damaged is thrown away.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._spare: Journal | None = None
        self._frames: list[tuple[Journal, Frame]] = []
        self._runs: list[_Run] = []
        self._starts: list[int] = []
        self._count = 0
        self._open()

    def _open(self) -> None:
        self._journal = Journal(self._path)
        self._frames, self._runs, self._starts, self._count = [], [], [], 0
        try:
            for frame in self._journal.frames:
                self._take_in(self._journal, frame, self._journal.read(frame.columns["digest"]))
        except ValueError:
            self._damaged()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return self._count

    def close(self) -> None:
        """Close the file."""
        self._journal.close()
        if self._spare is not None:
            self._spare.close()

    def _damaged(self) -> None:
        self._journal.throw_away()
        self._frames, self._runs, self._starts, self._count = [], [], [], 0

    def _take_in(self, journal: Journal, frame: Frame, digests: NDArray[np.uint8]) -> None:
        self._frames.append((journal, frame))
        self._runs.append(_Run(self._count, digests))
        self._starts.append(self._count)
        self._count += frame.rows

    def add(self, scans: Sequence[Scan]) -> None:
        """Remember scans, in one frame, as :meth:`put` does."""
        if scans:
            self.put(Columns.of(scans))

    def put(self, columns: Columns) -> None:
        """Remember scans by column, in one frame.

        Where that cannot be (another process writes, the disk is full), they are there for this run alone, in a file
        without a name.

        Raises
        ------
        modelwright.errors.InputError
            If there is no room for that either.
        """
        journal, facts = self._journal, columns.frame()
        frame = journal.append(*facts)
        if frame is None:
            journal = self._nameless()
            frame = journal.append(*facts)
        if frame is None:
            raise InputError(
                f"what was found of the samples can be written neither to {self._path} nor to {gettempdir()}",
                code="disk-full",
                hint="free some space and run it again: it goes on",
            )
        self._take_in(journal, frame, columns.digests.copy())

    def _nameless(self) -> Journal:
        """Return a journal in the system's temporary folder; its file vanishes with the process."""
        if self._spare is None:
            with TemporaryDirectory(prefix="modelwright-") as folder:
                self._spare = Journal(Path(folder) / "scans")
                self._spare.claim()
        return self._spare

    # ------------------------------------------------------------------ forgetting

    def forget(self, wanted: Iterable[NDArray[np.uint8]]) -> int:
        """Write the file anew without what nobody wants, if that is more than half of it; return the bytes given back.

        The new file is written beside the old one, and takes its place at once: whoever is killed leaves one of both,
        whole, and whoever reads the old one goes on reading it. Not done while another process writes. Memory: one
        frame, and a byte a scan.

        Parameters
        ----------
        wanted
            Digests of what is to be kept, ``(n, 32)`` each.
        """
        frames = self._journal.frames
        whole = sum(frame.nbytes for frame in frames)
        if whole < _LEAST or self._spare is not None:
            return 0
        used = np.zeros(self._count, bool)
        for digests in wanted:
            rows = self.rows(digests)
            used[rows[rows >= 0]] = True
        parts = [used[start : start + frame.rows] for start, frame in zip(self._starts, frames, strict=True)]
        sizes = zip(frames, parts, strict=True)
        kept = sum(frame.nbytes * int(mine.sum()) // max(frame.rows, 1) for frame, mine in sizes)
        if 2 * kept >= whole or not self._journal.claim():
            return 0
        try:
            with replacement(self._path, durable=True) as made:
                for columns in self._picked(parts):
                    made.put(*columns.frame())
        except OSError:
            return 0
        except ValueError:
            self._damaged()
            return 0
        self._journal.close()
        self._open()
        return whole - sum(frame.nbytes for frame in self._journal.frames)

    def _picked(self, parts: Sequence[NDArray[np.bool_]]) -> Iterator[Columns]:
        """Yield the scans at the places that are true, :data:`_FRAME` together where they are of one form."""
        waiting: list[Columns] = []
        for frame, mine in zip(self._journal.frames, parts, strict=True):
            if not mine.any():
                continue
            read = {name: self._journal.read(column) for name, column in frame.columns.items()}
            columns = Columns.of_frame(frame.facts, read).picked(np.flatnonzero(mine))
            if waiting and (not columns.fits(waiting[0]) or sum(map(len, waiting)) + len(columns) > _FRAME):
                yield joined(waiting)
                waiting = []
            waiting.append(columns)
        if waiting:
            yield joined(waiting)

    # ------------------------------------------------------------------ asking

    def rows(self, digests: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return ``(n,)`` the row of each of ``(n, 32)`` digests, -1 where it was never scanned."""
        if len(self._runs) > _RUNS:
            self._runs = [_Run(0, np.concatenate([run.digests for run in self._runs]))]
        made = np.full(len(digests), -1, np.int64)
        for run in self._runs:
            left = np.flatnonzero(made < 0)
            if not len(left):
                break
            made[left] = run.rows(digests if len(left) == len(digests) else digests[left])
        return made

    def take(self, rows: NDArray[np.int64]) -> Found:
        """Return what was found of ``rows``, which are all there.

        Raises
        ------
        ValueError
            If the file is damaged; then it is thrown away, and all has to be scanned again.
        """
        found = Found(np.zeros(len(rows), np.uint64), np.zeros(len(rows), bool), {}, {})
        try:
            for journal, frame, positions, inside in self._by_frame(rows):
                self._take_frame(journal, frame, positions, inside, found)
        except ValueError:
            self._damaged()
            raise
        return found

    @staticmethod
    def _take_frame(journal: Journal, frame: Frame, positions: Any, inside: NDArray[np.int64], found: Found) -> None:
        columns, read = frame.columns, journal.read
        flags = read(columns["flags"])
        found.hashes[positions] = read(columns["hash"])[inside]
        found.hashed[positions] = (flags[inside] & HASH) > 0
        if frame.facts["measures"]:
            values = read(columns["measures"])
            for name, mine in zip(frame.facts["measures"], values, strict=True):
                if name not in found.measures:
                    found.measures[name] = np.full(len(found.hashes), np.nan)
                found.measures[name][positions] = mine[inside]
        odd = flags & ODD
        if odd[inside].any():
            ends = np.cumsum(frame.facts["whole"])
            number = np.cumsum(odd > 0) - 1
            whole = read(columns["whole"]).tobytes()
            digests = read(columns["digest"])
            places = np.arange(len(found.hashes))[positions]
            for place, row in zip(places.tolist(), inside.tolist(), strict=True):
                if odd[row]:
                    end = int(ends[number[row]])
                    data = whole[end - frame.facts["whole"][number[row]] : end]
                    found.odd[place] = unpack(digests[row].tobytes().hex(), data)

    def sketches(self, digests: NDArray[np.uint8], width: int) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
        """Return which of ``(n, 32)`` digests have a sketch of ``width`` bytes, and ``(n, width)`` sketches.

        Threads may ask side by side.
        """
        made = np.zeros((len(digests), width), np.uint8)
        there = np.zeros(len(digests), bool)
        rows = self.rows(digests)
        known = np.flatnonzero(rows >= 0)
        try:
            for journal, frame, positions, inside in self._by_frame(rows[known]):
                column = frame.columns["sketch"]
                if column.shape[1] != width or not width:
                    continue
                mine = known[positions]
                there[mine] = (journal.read(frame.columns["flags"])[inside] & SKETCH) > 0
                if len(inside) >= _WHOLE * frame.rows:
                    made[mine] = journal.read(column, check=False)[inside]
                else:
                    some = np.empty((len(inside), width), np.uint8)
                    journal.read_rows(column, inside.tolist(), some)
                    made[mine] = some
        except (ValueError, OSError):  # damaged, or thrown away by another thread
            self._damaged()
            there[:] = False
        made[~there] = 0
        return there, made

    def scans(self, digests: Sequence[str]) -> Mapping[str, Scan]:
        """Return the scans of those of ``digests`` that are known, without their sketches."""
        rows = self.rows(digest_array(digests))
        there = np.flatnonzero(rows >= 0)
        try:
            found = self.take(rows[there])
        except ValueError:
            return {}
        made = {}
        for place, number in enumerate(there.tolist()):
            if place in found.odd:
                made[digests[number]] = found.odd[place]
                continue
            columns = found.measures.items()
            measures = {name: float(values[place]) for name, values in columns if not np.isnan(values[place])}
            hashed = int(found.hashes[place]) if found.hashed[place] else None
            made[digests[number]] = Scan(digests[number], measures=measures, hash=hashed)
        return made

    def _by_frame(self, rows: NDArray[np.int64]) -> Iterator[tuple[Journal, Frame, Any, NDArray[np.int64]]]:
        """Yield each frame that rows lie in, with its journal, their positions in ``rows``, and their rows in it."""
        if not len(rows):
            return
        rising = bool((np.diff(rows) > 0).all())
        order = np.arange(len(rows)) if rising else np.argsort(rows, kind="stable")
        ordered = rows if rising else rows[order]
        cuts = np.searchsorted(ordered, [*self._starts, self._count])
        for number, (journal, frame) in enumerate(self._frames):
            low, high = int(cuts[number]), int(cuts[number + 1])
            if low < high:
                positions = slice(low, high) if rising else order[low:high]
                yield journal, frame, positions, ordered[low:high] - self._starts[number]


class _Run:
    """Digests of rows that follow each other, from ``first`` on, in the order of their first 64 bits."""

    def __init__(self, first: int, digests: NDArray[np.uint8]) -> None:
        self.digests = digests
        self._first = first
        self._sorted: tuple[NDArray[np.uint64], NDArray[np.int64]] | None = None

    def rows(self, wanted: NDArray[np.uint8]) -> NDArray[np.int64]:
        made = np.full(len(wanted), -1, np.int64)
        # Files that did not change lie here in the order in which they were scanned.
        both = min(len(wanted), len(self.digests))
        same = np.flatnonzero(equal_rows(words(wanted[:both]), words(self.digests[:both])))
        made[same] = self._first + same
        left = np.flatnonzero(made < 0)
        mine = wanted[left]
        keys, order = self._by_key(words(mine)[:, 0]) if len(left) else (words(mine)[:, 0], left)
        if len(keys):
            at = order[np.minimum(np.searchsorted(keys, words(mine)[:, 0]), len(keys) - 1)]
            there = (words(self.digests[at]) == words(mine)).all(1)
            made[left[there]] = self._first + at[there]
        return made

    def _by_key(self, wanted: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """Return first words in their order, and whose they are: all, or, where few are wanted, those that may be."""
        keys = words(self.digests)[:, 0]
        if self._sorted is None and len(wanted) <= _LOOKED_THROUGH:
            some = np.flatnonzero(among(keys, np.unique(wanted)))
            some = some[np.argsort(keys[some], kind="stable")]
            return keys[some], some
        if self._sorted is None:
            order = np.argsort(keys, kind="stable")
            self._sorted = keys[order], order
        return self._sorted
