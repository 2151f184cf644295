"""The profile of a table, against computations of our own over plain Python lists."""

from __future__ import annotations

import csv
import json
import math
import statistics
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import feather, parquet

import modelwright
from modelwright.errors import InputError
from modelwright.prepare.profile import door
from modelwright.prepare.profile.facts import Profile
from modelwright.prepare.profile.page import page
from modelwright.prepare.profile.reading import Delimited
from modelwright.progress import SILENT


def written(path: Path, rows: list[list[Any]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    return path


def made(path: Path, *, plain: bool = True, threads: int = 2) -> Profile:
    reading = Delimited(path)
    reading.plain = plain
    return door._profile(reading, path.name, 0, SILENT, threads)


NUMBERS = st.one_of(
    st.none(),
    st.integers(-50, 50),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: round(value, 3)),
)
WORDS = st.one_of(
    st.none(),
    st.sampled_from(["red", "green", "blue"]),
    st.text(st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), min_size=1, max_size=6),
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[Any]]]:
    kinds = draw(st.lists(st.sampled_from(["numbers", "words"]), min_size=2, max_size=5))
    rows = draw(
        st.lists(st.tuples(*(NUMBERS if kind == "numbers" else WORDS for kind in kinds)), min_size=3, max_size=40)
    )
    copies = draw(st.integers(0, 3))
    # A row of nothing but gaps is an empty line where there is one column, and is no row to any reader of CSV.
    body = [list(row) for row in rows] + [list(rows[0])] * copies
    return [f"{kind}_{place}" for place, kind in enumerate(kinds)], body


def cell(value: Any) -> str:
    return "" if value is None else str(value)


def gone(value: Any) -> bool:
    text = cell(value).strip()
    return text in {"", "?", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "#N/A"} or text.lower() == "nan"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=tables())
def test_figures_are_those_of_plain_arithmetic(table: tuple[list[str], list[list[Any]]], tmp_path: Path) -> None:
    names, body = table
    found = made(written(tmp_path / "t.csv", [names, *([cell(each) for each in row] for row in body)]))
    if [column.name for column in found.columns] != names:
        return  # words alone: the first row was taken for a row of the table, which is another table
    assert found.rows == len(body)
    for place, name in enumerate(names):
        column = found.column(name)
        values = [row[place] for row in body]
        if (
            column.kind in {"number", "whole number", "boolean", "identifier", "constant"}
            and column.numbers is not None
        ):
            if not column.strays and name.startswith("numbers"):
                check_numbers(column, [value for value in values if value is not None])
        elif name.startswith("words") and not column.strays:
            check_words(column, [cell(value).strip() for value in values if not gone(value)])


def check_numbers(column: Any, known: list[Any]) -> None:
    assert column.missing == column.rows - len(known)
    assert column.distinct == len({float(value) if abs(value) < 2**53 else value for value in known}) or any(
        abs(value) >= 2**53 for value in known
    )
    found = column.numbers
    assert found.count == len(known)
    wide = [float(value) for value in known]
    assert (float(found.low), float(found.high)) == (min(wide), max(wide))
    assert found.zeros == wide.count(0.0)
    assert found.negatives == sum(value < 0 for value in wide)
    scale = max(abs(value) for value in wide) or 1.0
    assert found.mean == pytest.approx(statistics.fmean(wide), abs=1e-9 * scale)
    if len(wide) > 1:
        assert found.std == pytest.approx(np.std(wide, ddof=1), rel=1e-6, abs=1e-9 * scale)
    for name, share in (("5%", 0.05), ("50%", 0.5), ("95%", 0.95)):
        assert found.quantiles[name] == pytest.approx(np.quantile(wide, share), rel=1e-9, abs=1e-9)
    assert found.rank_error == 0
    assert sum(found.bins) == len(wide)


