"""The bootstrap (Efron 1979), many repeats at once: figures are functions of how often each sample was drawn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

_CELLS = 4_000_000
"""Repeats × samples held at once: 16 MB of counts."""


def resampled(
    figures: Callable[[NDArray[np.float32]], dict[str, NDArray[np.float64]]],
    samples: int,
    rng: np.random.Generator,
    repeats: int,
) -> dict[str, NDArray[np.float64]]:
    """Return ``(repeats,)`` per figure.

    Parameters
    ----------
    figures
        From counts ``(b, samples)``, how often each sample counts, to ``(b,)`` per figure.
    samples
        How many there are to draw from; as many are drawn per repeat.
    rng
        Draws are the same for the same state of it.
    repeats
        How often to draw.
    """
    if not samples:
        return {}
    parts: list[dict[str, NDArray[np.float64]]] = []
    block = max(1, _CELLS // samples)
    for start in range(0, repeats, block):
        rows = min(block, repeats - start)
        drawn = rng.integers(0, samples, (rows, samples), dtype=np.int64)
        drawn += np.arange(rows)[:, None] * samples
        counts = np.bincount(drawn.ravel(), minlength=rows * samples).reshape(rows, samples)
        parts.append(figures(counts.astype(np.float32)))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
