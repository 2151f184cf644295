"""What a row of a table costs while it is prepared: bytes, not Python objects."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from modelwright.prepare.clean.checks import copies
from modelwright.prepare.divide import split
from modelwright.prepare.gather.rows import pieces_of
from modelwright.prepare.gather.scratch import Scratch
from modelwright.prepare.learning import training_rows
from modelwright.store.columns import SMALL, Columns

ROWS = 400_000
CHILD = """
import resource, sys
from pathlib import Path
import numpy as np
import pyarrow as pa
from pyarrow import csv
from modelwright.prepare import prepare
from modelwright.progress import Progress
from modelwright.spec import load
from modelwright.store import Store

class Until(Progress):
    def begin(self, stage, total=None):
        if stage == "drawing the page":
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
            sys.exit()

rows = int(sys.argv[2])
folder = Path(sys.argv[1]) / str(rows)
folder.mkdir()
random = np.random.default_rng(0)
columns = {"size": random.normal(size=rows), "kind": np.arange(rows) % 977, "answer": random.integers(0, 2, rows)}
csv.write_csv(pa.table(columns), folder / "data.csv")
(folder / "modelwright.yaml").write_text("output: category\\nlabel: answer\\nsources: [{table: data.csv}]\\n")
del columns
prepare(load(folder / "modelwright.yaml"), Store.open(folder / ".modelwright"), progress=Until(), held=1 << 20)
"""


def most_of(work: Callable[[], object]) -> int:
    """Return the most bytes that are held at a time while something is done."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def a_row(work: Callable[[int], Callable[[], object]]) -> float:
    """Return the bytes that one more row takes at most, given what makes the work for so many rows."""
    few, many = most_of(work(ROWS)), most_of(work(3 * ROWS))
    return (many - few) / (2 * ROWS)


def test_rows_that_are_all_different_are_compared_in_little_memory(tmp_path: Path) -> None:
    def comparing(rows: int, scratch: Scratch) -> Callable[[], object]:
        keys = np.random.default_rng(0).integers(0, 256, (rows, 32), np.uint8).view("V32").ravel()
        labels, usable = np.zeros(rows, np.int8), np.ones(rows, bool)
        return lambda: copies(keys, labels, usable, scratch)

    assert a_row(lambda rows: comparing(rows, Scratch())) < 20
    assert a_row(lambda rows: comparing(rows, Scratch(tmp_path, 1 << 20))) < 1


def test_rows_are_divided_in_little_memory() -> None:
    def dividing(rows: int) -> Callable[[], object]:
        random = np.random.default_rng(0)
        keys, strata = random.integers(0, 2**63, rows, dtype=np.uint64), random.integers(0, 2, rows).astype(np.int8)
        groups = np.arange(rows, dtype=np.int32)
        return lambda: split.assign(groups, keys, strata, (0.7, 0.1, 0.2), 0)

    assert a_row(dividing) < 12


def test_a_few_cells_of_a_large_column_are_looked_up_without_the_others(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    names = [random.bytes(32).hex() for _ in range(1000)]
    table = pa.table({"id": pa.array(np.resize(np.array(names), 1_000_000)), "same": pa.array(["a"] * 1_000_000)})
    parquet.write_table(table, tmp_path / "samples.parquet", row_group_size=65_536, use_dictionary=False)
    del table
    columns = Columns(tmp_path / "samples.parquet")
    before = pa.total_allocated_bytes()
    places = [999_999, 3, 500_000, 3]
    assert columns.take("id", places).to_pylist() == [names[place % 1000] for place in places]
    found, which = columns.find("id", {names[7], "nobody"})
    assert found == list(range(7, 1_000_000, 1000))
    assert set(which) == {names[7]}
    assert sum(len(piece) for piece in columns.pieces("id")) == 1_000_000
    assert pa.total_allocated_bytes() - before < SMALL
    assert columns.take("same", [5, 1]).to_pylist() == ["a", "a"]
    assert columns.take("same", []).to_pylist() == []


def test_rows_are_read_without_those_that_were_read_before(tmp_path: Path) -> None:
    noise, rows = np.random.default_rng(0), 1_500_000
    table = pa.table({"a": noise.normal(size=rows), "b": noise.normal(size=rows)})
    parquet.write_table(table, tmp_path / "rows.parquet", row_group_size=8192, use_dictionary=False)
    del table
    before, most = pa.total_allocated_bytes(), 0
    every = np.ones(rows, bool)
    for reading in (pieces_of(tmp_path / "rows.parquet", "a"), training_rows(tmp_path / "rows.parquet", every)):
        for _ in reading:
            most = max(most, pa.total_allocated_bytes() - before)
    assert most < 10 << 20


@pytest.mark.slow
def test_a_row_takes_less_than_eighty_bytes_until_its_page_is_drawn(tmp_path: Path) -> None:
    def peak(rows: int) -> int:
        command = [sys.executable, "-c", CHILD, str(tmp_path), str(rows)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
        return int(done.stdout) * 1024

    assert peak(1_600_000) - peak(400_000) < 80 * 1_200_000  # with what Arrow holds of the blocks that it parses
