"""The reference profile: what a package's training data and held-out predictions looked like, in a few kilobytes.

A profile holds no raw data: bin counts at quantile edges for numbers, the counts of frequent values for categories.
:class:`ProfileBuilder` makes one from a stream of batches; :class:`Counts` counts production data into the same bins,
so that the two can be compared. Both need a fixed amount of memory per feature, whatever the number of samples, and
only numpy: a device counts as well as a server.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.canonical import digest_bytes
from modelwright.runtime.profile_quality import Quality, as_number
from modelwright.tasks import judging

BLOCK = 1 << 14
"""Values counted at once: 128 KiB, which a core keeps near."""
FORMAT = 1
BINS = 20
CATEGORIES = 64
CAPACITY = 10_000
"""Values kept per number while a profile is made: exact quantiles up to here, those of a uniform sample beyond."""
LEAST_COUNT = 5
"""A category value seen less often is counted as ``other``: a rare value can identify a person, and tests nothing."""
LONGEST_VALUE = 200
TRACKED_VALUES = 4096


def is_category(values: NDArray[Any]) -> bool:
    """Return whether an array of measures holds category values (object or text) rather than numbers."""
    return values.dtype.kind in "OUSb"


def prediction_measures(
    outputs: Mapping[str, NDArray[Any]], target: Any, classes: Sequence[str] = ()
) -> dict[str, NDArray[Any]]:
    """Return the measures of a batch of predictions, each ``(n,)``; see :func:`modelwright.tasks.judging.measures`.

    Parameters
    ----------
    outputs
        What a package's graph gives.
    target
        The target or its name. One without a profile of its own gives no measures.
    classes
        Names of the tags, in the order of the outputs.
    """
    return judging.measures(outputs, target if isinstance(target, str) else target.name, list(classes))


class _NumberSketch:
    """Count, missing, mean, variance, and a uniform sample of ``capacity`` values (the smallest random keys)."""

    def __init__(self, name: str, capacity: int, seed: int) -> None:
        # The name is part of the seed so that a feature's sample does not depend on which other features there are.
        self._random = np.random.default_rng([seed, int(digest_bytes(name.encode())[:8], 16)])
        self._capacity = capacity
        self._values = np.empty(0)
        self._keys = np.empty(0)
        self.count = 0
        self.missing = 0
        self._mean = 0.0
        self._squares = 0.0

    def add(self, values: NDArray[Any]) -> None:
        values = as_number(values)
        self.count += values.size
        finite = values[np.isfinite(values)]
        self.missing += values.size - finite.size
        if not finite.size:
            return
        # Chan, Golub and LeVeque's update: one pass, no cancellation.
        before = self.count - self.missing - finite.size
        mean = float(finite.mean())
        shift = mean - self._mean
        total = before + finite.size
        self._mean += shift * finite.size / total
        self._squares += float(((finite - mean) ** 2).sum()) + shift * shift * before * finite.size / total
        keys = np.concatenate([self._keys, self._random.random(finite.size)])
        values = np.concatenate([self._values, finite])
        if keys.size > self._capacity:
            kept = np.sort(np.argpartition(keys, self._capacity)[: self._capacity])
            keys, values = keys[kept], values[kept]
        self._keys, self._values = keys, values

    def finish(self, bins: int) -> dict[str, Any]:
        edges = quantile_edges(self._values, bins)
        counts = np.bincount(np.searchsorted(edges, self._values, side="right"), minlength=edges.size + 1)
        known = self.count - self.missing
        return {
            "kind": "number",
            "count": self.count,
            "missing": self.missing,
            "edges": [float(edge) for edge in edges],
            "counts": [int(count) for count in counts],
            "mean": self._mean,
            "std": math.sqrt(self._squares / known) if known else 0.0,
        }


def quantile_edges(values: NDArray[np.float64], bins: int = BINS) -> NDArray[np.float64]:
    """Return the inner edges of about ``bins`` bins of equal mass.

    A value that alone fills a bin (a constant, a class number, many zeros) gets a bin of its own, between itself and
    the next float, so that leaving it is seen even when everything else is on one side of it.

    Examples
    --------
    >>> quantile_edges(np.arange(100.0), 4)
    array([25., 50., 75.])
    >>> edges = quantile_edges(np.full(50, 7.0), 4)
    >>> [int(np.searchsorted(edges, value, side="right")) for value in (6.9, 7.0, 7.1)]
    [0, 1, 2]
    """
    if not values.size:
        return np.empty(0)
    ordered = np.sort(values)
    cuts = ordered[np.minimum(ordered.size - 1, np.arange(1, bins) * ordered.size // bins)]
    distinct, counts = np.unique(ordered, return_counts=True)
    atoms = distinct[counts * bins >= values.size] if distinct.size < values.size else np.empty(0)
    edges = np.union1d(cuts, np.concatenate([atoms, np.nextafter(atoms, np.inf)]))
    # Nothing lies below the smallest value: an edge there is only wanted where that value is an atom.
    wanted: NDArray[np.float64] = edges[(edges > ordered[0]) | np.isin(edges, atoms)]
    return wanted


class _CategorySketch:
    """Counts of the values seen most often, in bounded memory (values are forgotten, never their number)."""

    def __init__(self) -> None:
        self.count = 0
        self.missing = 0
        self._values: dict[str, int] = {}
        self._other = 0

    def add(self, values: NDArray[Any]) -> None:
        for value, count in _count_values(values):
            self.count += count
            if value is None:
                self.missing += count
            elif len(value) > LONGEST_VALUE:
                self._other += count
            else:
                self._values[value] = self._values.get(value, 0) + count
        if len(self._values) > TRACKED_VALUES:
            ranked = sorted(self._values.items(), key=lambda item: (-item[1], item[0]))
            self._values = dict(ranked[: TRACKED_VALUES // 2])
            self._other += sum(count for _, count in ranked[TRACKED_VALUES // 2 :])

    def finish(self, categories: int) -> dict[str, Any]:
        ranked = sorted(self._values.items(), key=lambda item: (-item[1], item[0]))
        kept = {value: count for value, count in ranked[:categories] if count >= LEAST_COUNT}
        other = self._other + sum(self._values.values()) - sum(kept.values())
        return {"kind": "category", "count": self.count, "missing": self.missing, "values": kept, "other": other}


def _count_values(values: NDArray[Any]) -> list[tuple[str | None, int]]:
    """Return the distinct values as text with their counts; None and "" are missing."""
    counted: dict[str | None, int] = {}
    for value in values.reshape(-1).tolist():
        missing = value is None or value == "" or (isinstance(value, float) and math.isnan(value))
        key = None if missing else str(value)
        counted[key] = counted.get(key, 0) + 1
    return list(counted.items())


class ProfileBuilder:
    """Makes ``profile.json`` from batches, in memory that does not grow with them.

    Parameters
    ----------
    bins
        Bins of equal mass per number.
    categories
        Values counted by name per category; the rest is ``other``.
    capacity
        Values kept per number for the quantiles (8 bytes each, twice).
    seed
        Of the sample that is kept when there are more.

    Examples
    --------
    >>> builder = ProfileBuilder()
    >>> builder.add_inputs({"brightness": np.linspace(0, 1, 100)})
    >>> profile = builder.finish()
    >>> profile["inputs"]["brightness"]["count"], len(profile["inputs"]["brightness"]["edges"])
    (100, 19)
    """

    def __init__(
        self, *, bins: int = BINS, categories: int = CATEGORIES, capacity: int = CAPACITY, seed: int = 0
    ) -> None:
        self._bins = bins
        self._categories = categories
        self._capacity = capacity
        self._seed = seed
        self._inputs: dict[str, _NumberSketch | _CategorySketch] = {}
        self._predictions: dict[str, _NumberSketch | _CategorySketch] = {}
        self._quality = Quality(capacity, seed)

    def add_inputs(self, measures: Mapping[str, NDArray[Any]]) -> None:
        """Count a batch of the modality's measures, each ``(n,)``: numbers (NaN is missing) or objects (None is)."""
        self._add(self._inputs, "input", measures)

    def add_predictions(
        self,
        outputs: Mapping[str, NDArray[Any]],
        truth: NDArray[Any] | None,
        target: Any,
        classes: Sequence[str] = (),
    ) -> None:
        """Count a batch of predictions on held-out samples.

        Parameters
        ----------
        outputs
            What the package's graph gave, first axis ``n``.
        truth
            As ``Target.encode`` gives it: ``(n,)`` class indices (-1 unknown) or values (NaN unknown), ``(n, k)`` tags
            (NaN unknown); None: unknown.
        target
            The target or its name.
        classes
            Names of the tags, in the order of the outputs.
        """
        self._add(self._predictions, "prediction", prediction_measures(outputs, target, classes))
        if truth is not None:
            self._quality.add(outputs, truth, target if isinstance(target, str) else target.name)

    def _add(
        self, sketches: dict[str, _NumberSketch | _CategorySketch], where: str, measures: Mapping[str, NDArray[Any]]
    ) -> None:
        for name, values in measures.items():
            sketch = sketches.get(name)
            if sketch is None:
                category = is_category(values)
                sketch = _CategorySketch() if category else _NumberSketch(f"{where}.{name}", self._capacity, self._seed)
                sketches[name] = sketch
            sketch.add(values)

    def finish(self) -> dict[str, Any]:
        """Return the profile, JSON-ready (``docs/formats.md``). ``quality`` is None when no truth was given."""
        return {
            "format": FORMAT,
            "inputs": {name: self._finish(sketch) for name, sketch in sorted(self._inputs.items())},
            "predictions": {name: self._finish(sketch) for name, sketch in sorted(self._predictions.items())},
            "quality": self._quality.finish(),
        }

    def _finish(self, sketch: _NumberSketch | _CategorySketch) -> dict[str, Any]:
        return sketch.finish(self._categories if isinstance(sketch, _CategorySketch) else self._bins)


