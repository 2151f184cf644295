"""Sounds: rates, spectra against an independent reference, what is learned, measured and sketched."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import fft, signal

from modelwright.errors import InputError
from modelwright.tasks.base import UndecodableError
from modelwright.tasks.modalities.audio import clips as audio_clips
from modelwright.tasks.modalities.audio import features as audio_features
from modelwright.tasks.modalities.audio import spectrum as audio_spectrum
from modelwright.tasks.modalities.audio.modality import Audio, brought, loudest
from modelwright.tasks.modalities.audio.resample import ratio, resample, taps
from modelwright.testing.modality import session
from modelwright.testing.sounds import chirp, wav, word

AUDIO = Audio()


def learned(raws: list[bytes], **settings: Any) -> dict[str, Any]:
    return AUDIO.learn((AUDIO.decode(raw, {}) for raw in raws), settings)


@pytest.fixture(scope="module")
def words() -> list[bytes]:
    random = np.random.default_rng(0)
    return [wav(word(random, pitch, random.uniform(0.2, 0.5))) for pitch in (120.0, 200.0, 320.0) for _ in range(8)]


@pytest.fixture(scope="module")
def schema(words: list[bytes]) -> dict[str, Any]:
    return learned(words)


# ---------------------------------------------------------------------- rates


@given(
    rate=st.integers(100, 400_000), wanted=st.sampled_from([8000, 16_000, 22_050, 44_100]), length=st.integers(1, 900)
)
@settings(max_examples=40, deadline=None)
def test_resampling_is_scipys_with_the_same_taps(rate: int, wanted: int, length: int) -> None:
    samples = np.random.default_rng(length).normal(size=length).astype(np.float32)
    up, down = ratio(rate, wanted)
    assert abs(rate * up / down / wanted - 1.0) < 2e-3 if down < 1024 else True
    found = resample(samples, rate, wanted)
    if up != down:
        right = signal.resample_poly(samples.astype(np.float64), up, down, window=taps(up, down) / up)
        np.testing.assert_allclose(found, right, atol=3e-6)


@pytest.mark.parametrize(("rate", "wanted"), [(44_100, 16_000), (8000, 16_000), (48_000, 8000), (11_025, 8000)])
def test_tones_pass_and_what_cannot_be_carried_does_not(rate: int, wanted: int) -> None:
    time = np.arange(rate) / rate
    low = 0.8 * min(rate, wanted) / 2
    found = resample(np.sin(2 * np.pi * low * time).astype(np.float32), rate, wanted)
    right = np.sin(2 * np.pi * low * np.arange(len(found)) / wanted)
    inside = slice(wanted // 10, -wanted // 10)
    np.testing.assert_allclose(found[inside], right[inside], atol=3e-3)
    if wanted < rate:
        high = 1.05 * wanted / 2
        gone = resample(np.sin(2 * np.pi * high * time).astype(np.float32), rate, wanted)
        assert np.abs(gone[inside]).max() < 2e-4  # 75 dB


def test_the_loudest_stretch_is_heard() -> None:
    samples = np.zeros(20_000, np.float32)
    samples[13_000:15_000] = 0.5
    assert np.abs(loudest(samples, 4000)).sum() == pytest.approx(1000.0)
    assert loudest(samples[:100], 4000) is not samples
    assert len(loudest(np.zeros(5000, np.float32), 4000)) == 4000


# ---------------------------------------------------------------------- spectra


def reference(samples: np.ndarray, schema: dict[str, Any]) -> np.ndarray:
    """Return ``(bands, frames)`` decibels in float64: scipy's Fourier transform, triangles on the mel scale by hand."""
    width, hop, rate = schema["window"], schema["hop"], schema["rate"]
    frames = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float64), width)[::hop]
    window = signal.get_window("hann", width)
    power = np.abs(fft.rfft(frames * window, axis=1) * 2.0 / window.sum()) ** 2
    top, bottom = (2595 * np.log10(1 + hertz / 700) for hertz in (schema["high"], schema["low"]))
    edges = 700 * (10 ** (np.linspace(bottom, top, schema["bands"] + 2) / 2595) - 1)
    fine = (np.arange((width // 2 + 1) * 32) + 0.5) / 32 - 0.5  # 32 points a bin
    weights = (
        np.stack([np.interp(fine * rate / width, edges[band : band + 3], [0, 1, 0]) for band in range(schema["bands"])])
        .reshape(schema["bands"], -1, 32)
        .mean(axis=2)
    )
    return np.asarray(10 * np.log10(np.maximum(power @ weights.T, 1e-10)).T)


def run(schema: dict[str, Any], encoding: Any, *raws: bytes) -> np.ndarray:
    graph = session(AUDIO.graph(schema, encoding))
    return np.concatenate([graph.run(["features"], AUDIO.decode(raw, schema))[0] for raw in raws])


def test_features_are_what_they_are_called(words: list[bytes], schema: dict[str, Any]) -> None:
    names = AUDIO.feature_names(schema, "trees")
    for raw in words[::6]:
        found = dict(zip(names, run(schema, "trees", raw)[0].tolist(), strict=True))
        inputs = AUDIO.decode(raw, schema)
        length = int(inputs["facts"][0, 0])
        count = min(max((length - schema["window"]) // schema["hop"] + 1, 1), schema["frames"])
        levels = reference(inputs["sound"][0], schema)[:, :count]
        whole = levels.mean()
        assert found["band 7, mean"] == pytest.approx(levels[6].mean() - whole, abs=0.02)
        assert found["band 12, deviation"] == pytest.approx(levels[11].std(), abs=0.02)
        high = np.sort(levels[3])[::-1][int(np.float32(0.1) * np.float32(count - 1) + np.float32(0.5))]
        assert found["band 4, 90% quantile"] == pytest.approx(high - whole, abs=0.02)
        cepstrum = fft.dct(levels, axis=0, norm="ortho")
        assert found["cepstrum 5, mean"] == pytest.approx(cepstrum[5].mean(), abs=0.05)
        assert found["cepstrum 2, deviation"] == pytest.approx(cepstrum[2].std(), abs=0.05)
        steps = np.abs(np.diff(cepstrum[3], prepend=cepstrum[3, 0])).mean()
        assert found["cepstrum 3, change"] == pytest.approx(steps, abs=0.05)
        place = (np.arange(count) + 0.5) / count - (np.arange(8) + 0.5)[:, None] / 8
        weights = np.exp(-np.square(8 * place))
        course = (weights * cepstrum[1]).sum(axis=1) / weights.sum(axis=1) - cepstrum[1].mean()
        assert found["cepstrum 1 at 19%"] == pytest.approx(course[1], abs=0.05)
        assert found["seconds"] == pytest.approx(length / schema["rate"], rel=1e-5)


def test_the_shape_of_a_tone_is_its_pitch(schema: dict[str, Any]) -> None:
    tone = wav(0.5 * np.sin(2 * np.pi * 1000 * np.arange(3000) / 8000))
    noise = wav(np.random.default_rng(0).uniform(-0.5, 0.5, 3000))
    names = AUDIO.feature_names(schema, "trees")
    pitch, hiss = run(schema, "trees", tone, noise)
    at = names.index("centroid, mean")
    assert pitch[at] == pytest.approx(1.0, abs=0.01)  # kHz
    assert hiss[at] == pytest.approx(2.0, abs=0.15)
    flat = names.index("flatness, mean")
    assert pitch[flat] < -30.0 < hiss[flat]


def test_the_picture_shows_pitch_upwards_and_time_to_the_right(schema: dict[str, Any]) -> None:
    (picture,) = run(schema, "pixels", wav(chirp(0.4, low=300.0, high=3000.0)))
    assert picture.shape == (schema["bands"], schema["frames"], 3)
    red = picture[..., 0].astype(float)
    rows = red[:, 3:36].argmax(axis=0)
    assert (np.diff(rows) <= 0).mean() > 0.9, "a rising tone rises"
    assert red[:, 45:].max() == 0, "behind its end there is silence"
    assert (picture[:, 45:, 1:] == 128).all()
    levels = reference(AUDIO.decode(wav(chirp(0.4, low=300.0, high=3000.0)), schema)["sound"][0], schema)[::-1]
    right = 255 * np.clip((levels - levels.max() + 80) / 80, 0, 1)
    assert np.abs(red[:, :38] - right[:, :38]).max() <= 1.0


def test_level_is_a_feature_of_its_own(schema: dict[str, Any]) -> None:
    random = np.random.default_rng(1)
    sound = word(random, 200.0)
    names = AUDIO.feature_names(schema, "trees")
    loud, soft = run(schema, "trees", wav(sound, kind="float32"), wav(0.1 * sound, kind="float32"))
    apart = {name: abs(float(one - other)) for name, one, other in zip(names, loud, soft, strict=True)}
    assert apart["level, mean"] == pytest.approx(20.0, abs=0.1)
    assert max(value for name, value in apart.items() if not name.startswith("level")) < 0.2


def test_features_are_chosen_by_word(words: list[bytes], schema: dict[str, Any]) -> None:
    few = learned(words, features=("mfcc", "level"))
    assert few["features"] == ["level", "mfcc"]
    assert len(few["centre"]) == len(AUDIO.feature_names(few, "dense")) == 7 + 40
    assert run(few, "dense", words[0]).shape == (1, 47)
    assert schema["features"] == list(audio_features.AUTO)
    with pytest.raises(InputError, match="'mel' is no feature of sounds; there are level, log-mel"):
        learned(words, features=("mel",))


def test_dense_features_are_scaled(words: list[bytes], schema: dict[str, Any]) -> None:
    features = run(schema, "dense", *words)
    assert np.abs(features).max() <= 10.0
    varying = features.std(axis=0) > 1e-6
    assert varying.mean() > 0.95
    np.testing.assert_allclose(features[:, varying].mean(axis=0), 0.0, atol=0.05)
    np.testing.assert_allclose(features[:, varying].std(axis=0), 1.0, atol=0.05)


def test_a_log_mel_of_silence_is_the_floor() -> None:
    assert audio_spectrum.decibels(np.zeros(3)).tolist() == [-100.0] * 3
    weights = audio_spectrum.bands(8000, 200, 40, 50.0, 4000.0)
    assert (weights.sum(axis=1) > 0).all(), "no band is empty"


# ---------------------------------------------------------------------- what is learned


def test_rate_and_length_follow_the_data() -> None:
    random = np.random.default_rng(2)
    low = learned([wav(word(random, 200.0, 0.5, 44_100), 44_100) for _ in range(6)])
    assert low["rate"] == 16_000
    assert "16,000 carry" in low["reason"]
    high = learned([wav(chirp(0.5, 48_000, 9000.0, 20_000.0), 48_000) for _ in range(6)])
    assert high["rate"] == 48_000
    assert "reach high" in high["reason"]
    slow = learned([wav(chirp(25.0), 8000) for _ in range(3)])
    assert slow["rate"] == 8000
    assert 10.0 <= slow["seconds"] < 12.6  # whole columns of the picture
    assert "loudest 10 s" in slow["reason"]
    assert slow["frames"] // slow["pool"] <= 128


def test_a_sound_is_brought_to_the_schemas_rate_and_length(schema: dict[str, Any]) -> None:
    length = audio_features.length(schema)
    for rate in (4000, 8000, 22_050, 96_000):
        for seconds in (0.01, 0.3, 5.0):
            samples = chirp(seconds, rate, 200.0, 1500.0).astype(np.float32)
            found = brought(samples, rate, schema)
            assert abs(len(found) - min(length, seconds * 8000)) <= 2
            inputs = AUDIO.decode(wav(samples, rate), schema)
            assert inputs["sound"].shape == (1, length)
            assert inputs["facts"][0, 0] == len(found)


# ---------------------------------------------------------------------- measures, checks


def test_measures_of_a_tone_in_figures() -> None:
    tone = np.sin(2 * np.pi * 500 * np.arange(16_000) / 16_000)
    found = {
        name: float(value[0]) for name, value in AUDIO.measure(AUDIO.decode(wav(0.5 * tone, 16_000), {}), {}).items()
    }
    assert found["seconds"] == 1.0
    assert found["rate"] == 16_000.0
    assert found["loudness"] == pytest.approx(-6.02, abs=0.01)
    assert found["peak"] == pytest.approx(0.5, abs=1e-3)
    assert found["zero_crossing"] == pytest.approx(500.0, abs=1.0)
    assert found["centroid"] == pytest.approx(500.0, abs=2.0)
    assert found["rolloff"] == pytest.approx(500.0, abs=40.0)
    assert found["flatness"] < 1e-3
    assert found["snr"] < 1.0
    assert found["silence"] == 0.0
    half = AUDIO.measure(AUDIO.decode(wav(np.concatenate([tone, np.zeros(16_000)]), 16_000), {}), {})
    assert float(half["silence"][0]) == pytest.approx(0.5, abs=0.02)


def test_measures_do_not_depend_on_the_schema(words: list[bytes], schema: dict[str, Any]) -> None:
    for raw in (*words[:4], wav(chirp(9.0, 44_100, 100.0, 15_000.0), 44_100)):
        before, after = AUDIO.measure(AUDIO.decode(raw, {}), {}), AUDIO.measure(AUDIO.decode(raw, schema), schema)
        assert {name: value.tolist() for name, value in before.items()} == {
            name: value.tolist() for name, value in after.items()
        }


def test_checks_name_what_is_odd() -> None:
    random = np.random.default_rng(3)
    loud = np.clip(3 * word(random, 150.0), -1.0, 1.0)
    whole = wav(word(random, 200.0))
    samples = {
        "silent": wav(1e-4 * random.normal(size=4000)),
        "clipped": wav(np.clip(4 * loud, -1.0, 1.0)),
        "noisy": wav(0.1 * random.normal(size=8000)),
        "truncated": whole[: len(whole) * 2 // 3],
    }
    for kind, raw in samples.items():
        found = AUDIO.check(AUDIO.decode(raw, {}))
        assert [each.kind for each in found] == [kind]
        assert 0.2 < found[0].severity < 1.0
    assert AUDIO.check(AUDIO.decode(whole, {})) == []


# ---------------------------------------------------------------------- sketches, clips


def copies(samples: np.ndarray, rate: int) -> dict[str, bytes]:
    """Return copies that a person would call the same."""
    random = np.random.default_rng(4)
    noise = 0.02 * np.sqrt(np.square(samples).mean()) * random.normal(size=len(samples))
    flac = io.BytesIO()
    soundfile.write(flac, samples, rate, format="FLAC")
    return {
        "softer": wav(0.3 * samples, rate),
        "stereo": wav(np.stack([samples, samples], 1), rate),
        "another rate": wav(resample(samples.astype(np.float32), rate, 16_000), 16_000),
        "silence around": wav(np.concatenate([np.zeros(1500), samples, np.zeros(800)]), rate),
        "a little noise": wav(samples + noise, rate),
        "flac": flac.getvalue(),
    }


def test_copies_are_alike_and_others_are_not() -> None:
    random = np.random.default_rng(5)

    def babble() -> np.ndarray:
        parts = [word(random, random.uniform(100, 400), random.uniform(0.1, 0.3)) for _ in range(4)]
        return np.concatenate(parts)

    sketches = {}
    for number in range(12):
        samples = babble()
        own = AUDIO.sketch(AUDIO.decode(wav(samples), {}))
        assert own.hash is not None
        assert len(own.data) == AUDIO.sketch_bytes
        for name, raw in copies(samples, 8000).items():
            copy = AUDIO.sketch(AUDIO.decode(raw, {}))
            assert copy.hash is not None
            assert (copy.hash ^ own.hash).bit_count() <= 7, name
            assert AUDIO.alike(own.data, copy.data, 0.97), name
        sketches[number] = own
    for one in range(12):
        for other in range(one):
            assert not AUDIO.alike(sketches[one].data, sketches[other].data, 0.97)
    vectors = AUDIO.vectors(np.stack([np.frombuffer(each.data, np.uint8) for each in sketches.values()]))
    assert vectors.shape == (12, 192)
    assert vectors.dtype == np.float32


def test_steady_sounds_are_nobodys_copy() -> None:
    random = np.random.default_rng(6)
    for samples in (0.1 * random.normal(size=8000), np.sin(np.arange(8000)), np.zeros(4000), np.array([0.5])):
        assert AUDIO.sketch(AUDIO.decode(wav(samples), {})).hash is None


def test_clips_are_short_and_loud() -> None:
    clip = audio_clips.clip(wav(0.01 * chirp(9.0, 44_100), 44_100))
    samples, rate = soundfile.read(io.BytesIO(clip))
    assert rate == 16_000
    assert len(samples) == 40_000
    assert np.abs(samples).max() == pytest.approx(0.95, abs=0.01)
    picture = audio_clips.png(wav(chirp(1.0)), 120, 60)
    assert picture is not None
    assert picture.startswith(b"\x89PNG")
    assert audio_clips.png(b"no sound", 120, 60) is None


def test_components_take_the_place_of_the_other_features(words: list[bytes]) -> None:
    plain, schema = learned(words, features=("mfcc", "level")), learned(words, features=("mfcc", "level", "pca"))
    rank = schema["components"]["rank"]
    before, dense = run(plain, "dense", *words).astype(np.float64), run(schema, "dense", *words)
    assert dense.shape == (len(words), rank)
    values = np.linalg.svd(before - before.mean(0), compute_uv=False) ** 2
    np.testing.assert_allclose(np.square(dense.astype(np.float64)).sum(0), values[:rank], rtol=0.02)
    np.testing.assert_array_equal(run(schema, "trees", *words)[:, -rank:], dense)
    assert learned(words, features=("pca",))["features"] == list(audio_features.WORDS)
    assert "pca: " in schema["reason"]


def test_samples_that_are_no_numbers_are_counted_among_all() -> None:
    samples = np.zeros(8000)
    samples[5] = np.nan
    with pytest.raises(UndecodableError) as error:
        AUDIO.decode(wav(samples, 8000, "float32"), {})
    assert error.value.problem.message == "1 of 8,000 samples are NaN or infinite"
