"""What is measured on a sound: figures in which a broken microphone, another room or another recorder shows up.

All are taken from the sound as it came, at its own rate and in full length, so that they mean the same before there is
a model and behind one, whatever that resamples to or cuts off.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.tasks.base import Problem
from modelwright.tasks.modalities.audio.files import Sound, energy
from modelwright.tasks.modalities.audio.spectrum import FLOOR, decibels, looks

NAMES = (
    "seconds",
    "rate",
    "channels",
    "loudness",
    "peak",
    "clipped",
    "silence",
    "snr",
    "zero_crossing",
    "centroid",
    "bandwidth",
    "rolloff",
    "flatness",
    "missing",
)
"""``seconds``, ``rate`` (Hz), ``channels``; ``loudness`` (dB below full scale, of the mean power), ``peak`` (largest
magnitude, full scale is 1), ``clipped`` (share of samples cut off at full scale), ``silence`` (share of the time 40 dB
below the loudest moment, or below -60 dB), ``snr`` (dB between the loudest 5 % and the quietest 10 % of moments),
``zero_crossing`` (changes of sign a second, half of them: Hz), ``centroid`` and ``bandwidth`` (mean and deviation of
the power's frequency, Hz), ``rolloff`` (Hz below which 95 % of the power lies), ``flatness`` (geometric over arithmetic
mean of the power spectrum: 0 a tone, near 0.6 white noise), ``missing`` (share of what the file announces that it does
not hold)."""

SILENT = -60.0
"""Loudness below which a sound counts as silent, dB."""
CLIPPED = 0.001
NOISY = 6.0
"""``snr`` below which a sound whose spectrum is flat counts as nothing but noise, dB."""
FLAT = 0.35


def measure(sound: Sound) -> dict[str, float]:
    """Return a figure per name in :data:`NAMES`, all finite."""
    samples = sound.samples
    mean_power = energy(samples) / len(samples)
    values = {
        "seconds": len(samples) / sound.rate,
        "rate": float(sound.rate),
        "channels": float(sound.channels),
        "loudness": _decibels(2.0 * mean_power),
        "peak": sound.peak,
        "clipped": sound.clipped,
        "missing": sound.missing,
        "zero_crossing": _crossings(samples) * sound.rate / 2.0,
        **_spectral(samples, sound.rate),
    }
    return {name: float(values[name]) for name in NAMES}


def _decibels(power: float) -> float:
    return float(max(10.0 * np.log10(max(power, 1e-30)), FLOOR))


def _crossings(samples: NDArray[np.float32]) -> float:
    """Return the share of steps between samples that change sign, zero counting as above."""
    if len(samples) < 2:
        return 0.0
    above = samples >= 0
    return float((above[1:] != above[:-1]).mean())


def _spectral(samples: NDArray[np.float32], rate: int) -> dict[str, float]:
    power = looks(samples, rate)
    power[:, 0] = 0.0  # a constant offset is no sound
    moments = power.sum(axis=1, dtype=np.float64)
    levels = decibels(moments).astype(np.float64)
    loudest = float(levels.max())
    quiet = (levels < loudest - 40.0) | (levels < SILENT)
    low, high = np.quantile(levels, [0.1, 0.95])
    whole = power[~quiet].mean(axis=0, dtype=np.float64) if not quiet.all() else np.zeros(power.shape[1])
    values = {"silence": float(quiet.mean()), "snr": float(high - low)}
    total = float(whole.sum())
    if total <= 0.0:
        return values | {"centroid": 0.0, "bandwidth": 0.0, "rolloff": 0.0, "flatness": 0.0}
    places = np.arange(len(whole)) * (rate / 2.0 / (len(whole) - 1))
    centroid = float(whole @ places) / total
    spread = float(whole @ (places - centroid) ** 2) / total
    reached = np.cumsum(whole)
    return values | {
        "centroid": centroid,
        "bandwidth": float(np.sqrt(max(spread, 0.0))),
        "rolloff": float(places[min(int(np.searchsorted(reached, 0.95 * total)), len(places) - 1)]),
        "flatness": _flatness(power[~quiet]),
    }


def _flatness(power: NDArray[np.float32]) -> float:
    bins = np.maximum(power[:, 1:].astype(np.float64), 1e-14)
    return float((np.exp(np.log(bins).mean(axis=1)) / bins.mean(axis=1)).mean())


def problems(measures: Mapping[str, NDArray[Any]]) -> list[Problem]:
    """Return what is odd about one sound: remarks for the issue list, none a reason to drop it."""
    values = {name: float(value[0]) for name, value in measures.items()}
    found = []
    if values["missing"] > 0:
        share = f"{values['missing']:.0%}" if values["missing"] >= 0.01 else "a little"
        message = f"truncated: {share} of what its header announces is not there; {values['seconds']:.2f} s are"
        severity = 0.4 + 0.4 * min(values["missing"], 1.0)
        evidence = {"missing": values["missing"], "seconds": values["seconds"]}
        found.append(Problem("truncated", round(severity, 3), message, evidence))
    if values["loudness"] < SILENT:
        message = f"silent: {values['loudness']:.0f} dB below full scale"
        if values["loudness"] <= FLOOR:
            message = "silent: there is nothing but silence"
        evidence = {"loudness": values["loudness"], "limit": SILENT}
        found.append(Problem("silent", 0.7, message.replace(": -", ": "), evidence))
        return found
    if values["clipped"] > CLIPPED:
        message = f"clipped: {values['clipped']:.1%} of the samples are cut off at full scale"
        severity = round(min(0.4 + 4.0 * values["clipped"], 0.8), 3)
        found.append(Problem("clipped", severity, message, {"clipped": values["clipped"], "limit": CLIPPED}))
    if values["snr"] < NOISY and values["flatness"] > FLAT:
        message = (
            f"noisy: its loudest moments are {values['snr']:.1f} dB above its quietest, and its spectrum is that of "
            f"noise (flatness {values['flatness']:.2f})"
        )
        found.append(Problem("noisy", 0.4, message, {"snr": values["snr"], "flatness": values["flatness"]}))
    return found
