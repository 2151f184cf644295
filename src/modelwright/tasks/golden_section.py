"""Golden-section search: the lowest point of a function of one number that has a single valley."""

from __future__ import annotations

import math
from collections.abc import Callable

_RATIO = (math.sqrt(5.0) - 1.0) / 2.0


def lowest(cost: Callable[[float], float], low: float, high: float, *, steps: int) -> float:
    """Return where ``cost`` is lowest between ``low`` and ``high``.

    Parameters
    ----------
    cost : callable
        A quasi-convex function (falling, then rising). With several valleys one of them is found.
    low, high : float
        Ends of the interval, ``low <= high``.
    steps : int
        Each costs one evaluation and leaves 0.618 of the interval: 20 leave 7e-5 of it, 40 leave 4e-9.

    Returns
    -------
    float
        The middle of the last interval.

    References
    ----------
    Kiefer, "Sequential minimax search for a maximum", Proceedings of the AMS 4, 1953.
    """
    left, right = high - _RATIO * (high - low), low + _RATIO * (high - low)
    at_left, at_right = cost(left), cost(right)
    for _ in range(steps):
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - _RATIO * (high - low)
            at_left = cost(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _RATIO * (high - low)
            at_right = cost(right)
    return (low + high) / 2.0
