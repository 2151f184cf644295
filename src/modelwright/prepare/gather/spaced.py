"""A bounded part of many samples, the same every time."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)


def spaced(values: NDArray[Scalar], most: int) -> NDArray[Scalar]:
    """Return at most ``most`` of some values (places, as a rule), evenly spaced, the first and the last among them.

    Examples
    --------
    >>> spaced(np.arange(10), 4).tolist(), spaced(np.arange(3), 4).tolist()
    ([0, 3, 6, 9], [0, 1, 2])
    """
    return values if len(values) <= most else values[np.linspace(0, len(values) - 1, most).astype(np.int64)]
