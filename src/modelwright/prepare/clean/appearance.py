"""What pictures show beside their subject: grey where the others are coloured, and borders that give the class away.

A border tells the class where each class was cut, framed, stamped or photographed in its own way. What the pixels at
the edge say is measured by ridge regression on class indicators out of fold (Hastie, Tibshirani and Friedman 2009, "The
Elements of Statistical Learning", section 4.2), beside the same from the pixels inside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.clean.giveaways import GAIN, LEAST, MOST, Sketches
from modelwright.prepare.clean.labels.folds import FOLDS, deal
from modelwright.prepare.clean.remembered import Remembered
from modelwright.prepare.gather.gathered import Gathered
from modelwright.prepare.gather.spaced import spaced
from modelwright.prepare.issues import Issue
from modelwright.tasks.abilities import Bordered
from modelwright.tasks.base import Modality

GREY = 0.004
"""Mean difference of the strongest and the weakest colour (0..1) below which a picture is grey: one level of 255."""
ODD = 0.1
"""Share of grey, or of coloured, pictures from which neither is odd."""
LISTED = 200
ONE_CLASS = 0.9
"""F1 of a single class by the border from which that is a leak."""
_PENALTY = 0.1
"""Of the ridge, as a share of the number of samples; features are standardised."""
_MOST_CLASSES = 200


def odd_colours(gathered: Gathered, usable: NDArray[np.bool_], shown: Callable[[int], str]) -> Iterator[Issue]:
    """Yield ``odd-colour`` for the few grey pictures among coloured ones, or the few coloured among grey ones."""
    stored = gathered.measures.get("saturation", ())
    values = np.full(len(gathered), np.nan)
    values[: len(stored)] = stored
    places = np.flatnonzero(usable & np.isfinite(values))
    grey = values[places] < GREY
    share = float(grey.mean()) if len(places) >= LEAST else 0.0
    if 0 < share <= ODD:
        odd, words = places[grey], f"is grey; {1 - share:.1%} of the pictures here are coloured"
    elif 1 - ODD <= share < 1:
        odd, words = places[~grey], f"is coloured; {share:.1%} of the pictures here are grey"
    else:
        return
    for place in odd[:LISTED].tolist():
        path = shown(place)
        yield Issue(
            "odd-colour",
            0.3,
            f"{path} {words}",
            place,
            gathered.id(place),
            f"{gathered.sources[place]}/{path}",
            evidence={"saturation": round(float(values[place]), 4), "grey_share": round(share, 4)},
        )


def telling_border(
    modality: Modality,
    sketches: Sketches,
    labels: NDArray[np.int64],
    names: Sequence[str],
    usable: NDArray[np.bool_],
    groups: NDArray[np.int64],
    digests: NDArray[np.uint8],
    memory: Remembered,
) -> Iterator[Issue]:
    """Yield one ``leaking-border`` if the border of pictures tells their class, and better than what is inside.

    Parameters
    ----------
    sketches
        Gives the sketches of places.
    labels
        ``(n,)`` class codes, -1 where there is none.
    groups
        ``(n,)``: samples of one group are never learned from and asked about at once.
    digests
        ``(n, 32)``: of all samples.
    """
    if not isinstance(modality, Bordered):
        return
    places = np.flatnonzero(usable & (labels >= 0))
    places = spaced(places, MOST)
    if len(places) < LEAST:
        return
    known = memory.get(
        "border",
        [digests[places], labels[places], groups[places]],
        lambda: _by_border(modality, sketches, labels, groups, places),
    )
    by_edge, by_middle = known["edge"], known["middle"]
    if not len(by_edge):
        return
    places = places[known["inside"]]
    present, own = np.unique(labels[places], return_inverse=True)
    counts = np.bincount(own)
    usual = float(counts.max() / len(own))
    told, within = float((by_edge == own).mean()), float((by_middle == own).mean())
    gain = (told - usual) / (1 - usual)
    if gain >= GAIN and told >= within:
        yield Issue(
            "leaking-border",
            round(min(0.4 + gain / 2, 0.9), 3),
            f"the border of the pictures alone tells the class of {told:.0%} right, what is inside {within:.0%} "
            f"(always saying {names[int(present[counts.argmax()])]!r}: {usual:.0%}): a frame, a mark or a background",
            evidence={"accuracy": round(told, 3), "inside": round(within, 3), "usual": round(usual, 3)},
        )
        return
    for code in np.flatnonzero(counts >= LEAST // 2).tolist():
        score = max(f1(by_edge == code, own == code), float(known["marks"][code]))
        inner = f1(by_middle == code, own == code)
        if score >= ONE_CLASS and score > inner:
            name = names[int(present[code])]
            yield Issue(
                "leaking-border",
                0.7,
                f"the border of the pictures alone tells class {name!r} (F1 {score:.2f}, what is inside {inner:.2f}): "
                "a frame, a mark or a background of its own",
                column=name,
                evidence={"class": name, "f1": round(score, 3), "inside": round(inner, 3)},
            )


def _by_border(
    modality: Bordered,
    sketches: Sketches,
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    places: NDArray[np.int64],
) -> dict[str, NDArray[Any]]:
    """Return which of ``places`` have a sketch, their classes by the edge and by the middle, and each class's mark.

    Classes are numbered among those that are present; nothing is returned of too few samples or classes.
    """
    inside, found = sketches(places)
    present, own = np.unique(labels[places[inside]], return_inverse=True)
    if len(inside) < LEAST or not 2 <= len(present) <= _MOST_CLASSES:
        return {"inside": inside[:0], "edge": own[:0], "middle": own[:0], "marks": np.empty(0)}
    mine = groups[places[inside]]
    folds = deal(mine, mine.astype(np.uint64), own)
    edge, middle = modality.border(found)
    return {
        "inside": inside,
        "edge": predicted(edge, own, folds),
        "middle": predicted(middle, own, folds),
        "marks": np.array([f1_of_one(edge, own == code) for code in range(len(present))]),
    }


def f1(said: NDArray[np.bool_], true: NDArray[np.bool_]) -> float:
    """Return the harmonic mean of precision and recall of one class."""
    both = int(said.sum() + true.sum())
    return 2 * int((said & true).sum()) / both if both else 0.0


def f1_of_one(features: NDArray[np.float32], true: NDArray[np.bool_]) -> float:
    """Return the best F1 of any single feature of ``(n, d)`` that is 0 or 1: a mark needs no more than its corner."""
    said = features[:, ((features == 0) | (features == 1)).all(0)]
    if not said.shape[1]:
        return 0.0
    return float((2 * said[true].sum(0) / (said.sum(0) + true.sum())).max())


def predicted(features: NDArray[np.float32], codes: NDArray[np.int64], folds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the class that ridge regression gives each sample from ``(n, d)`` features, out of fold; -1: none."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    truth = np.eye(int(codes.max()) + 1)[codes]
    values = features.astype(np.float64)
    made = np.full(len(codes), -1)
    with threadpool_limits(limits=1):
        for fold in range(FOLDS):
            asked, known = folds == fold, folds != fold
            if not asked.any() or not known.any():
                continue
            middle, scale = values[known].mean(0), values[known].std(0)
            scale[scale < 1e-6] = 1.0  # a constant pixel: what differs from it in another fold still counts
            mine = (values[known] - middle) / scale
            usual = truth[known].mean(0)
            square = mine.T @ mine + _PENALTY * len(mine) * np.eye(mine.shape[1])
            weights = np.linalg.solve(square, mine.T @ (truth[known] - usual))
            made[asked] = ((values[asked] - middle) / scale @ weights + usual).argmax(1)
    return made
