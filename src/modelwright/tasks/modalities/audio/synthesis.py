"""New sounds from real ones: other noise, another moment, another speed, two at once.

Noise is added at a stated signal-to-noise ratio; speed is changed by resampling (Ko, Peddinti, Povey and Khudanpur
2015, "Audio augmentation for speech recognition"), so that pitch changes with it, as when a machine runs faster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from modelwright.tasks.abilities import Way

WAYS: Mapping[str, Way] = {
    "noise": Way("white or pink noise, 10 to 30 dB below the signal"),
    "shift": Way("begun up to a tenth of its length earlier or later", moves=True),
    "stretch": Way("played up to 12 % slower or faster", moves=True),
    "level": Way("up to 12 dB softer or louder, without clipping"),
    "mix": Way("another sound of the class, 6 to 15 dB below it", second=True, between=True),
}

Sound = NDArray[np.float32]
"""``(samples, channels)``, -1..1."""


def synthesize(sounds: Sequence[Sound], way: str, random: np.random.Generator) -> Sound:
    """Return a new sound of the same rate and channel count, within -1..1.

    Parameters
    ----------
    sounds
        One sound, or two of the same rate for ``mix``.

    Raises
    ------
    ValueError
        For a way that isn't in :data:`WAYS`.
    """
    sound = sounds[0].astype(np.float64)
    if way == "noise":
        made = sound + _noise(sound, random) * _below(sound, random.uniform(10, 30))
    elif way == "shift":
        most = max(1, len(sound) // 10)
        made = _shifted(sound, int(random.integers(-most, most + 1)))
    elif way == "stretch":
        made = _stretched(sound, float(np.exp(random.uniform(np.log(0.88), np.log(1.12)))))
    elif way == "level":
        made = sound * 10 ** (random.uniform(-12, 12) / 20)
    elif way == "mix":
        other = _fitted(sounds[1].astype(np.float64), sound.shape)
        made = sound + other * (_below(sound, random.uniform(6, 15)) / max(_level(other), 1e-9))
    else:
        raise ValueError(f"there is no way {way!r}; there are: {', '.join(WAYS)}")
    peak = float(np.abs(made).max(initial=0.0))
    return np.asarray(made / peak if peak > 1 else made, np.float32)


def _level(sound: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.square(sound).mean())) if sound.size else 0.0


def _below(sound: NDArray[np.float64], decibels: float) -> float:
    """Return the level that is so many decibels below the sound's."""
    return _level(sound) * 10 ** (-decibels / 20)


def _noise(sound: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
    """Return noise of level 1: white, or pink (power falling as 1 / f)."""
    white = random.normal(size=sound.shape)
    if random.random() < 0.5 or len(sound) < 16:
        return white
    spectrum = np.fft.rfft(white, axis=0)
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1.0))[:, None]
    pink = np.fft.irfft(spectrum, len(sound), axis=0)
    return np.asarray(pink / max(_level(pink), 1e-12))


def _shifted(sound: NDArray[np.float64], by: int) -> NDArray[np.float64]:
    made = np.zeros_like(sound)
    if by >= 0:
        made[by:] = sound[: len(sound) - by]
    else:
        made[:by] = sound[-by:]
    return made


def _stretched(sound: NDArray[np.float64], speed: float) -> NDArray[np.float64]:
    count = max(1, round(len(sound) / speed))
    places = np.linspace(0, max(len(sound) - 1, 0), count)
    return np.stack([np.interp(places, np.arange(len(sound)), channel) for channel in sound.T], 1)


def _fitted(sound: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return a sound repeated or cut to a length, and its channels' mean in every channel."""
    mono = np.resize(sound.mean(1), shape[0]) if len(sound) else np.zeros(shape[0])
    return np.repeat(mono[:, None], shape[1], 1)
