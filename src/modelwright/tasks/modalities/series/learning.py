"""Learning a series' schema: channels, scale, lengths, step, and which features fit, each choice with its reason."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.errors import InputError
from modelwright.tasks import directions
from modelwright.tasks.base import Arrays
from modelwright.tasks.modalities.series import plan as series_plan
from modelwright.tasks.modalities.series import time as series_time

MOST_CHANNELS = 256
MOST_FEATURES = 4096
"""Features at most; where channels are many, auto leaves out the longest groups."""
_KEPT = 512
"""Samples by which features are scaled, evenly spaced."""
_KEPT_VALUES = 8_000_000
_SHARE = 0.5
"""A channel is used if at least so many of the samples have it."""
_SHED = ("spectrum", "shape", "lags", "quantiles", "autocorrelation", "differences", "trend", "correlations")
"""What auto gives up first where features would be too many."""
_DAY = 86400.0


@dataclass
class _Channel:
    samples: int = 0
    count: int = 0
    missing: int = 0
    total: float = 0.0
    squares: float = 0.0
    low: float = math.inf
    high: float = -math.inf

    def add(self, values: NDArray[np.float32]) -> None:
        self.samples += 1
        known = values[~np.isnan(values)].astype(np.float64)
        self.missing += len(values) - len(known)
        if len(known):
            self.count += len(known)
            self.total += float(known.sum())
            self.squares += float((known * known).sum())
            self.low, self.high = min(self.low, float(known.min())), max(self.high, float(known.max()))

    def as_dict(self, name: str) -> dict[str, Any]:
        mean = self.total / max(self.count, 1)
        variance = max(self.squares / max(self.count, 1) - mean * mean, 0.0)
        std = math.sqrt(variance)
        # Below float32's own rounding, what varies is noise of the representation.
        std = std if std > 1e-6 * max(abs(mean), 1e-6) else 1.0
        low, high = (self.low, self.high) if self.count else (0.0, 0.0)
        share = self.missing / max(self.count + self.missing, 1)
        return {
            "name": name,
            "mean": _rounded(mean),
            "std": _rounded(std),
            "low": low,
            "high": high,
            "missing": round(share, 6),
        }


@dataclass
class _Seen:
    """What a pass over the samples keeps."""

    channels: dict[str, _Channel] = field(default_factory=dict)
    lengths: list[int] = field(default_factory=list)
    steps: list[float] = field(default_factory=list)
    timed: int = 0
    calendar: int = 0
    first: float = math.inf
    last: float = -math.inf
    kept: list[tuple[int, Arrays]] = field(default_factory=list)
    every: int = 1
    size: int = 0

    def add(self, names: Sequence[str], values: NDArray[np.float32], time: NDArray[np.float64] | None) -> None:
        number = len(self.lengths)
        self.lengths.append(len(values))
        for place, name in enumerate(names):
            self.channels.setdefault(name, _Channel()).add(values[:, place])
        if time is not None and np.isfinite(time).any():
            self._add_time(time)
        if number % self.every == 0:
            arrays = {"names": np.array(names, object), "values": values}
            if time is not None:
                arrays["time"] = time
            self.kept.append((number, arrays))
            self.size += values.size
            while len(self.kept) > 1 and (len(self.kept) > _KEPT or self.size > _KEPT_VALUES):
                self.every *= 2
                self.kept = [(each, kept) for each, kept in self.kept if each % self.every == 0]
                self.size = sum(kept["values"].size for _, kept in self.kept)

    def _add_time(self, time: NDArray[np.float64]) -> None:
        self.timed += 1
        known = time[np.isfinite(time)]
        self.calendar += series_time.is_calendar(known)
        self.first, self.last = min(self.first, float(known.min())), max(self.last, float(known.max()))
        if len(known) > 1:
            self.steps.append(float(np.median(np.diff(known))))


def learn(batches: Iterable[Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Learn the schema; see :class:`modelwright.tasks.modalities.series.modality.Series`.

    Raises
    ------
    InputError
        No sample, too many channels, or an unknown word in ``features``.
    """
    asked = _asked(settings.get("features", "auto"))
    seen = _Seen()
    for names, values, time in _each(batches):
        seen.add(names, values, time)
    if not seen.lengths:
        raise InputError("no sequence could be read, so there is nothing to learn from", code="no-samples")
    count = len(seen.lengths)
    chosen = [name for name, channel in seen.channels.items() if channel.samples >= _SHARE * count and channel.count]
    if not chosen:
        raise InputError("no channel has values in at least half of the sequences", code="no-columns")
    if len(chosen) > MOST_CHANNELS:
        raise InputError(
            f"the sequences have {len(chosen):,} channels, at most {MOST_CHANNELS} are learned from",
            code="too-many-columns",
            hint="name those to leave out with 'ignore:'",
        )
    schema = _schema(seen, chosen, int(settings.get("samples", count)))
    schema["features"], reason = _features(schema, seen, asked)
    left = [name for name in seen.channels if name not in chosen]
    if left:
        reason += f"; left out, because most sequences lack them: {', '.join(left[:6])}"
    schema["scale"], still = _scale(schema, seen)
    reason += "".join(f"; {each}" for each in _idle(schema, seen, asked, still))
    if "pca" in schema["features"]:
        schema["components"] = _components(schema, seen)
        reason += f"; pca: {schema['components']['reason']}"
    schema["reason"] = reason
    return schema