def check_words(column: Any, known: list[str]) -> None:
    if column.kind == "date" or column.numbers is not None:
        return
    assert column.missing == column.rows - len(known)
    counted = Counter(known)
    assert column.distinct == len(counted)
    assert column.top_missed == 0
    assert set(column.top) <= set(counted.items())
    assert [count for _, count in column.top] == sorted(counted.values(), reverse=True)[:20]
    if known:
        assert column.lengths.low == min(map(len, known))
        assert column.lengths.mean == pytest.approx(statistics.fmean(map(len, known)))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    table=tables(), dirt=st.sampled_from(["", " x ", "+7", "1e3", "007", "0x1f", "-inf", "NaN"]), at=st.integers(0, 99)
)
def test_both_ways_through_a_file_agree(
    table: tuple[list[str], list[list[Any]]], dirt: str, at: int, tmp_path: Path
) -> None:
    names, body = table
    rows = [names, *([cell(each) for each in row] for row in body)]
    rows[1 + at % len(body)][at % len(names)] = dirt
    path = written(tmp_path / "t.csv", rows)
    block, single = made(path).as_dict(), made(path, plain=False).as_dict()
    for each in (block, single):
        del each["bytes_in_memory"], each["head"], each["tail"]  # typed or as written
        for column in each["columns"]:
            if column["numbers"]:
                del column["numbers"]["nan"]  # a NaN is a missing cell where cells are texts
    assert same(block, single)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, (int, float)):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
    return bool(one == other)


def test_the_result_depends_neither_on_threads_nor_on_the_run(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = pa.table(
        {
            "day": pa.array(np.datetime64("2020-01-01") + rng.integers(0, 900, 60_000)).cast(pa.string()),
            "x": rng.normal(size=60_000),
            "code": [f"{number:x}" for number in rng.integers(0, 50_000, 60_000).tolist()],
            "few": rng.integers(0, 9, 60_000),
        }
    )
    path = tmp_path / "t.parquet"
    parquet.write_table(table, path, row_group_size=7000)

    def once(threads: int) -> tuple[str, str]:
        found = door._profile(door._of_file(path, None, 0), "t", 0, SILENT, threads)
        return json.dumps(found.as_dict()), page(found)

    assert once(1) == once(4) == once(2)


def test_long_tables_stay_within_their_bounds(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = 300_000
    values = np.where(rng.random(rows) < 0.3, 7.25, rng.normal(size=rows))
    path = tmp_path / "t.parquet"
    parquet.write_table(
        pa.table({"x": values, "n": rng.permutation(rows), "c": values[::-1]}), path, row_group_size=50_000
    )
    found = modelwright.profile(path)
    for name in ("x", "c"):
        column = found.column(name)
        assert column.distinct == pytest.approx(len(np.unique(values)), rel=5 * column.distinct_error)
        assert column.top[0][0] == "7.25"
        assert column.top[0][1] <= int((values == 7.25).sum()) <= column.top[0][1] + column.top_missed
        figures = column.numbers
        assert figures is not None
        assert 0 < figures.rank_error < 0.002
        ordered = np.sort(values)
        for share, shown in ((0.01, "1%"), (0.5, "50%"), (0.99, "99%")):
            low, high = (np.searchsorted(ordered, figures.quantiles[shown], side) / rows for side in ("left", "right"))
            assert low - figures.rank_error <= share <= high + figures.rank_error
        assert (figures.low, figures.high) == (ordered[0], ordered[-1])
        assert figures.skewness == pytest.approx(
            float(((values - values.mean()) ** 3).mean() / values.std() ** 3), rel=1e-4
        )
    assert found.column("n").distinct_error > 0
    assert found.copies == 0
    assert found.pairs.pearson[0][2] == pytest.approx(np.corrcoef(values, values[::-1])[0, 1], abs=1e-5)


def test_copies_patterns_and_dependence(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=400)
    rows = [
        [f"{a:.6f}", f"{2 * a + 1:.6f}", "up" if a > 0 else "down", "", ""] if place % 4 == 0
        else [f"{a:.6f}", f"{2 * a + 1:.6f}", "up" if a > 0 else "down", "k", str(place)]
        for place, a in enumerate(x.tolist())
    ]  # fmt: skip
    found = made(written(tmp_path / "t.csv", [["a", "b", "side", "p", "q"], *rows, rows[0], rows[1], rows[1]]))
    assert (found.copies, found.copied) == (3, 2)
    assert dict(found.patterns) == {(): 302, ("p", "q"): 101}
    related = found.pairs
    spot = related.columns.index("a"), related.columns.index("b"), related.columns.index("side")
    assert related.matrix[spot[0]][spot[1]] == pytest.approx(1.0)
    assert related.matrix[spot[0]][spot[2]] == pytest.approx(0.8, abs=0.1)  # of a normal split at its middle: √(2/π)
    kinds = {(each.kind, each.column) for each in found.findings}
    assert {("duplicate-rows", ""), ("correlated-columns", "b"), ("constant-column", "p")} <= kinds


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "2", "5"] * 12, "whole number"),
        (["1.5", "2", "5"] * 12, "number"),
        (["0", "1", "1"] * 12, "boolean"),
        (["yes", "no", ""] * 12, "boolean"),
        (["red", "blue", "green"] * 12, "category"),
        (["2024-01-01", "2024-02-03", "2023-05-05"] * 12, "date"),
        (["31.12.1999", "01.02.2003", "13.05.2001"] * 12, "date"),
        ([f"2024-01-01 10:{minute:02}:00" for minute in range(36)], "date"),
        ([str(number) for number in range(36)], "identifier"),
        ([f"{number:08x}" + "f" for number in range(1000, 1036)], "identifier"),
        ([f"a text of words, number {number}, that goes on" for number in range(36)], "text"),
        (["007", "010", "020"] * 12, "category"),
        (["same"] * 36, "constant"),
        ([""] * 36, "empty"),
        ([*map(str, range(100, 135)), "unknown"], "whole number"),
    ],
)
def test_kinds_are_told(cells: list[str], kind: str, tmp_path: Path) -> None:
    rows = [["thing", "other"], *([each, str(place % 3)] for place, each in enumerate(cells))]
    column = made(written(tmp_path / "t.csv", rows)).column("thing")
    assert column.kind == kind, column.why
    assert column.why


