"""Samples unlike all others, by their light features: no model, no label, nothing downloaded.

Light features are those of its sketch, and its measures. A sample's distance to its tenth nearest neighbour (Ramaswamy,
Rastogi and Shim 2000, "Efficient algorithms for mining outliers from large data sets") is taken among a fixed part of
the data set, on the leading principal axes. How far is too far follows from the data set itself: the logarithms of all
distances, around their median, in robust deviations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.engine.here import map_ordered
from modelwright.engine.threads import usable_cores
from modelwright.prepare.cache.scanned import Look
from modelwright.prepare.clean.labels.features import vectors_of
from modelwright.prepare.clean.remembered import Remembered
from modelwright.prepare.clean.unusual import distance
from modelwright.prepare.embed.embedded import Embedded
from modelwright.prepare.gather.gathered import Gathered
from modelwright.prepare.gather.spaced import spaced
from modelwright.prepare.issues import Issue
from modelwright.tasks.abilities import Sketched

NEIGHBOUR = 10
AXES = 24
"""Principal axes that are kept: what is beyond them is mostly noise, in which all distances are alike."""
REFERENCE = 4000
"""Samples among which neighbours are looked for."""
LEAST = 50
MOST = 50_000
"""Samples looked at; of more, evenly spaced ones."""
FAR = 3.5
"""Robust deviations of the logarithm of the distance from which a sample is an outlier (Iglewicz and Hoaglin 1993)."""
_CLIP = 20.0
"""Robust deviations beyond which a single measure counts no more: one absurd figure is found by its own check."""
SHARE = 0.005
"""No more than this share of the samples (and at least three) is listed: where more are far, tails are heavy here."""
LISTED = 100
_PIECE = 1024
_COMPARED = 512
"""Samples compared with the reference at a time: 16 MB of distances."""


def issues(
    gathered: Gathered,
    modality: Sketched,
    look: Look,
    usable: NDArray[np.bool_],
    shown: Callable[[int], str],
    memory: Remembered,
    embedded: Embedded | None = None,
) -> Iterator[Issue]:
    """Yield ``outlier`` for samples far from all others, the farthest first.

    ``embedded`` has a model's vectors, which then stand for the light features.
    """
    places = np.flatnonzero(usable)
    places = spaced(places, MOST)

    def made() -> dict[str, NDArray[Any]]:
        inside, vectors = vectors_of(modality, gathered, look, places) if embedded is None else embedded.among(places)
        if len(inside) < LEAST:
            return {"inside": inside[:0], "z": np.empty(0)}
        return {
            "inside": inside,
            "z": farness(together(vectors, measured(gathered, places[inside]))),
        }

    names = np.frombuffer(" ".join(gathered.measures).encode(), np.uint8)
    by = [] if embedded is None else [np.frombuffer(embedded.embedder.identity.encode(), np.uint8)]
    found = memory.get("outliers", [gathered.digests()[places], names, *by], made)
    inside, z = found["inside"], found["z"]
    if not len(inside):
        return
    most = min(LISTED, max(3, round(SHARE * len(z))))
    for position in np.argsort(-z, kind="stable")[:most].tolist():
        far = float(z[position])
        if far < FAR:
            return
        place = int(places[inside[position]])
        path = shown(place)
        yield Issue(
            "outlier",
            round(min(0.3 + (far - FAR) / 20, 0.8), 3),
            f"{path} is unlike all other samples: its nearest ones are unusually far ({far:.1f} deviations)",
            place,
            gathered.id(place),
            f"{gathered.sources[place]}/{path}",
            evidence={"distance": round(far, 2), "looked_at": len(inside)},
        )


def measured(gathered: Gathered, places: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return ``(n, m)``: the measures of samples in robust deviations, clipped; those that never vary are left out."""
    made = []
    for stored in gathered.measures.values():
        values = np.full(len(gathered), np.nan)
        values[: len(stored)] = stored
        mine = values[places]
        if np.isfinite(mine).all() and np.ptp(mine) > 0:
            made.append(np.clip(distance(mine), -_CLIP, _CLIP).astype(np.float32))
    return np.stack(made, 1) if made else np.empty((len(places), 0), np.float32)


def together(*blocks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return blocks of features side by side, each scaled so that all vary by the same in sum."""
    scaled = []
    for block in blocks:
        middle = np.median(block, 0) if block.size else 0.0
        squares = [np.square(block[at : at + _PIECE] - middle).sum(1) for at in range(0, len(block), _PIECE)]
        spread = float(np.median(np.concatenate(squares))) if block.size else 0.0
        if spread:
            scaled.append(block / np.float32(np.sqrt(spread)))
    return np.concatenate(scaled, 1) if scaled else np.zeros((len(blocks[0]), 1), np.float32)


def farness(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return ``(n,)``: how far each sample is from its tenth nearest one, in robust deviations of the logarithm.

    Parameters
    ----------
    vectors
        ``(n, d)`` light features on one scale; they are projected on their principal axes.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    axes = principal(vectors)
    chosen = axes[np.unique(np.linspace(0, len(axes) - 1, min(len(axes), REFERENCE)).astype(np.int64))]
    # Each sample of the reference is its own nearest one, at distance 0; nearly so for copies of it.
    neighbour = min(NEIGHBOUR, len(chosen) - 1)
    squares = np.square(chosen).sum(1)

    def farther(start: int) -> NDArray[np.float64]:
        some = axes[start : start + _COMPARED]
        between = np.square(some).sum(1)[:, None] + squares - 2.0 * (some @ chosen.T)
        between.partition(neighbour, 1)
        return np.asarray(between[:, neighbour].copy(), np.float64)

    starts = range(0, len(axes), _COMPARED)
    with threadpool_limits(limits=1):  # these are threads enough
        made = np.concatenate(list(map_ordered(farther, starts, usable_cores() if len(starts) > 1 else 1)))
    logs = 0.5 * np.log(np.maximum(made, 1e-12 * max(float(made.max()), 1e-12)))
    around = logs - np.median(logs)
    spread = 1.4826 * float(np.median(np.abs(around)))
    return np.asarray(around / spread if spread else np.zeros(len(logs)))


def principal(vectors: NDArray[np.float32], most: int = AXES) -> NDArray[np.float64]:
    """Return ``(n, k)`` centred vectors on their first ``most`` principal axes, in bounded memory."""
    from threadpoolctl import threadpool_limits

    middle = vectors.mean(0, dtype=np.float64)
    width = vectors.shape[1]
    scatter = np.zeros((width, width))
    for start in range(0, len(vectors), _PIECE):
        some = vectors[start : start + _PIECE] - middle
        scatter += some.T @ some
    # Of a matrix this small, threads make nothing faster; on busy cores they wait for each other, fifty times as long.
    with threadpool_limits(limits=1):
        _, directions = np.linalg.eigh(scatter)
    leading = directions[:, ::-1][:, :most]
    pieces = [(vectors[start : start + _PIECE] - middle) @ leading for start in range(0, len(vectors), _PIECE)]
    return np.concatenate(pieces) if pieces else np.zeros((0, leading.shape[1]))
