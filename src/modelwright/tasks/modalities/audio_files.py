"""Bytes of a sound file to one channel of samples, whatever the bytes are, in bounded memory.

WAV of the usual kinds is read here (:mod:`~modelwright.tasks.modalities.audio_wav`); FLAC, Ogg (Vorbis, Opus), MP3,
AIFF and odd WAVs go to libsndfile, behind an allow-list of signatures, so that its rarer readers are never reached.
Samples are read some at a time and joined into one channel at once: what a header announces reserves no memory.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modelwright.tasks.base import Problem, UndecodableError
from modelwright.tasks.modalities import audio_wav
from modelwright.tasks.modalities.audio_wav import BLOCK, Blocks

FORMATS = ("WAV", "FLAC", "OGG", "MP3", "AIFF")
MAX_FRAMES = 30_000_000
"""Longest sound: 10 minutes at 48 kHz; one channel of it is 120 MB."""
MAX_VALUES = 120_000_000
"""Most samples of all channels together: what bounds the time of a sound with 64 channels."""
MAX_CHANNELS = 256
RATES = (100, 1_000_000)
"""Lowest and highest sampling rate that is believed, Hz."""

_ALLOWED = frozenset({"WAV", "WAVEX", "RF64", "FLAC", "OGG", "MP3", "AIFF"})
_OPPOSED = 0.01
"""Share of the channels' mean power below which their sum counts as cancelled."""
_FULL = np.float32(0.999)
_EQUAL = np.float32(1e-4)
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


@dataclass(frozen=True)
class _Opened:
    kind: str
    rate: int
    channels: int
    announced: int
    missing: float
    floats: bool
    blocks: Blocks


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


def _read(opened: _Opened) -> Sound:
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
        message = f"{tally.strange:,} of {frames * opened.channels:,} samples are NaN or infinite"
        raise UndecodableError(Problem("corrupt", 1.0, message, {"samples": tally.strange}))
    if opened.channels > 1 and float(np.square(samples, dtype=np.float64).sum()) < _OPPOSED * tally.power.mean():
        samples = _one_channel(opened, int(tally.power.argmax()), frames)
    scale = _scale(tally.peak, opened)
    if scale != 1.0:
        samples = samples / np.float32(scale)
    clipped = tally.clipped / (frames * opened.channels) if scale == 1.0 else 0.0
    missing = opened.missing
    if opened.announced > frames:
        missing = max(missing, 1.0 - frames / opened.announced)
    return Sound(samples, opened.rate, opened.channels, min(tally.peak / scale, _BEYOND), clipped, missing)


