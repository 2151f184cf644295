"""Limits that everybody who reads numbers keeps; light, so that whoever looks at a file may ask."""

from __future__ import annotations

FLOAT32_MAX = (2 - 2**-23) * 2.0**127
"""The largest number that single precision holds (IEEE 754); graphs compute in it."""
