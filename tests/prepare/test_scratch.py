"""Columns that are larger than memory: whatever lies in files, the same comes out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from pyarrow import parquet

from modelwright.prepare import prepare
from modelwright.prepare.clean import column_leaks, column_whole
from modelwright.prepare.gather import sorting
from modelwright.prepare.gather.gathered import Codes, Origins
from modelwright.prepare.gather.scratch import Growing, Scratch, evenly
from modelwright.spec import loads
from modelwright.store import Store
from modelwright.store.dataset import Dataset
from modelwright.store.files import StorageError

SMALL = 512
"""Bytes of a column that are held, so that some hundred rows are many."""
NUMBERS = some.lists(some.integers(0, 40) | some.integers(0, 2**64 - 1), max_size=400)
unhurried = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)


@unhurried
@given(NUMBERS, some.integers(1, 50), some.booleans())
def test_runs_in_files_say_what_sorting_says(tmp_path: Path, numbers: Sequence[int], size: int, spilled: bool) -> None:
    scratch = Scratch(tmp_path, 64) if spilled else Scratch()
    values = np.array(numbers, np.uint64)
    pieces = [values[start : start + size] for start in range(0, len(values), size)]
    want, counts = np.unique(values, return_counts=True)
    assert sorting.different(pieces, scratch) == len(want)
    assert sorting.repeated(pieces, scratch).tolist() == want[counts > 1].tolist()
    assert not list(tmp_path.iterdir())


@unhurried
@given(some.lists(some.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=60), some.data())
def test_quantiles_are_those_of_numpy(values: list[float], data: some.DataObject) -> None:
    numbers, wanted = np.array(values), np.array([0.0, 0.1, 0.25, 0.5, 0.9, 1.0])
    with np.errstate(over="ignore", invalid="ignore"):
        np.testing.assert_array_equal(sorting.quantiles(numbers, wanted), np.quantile(numbers, wanted))
        kept = np.array(data.draw(some.lists(some.booleans(), min_size=len(values), max_size=len(values))))
        kept[0] = True
        np.testing.assert_array_equal(sorting.quantiles(numbers, wanted, kept), np.quantile(numbers[kept], wanted))


@unhurried
@given(some.lists(some.lists(some.integers(-5, 5), max_size=40), max_size=12))
def test_a_column_in_a_file_is_read_and_written_like_one_in_memory(tmp_path: Path, added: list[list[int]]) -> None:
    made, want = Growing(Scratch(tmp_path, 64), np.int64), list[int]()
    for each in added:
        made.extend(np.array(each, np.int64))
        want += each
        assert len(made) == len(want)
        assert made.part(len(want) // 3, len(want)).tolist() == want[len(want) // 3 :]
    if want:
        made.array()[0] = 77
        made.extend(np.array([3]))
        assert made.array().tolist() == [77, *want[1:], 3]


@unhurried
@given(some.lists(some.none() | some.integers(0, 300), max_size=60))
def test_codes_are_as_narrow_as_their_words_let_them_be(tmp_path: Path, words: list[int | None]) -> None:
    for scratch in (Scratch(), Scratch(tmp_path, 8)):
        made, want = Codes(scratch), [None if word is None else str(word) for word in words]
        for word in want:
            made.append(word)
        made.extend(pa.array(want, pa.string()), len(want))
        names = [*made.values, None]
        assert [names[code] for code in made.numpy().tolist()] == want * 2
        assert [names[made[place]] for place in range(len(made))] == want * 2
    many = Codes()
    many.extend(pa.array([str(number) for number in range(200)]), 200)
    assert made.numpy().dtype == np.dtype("int8" if len(made.values) <= 128 else "int16")
    assert many.numpy().dtype == np.dtype("int16")


@given(some.lists(some.tuples(some.integers(0, 4), some.integers(0, 5)), max_size=8), some.integers(0, 10))
def test_origins_are_the_sources_that_samples_came_from(runs: list[tuple[int, int]], start: int) -> None:
    made, want = Origins(), list[int]()
    for number, count in runs:
        made.extend(number, count)
        want += [number] * count
    assert np.asarray(made).tolist() == want == [made[place] for place in range(len(made))]
    assert made.part(min(start, len(want)), len(want)).tolist() == want[start:]
    assert made.among([1, 3]).tolist() == [number in {1, 3} for number in want]


def test_evenly_spaced_places_are_found_without_a_list_of_all() -> None:
    which = np.random.default_rng(0).random(1_000_000) < 0.3
    every = np.flatnonzero(which)
    assert evenly(which, 1000).tolist() == every[np.linspace(0, len(every) - 1, 1000).astype(np.int64)].tolist()


def test_a_full_disk_is_told_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        Scratch(tmp_path / "gone", 8).zeros(1000, np.int64)
    with pytest.raises(StorageError):
        Scratch(tmp_path, 8).zeros(1 << 50, np.int64)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("noise", [0.0, 0.1, 0.25, 1.0])
def test_leaks_are_confirmed_range_by_range_as_on_all_rows(tmp_path: Path, classes: int, noise: float) -> None:
    random = np.random.default_rng(1)
    codes = random.integers(0, classes, 3000)
    for values in (codes + noise * random.normal(size=3000), np.round(codes + noise * random.normal(size=3000))):
        usable, numbers = random.random(3000) < 0.9, np.full(3000, np.nan)
        values[random.random(3000) < 0.05] = np.nan
        distinct = len(np.unique(values[~np.isnan(values)]))
        want = column_leaks.of_sample(values[usable], "number", distinct, codes[usable], numbers[usable])
        scratch = Scratch(tmp_path, SMALL)
        column = column_whole.Whole(tmp_path, "a", "number", values, scratch, distinct=distinct)
        assert column_leaks.of_all(column, usable, codes, numbers, values[usable][::5]) == want
        assert bool(want) == (noise < 0.25) or noise == 0.25


def test_texts_of_which_too_many_are_different_are_known_by_their_digests(tmp_path: Path) -> None:
    count = column_whole.MOST_WORDS + 5000
    words = [f"name {number}" for number in range(count)]
    words[7] = " Unknown"
    parquet.write_table(pa.table({"a": [*words, None, *words[:100]]}), tmp_path / "rows.parquet")
    values, gaps = np.zeros(count + 101), np.zeros(count + 101, np.uint16)
    found = column_whole.read(tmp_path / "rows.parquet", "a", values, gaps, Scratch(tmp_path, 1 << 16))
    assert (found.distinct, found.missing, found.first, found.worded) == (count, 1, "name 0", False)
    assert found.coded == {" Unknown": 2}
    assert len(np.unique(values[:count])) == count
    assert values[count + 1 :].tolist() == values[:100].tolist()
    assert np.flatnonzero(np.isnan(values)).tolist() == np.flatnonzero(gaps).tolist() == [count]
    chosen = np.linspace(0, count - 1, 50).astype(np.int64).tolist()
    assert found.some_words(50) == [words[place] for place in chosen]


def table(random: np.random.Generator, rows: int) -> list[str]:
    """Return rows of a table with copies, gaps, an identifier, a date, and a column that is the answer."""
    kinds = random.choice(["red", "green", "", "blue"], rows, p=[0.5, 0.3, 0.1, 0.1])
    sizes, days = random.normal(size=rows).round(2), random.integers(1, 28, rows)
    answers = np.where(sizes + random.normal(size=rows) / 3 > 0, "up", "down")
    made = [
        f"n{place},{kind},{size if place % 9 else ''},2024-02-{day:02d},{3 * size + 1},{answer}"
        for place, (kind, size, day, answer) in enumerate(zip(kinds, sizes, days, answers, strict=True))
    ]
    return [*made, *made[: rows // 5], *(each.rpartition(",")[0] + ",up" for each in made[: rows // 20])]


def made_of(folder: Path, rows: Sequence[str], more: str, held: int, parent: Dataset | None) -> Dataset:
    """Prepare a table with so many bytes held of each column."""
    folder.mkdir(exist_ok=True, parents=True)
    (folder / "data.csv").write_text("\n".join(["name,kind,size,day,twin,y", *rows]) + "\n")
    spec = loads(f"sources: [{{table: data.csv}}]\n{more}\n", folder / "modelwright.yaml")
    return prepare(spec, Store.open(folder / ".modelwright"), parent=parent, held=held)


@pytest.mark.parametrize(
    "more",
    [
        "label: y\nclean: {drop: [duplicate, conflicting-rows, incomplete]}\nsplit: {folds: 3}",
        "label: twin\noutput: number",
        pytest.param("label: y\nsplit: {by: time, time: day}", marks=pytest.mark.slow),
        "label: y\nsplit: {group: kind}\nfeatures: [hashing]",
        pytest.param("output: none", marks=pytest.mark.slow),
    ],
)
def test_a_dataset_does_not_depend_on_what_is_held_in_memory(tmp_path: Path, more: str) -> None:
    rows = table(np.random.default_rng(5), 300)
    grown = [*rows[3:200], *table(np.random.default_rng(6), 60), *rows[200:]]
    found = []
    for name, held in (("memory", 1 << 30), ("files", SMALL)):
        first = made_of(tmp_path / name / "same", rows, more, held, None)
        second = made_of(tmp_path / name / "same", grown, more, held, first)
        found.append((first.digest, second.digest))
        assert first.digest != second.digest
        assert not list((tmp_path / name / "same/.modelwright/cache/scratch").iterdir())
    assert found[0] == found[1]
