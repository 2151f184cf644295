"""Bytes of a sound file to one channel of samples, whatever the bytes are, in bounded memory.

WAV of the usual kinds is read here (:mod:`~modelwright.tasks.modalities.audio.wav`); FLAC, Ogg (Vorbis, Opus), MP3,
AIFF and odd WAVs go to libsndfile, behind an allow-list of signatures, so that its rarer readers are never reached.
Samples are read some at a time and joined into one channel at once: what a header announces reserves no memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modelwright.tasks import lookalikes
from modelwright.tasks.base import Problem, UndecodableError
from modelwright.tasks.modalities.audio import library as audio_library
from modelwright.tasks.modalities.audio import wav as audio_wav
from modelwright.tasks.modalities.audio.library import Opened

FORMATS = ("WAV", "FLAC", "OGG", "MP3", "AIFF")
MAX_FRAMES = 30_000_000
"""Longest sound: 10 minutes at 48 kHz; one channel of it is 120 MB."""
MAX_VALUES = 120_000_000
"""Most samples of all channels together: what bounds the time of a sound with 64 channels."""
MAX_CHANNELS = 256
RATES = (100, 1_000_000)
"""Lowest and highest sampling rate that is believed, Hz."""

_OPPOSED = 0.01
"""Share of the channels' mean power below which their sum counts as cancelled."""
_FULL = np.float32(0.999)
_EQUAL = np.float32(1e-4)
_STEP = 1 << 20
"""Frames by which the memory of a long sound grows, and that are squared at a time."""
_BEYOND = 8.0
"""Floats above are not sound at full scale 1, but whole numbers written as floats."""


@dataclass(frozen=True)
class Sound:
    """One channel of sound at its own rate.

    Parameters
    ----------
    samples
        ``(frames,) float32``, full scale 1, finite.
    rate
        Samples a second.
    channels
        Of the file, before they were joined.
    peak
        Largest magnitude in any channel.
    clipped
        Share of all values that lie at full scale with an equal neighbour, or beyond it.
    missing
        Share of what the file announces that it does not hold.
    """

    samples: NDArray[np.float32]
    rate: int
    channels: int
    peak: float
    clipped: float
    missing: float


def read(raw: bytes) -> Sound:
    """Return the sound of a file's bytes: the mean of its channels, or the loudest where they cancel each other.

    Raises
    ------
    UndecodableError
        ``empty``, ``wrong-format``, ``too-large`` or ``corrupt``.
    """
    if not raw:
        raise UndecodableError(Problem("empty", 1.0, "the file is empty (0 bytes)"))
    opened = _open(raw)
    try:
        return _read(opened)
    except UndecodableError:
        raise
    except Exception as error:
        raise UndecodableError(_broken(opened.kind, error)) from error


def _read(opened: Opened) -> Sound:
    _check_header(opened)
    tally = _Tally(opened)
    samples = tally.join(opened.blocks())
    frames = len(samples)
    if not frames:
        if opened.announced or opened.missing:
            raise UndecodableError(
                Problem("corrupt", 1.0, f"the {opened.kind} header is all there is: no sound follows")
            )
        raise UndecodableError(
            Problem("empty", 1.0, f"the {opened.kind} file holds no sound: 0 samples", {"samples": 0})
        )
    if tally.strange:
        message = f"{tally.strange:,} of {tally.frames * opened.channels:,} samples are NaN or infinite"
        raise UndecodableError(Problem("corrupt", 1.0, message, {"samples": tally.strange}))
    if opened.channels > 1 and energy(samples) < _OPPOSED * tally.power.mean():
        samples = _one_channel(opened, int(tally.power.argmax()), frames)
    scale = _scale(tally.peak, opened)
    if scale != 1.0:
        samples /= np.float32(scale)
    clipped = tally.clipped / (frames * opened.channels) if scale == 1.0 else 0.0
    missing = opened.missing
    if opened.announced > frames:
        missing = max(missing, 1.0 - frames / opened.announced)
    return Sound(samples, opened.rate, opened.channels, min(tally.peak / scale, _BEYOND), clipped, missing)


def _check_header(opened: Opened) -> None:
    if not RATES[0] <= opened.rate <= RATES[1]:
        message = (
            f"the {opened.kind} header says {opened.rate:,} samples a second; {RATES[0]} to {RATES[1]:,} are right"
        )
        raise UndecodableError(Problem("corrupt", 1.0, message, {"rate": opened.rate}))
    if not 1 <= opened.channels <= MAX_CHANNELS:
        message = f"the {opened.kind} header says {opened.channels} channels; 1 to {MAX_CHANNELS} are right"
        raise UndecodableError(Problem("corrupt", 1.0, message, {"channels": opened.channels}))


