"""Series: one sample is one sequence, or one window of one: several channels over time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from modelwright.tasks import directions
from modelwright.tasks.abilities import Sketch, Way
from modelwright.tasks.base import Arrays, Encoding, Problem
from modelwright.tasks.modalities.series import measures as series_measures
from modelwright.tasks.modalities.series import plan as series_plan
from modelwright.tasks.modalities.series import reading as series_reading
from modelwright.tasks.modalities.series import sketch as series_sketch
from modelwright.tasks.modalities.series import synthesis as series_synthesis
from modelwright.tasks.places import runs


class Series:
    """The modality ``series``: input ``values`` ``(1, T, C) float32``, NaN for missing, any number of steps T.

    Where training samples have times, there is ``time`` ``(1, T) float64`` beside, in seconds (since 1970, if they are
    moments), NaN where none is given.
    """

    name: ClassVar[str] = "series"
    version: ClassVar[int] = 1
    media_types: ClassVar[tuple[str, ...]] = ("application/json", "text/csv")
    encodings: ClassVar[tuple[Encoding, ...]] = ("dense", "trees")
    feature_words: ClassVar[Mapping[str, str]] = series_plan.WORDS
    learns_from: ClassVar[int] = 2000
    sketch_bytes: ClassVar[int] = series_sketch.SIZE
    unusual: ClassVar[Mapping[str, str]] = {"length": "odd-length", "step": "odd-rate"}
    of_channels: ClassVar[tuple[str, ...]] = series_measures.FIGURES

    def decode(self, raw: bytes, schema: Mapping[str, Any]) -> Arrays:
        """Read JSON ``{"values": {channel: [numbers or null]}, "time": […]}`` or delimited text, one row a step.

        Channels that the schema doesn't have are ignored, those that are not there are missing throughout. With an
        empty schema (while a dataset is being prepared) all channels are given, in the order written, with their names
        in ``channels`` ``(1, C) object``; and ``time`` if there is one.

        Raises
        ------
        UndecodableError
            ``empty``, ``too-large``, ``corrupt``, ``wrong-format`` or ``wrong-type``.
        """
        channels = [channel["name"] for channel in schema.get("channels", ())]
        frame = series_reading.read(raw, channels)
        if channels:
            from modelwright.tasks.modalities.series.learning import arranged

            if not set(frame.names) & set(channels):
                found, right = ", ".join(frame.names[:6]), ", ".join(channels[:6])
                raise series_reading.refuse("wrong-format", f"the channels are {found}; expected are {right}")
            return arranged(frame.names, frame.values, frame.time, schema)
        names = np.empty((1, len(frame.names)), object)
        names[0] = frame.names
        made: Arrays = {"values": frame.values[None], "channels": names}
        if frame.time is not None:
            made["time"] = frame.time[None]
        return made

    def check(self, inputs: Arrays, measures: Mapping[str, NDArray[Any]] | None = None) -> list[Problem]:
        """Return what is odd, each with its figures.

        ``gap``, ``backward-time``, ``repeated-time``, ``irregular-step``, ``bad-time``, ``stuck-sensor``,
        ``constant-channel`` and ``missing-value``.
        """
        return series_measures.check(inputs, self._names(inputs, {}))

    def measure(self, inputs: Arrays, schema: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        """Return ``length``, ``step`` (of timed ones), and of each channel mean, std, min, max, missing, stuck."""
        names = self._names(inputs, schema)
        return series_measures.measure(inputs, names if schema else names[: series_measures.UNKNOWN_CHANNELS])

    def _names(self, inputs: Arrays, schema: Mapping[str, Any]) -> list[str]:
        if "channels" in schema:
            return [str(channel["name"]) for channel in schema["channels"]]
        if "channels" in inputs:
            return [str(name) for name in inputs["channels"][0]]
        return [f"channel {place}" for place in range(1, inputs["values"].shape[2] + 1)]

    def learn(self, batches: Iterable[Any], settings: Mapping[str, Any]) -> dict[str, Any]:
        """Learn channels, their scale, length, step, and which features to make.

        Parameters
        ----------
        batches
            What :meth:`decode` gives with an empty schema, or lists of such; read once.
        settings
            ``features``: ``auto`` or words of :attr:`feature_words`; ``samples``: how many there are, where the batches
            are but a part of them.

        Returns
        -------
        dict
            ``channels`` (name, mean, std, low, high, missing share), ``timed``, ``calendar`` (times are moments),
            ``step`` (seconds, or None), ``length`` (typical, shortest, longest), ``features`` (words) with their sizes
            ``autocorrelations``, ``frame``, ``bands``, ``segments``, ``lags``; ``reach`` (gaps are filled over up to
            2^reach steps), ``scale`` (mean and std of every feature), ``samples``, ``reason``.
        """
        from modelwright.tasks.modalities.series import learning as series_learning

        return series_learning.learn(batches, settings)

    def graph(self, schema: Mapping[str, Any], encoding: Encoding) -> Any:
        """Return ``values`` (and ``time``) → ``features (n, d) float32``; see :mod:`series_graph`."""
        from modelwright.tasks.modalities.series import graph as series_graph

        return series_graph.dense(schema) if encoding == "dense" else series_graph.trees(schema)

    def describe(self, schema: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the tensors; ``channels`` names the last axis of ``values``."""
        names = [channel["name"] for channel in schema["channels"]]
        made: list[dict[str, Any]] = [
            {"name": "values", "dtype": "float32", "shape": [-1, -1, len(names)], "channels": names}
        ]
        if schema["timed"]:
            made.append({"name": "time", "dtype": "float64", "shape": [-1, -1]})
        return made

    def feature_names(self, schema: Mapping[str, Any], encoding: Encoding) -> list[str]:
        """Return ``mean of pressure``, ``slope of pressure``, ``correlation of pressure and flow``, … in order."""
        along = directions.names(directions.learned(schema))
        if encoding == "trees":
            return [*series_plan.names(schema), *along]
        return along or series_plan.names(schema)

    def feature_parts(self, schema: Mapping[str, Any]) -> dict[str, list[int]]:
        """Return where the ``dense`` features of each word are."""
        if found := directions.learned(schema):
            return {"pca": list(range(int(found["rank"])))}
        return runs({word: len(series_plan.names_of(word, schema)) for word in schema["features"]})

    ways: ClassVar[Mapping[str, Way]] = series_synthesis.WAYS

    def synthesize(self, raws: Sequence[bytes], way: str, random: np.random.Generator) -> bytes:
        """Return the canonical JSON of a new sequence; see :mod:`.synthesis`. Its times are the first one's."""
        frame = series_reading.read(raws[0])
        others = [series_reading.read(raw, frame.names) for raw in raws[1:]]
        frames = [frame.values, *(each.values for each in others)]
        made = series_synthesis.synthesize([values.astype(np.float64) for values in frames], way, random)
        return series_reading.written(frame.names, made, frame.time)

    def sketch(self, inputs: Arrays) -> Sketch:
        """Return hash, levels of the first 16 channels and shapes of the first six."""
        return series_sketch.sketch(inputs)

    def alike(self, one: bytes, other: bytes, agreement: float) -> bool:
        """Say whether two sketches are of one recording, changed little."""
        return series_sketch.alike(one, other, agreement)

    def vectors(self, sketches: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return ``(n, 193) float32``: levels, deviations, mean steps, length and shapes."""
        return series_sketch.vectors(sketches)