def _check_header(opened: _Opened) -> None:
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

    def __init__(self, opened: _Opened) -> None:
        self._opened = opened
        self.power = np.zeros(opened.channels)
        self.peak = 0.0
        self.clipped = 0
        self.strange = 0

    def join(self, blocks: Iterator[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return ``(frames,)``: the mean of the channels."""
        parts: list[NDArray[np.float32]] = []
        frames = 0
        for block in blocks:
            frames += len(block)
            if frames > MAX_FRAMES or frames * self._opened.channels > MAX_VALUES:
                raise UndecodableError(_too_long(self._opened))
            strange = len(block) * self._opened.channels - int(np.isfinite(block).sum())
            if strange:
                self.strange += strange
                continue
            self._look(block)
            parts.append(block[:, 0].copy() if block.shape[1] == 1 else block.mean(axis=1, dtype=np.float32))
        return np.concatenate(parts) if parts else np.zeros(self.strange > 0, np.float32)

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


def _too_long(opened: _Opened) -> Problem:
    seconds = min(MAX_FRAMES, MAX_VALUES // opened.channels) / opened.rate
    message = (
        f"it is longer than {seconds:,.0f} s, the most that is read at {opened.rate:,} Hz and {opened.channels} "
        f"channel{'s' if opened.channels > 1 else ''}: cut it into pieces"
    )
    return Problem("too-large", 1.0, message, {"seconds": round(seconds, 1), "channels": opened.channels})


def _one_channel(opened: _Opened, channel: int, frames: int) -> NDArray[np.float32]:
    return np.concatenate([block[:, channel] for block in opened.blocks()])[:frames]


def _scale(peak: float, opened: _Opened) -> float:
    """Return what to divide floats by: nothing, or the full scale of the whole numbers that they really are."""
    if not opened.floats or peak <= _BEYOND:
        return 1.0
    for bits in (15, 23, 31):
        if peak <= 2.0**bits:
            return 2.0**bits
    message = f"its loudest sample is {peak:.3g} times full scale: no sound is"
    raise UndecodableError(Problem("corrupt", 1.0, message, {"peak": float(f"{peak:.5g}")}))


def _open(raw: bytes) -> _Opened:
    try:
        wav = audio_wav.read(raw)
    except audio_wav.DamagedError as error:
        raise UndecodableError(Problem("corrupt", 1.0, f"it begins like a WAV file, but {error}")) from error
    if wav is not None:
        return _Opened("WAV", wav.rate, wav.channels, wav.frames, wav.missing, wav.floats, wav.blocks)
    if not _known(raw):
        raise UndecodableError(_unknown(raw))
    return _open_library(raw)


def _open_library(raw: bytes) -> _Opened:
    """Open what libsndfile reads."""
    try:
        import soundfile
    except (ImportError, OSError) as error:
        message = (
            f"it is {_known(raw)}, which needs libsndfile: pip install 'modelwright[audio]'; plain WAV needs nothing"
        )
        raise UndecodableError(Problem("wrong-format", 1.0, message)) from error
    try:
        with soundfile.SoundFile(_Bytes(raw)) as file:
            kind, rate, channels, frames = str(file.format), int(file.samplerate), int(file.channels), int(file.frames)
            floats = str(file.subtype) in {"FLOAT", "DOUBLE"}
    except Exception as error:
        raise UndecodableError(_broken(_known(raw), error)) from error
    if kind not in _ALLOWED:
        raise UndecodableError(_unknown(raw))
    # A decoder that works by packets knows its length to within some; a stream without an end says 2^63 frames.
    announced = frames if 0 < frames < MAX_FRAMES * 64 and kind != "MP3" else 0
    return _Opened(_known(raw), rate, channels, announced, _cut_off(raw), floats, _library_blocks(raw, channels))


def _library_blocks(raw: bytes, channels: int) -> Blocks:
    def run() -> Iterator[NDArray[np.float32]]:
        import soundfile

        with soundfile.SoundFile(_Bytes(raw)) as file:
            size = max(1, BLOCK // max(1, channels // 8))
            while True:
                try:
                    block: NDArray[np.float32] = file.read(size, dtype="float32", always_2d=True)
                except soundfile.LibsndfileError:
                    return  # what was read before the damage is kept, and counted as cut off
                if not len(block):
                    return
                yield block

    return run


class _Bytes(io.BytesIO):
    """Bytes as a file that libsndfile may seek in beyond either end: an exception in its callbacks would be lost."""

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to the place meant, or to the nearest there is."""
        base = {0: 0, 1: self.tell(), 2: len(self.getbuffer())}.get(whence, 0)
        return super().seek(min(max(base + offset, 0), len(self.getbuffer())))


def _known(raw: bytes) -> str:
    """Return the name of the format that the bytes begin like, or nothing."""
    head = raw[:12]
    if head[:4] in {b"RIFF", b"RIFX", b"RF64"} and head[8:12] == b"WAVE":
        return "WAV"
    if head[:4] == b"FORM" and head[8:12] in {b"AIFF", b"AIFC"}:
        return "AIFF"
    if head.startswith((b"fLaC", b"OggS")):
        return "FLAC" if head.startswith(b"fLaC") else "OGG"
    # An MPEG frame: 11 bits of synchronisation; version, layer, bit rate and sampling rate none of the reserved ones.
    frame = len(raw) > 3 and raw[0] == 0xFF and raw[1] & 0xE0 == 0xE0 and raw[1] & 0x18 != 0x08
    frame = frame and raw[1] & 0x06 != 0 and raw[2] & 0xF0 != 0xF0 and raw[2] & 0x0C != 0x0C
    return "MP3" if frame or head.startswith(b"ID3") else ""


def _cut_off(raw: bytes) -> float:
    """Return the share of an Ogg stream that is missing, as far as that shows: one page, where none is the last."""
    if not raw.startswith(b"OggS"):
        return 0.0
    last = raw.rfind(b"OggS")
    ended = len(raw) > last + 5 and raw[last + 5] & 0x04
    return 0.0 if ended else 0.01


def _broken(kind: str, error: Exception) -> Problem:
    what = str(error).split("\n", maxsplit=1)[0]
    _, _, reason = what.rpartition(": ") if "Error opening" in what else ("", "", what)
    return Problem("corrupt", 1.0, f"the {kind} data is broken or cut off: {reason[:200] or type(error).__name__}")


def _unknown(raw: bytes) -> Problem:
    """Tell what it is that is not a sound."""
    head = raw[:512].lstrip(b"\xef\xbb\xbf \t\r\n")
    lower = head[:64].lower()
    if lower.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        found = "an HTML page"
    elif lower.startswith((b"<?xml", b"<svg")):
        found = "XML or SVG"
    elif lower.startswith(b"version https://git-lfs"):
        found = "a Git LFS pointer: the sound itself was never fetched (git lfs pull)"
    elif head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        found = "a zip archive"
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
