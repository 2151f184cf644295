"""Which tags are probably wrong, and which are missing: confident learning for each tag, one rank for each sample.

A tag is a question of yes or no: each is checked by itself as in Northcutt et al. 2021 (see :mod:`.confident`), from
out-of-fold probabilities. Samples are ranked by the exponential moving average of their tags' self-confidences, worst
last and so heaviest, which Thyagarajan, Snorrason, Northcutt and Mueller 2022, "Identifying Incorrect Annotations in
Multi-Label Classification Data" (https://arxiv.org/abs/2211.13895, section 3), find to rank best. A tag that is not
accused counts as beyond doubt: a rare tag is never likely, and would put rightly tagged samples first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright import canonical
from modelwright.prepare.clean.labels import belief, confident, predictions
from modelwright.prepare.clean.labels.check import (
    LEAST,
    LEAST_ALL,
    MOST,
    MOST_VALUES,
    SHOWN,
    Cache,
    Predict,
    Result,
    Samples,
    blind,
    dealt,
    most_listed,
    some,
)
from modelwright.progress import Progress

WEIGHT = 0.8
"""Weight of each next worse self-confidence in the moving average: the paper's."""


def find(
    samples: Samples,
    tags_of: Callable[[str], Sequence[str]],
    predict: Predict,
    cache: Path,
    progress: Progress,
    *,
    about: str = "",
    asked: Callable[[int], bool] | None = None,
) -> Result:
    """Find the samples with tags that contradict what the others teach; see :func:`.check.find`.

    Parameters
    ----------
    samples
        Its ``names`` are whole labels, by code.
    tags_of
        The tags in one label.
    """
    places = np.flatnonzero(samples.checked)
    names, flags = _flags(samples, places, tags_of)
    reason = _reason(len(places), names)
    if not reason:
        truth = predictions.Truth(
            np.zeros(len(places), np.int64),
            np.empty(len(places)),
            len(names),
            samples.deal(places, _rarest(flags)),
            flags,
        )
        known = Cache(cache, samples, places, truth, about)
        loaded = known.load()
        if loaded is None:
            progress.begin("checking labels", None)
            made = predict(places, truth)
            reason = "" if made is not None else "there are no light features for this kind of input yet"
            loaded = None if made is None else known.keep(*made)
    if reason or loaded is None:
        progress.say(f"labels were not checked: {reason}")
        return Result(facts={"skipped": reason})
    inside, predicted = loaded
    result = _judged(samples, places[inside], names, flags[inside], predicted, tags_of, asked or (lambda _: False))
    result.facts["folds"] = dealt(samples, places, truth)
    listed, poor, reason = len(result.places), list(result.facts["not_understood"]), blind(result.facts, 1)
    if reason:
        result.facts["skipped"] = reason
        progress.say(f"labels were not checked: {reason}")
        return result
    said = f"tags of {len(inside):,} samples checked by {predicted.how}: {listed:,} samples look wrong"
    if poor:
        said += f"; not checked, since these features tell too little about them: {some(poor)}"
    progress.say(said)
    return result


def _flags(
    samples: Samples, places: NDArray[np.int64], tags_of: Callable[[str], Sequence[str]]
) -> tuple[list[str], NDArray[np.float32]]:
    """Return the tags that are on enough samples and off enough, and ``(n, k)`` where they are."""
    codes, inverse = np.unique(samples.labels[places], return_inverse=True)
    sets = [frozenset(tags_of(samples.names[code])) for code in codes.tolist()]
    counts: dict[str, int] = {}
    for tags, times in zip(sets, np.bincount(inverse, minlength=len(sets)).tolist(), strict=True):
        for tag in tags:
            counts[tag] = counts.get(tag, 0) + times
    names = sorted(tag for tag, count in counts.items() if LEAST <= count <= len(places) - LEAST)
    if len(places) * len(names) > MOST_VALUES:
        return names, np.empty((0, len(names)), np.float32)
    each = np.array([[name in tags for name in names] for tags in sets], np.float32).reshape(len(sets), len(names))
    return names, each[inverse]


def _rarest(flags: NDArray[np.float32]) -> NDArray[np.int64]:
    there = flags > 0.5
    order = np.argsort(there.sum(0), kind="stable")
    return np.where(there.any(1), order[there[:, order].argmax(1)], -1).astype(np.int64)


