"""Where work runs: in this process, in threads, in processes; and how many threads are worth having."""

from __future__ import annotations

from modelwright.engine.here import map_ordered
from modelwright.engine.threads import idle_cores, settle_openmp

__all__ = ["idle_cores", "map_ordered", "settle_openmp"]
