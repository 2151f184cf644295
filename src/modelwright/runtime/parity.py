"""How far apart two answers to the same samples are: the trained model's own, and the packaged graph's.

Differences are in units that mean the same for every task: probabilities as they are, numbers in standard deviations of
the training labels. The limit is :data:`LIMIT` for both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LIMIT = 1e-4
"""Largest difference that still counts as the same answer."""


@dataclass(frozen=True)
class Parity:
    """What a comparison found."""

    samples: int
    largest_difference: float
    """In probability, or in standard deviations of the training labels; infinity where one side has no number."""
    passed: bool
    worst: int = -1
    """Index of the sample with the largest difference; -1 where there are none."""
    output: str = ""
    """Name of the output with the largest difference."""
    limit: float = LIMIT

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary; an infinite difference is None there."""
        found = asdict(self)
        if not np.isfinite(self.largest_difference):
            found["largest_difference"] = None
        return found


def compare(
    expected: Mapping[str, NDArray[Any]],
    found: Mapping[str, NDArray[Any]],
    output_schema: Mapping[str, Any],
    limit: float = LIMIT,
) -> Parity:
    """Compare two sets of outputs, first axis the sample.

    A label may differ where the two classes are as good as tied in ``expected`` (their probabilities closer than twice
    the limit), a tag where its probability is as close to its threshold (``thresholds`` of the schema, else 0.5);
    otherwise a different label or tag is a difference of 1.

    Examples
    --------
    >>> import numpy as np
    >>> compare({"value": np.array([1.0, 2.0])}, {"value": np.array([1.0, 2.5])}, {"std": 2.0})
    Parity(samples=2, largest_difference=0.25, passed=False, worst=1, output='value', limit=0.0001)
    """
    count = max((len(array) for array in expected.values()), default=0)
    worst = np.zeros(count)
    which = np.full(count, "", dtype=object)
    for name in sorted(expected):
        if name not in found or found[name].shape != expected[name].shape:
            return Parity(count, float("inf"), passed=False, worst=0, output=name, limit=limit)
        difference = _difference(name, expected, found, output_schema, limit)
        larger = difference > worst
        worst[larger] = difference[larger]
        which[larger] = name
    if not count:
        return Parity(0, 0.0, passed=False, limit=limit)
    index = int(np.argmax(worst))
    largest = float(worst[index])
    return Parity(count, largest, passed=largest <= limit, worst=index, output=str(which[index]), limit=limit)


def _difference(
    name: str,
    expected: Mapping[str, NDArray[Any]],
    found: Mapping[str, NDArray[Any]],
    schema: Mapping[str, Any],
    limit: float,
) -> NDArray[np.float64]:
    want, got = expected[name], found[name]
    if want.dtype.kind in "OUS":
        differs = np.array([str(a) != str(b) for a, b in zip(want.ravel(), got.ravel(), strict=True)], dtype=bool)
        return np.where(differs & ~_tied(want, got, expected, schema, limit), 1.0, 0.0)
    if want.dtype.kind == "b":
        differs = want != got.astype(bool)
        if "probabilities" in expected and expected["probabilities"].shape == want.shape:
            edge = np.asarray(schema.get("thresholds") or 0.5, np.float64)
            differs &= np.abs(expected["probabilities"].astype(np.float64) - edge) > 2 * limit
        return np.asarray(differs.reshape(len(want), -1).any(axis=1), np.float64)
    want64 = want.astype(np.float64).reshape(len(want), -1)
    got64 = got.astype(np.float64).reshape(len(got), -1)
    scale = np.ones_like(want64)
    if schema.get("std"):
        # One float32 step of a value far from zero may be more than the limit of a narrow spread: allow for it.
        scale = np.maximum(float(schema["std"]), 0.01 * np.abs(want64))
    with np.errstate(invalid="ignore"):
        difference = np.abs(want64 - got64) / scale
    difference[(want64 == got64) | (np.isnan(want64) & np.isnan(got64))] = 0.0
    difference[np.isnan(difference)] = np.inf
    largest: NDArray[np.float64] = difference.max(axis=1, initial=0.0)
    return largest


def _tied(
    want: NDArray[Any],
    got: NDArray[Any],
    expected: Mapping[str, NDArray[Any]],
    schema: Mapping[str, Any],
    limit: float,
) -> NDArray[np.bool_]:
    probabilities, classes = expected.get("probabilities"), list(schema.get("classes", ()))
    tied = np.zeros(len(want), dtype=bool)
    if probabilities is None:
        return tied
    position = {str(label): index for index, label in enumerate(classes)}
    for row, (a, b) in enumerate(zip(want.ravel(), got.ravel(), strict=True)):
        if str(a) in position and str(b) in position:
            tied[row] = abs(probabilities[row, position[str(a)]] - probabilities[row, position[str(b)]]) <= 2 * limit
    return tied


def from_lists(outputs: list[Mapping[str, Any]], dtypes: Mapping[str, str]) -> dict[str, NDArray[Any]]:
    """Stack the outputs of golden samples, each as nested lists of one sample, into arrays with the sample first.

    ``dtypes`` are those of the manifest: numpy names, or ``string``.
    """
    return {
        name: np.array(
            [entry[name] for entry in outputs],
            dtype=object if dtypes.get(name) == "string" else dtypes.get(name, "float32"),
        )
        for name in (sorted(outputs[0]) if outputs else ())
    }
