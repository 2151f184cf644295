"""Likeness of pictures of which one was cropped: hashes of what would be left, and alignment before they are compared.

Cutting off a twentieth of a picture moves and stretches its 32 × 32 thumbnail by up to 1.6 pixels: enough to change
half as many bits of its hash as another picture would. So a sample is also looked for under the hashes that it would
have if cropped, and a pair found is aligned before it is judged: the shift and the stretch, across and down, that make
the thumbnails agree best, by Gauss-Newton steps (Lucas and Kanade 1981, "An iterative image registration technique";
with gain and offset as in Baker and Matthews 2004, "Lucas-Kanade 20 years on", section 3.4 of part 3).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from modelwright.tasks.likeness import FLAT, SIDE, agreement, cosines

Floats = NDArray[np.float64]

LEFT = 0.95
"""Share of each side that is left of the crops that are looked for."""
STARTS = (0.0, (1 - LEFT) / 2, 1 - LEFT)
"""Where they begin: at the one edge, in the middle, at the other edge."""
CROPS = len(STARTS) ** 2
_MOST = 0.12
"""Largest shift of an edge that alignment may find, as a share of the side."""
_STEPS = 8


def cropped_hashes(thumbs: NDArray[np.uint8]) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Return the hashes ``(n, 9)`` of thumbnails ``(n, 32, 32)`` cropped by 5 % at corners, edges and middle.

    And ``(n,)``: which have any; flat ones have none.
    """
    grey = thumbs.astype(np.float32)
    there = grey.reshape(len(grey), -1).std(1) >= FLAT
    edges = [cosines() @ _sampling(start, LEFT).astype(np.float32) for start in STARTS]
    made = np.empty((len(grey), CROPS), np.uint64)
    for row, rows in enumerate(edges):
        across = rows @ grey
        for column, columns in enumerate(edges):
            block = across @ columns.T
            values = block[:, :8, :8].reshape(len(grey), 64).copy()
            values[:, 0] = block[:, 8, 0]
            bits = np.packbits(values > np.median(values, axis=1, keepdims=True), axis=1)
            made[:, row * len(edges) + column] = bits.view(">u8")[:, 0]
    return made, there


def aligned_agreement(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Return the correlation (-1..1) of two thumbnails once the one is laid on the other as a crop of it, or whole."""
    best = agreement(one, other)
    for whole, part in ((one, other), (other, one)):
        best = max(best, _laid(whole.astype(np.float64), part.astype(np.float64)))
    return best


def _laid(whole: Floats, part: Floats) -> float:
    """Return the best correlation of ``part`` with a piece of ``whole``."""
    # Each of (start, length), across and down, in shares of the side.
    starts = [(x, y) for y in (0.0, *STARTS) for x in (0.0, *STARTS)]
    lengths = [1.0, LEFT, LEFT, LEFT]
    tries = [(x, lengths[i % 4], y, lengths[i // 4]) for i, (x, y) in enumerate(starts)]
    scores = [_correlation(_piece(whole, np.array(each)), part) for each in tries]
    place = np.array(tries[int(np.argmax(scores))])
    best = max(scores)
    centres = (np.arange(SIDE) + 0.5) / SIDE
    for _ in range(_STEPS):
        piece = _piece(whole, place)
        down, across = np.gradient(piece)
        # The piece's own grid has a spacing of length / 32; gradients are per step of it.
        across *= SIDE / place[1]
        down *= SIDE / place[3]
        columns = [across, across * centres, down, down * centres[:, None], piece, np.ones_like(piece)]
        design = np.stack([each.ravel() for each in columns], 1)
        found, *_ = np.linalg.lstsq(design, part.ravel(), rcond=None)
        if abs(found[4]) < 1e-3:
            break
        place = place + np.clip(found[:4] / found[4], -0.03, 0.03)
        for axis in (0, 2):
            place[axis] = np.clip(place[axis], 0.0, _MOST)
            place[axis + 1] = np.clip(place[axis + 1], 1.0 - _MOST - place[axis], 1.0 - place[axis])
        score = _correlation(_piece(whole, place), part)
        if score <= best + 1e-5:
            best = max(best, score)
            break
        best = score
    return best


def _correlation(one: Floats, other: Floats) -> float:
    left, right = (one - one.mean()).ravel(), (other - other.mean()).ravel()
    scale = float(np.sqrt((left @ left) * (right @ right)))
    return float(left @ right) / scale if scale else 0.0


def _piece(whole: Floats, place: Floats) -> Floats:
    return np.asarray(_sampling(place[2], place[3]) @ whole @ _sampling(place[0], place[1]).T)


@cache
def _places() -> NDArray[np.int64]:
    return np.arange(SIDE)


def _sampling(start: float, length: float) -> Floats:
    """Return ``(32, 32)``: what samples a line of 32 pixels anew from ``start`` on for ``length``, shares of it."""
    at = np.clip((start + length * (_places() + 0.5) / SIDE) * SIDE - 0.5, 0, SIDE - 1)
    low = np.minimum(at.astype(np.int64), SIDE - 2)
    made = np.zeros((SIDE, SIDE))
    made[_places(), low] = 1.0 - (at - low)
    made[_places(), low + 1] = at - low
    return made
