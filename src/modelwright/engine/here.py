"""Running a function over many items on this machine: in order, with a bounded number in flight."""

from __future__ import annotations

import itertools
import reprlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

from modelwright.errors import InputError, ModelwrightError

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

Item = TypeVar("Item")
Result = TypeVar("Result")
Workers: TypeAlias = Literal["threads", "processes"]


def map_ordered(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    window: int = 0,
    kind: Workers = "threads",
) -> Iterator[Result]:
    """Yield ``function(item)`` for each item, in the items' order.

    ``items`` is read only as far as needed: never are more than ``window`` taken and not yet yielded, so a stream
    longer than memory is fine. Leaving the loop early stops the work that has not begun.

    Parameters
    ----------
    workers
        How many at once; 1 runs in this thread, with nothing started.
    window
        The most items in flight, finished ones included; 0 is four for each worker.
    kind
        ``threads`` for work that releases the interpreter (decoding, hashing, reading); ``processes`` for pure Python:
        fresh interpreters (spawned, so no lock or thread of this one is copied), and ``function``, the items and the
        results must be picklable by the standard rules.

    Raises
    ------
    Exception
        What ``function`` raised, at its place in the order, with a note that says for which item.
    ModelwrightError
        ``worker-died``, if the system killed a worker process (out of memory, most often).

    Examples
    --------
    >>> list(map_ordered(len, ["a", "bb", "ccc"], workers=2))
    [1, 2, 3]
    """
    if workers < 1 or window < 0:
        raise InputError(f"workers must be at least 1 and window at least 0; found {workers} and {window}")
    if workers == 1:
        return _in_line(function, items)
    return _in_pool(function, items, workers, max(window or 4 * workers, workers), kind)


def _in_line(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    for number, item in enumerate(items):
        try:
            result = function(item)
        except Exception as error:
            error.add_note(_which(number, item))
            raise
        yield result


def _in_pool(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int, window: int, kind: Workers
) -> Iterator[Result]:
    source = enumerate(items)
    waiting: deque[tuple[int, Item, Future[Result]]] = deque()
    executor = _executor(workers, kind)
    try:
        while True:
            for number, item in itertools.islice(source, window - len(waiting)):
                waiting.append((number, item, _submitted(executor, function, number, item)))
            if not waiting:
                return
            yield _outcome(*waiting.popleft())
    finally:
        # Items that wait are dropped; those at work are finished, so nothing runs on behind the caller's back.
        executor.shutdown(wait=True, cancel_futures=True)


def _executor(workers: int, kind: Workers) -> Executor:
    from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

    if kind == "threads":
        return ThreadPoolExecutor(workers, thread_name_prefix="modelwright")
    from multiprocessing import get_context

    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"))


def _submitted(executor: Executor, function: Callable[[Item], Result], number: int, item: Item) -> Future[Result]:
    """Hand over an item; a pool whose worker died meanwhile takes none, and that is the same trouble."""
    from concurrent.futures.process import BrokenProcessPool

    try:
        return executor.submit(function, item)
    except BrokenProcessPool as error:
        raise _died(number, item) from error


def _died(number: int, item: object) -> ModelwrightError:
    return ModelwrightError(
        f"a worker process died, {_which(number, item)} or one near it",
        code="worker-died",
        hint="most often the system was out of memory: use fewer workers, or look at the item",
    )


def _outcome(number: int, item: Item, future: Future[Result]) -> Result:
    from concurrent.futures.process import BrokenProcessPool

    try:
        return future.result()
    except BrokenProcessPool as error:
        raise _died(number, item) from error
    except Exception as error:
        error.add_note(_which(number, item))
        raise


def _which(number: int, item: object) -> str:
    return f"while working on item {number}: {reprlib.repr(item)}"
