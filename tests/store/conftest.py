"""Stores to test on: a folder with SQLite, and one whose catalog is PostgreSQL where a server can be had."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from modelwright.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / ".modelwright")
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Return the address of a PostgreSQL server's own database, or skip where there is none."""
    for program in ("initdb", "pg_ctl"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program} on this machine")
    if importlib.util.find_spec("psycopg") is None:
        pytest.skip("psycopg is not installed (extra 'postgres')")
    folder = Path(tempfile.mkdtemp(prefix="modelwright-postgres-"))
    who: dict[str, Any] = {}
    if os.getuid() == 0:  # PostgreSQL refuses to run as root
        names = {each.pw_name for each in pwd.getpwall()}
        entry = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
        os.chown(folder, entry.pw_uid, entry.pw_gid)
        who = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def run(*command: str) -> None:
        with (folder / "log").open("ab") as log:
            subprocess.run(command, check=True, stdout=log, stderr=log, cwd=folder, timeout=120, **who)

    data = str(folder / "data")
    try:
        run("initdb", "-D", data, "-U", "modelwright", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C")
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories="
        run("pg_ctl", "-D", data, "-w", "-o", options, "-l", str(folder / "server.log"), "start")
    except (subprocess.CalledProcessError, PermissionError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"PostgreSQL does not start here: {error}")
    yield f"postgresql+psycopg://modelwright@127.0.0.1:{port}"
    run("pg_ctl", "-D", data, "-m", "immediate", "stop")
    shutil.rmtree(folder, ignore_errors=True)


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
