"""Databases that are locked, silent, damaged or killed while they are read."""

from __future__ import annotations

import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from modelwright.errors import InputError
from modelwright.prepare.collect import sql
from modelwright.prepare.collect.base import Item, Settings, make

from .conftest import Project

ROWS = 5000


def database(path: Path) -> Path:
    with closing(sqlite3.connect(path)) as made, made:
        made.execute("CREATE TABLE t (a INTEGER, y TEXT)")
        made.executemany("INSERT INTO t VALUES (?, ?)", [(n, f"word {n % 2}" * 20) for n in range(ROWS)])
    return path


def stream(root: Path, location: str, query: str = "SELECT * FROM t") -> Iterator[object]:
    source = make("sql", Settings(location, {"query": query}, root, "table", "category", "y"))
    return iter(source.items({"a": "integer"}))


def test_a_file_that_is_deleted_midway_is_read_to_its_end(tmp_path: Path) -> None:
    database(tmp_path / "t.db")
    rows = stream(tmp_path, "sqlite:///t.db")
    next(rows)
    (tmp_path / "t.db").unlink()
    assert sum(isinstance(each, Item) for each in rows) == ROWS - 1
    with pytest.raises(InputError, match="no database"):
        next(stream(tmp_path, "sqlite:///t.db"))


def test_a_lock_that_stays_is_said_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sql._PATIENCE < 10
    monkeypatch.setattr(sql, "_PATIENCE", 0.2)
    database(tmp_path / "t.db")
    with closing(sqlite3.connect(tmp_path / "t.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(InputError, match="the database failed: database is locked") as caught:
            next(stream(tmp_path, "sqlite:///t.db"))
    assert caught.value.code == "database"


def test_nothing_is_published_of_half_a_query(project: Project) -> None:
    path = database(project.root / "t.db")
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    with pytest.raises(InputError, match=r"the database failed.*malformed"):
        project.prepare("sources: [{sql: sqlite:///t.db, query: SELECT * FROM t}]\nlabel: y\noutput: category\n")
    assert project.store.artifacts.list("dataset") == []


@contextmanager
def proxy(port: int) -> Iterator[tuple[int, Callable[[], None]]]:
    """Pass bytes on to a server of this machine; yield the port to connect to, and what cuts all lines."""
    listening = socket.create_server(("127.0.0.1", 0))
    ends: list[socket.socket] = []

    def pump(one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(1 << 12):
                other.sendall(data)

    def accept() -> None:
        with suppress(OSError):
            while True:
                one, _ = listening.accept()
                other = socket.create_connection(("127.0.0.1", port))
                ends.extend((one, other))
                for pair in ((one, other), (other, one)):
                    threading.Thread(target=pump, args=pair, daemon=True).start()

    def cut() -> None:
        for each in ends:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listening.getsockname()[1], cut
    finally:
        cut()
        listening.shutdown(socket.SHUT_RDWR)
        for each in (listening, *ends):
            each.close()


def test_a_line_that_is_cut_midway_says_after_how_many_rows(tmp_path: Path, postgres: str) -> None:
    with proxy(int(postgres.rpartition(":")[2])) as (port, cut):
        query = "SELECT i AS a, repeat('word', 50) AS y FROM generate_series(1, 200000) i"
        rows = stream(tmp_path, f"postgresql://modelwright@127.0.0.1:{port}/postgres", query)
        for _ in range(500):
            next(rows)
        cut()
        with pytest.raises(InputError, match=r"the database failed after [\d,]+ rows") as caught:
            list(rows)
    assert caught.value.code == "database"


def test_a_server_that_says_nothing_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psycopg")
    monkeypatch.setattr(sql, "_PATIENCE", 2)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        began = time.monotonic()
        with pytest.raises(InputError, match=r"the database failed.*timeout") as caught:
            next(stream(tmp_path, f"postgresql://me@127.0.0.1:{deaf.getsockname()[1]}/db"))
    assert time.monotonic() - began < 30.0
    assert caught.value.code == "database"


ENDLESS = "WITH RECURSIVE n(a) AS (SELECT 1 UNION ALL SELECT a + 1 FROM n) SELECT a, 'p' AS y FROM n WHERE a < 0"
LATE = (
    "WITH RECURSIVE n(a) AS (SELECT 1 UNION ALL SELECT a + 1 FROM n) SELECT a, 'p' AS y FROM n WHERE a < 250 OR a < 0"
)


@pytest.mark.parametrize(("query", "after"), [(ENDLESS, ""), (LATE, " after 200 rows")])
def test_a_query_that_works_for_ever_without_a_row_is_ended(tmp_path: Path, query: str, after: str) -> None:
    database(tmp_path / "t.db")
    options = {"query": query, "timeout": "300ms"}
    source = make("sql", Settings("sqlite:///t.db", options, tmp_path, "table", "category", "y"))
    with pytest.raises(InputError, match=f"t.db.* gave no row for 0.3 s{after}, so it was ended") as caught:
        list(source.items({"a": "integer"}))
    assert caught.value.code == "database-timeout"


def test_time_spent_with_rows_is_not_the_querys(tmp_path: Path) -> None:
    database(tmp_path / "t.db")
    options = {"query": "SELECT * FROM t", "timeout": "100ms"}
    rows = iter(make("sql", Settings("sqlite:///t.db", options, tmp_path, "table", "category", "y")).items({}))
    next(rows)
    time.sleep(0.3)
    assert sum(1 for _ in rows) == ROWS - 1


def test_a_server_that_works_for_ever_is_not_waited_for(tmp_path: Path, postgres: str) -> None:
    query = "SELECT i AS a, CASE WHEN i > 150 THEN pg_sleep(60)::text ELSE 'p' END AS y FROM generate_series(1, 300) i"
    port = int(postgres.rpartition(":")[2])
    options = {"query": query, "timeout": "1s"}
    location = f"postgresql://modelwright@127.0.0.1:{port}/postgres"
    source = make("sql", Settings(location, options, tmp_path, "table", "category", "y"))
    with pytest.raises(InputError, match=r"gave no row for 1 s after 100 rows, so it was ended"):
        list(source.items({"a": "integer"}))


def test_the_time_that_is_waited_is_said(tmp_path: Path) -> None:
    database(tmp_path / "t.db")
    source = make("sql", Settings("sqlite:///t.db", {"query": "SELECT * FROM t"}, tmp_path, "table", "category", "y"))
    assert "the query is ended if it gives no row for 600 s ('timeout' says otherwise)" in source.survey().remarks
