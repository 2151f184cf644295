"""Small files that are large inside, and long lines: refused early, with file and figures, in bounded memory."""

from __future__ import annotations

import gzip
import resource
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from modelwright.errors import InputError
from modelwright.prepare.collect import bounded, delimited, replayed, typed
from modelwright.prepare.collect.base import Item, Rejected, Settings, make
from modelwright.store.packed import unpacked

from .conftest import Project

MEMORY = 3 << 30
"""Bytes of addresses a command may take; libraries and their threads take one of them."""


def refused(tmp_path: Path, name: str) -> str:
    """Prepare a table by the command line with little memory; return its one error line."""
    (tmp_path / "modelwright.yaml").write_text(
        f"sources: [{{table: {name}}}]\ninput: table\noutput: category\nlabel: y\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "modelwright.cli.main", "run", "--to", "prepare"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert name in last
    return last


def read(kind: str, location: str, root: Path) -> tuple[list[Item], list[Rejected]]:
    source = make(kind, Settings(location, {}, root=root, label="y"))
    found = list(source.items(source.survey().columns))
    return [each for each in found if isinstance(each, Item)], [each for each in found if isinstance(each, Rejected)]


def test_ten_million_columns_are_counted_and_refused(tmp_path: Path) -> None:
    with (tmp_path / "data.csv").open("wb") as file:
        file.write(b"y")
        for _ in range(100):
            file.write(b",a" * 100_000)
        file.write(b"\n1,2\n")
    assert "has 10,000,001 columns in its first line, more than 20,000" in refused(tmp_path, "data.csv")


def test_a_table_of_many_columns_is_still_read(tmp_path: Path) -> None:
    names = [f"a_long_name_of_column_{number}" for number in range(12_000)]
    cells = ",".join("1" * 12_000)
    (tmp_path / "data.csv").write_text(",".join(["y", *names]) + f"\np,{cells}\nq,{cells}\n")
    dialect = delimited.sniff(tmp_path / "data.csv", delimited.Wanted())
    assert len(dialect.names) == 12_001
    (tmp_path / "data.csv").write_text(",".join(["y", *names, *(f"b{n}" for n in range(9000))]) + "\n1\n")
    with pytest.raises(InputError, match="21,001 columns") as caught:
        delimited.sniff(tmp_path / "data.csv", delimited.Wanted())
    assert caught.value.code == "too-many-columns"


def test_a_first_line_without_end_is_measured(tmp_path: Path) -> None:
    with (tmp_path / "data.csv").open("wb") as file:
        for _ in range(40):
            file.write(b"x" * (1 << 20))
    assert "its first line has 41,943,040 bytes, more than 8,388,608" in refused(tmp_path, "data.csv")


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_line_that_is_too_long_is_passed_over(tmp_path: Path, ending: str) -> None:
    line = '{{"a":{0},"y":"p"}}\n' if ending == "jsonl" else "{0},p\n"
    with (tmp_path / f"data.{ending}").open("w") as file:
        file.write("" if ending == "jsonl" else "a,y\n")
        file.writelines(line.format(number) for number in range(20))
        file.write(line.format("1" * (20 << 20)))
        file.writelines(line.format(number) for number in range(5))
    items, rejected = read("table", f"data.{ending}", tmp_path)
    assert len(items) == 25
    (fault,) = rejected
    assert fault.kind == "too-large"
    assert fault.path == f"data.{ending}#line{21 if ending == 'jsonl' else 22}"


@pytest.mark.slow
def test_a_gzip_bomb_is_refused_by_what_came_out_so_far(tmp_path: Path) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    with (tmp_path / "data.csv.gz").open("wb") as file:
        file.write(packer.compress(b"a,y\n"))
        for _ in range(1100):
            file.write(packer.compress(b"1" * (1 << 20)))
        file.write(packer.flush())
    assert "times its size" in refused(tmp_path, "data.csv.gz")


@pytest.mark.parametrize("name", ["data.csv.gz", "data.jsonl.gz", "p.tar.gz"])
def test_bombs_in_every_stream(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacked, "BOMB_BYTES", 1 << 20)
    monkeypatch.setattr(unpacked, "BOMB_RATIO", 20)
    # What follows does not compress, so that the whole file's ratio tells nothing.
    noise = np.random.default_rng(1).bytes(1 << 20)
    (tmp_path / name).write_bytes(gzip.compress(bytes(8 << 20)[:-1].replace(b"\0", b"1") + noise, 9))
    with unpacked.open_stream(tmp_path / name, "gzip") as file, pytest.raises(InputError, match=name) as caught:
        file.read()
    assert caught.value.code == "bomb"


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_rows_are_counted_as_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, delimiter: str) -> None:
    from modelwright.prepare.collect import table

    monkeypatch.setattr(table, "most_samples", lambda: 100)
    quoted = '"a\nb"' if delimiter == ";" else "1"  # which is read row by row
    (tmp_path / "data.csv").write_text(f"a{delimiter}y\n" + f"{quoted}{delimiter}p\n" * 200)
    with pytest.raises(InputError, match=r"data\.csv has more than 100 rows") as caught:
        read("table", "data.csv", tmp_path)
    assert caught.value.code == "too-many-rows"


