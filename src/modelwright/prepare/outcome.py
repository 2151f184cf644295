"""What was decided about everything: what the checks hand to the files and to the report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.divide.dividing import Division
from modelwright.prepare.issues import Decided


@dataclass
class Outcome:
    """Labels, groups, splits and decisions of one dataset in the making."""

    decided: list[Decided]
    labels: NDArray[Any]
    """``(n,)`` class codes after fixes, or numbers."""
    names: list[str]
    """Class names by code; empty for numbers."""
    kept: NDArray[np.bool_]
    groups: NDArray[np.int64]
    group_keys: NDArray[np.uint64]
    splits: NDArray[np.int8]
    dropped_columns: tuple[str, ...]
    fixed: dict[int, str]
    """Place to the ``mislabelled`` issue whose suggested label it took."""
    division: Division
    """How samples were divided, with folds, times, and the proof that nothing leaks."""
    label_check: dict[str, Any]
    """How labels were checked, and what came of it."""
    embeddings: dict[str, Any] | None = None
    """By which model samples were compared; None: by light features."""
