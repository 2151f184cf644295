"""Sound files: every kind that is read, and every kind of damage."""

from __future__ import annotations

import contextlib
import io
import resource
import struct
import warnings

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from modelwright.tasks.base import UndecodableError
from modelwright.tasks.modalities.audio import files as audio_files
from modelwright.tasks.modalities.audio import mpeg as audio_mpeg
from modelwright.tasks.modalities.audio import wav as audio_wav
from modelwright.testing.sounds import Kind, broken_ones, chirp, odd_ones, wav

KINDS: tuple[Kind, ...] = ("pcm8", "pcm16", "pcm24", "pcm32", "float32", "float64")


def encoded(samples: np.ndarray, rate: int, kind: str, subtype: str | None = None) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype)
    return file.getvalue()


def problem(raw: bytes) -> tuple[str, str]:
    with pytest.raises(UndecodableError) as caught:
        audio_files.read(raw)
    return caught.value.problem.kind, caught.value.problem.message


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAW", "ULAW"])
@pytest.mark.parametrize("container", ["WAV", "WAVEX"])
def test_our_reader_and_libsndfile_agree(subtype: str, container: str) -> None:
    samples = np.stack([chirp(0.2), 0.3 * chirp(0.2, high=900.0)], axis=1)
    raw = encoded(samples, 8000, container, subtype)
    found = audio_wav.read(raw)
    assert found is not None
    assert (found.rate, found.channels, found.frames, found.missing) == (8000, 2, len(samples), 0.0)
    ours = np.concatenate(list(found.blocks()))
    theirs, _ = soundfile.read(io.BytesIO(raw), dtype="float32", always_2d=True)
    np.testing.assert_allclose(ours, theirs, atol=1e-7)


@given(
    samples=hnp.arrays(np.float64, st.tuples(st.integers(1, 300), st.integers(1, 6)), elements=st.floats(-1.0, 1.0)),
    rate=st.integers(100, 384_000),
    kind=st.sampled_from(KINDS),
)
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read(samples: np.ndarray, rate: int, kind: Kind) -> None:
    found = audio_files.read(wav(samples, rate, kind))
    assert (found.rate, found.channels, len(found.samples)) == (rate, samples.shape[1], len(samples))
    step = {"pcm8": 2.0**-7, "pcm16": 2.0**-15}.get(kind, 1e-6)
    assert found.peak == pytest.approx(np.abs(samples).max(), abs=step)
    mean = samples.mean(axis=1)
    power = np.square(samples).sum(axis=0).mean()
    if samples.shape[1] == 1 or np.square(mean).sum() > 0.1 * power:
        np.testing.assert_allclose(found.samples, mean, atol=step)


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [("FLAC", None), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", None), ("AIFF", None), ("WAV", "MS_ADPCM"),
     ("WAV", "IMA_ADPCM"), ("RF64", None), ("FLAC", "PCM_24")],
)  # fmt: skip
def test_other_formats_are_read_whole(kind: str, subtype: str | None) -> None:
    samples = chirp(1.0, 16_000)
    found = audio_files.read(encoded(samples, 16_000, kind, subtype))
    assert (found.rate, found.channels) == (16_000, 1)
    assert found.missing == 0.0
    assert len(samples) <= len(found.samples) <= len(samples) + 2500  # codecs fill up their last packet
    lag = 0 if kind != "MP3" else int(np.correlate(found.samples[:4000], samples[:2000], "valid").argmax())
    close = np.corrcoef(found.samples[lag : lag + 15_000], samples[:15_000])[0, 1]
    assert close > 0.98


