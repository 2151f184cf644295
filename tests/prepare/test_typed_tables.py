"""JSON lines, Arrow, Excel, archives of tables, and SQL queries."""

from __future__ import annotations

import io
import json
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from modelwright.errors import InputError
from modelwright.prepare.collect.base import Item, Rejected, Settings, make

from .packing import zip_of

ROWS: list[dict[str, Any]] = [
    {"whole": n, "wide": n + 0.5, "word": ["x", None, "ü"][n % 3], "y": "ab"[n % 2]} for n in range(12)
]
TYPES = {"whole": "integer", "wide": "number", "word": "text"}


def streamed(kind: str, location: str, root: Path, **options: Any) -> tuple[dict[str, str], list[Any], list[Rejected]]:
    source = make(kind, Settings(location, options, root=root, label="y", input="table"))
    columns = dict(source.survey().columns)
    found = list(source.items(columns))
    items = [each for each in found if isinstance(each, Item)]
    return (
        columns,
        [{**(each.row or {}), "y": each.label} for each in items],
        [each for each in found if isinstance(each, Rejected)],
    )


def write(path: Path) -> None:
    import pyarrow as pa
    from pyarrow import feather, ipc, parquet

    table = pa.Table.from_pylist(ROWS)
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), "utf-8")
    elif path.suffix == ".parquet":
        parquet.write_table(table, path)
    elif path.suffix == ".feather":
        feather.write_feather(table, str(path))
    elif path.suffix == ".arrows":
        with ipc.new_stream(str(path), table.schema) as stream:
            stream.write_table(table)
    elif path.suffix == ".xlsx":
        openpyxl = pytest.importorskip("openpyxl")
        book = openpyxl.Workbook()
        for line in [list(ROWS[0]), *([*row.values()] for row in ROWS)]:
            book.active.append(line)
        book.save(path)
    else:
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("CREATE TABLE t (whole INTEGER, wide REAL, word TEXT, y TEXT)")
            database.executemany("INSERT INTO t VALUES (:whole, :wide, :word, :y)", ROWS)


@pytest.mark.parametrize("ending", ["jsonl", "parquet", "feather", "arrows", "xlsx", "db"])
def test_every_form_holds_the_same(tmp_path: Path, ending: str) -> None:
    write(tmp_path / f"t.{ending}")
    if ending == "db":
        found = streamed("sql", "sqlite:///t.db", tmp_path, query="SELECT * FROM t ORDER BY whole")
    else:
        found = streamed("table", f"t.{ending}", tmp_path)
    assert found == (TYPES, ROWS, [])
    if ending not in {"db", "arrows"}:
        zip_of(tmp_path / "t.zip", {f"in/t.{ending}": (tmp_path / f"t.{ending}").read_bytes(), "readme": b"no table"})
        assert streamed("table", "t.zip", tmp_path) == (TYPES, ROWS, [])


def test_csv_in_an_archive(tmp_path: Path) -> None:
    zip_of(tmp_path / "t.zip", {"1.csv": b"a,y\n1,p\n2,q\n", "2.csv": b"a,y\n3.5,p\n4,q\n", ".x.csv": b"no"})
    columns, rows, rejected = streamed("table", "t.zip", tmp_path)
    assert columns == {"a": "number"}
    assert [row["a"] for row in rows] == [1.0, 2.0, 3.5, 4.0]
    assert not rejected


@pytest.mark.parametrize("ending", ["jsonl", "parquet", "feather", "arrows", "xlsx", "db"])
@pytest.mark.parametrize("damage", ["cut", "noise"])
def test_damaged_files_are_one_clear_error(tmp_path: Path, ending: str, damage: str) -> None:
    path = tmp_path / f"t.{ending}"
    write(path)
    data = path.read_bytes()
    half = len(data) // 2
    path.write_bytes(data[:half] if damage == "cut" else data[:half] + b"\xff" * 40 + data[half + 40 :])
    message = ""
    try:
        if ending == "db":
            streamed("sql", "sqlite:///t.db", tmp_path, query="SELECT * FROM t")
        else:
            streamed("table", path.name, tmp_path)
    except InputError as error:
        message = error.message
    assert "\n" not in message


def test_json_lines_of_all_kinds(tmp_path: Path) -> None:
    lines = [
        '{"a": 1, "y": "p"}', "", '{"a": 123456789012345678901234567890, "y": "p"}', "[1]", "{", '{"a": NaN, "y": "q"}',
        '{"a": "?", "y": "\\ud800z"}', '{"a": [1], "y": "q", "b": true}', "[" * 100_000, '{"a": 1e999, "y": "q"}',
    ]  # fmt: skip
    (tmp_path / "t.jsonl").write_text("\n".join(lines), "utf-8")
    columns, rows, rejected = streamed("table", "t.jsonl", tmp_path)
    assert columns == {"a": "number", "b": "text"}
    assert [row["a"] for row in rows] == [1.0, 123456789012345678901234567890.0, None, None, None, None]
    assert rows[4]["b"] == "true"
    assert rows[3]["y"] == "?z"
    assert [each.kind for each in rejected] == ["ragged-row", "corrupt", "corrupt"]


