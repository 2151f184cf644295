"""Package → Report: figures with intervals, slices, parity, cost, and the gate's verdict."""

from __future__ import annotations

from modelwright.validate.step import validate

__all__ = ["validate"]
