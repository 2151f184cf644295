from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import pytest

from modelwright.engine import map_ordered
from modelwright.errors import InputError, ModelwrightError


def square(number: int) -> int:
    return number * number


def fail_at_three(number: int) -> int:
    if number == 3:
        raise ValueError("three")
    return number


def die_at_three(number: int) -> int:
    if number == 3:
        os._exit(9)
    return number


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_keeps_order_whatever_finishes_first(workers: int) -> None:
    def slow_first(number: int) -> int:
        time.sleep(0.002 if number % 5 == 0 else 0)
        return number

    assert list(map_ordered(slow_first, range(100), workers)) == list(range(100))


def test_reads_no_further_than_the_window() -> None:
    taken = 0
    yielded = 0

    def source() -> Iterator[int]:
        nonlocal taken
        for number in range(1000):
            taken += 1
            assert taken - yielded <= 5
            yield number

    for _ in map_ordered(square, source(), workers=3, window=5):
        yielded += 1
    assert taken == yielded == 1000


@pytest.mark.parametrize("workers", [1, 3])
def test_an_error_comes_at_its_place_and_says_which_item(workers: int) -> None:
    results: list[int] = []
    with pytest.raises(ValueError, match="three") as caught:
        results.extend(map_ordered(fail_at_three, [0, 1, 2, 3, 4], workers))
    assert results == [0, 1, 2]
    assert caught.value.__notes__ == ["while working on item 3: 3"]


def test_leaving_early_stops_the_rest() -> None:
    began: list[int] = []

    def note(number: int) -> int:
        began.append(number)
        return number

    for result in map_ordered(note, range(10_000), workers=2, window=4):
        if result == 3:
            break
    assert len(began) <= 9
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("modelwright")]


def test_processes_give_the_same() -> None:
    assert list(map_ordered(square, range(20), workers=2, kind="processes")) == [n * n for n in range(20)]


def test_a_killed_worker_is_said() -> None:
    with pytest.raises(ModelwrightError, match="worker process died") as caught:
        list(map_ordered(die_at_three, range(10), workers=2, kind="processes"))
    assert caught.value.code == "worker-died"


def test_no_workers_is_bad_input() -> None:
    with pytest.raises(InputError, match="at least 1"):
        map_ordered(square, [], workers=0)