def _idle(schema: Mapping[str, Any], seen: _Seen, asked: Sequence[str], still: NDArray[np.bool_]) -> list[str]:
    """Say which words that were asked for add nothing, since none of their features differs between sequences.

    ``still`` ``(d,)`` says which features are the same in all samples kept; whether values are missing anywhere, and
    how long sequences are, is known of every one.
    """
    of = "all sequences" if len(seen.kept) == len(seen.lengths) else f"the {len(seen.kept):,} sequences looked at"
    said, start = [], 0
    for word in schema["features"]:
        count = len(series_plan.names_of(word, schema))
        mine, start = still[start : start + count], start + count
        known = word not in {"missing", "length"} or _same(word, schema, seen)
        if word in asked and count and mine.all() and known and len(seen.lengths) > 1:
            said.append(f"{word} adds nothing: it is the same of {of}")
    return said


def _asked(features: Any) -> tuple[str, ...]:
    """Return the words asked for; nothing for ``auto``."""
    if features == "auto":
        return ()
    words = tuple(features) if not isinstance(features, str) else (features,)
    for word in words:
        if word not in series_plan.WORDS:
            raise InputError(
                f"a series has no features {word!r}; there are: {', '.join(series_plan.WORDS)}", code="unknown-feature"
            )
    return tuple(word for word in series_plan.WORDS if word in words)


def _each(
    batches: Iterable[Any],
) -> Iterator[tuple[list[str], NDArray[np.float32], NDArray[np.float64] | None]]:
    for batch in batches:
        for arrays in batch if isinstance(batch, (list, tuple)) else (batch,):
            times = arrays.get("time")
            for place, values in enumerate(arrays["values"]):
                names = [str(name) for name in arrays["channels"][place]]
                yield names, values, None if times is None else times[place]


def _schema(seen: _Seen, chosen: Sequence[str], samples: int) -> dict[str, Any]:
    lengths = np.array(seen.lengths)
    typical = int(np.median(lengths))
    longest = int(lengths.max())
    frame = 1 << max(1, min(typical, 128).bit_length() - 1)
    timed = seen.timed * 2 > len(lengths)
    return {
        "channels": [seen.channels[name].as_dict(name) for name in chosen],
        "timed": timed,
        "calendar": timed and seen.calendar * 2 > seen.timed,
        "step": _rounded(float(np.median(seen.steps))) if seen.steps else None,
        "length": {"typical": typical, "shortest": int(lengths.min()), "longest": longest},
        "reach": max(1, min(longest, 1 << 20).bit_length()),
        "autocorrelations": [lag for lag in (1, 2, 4, 8, 16, 32) if lag == 1 or lag * 4 <= typical],
        "frame": frame,
        "bands": series_plan.bands(frame),
        "segments": max(1, min(8, typical)),
        "lags": max(1, min(4, typical)),
        "samples": samples,
    }


def _features(schema: Mapping[str, Any], seen: _Seen, asked: tuple[str, ...]) -> tuple[list[str], str]:
    typical = schema["length"]["typical"]
    told = f"{len(schema['channels'])} channels, {typical} steps in the middle"
    if asked:
        refused = [word for word in asked if _senseless(word, schema)]
        words = [word for word in asked if word not in refused]
        if words == ["pca"]:
            words = [*_automatic(schema, seen)[0], "pca"]
        if not words:
            raise InputError(f"none of the features {', '.join(asked)} fits: {told}", code="unknown-feature")
        without = f"; {', '.join(refused)} cannot be made of these sequences" if refused else ""
        return words, f"features as the spec says: {', '.join(words)} ({told}){without}"
    words, shed = _automatic(schema, seen)
    reason = f"features: {', '.join(words)} ({told})"
    return words, reason + (f"; with so many channels without {', '.join(shed)}" if shed else "")


