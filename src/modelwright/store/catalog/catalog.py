"""The catalog's repositories, made when first asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from modelwright.store.artifacts import Artifacts
from modelwright.store.catalog.audit import Audit
from modelwright.store.catalog.database import Database
from modelwright.store.catalog.ledger import Ledger
from modelwright.store.catalog.lineage import LineageGraph
from modelwright.store.catalog.runs import Runs


class Catalog:
    """``runs``, ``lineage`` and ``audit`` of a store."""

    def __init__(
        self, database: Database, audit: Ledger, artifacts: Artifacts, annotated: Callable[[str], int]
    ) -> None:
        self._database = database
        self._audit = audit
        self._artifacts = artifacts
        self._annotated = annotated

    @cached_property
    def runs(self) -> Runs:
        """Executions of steps."""
        return Runs(self._database)

    @cached_property
    def lineage(self) -> LineageGraph:
        """What was made from what."""
        return LineageGraph(self._artifacts, self._annotated)

    @cached_property
    def audit(self) -> Audit:
        """Who did what, and the counted looks at test splits."""
        return Audit(self._audit)

    def close(self) -> None:
        """Close the database's connections in this process; the next use opens new ones."""
        self._database.close()
