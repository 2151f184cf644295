"""Stores to test on: a folder with SQLite, and one whose catalog is PostgreSQL where a server can be had."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modelwright.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / ".modelwright")
    yield opened
    opened.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Open one store anew at each call."""
    address = None
    if request.param == "postgresql":
        from sqlalchemy import create_engine

        server = request.getfixturevalue("postgres")
        name = f"test_{os.urandom(6).hex()}"
        engine = create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        engine.dispose()
        address = f"{server}/{name}"
    with contextlib.ExitStack() as stack:

        def opened() -> Store:
            store = Store.open(tmp_path / ".modelwright", catalog=address)
            stack.callback(store.close)
            return store

        yield opened
