"""One connection pool a process, opened at the first use; transactions; and foreign errors made ours."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.errors import FormatTooNewError, InputError, IntegrityError, MissingExtraError
from modelwright.store.files import StorageError
from modelwright.store.locks import file_lock

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

BUSY_MILLISECONDS = 60_000


class Database:
    """The database behind the catalog.

    Parameters
    ----------
    root
        The store's folder.
    address
        SQLAlchemy URL; None is ``catalog.sqlite`` in the store.
    """

    def __init__(self, root: Path, address: str | None) -> None:
        self.path = root / "catalog.sqlite"
        self.embedded = address is None
        self._root = root
        self._address = address or f"sqlite:///{self.path}"
        self._guard = threading.Lock()
        self._engine: Engine | None = None
        self._owner = 0

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a transaction that sees one moment and never waits for a writer."""
        with self._errors(), self._open().connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a transaction that is durable when the block has ended, and undone if the block raises."""
        with self._errors(), self._open().connect() as connection:
            writing = connection.execution_options(modelwright_write=True)
            with writing.begin():
                yield writing

    def connect(self) -> None:
        """Load SQLAlchemy, open the database and bring its tables up to date, unless that is done."""
        with self._errors():
            self._open()

    def close(self) -> None:
        """Close all connections of this process; the next use opens new ones."""
        with self._guard:
            if self._engine is not None and self._owner == os.getpid():
                self._engine.dispose()
            self._engine = None

    def _open(self) -> Engine:
        with self._guard:
            if self._engine is None or self._owner != os.getpid():
                # A forked child must not touch its parent's connections, not even to close them.
                self._engine = self._connect()
                self._owner = os.getpid()
            return self._engine

    def _connect(self) -> Engine:
        try:
            from sqlalchemy import create_engine
            from sqlalchemy.exc import ArgumentError, NoSuchModuleError
        except ImportError as error:
            raise MissingExtraError("the catalog", "serve") from error
        from modelwright.store.catalog import tables

        try:
            engine = create_engine(self._address, pool_pre_ping=not self.embedded)
        except (ArgumentError, NoSuchModuleError) as error:
            raise InputError(f"store.catalog is not an address that SQLAlchemy knows: {error}") from error
        except ImportError as error:
            raise MissingExtraError("this kind of catalog", "postgres") from error
        if engine.dialect.name == "sqlite":
            _settle_sqlite(engine)
        if current_version(engine) != len(tables.MIGRATIONS):
            with file_lock(self._root / "locks", "catalog"):
                migrate(engine, tables.MIGRATIONS)
        return engine

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            from sqlalchemy.exc import SQLAlchemyError
        except ImportError as error:
            raise MissingExtraError("the catalog", "serve") from error
        try:
            yield
        except SQLAlchemyError as error:
            raise self._translated(error) from error

    def _translated(self, error: Exception) -> Exception:
        text = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        where = self.path if self.embedded else "the catalog"
        if "is full" in text or "No space" in text or "disk I/O error" in text:
            code = "disk-error" if "I/O" in text else "disk-full"
            return StorageError(f"cannot use {where}: {text}", code=code, hint="free some space and run it again")
        if "malformed" in text or "not a database" in text:
            return IntegrityError(
                f"{where} is damaged: {text}",
                hint="restore it from a backup; artifacts, objects and logs do not depend on it",
            )
        if "locked" in text:
            return StorageError(
                f"cannot use {where}: {text}", code="locked", hint="another process holds it: try again"
            )
        return StorageError(f"cannot use {where}: {text}", code="database")


def _settle_sqlite(engine: Engine) -> None:
    from sqlalchemy import event

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: Any) -> None:
        # Transactions are begun below, by us; the driver's own way begins them too late.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_MILLISECONDS}")
        cursor.execute("PRAGMA journal_mode=WAL")
        # With NORMAL, a power cut may roll back what was committed and acknowledged.
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that reads first and writes later fails at once if another wrote between: take the lock first.
        write = connection.get_execution_options().get("modelwright_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def current_version(engine: Engine) -> int:
    """Return the version of the tables; 0 if there are none."""
    from sqlalchemy import inspect, select

    from modelwright.store.catalog.tables import VERSION

    with engine.connect() as connection:
        if not inspect(connection).has_table(VERSION.name):
            return 0
        return connection.execute(select(VERSION.c.version)).scalar() or 0


def migrate(engine: Engine, migrations: Sequence[Callable[[Connection], None]]) -> None:
    """Bring the tables to the newest version, one migration at a time, each in one transaction.

    Raises
    ------
    FormatTooNewError
        If they are newer than this Modelwright knows.
    """
    from sqlalchemy import insert, select, update

    from modelwright.store.catalog.tables import VERSION

    version = current_version(engine)
    if version > len(migrations):
        raise FormatTooNewError(
            f"the catalog {engine.url.render_as_string()} has version {version}; "
            f"this Modelwright reads up to {len(migrations)}",
            hint="update Modelwright",
        )
    for number in range(version, len(migrations)):
        with engine.connect() as connection:
            writing = connection.execution_options(modelwright_write=True)
            with writing.begin():
                VERSION.create(writing, checkfirst=True)
                # Two machines may share a database: who comes second finds it done.
                now = writing.execute(select(VERSION.c.version).with_for_update()).scalar()
                if (now or 0) > number:
                    continue
                migrations[number](writing)
                done = insert(VERSION) if now is None else update(VERSION)
                writing.execute(done.values(version=number + 1))
