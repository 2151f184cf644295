"""Is one model better than another on the same samples, or was it luck? Paired statistics, seeded and vectorised."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_EXACT = 2000
"""Up to this many samples signs are really flipped; beyond, the normal approximation is as good."""
_FLIPS = 10_000
_CHUNK = 1 << 22


@dataclass(frozen=True)
class Paired:
    """The outcome of a paired comparison of losses."""

    samples: int
    difference: float
    """Mean loss of the second minus that of the first; negative where the second is better."""
    low: float
    high: float
    """95 % interval of the difference."""
    p_value: float
    """Two-sided: how often chance alone gives a difference this large."""

    def better(self, level: float = 0.05) -> bool:
        """Whether the second is better beyond chance."""
        return self.difference < 0 and self.p_value < level

    def worse(self, level: float = 0.05) -> bool:
        """Whether the second is worse beyond chance."""
        return self.difference > 0 and self.p_value < level

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return asdict(self)


def paired(first: NDArray[np.float64], second: NDArray[np.float64], *, seed: int = 0) -> Paired:
    """Compare two models by their losses on the same samples.

    A sign-flip permutation test (Fisher 1935; Good, "Permutation Tests", 2000, §3.2): were there no difference, each
    pair's difference could as well have had the other sign.

    Parameters
    ----------
    first, second
        ``(n,)`` losses, sample by sample in the same order.
    seed
        Of the flips.

    Raises
    ------
    ValueError
        If they differ in length or are empty.

    Examples
    --------
    >>> import numpy as np
    >>> worse, better = np.linspace(1, 2, 50), np.linspace(0.5, 1.5, 50)
    >>> paired(worse, better).better()
    True
    """
    if len(first) != len(second) or not len(first):
        raise ValueError(f"{len(first)} and {len(second)} losses cannot be paired")
    differences = np.asarray(second, dtype=np.float64) - np.asarray(first, dtype=np.float64)
    count = len(differences)
    mean = float(differences.mean())
    spread = float(differences.std(ddof=1)) / math.sqrt(count) if count > 1 else 0.0
    if count > _EXACT:
        p_value = math.erfc(abs(mean) / spread / math.sqrt(2)) if spread else float(mean == 0)
    else:
        p_value = _flip(differences, seed)
    return Paired(count, mean, mean - 1.96 * spread, mean + 1.96 * spread, p_value)


def _flip(differences: NDArray[np.float64], seed: int) -> float:
    """Return the share of sign flips, the observed one among them, whose mean is at least as far from zero."""
    generator = np.random.default_rng(seed)
    count = len(differences)
    observed = abs(differences.sum()) * (1 - 1e-12)
    extreme, done, chunk = 0, 0, max(1, _CHUNK // count)
    while done < _FLIPS:
        size = min(chunk, _FLIPS - done)
        signs = generator.integers(0, 2, (size, count), dtype=np.int8) * 2 - 1
        extreme += int(np.count_nonzero(np.abs(signs @ differences) >= observed))
        done += size
    return (extreme + 1) / (_FLIPS + 1)


def mean_interval(values: NDArray[np.float64], *, binary: bool) -> tuple[float, float]:
    """Return the 95 % interval of a mean: Wilson's for zeros and ones, the normal one otherwise.

    Wilson (1927), "Probable inference, the law of succession, and statistical inference", JASA 22:209.

    Examples
    --------
    >>> import numpy as np
    >>> [round(x, 3) for x in mean_interval(np.array([1.0] * 9 + [0.0]), binary=True)]
    [0.596, 0.982]
    """
    count, mean, z = len(values), float(values.mean()), 1.96
    if not binary:
        half = z * float(values.std(ddof=1)) / math.sqrt(count) if count > 1 else math.inf
        return mean - half, mean + half
    centre = (mean + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(mean * (1 - mean) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return max(0.0, centre - half), min(1.0, centre + half)


def holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return p-values adjusted for having asked several questions (Holm 1979, Scand. J. Statist. 6:65).

    Examples
    --------
    >>> import numpy as np
    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]
    """
    count = len(p_values)
    order = np.argsort(p_values, kind="stable")
    adjusted = np.minimum(1.0, np.maximum.accumulate(p_values[order] * np.arange(count, 0, -1)))
    found = np.empty(count)
    found[order] = adjusted
    return found


def difference_p(inside: NDArray[np.float64], outside: NDArray[np.float64]) -> float:
    """Return the two-sided p-value for equal means of two groups (Welch, normal approximation)."""
    if len(inside) < 2 or len(outside) < 2:
        return 1.0
    spread = math.sqrt(inside.var(ddof=1) / len(inside) + outside.var(ddof=1) / len(outside))
    gap = abs(float(inside.mean() - outside.mean()))
    if spread == 0:
        return float(gap == 0)
    return math.erfc(gap / spread / math.sqrt(2))
