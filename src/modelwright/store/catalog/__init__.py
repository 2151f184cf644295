"""The catalog: runs, lineage, audit, and the tables of the annotation and decision logs; SQLite, or PostgreSQL.

Importing this package, or asking for a :class:`Catalog`, opens no database and imports no SQLAlchemy.
"""

from __future__ import annotations

from modelwright.store.catalog.catalog import Catalog
from modelwright.store.catalog.records import Edge, Event, Lineage, Node, Run

__all__ = ["Catalog", "Edge", "Event", "Lineage", "Node", "Run"]
