"""Where samples were in the dataset before: the same as when each is looked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from modelwright.prepare.gather.aligned import align, places
from modelwright.store.columns import Columns

LISTS = st.lists(st.integers(0, 6), max_size=12)


def digests(numbers: list[int]) -> np.ndarray:
    """Return a digest a number."""
    return np.array(numbers, np.uint8)[:, None].repeat(32, 1)


def one_by_one(before: list[int], after: list[int]) -> list[int]:
    left = {number: [place for place, each in enumerate(before) if each == number] for number in before}
    return [left[number].pop(0) if left.get(number) else -1 for number in after]


@given(LISTS, LISTS, LISTS, LISTS)
@settings(max_examples=400, deadline=None)
def test_places_are_those_one_by_one(start: list[int], here: list[int], now: list[int], end: list[int]) -> None:
    before, after = start + here + end, start + now + end
    assert places(digests(before), digests(after)).tolist() == one_by_one(before, after)


@given(LISTS, LISTS, st.sets(st.integers(0, 11)))
@settings(max_examples=200, deadline=None)
def test_what_is_to_be_looked_for_is_so_wherever_it_is(before: list[int], after: list[int], others: set[int]) -> None:
    asked = np.array(sorted(each for each in others if each < len(after)), np.int64)
    side = align(digests(before), digests(after), asked)
    loose, sought = set(side.after.tolist()), {after[place] for place in side.after.tolist()}
    assert loose == {place for place, each in enumerate(after) if side.at[place] < 0}
    assert loose == {place for place, each in enumerate(after) if each in sought} >= set(asked.tolist())
    assert {place for place, each in enumerate(before) if each in sought} <= set(side.before.tolist())
    assert all(before[at] == each for at, each in zip(side.at.tolist(), after, strict=True) if at >= 0)


def test_columns_as_bytes_and_codes(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    raw = random.integers(0, 256, (50, 32), dtype=np.uint8)
    words = [None if each == 3 else f"w{each}" for each in random.integers(0, 4, 50).tolist()]
    numbers = [None if each == 3 else float(each) for each in random.integers(0, 4, 50).tolist()]
    table = pa.table({"id": [each.tobytes().hex() for each in raw], "word": words, "number": numbers})
    parquet.write_table(table, tmp_path / "t.parquet", row_group_size=7)
    columns = Columns(tmp_path / "t.parquet")
    np.testing.assert_array_equal(columns.digests(), raw)
    for name, values in (("word", words), ("number", numbers)):
        codes, names = columns.coded(name)
        assert len(set(names)) == len(names) == 3
        assert [None if code < 0 else names[code] for code in codes.tolist()] == values
    np.testing.assert_array_equal(columns.numbers("number"), np.array(numbers, np.float64))


def test_columns_read_ahead_need_no_file_any_more(tmp_path: Path) -> None:
    raw = np.random.default_rng(1).integers(0, 256, (40, 32), dtype=np.uint8)
    ids = [each.tobytes().hex() for each in raw]
    parquet.write_table(pa.table({"id": ids, "path": [f"{n}.png" for n in range(40)]}), tmp_path / "t.parquet")
    columns = Columns(tmp_path / "t.parquet")
    columns.ahead(["id", "path", "no such column"]).join()
    (tmp_path / "t.parquet").unlink()
    assert columns.digests().tobytes() == raw.tobytes()
    assert columns.take("id", [3, 1]).to_pylist() == [ids[3], ids[1]]
    assert columns["path"].to_pylist()[39] == "39.png"
