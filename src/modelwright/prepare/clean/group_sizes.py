"""Groups (cameras, speakers, sites) of which there are few samples."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.clean.column_groups import few_rows
from modelwright.prepare.gather.gathered import Gathered
from modelwright.prepare.issues import Issue

_LEAST = 40
_MOST = 20
"""Groups beyond which they are objects, or recordings, and no populations."""


def issues(gathered: Gathered, usable: NDArray[np.bool_]) -> Iterator[Issue]:
    """Yield ``under-represented`` if some of at most 20 groups have few samples, as for columns of tables."""
    codes = gathered.groups.numpy()[usable]
    codes = codes[codes >= 0]
    if len(codes) < _LEAST:
        return
    counts = np.bincount(codes)
    there = np.flatnonzero(counts)
    few = [code for code in there.tolist() if counts[code] < few_rows(len(codes))]
    if not 2 <= len(there) <= _MOST or not 0 < len(few) < len(there):
        return
    names = list(gathered.groups.values)
    listed = ", ".join(f"{names[code]} ({counts[code]})" for code in few[:8])
    yield Issue(
        "under-represented",
        0.3,
        f"groups of few samples, about which a model learns little: {listed}",
        evidence={"groups": {names[code]: int(counts[code]) for code in few}, "samples": len(codes)},
    )