def test_a_parquet_file_of_two_billion_rows_is_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    rows = 1_000_000
    table = pa.table({"a": pa.array(np.zeros(rows)), "y": pa.array(["p"]).take(pa.array(np.zeros(rows, np.int32)))})
    with parquet.ParquetWriter(tmp_path / "data.parquet", table.schema) as writer:
        for _ in range(21):
            writer.write_table(table)
    assert (tmp_path / "data.parquet").stat().st_size < 1 << 20
    assert "has 21,000,000 rows or more in" in refused(tmp_path, "data.parquet")


@pytest.mark.slow
def test_a_parquet_column_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table({"a": ["a" * (1 << 20)] * 300, "y": ["p", "q"] * 150})
    parquet.write_table(table, tmp_path / "data.parquet", compression="zstd", use_dictionary=False)
    assert "column 'a'" in (said := refused(tmp_path, "data.parquet"))
    assert "times its size" in said


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_an_arrow_batch_that_unpacks_to_too_much_is_refused(tmp_path: Path, compression: str) -> None:
    import pyarrow as pa
    from pyarrow import ipc

    table = pa.table({"a": pa.array(np.zeros(40_000_000)), "y": pa.nulls(40_000_000, pa.int8())})
    options = ipc.IpcWriteOptions(compression=compression)
    with ipc.new_file(tmp_path / "data.arrow", table.schema, options=options) as writer:
        writer.write_table(table)
    with pytest.raises(InputError, match=r"data\.arrow") as caught:
        typed.typed_file(tmp_path / "data.arrow", "source").columns()  # type: ignore[union-attr]
    assert caught.value.code == "bomb"


def test_texts_in_dictionaries_come_a_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    words = pa.array(["a" * (1 << 19), "b"])
    table = pa.table({"a": words.take(pa.array([0] * 200 + [1] * 1000)), "n": list(range(1200))})
    parquet.write_table(table, tmp_path / "data.parquet")
    file = typed.ParquetTable(tmp_path / "data.parquet", "source")
    batches = list(file.batches(["a", "n"], 100_000))
    assert max(len(each) for each in batches[:-1]) <= bounded.BATCH >> 19
    numbers = [row["n"] for row in file.rows(["n"]) if not isinstance(row, Rejected)]
    assert numbers == list(range(1200))
    assert pa.concat_arrays([each["a"].cast(pa.string()) for each in batches[-1:]])[-1].as_py() == "b"
    monkeypatch.setattr(bounded, "BOMB_BYTES", 1 << 20)
    with pytest.raises(InputError, match="times its size"):
        list(file.batches(["a"], 100_000))


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_numbers_beyond_what_models_hold_are_missing_and_said(tmp_path: Path, ending: str) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    cells = [0.5, 1e300, -1e300, 2.5] * 10
    path = tmp_path / f"data.{ending}"
    if ending == "parquet":
        parquet.write_table(pa.table({"a": cells, "y": ["p", "q"] * 20}), path)
    elif ending == "csv":
        path.write_text("a,y\n" + "".join(f"{cell!r},{'pq'[n % 2]}\n" for n, cell in enumerate(cells)))
    else:
        path.write_text("".join(f'{{"a": {cell!r}, "y": "{"pq"[n % 2]}"}}\n' for n, cell in enumerate(cells)))
    items, rejected = read("table", path.name, tmp_path)
    assert [each.row["a"] for each in items if each.row] == [0.5, None, None, 2.5] * 10
    (fault,) = rejected
    assert fault.kind == "type-mix"
    assert fault.path == path.name


