"""The directions in which samples differ most: learned once from a sample of them, followed exactly in the graph.

Principal components (Pearson 1901) where the matrix is centred, latent semantic analysis (Deerwester et al. 1990) where
it is not; either by randomised subspace iteration (Halko, Martinsson and Tropp 2011). Weights and values are whole
numbers in the graph, whose products doubles add without rounding: a sample's components don't depend on the batch it
came in, nor on the order in which a runtime adds.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.tasks.onnx_build import Build

RANK = 64
"""Directions at most."""
SHARE = 0.95
"""Share of the variance that :func:`components` asks for."""
UNITS = 65_536
"""Parts of 1 that :func:`components`' values are rounded to; with weights of 16 bits, 131,072 columns of values within
±10 stay below 2^53."""
_GRIDS = {"int8": 127, "int16": 32_767}


def leading(matrix: Any, rank: int, rounds: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the largest singular values ``(k,)``, and their right singular vectors ``(k, d)``.

    Of each vector, the weight that is largest in size is positive, the first of equal ones: a vector and its opposite
    are the same direction.

    Parameters
    ----------
    matrix
        ``(n, d) float64``, an array or sparse.
    rank
        How many at most; those that are nothing but rounding are left out.
    rounds
        Rounds of iteration: few are enough where the values fall quickly.
    """
    from sklearn.utils.extmath import randomized_svd
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(limits=1):
        _, values, right = randomized_svd(matrix, rank, n_iter=rounds, random_state=0)
    kept = values > 1e-9 * values[0]
    values, right = values[kept], right[kept]
    largest = np.abs(right).argmax(1)
    return values, right * np.sign(right[np.arange(len(right)), largest])[:, None]


def whole(right: NDArray[np.float64], kind: str = "int8") -> dict[str, Any]:
    """Return directions ``(k, d)`` as whole numbers of one kind: ``{"rank", "scales", "weights", "kind"}``."""
    grid = _GRIDS[kind]
    tops = np.abs(right).max(1)
    weighed = np.round(right / tops[:, None] * grid).astype(kind).T  # (d, k)
    little = np.ascontiguousarray(weighed, np.dtype(kind).newbyteorder("<"))
    return {
        "rank": len(right),
        "scales": [float(np.float32(top / grid)) for top in tops],
        "weights": base64.b64encode(little.tobytes()).decode(),
        "kind": kind,
    }


def none() -> dict[str, Any]:
    """Return what there is where samples differ in nothing."""
    return {"rank": 0, "scales": [], "weights": "", "kind": "int8"}


def weights(found: Mapping[str, Any]) -> NDArray[Any]:
    """Return ``(d, rank)`` whole numbers, as :func:`whole` made them."""
    kind = np.dtype(found.get("kind", "int8")).newbyteorder("<")
    made = np.frombuffer(base64.b64decode(found["weights"]), kind).reshape(-1, max(int(found["rank"]), 1))
    return made.astype(kind.newbyteorder("="))


def components(matrix: NDArray[np.float64], names: Sequence[str]) -> dict[str, Any]:
    """Return the principal components that hold 95 % of the variance, 64 at most.

    Parameters
    ----------
    matrix
        ``(n, d)``; it is centred in place.
    names
        ``(d,)``, for the words about what each direction is.

    Returns
    -------
    dict
        As :func:`whole`, and ``offset`` (of each direction, the mean's), ``explained`` (each one's share of the
        variance), ``most`` (of each direction, the name of its largest weight) and ``reason``.
    """
    mean = matrix.mean(0)
    matrix -= mean
    total = float(np.square(matrix).sum())
    rank = min(RANK, *matrix.shape)
    if total <= 0.0 or not rank:
        return {**none(), "offset": [], "explained": [], "most": [], "reason": "the rows do not differ"}
    values, right = leading(matrix, rank, 7)
    shares = values**2 / total
    held = np.cumsum(shares)
    count = min(int(np.searchsorted(held, SHARE * (1.0 - 1e-9))) + 1, len(held))
    made = whole(right[:count], "int16")
    offset = mean @ (weights(made) * np.array(made["scales"]))
    return {
        **made,
        "offset": [float(f"{each:.9g}") for each in offset],
        "explained": [float(f"{each:.4g}") for each in shares[:count]],
        "most": [names[place] for place in np.abs(right[:count]).argmax(1)],
        "reason": f"{count} of {matrix.shape[1]:,} directions hold {held[count - 1]:.1%} of the variance of "
        f"{len(matrix):,} training samples" + ("" if held[count - 1] >= SHARE else f", more than {RANK} are not made"),
    }


def names(found: Mapping[str, Any] | None) -> list[str]:
    """Return ``component 1, mostly size`` and so on; nothing without any."""
    return [f"component {place}, mostly {name}" for place, name in enumerate((found or {}).get("most", ()), 1)]


def learned(schema: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what :func:`components` found, as a schema has it; None where the spec's ``pca`` is not asked for."""
    found: Mapping[str, Any] = schema.get("components", {})
    return found if found.get("rank") else None


def along(build: Build, source: str, found: Mapping[str, Any], units: float = UNITS) -> str:
    """Return ``(n, rank) float32``: where samples lie along the directions.

    Parameters
    ----------
    source
        ``(n, d) float32``.
    found
        From :func:`whole` or :func:`components`.
    units
        Parts of 1 that values are rounded to.
    """
    parts = build.constant("units", np.array(units, np.float32))
    rounded = build.node("Round", [build.node("Mul", [source, parts], "in_units")], "whole")
    wide = build.node("Cast", [rounded], "wide", to=_DOUBLE)
    small = build.constant("direction_weights", weights(found))
    product = build.node("MatMul", [wide, build.node("Cast", [small], "directions", to=_DOUBLE)], "sums")
    scales = np.array([found["scales"]], np.float64) / units
    scaled = build.node("Mul", [product, build.constant("direction_scales", scales)], "scaled")
    if "offset" in found:
        offset = build.constant("direction_offset", np.array([found["offset"]], np.float64))
        scaled = build.node("Sub", [scaled, offset], "moved")
    return build.node("Cast", [scaled], "along", to=_FLOAT)


_FLOAT, _DOUBLE = 1, 11
"""``TensorProto.FLOAT`` and ``.DOUBLE``, here without onnx: a schema is learned where no graph is built yet."""
