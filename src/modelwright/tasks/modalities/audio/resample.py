"""Another sampling rate, by polyphase filtering with a windowed sinc.

The low-pass filter is a sinc under a Kaiser window (Kaiser 1974) with 32 zero crossings on either side: flat up to 86 %
of the lower Nyquist frequency, 6 dB down at 93 %, 50 dB at 100 % and 80 dB from 103 % on. Only the products that
are kept are computed (Crochiere and Rabiner 1983, chapter 3): one dot product a sample of the result.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

CROSSINGS = 32
"""Zero crossings of the sinc on either side."""
BETA = 8.0
"""Shape of the Kaiser window: side lobes 80 dB down."""
CUTOFF = 0.93
"""Middle of the fall, as a share of the lower Nyquist frequency."""
_FINEST = 1024
"""Rates are taken to be in a ratio with a denominator up to this: wrong by a millionth at most."""


def ratio(rate: int, wanted: int) -> tuple[int, int]:
    """Return ``(up, down)``: ``wanted`` is about ``rate * up / down``.

    Examples
    --------
    >>> ratio(44_100, 16_000), ratio(8_000, 16_000), ratio(383_999, 8_000)
    ((160, 441), (2, 1), (1, 48))
    """
    made = Fraction(wanted, rate).limit_denominator(_FINEST)
    if made.numerator > _FINEST:
        made = 1 / Fraction(rate, wanted).limit_denominator(_FINEST)
    return max(made.numerator, 1), max(made.denominator, 1)


@lru_cache(maxsize=16)
def taps(up: int, down: int) -> NDArray[np.float64]:
    """Return the filter ``(2 * half + 1,)`` at ``up`` times the rate; its sum is ``up``."""
    slower = max(up, down)
    half = CROSSINGS * slower
    place = np.arange(-half, half + 1) / slower
    made = np.sinc(CUTOFF * place) * np.kaiser(2 * half + 1, BETA)
    return np.asarray(made * (up / made.sum()), np.float64)


def resample(sound: NDArray[np.float32], rate: int, wanted: int) -> NDArray[np.float32]:
    """Return ``(ceil(len * up / down),) float32`` of ``(len,)`` samples; the sound is silent before and after.

    Parameters
    ----------
    sound
        ``(len,) float32``.
    rate, wanted
        Samples a second, now and then.
    """
    up, down = ratio(rate, wanted)
    if up == down or not len(sound):
        return sound
    made = np.zeros(-(-len(sound) * up // down), np.float32)
    phases = _phases(up, down)
    width = phases.shape[1]
    # Sample m of the result lies at m·down in the upsampled sound: phase (m·down) mod up, at sample (m·down) div up.
    middle = CROSSINGS * max(up, down)
    before = width
    last = ((len(made) - 1) * down + middle) // up
    padded = np.zeros(before + max(last + 1, len(sound)), np.float32)
    padded[before : before + len(sound)] = sound
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)
    for first in range(min(up, len(made))):
        at = first * down + middle
        phase, start = at % up, at // up
        count = -(-(len(made) - first) // up)
        begin = start + before - width + 1
        made[first::up] = windows[begin : begin + (count - 1) * down + 1 : down] @ phases[phase]
    return made


@lru_cache(maxsize=16)
def _phases(up: int, down: int) -> NDArray[np.float32]:
    """Return ``(up, width)``: every ``up``-th tap from each phase on, backwards, as a dot product wants them."""
    whole = taps(up, down)
    width = -(-len(whole) // up)
    padded = np.zeros(width * up)
    padded[: len(whole)] = whole
    return np.ascontiguousarray(padded.reshape(width, up).T[:, ::-1], np.float32)
