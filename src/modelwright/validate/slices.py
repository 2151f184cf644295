"""Where is the model weak? Every measure's values and quarters are a slice, compared with all other samples.

Many slices are looked at, so some look bad by chance: a slice is called weak only if it is worse than the rest at 5 %
after Holm's correction over all slices.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.validate.compare import difference_p, holm, mean_interval

MIN_COUNT = 20
"""A slice with fewer samples says too little to be listed."""
MAX_VALUES = 20
"""A category's most frequent values; the others are one slice."""
FEW_VALUES = 8
"""A number with so few different values is looked at value by value, not in quarters."""
SHOWN = 20


def worst_slices(
    scores: NDArray[np.float64],
    measures: Mapping[str, NDArray[Any]],
    *,
    metric: str,
    higher_is_better: bool,
) -> list[dict[str, Any]]:
    """Return the slices with the worst mean score, worst first.

    Parameters
    ----------
    scores
        ``(n,)`` per sample: 0 or 1 for right and wrong, or an absolute error.
    measures
        ``(n,)`` each: numbers, or objects with None for missing.
    metric
        What the mean of ``scores`` is called.
    higher_is_better
        Its direction.

    Returns
    -------
    list
        ``[{"slice", "count", "metric", "value", "low", "high", "rest", "p_adjusted", "weak"}]``, at most 20.
    """
    binary = bool(np.isin(scores, (0.0, 1.0)).all())
    found: list[dict[str, Any]] = []
    p_values: list[float] = []
    for name, where in _slices(measures):
        inside, outside = scores[where], scores[~where]
        if len(inside) < MIN_COUNT or len(outside) < MIN_COUNT:
            continue
        value, rest = float(inside.mean()), float(outside.mean())
        low, high = mean_interval(inside, binary=binary)
        found.append(
            {
                "slice": name,
                "count": len(inside),
                "metric": metric,
                "value": value,
                "low": low,
                "high": high,
                "rest": rest,
            }
        )
        p_values.append(difference_p(inside, outside))
    for entry, p_value in zip(found, holm(np.array(p_values)), strict=True):
        is_worse = (entry["value"] < entry["rest"]) == higher_is_better and entry["value"] != entry["rest"]
        entry["p_adjusted"] = float(p_value)
        entry["weak"] = bool(is_worse and p_value < 0.05)
    sign = 1 if higher_is_better else -1
    found.sort(key=lambda entry: (not entry["weak"], sign * entry["value"], entry["slice"]))
    return found[:SHOWN]


def _slices(measures: Mapping[str, NDArray[Any]]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    for name in sorted(measures):
        values = measures[name]
        yield from _by_number(name, values) if values.dtype.kind == "f" else _by_value(name, values)


def _by_number(name: str, values: NDArray[Any]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    missing = np.isnan(values)
    if missing.any():
        yield f"{name} is missing", missing
    there = values[~missing]
    if not there.size:
        return
    different = np.unique(there)
    if len(different) <= FEW_VALUES:
        if len(different) > 1:
            yield from ((f"{name} = {value:.4g}", values == value) for value in different)
        return
    # Edges are values that occur: a class of 1.25 would puzzle whoever reads it.
    edges = np.unique(np.quantile(there, (0.25, 0.5, 0.75), method="higher"))
    edges = edges[edges > there.min()]
    bins = np.searchsorted(edges, values, side="right")
    for index in range(len(edges) + 1):
        low = f"{edges[index - 1]:.4g} <= " if index else ""
        high = f" < {edges[index]:.4g}" if index < len(edges) else ""
        if low or high:
            yield f"{low}{name}{high}", (bins == index) & ~missing


def _by_value(name: str, values: NDArray[Any]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    words = np.array(["" if value is None else f"={value}" for value in values], dtype=object)
    unique, counts = np.unique(words.astype(str), return_counts=True)
    order = np.argsort(-counts, kind="stable")
    listed = {str(word) for word in unique[order][:MAX_VALUES]}
    for word in sorted(listed):
        yield f"{name} {'= ' + word[1:] if word else 'is missing'}", words == word
    others = np.array([word not in listed for word in words], dtype=bool)
    if others.any():
        yield f"{name} is another value", others
