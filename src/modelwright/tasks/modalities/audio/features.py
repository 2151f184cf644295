"""What can be learned from a sound, by word, and what the numbers are called; and the sizes everything else goes by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from modelwright.errors import InputError
from modelwright.tasks.modalities.audio import measures as audio_measures

FACTS = ("samples", *audio_measures.NAMES)
"""The graph's input ``facts`` ``(n, 15) float32``: how many of ``sound``'s samples are the sound and not the silence
behind it, then the measures."""
WORDS: Mapping[str, str] = {
    "level": "how loud the sound is over its course, and how long",
    "log-mel": "the level of each mel band: mean, deviation, quantiles",
    "mfcc": "mel cepstrum: the spectrum's shape in few numbers, mean and deviation",
    "delta": "how fast the cepstrum changes",
    "course": "the cepstrum at eight points from begin to end",
    "stft": "centroid, bandwidth and flatness of the spectrum",
    "pca": "the directions that hold 95 % of the variance of all that, in its place (for trees: beside it)",
}
AUTO = tuple(word for word in WORDS if word != "pca")
SHARES = (0.1, 0.5, 0.9, 1.0)
"""Quantiles of the level."""
BAND_SHARES = (0.1, 0.9)
"""Quantiles of each band."""
POINTS = 8
"""Points of the course."""
COURSE_ROWS = 13
"""Rows of the cepstrum whose course is learned, the level's among them."""


def coefficients(schema: Mapping[str, Any]) -> int:
    """Return the rows of the cepstrum, the level's (row 0) among them, which ``mfcc`` and ``delta`` leave out."""
    return min(21, int(schema["bands"]))


def length(schema: Mapping[str, Any]) -> int:
    """Return the samples that ``sound`` has: so many that ``frames`` windows fit exactly."""
    return int(schema["window"]) + (int(schema["frames"]) - 1) * int(schema["hop"])


def chosen(asked: Any) -> list[str]:
    """Return the words asked for (``auto``: :data:`AUTO`, and so with ``pca`` alone), in the order of :data:`WORDS`.

    Raises
    ------
    InputError
        For a word that is none of them.
    """
    if asked is None or asked == "auto":
        return list(AUTO)
    words: Iterable[str] = [asked] if isinstance(asked, str) else asked
    wanted = list(words)
    for word in wanted:
        if word not in WORDS:
            raise InputError(
                f"features: {word!r} is no feature of sounds; there are {', '.join(WORDS)}, or auto",
                code="unknown-feature",
            )
    if set(wanted) <= {"pca"}:
        wanted = [*AUTO, *wanted]
    return [word for word in WORDS if word in wanted]


def names(schema: Mapping[str, Any]) -> list[str]:
    """Return a name a person understands per feature, in order, without the components."""
    found: list[str] = []
    for word in schema["features"]:
        found += names_of(word, schema)
    return found


def names_of(word: str, schema: Mapping[str, Any]) -> list[str]:
    """Return the names of one word's features, in order."""
    if word == "pca":
        return []
    if word == "level":
        shares = ["level, maximum" if share == 1.0 else f"level, {share:.0%} quantile" for share in SHARES]
        return ["level, mean", "level, deviation", *shares, "seconds"]
    if word == "log-mel":
        count = int(schema["bands"])
        what = ["mean", "deviation", *(f"{share:.0%} quantile" for share in BAND_SHARES)]
        return [f"band {band + 1}, {each}" for each in what for band in range(count)]
    rows = range(1, coefficients(schema))
    if word == "mfcc":
        return [f"cepstrum {row}, {each}" for each in ("mean", "deviation") for row in rows]
    if word == "delta":
        return [f"cepstrum {row}, change" for row in rows]
    if word == "course":
        rows = range(min(COURSE_ROWS, int(schema["bands"])))
        return [f"cepstrum {row} at {(point + 0.5) / POINTS:.0%}" for row in rows for point in range(POINTS)]
    return [f"{each}, {what}" for each in ("centroid", "bandwidth", "flatness") for what in ("mean", "deviation")]