def _automatic(schema: Mapping[str, Any], seen: _Seen) -> tuple[list[str], list[str]]:
    """Return the words that fit the sequences, and those that would but make too many features."""
    words = [word for word in series_plan.AUTO if not _senseless(word, schema) and not _same(word, schema, seen)]
    shed = []
    for word in _SHED:
        if len(series_plan.names({**schema, "features": words})) <= MOST_FEATURES:
            break
        if word in words and len(words) > 1:
            words.remove(word)
            shed.append(word)
    return words, shed


def _same(word: str, schema: Mapping[str, Any], seen: _Seen) -> bool:
    """Return whether a word would say the same of every sequence, or too little."""
    typical = schema["length"]["typical"]
    same: dict[str, bool] = {
        "missing": not any(channel["missing"] for channel in schema["channels"]),
        "length": schema["length"]["shortest"] == schema["length"]["longest"],
        "spectrum": typical < 16,
        "calendar": seen.last - seen.first < 2 * _DAY,
        # The steps' times say something only where they differ.
        "time": bool(seen.steps)
        and max(seen.steps) <= 1.01 * min(seen.steps)
        and schema["length"]["shortest"] == typical,
    }
    return same.get(word, False)


def _senseless(word: str, schema: Mapping[str, Any]) -> bool:
    """Return whether a word gives no features on such sequences."""
    if word == "correlations":
        return len(schema["channels"]) < 2
    if word == "time":
        return not schema["timed"]
    if word == "calendar":
        return not schema["calendar"]
    return word == "spectrum" and schema["frame"] < 4


def _scale(schema: Mapping[str, Any], seen: _Seen) -> tuple[dict[str, list[float]], NDArray[np.bool_]]:
    """Return mean and deviation of every feature over the samples kept, and which of them are the same in all.

    They are made by the very graph that is packaged.
    """
    from modelwright.tasks.modalities.series import graph as series_graph

    width = len(series_plan.names(schema))
    count, total, squares = np.zeros(width), np.zeros(width), np.zeros(width)
    first: NDArray[np.float64] | None = None
    for row in _rows(series_graph.trees(schema), schema, seen):
        known = np.isfinite(row)
        if first is None:
            first = np.where(known, row, 0.0)
        moved = np.where(known, row - first, 0.0)  # around a value that is there, so that squares lose no digits
        count += known
        total += moved
        squares += moved * moved
    assert first is not None
    mean = total / np.maximum(count, 1)
    std = np.sqrt(np.maximum(squares / np.maximum(count, 1) - mean * mean, 0.0))
    still = std <= 1e-6
    std = np.where(still, 1.0, std)
    return {"mean": [_rounded(value) for value in mean + first], "std": [_rounded(value) for value in std]}, still


def _components(schema: Mapping[str, Any], seen: _Seen) -> dict[str, Any]:
    """Return the directions in which the samples kept differ most, of features as linear models get them."""
    from modelwright.tasks.modalities.series import graph as series_graph

    matrix = np.stack(list(_rows(series_graph.dense(schema), schema, seen)))
    if len(matrix) < 2:
        return {**directions.none(), "reason": "there are fewer than two sequences"}
    return directions.components(matrix, series_plan.names(schema))


def _rows(graph: Any, schema: Mapping[str, Any], seen: _Seen) -> Iterator[NDArray[np.float64]]:
    """Yield the features ``(d,)`` of each sample kept, as a graph makes them."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(deterministic=True), options, providers=["CPUExecutionProvider"]
    )
    wanted = {each.name for each in session.get_inputs()}
    for _, arrays in seen.kept:
        feed = arranged(arrays["names"].tolist(), arrays["values"], arrays.get("time"), schema)
        yield session.run(["features"], {name: feed[name] for name in wanted})[0][0].astype(np.float64)


def arranged(
    names: Sequence[str], values: NDArray[np.float32], time: NDArray[np.float64] | None, schema: Mapping[str, Any]
) -> Arrays:
    """Return ``values (1, T, C)`` in the schema's channels, NaN for those not there; and ``time (1, T)`` if asked."""
    place = {name: number for number, name in enumerate(names)}
    wanted = [channel["name"] for channel in schema["channels"]]
    made = np.full((1, len(values), len(wanted)), np.nan, np.float32)
    for number, name in enumerate(wanted):
        if name in place:
            made[0, :, number] = values[:, place[name]]
    if not schema["timed"]:
        return {"values": made}
    when = np.full(len(values), np.nan) if time is None else np.asarray(time, np.float64)
    return {"values": made, "time": when[None]}


def _rounded(value: float) -> float:
    """Return six digits: what differs beyond them between processors is no part of a schema."""
    return float(f"{value:.6g}")