class _Tally:
    """Joins channels, and counts on the way what is only to be seen in each of them."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self.power = np.zeros(opened.channels)
        self.peak = 0.0
        self.clipped = 0
        self.strange = 0
        self.frames = 0

    def join(self, blocks: Iterator[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return ``(frames,)``: the mean of the channels."""
        whole = _Growing()
        for block in blocks:
            self.frames += len(block)
            if self.frames > MAX_FRAMES or self.frames * self._opened.channels > MAX_VALUES:
                raise UndecodableError(_too_long(self._opened))
            strange = len(block) * self._opened.channels - int(np.isfinite(block).sum())
            if strange:
                self.strange += strange
                continue
            self._look(block)
            whole.add(block[:, 0] if block.shape[1] == 1 else block.mean(axis=1, dtype=np.float32))
        return whole.taken() if len(whole) else np.zeros(int(self.strange > 0), np.float32)

    def _look(self, block: NDArray[np.float32]) -> None:
        magnitude = np.abs(block)
        top = float(magnitude.max(initial=0.0))
        self.peak = max(self.peak, top)
        self.power += np.square(block, dtype=np.float64).sum(axis=0)
        if top < _FULL:
            return
        full = magnitude >= _FULL
        level = full[1:] & full[:-1] & (np.abs(block[1:] - block[:-1]) < _EQUAL)
        beside = np.zeros_like(full)
        beside[1:] |= level
        beside[:-1] |= level
        self.clipped += int((beside | (magnitude > 1.0 + _EQUAL)).sum())


def _too_long(opened: Opened) -> Problem:
    seconds = min(MAX_FRAMES, MAX_VALUES // opened.channels) / opened.rate
    message = (
        f"it is longer than {seconds:,.0f} s, the most that is read at {opened.rate:,} Hz and {opened.channels} "
        f"channel{'s' if opened.channels > 1 else ''}: cut it into pieces"
    )
    return Problem("too-large", 1.0, message, {"seconds": round(seconds, 1), "channels": opened.channels})


def _one_channel(opened: Opened, channel: int, frames: int) -> NDArray[np.float32]:
    whole = _Growing()
    for block in opened.blocks():
        whole.add(block[:, channel])
    return whole.taken()[:frames]


class _Growing:
    """Samples that are put together as they come, in little more memory than they take in the end."""

    def __init__(self) -> None:
        self._held = np.empty(0, np.float32)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, samples: NDArray[np.float32]) -> None:
        """Copy samples behind what is there."""
        end = self._count + len(samples)
        if end > len(self._held):
            self._held.resize(max(end, min(2 * end, end + _STEP)), refcheck=False)
        self._held[self._count : end] = samples
        self._count = end

    def taken(self) -> NDArray[np.float32]:
        """Return all samples, ``(len,)``; nothing can be added any more."""
        self._held.resize(self._count, refcheck=False)
        return self._held


def energy(samples: NDArray[np.float32]) -> float:
    """Return the sum of the squares of ``(n,)`` samples, in double precision and little memory."""
    return sum(
        float(np.square(samples[first : first + _STEP], dtype=np.float64).sum())
        for first in range(0, len(samples), _STEP)
    )


def _scale(peak: float, opened: Opened) -> float:
    """Return what to divide floats by: nothing, or the full scale of the whole numbers that they really are."""
    if not opened.floats or peak <= _BEYOND:
        return 1.0
    for bits in (15, 23, 31):
        if peak <= 2.0**bits:
            return 2.0**bits
    message = f"its loudest sample is {peak:.3g} times full scale: no sound is"
    raise UndecodableError(Problem("corrupt", 1.0, message, {"peak": float(f"{peak:.5g}")}))


def _open(raw: bytes) -> Opened:
    kind = audio_library.kind_of(raw)
    if not kind:
        raise UndecodableError(_unknown(raw))
    try:
        wav = audio_wav.read(raw)
        if wav is not None:
            return Opened("WAV", wav.rate, wav.channels, wav.frames, wav.missing, wav.floats, wav.blocks)
        return audio_library.open_sound(raw, kind, MAX_FRAMES)
    except audio_wav.DamagedError as error:
        raise UndecodableError(Problem("corrupt", 1.0, f"it begins like {kind}, but {error}")) from error
    except audio_library.LibraryMissingError as error:
        message = f"it is {kind}, which needs libsndfile: pip install 'modelwright[audio]'; plain WAV needs nothing"
        raise UndecodableError(Problem("wrong-format", 1.0, message)) from error


def _broken(kind: str, error: Exception) -> Problem:
    what = str(error).split("\n", maxsplit=1)[0]
    return Problem("corrupt", 1.0, f"the {kind} data is broken or cut off: {what[:200] or type(error).__name__}")


def _unknown(raw: bytes) -> Problem:
    """Tell what it is that is not a sound."""
    head = raw[:512].lstrip(b"\xef\xbb\xbf \t\r\n")
    known = lookalikes.named(raw)
    if known == lookalikes.LFS_POINTER:
        found = f"{known}: the sound itself was never fetched (git lfs pull)"
    elif known is not None:
        found = known
    elif raw[4:8] == b"ftyp":
        found = "an MP4 or M4A file"
    elif head.startswith((b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"%PDF")):
        found = "a picture or a PDF"
    elif raw[:4] == b"RIFF":
        found = "a RIFF file of another kind (video, MIDI or WebP)"
    elif not any(byte < 9 for byte in head[:64]):
        found = "text"
    else:
        found = f"unknown data beginning with {raw[:8].hex(' ')}"
    return Problem(
        "wrong-format", 1.0, f"it is not a sound but {found}; allowed: {', '.join(FORMATS)}", {"found": found}
    )