@pytest.mark.parametrize("kind", ["FLAC", "MP3", "AIFF", "WAV", "RF64"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_half_a_file_is_what_there_is_and_says_so(kind: str, share: float) -> None:
    raw = encoded(chirp(4.0, 16_000), 16_000, kind)
    found = audio_files.read(raw[: round(share * len(raw))])
    assert found.missing == pytest.approx(1.0 - share, abs=0.12)
    assert 0.3 * 64_000 * share < len(found.samples) < 64_000


def test_a_stream_without_its_last_page_says_so() -> None:
    random = np.random.default_rng(0)
    raw = encoded(0.3 * random.normal(size=32_000), 8000, "OGG", "VORBIS")
    found = audio_files.read(raw[: round(0.8 * len(raw))])
    assert found.missing > 0
    assert 16_000 < len(found.samples) < 32_000


def test_a_header_may_lie_about_its_length() -> None:
    tone = chirp(0.5)
    most = audio_files.read(wav(tone, announced=0xFFFFFFFF))
    assert (len(most.samples), most.missing) == (4000, 0.0)  # a stream: the length was not known yet
    assert len(audio_files.read(wav(tone, announced=0)).samples) == 4000
    assert len(audio_files.read(wav(tone, announced=1000)).samples) == 500
    longer = audio_files.read(wav(tone, announced=16_000))
    assert (len(longer.samples), longer.missing) == (4000, 0.5)
    assert problem(wav(np.zeros(0), announced=5000))[0] == "corrupt"


def test_what_is_no_sound_is_named() -> None:
    found = [problem(raw) for raw in broken_ones()]
    assert [kind for kind, _ in found] == [
        "empty", "wrong-format", "wrong-format", "empty", "corrupt", "corrupt", "corrupt", "corrupt", "corrupt",
        "corrupt", "corrupt", "corrupt", "corrupt", "wrong-format",
    ]  # fmt: skip
    words = "\n".join(message for _, message in found)
    for part in ("0 bytes", "Git LFS pointer", "an HTML page", "0 samples", "NaN", "0 Hz", "0 channels"):
        assert part in words
    assert "zip archive" in problem(b"PK\x03\x04" + bytes(40))[1]
    assert "M4A" in problem(b"\0\0\0\x20ftypM4A " + bytes(40))[1]
    assert "video" in problem(b"RIFF\x10\0\0\0AVI " + bytes(40))[1]


def test_odd_sounds_are_brought_to_one_scale() -> None:
    silence, opposed, fast, many, one, loud, counts, cut = (audio_files.read(raw) for raw in odd_ones())
    assert silence.peak == 0.0
    assert np.abs(opposed.samples).max() > 0.4, "channels that cancel each other: the loudest one is taken"
    assert (fast.rate, len(fast.samples)) == (384_000, 19_200)
    assert (many.channels, len(many.samples)) == (64, 2000)
    assert one.samples.tolist() == [0.5]
    assert loud.peak == pytest.approx(1.5, abs=0.01)
    assert loud.clipped > 0.1
    assert counts.peak == pytest.approx(10_000 / 32_768, rel=0.01), "16-bit numbers written as floats"
    assert cut.missing == pytest.approx(0.5, abs=0.01)


def test_clipping_is_told_from_a_loud_tone() -> None:
    loud = 1.4 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)
    assert audio_files.read(wav(np.clip(loud, -1, 1))).clipped > 0.3
    assert audio_files.read(wav(0.999 * loud / 1.4)).clipped < 0.001


def test_a_long_sound_is_refused_in_bounded_memory() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    header = wav(np.zeros(0), 48_000)[:40] + struct.pack("<I", 0xFFFFFFFF)
    raw = header + bytes(2 * audio_files.MAX_FRAMES + 10)
    kind, message = problem(raw)
    assert kind == "too-large"
    assert "625 s" in message
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000


@pytest.mark.parametrize("kind", ["FLAC", "OGG", "MP3", "AIFF", "WAV"])
def test_damaged_files_are_read_or_refused(kind: str) -> None:
    random = np.random.default_rng(3)
    whole = encoded(chirp(0.4, 16_000), 16_000, kind)
    for _ in range(150):
        raw = bytearray(whole)
        for _ in range(random.integers(1, 5)):
            place = int(random.integers(len(raw)))
            if random.random() < 0.5:
                raw[place] ^= 1 << int(random.integers(8))
            else:
                raw[place : place + 4] = [b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b""][random.integers(4)]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with contextlib.suppress(UndecodableError):
                assert np.isfinite(audio_files.read(bytes(raw)).samples).all()


def test_frames_of_mpeg_are_told_from_what_surrounds_them() -> None:
    whole = encoded(chirp(2.0, 44_100), 44_100, "MP3")
    plain = audio_mpeg.whole_frames(whole)
    assert plain.missing == 0.0
    tag = b"ID3\x04\x00\x00\x00\x00\x01\x00" + bytes(128)
    wrapped = tag + plain.data + b"TAG" + bytes(125)
    assert audio_mpeg.whole_frames(wrapped).data == plain.data
    torn = bytearray(plain.data)
    torn[3000:3010] = bytes(10)
    found = audio_files.read(bytes(torn))
    assert len(found.samples) > 80_000
    assert audio_mpeg.whole_frames(b"\xff\xfb\x90\x00" + bytes(3000)).data == b""
