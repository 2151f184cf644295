"""Runs: one row for each execution of a step, from its start."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from typing import Any

from modelwright.canonical import dumps
from modelwright.errors import InputError
from modelwright.store.catalog.database import Database
from modelwright.store.catalog.records import Run
from modelwright.store.process import ended, this_process

ENDINGS = ("done", "failed", "refused", "cached", "interrupted")


class Runs:
    """The runs of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def start(
        self,
        step: str,
        inputs: Mapping[str, str],
        params: Mapping[str, Any],
        seed: int | None,
        environment: Mapping[str, Any],
    ) -> str:
        """Note that a step begins in this process, and return the run's id."""
        from sqlalchemy import insert

        from modelwright.store.catalog.tables import RUNS

        run = os.urandom(6).hex()
        row = {
            "id": run,
            "step": step,
            "status": "running",
            "inputs": _text(inputs),
            "params": _text(params),
            "seed": seed,
            "environment": _text(environment),
            "process": _text(this_process()),
            "started": time.time_ns(),
        }
        with self._database.write() as connection:
            connection.execute(insert(RUNS).values(row))
        return run

    def finish(self, run_id: str, status: str, artifact: str | None = None, error: str | None = None) -> None:
        """Note how a run ended.

        Raises
        ------
        InputError
            If ``status`` is not an ending, or there is no such run, or it has ended already.
        """
        from sqlalchemy import update

        from modelwright.store.catalog.tables import RUNS

        if status not in ENDINGS:
            raise InputError(f"{status!r} is not how a run ends; allowed: {', '.join(ENDINGS)}", code="bad-status")
        statement = (
            update(RUNS)
            .where(RUNS.c.id == run_id, RUNS.c.finished.is_(None))
            .values(
                status=status,
                artifact=artifact,
                error=error,
                finished=time.time_ns(),
            )
        )
        with self._database.write() as connection:
            if connection.execute(statement).rowcount != 1:
                raise InputError(f"there is no running run {run_id!r}", code="no-such-run")

    def list(self, limit: int = 50) -> tuple[Run, ...]:
        """Return the newest runs first; one whose process is gone without a word is ``interrupted``."""
        from sqlalchemy import select

        from modelwright.store.catalog.tables import RUNS

        with self._database.read() as connection:
            rows = connection.execute(select(RUNS).order_by(RUNS.c.number.desc()).limit(limit)).all()
        return tuple(_run(row) for row in rows)

    def made(self, artifact: str) -> tuple[Run, ...]:
        """Return the runs that ended with ``artifact``, the newest first."""
        from sqlalchemy import select

        from modelwright.store.catalog.tables import RUNS

        statement = select(RUNS).where(RUNS.c.artifact == artifact).order_by(RUNS.c.number.desc())
        with self._database.read() as connection:
            return tuple(_run(row) for row in connection.execute(statement))


def _run(row: Any) -> Run:
    status = row.status
    if status == "running" and ended(json.loads(row.process)):
        status = "interrupted"
    return Run(
        row.id,
        row.step,
        status,
        json.loads(row.inputs),
        json.loads(row.params),
        row.seed,
        json.loads(row.environment),
        row.started,
        row.finished,
        row.artifact,
        row.error,
    )


def _text(value: Mapping[str, Any]) -> str:
    try:
        return dumps(dict(value)).decode()
    except (TypeError, ValueError) as error:
        raise InputError(f"what is noted about a run must be JSON: {error}", code="not-json") from error
