"""One pass over a file's bytes: digest, decode, check, measure, sketch. Nothing is read or decoded twice.

What a pass found is remembered by the digest of the bytes (:mod:`modelwright.prepare.index`), so that neither a killed
run nor a moved file costs a second one. A modality that can glance at a sample (:class:`Glancing`: a JPEG decoded at a
quarter of its size) is asked for no more; its measures are the same as production's.
"""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from modelwright import canonical
from modelwright.prepare.collect.base import Item, Rejected, RejectedFileError, os_path, read_regular
from modelwright.prepare.index import Index
from modelwright.tasks.base import Arrays, Glancing, Modality, Problem, Sketch, Sketched, UndecodableError

VERSION = 4
_COMMIT_EVERY = 256
_COMMIT_SECONDS = 2.0


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

    def scan(self, raw: bytes) -> Scan:
        """Return what one pass over the bytes found."""
        digest = canonical.digest_bytes(raw)
        try:
            inputs = self._read(raw, {})
        except UndecodableError as error:
            return Scan(digest, (error.problem,), fatal=True)
        measured = self._modality.measure(inputs, {})
        problems = tuple(self._modality.check(inputs, measured))
        measures = {name: float(values[0]) for name, values in measured.items() if values.dtype.kind == "f"}
        if self._sketch is None:
            return Scan(digest, problems, measures)
        sketch = self._sketch(inputs)
        return Scan(digest, problems, measures, hash=sketch.hash, sketch=sketch.data)


def scan_file(item: Item, eye: Eye) -> Scan | Rejected:
    """Read and look at one file."""
    try:
        if item.fetch is not None:
            raw = item.fetch()
        else:
            assert item.file is not None
            raw = read_regular(item.file)
    except RejectedFileError as error:
        return Rejected(item.path, error.kind, f"{item.path} {error.message}")
    return eye.scan(raw)


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
        self._known = index.known(source)
        self._fresh_files: list[tuple[tuple[bytes, int, int, int, int], str]] = []
        self._fresh_scans: dict[str, bytes] = {}
        self._committed = time.monotonic()
        self.reused = 0
        self.read = 0

    def run(self, items: Iterable[Item | Rejected]) -> Iterator[tuple[Item | None, Scan | Rejected]]:
        """Yield ``(item, scan)``, or ``(None, rejected)``, in the order of ``items``; memory stays bounded."""
        from modelwright.engine.here import map_ordered

        try:
            for item, found, cached in map_ordered(
                self._look, self._with_cache(items), workers=self._workers, window=4 * self._workers
            ):
                if item is None or isinstance(found, Rejected):
                    yield None, found
                    continue
                self.reused += cached
                self.read += not cached
                self._remember(item, found, cached=cached)
                yield item, found
        finally:
            self._commit()

    def _with_cache(self, items: Iterable[Item | Rejected]) -> Iterator[tuple[Item | Rejected, Scan | None]]:
        waiting: list[Item | Rejected] = []
        for item in items:
            waiting.append(item)
            if len(waiting) == 256:
                yield from self._looked_up(waiting)
                waiting = []
        yield from self._looked_up(waiting)

    def _looked_up(self, items: list[Item | Rejected]) -> list[tuple[Item | Rejected, Scan | None]]:
        digests: dict[int, str] = {}
        for place, item in enumerate(items):
            if isinstance(item, Item) and item.stamp is not None:
                entry = self._known.get(os_path(item.path))
                if entry is not None and entry[:4] == item.stamp:
                    digests[place] = entry[4]
        scans: dict[str, Scan] = {}
        for digest, data in self._index.scans(self.name, sorted(set(digests.values()))):
            try:
                scans[digest] = unpack(digest, data)
            except ValueError:
                continue
        return [(item, scans.get(digests.get(place, ""))) for place, item in enumerate(items)]

    def _look(self, work: tuple[Item | Rejected, Scan | None]) -> tuple[Item | None, Scan | Rejected, bool]:
        item, known = work
        if isinstance(item, Rejected):
            return None, item, False
        if known is not None:
            return item, known, True
        if item.raw is not None:
            return item, self._eye.scan(item.raw), False
        found = scan_file(item, self._eye)
        return item, found, False

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
