"""Tables read by the block give, sample by sample, what reading them row by row gives."""

from __future__ import annotations

import datetime as dt
import random
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import feather, parquet

from modelwright.errors import InputError
from modelwright.prepare.cache.index import Index
from modelwright.prepare.collect import bulk
from modelwright.prepare.collect.base import Settings
from modelwright.prepare.collect.delimited import Wanted, sniff
from modelwright.prepare.collect.table import TableSource
from modelwright.prepare.gather.gatherer import Gatherer
from modelwright.progress import SILENT
from modelwright.tasks import base as tasks


class RowByRow:
    """A table without its way by the block."""

    kind = "table"
    kept = "rows"

    def __init__(self, source: TableSource) -> None:
        self.survey = source.survey
        self.settings = source.settings
        self._source = source

    def items(self, columns: Mapping[str, str]) -> Iterator[Any]:
        """Stream the rows."""
        return self._source.items(columns)


def gathered(path: Path, output: str, rows: Path, *, block: bool, **options: Any) -> dict[str, Any]:
    """Return all that was gathered of a file, comparable; or the error."""
    settings = Settings(path.name, options, path.parent, "table", output, "y")
    source: Any = TableSource(settings)
    if not block:
        source = RowByRow(source)
        source._source._counted_by_block = refuse
    index = Index(path.parent / "cache")
    made = Gatherer(tasks.modality("table"), tasks.labels(output), index, 1, lambda _: None, {}, SILENT)
    try:
        found = made.run([source], rows)
    except InputError as error:
        return {"error": str(error)}
    return {
        "columns": found.columns,
        "ids": found.digests().tobytes().hex(),
        "paths": found.paths.part(0, len(found)).to_pylist(),
        "labels": [found.label(place) for place in range(len(found))],
        "groups": found.groups.numpy().tolist(),
        "group_names": list(found.groups.values),
        "told": list(found.told.values),
        "times": found.times.arrow().to_pylist(),
        "unusable": bytes(found.unusable).hex(),
        "faults": {key: list(places) for key, places in found.faults.items()},
        "issues": sorted((each.kind, each.path, each.message, str(each.evidence)) for each in found.issues),
        "rows": rows.read_bytes(),
    }


def refuse(*_: object) -> None:
    """Say that the file is not plain."""
    raise bulk.NotPlainError


def same(path: Path, output: str = "category", **options: Any) -> dict[str, Any]:
    """Gather a file both ways, and return what was found."""
    one = gathered(path, output, path.parent / "one.parquet", block=True, **options)
    other = gathered(path, output, path.parent / "other.parquet", block=False, **options)
    for key in other:
        assert one.get(key) == other[key], key
    assert one.keys() == other.keys()
    return one


CELLS = st.sampled_from(
    [
        *("1", "2", "-3", "+4", "007", "0x1F", "12345678901234567890", "9007199254740993", " 5", "6 ", "1_000"),
        *("1.5", ".5", "2.", "1e5", "1e400", "-0.0", "nan", "NaN", "inf", "1,5", "0.1 ", "1.0"),
        *("", "?", " ? ", "NA", "null", "-", "true", "False", "2024-01-01", "12:30", "2024-01-01 10:00:00"),
        *("red", " blue", "grün", '"quoted"', '"a ""b"""', '"with, comma"', 'in"side', "\u00a0x", "0", "00"),
    ]
)


@given(
    st.lists(st.tuples(CELLS, CELLS, st.sampled_from(["a", "b", "", "?"])), min_size=2, max_size=30),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.sampled_from([",", ";", "\t"]),
    st.integers(0, 3),
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_cells(
    tmp_path: Path, rows: list[tuple[str, str, str]], end: str, closed: bool, delimiter: str, blank: int
) -> None:
    lines = [delimiter.join(["p", "q", "y"]), *(delimiter.join(row) for row in rows)]
    if blank:
        lines.insert(blank, "")
    path = tmp_path / "data.csv"
    path.write_bytes((end.join(lines) + (end if closed else "")).encode())
    same(path, delimiter=delimiter)


COLUMNS: dict[str, Callable[[random.Random], str]] = {
    "whole": lambda r: str(r.randint(-5, 5)),
    "code": lambda r: f"{r.randint(0, 99):03d}",
    "wide": lambda r: r.choice(["1.5", "2", "", "3e2", " 4.25"]),
    "stray": lambda r: r.choice(["1", "2", "3"] * 30 + ["broken"]),
    "word": lambda r: r.choice(["red", " blue ", '"a, b"', "?"]),
    "when": lambda r: f"2024-0{r.randint(1, 9)}-1{r.randint(0, 9)}",
    "name": lambda r: f"n{r.random()}",
    "g": lambda r: r.choice(["one", "two", ""]),
    "y": lambda r: r.choice(["up", "down"]),
}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("delimiter", [",", "\t", "|"])
def test_many_rows_of_every_sort_over_several_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str, delimiter: str
) -> None:
    monkeypatch.setattr(bulk, "BLOCK", 4096)
    r = random.Random(1)
    lines = [delimiter.join(COLUMNS)]
    for number in range(2000):
        # A tab within quotes is taken for a sign that quotation marks are part of the cells.
        cells = [make(r).replace(",", delimiter if delimiter != "\t" else ";") for make in COLUMNS.values()]
        if number % 501 == 7:
            cells.pop()
        lines.append(delimiter.join(cells))
        if number % 777 == 3:
            lines.append("")
    path = tmp_path / "data.csv"
    path.write_bytes((end.join(lines) + end).encode())
    found = same(path, group="g", time="when")
    assert len(found["paths"]) == 1996
    assert found["times"][0] is None  # it is an input, and read from there
    assert same(path, split="g", time="when", ignore=["when"])["times"][0].startswith("2024-0")
    assert sum(kind == "ragged-row" for kind, *_ in found["issues"]) == 4
    assert found["columns"]["code"] == "text"
    assert found["columns"]["stray"] == "integer"
    dialect = sniff(path, Wanted(delimiter=delimiter))
    assert len(list(bulk.lines(path, dialect))) > 10