@dataclass
class _Cells:
    """One feature's production counts, in the reference's bins."""

    counts: NDArray[np.int64]
    count: int = 0
    missing: int = 0
    total: float = 0.0
    squares: float = 0.0


@dataclass(frozen=True)
class Comparison:
    """One feature, reference beside production, cell by cell.

    ``reference`` and ``current`` are ``(cells,)`` counts: the bins (or named values and ``other``), then ``missing``.
    """

    feature: str
    kind: str
    cells: tuple[str, ...]
    reference: NDArray[np.int64]
    current: NDArray[np.int64]
    reference_mean: float | None = None
    current_mean: float | None = None
    reference_std: float | None = None
    current_std: float | None = None
    edges: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))


def count_bins(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return how many finite values are in each of ``len(edges) + 1`` bins; bin of ``v``: how many edges are <= ``v``.

    Many values are compared with one edge at a time, a block that fits the cache: a few vector instructions each, where
    a binary search waits for a branch (about ten times faster for 19 edges).

    Examples
    --------
    >>> count_bins(np.array([0.0, 1.0, 1.5, 9.0]), np.array([1.0, 2.0])).tolist()
    [1, 2, 1]
    """
    if values.size < BLOCK // 8:
        return np.bincount(np.searchsorted(edges, values, side="right"), minlength=edges.size + 1).astype(np.int64)
    reached = np.zeros(edges.size + 2, np.int64)
    reached[0] = values.size
    for start in range(0, values.size, BLOCK):
        block = np.ascontiguousarray(values[start : start + BLOCK])
        for number, edge in enumerate(edges, 1):
            reached[number] += np.count_nonzero(block >= edge)
    return reached[:-1] - reached[1:]


class Counts:
    """Production data counted into a profile's bins. Mergeable, of fixed size, JSON-ready.

    Parameters
    ----------
    features
        A profile's ``inputs`` or ``predictions`` block.

    Examples
    --------
    >>> builder = ProfileBuilder()
    >>> builder.add_inputs({"x": np.arange(100.0)})
    >>> counts = Counts(builder.finish()["inputs"])
    >>> counts.add({"x": np.array([0.0, 99.0, 1000.0, np.nan])})
    >>> counts.compare("x").current.tolist()
    [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1]
    """

    def __init__(self, features: Mapping[str, Any]) -> None:
        self._features = features
        self._edges = {
            name: np.asarray(block["edges"], dtype=np.float64)
            for name, block in features.items()
            if block["kind"] == "number"
        }
        self._places = {
            name: {value: index for index, value in enumerate(block["values"])}
            for name, block in features.items()
            if block["kind"] == "category"
        }
        self._cells = {
            name: _Cells(
                np.zeros(self._edges[name].size + 1 if name in self._edges else len(block["values"]) + 1, np.int64)
            )
            for name, block in features.items()
        }

    @property
    def features(self) -> list[str]:
        """Names of the features that are counted."""
        return list(self._features)

    def add(self, measures: Mapping[str, NDArray[Any]]) -> None:
        """Count a batch, each measure ``(n,)``. A measure the profile does not know is left out."""
        for name, values in measures.items():
            cells = self._cells.get(name)
            if cells is None:
                continue
            cells.count += values.size
            if name in self._edges:
                self._add_numbers(name, cells, values)
            else:
                self._add_values(name, cells, values)

    def _add_numbers(self, name: str, cells: _Cells, values: NDArray[Any]) -> None:
        numbers = as_number(values)
        known = np.isfinite(numbers)
        finite = numbers if known.all() else numbers[known]
        cells.missing += numbers.size - finite.size
        cells.counts += count_bins(finite, self._edges[name])
        cells.total += float(finite.sum())
        cells.squares += float(np.einsum("i,i->", finite, finite))  # no BLAS: its threads wait for each other

    def _add_values(self, name: str, cells: _Cells, values: NDArray[Any]) -> None:
        places = self._places[name]
        for value, count in _count_values(values):
            if value is None:
                cells.missing += count
            else:
                cells.counts[places.get(value, cells.counts.size - 1)] += count

    def merge(self, other: Counts) -> None:
        """Add what ``other`` counted against the same profile."""
        for name, cells in self._cells.items():
            more = other._cells[name]
            cells.counts += more.counts
            cells.count += more.count
            cells.missing += more.missing
            cells.total += more.total
            cells.squares += more.squares

    def count(self, feature: str) -> int:
        """Return how many values of ``feature`` were counted, missing ones included."""
        return self._cells[feature].count

    def compare(self, feature: str) -> Comparison:
        """Return the reference's counts beside these."""
        block, cells = self._features[feature], self._cells[feature]
        known = cells.count - cells.missing
        if block["kind"] == "number":
            kept = sum(block["counts"])
            # Counts are those of the sample the edges were made from; missing is scaled to it.
            known_before = block["count"] - block["missing"]
            missing = round(block["missing"] * kept / known_before) if known_before else block["missing"]
            edges = self._edges[feature]
            return Comparison(
                feature=feature,
                kind="number",
                cells=(*_bin_names(edges), "missing"),
                reference=np.array([*block["counts"], missing], dtype=np.int64),
                current=np.array([*cells.counts, cells.missing], dtype=np.int64),
                reference_mean=block["mean"] if known_before else None,
                current_mean=cells.total / known if known else None,
                reference_std=block["std"],
                current_std=math.sqrt(max(0.0, cells.squares / known - (cells.total / known) ** 2)) if known else None,
                edges=edges,
            )
        return Comparison(
            feature=feature,
            kind="category",
            cells=(*block["values"], "other", "missing"),
            reference=np.array([*block["values"].values(), block["other"], block["missing"]], dtype=np.int64),
            current=np.array([*cells.counts, cells.missing], dtype=np.int64),
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the counts, JSON-ready."""
        return {
            name: {
                "counts": [int(count) for count in cells.counts],
                "count": cells.count,
                "missing": cells.missing,
                "total": cells.total,
                "squares": cells.squares,
            }
            for name, cells in self._cells.items()
        }

    @classmethod
    def from_dict(cls, features: Mapping[str, Any], counted: Mapping[str, Any]) -> Counts:
        """Restore what :meth:`as_dict` gave, against the same profile block."""
        counts = cls(features)
        for name, cells in counts._cells.items():
            saved = counted[name]
            cells.counts += np.asarray(saved["counts"], dtype=np.int64)
            cells.count, cells.missing = saved["count"], saved["missing"]
            cells.total, cells.squares = saved["total"], saved["squares"]
        return counts


def _bin_names(edges: NDArray[np.float64]) -> Sequence[str]:
    if not edges.size:
        return ["any"]
    shown = [f"{edge:.4g}" for edge in edges]
    inner = [f"{low} to {high}" for low, high in itertools.pairwise(shown)]
    return [f"below {shown[0]}", *inner, f"{shown[-1]} and above"]
