"""One pass over a file's bytes: digest, decode, check, measure, sketch. Nothing is read or decoded twice.

What a pass found is remembered by the digest of the bytes (:mod:`modelwright.prepare.index`), so that neither a killed
run nor a moved file costs a second one. A modality that can glance at a sample (:class:`Glancing`: a JPEG decoded at a
quarter of its size) is asked for no more; its measures are the same as production's.
"""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from modelwright import canonical
from modelwright.prepare.collect.base import Item, Rejected, RejectedFileError, os_path, read_regular
from modelwright.prepare.index import Index
from modelwright.tasks.base import Arrays, Glancing, Modality, Problem, Sketch, Sketched, Together, UndecodableError

VERSION = 5
_COMMIT_EVERY = 256
_COMMIT_SECONDS = 2.0
_LOOKED_UP = 256
_HANDFUL = 64
_HANDFUL_BYTES = 1 << 20
"""Files that one thread takes at a time: so many, or so many bytes."""
_DECODED = 8 << 20
"""Bytes of decoded samples that one thread holds before it measures and sketches them."""


@dataclass(frozen=True)
class Scan:
    """What one pass found."""

    digest: str
    problems: tuple[Problem, ...] = ()
    measures: Mapping[str, float] = field(default_factory=dict)
    fatal: bool = False
    """The bytes are no usable sample; ``problems`` says why."""
    hash: int | None = None
    sketch: bytes | None = None
    """As :meth:`modelwright.tasks.base.Sketched.sketch` made it, of samples that can be compared."""


def scanner_name(modality: Modality) -> str:
    """Return the name under which scans of a modality are remembered: another version, another name."""
    return f"{modality.name}/{modality.version}/{VERSION}"


class Eye:
    """Looks at one sample's bytes once, as far as a modality needs; what it can do is asked for once, not each time."""

    def __init__(self, modality: Modality) -> None:
        self._modality = modality
        self._read: Callable[[bytes, Mapping[str, Any]], Arrays] = (
            modality.glance if isinstance(modality, Glancing) else modality.decode
        )
        self._sketch: Callable[[Arrays], Sketch] | None = modality.sketch if isinstance(modality, Sketched) else None
        self._together = modality.together if isinstance(modality, Together) else -1

    def scan(self, raw: bytes) -> Scan:
        """Return what one pass over the bytes found."""
        return self.scan_many([raw])[0]

    def scan_many(self, raws: Sequence[bytes]) -> list[Scan]:
        """Return what one pass over each of some samples' bytes found; the same as of each alone."""
        made: list[Scan] = []
        waiting: list[tuple[int, Arrays]] = []
        held = 0
        for raw in raws:
            digest = canonical.digest_bytes(raw)
            try:
                inputs = self._read(raw, {})
            except UndecodableError as error:
                made.append(Scan(digest, (error.problem,), fatal=True))
                continue
            waiting.append((len(made), inputs))
            made.append(Scan(digest))
            held += sum(values.nbytes for values in inputs.values())
            if held >= _DECODED:
                self._judge(waiting, made)
                waiting, held = [], 0
        self._judge(waiting, made)
        return made

    def _judge(self, waiting: Sequence[tuple[int, Arrays]], made: list[Scan]) -> None:
        """Measure, check and sketch samples; put what was found into ``made``.

        One thing is done to all before the next: a processor that decodes in between has forgotten how to measure, and
        takes a third longer.
        """
        together: list[tuple[int, Arrays]] = []
        for place, inputs in waiting:
            if together and not _joins(together, inputs, self._together):
                self._measure(together, made)
                together = []
            together.append((place, inputs))
        if together:
            self._measure(together, made)
        if self._sketch is not None:
            for place, inputs in waiting:
                sketch = self._sketch(inputs)
                made[place] = replace(made[place], hash=sketch.hash, sketch=sketch.data)

    def _measure(self, together: Sequence[tuple[int, Arrays]], made: list[Scan]) -> None:
        """Measure and check samples whose arrays are of one shape."""
        joined = (
            together[0][1]
            if len(together) == 1
            else {name: np.concatenate([inputs[name] for _, inputs in together]) for name in together[0][1]}
        )
        measured = self._modality.measure(joined, {})
        figures = {name: values.tolist() for name, values in measured.items() if values.dtype.kind == "f"}
        for row, (place, inputs) in enumerate(together):
            own = {name: values[row : row + 1] for name, values in measured.items()}
            problems = tuple(self._modality.check(inputs, own))
            measures = {name: values[row] for name, values in figures.items()}
            made[place] = Scan(made[place].digest, problems, measures)


