"""The series' preprocessing as an ONNX graph: any number of samples, any number of steps.

Channels are standardised by training, gaps filled forward, and all features taken from what results. Filling forward
has no operator of its own: the place of the last known value is a running maximum, made by doubling shifts (Hillis and
Steele 1986, "Data parallel algorithms"). The spectrum is a windowed DFT written as a convolution (Welch 1967), which
onnxruntime runs several times as fast as its DFT.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from modelwright.tasks import directions
from modelwright.tasks.base import Encoding
from modelwright.tasks.modalities.series import plan as series_plan
from modelwright.tasks.onnx_build import Build, model

LIMIT = 1e4
"""Deviations from the mean that a value counts at most: absurd ones must not overflow."""
DENSE_LIMIT = 10.0
TINY = 1e-12
ENERGY_FLOOR = 1e-6


class _Build:
    """Nodes and constants as they come, and the tensors that several features share."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema = schema
        self.channels = len(schema["channels"])
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, TensorProto] = {}
        self._count = 0

    def node(self, kind: str, inputs: Sequence[str], name: str = "", **attributes: Any) -> str:
        if not name:
            self._count += 1
            name = f"{kind.lower()}_{self._count}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, values: Any, kind: Any = np.float32) -> str:
        array = np.asarray(values, kind)
        name = f"constant_{array.dtype}_{'x'.join(map(str, array.shape))}_{len(self.constants)}"
        for known, tensor in self.constants.items():
            if _equal(numpy_helper.to_array(tensor), array):
                return known
        self.constants[name] = numpy_helper.from_array(array, name)
        return name

    def whole(self, *values: int) -> str:
        return self.constant(list(values), np.int64)

    def mean(self, source: str, name: str = "", lines: int = 0) -> str:
        """Return the mean over the steps of ``(n, lines, T)``; ``lines`` are as many as channels unless given."""
        return self._reduced("ReduceMean", source, name, lines or self.channels)

    def sum(self, source: str, name: str = "") -> str:
        return self._reduced("ReduceSum", source, name, self.channels)

    def _reduced(self, kind: str, source: str, name: str, lines: int) -> str:
        """Reduce the steps; a single line is doubled first.

        onnxruntime adds up a lone line in another order than one of several, and then a sample's last digits would
        depend on who else is in the batch.
        """
        if lines > 1:
            return self.node(kind, [source, self.whole(2)], name, keepdims=1)
        both = self.node(kind, [self.node("Concat", [source, source], axis=1), self.whole(2)], keepdims=1)
        return self.node("Slice", [both, self.whole(0), self.whole(1), self.whole(1)], name)

    def shifted(self, source: str, by: int, *, edge: bool = False, filling: str = "") -> str:
        """Return ``source`` moved ``by`` steps later: its first steps are ``filling`` (0), or the first value."""
        pads = self.whole(0, 0, by, 0, 0, 0)
        inputs = [source, pads, *([filling] if filling else [])]
        padded = self.node("Pad", inputs, mode="edge" if edge else "constant")
        return self.node("Slice", [padded, self.whole(0), self.whole(-by), self.whole(2)])

    def share(self, mask: str) -> str:
        return self.node("Cast", [mask], to=TensorProto.FLOAT)

    def flat(self, source: str, per_channel: int) -> str:
        """Return ``(n, C, q)`` as ``(n, C·q)``."""
        return self.node("Reshape", [source, self.whole(-1, per_channel * self.channels)])


