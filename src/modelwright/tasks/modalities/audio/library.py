"""Sounds that libsndfile reads: FLAC, Ogg (Vorbis, Opus), MP3, AIFF, and WAVs of unusual kinds.

It is reached by these formats' signatures alone, is never asked to seek, and gets whole pages and frames only. What a
file announces and does not hold is found by looking at the containers, since libsndfile shortens silently.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modelwright.tasks.modalities.audio import mpeg as audio_mpeg
from modelwright.tasks.modalities.audio import wav as audio_wav
from modelwright.tasks.modalities.audio.wav import Blocks, DamagedError

_ALLOWED = {
    "WAV": {"WAV", "WAVEX", "RF64"},
    "AIFF": {"AIFF"},
    "FLAC": {"FLAC"},
    "OGG": {"OGG"},
    "MP3": {"MP3"},
}
_BLOCK = 4096
"""Frames read at a time: as many as are lost where a file breaks off."""
_MOST_ANNOUNCED = 1 << 40
"""A stream without an end says that it has 2^63 frames."""
_A_LITTLE = 0.01
"""Share that counts as missing where only that something is missing shows."""


class LibraryMissingError(Exception):
    """libsndfile is not installed."""


@dataclass(frozen=True)
class Opened:
    """A sound, not decoded yet."""

    kind: str
    rate: int
    channels: int
    announced: int
    """Frames that the header says there are; 0 where it does not say."""
    missing: float
    floats: bool
    blocks: Blocks


def kind_of(raw: bytes) -> str:
    """Return the name of the format that the bytes begin like, or nothing."""
    head = raw[:12]
    if head[:4] in {b"RIFF", b"RIFX", b"RF64"} and head[8:12] == b"WAVE":
        return "WAV"
    if head[:4] == b"FORM" and head[8:12] in {b"AIFF", b"AIFC"}:
        return "AIFF"
    if head[:4] in {b"fLaC", b"OggS"}:
        return "FLAC" if head[:4] == b"fLaC" else "OGG"
    if head[:3] == b"ID3":
        at = audio_mpeg.beginning(raw)
        return "FLAC" if raw[at : at + 4] == b"fLaC" else "MP3"
    return "MP3" if audio_mpeg.is_frame(raw) else ""


def open_sound(raw: bytes, kind: str, most: int) -> Opened:
    """Open a sound of one of the kinds.

    Parameters
    ----------
    most
        Samples of each channel beyond which a sound is refused anyway: of an MP3 no more than that are looked for.

    Raises
    ------
    LibraryMissingError
        If libsndfile is not installed.
    DamagedError
        Whatever is wrong with the bytes.
    """
    try:
        import soundfile
    except (ImportError, OSError) as error:
        raise LibraryMissingError from error
    data, missing = _whole(raw, kind, most)
    try:
        with soundfile.SoundFile(_Bytes(data)) as file:
            found, rate, channels, frames = str(file.format), int(file.samplerate), int(file.channels), int(file.frames)
            floats = str(file.subtype) in {"FLOAT", "DOUBLE"}
    except Exception as error:
        raise DamagedError(f"libsndfile cannot read it ({_reason(error)})") from error
    if found not in _ALLOWED[kind]:
        raise DamagedError(f"it turns out to be {found}")
    # Decoders that work by packets know their length to within some.
    announced = frames if kind == "FLAC" and 0 < frames < _MOST_ANNOUNCED else 0
    return Opened(kind, rate, channels, announced, missing, floats, _blocks(data))


def _reason(error: Exception) -> str:
    words = str(error).split("\n", maxsplit=1)[0]
    return (words.rpartition(": ")[2] if "Error opening" in words else words)[:200] or type(error).__name__


def _blocks(data: bytes) -> Blocks:
    def run() -> Iterator[NDArray[np.float32]]:
        import soundfile

        class Stream(soundfile.SoundFile):  # type: ignore[misc]  # it has no types
            """Reads on without seeking to where it is after every read: slow, and impossible behind damage."""

            def seekable(self) -> bool:
                """Say no."""
                return False

        with Stream(_Bytes(data)) as file:
            while True:
                try:
                    block: NDArray[np.float32] = file.read(_BLOCK, dtype="float32", always_2d=True)
                except soundfile.LibsndfileError:
                    return  # what was read before the damage is kept, and counted as cut off
                if not len(block):
                    return
                yield block

    return run


class _Bytes(io.BytesIO):
    """Bytes as a file that libsndfile may seek in beyond either end: an exception in its callbacks would be lost."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._size = len(data)  # asked of the buffer, it would make a copy of its own

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to the place meant, or to the nearest there is."""
        base = {0: 0, 1: self.tell(), 2: self._size}.get(whence, 0)
        return super().seek(min(max(base + offset, 0), self._size))


def _whole(raw: bytes, kind: str, most: int) -> tuple[bytes, float]:
    """Return what of a file is whole, and the share that is missing."""
    if kind == "MP3":
        frames = audio_mpeg.whole_frames(raw, most + 10_000)  # the first may hold none
        if not frames.data:
            raise DamagedError("no two frames of MPEG audio follow each other in it")
        return frames.data, frames.missing
    if kind == "OGG":
        return _pages(raw)
    if kind == "FLAC":
        return raw[audio_mpeg.beginning(raw) :], 0.0
    return raw, _riff_missing(raw) if raw[:4] != b"FORM" else _short(raw, 8 + int.from_bytes(raw[4:8], "big"))


def _short(raw: bytes, size: int) -> float:
    return max(0.0, 1.0 - len(raw) / size) if size > len(raw) else 0.0


def _riff_missing(raw: bytes) -> float:
    """Return the share of a WAV's data chunk that is not there."""
    if raw[:4] == b"RIFX":
        return _short(raw, 8 + int.from_bytes(raw[4:8], "big"))
    if raw[:4] == b"RF64":  # EBU Tech 3306: 64-bit sizes stand in a chunk of their own
        return _short(raw, 8 + int.from_bytes(raw[20:28], "little")) if raw[12:16] == b"ds64" else 0.0
    _, start, announced = audio_wav.chunks(raw)
    return 0.0 if announced in {0, audio_wav.UNKNOWN} else _short(raw[start:], announced)


def _pages(raw: bytes) -> tuple[bytes, float]:
    """Return the whole pages of an Ogg stream (RFC 3533, section 6), and whether the last one says that it is."""
    at, ended = 0, False
    while raw[at : at + 4] == b"OggS" and len(raw) >= at + 27:
        segments = raw[at + 26]
        size = 27 + segments + sum(raw[at + 27 : at + 27 + segments])
        if at + size > len(raw):
            break
        ended = bool(raw[at + 5] & 0x04)
        at += size
    return raw[:at], 0.0 if ended else _A_LITTLE
