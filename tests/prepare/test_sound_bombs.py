"""Sounds that are short as files and long when played, or that lie about their length: refused, or read in little."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest

from modelwright.tasks.modalities.audio import files as audio_files
from modelwright.tasks.modalities.audio import mpeg as audio_mpeg
from modelwright.testing.sounds import chirp, wav

from .annotated import put
from .conftest import Project
from .whole import prepared

LONG = audio_files.MAX_FRAMES
_MPEG = b"\xff\xe3\x18\xc4" + bytes(68)
"""A frame of MPEG 2.5, layer III, 8 kbit/s at 8 kHz, one channel: 576 samples of silence."""


def silence(kind: str, subtype: str | None, frames: int, channels: int = 1) -> bytes:
    """Return a file of so many zeros."""
    import soundfile

    out = io.BytesIO()
    zeros = np.zeros((1 << 19, channels), np.int16)
    with soundfile.SoundFile(out, "w", 48_000, channels, format=kind, subtype=subtype) as file:
        for first in range(0, frames, len(zeros)):
            file.write(zeros[: frames - first])
    return out.getvalue()


def bombs() -> dict[str, tuple[bytes, str]]:
    """Return files, and what is said of each: at the limit, beyond it, and with headers that lie."""
    tone = chirp(0.3, 48_000)
    claims = wav(tone, 48_000, announced=0xFFFFFFF0)
    forms = bytearray(wav(tone, 48_000))
    struct.pack_into("<H", forms, 22, 65_535)  # channels
    struct.pack_into("<H", forms, 32, 65_535 * 2 & 0xFFFF)
    return {
        "limit.flac": (silence("FLAC", "PCM_16", LONG), "silent"),
        "over.flac": (silence("FLAC", "PCM_16", LONG + 1), "too-large"),
        "over.ogg": (silence("OGG", "VORBIS", LONG + (1 << 16)), "too-large"),
        "long.mp3": (_MPEG * 1_000_000, "too-large"),
        "claims.wav": (claims, "truncated"),
        "forms.wav": (bytes(forms), "corrupt"),
    }


@pytest.mark.slow
def test_bombs_of_sound_are_refused_by_name_and_everything_else_goes_on(project: Project) -> None:
    pytest.importorskip("soundfile")
    found = bombs()
    put(project.root, {f"sounds/a/{name}": raw for name, (raw, _) in found.items()})
    good = {f"sounds/{'ab'[n % 2]}/{n}.wav": wav(chirp(0.3 + n / 50, high=1000 + 300 * n)) for n in range(12)}
    put(project.root, good)
    made = prepared(project.root, "input: audio\nsources: [{folder: sounds}]\noutput: category\n")
    for name, (_, kind) in found.items():
        assert f"{kind}: a/{name}" in made.said(name), (name, made.said(name))
    assert {name.removeprefix("sounds/") for name in good} <= set(made.paths)
    assert made.seconds < 10 * len(found)
    assert made.megabytes < 600


def test_a_long_sound_takes_little_more_memory_than_its_samples() -> None:
    import tracemalloc

    raw = wav(np.zeros(1 << 22), 48_000, "pcm8")
    tracemalloc.start()
    try:
        sound = audio_files.read(raw)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(sound.samples) == 1 << 22
    assert most < 1.5 * sound.samples.nbytes


def test_no_more_frames_are_gathered_than_are_read() -> None:
    found = audio_mpeg.whole_frames(_MPEG * 1000, most=5760)
    assert len(found.data) == 10 * len(_MPEG)
    assert audio_mpeg.whole_frames(_MPEG * 1000).data == _MPEG * 1000


def test_growing_and_squaring_give_what_they_gave_in_one_piece() -> None:
    random = np.random.default_rng(4)
    values = np.round(random.uniform(-0.9, 0.9, (2_300_000, 2)) * 2**15) / 2**15
    sound = audio_files.read(wav(values, 48_000))
    assert np.array_equal(sound.samples, values.astype(np.float32).mean(axis=1, dtype=np.float32))
    whole = float(np.square(sound.samples, dtype=np.float64).sum())
    assert audio_files.energy(sound.samples) == pytest.approx(whole, rel=1e-12)
    assert audio_files.energy(sound.samples[:1000]) == float(np.square(sound.samples[:1000], dtype=np.float64).sum())