@pytest.mark.parametrize(
    "body",
    [
        b'p,q,y\n1,"two\nlines",a\n2,x,b\n',
        b"p,q,y\n1,a\0b,a\n2,x,b\n3,x,a\n",
        b"p,q,y\n1,caf\xe9,a\n2,x,b\n",
        b"p,q,y\r1,x,a\r2,z,b\r",
        b"\xef\xbb\xbfp,q,y\n1,x,a\n2,z,b\n",
        b'p,q,y\n1,5" pipe,a\n2,"open,b\n3,x,a\n',
        b"p,q,y\n1,x,a\n2,z,b\n" + b"3," + b"x" * (2 << 20) + b",a\n",
        b'p,q,y\n1, "x",a\n2,"z" ,b\n',
        b"p,q,y\n,,a\n,,b\n",
        b"p,q,y\n1,x,\n2,z,\n",
    ],
)
def test_files_that_are_not_plain_are_read_row_by_row(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(body)
    same(path)


def test_numbers_to_predict(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("p,y\n" + "".join(f"{n},{n * 0.1}\n" for n in range(50)) + "1,\n2,x\n3,1e39\n4,inf\n5,?\n")
    found = same(path, "number")
    assert {kind for kind, _ in found["faults"]} == {"bad-label", "missing-label"}


@pytest.mark.parametrize("form", ["parquet", "feather"])
def test_typed_files(tmp_path: Path, form: str) -> None:
    import decimal

    table = pa.table(
        {
            "whole": pa.array([1, None, 3] * 20, pa.int32()),
            "big": pa.array([2**63 + 1, 5, None] * 20, pa.uint64()),
            "wide": pa.array([1.5, float("nan"), float("inf")] * 20, pa.float32()),
            "money": pa.array([decimal.Decimal("1.10"), None, decimal.Decimal("99999999999999.99")] * 20),
            "yes": pa.array([True, None, False] * 20),
            "day": pa.array([dt.date(2024, 1, 2), None, dt.date(1900, 1, 1)] * 20),
            "stamp": pa.array([1704164645000600, None, 1704153600000000] * 20, pa.timestamp("us")),
            "zoned": pa.array([1, None, 2] * 20, pa.timestamp("s", "UTC")),
            "word": pa.array([" x ", "?", "y"] * 20),
            "coded": pa.array(["a", "b", None] * 20).dictionary_encode(),
            "bytes": pa.array([b"a", b"\xff", None] * 20),
            "nested": pa.array([[1], [2], None] * 20),
            "g": pa.array([1.0, 2.5, None] * 20),
            "y": pa.array(["up", "down", None] * 20),
        }
    )
    path = tmp_path / f"data.{form}"
    if form == "parquet":
        parquet.write_table(table, path, row_group_size=16)
    else:
        feather.write_feather(table, str(path))
    found = same(path, group="g", time="stamp")
    assert len(found["labels"]) == 60
    table = table.set_column(table.schema.get_field_index("y"), "y", pa.array([1.5, float("nan"), 3e38] * 20))
    parquet.write_table(table, tmp_path / "numbers.parquet")
    same(tmp_path / "numbers.parquet", "number", text=["whole", "wide"])


def test_what_people_said_goes_before_a_block_s_labels(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("p,y\n" + "".join(f"{n},{'a' if n % 2 else 'b'}\n" for n in range(40)) + "99,\n")
    settings = Settings(path.name, {}, tmp_path, "table", "category", "y")

    def run(said: dict[str, tuple[Any, int]]) -> Any:
        made = Gatherer(
            tasks.modality("table"), tasks.labels("category"), Index(tmp_path), 1, lambda _: None, said, SILENT
        )
        return made.run([TableSource(settings)], tmp_path / "rows.parquet")

    plain = run({})
    found = run({plain.id(40): ("c", 7), plain.id(3): ("", 8)})
    assert found.label(40) == "c"
    assert found.annotations[40] == 7
    assert not found.unusable[40]
    assert found.label(3) is None
    assert {key: list(places) for key, places in found.faults.items() if places} == {
        ("missing-label", "has no label"): [3]
    }


@settings(max_examples=300, deadline=None)
@given(data=st.text('"a,\n', min_size=1, max_size=14).map(str.encode))
def test_quotes_that_enclose_cells_do_so_by_the_expression_too(data: bytes) -> None:
    if not bulk.enclosing(data, ","):
        return
    sign = b","
    pattern = rb'(?m)(^|%b)"([^"\r\n]|"")*"(?:%b|\r?$)' % (sign, sign)
    for _ in range(2):
        data = re.sub(pattern, rb"\1" + sign, data)
    assert b'"' not in data
