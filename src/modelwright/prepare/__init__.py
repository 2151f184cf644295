"""Prepare: from sources to a Dataset. Collect, check, clean, explore, split.

``fingerprint``, ``observe`` and ``guess`` are light (no numpy, no pyarrow, no database); ``prepare`` loads what it
needs when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelwright.prepare.fingerprints import fingerprint, observe
from modelwright.prepare.guess.guessing import Guess, guess

if TYPE_CHECKING:
    from modelwright.prepare.step import prepare

__all__ = ["Guess", "fingerprint", "guess", "observe", "prepare"]


def __getattr__(name: str) -> Any:
    if name == "prepare":
        from modelwright.prepare.step import prepare as step

        return step
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
