"""One look at the bytes of samples: decode, measure, check, sketch, each done once and to many at a time.

A modality that can glance at a sample (:class:`Glancing`: a JPEG decoded at a quarter of its size) is asked for no
more; its measures are the same as production's. Small samples of one shape are looked at together, and by a modality
that can (:class:`Batched`) without an object for each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from modelwright.prepare.scan.columns import HASH, SKETCH, Columns
from modelwright.prepare.scan.sample_scan import Scan
from modelwright.tasks.abilities import Batched, Glancing, Sketched, Sketches, Together
from modelwright.tasks.base import Arrays, Modality, Problem, UndecodableError

_DECODED = 8 << 20
"""Bytes of decoded samples that one thread holds before it measures and sketches them."""
_AT_ONCE = 256
"""Samples that are looked at in one go: what they take stays in the processor's cache."""


class Eye:
    """Looks at samples' bytes once, as far as a modality needs; what it can do is asked for once, not each time."""

    def __init__(self, modality: Modality) -> None:
        self._modality = modality
        self._read: Callable[[bytes, Mapping[str, Any]], Arrays] = (
            modality.glance if isinstance(modality, Glancing) else modality.decode
        )
        self._sketched = modality if isinstance(modality, Sketched) else None
        self._batched = modality if isinstance(modality, Batched) else None
        self._together = modality.together if isinstance(modality, Together) else -1

    def scan(self, raw: bytes) -> Scan:
        """Return what one pass over the bytes found."""
        return self.scan_many([raw])[0]

    def scan_many(self, raws: Sequence[bytes]) -> list[Scan]:
        """Return what one pass over each of some samples' bytes found; the same as of each alone."""
        return [scan for columns in self.look(raws) for scan in columns.scans()]

    def look(self, raws: Sequence[bytes]) -> list[Columns]:
        """Return what :meth:`scan_many` does, by column."""
        return [self._look(raws[start : start + _AT_ONCE]) for start in range(0, len(raws), _AT_ONCE)]

    def _look(self, raws: Sequence[bytes]) -> Columns:
        findings = _Findings(raws)
        alone: Iterable[int] = range(len(raws))
        if self._batched is not None and len(raws) > 1:
            left = np.ones(len(raws), bool)
            for places, inputs in self._batched.glance_many(raws):
                left[places] = False
                self._judge([(places, inputs)], findings)
            alone = np.flatnonzero(left).tolist()
        waiting: list[tuple[int, Arrays]] = []
        held = 0
        for place in alone:
            try:
                inputs = self._read(raws[place], {})
            except UndecodableError as error:
                findings.put_odd(place, (error.problem,), fatal=True)
                continue
            waiting.append((place, inputs))
            held += _bytes(inputs)
            if held >= _DECODED:
                self._judge(self._groups(waiting), findings)
                waiting, held = [], 0
        self._judge(self._groups(waiting), findings)
        return findings.columns()

    def _groups(self, waiting: Sequence[tuple[int, Arrays]]) -> list[tuple[list[int], Arrays]]:
        """Return places and joined arrays of the small samples of one shape, and of each large one alone."""
        made: list[tuple[list[int], Arrays]] = []
        alike: dict[Any, list[tuple[int, Arrays]]] = {}
        for place, inputs in waiting:
            if _bytes(inputs) > self._together:
                made.append(([place], inputs))
            else:
                key = tuple((name, values.shape, values.dtype) for name, values in inputs.items())
                alike.setdefault(key, []).append((place, inputs))
        for some in alike.values():
            each = [inputs for _, inputs in some]
            together = {name: np.concatenate([one[name] for one in each]) for name in each[0]} if each[1:] else each[0]
            made.append(([place for place, _ in some], together))
        return made

    def _judge(self, groups: Sequence[tuple[list[int], Arrays]], findings: _Findings) -> None:
        """Measure, check and sketch samples.

        One thing is done to all before the next: a processor that decodes in between has forgotten how to measure, and
        takes a third longer.
        """
        for places, inputs in groups:
            self._measure(places, inputs, findings)
        for places, inputs in groups:
            if self._batched is not None:
                findings.put_sketches(places, self._batched.sketch_many(inputs))
            elif self._sketched is not None:
                each = [self._sketched.sketch(_row(inputs, row, len(places))) for row in range(len(places))]
                hashes = np.array([one.hash or 0 for one in each], np.uint64)
                hashed = np.array([one.hash is not None for one in each], bool)
                data = np.frombuffer(b"".join(one.data for one in each), np.uint8).reshape(len(each), -1)
                findings.put_sketches(places, Sketches(hashes, hashed, data))

    def _measure(self, places: list[int], inputs: Arrays, findings: _Findings) -> None:
        """Measure and check samples whose arrays are of one shape."""
        measured = self._modality.measure(inputs, {})
        findings.put_measures(places, {name: values for name, values in measured.items() if values.dtype.kind == "f"})
        rows: Iterable[int] = range(len(places))
        if self._batched is not None:
            rows = np.flatnonzero(self._batched.remarkable(inputs, measured)).tolist()
        for row in rows:
            own = {name: values[row : row + 1] for name, values in measured.items()}
            problems = tuple(self._modality.check(_row(inputs, row, len(places)), own))
            if problems:
                findings.put_odd(places[row], problems)


