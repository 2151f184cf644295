"""What is made one step ahead comes in its order, with what was raised, and no further ahead than that."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from modelwright.prepare.collect.ahead import ahead


def test_everything_comes_in_order_from_another_thread() -> None:
    makers = set[str]()

    def numbers() -> Iterator[int | None]:
        for number in range(50):
            makers.add(threading.current_thread().name)
            yield number or None

    assert list(ahead(numbers())) == [None, *range(1, 50)]
    assert makers
    assert threading.current_thread().name not in makers


def test_an_error_comes_where_it_was_raised() -> None:
    def numbers() -> Iterator[int]:
        yield 1
        raise LookupError("two")

    found = ahead(numbers())
    assert next(found) == 1
    with pytest.raises(LookupError, match="two"):
        next(found)


def test_who_stops_early_leaves_no_thread_behind() -> None:
    made = list[int]()

    def numbers() -> Iterator[int]:
        for number in range(1000):
            made.append(number)
            yield number

    before = threading.active_count()
    found = ahead(numbers())
    next(found)
    found.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
    assert len(made) <= 2
