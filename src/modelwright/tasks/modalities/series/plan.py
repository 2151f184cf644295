"""Which features a series becomes, in order: what the graph builds and what names them read the same plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WORDS: Mapping[str, str] = {
    "statistics": "mean, deviation, smallest and largest value of each channel",
    "quantiles": "the 5, 25, 50, 75 and 95 % points of each channel",
    "trend": "slope over the whole, and last value less first",
    "differences": "mean, deviation and size of steps from value to value, share of repeats, crossings of the mean",
    "autocorrelation": "correlation of each channel with itself 1, 2, 4, 8 … steps before",
    "spectrum": "logarithmic energy in bands of frequency (Welch's method)",
    "shape": "means of equal parts of the whole: what it looks like, whatever its length",
    "lags": "the last values",
    "correlations": "correlation of each pair of channels",
    "missing": "share of missing values of each channel",
    "length": "number of steps",
    "time": "length in time, mean step and largest step",
    "calendar": "time of day and of the week at the end",
    "pca": "the directions that hold 95 % of the variance of all that, in its place (for trees: beside it)",
}
"""Words for ``features`` in the spec, and what they mean."""
AUTO = tuple(word for word in WORDS if word != "pca")
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
PAIRED = 12
"""Channels whose pairs are correlated; of more, the first."""

_PER_CHANNEL: Mapping[str, tuple[str, ...]] = {
    "statistics": ("mean", "deviation", "smallest", "largest"),
    "quantiles": tuple(f"{round(100 * share)} % point" for share in QUANTILES),
    "trend": ("slope", "last less first"),
    "differences": (
        "mean step size",
        "deviation of steps",
        "largest step",
        "share of repeats",
        "crossings of the mean",
    ),
    "missing": ("share missing",),
}
_WHOLE: Mapping[str, tuple[str, ...]] = {
    "length": ("length",),
    "time": ("length in time", "mean step of time", "largest step of time"),
    "calendar": ("time of day, sine", "time of day, cosine", "time of week, sine", "time of week, cosine"),
}


def labels(word: str, schema: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a word's features of one channel are called, in order; empty for words about the whole."""
    if word in _PER_CHANNEL:
        return _PER_CHANNEL[word]
    if word == "autocorrelation":
        return tuple(f"autocorrelation at {lag}" for lag in schema["autocorrelations"])
    if word == "spectrum":
        return tuple(f"band {low}-{high} of {schema['frame'] // 2}" for low, high in schema["bands"])
    if word == "shape":
        return tuple(f"part {part} of {schema['segments']}" for part in range(1, schema["segments"] + 1))
    if word == "lags":
        return tuple(f"value {back} before the end" for back in range(schema["lags"] - 1, -1, -1))
    return ()


def pairs(channels: int) -> list[tuple[int, int]]:
    """Return the pairs of channels that are correlated."""
    most = min(channels, PAIRED)
    return [(one, other) for one in range(most) for other in range(one + 1, most)]


def names(schema: Mapping[str, Any]) -> list[str]:
    """Return a name a feature, in the graph's order, without the components."""
    return [name for word in schema["features"] for name in names_of(word, schema)]


def names_of(word: str, schema: Mapping[str, Any]) -> list[str]:
    """Return the names of one word's features, in order."""
    channels = [channel["name"] for channel in schema["channels"]]
    if word == "correlations":
        return [f"correlation of {channels[one]} and {channels[other]}" for one, other in pairs(len(channels))]
    if word in _WHOLE:
        return list(_WHOLE[word])
    return [f"{label} of {channel}" for channel in channels for label in labels(word, schema)]


def bands(frame: int) -> list[list[int]]:
    """Return ``[first, last]`` bins of at most 8 bands, about doubling in width; bin 0 (the mean) is in none.

    Examples
    --------
    >>> bands(32)
    [[1, 1], [2, 2], [3, 4], [5, 7], [8, 12], [13, 16]]
    """
    top = frame // 2
    made: list[list[int]] = []
    low = 1
    while low <= top:
        width = max(1, round(low * 0.5)) if low > 2 else 1
        high = min(top, low + width) if low > 4 else min(top, low + width - 1)
        if top - high < width // 2 or len(made) == 7:
            high = top
        made.append([low, high])
        low = high + 1
    return made