def test_whole_numbers_beyond_fifty_bits_are_drawn(project: Project) -> None:
    rows = "".join(f"{12345678901234567 + 2 * (n % 2)},{n % 7},{'pq'[n % 2]}\n" for n in range(40))
    (project.root / "data.csv").write_text("wide,b,y\n" + rows)
    keep = "clean: {keep: [constant-column, identifier-column, conflicting-rows, leaking-column]}\n"
    dataset = project.prepare(f"sources: [{{table: data.csv}}]\nlabel: y\noutput: category\n{keep}")
    assert len(dataset.samples()) == 40
    same = "".join(f"1.2e16,{n % 7},{'pq'[n % 2]}\n" for n in range(40))
    (project.root / "data.csv").write_text("wide,b,y\n" + same)
    assert len(project.prepare(f"sources: [{{table: data.csv}}]\nlabel: y\noutput: category\n{keep}").samples()) == 40


def lines_given(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the lines that the reader of CSV gives to the parser."""
    count = [0]

    class Counting(replayed.Replayed):
        def __next__(self) -> str:
            count[0] += 1
            return super().__next__()

    monkeypatch.setattr(delimited, "Replayed", Counting)
    return count


def rows_of(path: Path, text: str) -> list[list[str]]:
    path.write_text(text, "utf-8")
    found = list(delimited.Reader(path, delimited.sniff(path, delimited.Wanted())))
    return [each[1] for each in found if not isinstance(each, Rejected)]


def test_quotations_that_nothing_ends_are_not_read_over_and_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = lines_given(monkeypatch)
    monkeypatch.setattr(replayed, "_AGAIN", 10_000)
    found = rows_of(tmp_path / "x.csv", "a,y\n" + "1,p\n" * 300 + 'x"y,"\n' * 3000)
    assert found[300:] == [['x"y', '"']] * 3000
    assert count[0] < 20 * 3300


def test_a_quotation_open_at_the_end_swallows_no_lines(tmp_path: Path) -> None:
    found = rows_of(tmp_path / "x.csv", 'a,y\n1,p\n2,"q\n3,p\n4,q\n')
    assert found == [["1", "p"], ["2", '"q'], ["3", "p"], ["4", "q"]]
    whole = rows_of(tmp_path / "y.csv", 'a,y\n1,p\n2,"q\n3,p"')
    assert whole == [["1", "p"], ["2", "q\n3,p"]]


def test_a_row_of_far_too_many_lines_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,y\n" + "1,p\n" * 300 + '2,"' + "x,\n" * 500 + '",q\n' + "3,q\n" * 300, "utf-8")
    dialect = delimited.sniff(path, delimited.Wanted())
    monkeypatch.setattr(delimited, "LONGEST_LINE", 1000)
    found = list(delimited.Reader(path, dialect))
    assert (301 + 1, ["2", '"x']) not in found
    assert [each for each in found if not isinstance(each, tuple)]
    assert sum(each == (302 + 500 + number, ["3", "q"]) for number, each in enumerate(found[-300:], 1)) == 300


def test_times_in_nanoseconds_divide(project: Project) -> None:
    rows = (f"{1_700_000_000_000_000_001 + n * 1_000_003},{n % 7},{'pq'[n % 2]}\n" for n in range(60))
    (project.root / "x.csv").write_text("t,a,y\n" + "".join(rows), "utf-8")
    dataset = project.prepare("input: table\nlabel: y\noutput: category\nsources: [{table: x.csv}]\nsplit: {time: t}\n")
    found = [(each["path"], each["split"]) for each in dataset.samples().to_pylist()]
    last = [split for _, split in sorted(found, key=lambda each: int(each[0].rpartition("#")[2]))]
    assert last[0] == "train"
    assert last[-1] == "test"
