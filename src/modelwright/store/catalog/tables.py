"""The tables, and how one version of them becomes the next.

JSON is kept as text: the same in both databases, and the digests in the logs are over exactly that text.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import BigInteger, Column, Connection, ForeignKey, Index, Integer, MetaData, String, Table, Text, insert

from modelwright.canonical import digest_bytes

METADATA = MetaData()
EMPTY = digest_bytes(b"")
"""The head of a log without entries."""

VERSION = Table("schema_version", METADATA, Column("version", Integer, primary_key=True))

RUNS = Table(
    "runs",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", String(12), nullable=False, unique=True),
    Column("step", String(128), nullable=False),
    Column("status", String(16), nullable=False),
    Column("inputs", Text, nullable=False),
    Column("params", Text, nullable=False),
    Column("seed", BigInteger),
    Column("environment", Text, nullable=False),
    Column("process", Text, nullable=False),
    Column("started", BigInteger, nullable=False),
    Column("finished", BigInteger),
    Column("artifact", String(64), index=True),
    Column("error", Text),
)

HEADS = Table(
    "heads",
    METADATA,
    Column("log", String(32), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("chain", String(64), nullable=False),
)
"""The newest entry of each append-only log; its row is also what serialises those who append."""

ENTRIES = Table(
    "entries",
    METADATA,
    Column("log", String(32), ForeignKey("heads.log"), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("subject", String(256), nullable=False),
    Column("body", Text, nullable=False),
    Column("chain", String(64), nullable=False),
    Index("entries_by_subject", "log", "subject", "seq"),
    Index("entries_by_chain", "log", "chain"),
)
"""The annotation, decision and audit logs. ``chain`` is the digest of the chain before and of ``body``."""


LOGS = ("annotations", "decisions", "audit")


def _first(connection: Connection) -> None:
    METADATA.create_all(connection)
    connection.execute(insert(HEADS), [{"log": log, "seq": 0, "chain": EMPTY} for log in LOGS])


MIGRATIONS: tuple[Callable[[Connection], None], ...] = (_first,)
"""Number ``n`` brings the tables from version ``n`` to ``n + 1``; each runs in the transaction that notes its success.

The first makes the tables of today; when they change, it is replaced by one that makes those of version 1, literally.
"""
