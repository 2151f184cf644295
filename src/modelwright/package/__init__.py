"""Model → Package: one graph, golden samples, reference profile, card, bill of materials, signature."""

from __future__ import annotations

from modelwright.package.step import package

__all__ = ["package"]
