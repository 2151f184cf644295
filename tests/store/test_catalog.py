"""The database behind the catalog: versions, migration, secrets in addresses, processes that are gone."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, text

from modelwright.errors import FormatTooNewError, InputError
from modelwright.store import Store
from modelwright.store.catalog.database import current_version, migrate
from modelwright.store.catalog.tables import MIGRATIONS
from modelwright.store.process import ended, this_process


def add_column(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE runs ADD COLUMN colour TEXT"))


def fail(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE runs ADD COLUMN half TEXT"))
    raise RuntimeError("killed midway")


def test_an_older_catalog_is_migrated_and_a_newer_one_refused(store: Store) -> None:
    store.annotations.append("1" * 64, "label", 1, "me", "person")
    store.close()
    engine = create_engine(f"sqlite:///{store.root / 'catalog.sqlite'}")
    with pytest.raises(RuntimeError):
        migrate(engine, (*MIGRATIONS, fail))
    assert current_version(engine) == 1
    migrate(engine, (*MIGRATIONS, add_column))
    migrate(engine, (*MIGRATIONS, add_column))
    assert current_version(engine) == 2
    engine.dispose()
    with pytest.raises(FormatTooNewError, match="version 2; this Modelwright reads up to 1"):
        Store.open(store.root).annotations.newest()


def test_the_embedded_database_is_safe_against_power_cuts(store: Store) -> None:
    store.annotations.append("1" * 64, "label", 1, "me", "person")
    with store._database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    with sqlite3.connect(store.root / "catalog.sqlite") as other:
        assert other.execute("SELECT count(*) FROM entries").fetchone() == (1,)
    other.close()


@pytest.mark.parametrize("address", ["nonsense", "nosuch://host/db"])
def test_a_wrong_address_is_bad_input(tmp_path: Path, address: str) -> None:
    with pytest.raises(InputError):
        Store.open(tmp_path / "store", catalog=address).annotations.newest()


def test_values_that_are_not_json_are_bad_input(store: Store) -> None:
    for value in (float("nan"), {1, 2}, b"bytes"):
        with pytest.raises(InputError):
            store.annotations.append("1" * 64, "label", value, "me", "person")
    with pytest.raises(InputError):
        store.catalog.runs.start("train", {}, {"x": object()}, 0, {})
    assert store.annotations.newest() == {}


def test_who_is_gone() -> None:
    me = this_process()
    assert not ended(me)
    assert ended({**me, "start": 1})
    assert ended({**me, "pid": 2**22 + 1})
    assert ended({**me, "boot": "another boot"})
    assert not ended({**me, "host": "another machine", "pid": 2**22 + 1})
    assert not ended({**me, "namespace": "another container", "pid": 2**22 + 1})
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    assert ended({**me, "pid": child})


def test_a_long_log_is_read_in_pages(store: Store) -> None:
    from modelwright.store.annotations import Statement

    statements = [Statement(f"{n % 1500:064x}", "label", n, "me", "import") for n in range(2500)]
    assert store.annotations.append_many(statements) == 2500
    assert [each.value for each in store.annotations.since(100)] == list(range(100, 2500))
    assert len(store.annotations.newest()) == 1500
    assert store.annotations.newest()["0" * 64].value == 1500
    assert store.annotations.verify() == []
