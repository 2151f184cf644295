"""What is kept of each sample while sources are read: long columns that take little."""

from __future__ import annotations

import tracemalloc
from array import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from modelwright.prepare.clean.checks import first_equal, repeated
from modelwright.prepare.gather.gathered import Figures, Texts

RUN = some.tuples(some.sampled_from(["a.csv", "b"]), some.integers(1, 50), some.integers(1, 20))


@given(some.lists(some.one_of(some.text("xyz", max_size=3), RUN), max_size=20), some.data())
def test_texts_are_those_that_were_added(added: list[str | tuple[str, int, int]], data: some.DataObject) -> None:
    made, want = Texts(), list[str]()
    for each in added:
        if isinstance(each, str):
            made.append(each)
            want.append(each)
        else:
            made.extend(*each)
            want += [f"{each[0]}#{each[1] + number}" for number in range(each[2])]
    assert [made[place] for place in range(len(made))] == want
    start, count = data.draw(some.integers(0, len(want))), data.draw(some.integers(0, 30))
    assert made.part(start, count).to_pylist() == want[start : start + count]


def test_names_of_rows_take_no_memory() -> None:
    tracemalloc.start()
    made, figures = Texts(), Figures("d", np.nan)
    for start in range(0, 10_000_000, 100_000):
        made.extend("data.csv", start + 1, 100_000)
        figures.extend(None, 100_000)
    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert made[9_999_999] == "data.csv#10000000"
    assert len(figures) == 10_000_000
    assert held < 1_000_000


@given(some.lists(some.one_of(some.sampled_from([-1, 5, 7]), some.lists(some.sampled_from([-1, 3]), max_size=4))))
def test_figures_are_those_that_were_added(added: list[int | list[int]]) -> None:
    made, want = Figures("q", -1), array("q")
    for each in added:
        if isinstance(each, int):
            made.append(each)
            want.append(each)
        else:
            made.extend(None if set(each) == {-1} else np.array(each, np.int64), len(each))
            want.extend(each)
    assert np.asarray(made).tolist() == want.tolist() == [made[place] for place in range(len(made))]
    if want:
        made[len(want) - 1] = 9
        assert np.array(made).tolist() == [*want[:-1], 9]
    with pytest.raises(IndexError):
        made[len(want)]


@given(some.lists(some.integers(0, 9), min_size=1))
def test_repeated_keys_are_found_with_their_first_ones(values: list[int]) -> None:
    keys = np.array(values, np.uint64)
    first, later = repeated(keys)
    whole = first_equal(keys)
    assert later.tolist() == [place for place, head in enumerate(whole.tolist()) if head != place]
    assert first.tolist() == whole[later].tolist()


def test_no_keys_repeat_none() -> None:
    assert [len(each) for each in repeated(np.empty(0, "V32"))] == [0, 0]
