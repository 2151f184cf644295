"""Feature hashing in the graph (Weinberger et al. 2009): counts with a sign in so many columns, without a vocabulary.

A hash ``h`` counts in column ``h mod width``, as +1 where ``h div width`` is even and as -1 where it is odd, so that
what falls together by chance cancels out on average. Counts are whole numbers, exact in any order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from modelwright.tasks.onnx_build import Build

_FLOAT = 1
"""``TensorProto.FLOAT``, here without onnx."""


class Counting:
    """Builds the counts ``(n, width) float32`` out of one or several tensors of hashes.

    Parameters
    ----------
    build
        What the graph is put together with.
    name
        Begins the names of nodes and constants.
    samples
        A tensor whose first axis is the sample.
    width
        Columns.
    """

    def __init__(self, build: Build, name: str, samples: str, width: int) -> None:
        self._build, self._name = build, name
        self._width = build.constant(f"{name}_width", np.array(width, np.int64))
        self._two = build.constant(f"{name}_two", np.array(2, np.int64))
        self._zero = build.constant(f"{name}_zero", np.array(0, np.int64))
        self._plus = build.constant(f"{name}_plus", np.array(1.0, np.float32))
        self._minus = build.constant(f"{name}_minus", np.array(-1.0, np.float32))
        axis = build.constant(f"{name}_row_axis", np.array([0], np.int64))
        rows = build.node("Gather", [build.node("Shape", [samples], f"{name}_shape"), axis], f"{name}_rows")
        columns = build.constant(f"{name}_columns", np.array([width], np.int64))
        size = build.node("Concat", [rows, columns], f"{name}_size", axis=0)
        self.sums = build.node(
            "Expand", [build.constant(f"{name}_none", np.zeros((1, 1), np.float32)), size], f"{name}_0"
        )
        """The counts so far."""
        self._step = 0

    def add(self, hashes: str, real: str) -> None:
        """Count hashes ``(n, l) int64``, none negative, where ``real`` ``(n, l) bool`` says that there is one."""
        self._step += 1
        build, name = self._build, f"{self._name}_{self._step}"
        bucket = build.node("Mod", [hashes, self._width], f"{name}_bucket")
        high = build.node("Div", [hashes, self._width], f"{name}_high")
        even = build.node("Equal", [build.node("Mod", [high, self._two], f"{name}_parity"), self._zero], f"{name}_even")
        sign = build.node("Where", [even, self._plus, self._minus], f"{name}_sign")
        there = build.node("Cast", [real], f"{name}_there", to=_FLOAT)
        update = build.node("Mul", [sign, there], f"{name}_update")
        self.sums = build.node("ScatterElements", [self.sums, bucket, update], f"{name}_sums", axis=1, reduction="add")

    def not_filling(self, values: str) -> str:
        """Return where ``values`` are not negative: filled up is with -1."""
        self._step += 1
        name = f"{self._name}_{self._step}"
        return self._build.node(
            "Not", [self._build.node("Less", [values, self._zero], f"{name}_filling")], f"{name}_real"
        )


def counted(hashes: NDArray[np.int64], width: int) -> NDArray[np.float32]:
    """Return in numpy what the graph counts of ``(n, l)`` hashes, -1 where there is none."""
    made = np.zeros((len(hashes), width), np.float32)
    rows, places = np.nonzero(hashes >= 0)
    values = hashes[rows, places]
    np.add.at(made, (rows, values % width), np.where(values // width % 2, -1.0, 1.0).astype(np.float32))
    return made
