"""Append-only logs in the catalog: each entry carries the digest of all before it, and nothing is ever overwritten.

The newest digest, the *head*, names the whole state of a log. It is also kept in a small file, so that a run with
nothing to do need not open the database:

1. the file is removed, and its removal flushed, before an entry is committed;
2. the entry is committed, durably;
3. the file is written again.

A process killed between 1 and 3 leaves no file, and the next reader asks the database. All three happen under one lock,
so that a slow writer cannot put an old head over a new one. With a database on another machine others append too, and
the file is not believed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.canonical import digest_bytes, dumps
from modelwright.errors import InputError, IntegrityError
from modelwright.store.catalog.database import Database
from modelwright.store.files import DIGEST, read_file, storage_errors, sync_folder
from modelwright.store.locks import file_lock
from modelwright.store.scratch import Scratch

if TYPE_CHECKING:
    from sqlalchemy import Connection

EMPTY = digest_bytes(b"")
"""The head of a log without entries."""
_PAGE = 1000


class Ledger:
    """One append-only log: one of ``tables.LOGS``.

    Parameters
    ----------
    root
        The store's folder; the head is kept in ``<root>/<name>.head``.
    """

    def __init__(self, name: str, root: Path, database: Database, scratch: Scratch) -> None:
        self.name = name
        self._database = database
        self._scratch = scratch
        self._locks = root / "locks"
        self._head_file = root / f"{name}.head"

    def append(self, entries: Sequence[tuple[str, Mapping[str, Any]]]) -> int:
        """Append ``(subject, body)`` pairs, all or none; durable on return. Return the sequence number of the last.

        Raises
        ------
        InputError
            If a body is not JSON.
        StorageError
            If the disk or the database refuses; then none of them is stored.
        """
        try:
            rows = [(subject, dumps(dict(body)).decode()) for subject, body in entries]
        except (TypeError, ValueError) as error:
            raise InputError(f"an entry of the {self.name} must be JSON: {error}", code="not-json") from error
        self._database.connect()  # it takes a while the first time: not under the lock
        with file_lock(self._locks, self.name):
            self._forget_head()
            with self._database.write() as connection:
                seq, chain = self._insert(connection, rows)
            self._note_head(chain)
        return seq

    def head(self) -> str:
        """Return the digest that names the log's state; from the file, without a database, where that is possible."""
        if self._database.embedded:
            if not self._database.path.exists():
                return EMPTY
            with suppress(OSError, IntegrityError, UnicodeDecodeError):
                text = read_file(self._head_file).decode("ascii").strip()
                if DIGEST.match(text):
                    return text
        self._database.connect()
        with file_lock(self._locks, self.name):  # no append is in flight now
            _, chain = self._newest()
            self._note_head(chain)
        return chain

    def count(self, head: str | None = None) -> int:
        """Return how many entries the log has, or had when its head was ``head`` (0 if it never was)."""
        from sqlalchemy import select

        from modelwright.store.catalog.tables import ENTRIES

        if head is None:
            return self._newest()[0]
        statement = select(ENTRIES.c.seq).where(ENTRIES.c.log == self.name, ENTRIES.c.chain == head)
        with self._database.read() as connection:
            return connection.execute(statement).scalar() or 0

    def entries(self, after: int = 0, subject: str | None = None) -> Iterator[tuple[int, str, dict[str, Any]]]:
        """Yield ``(seq, subject, body)`` of the entries behind ``after``, in order, read in pages."""
        from sqlalchemy import select

        from modelwright.store.catalog.tables import ENTRIES

        statement = select(ENTRIES.c.seq, ENTRIES.c.subject, ENTRIES.c.body).where(ENTRIES.c.log == self.name)
        if subject is not None:
            statement = statement.where(ENTRIES.c.subject == subject)
        while True:
            page = statement.where(ENTRIES.c.seq > after).order_by(ENTRIES.c.seq).limit(_PAGE)
            with self._database.read() as connection:
                rows = connection.execute(page).all()
            for row in rows:
                yield row.seq, row.subject, self._body(row.seq, row.body)
            if len(rows) < _PAGE:
                return
            after = rows[-1].seq

    def newest(self) -> Iterator[tuple[int, str, dict[str, Any]]]:
        """Yield ``(seq, subject, body)`` of the newest entry about each subject, in order, read in pages."""
        from sqlalchemy import func, select

        from modelwright.store.catalog.tables import ENTRIES

        last = (
            select(func.max(ENTRIES.c.seq).label("seq"))
            .where(ENTRIES.c.log == self.name)
            .group_by(ENTRIES.c.subject)
            .subquery()
        )
        statement = (
            select(ENTRIES.c.seq, ENTRIES.c.subject, ENTRIES.c.body)
            .join(last, ENTRIES.c.seq == last.c.seq)
            .where(ENTRIES.c.log == self.name)
            .order_by(ENTRIES.c.seq)
        )
        with self._database.read() as connection:
            result = connection.execution_options(yield_per=_PAGE).execute(statement)
            for row in result:
                yield row.seq, row.subject, self._body(row.seq, row.body)

    def verify(self) -> list[str]:
        """Compute the chain again over every entry, and return what is wrong; empty if nothing was changed."""
        from sqlalchemy import select

        from modelwright.store.catalog.tables import ENTRIES

        chain, expected = EMPTY, 0
        statement = select(ENTRIES).where(ENTRIES.c.log == self.name).order_by(ENTRIES.c.seq)
        with self._database.read() as connection:
            for row in connection.execution_options(yield_per=_PAGE).execute(statement):
                expected += 1
                chain = _link(chain, row.subject, row.body)
                if row.seq != expected or row.chain != chain:
                    return [f"the {self.name} are damaged at entry {expected}: it is missing or was changed"]
        if self._newest() != (expected, chain):
            return [f"the {self.name} are damaged: the last entries are missing"]
        return []

    def _insert(self, connection: Connection, rows: list[tuple[str, str]]) -> tuple[int, str]:
        from sqlalchemy import insert, select, update

        from modelwright.store.catalog.tables import ENTRIES, HEADS

        mine = HEADS.c.log == self.name
        head = connection.execute(select(HEADS.c.seq, HEADS.c.chain).where(mine).with_for_update()).one()
        seq, chain = head.seq, head.chain
        values = []
        for subject, body in rows:
            seq, chain = seq + 1, _link(chain, subject, body)
            values.append({"log": self.name, "seq": seq, "subject": subject, "body": body, "chain": chain})
        if values:
            connection.execute(insert(ENTRIES), values)
            connection.execute(update(HEADS).where(mine).values(seq=seq, chain=chain))
        return seq, chain

    def _newest(self) -> tuple[int, str]:
        from sqlalchemy import select

        from modelwright.store.catalog.tables import HEADS

        with self._database.read() as connection:
            row = connection.execute(select(HEADS.c.seq, HEADS.c.chain).where(HEADS.c.log == self.name)).one()
        return row.seq, row.chain

    def _body(self, seq: int, text: str) -> dict[str, Any]:
        try:
            body: dict[str, Any] = json.loads(text)
        except ValueError as error:
            raise IntegrityError(f"entry {seq} of the {self.name} is damaged: {error}") from error
        return body

    def _forget_head(self) -> None:
        with storage_errors("remove", self._head_file):
            try:
                self._head_file.unlink()
            except FileNotFoundError:
                return
            sync_folder(self._head_file.parent)

    def _note_head(self, chain: str) -> None:
        """Write the head file. Not flushed: one lost in a power cut is asked for again, a torn one is not believed."""
        with suppress(OSError):
            temporary = self._scratch.new()
            temporary.write_text(chain + "\n")
            temporary.rename(self._head_file)


def _link(chain: str, subject: str, body: str) -> str:
    return digest_bytes(dumps([chain, subject, body]))
