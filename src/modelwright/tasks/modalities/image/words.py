"""What may be done to pictures before a model sees them, by word; each is a step of the exported graph.

Steps run in the order of :data:`WORDS` on the picture at the model's size, and give 8-bit RGB again. ``onnx`` is
imported where a graph is built, not where a schema is learned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from modelwright.errors import InputError

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

WORDS: Mapping[str, str] = {
    "small": "the model's input has 64 pixels a side",
    "large": "the model's input has 192 pixels a side",
    "median": "each pixel is the median of its 3 x 3 neighbours: takes out specks",
    "denoise": "a Gaussian of one pixel smooths: takes out sensor noise",
    "grey": "brightness only, where colour says nothing or misleads",
    "edges": "how steep brightness is (Sobel), where light comes and goes",
    "normalise": "each picture's own brightness and contrast are taken out",
}
SIDES: Mapping[str, int] = {"small": 64, "large": 192}
MEAN, SPREAD = 128.0, 48.0
"""Level and deviation (0..255) of normalised pictures."""
EDGE_MEAN, EDGE_SPREAD = 0.1, 0.15
"""Usual level and deviation (0..1) of edges in photographs, by which dense features are scaled."""
_GREYING = frozenset({"grey", "edges"})
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
# A network of exchanges that leaves the median of nine at place 4 (Paeth 1990, "Median finding on a 3 x 3 grid").
_EXCHANGES = (
    *((1, 2), (4, 5), (7, 8), (0, 1), (3, 4), (6, 7), (1, 2), (4, 5), (7, 8), (0, 3), (5, 8), (4, 7), (3, 6), (1, 4)),
    *((2, 5), (4, 7), (4, 2), (6, 4), (4, 2)),
)


def chosen(asked: Any) -> list[str]:
    """Return the words asked for (``auto``: none), in the order of :data:`WORDS`.

    Raises
    ------
    InputError
        For a word that is none of them, and for two sizes.
    """
    if asked is None or asked == "auto":
        return []
    words: Iterable[str] = [asked] if isinstance(asked, str) else asked
    wanted = list(words)
    for word in wanted:
        if word not in WORDS:
            raise InputError(
                f"features: {word!r} is no feature of pictures; there are {', '.join(WORDS)}, or auto",
                code="unknown-feature",
            )
    sides = [word for word in SIDES if word in wanted]
    if len(sides) > 1:
        raise InputError(f"features: {' and '.join(sides)} are two sizes; take one", code="unknown-feature")
    return [word for word in WORDS if word in wanted]


def side(words: Iterable[str]) -> int | None:
    """Return the side that the words ask for, in pixels, or None."""
    return next((SIDES[word] for word in words if word in SIDES), None)


def greying(words: Iterable[str]) -> bool:
    """Say whether only brightness is left."""
    return not _GREYING.isdisjoint(words)


def scaled(words: Iterable[str], mean: float, std: float) -> tuple[float, float]:
    """Return mean and deviation (0..1) of what the steps leave of pictures that have these."""
    known = set(words)
    if "normalise" in known:
        return MEAN / 255, SPREAD / 255
    return (EDGE_MEAN, EDGE_SPREAD) if "edges" in known else (mean, std)


def steps(words: Iterable[str], source: str, result: str) -> tuple[list[NodeProto], list[TensorProto]]:
    """Return nodes from ``source`` to ``result``, both ``(n, h, w, 3) uint8``, and their constants."""
    from onnx import TensorProto, helper, numpy_helper

    node = helper.make_node
    made = [
        node("Cast", [source], ["words_float"], to=TensorProto.FLOAT),
        node("Transpose", ["words_float"], ["words_planes"], perm=[0, 3, 1, 2]),
    ]
    constants: list[TensorProto] = []
    at = "words_planes"
    for word in words:
        builder = {"median": _median, "denoise": _denoise, "grey": _grey, "edges": _edges, "normalise": _normalise}
        if word not in builder:
            continue  # a size, which the resize before has seen to
        nodes, values, at = builder[word](at)
        made += nodes
        constants += [numpy_helper.from_array(value, name) for name, value in values.items()]
    constants += [numpy_helper.from_array(np.float32(value), name) for name, value in _LIMITS.items()]
    made += [
        node("Round", [at], ["words_round"]),
        node("Clip", ["words_round", "words_lowest", "words_highest"], ["words_clipped"]),
        node("Transpose", ["words_clipped"], ["words_pixels"], perm=[0, 2, 3, 1]),
        node("Cast", ["words_pixels"], [result], to=TensorProto.UINT8),
    ]
    return made, constants


_LIMITS = {"words_lowest": 0.0, "words_highest": 255.0}
_Step = tuple[list[Any], dict[str, Any], str]


def _padded(source: str, name: str, by: int) -> tuple[Any, dict[str, Any]]:
    from onnx import helper

    pads = np.array([0, 0, by, by, 0, 0, by, by], np.int64)
    return helper.make_node("Pad", [source, f"{name}_pads"], [f"{name}_wide"], mode="edge"), {f"{name}_pads": pads}


def _median(source: str) -> _Step:
    from onnx import helper

    pad, constants = _padded(source, "median", 1)
    nodes = [pad]
    # -2 + offset would be 0, "to the very end" being another figure, where the offset is 2.
    ends = (-2, -1, np.iinfo(np.int64).max)
    for place in range(9):
        row, column = divmod(place, 3)
        constants[f"median_from_{place}"] = np.array([row, column], np.int64)
        constants[f"median_to_{place}"] = np.array([ends[row], ends[column]], np.int64)
        names = ["median_wide", f"median_from_{place}", f"median_to_{place}", "median_axes"]
        nodes.append(helper.make_node("Slice", names, [f"median_{place}"]))
    constants["median_axes"] = np.array([2, 3], np.int64)
    held = [f"median_{place}" for place in range(9)]
    for number, (low, high) in enumerate(_EXCHANGES):
        pair = [held[low], held[high]]
        held[low], held[high] = f"median_low_{number}", f"median_high_{number}"
        nodes += [helper.make_node("Min", pair, [held[low]]), helper.make_node("Max", pair, [held[high]])]
    return nodes, constants, held[4]


def _denoise(source: str) -> _Step:
    from onnx import helper

    pad, constants = _padded(source, "denoise", 2)
    line = np.exp(-0.5 * np.arange(-2, 3) ** 2)
    kernel = np.outer(line, line) / line.sum() ** 2
    constants["denoise_kernel"] = np.broadcast_to(kernel, (3, 1, 5, 5)).astype(np.float32)
    smooth = helper.make_node("Conv", ["denoise_wide", "denoise_kernel"], ["denoised"], group=3)
    return [pad, smooth], constants, "denoised"


def _grey(source: str) -> _Step:
    from onnx import helper

    mix = np.broadcast_to(_LUMA[None, :, None, None], (3, 3, 1, 1)).astype(np.float32)
    return [helper.make_node("Conv", [source, "grey_mix"], ["greyed"])], {"grey_mix": mix.copy()}, "greyed"


def _edges(source: str) -> _Step:
    from onnx import helper

    pad, constants = _padded(source, "edges", 1)
    across = np.outer([1.0, 2.0, 1.0], [-1.0, 0.0, 1.0]) / 4
    both = np.stack([across, across.T])[:, None] * _LUMA[None, :, None, None]
    constants |= {"edges_kernel": both.astype(np.float32), "edges_axes": np.array([1], np.int64)}
    constants["edges_three"] = np.array([1, 3, 1, 1], np.int64)
    nodes = [
        pad,
        helper.make_node("Conv", ["edges_wide", "edges_kernel"], ["edges_both"]),
        helper.make_node("ReduceL2", ["edges_both", "edges_axes"], ["edges_one"], keepdims=1),
        helper.make_node("Tile", ["edges_one", "edges_three"], ["edged"]),
    ]
    return nodes, constants, "edged"


def _normalise(source: str) -> _Step:
    from onnx import helper

    constants = {
        "normal_axes": np.array([1, 2, 3], np.int64),
        "normal_least": np.float32(16.0),  # squared levels: a flat picture stays flat instead of becoming noise
        "normal_spread": np.float32(SPREAD),
        "normal_mean": np.float32(MEAN),
    }
    nodes = [
        helper.make_node("ReduceMean", [source, "normal_axes"], ["normal_level"], keepdims=1),
        helper.make_node("Sub", [source, "normal_level"], ["normal_around"]),
        helper.make_node("Mul", ["normal_around", "normal_around"], ["normal_squares"]),
        helper.make_node("ReduceMean", ["normal_squares", "normal_axes"], ["normal_variance"], keepdims=1),
        helper.make_node("Add", ["normal_variance", "normal_least"], ["normal_safe"]),
        helper.make_node("Sqrt", ["normal_safe"], ["normal_deviation"]),
        helper.make_node("Div", ["normal_around", "normal_deviation"], ["normal_unit"]),
        helper.make_node("Mul", ["normal_unit", "normal_spread"], ["normal_scaled"]),
        helper.make_node("Add", ["normal_scaled", "normal_mean"], ["normalised"]),
    ]
    return nodes, constants, "normalised"
