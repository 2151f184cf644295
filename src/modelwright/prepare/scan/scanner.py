"""One pass over a file's bytes: digest, decode, check, measure, sketch. Nothing is read or decoded twice.

What a pass found (:mod:`.eye`) is remembered by the digest of the bytes (:mod:`modelwright.prepare.cache.index`), so
that neither a killed run nor a moved file costs a second one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

from modelwright.prepare.cache.index import Index
from modelwright.prepare.collect.base import Item, Rejected, RejectedFileError, os_path, read_regular
from modelwright.prepare.scan.eye import Eye
from modelwright.prepare.scan.sample_scan import Scan
from modelwright.tasks.base import Modality

if TYPE_CHECKING:
    from modelwright.prepare.scan.small_files import Part

VERSION = 6
_COMMIT_EVERY = 2048
_COMMIT_SECONDS = 2.0
_LOOKED_UP = 256
_HANDFUL = 64
_HANDFUL_BYTES = 2 << 20
"""Files that one thread takes at a time: so many, or so many bytes."""


def scanner_name(modality: Modality) -> str:
    """Return the name under which scans of a modality are remembered: another version, another name."""
    return f"{modality.name}/{modality.version}/{VERSION}"


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
        self._modality = modality
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
        """Yield what :meth:`run` does for ``count`` files of ``size`` bytes in all, none of which was ever scanned."""
        handfuls = _handfuls(((item, None) for item in items), size // max(count, 1))
        yield from self._run(handfuls, self._look, self._workers)

    def run_many(self, root: bytes, names: Sequence[bytes]) -> Iterator[Part]:
        """Scan many small files below a folder, none of which was ever scanned, in processes.

        With threads, they would wait for each other.
        """
        from modelwright.prepare.scan import small_files

        for part in small_files.scan(self._index, self._modality, root, names):
            self.read += len(part.digests) - len(part.rejected)
            yield part

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
