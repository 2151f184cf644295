"""Sound's preprocessing as ONNX graphs: spectrum, mel bands, and what is learned from them.

The Fourier transform is a convolution with windowed sines and cosines and not the operator ``STFT``: onnxruntime's is
five times slower, and its result differs from torch's by 0.03 of a logarithm where this one differs by less than 0.001.
Bands and cosine transform are matrices from the left, so that a sample's sums do not depend on who else is in the
batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from modelwright.tasks import directions
from modelwright.tasks.modalities.audio import features as audio_features
from modelwright.tasks.modalities.audio.spectrum import FLOOR, bands, cosines, hann
from modelwright.tasks.onnx_build import Build, model

SHOWN = 80.0
"""Decibels below the loudest point that a picture shows."""
_TO_DECIBELS = 10.0 / np.log(10.0)
_NEVER = -1e4
_MOST = 10.0
"""Deviations from the mean beyond which a ``dense`` feature is cut off."""


class _Writer:
    """Collects nodes and constants; every operator's result gets a name of its own."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def constant(self, value: Any, kind: Any = np.float32) -> str:
        """Return the name of a new constant."""
        name = f"k{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def whole(self, *values: int) -> str:
        """Return the name of a new list of whole numbers: axes, shapes."""
        return self.constant(values, np.int64)

    def op(self, kind: str, *inputs: str, result: str = "", **attributes: Any) -> str:
        """Add an operator, and return the name of its result."""
        result = result or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [result], **attributes))
        return result

    def plus(self, one: str, value: Any) -> str:
        """Return ``one + value``."""
        return self.op("Add", one, self.constant(value))

    def times(self, one: str, value: Any) -> str:
        """Return ``one * value``."""
        return self.op("Mul", one, self.constant(value))

    def weighed(self, rows: Any, values: str) -> str:
        """Return ``(n, rows, moments)``: sums over the middle axis of ``(n, k, moments)`` with ``(rows, k)`` weights.

        A matrix from the left is one product a sample; ``ReduceSum`` over a middle axis adds up in another order when
        the batch is one.
        """
        return self.op("MatMul", self.constant(rows), values)

    def clip(self, one: str, low: float, high: float) -> str:
        """Return ``one`` between ``low`` and ``high``."""
        return self.op("Clip", one, self.constant(low), self.constant(high))

    def decibels(self, power: str) -> str:
        """Return decibels of power, cut off below."""
        least = self.op("Max", power, self.constant(10.0 ** (FLOOR / 10.0)))
        return self.times(self.op("Log", least), _TO_DECIBELS)

    def flat(self, value: str) -> str:
        """Return ``(n, …)`` as ``(n, d)``."""
        return self.op("Flatten", value, axis=1)


class _Masked:
    """Statistics over those of ``count`` moments that belong to the sound, of values ``(n, rows, moments)``."""

    def __init__(self, writer: _Writer, count: str, moments: int) -> None:
        self._writer = writer
        self.count = count
        self.moments = moments
        places = writer.constant(np.arange(moments).reshape(1, 1, -1))
        self.mask = writer.op("Cast", writer.op("Less", places, count), to=TensorProto.FLOAT)

    def mean(self, values: str) -> str:
        """Return ``(n, rows, 1)``."""
        kept = self._writer.op("Mul", values, self.mask)
        return self._writer.op("Div", self._writer.op("ReduceSum", kept, self._writer.whole(2)), self.count)

    def deviation(self, values: str, mean: str) -> str:
        """Return ``(n, rows, 1)``."""
        apart = self._writer.op("Sub", values, mean)
        return self._writer.op("Sqrt", self.mean(self._writer.op("Mul", apart, apart)))

    def quantiles(self, values: str, shares: Sequence[float]) -> list[str]:
        """Return ``(n, rows, 1)`` each: the value at the nearest rank among the sound's own moments."""
        write = self._writer
        away = write.times(write.plus(self.mask, -1.0), -_NEVER)
        kept = write.op("Add", write.op("Mul", values, self.mask), away)
        ranked = f"{kept}_ranked"
        write.nodes.append(
            helper.make_node("TopK", [kept, write.whole(self.moments)], [ranked, f"{kept}_places"], axis=2)
        )
        shape = write.op("Concat", write.op("Shape", values, start=0, end=2), write.whole(1), axis=0)
        found = []
        for share in shares:
            rank = write.op("Floor", write.plus(write.times(write.plus(self.count, -1.0), 1.0 - share), 0.5))
            place = write.op("Expand", write.op("Cast", rank, to=TensorProto.INT64), shape)
            found.append(write.op("GatherElements", ranked, place, axis=2))
        return found


