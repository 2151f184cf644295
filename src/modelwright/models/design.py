"""What linear models are fitted to: a dense array, or a sparse one where nearly all values are zero (TF-IDF)."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelwright.models.base import Fold

SPARSE = 0.1
"""Share of values that are not zero below which the sparse form is smaller and faster."""
MOST_VALUES = 1 << 25
"""Values other than zero that are held: 400 MB."""
_LOOKED_AT = 256
_PIECE = 4096


def design(fold: Fold) -> tuple[Fold, Any]:
    """Return the fold that fits into memory, and its features in float64: an array, or a ``scipy.sparse.csr_array``.

    An evenly spaced part of the samples where all of them would take too much. Which form is told by 256 evenly spaced
    samples.
    """
    few = np.linspace(0, fold.count - 1, min(fold.count, _LOOKED_AT)).astype(np.int64)
    some = fold.take(few)
    filled = int(np.count_nonzero(some))
    if some.size == 0 or filled >= SPARSE * some.size:
        held = fold.fitting()
        return held, held.take(slice(None)).astype(np.float64)
    most = max(1, MOST_VALUES * len(few) // max(filled, 1))
    if fold.count > most:
        fold = fold.part(np.linspace(0, fold.count - 1, most).astype(np.int64))
    from scipy import sparse

    pieces = [
        sparse.csr_array(fold.take(slice(start, start + _PIECE)), dtype=np.float64)
        for start in range(0, fold.count, _PIECE)
    ]
    return fold, sparse.vstack(pieces, format="csr")
