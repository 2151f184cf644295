"""Prepare: from sources to a Dataset. Collect, check, clean, explore, split.

Everything is loaded when it is asked for, so that a process that scans files starts with little more than its eye.
``fingerprint`` and ``observe`` are light: no numpy, no pyarrow, no database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelwright.prepare.fingerprints import fingerprint, observe
    from modelwright.prepare.step import prepare

__all__ = ["fingerprint", "observe", "prepare"]


def __getattr__(name: str) -> Any:
    if name == "prepare":
        from modelwright.prepare.step import prepare as step

        return step
    if name in {"fingerprint", "observe"}:
        from modelwright.prepare import fingerprints

        return getattr(fingerprints, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