def test_an_entity_bomb_in_a_workbook_is_not_let_in(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    write(tmp_path / "t.xlsx")
    bomb = '<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
    made = io.BytesIO()
    with zipfile.ZipFile(tmp_path / "t.xlsx") as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name.endswith("sheet1.xml"):
                data = bomb.encode() + data.replace(b"<v>0</v>", b"<v>&b;</v>")
            new.writestr(name, data)
    (tmp_path / "t.xlsx").write_bytes(made.getvalue())
    with pytest.raises(InputError, match="declares entities"):
        streamed("table", "t.xlsx", tmp_path)


def test_a_query_cannot_write(tmp_path: Path) -> None:
    write(tmp_path / "t.db")
    for query in (
        "DELETE FROM t",
        "DELETE FROM t RETURNING *",
        "CREATE TABLE u (a)",
        "SELECT * FROM nowhere",
        "nonsense",
    ):
        with pytest.raises(InputError, match="sql"):
            streamed("sql", "sqlite:///t.db", tmp_path, query=query)
    with closing(sqlite3.connect(tmp_path / "t.db")) as database:
        assert database.execute("SELECT count(*) FROM t").fetchone() == (12,)


def test_a_database_that_goes_away_midway_says_after_how_many_rows(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "t.db")) as database, database:
        database.execute("CREATE TABLE t (a INTEGER, y TEXT)")
        database.executemany("INSERT INTO t VALUES (?, 'word' || ?)", [(n, n) for n in range(60_000)])
    source = make("sql", Settings("sqlite:///t.db", {"query": "SELECT * FROM t"}, root=tmp_path, label="y"))
    stream = iter(source.items({"a": "integer"}))
    next(stream)
    with (tmp_path / "t.db").open("r+b") as file:
        file.truncate(100_000)
    with pytest.raises(InputError, match=r"failed after [\d,]+ rows") as caught:
        list(stream)
    assert caught.value.code == "database"


@pytest.mark.parametrize(
    ("location", "options", "words"),
    [
        ("sqlite:///t.db", {}, "query is missing"),
        ("mysql://host/db", {"query": "SELECT 1"}, "sqlite: or postgresql:"),
        ("postgresql://me:secret@host/db", {"query": "SELECT 1"}, "password"),
        ("sqlite:///none.db", {"query": "SELECT 1"}, "no database"),
        ("postgresql://me@127.0.0.1:9/db", {"query": "SELECT 1"}, "failed"),
    ],
)
def test_mistakes_in_an_address(tmp_path: Path, location: str, options: dict[str, str], words: str) -> None:
    if location.endswith(":9/db"):
        pytest.importorskip("psycopg")
    with pytest.raises(InputError, match=words) as caught:
        streamed("sql", location, tmp_path, **options)
    assert "secret" not in str(caught.value)


def test_postgresql_is_read_only_streamed_and_may_go_away(tmp_path: Path, postgres: str) -> None:
    import sqlalchemy as sa

    engine = sa.create_engine(f"{postgres}/postgres", poolclass=sa.pool.NullPool)
    with engine.begin() as database:
        database.execute(sa.text("CREATE SEQUENCE counter"))
        database.execute(sa.text("CREATE TABLE log (a integer, t timestamp, n numeric, y text)"))
        database.execute(
            sa.text("INSERT INTO log SELECT i, '2026-01-01'::timestamp, i + 0.5, 'p' FROM generate_series(1, 50000) i")
        )
    address = f"{postgres}/postgres".replace("+psycopg", "")
    columns, rows, _ = streamed("sql", address, tmp_path, query="SELECT * FROM log ORDER BY a LIMIT 3")
    assert columns == {"a": "integer", "t": "text", "n": "number"}
    assert rows[1] == {"a": 2, "t": "2026-01-01T00:00:00", "n": 2.5, "y": "p"}
    with pytest.raises(InputError, match="read-only"):
        streamed("sql", address, tmp_path, query="SELECT nextval('counter') AS a, 'p' AS y")
    with pytest.raises(InputError, match="failed"):
        streamed("sql", address, tmp_path, query="DELETE FROM log RETURNING *")
    source = make("sql", Settings(address, {"query": "SELECT * FROM log"}, root=tmp_path, label="y"))
    stream = iter(source.items({"a": "integer"}))
    next(stream)
    with engine.begin() as database:
        others = "pid <> pg_backend_pid() AND client_port > 0"
        database.execute(sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE " + others))
    with pytest.raises(InputError, match=r"failed after [\d,]+ rows") as caught:
        list(stream)
    assert caught.value.code == "database"
    engine.dispose()