def _spectrum(write: _Writer, schema: Mapping[str, Any]) -> str:
    """Return ``(n, 2 · bins, frames)``: squares of the real, then of the imaginary parts; a full-scale sine gives 1."""
    width, hop = int(schema["window"]), int(schema["hop"])
    window = hann(width) * (2.0 / hann(width).sum())
    angles = 2.0 * np.pi * (np.outer(np.arange(width // 2 + 1), np.arange(width)) % width) / width
    kernel = np.concatenate([np.cos(angles), np.sin(angles)]) * window
    sound = write.op("Unsqueeze", "sound", write.whole(1))
    waves = write.op("Conv", sound, write.constant(kernel[:, None, :]), strides=[hop])
    return write.op("Mul", waves, waves)


def _bands(write: _Writer, schema: Mapping[str, Any], squares: str, *, upside_down: bool = False) -> str:
    """Return ``(n, bands, frames)`` power in mel bands."""
    weights = bands(
        int(schema["rate"]), int(schema["window"]), int(schema["bands"]), float(schema["low"]), float(schema["high"])
    )
    if upside_down:
        weights = weights[::-1]
    return write.weighed(np.concatenate([weights, weights], axis=1), squares)


def _count(write: _Writer, schema: Mapping[str, Any]) -> str:
    """Return ``(n, 1, 1)``: how many windows lie in the sound itself and not in the silence behind it, 1 at least."""
    valid = write.op("Slice", "facts", write.whole(0), write.whole(1), write.whole(1))
    steps = write.times(write.plus(valid, -float(schema["window"])), 1.0 / float(schema["hop"]))
    count = write.clip(write.plus(write.op("Floor", steps), 1.0), 1.0, float(schema["frames"]))
    return write.op("Unsqueeze", count, write.whole(2))


def pixels(schema: Mapping[str, Any]) -> ModelProto:
    """Return the graph to ``(n, bands, columns, 3) uint8``: the log-mel spectrogram as a picture, low sounds below.

    Red is the level below the loudest point, from -80 dB to 0; green the level beside the band's own mean, which leaves
    microphone and room out, ±40 dB around 128; blue the change over time, ±40 dB a step around 128. Behind the
    sound's end it is dark red, and 128.
    """
    write = _Writer()
    power = _bands(write, schema, _spectrum(write, schema), upside_down=True)
    pool, columns = int(schema["pool"]), int(schema["frames"]) // int(schema["pool"])
    count = _count(write, schema)
    if pool > 1:
        power = write.op("AveragePool", power, kernel_shape=[pool], strides=[pool])
        count = write.op("Ceil", write.times(count, 1.0 / pool))
    over = _Masked(write, count, columns)
    levels = write.decibels(power)
    loudest = write.op("ReduceMax", levels, write.whole(1, 2))
    below = write.times(write.plus(write.op("Sub", levels, loudest), SHOWN), 1.0 / SHOWN)
    red = write.op("Mul", write.clip(below, 0.0, 1.0), over.mask)
    beside = write.op("Mul", write.op("Sub", levels, over.mean(levels)), over.mask)
    green = write.plus(write.times(beside, 1.0 / SHOWN), 128.0 / 255.0)
    wide = write.op("Pad", red, write.whole(0, 0, 1, 0, 0, 1), mode="edge")
    later = write.op("Slice", wide, write.whole(2), write.whole(columns + 2), write.whole(2))
    sooner = write.op("Slice", wide, write.whole(0), write.whole(columns), write.whole(2))
    blue = write.plus(write.times(write.op("Sub", later, sooner), 0.5), 128.0 / 255.0)
    planes = [write.op("Unsqueeze", each, write.whole(3)) for each in (red, green, blue)]
    picture = write.clip(write.times(write.op("Concat", *planes, axis=3), 255.0), 0.0, 255.0)
    write.op("Cast", write.op("Round", picture), to=TensorProto.UINT8, result="features")
    return _model("audio_pixels", write, schema, TensorProto.UINT8, [int(schema["bands"]), columns, 3])


def flat(schema: Mapping[str, Any], *, scaled: bool) -> ModelProto:
    """Return the graph to ``(n, d) float32``: statistics over the sound's course, by the words in ``features``.

    ``scaled``: each less its mean over its deviation as the schema has them, cut off at ±10 (``dense``). Principal
    components take their place there, and stand behind them else.
    """
    write = _Writer()
    squares = _spectrum(write, schema)
    power = _bands(write, schema, squares)
    over = _Masked(write, _count(write, schema), int(schema["frames"]))
    levels = write.decibels(power)
    words = {
        "level": lambda: _level(write, over, power, schema),
        "log-mel": lambda: _log_mel(write, over, levels, schema),
        "mfcc": lambda: _moments(over, _cepstrum(write, schema, levels)),
        "delta": lambda: _delta(write, over, _cepstrum(write, schema, levels)),
        "course": lambda: _course(write, over, _cepstrum(write, schema, levels, first=0)),
        "stft": lambda: _shape(write, over, squares, schema),
    }
    pieces = [piece for word in schema["features"] if word in words for piece in words[word]()]
    features = write.op("Concat", *[write.flat(piece) for piece in pieces], axis=1)
    width = len(audio_features.names(schema))
    found = directions.learned(schema)
    if scaled or found:
        apart = write.op("Sub", features, write.constant(schema["centre"]))
        usual = write.clip(write.times(apart, schema["scale"]), -_MOST, _MOST)
        if found:
            usual = directions.along(Build(write.nodes, write.constants), usual, found)
            width = int(found["rank"]) + (0 if scaled else width)
        features = usual if scaled else write.op("Concat", features, usual, axis=1)
    write.op("Identity", features, result="features")
    return _model("audio_dense" if scaled else "audio_trees", write, schema, TensorProto.FLOAT, [width])


def _level(write: _Writer, over: _Masked, power: str, schema: Mapping[str, Any]) -> list[str]:
    levels = write.decibels(write.weighed(np.ones((1, int(schema["bands"]))), power))
    mean = over.mean(levels)
    valid = write.op("Slice", "facts", write.whole(0), write.whole(1), write.whole(1))
    seconds = write.times(valid, 1.0 / float(schema["rate"]))
    return [mean, over.deviation(levels, mean), *over.quantiles(levels, audio_features.SHARES), seconds]


def _log_mel(write: _Writer, over: _Masked, levels: str, schema: Mapping[str, Any]) -> list[str]:
    """Return each band's mean and quantiles beside the mean of all bands, and its deviation."""
    mean = over.mean(levels)
    count = int(schema["bands"])
    whole = write.weighed(np.full((1, count), 1.0 / count), mean)
    low, high = over.quantiles(levels, audio_features.BAND_SHARES)
    beside = [write.op("Sub", each, whole) for each in (mean, low, high)]
    return [beside[0], over.deviation(levels, mean), *beside[1:]]


def _cepstrum(write: _Writer, schema: Mapping[str, Any], levels: str, first: int = 1) -> str:
    count = audio_features.coefficients(schema) if first else min(audio_features.COURSE_ROWS, int(schema["bands"]))
    rows = cosines(count, int(schema["bands"]))[first:]
    return write.weighed(rows, levels)


def _moments(over: _Masked, values: str) -> list[str]:
    mean = over.mean(values)
    return [mean, over.deviation(values, mean)]


def _delta(write: _Writer, over: _Masked, values: str) -> list[str]:
    """Return the mean magnitude of the steps from one moment to the next."""
    wide = write.op("Pad", values, write.whole(0, 0, 1, 0, 0, 0), mode="edge")
    sooner = write.op("Slice", wide, write.whole(0), write.whole(over.moments), write.whole(2))
    return [over.mean(write.op("Abs", write.op("Sub", values, sooner)))]


def _course(write: _Writer, over: _Masked, values: str) -> list[str]:
    """Return values around evenly spaced points of the sound, from its begin to its end, less their mean over time.

    A Gaussian around each point as wide as they lie apart, so that a sound of one moment has a course too.
    """
    points = audio_features.POINTS
    places = write.constant((np.arange(over.moments) + 0.5).reshape(1, -1, 1))
    share = write.op("Div", places, over.count)
    apart = write.times(write.plus(share, -((np.arange(points) + 0.5) / points).reshape(1, 1, -1)), float(points))
    near = write.op("Exp", write.op("Neg", write.op("Mul", apart, apart)))
    kept = write.op("Mul", near, write.op("Transpose", over.mask, perm=[0, 2, 1]))
    weights = write.op("Div", kept, write.weighed(np.ones((1, over.moments)), kept))
    return [write.op("Sub", write.op("MatMul", values, weights), over.mean(values))]


def _shape(write: _Writer, over: _Masked, squares: str, schema: Mapping[str, Any]) -> list[str]:
    """Return mean and deviation of centroid and bandwidth (kHz) and of flatness (dB)."""
    bins = int(schema["window"]) // 2 + 1
    real = write.op("Slice", squares, write.whole(0), write.whole(bins), write.whole(1))
    imaginary = write.op("Slice", squares, write.whole(bins), write.whole(2 * bins), write.whole(1))
    power = write.plus(write.op("Add", real, imaginary), 1e-12)
    total = write.weighed(np.ones((1, bins)), power)
    kilohertz = np.arange(bins)[None, :] * (int(schema["rate"]) / int(schema["window"]) / 1000.0)
    centroid = write.op("Div", write.weighed(kilohertz, power), total)
    apart = write.op("Sub", write.constant(kilohertz[:, :, None]), centroid)
    spread = write.weighed(np.ones((1, bins)), write.op("Mul", power, write.op("Mul", apart, apart)))
    bandwidth = write.op("Sqrt", write.op("Div", spread, total))
    geometric = write.weighed(np.full((1, bins), 1.0 / bins), write.op("Log", power))
    arithmetic = write.op("Log", write.times(total, 1.0 / bins))
    flatness = write.times(write.op("Sub", geometric, arithmetic), _TO_DECIBELS)
    return [piece for values in (centroid, bandwidth, flatness) for piece in _moments(over, values)]


def _model(name: str, write: _Writer, schema: Mapping[str, Any], kind: int, shape: Sequence[int]) -> ModelProto:
    length = audio_features.length(schema)
    inputs = [
        helper.make_tensor_value_info("sound", TensorProto.FLOAT, ["n", length]),
        helper.make_tensor_value_info("facts", TensorProto.FLOAT, ["n", len(audio_features.FACTS)]),
    ]
    outputs = [helper.make_tensor_value_info("features", kind, ["n", *shape])]
    return model(name, write.nodes, inputs, outputs, write.constants)


def run(graph: ModelProto, samples: Iterable[Mapping[str, NDArray[Any]]]) -> NDArray[np.float32]:
    """Return ``(n, d)`` features of decoded samples, one after the other; for learning their usual size."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(deterministic=True), options, providers=["CPUExecutionProvider"]
    )
    return np.concatenate([session.run(["features"], dict(sample))[0] for sample in samples])
