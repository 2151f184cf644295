"""Where everything is kept: objects, artifacts, the catalog, annotations and prediction logs.

The only room that touches disk or database for state. Formats are in ``docs/formats.md``.

Importing this, opening a store and asking the step cache load nothing but the standard library and blake3: SQLAlchemy,
cryptography, orjson and pyarrow are loaded when a database, a key, a prediction log or a Parquet file is really used.
"""

from __future__ import annotations

from modelwright.store.artifact import Artifact
from modelwright.store.files import StorageError
from modelwright.store.store import Store
from modelwright.store.writer import ArtifactWriter

__all__ = ["Artifact", "ArtifactWriter", "StorageError", "Store"]