def _joins(together: Sequence[tuple[int, Arrays]], inputs: Arrays, most: int) -> bool:
    """Say whether a sample is measured together with others: small, and of their shape."""
    first = together[0][1]
    return (
        sum(values.nbytes for values in inputs.values()) <= most
        and first.keys() == inputs.keys()
        and all(first[name].shape == values.shape for name, values in inputs.items())
    )


def read_item(item: Item) -> bytes | Rejected:
    """Read one file, or fetch one member."""
    try:
        if item.fetch is not None:
            return item.fetch()
        assert item.file is not None
        return read_regular(item.file)
    except RejectedFileError as error:
        return Rejected(item.path, error.kind, f"{item.path} {error.message}")


def pack(scan: Scan) -> bytes:
    """Return a scan as bytes for the cache: the length of a JSON header, the header, the sketch."""
    header = json.dumps(
        {
            "problems": [[each.kind, each.severity, each.message, dict(each.evidence)] for each in scan.problems],
            "measures": dict(scan.measures),
            "fatal": scan.fatal,
            "hash": scan.hash,
        }
    ).encode()
    return struct.pack("<I", len(header)) + header + (scan.sketch or b"")


def unpack(digest: str, data: bytes) -> Scan:
    """Return what :func:`pack` wrote.

    Raises
    ------
    ValueError
        If the bytes are damaged.
    """
    try:
        (length,) = struct.unpack_from("<I", data)
        found = json.loads(data[4 : 4 + length])
        return Scan(
            digest,
            tuple(Problem(*each) for each in found["problems"]),
            found["measures"],
            found["fatal"],
            found["hash"],
            data[4 + length :] or None,
        )
    except (struct.error, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the scan of {digest} is damaged") from error


_WAITS = Scan("")


def _cost(item: Item | Rejected, known: Scan | None) -> int:
    """Return the bytes that are read for an item; of one whose size is not known, a handful by itself."""
    if isinstance(item, Rejected) or known is not None:
        return 0
    if item.raw is not None:
        return len(item.raw)
    return item.stamp[0] if item.stamp is not None else _HANDFUL_BYTES


class Scanner:
    """Scans the items of one source in order, several at a time, remembering what it found.

    Parameters
    ----------
    index
        Where scans and digests are remembered.
    source
        The source's key in the index.
    modality
        What decodes, checks and measures.
    workers
        Threads; Pillow and numpy release the interpreter's lock where the time goes.
    """

    def __init__(self, index: Index, source: str, modality: Modality, workers: int) -> None:
        self._index = index
        self._source = source
        self._eye = Eye(modality)
        self._workers = workers
        self.name = scanner_name(modality)
        self._fresh_files: list[tuple[tuple[bytes, int, int, int, int], str]] = []
        self._fresh_scans: dict[str, bytes] = {}
        self._committed = time.monotonic()
        self.reused = 0
        self.read = 0

    def run(self, items: Iterable[Item | Rejected]) -> Iterator[tuple[Item | None, Scan | Rejected]]:
        """Yield ``(item, scan)``, or ``(None, rejected)``, in the order of ``items``; memory stays bounded."""
        from modelwright.engine.here import map_ordered

        try:
            for looked in map_ordered(
                self._look, self._handfuls(items), workers=self._workers, window=4 * self._workers
            ):
                for item, found, cached in looked:
                    if item is None or isinstance(found, Rejected):
                        yield None, found
                        continue
                    self.reused += cached
                    self.read += not cached
                    self._remember(item, found, cached=cached)
                    yield item, found
        finally:
            self._commit()

    def _handfuls(self, items: Iterable[Item | Rejected]) -> Iterator[list[tuple[Item | Rejected, Scan | None]]]:
        """Yield items with what is known of them, a few small files at a time: threads cost as much as such a file."""
        handful: list[tuple[Item | Rejected, Scan | None]] = []
        size = 0
        for item, known in self._with_cache(items):
            handful.append((item, known))
            size += _cost(item, known)
            if len(handful) >= _HANDFUL or size >= _HANDFUL_BYTES:
                yield handful
                handful, size = [], 0
        if handful:
            yield handful

    def _with_cache(self, items: Iterable[Item | Rejected]) -> Iterator[tuple[Item | Rejected, Scan | None]]:
        waiting: list[Item | Rejected] = []
        for item in items:
            waiting.append(item)
            held = isinstance(item, Item) and item.raw is not None
            if len(waiting) == _LOOKED_UP or held:  # what is in memory already is not gathered there
                yield from self._looked_up(waiting)
                waiting = []
        yield from self._looked_up(waiting)

    def _looked_up(self, items: list[Item | Rejected]) -> list[tuple[Item | Rejected, Scan | None]]:
        stamped = {
            place: os_path(item.path)
            for place, item in enumerate(items)
            if isinstance(item, Item) and item.stamp is not None
        }
        entries = self._index.known(self._source, list(stamped.values()))
        digests: dict[int, str] = {}
        for place, name in stamped.items():
            entry = entries.get(name)
            item = items[place]
            if entry is not None and isinstance(item, Item) and entry[:4] == item.stamp:
                digests[place] = entry[4]
        scans: dict[str, Scan] = {}
        for digest, data in self._index.scans(self.name, sorted(set(digests.values()))):
            try:
                scans[digest] = unpack(digest, data)
            except ValueError:
                continue
        return [(item, scans.get(digests.get(place, ""))) for place, item in enumerate(items)]

    def _look(self, work: list[tuple[Item | Rejected, Scan | None]]) -> list[tuple[Item | None, Scan | Rejected, bool]]:
        made: list[tuple[Item | None, Scan | Rejected, bool]] = []
        raws: list[bytes] = []
        waiting: list[int] = []
        for item, known in work:
            if isinstance(item, Rejected):
                made.append((None, item, False))
                continue
            if known is not None:
                made.append((item, known, True))
                continue
            raw = item.raw if item.raw is not None else read_item(item)
            if isinstance(raw, Rejected):
                made.append((item, raw, False))
                continue
            waiting.append(len(made))
            raws.append(raw)
            made.append((item, _WAITS, False))
        for place, scan in zip(waiting, self._eye.scan_many(raws), strict=True):
            made[place] = (made[place][0], scan, False)
        return made

    def _remember(self, item: Item, scan: Scan, *, cached: bool) -> None:
        if cached:
            return
        if item.stamp is not None:
            self._fresh_files.append(((os_path(item.path), *item.stamp), scan.digest))
        self._fresh_scans[scan.digest] = pack(scan)  # also without a stamp: near-duplicates are judged by it
        late = time.monotonic() - self._committed > _COMMIT_SECONDS
        if len(self._fresh_scans) >= _COMMIT_EVERY or late:
            self._commit()

    def _commit(self) -> None:
        self._index.remember_scans(self.name, self._fresh_scans.items())
        self._index.remember_files(self._source, self._fresh_files)
        self._fresh_files, self._fresh_scans = [], {}
        self._committed = time.monotonic()