def _equal(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and bool((one == other).all())


def trees(schema: Mapping[str, Any]) -> ModelProto:
    """Return the graph to ``features (n, d) float32``; NaN only where times are missing."""
    build = _Build(schema)
    features = _features(build)
    if found := directions.learned(schema):
        build.node("Concat", [features, _along(build, _scaled(build, features), found)], "features", axis=1)
    else:
        build.node("Identity", [features], "features")
    return _model("series_trees", build, "trees")


def dense(schema: Mapping[str, Any]) -> ModelProto:
    """Return the graph to ``features (n, d) float32``: standardised by training, within ±10, none missing."""
    build = _Build(schema)
    features = _scaled(build, _features(build))
    found = directions.learned(schema)
    build.node("Identity", [_along(build, features, found) if found else features], "features")
    return _model("series_dense", build, "dense")


def _scaled(build: _Build, features: str) -> str:
    scale = build.schema["scale"]
    centred = build.node("Sub", [features, build.constant([scale["mean"]])])
    scaled = build.node("Div", [centred, build.constant([scale["std"]])])
    known = build.node("Where", [build.node("IsNaN", [scaled]), build.constant(0.0), scaled])
    return build.node("Clip", [known, build.constant(-DENSE_LIMIT), build.constant(DENSE_LIMIT)])


def _along(build: _Build, features: str, found: Mapping[str, Any]) -> str:
    """Return the features along the directions in which training differs most."""
    named = Build(build.nodes)
    made = directions.along(named, features, found)
    build.constants |= {each.name: each for each in named.constants}
    return made


def _model(name: str, build: _Build, encoding: Encoding) -> ModelProto:
    schema = build.schema
    inputs = [helper.make_tensor_value_info("values", TensorProto.FLOAT, ["n", "steps", build.channels])]
    if schema["timed"]:
        inputs.append(helper.make_tensor_value_info("time", TensorProto.DOUBLE, ["n", "steps"]))
    width = len(series_plan.names(schema))
    if found := directions.learned(schema):
        width = int(found["rank"]) + (width if encoding == "trees" else 0)
    outputs = [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", width])]
    return model(name, build.nodes, inputs, outputs, list(build.constants.values()))


def _features(build: _Build) -> str:
    _fill(build)
    build.mean("filled", "mean")
    build.node("Sub", ["filled", "mean"], "centred")
    squares = build.node("Mul", ["centred", "centred"])
    build.mean(squares, "variance")
    build.node("Sqrt", [build.node("Add", ["variance", build.constant(TINY)])], "deviation")
    parts = [_MAKERS[word](build) for word in build.schema["features"] if word in _MAKERS]
    return parts[0] if len(parts) == 1 else build.node("Concat", parts, axis=1)


def _fill(build: _Build) -> None:
    """Make ``filled (n, C, T)``: standardised, the last known value for a missing one, or else the mean of all."""
    schema = build.schema
    shape = build.node("Shape", ["values"])
    build.node("Gather", [shape, build.whole(1)], "steps_1")  # (1,)
    build.node("Squeeze", ["steps_1", build.whole(0)], "steps")
    build.node("Gather", [shape, build.whole(0)], "samples_1")
    build.node("Cast", ["steps"], "steps_float", to=TensorProto.FLOAT)
    build.node("Transpose", ["values"], "lines", perm=[0, 2, 1])
    build.node("IsNaN", ["lines"], "missing")
    means = build.constant([[[channel["mean"]] for channel in schema["channels"]]])
    stds = build.constant([[[channel["std"]] for channel in schema["channels"]]])
    zero = build.constant(0.0)
    scaled = build.node("Div", [build.node("Sub", ["lines", means]), stds])
    bounded = build.node("Clip", [scaled, build.constant(-LIMIT), build.constant(LIMIT)])
    known = build.node("Where", ["missing", zero, bounded])
    count = build.sum(build.share(build.node("Not", ["missing"])), "known_count")
    own = build.node("Div", [build.sum(known), build.node("Max", [count, build.constant(1.0)])])
    one = build.constant(1, np.int64)
    steps = build.node("Range", [build.constant(0, np.int64), "steps", one])
    places = build.node("Unsqueeze", [steps, build.whole(0, 1)])
    none = build.constant(-1, np.int64)
    last = build.node("Where", ["missing", none, places])
    for power in range(int(schema["reach"])):
        last = build.node("Max", [last, build.shifted(last, 1 << power, filling=none)])
    unknown = build.node("Less", [last, build.constant(0, np.int64)])
    safe = build.node("Max", [last, build.constant(0, np.int64)])
    forward = build.node("GatherElements", [known, safe], axis=2)
    build.node("Where", [unknown, own, forward], "filled")


def _statistics(build: _Build) -> str:
    low = build.node("ReduceMin", ["filled", build.whole(2)], keepdims=1)
    high = build.node("ReduceMax", ["filled", build.whole(2)], keepdims=1)
    return build.flat(build.node("Concat", ["mean", "deviation", low, high], axis=2), 4)


def _quantiles(build: _Build) -> str:
    build.nodes.append(
        helper.make_node("TopK", ["filled", "steps_1"], ["ordered", "ordered_places"], axis=2, largest=0, sorted=1)
    )
    last = build.node("Sub", ["steps_float", build.constant(1.0)])
    exact = build.node("Mul", [last, build.constant(series_plan.QUANTILES)])
    places = build.node("Cast", [build.node("Round", [exact])], to=TensorProto.INT64)
    return build.flat(build.node("Gather", ["ordered", places], axis=2), len(series_plan.QUANTILES))


def _trend(build: _Build) -> str:
    one, half = build.constant(1.0), build.constant(0.5)
    span = build.node("Max", [build.node("Sub", ["steps_float", one]), one])
    steps = build.node("Range", [build.constant(0.0), "steps_float", one])
    middle = build.node("Mul", [build.node("Sub", ["steps_float", one]), half])
    offsets = build.node("Div", [build.node("Sub", [steps, middle]), span])
    along = build.node("Unsqueeze", [offsets, build.whole(0, 1)])
    top = build.sum(build.node("Mul", [along, "centred"]))
    bottom = build.sum(build.node("Mul", [along, along]))
    slope = build.node("Div", [top, build.node("Max", [bottom, build.constant(TINY)])])
    first = build.node("Gather", ["filled", build.whole(0)], axis=2)
    last = build.node("Gather", ["filled", build.whole(-1)], axis=2)
    return build.flat(build.node("Concat", [slope, build.node("Sub", [last, first])], axis=2), 2)


def _differences(build: _Build) -> str:
    steps = build.node("Sub", ["filled", build.shifted("filled", 1, edge=True)])  # the first is 0
    size = build.node("Abs", [steps])
    spread = build.node(
        "Sqrt", [build.node("Add", [build.mean(build.node("Mul", [steps, steps])), build.constant(TINY)])]
    )
    largest = build.node("ReduceMax", [size, build.whole(2)], keepdims=1)
    same = build.mean(build.share(build.node("Equal", [steps, build.constant(0.0)])))
    turned = build.node("Mul", ["centred", build.shifted("centred", 1, edge=True)])
    crossed = build.mean(build.share(build.node("Less", [turned, build.constant(0.0)])))
    return build.flat(build.node("Concat", [build.mean(size), spread, largest, same, crossed], axis=2), 5)


def _autocorrelation(build: _Build) -> str:
    lags = build.schema["autocorrelations"]
    bottom = build.node("Add", [build.node("Mul", ["variance", "steps_float"]), build.constant(1e-6)])
    parts = []
    for lag in lags:
        product = build.node("Mul", ["centred", build.shifted("centred", lag)])
        parts.append(build.node("Div", [build.sum(product), bottom]))
    joined = parts[0] if len(parts) == 1 else build.node("Concat", parts, axis=2)
    return build.flat(joined, len(lags))


def _spectrum(build: _Build) -> str:
    schema, channels = build.schema, build.channels
    frame, bands = int(schema["frame"]), schema["bands"]
    lines = build.node("Reshape", ["centred", build.node("Concat", [build.whole(-1, 1), "steps_1"], axis=0)])
    lacking = build.node("Max", [build.node("Sub", [build.whole(frame), "steps_1"]), build.whole(0)])
    lines = build.node("Pad", [lines, build.node("Concat", [build.whole(0, 0, 0, 0, 0), lacking], axis=0)])
    waves, gather = spectrum_kernels(frame, bands)
    parts = build.node("Conv", [lines, build.constant(waves)], strides=[max(1, frame // 2)], kernel_shape=[frame])
    power = build.node("Mul", [parts, parts])
    banded = build.node("Conv", [power, build.constant(gather)], kernel_shape=[1])
    mean = build.node("ReduceMean", [banded, build.whole(2)], keepdims=0)
    energy = build.node("Log", [build.node("Add", [mean, build.constant(ENERGY_FLOOR)])])
    return build.node("Reshape", [energy, build.whole(-1, channels * len(bands))])


def spectrum_kernels(frame: int, bands: Sequence[Sequence[int]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the windowed waves ``(2·frame/2, 1, frame)`` and the bands' sums ``(bands, 2·frame/2, 1)``.

    The window is Hann's, scaled so that a band's energy does not depend on the frame's length.
    """
    bins = frame // 2
    window = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(frame) + 0.5) / frame)
    window /= math.sqrt(float((window**2).sum()))
    angle = 2 * np.pi * np.outer(np.arange(1, bins + 1), np.arange(frame)) / frame
    waves = np.concatenate([np.cos(angle), np.sin(angle)]) * window
    gather = np.zeros((len(bands), 2 * bins, 1))
    for row, (low, high) in enumerate(bands):
        gather[row, low - 1 : high] = gather[row, bins + low - 1 : bins + high] = 1.0
    return waves[:, None].astype(np.float32), gather.astype(np.float32)


def _shape(build: _Build) -> str:
    count = int(build.schema["segments"])
    sums = build.node("CumSum", [build.node("Cast", ["filled"], to=TensorProto.DOUBLE), build.constant(2, np.int64)])
    sums = build.node("Pad", [sums, build.whole(0, 0, 1, 0, 0, 0)])
    size = build.whole(count)
    low = build.node("Div", [build.node("Mul", [build.whole(*range(count)), "steps_1"]), size])
    high = build.node("Div", [build.node("Mul", [build.whole(*range(1, count + 1)), "steps_1"]), size])
    high = build.node("Max", [high, build.node("Add", [low, build.whole(1)])])
    length = build.node("Cast", [build.node("Sub", [high, low])], to=TensorProto.DOUBLE)
    inside = build.node("Sub", [build.node("Gather", [sums, high], axis=2), build.node("Gather", [sums, low], axis=2)])
    mean = build.node("Div", [inside, build.node("Unsqueeze", [length, build.whole(0, 1)])])
    return build.flat(build.node("Cast", [mean], to=TensorProto.FLOAT), count)


def _lags(build: _Build) -> str:
    count = int(build.schema["lags"])
    padded = build.node("Pad", ["filled", build.whole(0, 0, count, 0, 0, 0)], mode="edge")
    last = build.node("Slice", [padded, build.whole(-count), build.whole(np.iinfo(np.int64).max), build.whole(2)])
    return build.flat(last, count)


def _correlations(build: _Build) -> str:
    chosen = series_plan.pairs(build.channels)
    one, other = (build.whole(*(pair[side] for pair in chosen)) for side in (0, 1))
    product = build.node(
        "Mul", [build.node("Gather", ["centred", one], axis=1), build.node("Gather", ["centred", other], axis=1)]
    )
    scale = build.node(
        "Mul", [build.node("Gather", ["deviation", one], axis=1), build.node("Gather", ["deviation", other], axis=1)]
    )
    found = build.node(
        "Div", [build.mean(product, lines=len(chosen)), build.node("Add", [scale, build.constant(1e-6)])]
    )
    return build.node("Reshape", [found, build.whole(-1, len(chosen))])


def _missing(build: _Build) -> str:
    share = build.node("Sub", [build.constant(1.0), build.node("Div", ["known_count", "steps_float"])])
    return build.flat(share, 1)


def _length(build: _Build) -> str:
    size = build.node("Concat", ["samples_1", build.whole(1)], axis=0)
    return build.node("Expand", [build.node("Log", ["steps_float"]), size])


def _time(build: _Build) -> str:
    first = build.node("Gather", ["time", build.whole(0)], axis=1)
    length = build.node("Sub", [_end(build), first])
    one = build.constant(1.0, np.float64)
    steps = build.node("Max", [build.node("Sub", [build.node("Cast", ["steps"], to=TensorProto.DOUBLE), one]), one])
    before = build.node(
        "Slice",
        [
            build.node("Pad", ["time", build.whole(0, 1, 0, 0)], mode="edge"),
            build.whole(0),
            build.whole(-1),
            build.whole(1),
        ],
    )
    gaps = build.node("Sub", ["time", before])
    zero = build.constant(0.0, np.float64)
    known = build.node("Where", [build.node("IsNaN", [gaps]), zero, gaps])
    largest = build.node("ReduceMax", [known, build.whole(1)], keepdims=1)
    joined = build.node("Concat", [length, build.node("Div", [length, steps]), largest], axis=1)
    size = build.node("Log", [build.node("Add", [build.node("Abs", [joined]), build.constant(1e-3, np.float64)])])
    return build.node("Cast", [size], to=TensorProto.FLOAT)


def _end(build: _Build) -> str:
    """Return the last step's time ``(n, 1)``."""
    return build.node("Gather", ["time", build.whole(-1)], axis=1)


def _calendar(build: _Build) -> str:
    end = _end(build)
    parts = []
    for length, offset in ((86400.0, 0.0), (7 * 86400.0, 3 * 86400.0)):  # 1 January 1970 was a Thursday
        period = build.constant(length, np.float64)
        moved = build.node("Add", [end, build.constant(offset, np.float64)])
        turn = build.node("Div", [build.node("Mod", [moved, period], fmod=1), period])
        angle = build.node("Mul", [build.node("Cast", [turn], to=TensorProto.FLOAT), build.constant(2 * math.pi)])
        parts += [build.node("Sin", [angle]), build.node("Cos", [angle])]
    return build.node("Concat", parts, axis=1)


_MAKERS: Mapping[str, Callable[[_Build], str]] = {
    "statistics": _statistics,
    "quantiles": _quantiles,
    "trend": _trend,
    "differences": _differences,
    "autocorrelation": _autocorrelation,
    "spectrum": _spectrum,
    "shape": _shape,
    "lags": _lags,
    "correlations": _correlations,
    "missing": _missing,
    "length": _length,
    "time": _time,
    "calendar": _calendar,
}
