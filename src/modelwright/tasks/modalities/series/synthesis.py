"""New sequences from real ones: sensors' noise and gain, another moment, another speed.

Um et al. 2017, "Data augmentation of wearable sensor data for Parkinson's disease monitoring using convolutional neural
networks" (jitter, scaling, time warping), at the mild end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from modelwright.tasks.abilities import Way

WAYS: Mapping[str, Way] = {
    "jitter": Way("noise of a twentieth of each channel's deviation"),
    "scale": Way("each channel up to 10 % stronger or weaker around its mean"),
    "warp": Way("time running up to 10 % slower or faster, changing along the way", moves=True),
    "mix": Way("the mean of two sequences of one class, weighted", second=True, between=True),
}

Values = NDArray[np.float64]
"""``(steps, channels)``, NaN where missing."""


def synthesize(sequences: Sequence[Values], way: str, random: np.random.Generator) -> Values:
    """Return a new sequence of the same steps and channels; what was missing stays missing.

    Raises
    ------
    ValueError
        For a way that isn't in :data:`WAYS`.
    """
    values = sequences[0]
    known = np.isfinite(values)
    count = np.maximum(known.sum(0), 1)
    mean = np.where(known, values, 0.0).sum(0) / count
    spread = np.sqrt(np.where(known, np.square(values - mean), 0.0).sum(0) / count)
    if way == "jitter":
        return np.asarray(values + random.normal(size=values.shape) * spread / 20)
    if way == "scale":
        return np.asarray(mean + (values - mean) * random.uniform(0.9, 1.1, values.shape[1]))
    if way == "warp":
        return _read_at(values, _warped(len(values), random))
    if way == "mix":
        other = _read_at(sequences[1], np.linspace(0, len(sequences[1]) - 1, len(values)))
        share = random.uniform(0.5, 0.9)
        return np.asarray(share * values + (1 - share) * other)
    raise ValueError(f"there is no way {way!r}; there are: {', '.join(WAYS)}")


def _warped(steps: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Return the places, rising from first to last, that are read one after another."""
    speeds = np.interp(np.linspace(0, 3, max(steps - 1, 1)), np.arange(4), random.uniform(0.9, 1.1, 4))
    places = np.concatenate([[0.0], np.cumsum(speeds)])[:steps]
    return np.asarray(places * (steps - 1) / max(float(places[-1]), 1e-12)) if steps > 1 else np.zeros(steps)


def _read_at(values: Values, places: NDArray[np.float64]) -> Values:
    """Return the values at places between steps; missing where either neighbour is."""
    low = np.clip(np.floor(places).astype(np.int64), 0, len(values) - 1)
    high = np.minimum(low + 1, len(values) - 1)
    share = (places - low)[:, None]
    exact = share == 0
    return np.asarray(np.where(exact, values[low], (1 - share) * values[low] + share * values[high]))
