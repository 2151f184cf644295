"""The prediction log: what a deployment saw and said, durable before the answer leaves.

Loaded when a log is really used; writing and reading the write-ahead part need orjson, only compaction and compacted
parts need pyarrow.
"""

from __future__ import annotations

from modelwright.store.logs.log import Logs
from modelwright.store.logs.records import Damage, Position, Record
from modelwright.store.logs.writer import LogWriter

__all__ = ["Damage", "LogWriter", "Logs", "Position", "Record"]
