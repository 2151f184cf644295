"""One pass over a file's bytes: digest, decode, check, measure, sketch. Nothing is read or decoded twice.

What a pass found is remembered by the digest of the bytes (:mod:`modelwright.prepare.cache.index`), so that neither a
killed run nor a moved file costs a second one. A modality that can glance at a sample (:class:`Glancing`: a JPEG
decoded at a quarter of its size) is asked for no more; its measures are the same as production's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from modelwright import canonical
from modelwright.prepare.cache.index import Index
from modelwright.prepare.collect.base import Item, Rejected, RejectedFileError, os_path, read_regular
from modelwright.prepare.scan.sample_scan import Scan
from modelwright.tasks.abilities import Glancing, Sketch, Sketched, Together
from modelwright.tasks.base import Arrays, Modality, UndecodableError

VERSION = 5
_COMMIT_EVERY = 2048
_COMMIT_SECONDS = 2.0
_LOOKED_UP = 256
_HANDFUL = 64
_HANDFUL_BYTES = 2 << 20
"""Files that one thread takes at a time: so many, or so many bytes."""
_DECODED = 8 << 20
"""Bytes of decoded samples that one thread holds before it measures and sketches them."""


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


_WAITS = Scan("")


_Work: TypeAlias = list[tuple[Item | Rejected, Scan | None]]
"""Items with what is known of them."""
_Looked: TypeAlias = list[tuple[Item | None, Scan | Rejected, bool]]
"""Items with what was found of them, and whether it was known."""


def _handfuls(items: Iterable[tuple[Item | Rejected, Scan | None]], usual: int = _HANDFUL_BYTES) -> Iterator[_Work]:
    """Yield items with what is known of them, a few small files at a time: threads cost as much as such a file.

    ``usual`` is what an item is taken for that does not tell its size, in bytes.
    """
    handful: _Work = []
    size = 0
    for item, known in items:
        handful.append((item, known))
        size += _cost(item, known, usual)
        if len(handful) >= _HANDFUL or size >= _HANDFUL_BYTES:
            yield handful
            handful, size = [], 0
    if handful:
        yield handful


def _cost(item: Item | Rejected, known: Scan | None, usual: int) -> int:
    """Return the bytes that are read for an item."""
    if isinstance(item, Rejected) or known is not None:
        return 0
    if item.raw is not None:
        return len(item.raw)
    return item.stamp[0] if item.stamp is not None else usual


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
        self._modality = modality.name
        self._workers = workers
        self.name = scanner_name(modality)
        self._fresh_files: list[tuple[tuple[bytes, int, int, int, int], str]] = []
        self._fresh_scans: dict[str, Scan] = {}
        self._committed = time.monotonic()
        self.reused = 0
        self.read = 0

    def run(self, items: Iterable[Item | Rejected]) -> Iterator[tuple[Item | None, Scan | Rejected]]:
        """Yield ``(item, scan)``, or ``(None, rejected)``, in the order of ``items``; memory stays bounded."""
        yield from self._run(_handfuls(self._with_cache(items)), self._look, self._workers)

    def run_files(self, items: Iterable[Item], count: int, size: int) -> Iterator[tuple[Item | None, Scan | Rejected]]:
        """Yield what :meth:`run` does for ``count`` files of ``size`` bytes in all, none of which was ever scanned.

        Many small ones are scanned by processes: with threads, they would wait for each other.
        """
        from modelwright.engine.threads import usable_cores
        from modelwright.prepare.scan.children import LEAST, SMALL, Children

        handfuls = _handfuls(((item, None) for item in items), size // max(count, 1))
        if count < LEAST or size > SMALL * count:
            yield from self._run(handfuls, self._look, self._workers)
            return
        with Children(self._modality, usable_cores()) as children:

            def look(work: _Work) -> _Looked:
                asked = [item for item, _ in work if isinstance(item, Item)]
                return [(item, scan, False) for item, scan in zip(asked, children.scan(asked), strict=True)]

            yield from self._run(handfuls, look, len(children))

    def _run(
        self, handfuls: Iterable[_Work], look: Callable[[_Work], _Looked], workers: int
    ) -> Iterator[tuple[Item | None, Scan | Rejected]]:
        from modelwright.engine.here import map_ordered

        try:
            for looked in map_ordered(look, handfuls, workers=workers, window=4 * workers):
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
        scans = self._index.scanned(self.name).scans(sorted(set(digests.values()))) if digests else {}
        return [(item, scans.get(digests.get(place, ""))) for place, item in enumerate(items)]

    def _look(self, work: _Work) -> _Looked:
        made: _Looked = []
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
        self._fresh_scans[scan.digest] = scan  # also without a stamp: near-duplicates are judged by it
        late = time.monotonic() - self._committed > _COMMIT_SECONDS
        if len(self._fresh_scans) >= _COMMIT_EVERY or late:
            self._commit()

    def _commit(self) -> None:
        self._index.scanned(self.name).add(list(self._fresh_scans.values()))
        self._index.remember_files(self._source, self._fresh_files)
        self._fresh_files, self._fresh_scans = [], {}
        self._committed = time.monotonic()