def _reason(count: int, names: Sequence[str]) -> str:
    """Return why nothing can be checked, or nothing."""
    if not names:
        return f"no tag is on {LEAST} samples or more, and off as many"
    if count < LEAST_ALL:
        return f"{count} samples are too few, {LEAST_ALL} are needed"
    if count > MOST:
        return f"{count:,} samples are more than {MOST:,}"
    if count * len(names) > MOST_VALUES:
        return f"{count:,} samples × {len(names):,} tags are more than fits in memory"
    return ""


def moving_average(self_confidence: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return ``(n,)`` from ``(n, k)``: the average over the tags from the surest to the least sure, 0.8 for the next.

    Examples
    --------
    >>> moving_average(np.array([[1.0, 0.0], [0.5, 0.5]])).tolist()
    [0.19999999999999996, 0.5]
    """
    ordered = -np.sort(-np.asarray(self_confidence, np.float64), axis=1)
    found = ordered[:, 0]
    for column in range(1, ordered.shape[1]):
        found = WEIGHT * ordered[:, column] + (1.0 - WEIGHT) * found
    return found


def _judged(
    samples: Samples,
    places: NDArray[np.int64],
    names: Sequence[str],
    flags: NDArray[np.float32],
    predicted: predictions.Predicted,
    tags_of: Callable[[str], Sequence[str]],
    asked: Callable[[int], bool],
) -> Result:
    there = flags > 0.5
    likely = predicted.values.astype(np.float64)
    doubted = np.zeros(there.shape, bool)
    estimated, understood, areas = 0, np.zeros(len(names), bool), np.zeros(len(names))
    for tag in range(len(names)):
        both = np.stack([1.0 - likely[:, tag], likely[:, tag]], axis=1)
        given = there[:, tag].astype(np.int64)
        known, found_areas = belief.understood(both, given)
        understood[tag], areas[tag] = known.all(), found_areas[1]
        if not understood[tag]:
            continue
        joint = confident.confident_joint(both, given)
        rank = confident.quality(both, given, joint.thresholds)
        found = confident.suspects(both, given, joint, rank, most=belief.wrong(both, given, joint))
        doubted[found.places, tag] = True
        estimated += len(found.places)
    own = np.where(there, likely, 1.0 - likely)
    own[:, ~understood] = 1.0
    rank = moving_average(np.where(doubted, own, 1.0))
    free = ~samples.settled[places]
    suspicious = np.flatnonzero(doubted.any(1) & free)
    chosen = suspicious[np.argsort(rank[suspicious], kind="stable")][: most_listed(len(places))].tolist()
    listed = set(chosen)
    for place in np.flatnonzero(free).tolist() if understood.any() else ():
        if place not in listed and asked(int(places[place])):
            doubted[place, int(own[place].argmin())] = True
            chosen.append(place)
    rank = moving_average(np.where(doubted, own, 1.0))
    result = Result()
    for place in chosen:
        given_tags = list(tags_of(samples.names[samples.labels[places[place]]]))
        result.places.append(int(places[place]))
        result.severities.append(round(float(np.clip(1.0 - rank[place], 0.0, 1.0)), 3))
        result.evidence.append(_evidence(given_tags, names, doubted[place], there[place], likely[place]))
    result.facts = {
        "classes": len(names),
        "listed": len(chosen),
        "estimated": estimated,
        "samples": len(places),
        "how": predicted.how,
        "left_out": int(samples.checked.sum()) - len(places),
        "accuracy": round(float(((likely > 0.5) == there).mean()), 4),
        "not_understood": {names[tag]: round(float(areas[tag]), 3) for tag in np.flatnonzero(~understood).tolist()},
    }
    return result


def _evidence(
    given: Sequence[str],
    names: Sequence[str],
    doubted: NDArray[np.bool_],
    there: NDArray[np.bool_],
    likely: NDArray[np.float64],
) -> dict[str, Any]:
    """Return which tags look wrong and which are missing, and what the label would be without that."""
    wrong = [names[tag] for tag in np.flatnonzero(doubted & there).tolist()]
    missing = [names[tag] for tag in np.flatnonzero(doubted & ~there).tolist()]
    suggested = sorted((set(given) - set(wrong)) | set(missing))
    shown = dict.fromkeys([*wrong, *missing, *(tag for tag in given if tag in names)][:SHOWN])
    index = {name: place for place, name in enumerate(names)}
    return {
        "given": canonical.dumps(sorted(given)).decode(),
        "suggested": canonical.dumps(suggested).decode(),
        "wrong": wrong,
        "missing": missing,
        "probabilities": {name: round(float(likely[index[name]]), 4) for name in shown},
    }
