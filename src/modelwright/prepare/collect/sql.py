"""Source ``sql``: the rows of a query, from SQLite or PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from blake3 import blake3

from modelwright import canonical
from modelwright.errors import InputError, MissingExtraError
from modelwright.prepare.collect import text_rows, typing_columns
from modelwright.prepare.collect.base import Item, Kept, Rejected, Settings, Survey
from modelwright.prepare.collect.frames import seconds_of
from modelwright.prepare.collect.json_lines import plain
from modelwright.prepare.collect.options import Options
from modelwright.prepare.collect.regular import most_samples, too_many
from modelwright.prepare.collect.rowmaking import RowMaker, Strays, stray_issues
from modelwright.prepare.collect.text_rows import TextMaker
from modelwright.prepare.collect.typed import first_line, tallied

if TYPE_CHECKING:
    from modelwright.prepare.cache.index import Index

_BATCH = 100
"""Rows in memory at a time: a cell may have 16 MiB."""
LONGEST_CELL = 16 << 20
"""Bytes of a cell of an SQLite database; views of a hostile one make gigabytes of nothing."""
_PATIENCE = 8
"""Seconds to wait for a server to answer a connection, or for a lock that another program holds."""
_SILENCE = 600.0
"""Seconds in which a query has to give a row, where nothing else is said."""
_STEPS = 1_000_000
"""Instructions of SQLite's machine after which the clock is looked at: some 20 ms."""
_GONE = {
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
"""How libpq notices, in some 15 s, that the other machine is no longer there."""


class SqlSource:
    """The rows of one query, one sample a row. The location is an SQLAlchemy URL.

    Read-only: SQLite is opened so, PostgreSQL runs the query in a read-only transaction. Rows are streamed by a
    server-side cursor. Order: the query's, so it should have an ORDER BY. What has changed is told by the digest of all
    rows, so the query runs whenever that is asked. Passwords don't belong in a spec: PGPASSWORD or ``~/.pgpass``.
    """

    kind: ClassVar[str] = "sql"
    option_names: ClassVar[Mapping[str, str]] = {
        "query": "the SELECT whose rows are the samples",
        "label": "column to predict, where it differs from the spec's 'label'",
        "missing": "list of cells that mean 'missing'",
        "group": "column whose equal values never straddle two splits",
        "time": "column with a row's time, for splits by time",
        "split": "column that says train, validation or test",
        "ignore": "list of columns to leave out",
        "timeout": f"time in which the query has to give a row, such as 30s or 2h; default: {_SILENCE:g}s",
        "text": "list of columns that hold words, whatever they look like; of texts: those that are the text",
    }
    kept: ClassVar[Kept] = "rows"

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        options = Options(self.kind, settings)
        self._where = options.where
        query = options.text("query")
        if not query or not query.strip():
            raise InputError(f"{self._where}: the query is missing", code="bad-option", hint="set 'query:' to a SELECT")
        self._query = query.strip().rstrip(";")
        self._label = options.text("label") or settings.label
        self._group = options.text("group")
        self._ignore = options.texts("ignore")
        self._missing = frozenset(options.texts("missing") or typing_columns.MISSING) | {""}
        self._patience = _Patience(max(0.1, seconds_of(options, "timeout", _SILENCE, 7 * 86_400.0)))
        self._texts = settings.input == "text"
        self._words = options.texts("text")
        self._rows = (TextMaker if self._texts else RowMaker)(
            self._label,
            self._group,
            self._missing,
            self._where,
            time=options.text("time"),
            split=options.text("split"),
            unlabelled=settings.output == "none",
        )
        scheme = settings.location.partition(":")[0].partition("+")[0]
        if scheme not in {"sqlite", "postgresql", "postgres"}:
            raise InputError(
                f"{self._where}: addresses begin with sqlite: or postgresql:",
                code="bad-option",
                hint="such as sqlite:///data.db or postgresql://user@host/database",
            )
        if scheme != "sqlite" and "@" in settings.location:
            user = settings.location.partition("//")[2].rpartition("@")[0]
            if ":" in user:
                raise InputError(
                    "source 'sql': the address has a password in it, which would be kept in datasets and reports",
                    code="bad-option",
                    hint="take it out, and set PGPASSWORD or write it into ~/.pgpass",
                )

    def _engine(self) -> Any:
        try:
            import sqlalchemy as sa
        except ImportError:
            raise MissingExtraError("reading databases", "serve") from None
        try:
            url = sa.make_url(self.settings.location)
        except sa.exc.ArgumentError as error:
            raise InputError(f"{self._where}: {first_line(error)}", code="bad-option") from None
        if url.get_backend_name() == "sqlite":
            path = self.settings.root / (url.database or "")
            if not path.is_file():
                raise InputError(f"{self._where}: there is no database at {path}", code="no-such-path")
            return sa.create_engine(
                "sqlite://", creator=lambda: _connect_sqlite(path, self._patience), poolclass=sa.pool.NullPool
            )
        try:
            patience = {"connect_timeout": _PATIENCE, **_GONE}
            patience = {name: value for name, value in patience.items() if name not in url.query}
            return sa.create_engine(
                url.set(drivername="postgresql+psycopg"), poolclass=sa.pool.NullPool, connect_args=patience
            )
        except ImportError:
            raise MissingExtraError("reading PostgreSQL", "postgres") from None

    @contextmanager
    def _result(self) -> Iterator[Any]:
        """Run the query; whatever goes wrong, now or while rows are fetched, is an :class:`InputError`."""
        engine = self._engine()
        import sqlalchemy as sa

        seen = [0]
        cursor = None
        try:
            with engine.connect() as connection:
                if engine.dialect.name == "postgresql":
                    connection.execution_options(postgresql_readonly=True, isolation_level="REPEATABLE READ")
                    # holds for each batch of rows that is fetched
                    connection.exec_driver_sql(f"SET LOCAL statement_timeout = {1000 * self._patience.seconds:.0f}")
                connection.execution_options(stream_results=True, max_row_buffer=_BATCH)
                self._patience.begin()
                result = connection.exec_driver_sql(self._query)
                if not result.returns_rows:
                    raise InputError(
                        f"{self._where}: the query returns no rows", code="bad-option", hint="it must be a SELECT"
                    )
                cursor = result.cursor
                yield result, seen
        except (sa.exc.SQLAlchemyError, OSError, ValueError, OverflowError) as error:
            cause = getattr(error, "orig", None) or error
            after = f" after {seen[0]:,} rows" if seen[0] else ""
            if self._patience.ended or (type(cause).__name__ == "QueryCanceled" and self._patience.over()):
                raise InputError(
                    f"{self._where}: the query gave no row for {self._patience.seconds:g} s{after}, so it was ended",
                    code="database-timeout",
                    hint="'timeout: 2h' beside the source waits longer",
                ) from None
            raise InputError(
                f"{self._where}: the database failed{after}: {first_line(cause)}",
                code="database",
                hint="nothing was written; run it again when the database is there",
            ) from None
        finally:
            engine.dispose()
            if cursor is not None:
                with suppress(Exception):  # once more: where the server went away, the first time failed
                    cursor.close()

    def rows(self) -> Iterator[dict[str, Any]]:
        """Stream the rows by column, plain cells."""
        with self._result() as (result, seen):
            names = _distinct(list(result.keys()), self._where)
            most = most_samples()
            while rows := self._fetched(result):
                for row in rows:
                    seen[0] += 1
                    if seen[0] > most:
                        raise too_many(f"{self._where}: the query gives", most)
                    yield {
                        name: _cell(self._rows.plain(value))
                        for name, value in zip(names, row, strict=True)
                        if not isinstance(value, (dict, list))
                    }

    def _fetched(self, result: Any) -> Sequence[Any]:
        self._patience.begin()
        rows: Sequence[Any] = result.fetchmany(_BATCH)
        return rows

    def fingerprint(self, index: Index) -> str:  # noqa: ARG002 - the seam's signature
        """Return the digest of all rows, in order."""
        content = blake3(self._query.encode())
        for row in self.rows():
            content.update(canonical.dumps(row) + b"\n")
        return content.hexdigest()

    def survey(self) -> Survey:
        """Run the query once to learn columns and types."""
        with self._result() as (result, _):
            names = _distinct(list(result.keys()), self._where)
        self._rows.check_columns("of the query", names)
        types, count = tallied(self.rows(), self._missing, self._where)
        if not count:
            raise InputError(f"{self._where}: the query found no rows", code="empty-table")
        leave = {*self._rows.no_inputs, *self._ignore}
        columns = {
            name: "text" if name in self._words else types.get(name, "text") for name in names if name not in leave
        }
        remarks = self._remarks()
        if self._texts:
            first = list(islice(self.rows(), text_rows.LOOKED_AT))
            chosen, why = text_rows.choose(self._words, columns, first, self._where)
            remarks = (*remarks, f"the text is {' and '.join(map(repr, chosen))}: {why}")
            columns = dict.fromkeys(chosen, "text")
        return Survey(columns, remarks)

    def _remarks(self) -> tuple[str, ...]:
        waits = f"the query is ended if it gives no row for {self._patience.seconds:g} s ('timeout' says otherwise)"
        if "order by" in self._query.lower():
            return (waits,)
        return (
            waits,
            "the query has no ORDER BY: if the database returns rows in another order, that is another dataset",
        )

    def items(self, columns: Mapping[str, str]) -> Iterator[Item | Rejected]:
        """Stream the rows."""
        strays: Strays = {}
        for number, row in enumerate(self.rows(), 1):
            yield self._rows.item(f"query#{number}", row, columns, ".", strays)
        yield from stray_issues("query", strays)


class _Patience:
    """How long a query may work for a row; what is done with the row does not count."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.ended = False
        self._end = 0.0

    def begin(self) -> None:
        """Wait anew."""
        self._end = time.monotonic() + self.seconds
        self.ended = False

    def over(self) -> bool:
        """Say whether it has taken too long: SQLite asks now and then, and ends the query if so."""
        self.ended = time.monotonic() > self._end
        return self.ended


def _connect_sqlite(path: Path, patience: _Patience) -> Any:
    import sqlite3

    uri = f"{path.resolve().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, timeout=_PATIENCE, check_same_thread=False)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_CELL)
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.set_progress_handler(patience.over, _STEPS)
    return connection


def _distinct(names: Sequence[str], where: str) -> list[str]:
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise InputError(
            f"{where}: the query has two columns named {min(twice)!r}", code="duplicate-header", hint="use AS"
        )
    return list(names)


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, (str, int, float)):
        return plain(value)
    return str(value)
