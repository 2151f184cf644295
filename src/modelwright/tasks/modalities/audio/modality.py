"""Sounds: files of any rate and number of channels to one channel at one rate, and from there to spectra.

A sound is decoded to samples outside of the graph (:mod:`.files`), brought to the
schema's rate and length, and everything after it is in the graph, so that training and production hear alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from modelwright.errors import InputError
from modelwright.tasks import directions
from modelwright.tasks.abilities import Sketch, Way
from modelwright.tasks.base import Arrays, Encoding, Problem
from modelwright.tasks.modalities.audio import clips as audio_clips
from modelwright.tasks.modalities.audio import features as audio_features
from modelwright.tasks.modalities.audio import files as audio_files
from modelwright.tasks.modalities.audio import measures as audio_measures
from modelwright.tasks.modalities.audio import sketch as audio_sketch
from modelwright.tasks.modalities.audio import synthesis as audio_synthesis
from modelwright.tasks.modalities.audio.resample import resample
from modelwright.tasks.places import runs

LONGEST = 10.0
"""Seconds that a model listens to at most: of a longer sound the loudest stretch."""
SHORTEST = 0.2
USUAL_RATE = 16_000
"""What speech, machines and most of nature need, Hz."""
RATES = (16_000, 24_000, 32_000, 48_000)
COLUMNS = 128
"""Most columns of the picture."""
_KEPT = 48_000_000
"""Samples kept while learning, two bytes each."""
_TOGETHER = 1 << 20
"""Samples that are squared at a time."""
_HIGH_PITCHED = 0.1
"""Share of sounds with power above what a rate can carry from which a higher rate is taken."""


class Audio:
    """The modality ``audio``: inputs ``sound`` ``(1, length) float32`` and ``facts`` ``(1, 15) float32``."""

    name: ClassVar[str] = "audio"
    version: ClassVar[int] = 1
    media_types: ClassVar[tuple[str, ...]] = (
        "audio/wav",
        "audio/x-wav",
        "audio/wave",
        "audio/vnd.wave",
        "audio/flac",
        "audio/x-flac",
        "audio/ogg",
        "audio/mpeg",
        "audio/mp3",
        "audio/aiff",
        "audio/x-aiff",
    )
    encodings: ClassVar[tuple[Encoding, ...]] = ("pixels", "dense", "trees")
    feature_words: ClassVar[Mapping[str, str]] = audio_features.WORDS
    sketch_bytes: ClassVar[int] = audio_sketch.BYTES
    unusual: ClassVar[Mapping[str, str]] = {"rate": "odd-rate", "seconds": "odd-length"}
    uniform: ClassVar[Mapping[str, tuple[str, str]]] = {
        "rate": ("mixed-rates", "all are brought to one, and those of a low rate have no high tones"),
        "channels": ("mixed-channels", "they are joined into one"),
    }
    carried: ClassVar[tuple[str, ...]] = ("rate", "channels")

    def decode(self, raw: bytes, schema: Mapping[str, Any]) -> Arrays:
        """Return ``{"sound": (1, length) float32, "facts": (1, 15) float32}``.

        ``sound`` is one channel, full scale 1, at the schema's rate, cut to its loudest stretch or filled up with
        silence behind; with an empty schema it is whole and at its own rate. ``facts`` says how many samples are the
        sound's own, and what was measured on all of it (:data:`~modelwright.tasks.modalities.audio.features.FACTS`).

        Raises
        ------
        UndecodableError
            ``empty``, ``wrong-format``, ``too-large`` or ``corrupt``.
        """
        found = audio_files.read(raw)
        measures = audio_measures.measure(found)
        samples = found.samples
        if schema:
            samples = brought(samples, found.rate, schema)
        facts = np.array([[len(samples), *measures.values()]], np.float32)
        if schema and len(samples) < audio_features.length(schema):
            samples = np.pad(samples, (0, audio_features.length(schema) - len(samples)))
        return {"sound": samples[None], "facts": facts}

    def check(self, inputs: Arrays, measures: Mapping[str, NDArray[Any]] | None = None) -> list[Problem]:
        """Return remarks: ``silent``, ``clipped``, ``truncated``, ``noisy``."""
        return audio_measures.problems(measures or self.measure(inputs, {}))

    def measure(self, inputs: Arrays, schema: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        """Return ``(n,)`` float64 per name of :data:`~modelwright.tasks.modalities.audio.measures.NAMES`."""
        facts = inputs["facts"].astype(np.float64)
        return {name: facts[:, place] for place, name in enumerate(audio_features.FACTS) if place}

    def learn(self, batches: Iterable[Any], settings: Mapping[str, Any]) -> dict[str, Any]:
        """Choose rate, length and picture, and learn the mean and deviation of every feature.

        Parameters
        ----------
        batches
            Arrays as ``decode`` gives them without a schema, or lists of such; read once.
        settings
            ``features``: words of :attr:`feature_words`, or ``auto``. ``samples`` says how many there are, where the
            batches are but a part of them.

        Returns
        -------
        dict
            ``rate`` (Hz), ``seconds``, ``window`` and ``hop`` (samples), ``frames`` (windows), ``pool`` (frames a
            column), ``bands``, ``low`` and ``high`` (Hz), ``features`` (words), ``centre`` and ``scale`` a feature,
            ``samples``, and ``reason``: how rate and length were chosen.
        """
        words = audio_features.chosen(settings.get("features"))
        pieces: list[tuple[int, NDArray[np.int16]]] = []
        facts: list[NDArray[np.float32]] = []
        kept = 0
        for inputs in _each(batches):
            about = inputs["facts"][0]
            facts.append(about)
            rate = int(about[1 + audio_measures.NAMES.index("rate")])
            piece = loudest(inputs["sound"][0], round(LONGEST * rate))
            if rate > RATES[-1]:
                piece, rate = resample(piece, rate, RATES[-1]), RATES[-1]
            if kept + len(piece) <= _KEPT:
                kept += len(piece)
                pieces.append((rate, np.round(np.clip(piece, -1.0, 1.0) * 32767.0).astype(np.int16)))
        if not facts:
            raise InputError("no sound could be read, so there is nothing to learn from", code="no-samples")
        schema = _sizes(np.array(facts, np.float64))
        schema |= {"features": words, "samples": int(settings.get("samples", len(facts)))}
        schema |= _usual(schema, pieces)
        if "pca" in schema["features"]:
            schema["components"] = _components(schema, pieces)
            schema["reason"] += f"; pca: {schema['components']['reason']}"
        return schema

    def graph(self, schema: Mapping[str, Any], encoding: Encoding) -> Any:
        """Return ``sound``, ``facts`` → ``features``.

        ``pixels``: the log-mel spectrogram as a picture ``(n, bands, columns, 3) uint8``. ``trees`` and ``dense``:
        ``(n, d) float32`` statistics over the sound's course, ``dense`` scaled.
        """
        from modelwright.tasks.modalities.audio import graph as audio_graph

        if encoding == "pixels":
            return audio_graph.pixels(schema)
        return audio_graph.flat(schema, scaled=encoding == "dense")

    def describe(self, schema: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the two input tensors."""
        return [
            {"name": "sound", "dtype": "float32", "shape": [-1, audio_features.length(schema)]},
            {"name": "facts", "dtype": "float32", "shape": [-1, len(audio_features.FACTS)]},
        ]

    def feature_names(self, schema: Mapping[str, Any], encoding: Encoding) -> list[str]:
        """Return ``band 3, mean`` and the like; ``pixels`` has no named features: an empty list."""
        if encoding == "pixels":
            return []
        along = directions.names(directions.learned(schema))
        if encoding == "trees":
            return [*audio_features.names(schema), *along]
        return along or audio_features.names(schema)

    def feature_parts(self, schema: Mapping[str, Any]) -> dict[str, list[int]]:
        """Return where the ``dense`` features of each word are."""
        if found := directions.learned(schema):
            return {"pca": list(range(int(found["rank"])))}
        return runs({word: len(audio_features.names_of(word, schema)) for word in schema["features"]})

    ways: ClassVar[Mapping[str, Way]] = audio_synthesis.WAYS

    def synthesize(self, raws: Sequence[bytes], way: str, random: np.random.Generator) -> bytes:
        """Return a WAV file of one channel at the first sound's rate; see :mod:`.synthesis`."""
        sounds = [audio_files.read(raw) for raw in raws]
        rate = sounds[0].rate
        same = [each.samples if each.rate == rate else resample(each.samples, each.rate, rate) for each in sounds]
        return audio_clips.wav(audio_synthesis.synthesize([each[:, None] for each in same], way, random), rate)

    def sketch(self, inputs: Arrays) -> Sketch:
        """Return the sketch of one sound as decoded without a schema."""
        rate = int(inputs["facts"][0, 1 + audio_measures.NAMES.index("rate")])
        return audio_sketch.sketch(inputs["sound"][0], rate)

    def alike(self, one: bytes, other: bytes, agreement: float) -> bool:
        """Say whether two sketches are of one recording."""
        return audio_sketch.alike(one, other, agreement)

    def vectors(self, sketches: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return ``(n, 192) float32``: the sketches' lower cosine coefficients, and the seconds."""
        return audio_sketch.vectors(sketches)


def _each(batches: Iterable[Any]) -> Iterator[Arrays]:
    for batch in batches:
        yield from batch if isinstance(batch, (list, tuple)) else [batch]


def loudest(samples: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """Return the ``length`` samples in a row that have the most power, by steps of a hundredth of that; all, if fewer.

    Of equally loud ones the first.
    """
    if len(samples) <= length:
        return samples
    step = max(1, length // 100)
    many = step * max(1, _TOGETHER // step)
    pieces = (samples[at : at + many] for at in range(0, len(samples), many))
    power = np.concatenate(
        [np.add.reduceat(np.square(each, dtype=np.float64), np.arange(0, len(each), step)) for each in pieces]
    )
    sums = np.concatenate([[0.0], np.cumsum(power)])
    wide = length // step
    if len(sums) <= wide:
        return samples[:length]
    windows = sums[wide:] - sums[:-wide]
    at = int((windows > windows.max() * (1.0 - 1e-9)).argmax()) * step
    at = min(at, len(samples) - length)
    return samples[at : at + length]


def brought(samples: NDArray[np.float32], rate: int, schema: Mapping[str, Any]) -> NDArray[np.float32]:
    """Return the loudest stretch of a sound at the schema's rate, no longer than the schema's length."""
    wanted, most = int(schema["rate"]), audio_features.length(schema)
    piece = loudest(samples, -(-most * rate // wanted))
    return resample(piece, rate, wanted)[:most]


def _sizes(facts: NDArray[np.float64]) -> dict[str, Any]:
    """Return the part of the schema that follows from rates and lengths."""
    named = dict(zip(audio_features.FACTS, facts.T, strict=True))
    rate, reason = _rate(named["rate"], named["rolloff"])
    usual = float(np.quantile(named["seconds"], 0.95))
    seconds = float(np.clip(usual, SHORTEST, LONGEST))
    reason += f"; 95 % of the sounds are no longer than {usual:.2f} s"
    if seconds < usual:
        reason += f", of longer ones the loudest {LONGEST:g} s are heard"
    window, hop = round(0.025 * rate), round(0.010 * rate)
    frames = max(16, 1 + -(-(round(seconds * rate) - window) // hop))
    pool = -(-frames // COLUMNS)
    # Logarithms come out the same in any batch if a sample's numbers fill whole vector registers of the processor.
    frames = -(-frames // (16 * pool)) * 16 * pool
    return {
        "rate": rate,
        "seconds": round((window + (frames - 1) * hop) / rate, 6),
        "window": window,
        "hop": hop,
        "frames": frames,
        "pool": pool,
        "bands": 40 if rate < USUAL_RATE else 64,
        "low": 50.0,
        "high": rate / 2.0,
        "reason": reason,
    }


def _rate(rates: NDArray[np.float64], rolloffs: NDArray[np.float64]) -> tuple[int, str]:
    """Return the rate to listen at: the recordings' own, but not higher than what is in them asks for."""
    middle = int(np.median(rates))
    if middle <= USUAL_RATE:
        return max(middle, 2000), f"the sounds have {middle:,} samples a second (the median) and keep that rate"
    for rate in RATES:
        if rate >= middle:
            break
        above = float((rolloffs > 0.45 * rate).mean())
        if above <= _HIGH_PITCHED:
            return rate, (
                f"the sounds have {middle:,} samples a second (the median), and {1.0 - above:.0%} of them have their "
                f"power below {0.45 * rate / 1000:.1f} kHz, which {rate:,} carry"
            )
    rate = min(middle, RATES[-1])
    return rate, f"the sounds reach high, so {rate:,} samples a second are kept"


def _usual(schema: dict[str, Any], pieces: list[tuple[int, NDArray[np.int16]]]) -> dict[str, Any]:
    """Return ``centre`` and ``scale``: every feature's mean over sounds, and one over its deviation."""
    from modelwright.tasks.modalities.audio import graph as audio_graph

    features = audio_graph.run(audio_graph.flat(schema, scaled=False), _decoded(schema, pieces)).astype(np.float64)
    centre, spread = features.mean(axis=0), features.std(axis=0)
    # Where all sounds have the same, a tiny deviation would blow rounding errors up to a feature.
    scale = np.where(spread > 1e-3, 1.0 / np.maximum(spread, 1e-3), 0.0)
    return {"centre": [float(f"{each:.6g}") for each in centre], "scale": [float(f"{each:.6g}") for each in scale]}


def _components(schema: dict[str, Any], pieces: list[tuple[int, NDArray[np.int16]]]) -> dict[str, Any]:
    """Return the directions in which the sounds kept differ most, of features as linear models get them."""
    from modelwright.tasks.modalities.audio import graph as audio_graph

    features = audio_graph.run(audio_graph.flat(schema, scaled=True), _decoded(schema, pieces)).astype(np.float64)
    if len(features) < 2:
        return {**directions.none(), "reason": "there are fewer than two sounds"}
    return directions.components(features, audio_features.names(schema))


def _decoded(schema: Mapping[str, Any], pieces: list[tuple[int, NDArray[np.int16]]]) -> Iterator[Arrays]:
    """Yield the graph's inputs of the sounds kept."""
    length = audio_features.length(schema)
    for rate, piece in pieces:
        samples = brought(piece.astype(np.float32) / np.float32(32767.0), rate, schema)
        facts = np.zeros((1, len(audio_features.FACTS)), np.float32)
        facts[0, 0] = len(samples)
        yield {"sound": np.pad(samples, (0, length - len(samples)))[None], "facts": facts}
