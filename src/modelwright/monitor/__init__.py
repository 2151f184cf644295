"""logs -> Findings: drift, estimated and realised quality, alerts."""

from __future__ import annotations

from modelwright.monitor.watch import monitor

__all__ = ["monitor"]
