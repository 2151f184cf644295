"""One pass through a table: blocks unpacked and looked at in threads, put together in their order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.collect import bulk
from modelwright.prepare.profile import hashing
from modelwright.prepare.profile.columns import Column, Sizes
from modelwright.prepare.profile.parts import Part, part_of
from modelwright.prepare.profile.reading import Block, Delimited, Left, Reading
from modelwright.prepare.profile.table import STRAIGHT, Copies, Gaps, Products, Sample, centre_of
from modelwright.prepare.profile.words import word_set
from modelwright.progress import Progress

_MOST_THREADS = 4
_EDGE = 5
_RELEASE = 16
"""Blocks after which Arrow gives back memory that it keeps."""


@dataclass(frozen=True)
class _Looked:
    """One block, looked at."""

    block: Block
    parts: list[Part]
    rows: hashing.Hashes
    patterns: list[tuple[int, tuple[int, ...], int]]
    products: Products | None


@dataclass
class Gathered:
    """What one pass found."""

    columns: list[Column]
    gaps: Gaps
    sample: Sample
    straight: list[int]
    copies: Copies = field(default_factory=Copies)
    products: Products | None = None
    left: Left = field(default_factory=Left)
    rows: int = 0
    bytes: int = 0
    head: list[list[str | None]] = field(default_factory=list)
    tail: list[list[str | None]] = field(default_factory=list)


def gather(reading: Reading, progress: Progress, what: str, threads: int | None = None) -> Gathered:
    """Go through a table once; twice where a column of numbers turns out to be words after all.

    Parameters
    ----------
    threads
        Blocks looked at at the same time; default: as many as there are processors, four at most. The result does not
        depend on it.
    """
    while True:
        try:
            found = _pass(reading, progress, what, threads or _processors())
        except bulk.NotPlainError:
            assert isinstance(reading, Delimited)
            reading.plain, reading.total = False, None
            continue
        wrong = [place for place, column in enumerate(found.columns) if column.contradicted]
        if not wrong:
            return found
        reading.as_words(wrong)


def _processors() -> int:
    return max(1, min(_MOST_THREADS, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2))


def _pass(reading: Reading, progress: Progress, what: str, threads: int) -> Gathered:
    width = len(reading.names)
    sizes = Sizes.of(width)
    asked = reading.asked
    straight = [place for place, each in enumerate(asked) if each.way == "number"]
    straight = straight if 2 <= len(straight) <= STRAIGHT else []
    found = Gathered(
        [Column(name, each, sizes) for name, each in zip(reading.names, asked, strict=True)],
        Gaps(width),
        Sample(sizes.sample),
        straight,
    )
    progress.begin(what, reading.total)
    look = _Look(reading, found)
    for number, looked in enumerate(_in_order(reading.blocks(), look, threads)):
        _add(found, looked)
        progress.advance(looked.block.units)
        if number % _RELEASE == _RELEASE - 1:
            _release()
    return found


class _Look:
    """Looks at one block; the same for all but the first, which says where the numbers lie."""

    def __init__(self, reading: Reading, found: Gathered) -> None:
        self._asked = list(reading.asked)
        self._missing = word_set(("", *reading.missing))
        self._gaps, self._straight = found.gaps, found.straight
        self._scale: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
        self._settled = found.columns

    def __call__(self, unpack: Callable[[], Block]) -> _Looked:
        block = unpack()
        rows = np.zeros(block.rows, np.uint64)
        parts = []
        wide: list[NDArray[np.float64] | None] = []
        straight = set(self._straight)
        for place, (column, asked) in enumerate(zip(block.columns, self._asked, strict=True)):
            part = part_of(column, asked, self._missing)
            hashing.fold(rows, part.cells)
            if place in straight:
                wide.append(part.wide)
            parts.append(part)
        patterns = self._gaps.of_block([part.absent for part in parts], block.rows)
        products = None
        if wide and block.rows:
            if self._scale is None:
                self._scale = centre_of(wide)
            products = Products.of(wide, *self._scale, block.rows)
        return _Looked(block, [part.light() for part in parts], rows, patterns, products)


def _in_order(blocks: Iterator[Callable[[], Block]], look: _Look, threads: int) -> Iterator[_Looked]:
    """Yield the blocks in order, some ahead being looked at; the first is looked at alone."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(limits=1), ThreadPoolExecutor(threads, "profile") as pool:
        waiting: deque[Future[_Looked]] = deque()
        try:
            for number, unpack in enumerate(blocks):
                if number == 0:
                    yield look(unpack)
                    continue
                waiting.append(pool.submit(look, unpack))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for each in waiting:
                each.cancel()


def _add(found: Gathered, looked: _Looked) -> None:
    block = looked.block
    found.left.merge(block.left)
    if not block.rows:
        return
    for column, part in zip(found.columns, looked.parts, strict=True):
        column.add(part)
    found.copies.add(looked.rows)
    found.gaps.add(looked.patterns, block.rows)
    if looked.products is not None:
        if found.products is None:
            found.products = looked.products
        else:
            found.products.add(looked.products)
    hashed, places = found.sample.chosen(found.rows, block.rows)
    if len(places):
        import pyarrow as pa

        some = pa.array(places)
        found.sample.add(hashed, places + found.rows, [column.take(some) for column in block.columns])
    found.rows += block.rows
    found.bytes += sum(int(column.nbytes) for column in block.columns)
    if len(found.head) < _EDGE:
        found.head += _shown(block, 0, _EDGE - len(found.head))
    found.tail = [*found.tail, *_shown(block, max(0, block.rows - _EDGE), _EDGE)][-_EDGE:]


def _shown(block: Block, start: int, count: int) -> list[list[str | None]]:
    """Return some rows as texts."""
    columns = [[shown(value) for value in column.slice(start, count).to_pylist()] for column in block.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def shown(value: Any) -> str | None:
    """Return a cell as text; None stays None.

    Examples
    --------
    >>> shown(0.5), shown(None), shown(b"\\xff")
    ('0.5', None, '\\\\xff')
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value[:200].decode("utf-8", "backslashreplace")
    return str(value)[:1000]


def _release() -> None:
    import pyarrow as pa

    pa.default_memory_pool().release_unused()
