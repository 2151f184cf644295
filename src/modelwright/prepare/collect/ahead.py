"""One step ahead: what comes next is made while what came last is used."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def ahead(made: Iterator[T]) -> Iterator[T]:
    """Yield what an iterator gives, in its order; a thread asks it for the next one while this one is used.

    Two of them are in memory at a time. Worth its while where the iterator works outside the interpreter's lock, as
    Arrow's parser does. What it raises is raised here.
    """
    end: Any = object()
    with ThreadPoolExecutor(1, "ahead") as pool:
        coming = pool.submit(next, made, end)
        while (each := coming.result()) is not end:
            coming = pool.submit(next, made, end)
            yield each