def test_dirt_is_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    rows = [
        [
            str(999 if place % 40 == 0 else int(value)),
            "unknown" if place % 30 == 0 else "ab"[place % 2],
            "n/k" if place == 7 else str(place % 5),
            f"20{20 + place % 3}-01-01",
        ]
        for place, value in enumerate(rng.integers(20, 60, 200).tolist())
    ]
    found = made(written(tmp_path / "t.csv", [["age", "group", "mixed", "day"], *rows]))
    said = {(each.kind, each.column): each.message for each in found.findings}
    assert "999 occurs 5 times" in said["hidden-missing", "age"]
    assert "'unknown' occurs 7 times" in said["hidden-missing", "group"]
    assert found.column("mixed").strays == {"n/k": 1}
    assert "type-mix" in {kind for kind, _ in said}


def test_numbers_that_turn_out_to_be_words_are_read_again(tmp_path: Path) -> None:
    rows = [[str(place), "x"] for place in range(3000)] + [[f"w{place}", "x"] for place in range(3000)]
    column = made(written(tmp_path / "t.csv", [["late", "x"], *rows])).column("late")
    assert column.kind in {"text", "identifier"}
    assert (column.distinct, column.missing) == (6000, 0)
    assert column.lengths is not None
    assert column.lengths.high == 5


@pytest.mark.parametrize(
    ("content", "names", "rows"),
    [
        (b"a,b\n", ["a", "b"], 0),
        (b"a,b\n1,2", ["a", "b"], 1),
        (b"\xef\xbb\xbfa,b\n1,2\n3,4\n", ["a", "b"], 2),
        ("a,ü\n1,x\n2,y\n".encode("utf-16"), ["a", "ü"], 2),
        ("a;größe\n1;1,5\n2;2,5\n".encode("latin-1"), ["a", "größe"], 2),
        (b'a,b\n1,"x\ny"\n2,z\n', ["a", "b"], 2),
        (b"a,a,\n1,2,3\n4,5,6\n", ["a", "a.2", "column3"], 2),
        (b"a,b\n1,2\n3\n4,5,6\n7,8\n", ["a", "b"], 2),
        (b"a\n1\n2\n", ["a"], 2),
        (b"a,b\r1,2\r3,4\r", ["a", "b"], 2),
    ],
)
def test_files_as_they_are_found(content: bytes, names: list[str], rows: int, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    found = modelwright.profile(path)
    assert [column.name for column in found.columns] == names
    assert found.rows == rows
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["rows"] == rows
    assert page(found).startswith("<!doctype html>")


def test_decimal_commas_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a;b\n" + "".join(f"{place},5;w\n" for place in range(40)), encoding="utf-8")
    figures = modelwright.profile(path).column("a").numbers
    assert figures is not None
    assert figures.mean == pytest.approx(20.0)


def test_ragged_rows_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n3\n4,5,6\n7,8\n", encoding="utf-8")
    found = modelwright.profile(path)
    assert found.rejected == {"ragged-row": 2}
    assert "line 3" in found.rejected_shown[0]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"%PDF-1.4 and so on"])