def _bytes(inputs: Arrays) -> int:
    return sum(values.nbytes for values in inputs.values())


def _row(inputs: Arrays, row: int, count: int) -> Arrays:
    """Return one sample of several whose arrays were joined."""
    return inputs if count == 1 else {name: values[row : row + 1] for name, values in inputs.items()}


class _Findings:
    """What is found of some samples, as it is found."""

    def __init__(self, raws: Sequence[bytes]) -> None:
        count = len(raws)
        self._digests = np.frombuffer(b"".join([blake3(raw).digest() for raw in raws]), np.uint8).reshape(count, 32)
        self._hashes = np.zeros(count, np.uint64)
        self._flags = np.zeros(count, np.uint8)
        self._names: tuple[str, ...] | None = None
        self._measures = np.empty((0, count))
        self._others: dict[int, dict[str, float]] = {}
        self._sketches = np.zeros((count, 0), np.uint8)
        self._odd: dict[int, tuple[tuple[Problem, ...], bool]] = {}

    def put_odd(self, place: int, problems: tuple[Problem, ...], *, fatal: bool = False) -> None:
        """Keep what is wrong with a sample."""
        self._odd[place] = problems, fatal

    def put_measures(self, places: list[int], measured: Mapping[str, NDArray[Any]]) -> None:
        """Keep measures of samples; of those with other ones than the first had, beside the columns."""
        if self._names is None:
            self._names = tuple(measured)
            self._measures = np.full((len(measured), len(self._hashes)), np.nan)
        if tuple(measured) == self._names:
            for column, values in zip(self._measures, measured.values(), strict=True):
                column[places] = values
        else:
            for row, place in enumerate(places):
                self._others[place] = {name: float(values[row]) for name, values in measured.items()}

    def put_sketches(self, places: list[int], sketches: Sketches) -> None:
        """Keep hashes and sketches of samples."""
        if not self._sketches.shape[1]:
            self._sketches = np.zeros((len(self._hashes), sketches.data.shape[1]), np.uint8)
        self._sketches[places] = sketches.data
        self._hashes[places] = sketches.hashes
        self._flags[places] = SKETCH + HASH * sketches.hashed.astype(np.uint8)

    def columns(self) -> Columns:
        """Return all by column."""
        names = self._names or ()
        made = Columns(self._digests, self._hashes, self._flags, names, self._measures, self._sketches)
        for place in sorted({*self._odd, *self._others}):
            problems, fatal = self._odd.get(place, ((), False))
            measures = self._others.get(place)
            if measures is None:
                measures = {} if fatal else dict(zip(names, self._measures[:, place].tolist(), strict=True))
            hash_ = int(self._hashes[place]) if self._flags[place] & HASH else None
            made.put_whole(place, Scan(self._digests[place].tobytes().hex(), problems, measures, fatal, hash_))
            self._measures[:, place] = np.nan
        return made