def test_what_is_no_table_is_said(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(InputError):
        modelwright.profile(path)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    for place in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(InputError) as error:
            modelwright.profile(place)
        assert error.value.code == "no-such-path"


def test_numbers_without_an_end(tmp_path: Path) -> None:
    values = [1.0, math.inf, -math.inf, math.nan, None, 3.0, 1e308, -1e308]
    path = tmp_path / "t.parquet"
    parquet.write_table(
        pa.table({"x": pa.array(values, pa.float64()), "big": [2**63 - 1, -(2**63), 2**53 + 1] + [0] * 5}), path
    )
    found = modelwright.profile(path)
    column = found.column("x")
    assert column.numbers is not None
    assert (column.missing, column.numbers.nan, column.numbers.infinite, column.numbers.count) == (2, 1, 2, 4)
    assert column.distinct == 6
    assert found.column("big").distinct == 4
    assert (found.column("big").numbers or column.numbers).high == 2**63 - 1
    json.dumps(found.as_dict(), allow_nan=False)
    page(found)


def test_typed_files(tmp_path: Path) -> None:
    import datetime as dt

    table = pa.table(
        {
            "when": pa.array([dt.datetime(2024, 1, day, 12, tzinfo=dt.UTC) for day in range(1, 31)]),
            "day": pa.array([dt.date(2024, 1, day) for day in range(1, 31)]),
            "flag": pa.array([True, False, None] * 10),
            "list": pa.array([[1, 2]] * 29 + [None]),
            "word": pa.array(["a", "b"] * 15).dictionary_encode(),
            "small": pa.array(range(30), pa.uint8()),
            "price": pa.array([1.5] * 30).cast(pa.decimal128(5, 2)),
            "bytes": pa.array([b"\xff"] * 30),
        }
    )
    parquet.write_table(table, tmp_path / "t.parquet")
    feather.write_feather(table, tmp_path / "t.arrow", compression="uncompressed")
    for name in ("t.parquet", "t.arrow"):
        found = modelwright.profile(tmp_path / name)
        assert [column.kind for column in found.columns] == [
            "date", "date", "boolean", "nested", "category", "identifier", "constant", "nested"
        ]  # fmt: skip
        when = found.column("when")
        assert when.numbers is not None
        assert when.numbers.low == dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC).timestamp()
        assert found.column("list").missing == 1
        assert "2024-01-30" in page(found)


def test_json_lines_and_databases(tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps({"a": place, "b": "xy"[place % 2]}) + "\n" for place in range(20)) + "no\n")
    found = modelwright.profile(path)
    assert (found.rows, found.rejected) == (20, {"corrupt": 1})
    assert found.column("b").top == (("y", 10), ("x", 10)) or found.column("b").top == (("x", 10), ("y", 10))
    pytest.importorskip("sqlalchemy")
    with sqlite3.connect(tmp_path / "d.db") as database:
        database.execute("create table fruit (grams real, name text)")
        database.executemany("insert into fruit values (?, ?)", [(1.5, "apple"), (None, "pear")])
    address = f"sqlite:///{tmp_path}/d.db"
    assert modelwright.profile(address).column("grams").missing == 1
    assert modelwright.profile(address, query="select name from fruit").columns[0].name == "name"


def test_wide_tables(tmp_path: Path) -> None:
    width = 5000
    rows = [
        [f"c{place}" for place in range(width)],
        *([str((row * place) % 7) for place in range(width)] for row in range(20)),
    ]
    found = made(written(tmp_path / "t.csv", rows))
    assert (len(found.columns), found.rows) == (width, 20)
    assert found.columns[0].kind == "constant"
    assert len(page(found)) < 5_000_000


def test_hostile_names_are_text(tmp_path: Path) -> None:
    evil = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'
    rows = [[evil, "b&amp;"], *([f"{evil}{place % 3}", "\u202ejavascript:x"] for place in range(40))]
    path = written(tmp_path / "<b>&.csv", rows)
    drawn = page(made(path))
    assert "<script" not in drawn
    assert "<img" not in drawn
    assert "&lt;script&gt;" in drawn
    assert "<b>&" not in drawn


def test_real_tables(shared_data: Path) -> None:
    found = modelwright.profile(shared_data / "titanic" / "titanic.csv")
    assert (found.rows, found.copies, found.column("Age").missing, found.column("Cabin").missing) == (891, 0, 177, 687)
    assert found.column("PassengerId").kind == "identifier"
    assert {each.column for each in modelwright.profile(
        shared_data / "pima-diabetes" / "pima-indians-diabetes.csv"
    ).findings if each.kind == "hidden-missing"} >= {"column3", "column4", "column5", "column6"}  # fmt: skip
    wine = modelwright.profile(shared_data / "wine-quality" / "winequality-red.csv")
    assert wine.copies == 240
