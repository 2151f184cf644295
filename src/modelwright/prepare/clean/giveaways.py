"""What gives the answer away without being part of what is to be learned: names, recordings, the file's own form.

A model that learns the session a picture was taken in, or the size that one class was scanned at, looks good on a test
split that shares them and fails in production (Kapoor and Narayanan 2023, "Leakage and the reproducibility crisis in
machine-learning-based science", call these leaks by non-independence and by illegitimate features).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.clean.outliers import principal
from modelwright.prepare.clean.remembered import Remembered
from modelwright.prepare.gather.gathered import Gathered
from modelwright.prepare.gather.spaced import spaced
from modelwright.prepare.issues import Issue
from modelwright.tasks.abilities import Carried, Sketched
from modelwright.tasks.base import Modality

LEAST = 40
"""Samples needed to say anything."""
MOST = 4000
"""Samples looked at, evenly spaced."""
CLOSER = 3.0
"""Times as often as by chance that the nearest sample is of the same name group, from which the group is a leak."""
GAIN = 0.5
"""Share of the mistakes of always saying the commonest class that a giveaway spares, from which it is an issue."""
CONFOUNDED = 0.7
"""Cramér's V of group and class from which they cannot be told apart."""
_SLICES = (slice(0, 1), slice(0, 2), slice(0, 3), slice(0, 4), *(slice(at, at + 1) for at in range(1, 6)))
"""The parts of a name that are tried: its first words, and each word alone."""
_WORDS = re.compile(r"[^\W\d_]+|\d+")

Sketches = Callable[[NDArray[np.int64]], tuple[NDArray[np.int64], NDArray[np.uint8]]]
"""Gives which of some places (positions) have a sketch, and the sketches."""


def words(name: str) -> tuple[str, ...]:
    """Return the words and figures of a file's name, without folders and suffix.

    Examples
    --------
    >>> words("MT_Blowhole/exp1_num_108719.jpg")
    ('exp', '1', 'num', '108719')
    """
    stem = name.rpartition("/")[2]
    return tuple(_WORDS.findall(stem.rpartition(".")[0] or stem))


def named_otherwise(
    gathered: Gathered,
    labels: NDArray[np.int64],
    names: Sequence[str],
    usable: NDArray[np.bool_],
    shown: Callable[[int], str],
) -> Iterator[Issue]:
    """Yield ``name-disagrees`` for files whose name says another class than their label.

    Only where names usually say the class: in nine of ten files whose name holds a class's name, it is their own.
    """
    known = {" ".join(words(name)).casefold(): code for code, name in enumerate(names) if words(name)}
    known = {name: code for name, code in known.items() if not name.isdigit() and len(name) > 1}
    if not known:
        return
    says: dict[int, int] = {}
    for place in np.flatnonzero(usable & (labels >= 0)).tolist():
        text = f" {' '.join(words(shown(place))).casefold()} "
        found = {code for name, code in known.items() if f" {name} " in text}
        if len(found) == 1:
            says[place] = found.pop()
    agreeing = sum(labels[place] == code for place, code in says.items())
    if agreeing < 10 or agreeing < 0.9 * len(says):
        return
    for place, code in says.items():
        if labels[place] != code:
            path = shown(place)
            yield Issue(
                "name-disagrees",
                0.6,
                f"{path} is labelled {names[labels[place]]}, but its name says {names[code]}",
                place,
                gathered.id(place),
                f"{gathered.sources[place]}/{path}",
                evidence={"given": names[labels[place]], "suggested": names[code], "agreeing": int(agreeing)},
            )


def shared_names(
    gathered: Gathered,
    modality: Sketched,
    sketches: Sketches,
    labels: NDArray[np.int64],
    usable: NDArray[np.bool_],
    shown: Callable[[int], str],
    memory: Remembered,
) -> Iterator[Issue]:
    """Yield one ``leaking-name`` if files that share a part of their name look alike beyond what their class explains.

    They are then probably of one recording, object or person, and belong in one split. Not asked where groups are
    given.
    """
    if (gathered.groups.numpy() >= 0).any():
        return
    places = np.flatnonzero(usable)
    places = spaced(places, MOST)

    def made() -> dict[str, NDArray[Any]]:
        inside, found = sketches(places)
        if len(inside) < LEAST:
            return {"inside": inside[:0], "nearest": inside[:0]}
        return {"inside": inside, "nearest": _nearest(principal(modality.vectors(found)))}

    known = memory.get("nearest", [gathered.digests()[places]], made)
    nearest = known["nearest"]
    if not len(nearest):
        return
    places = places[known["inside"]]
    own = labels[places]
    parts = [words(shown(place)) for place in places.tolist()]
    best: tuple[float, slice, int, float, float] | None = None
    for part in _SLICES:
        keys = _codes([each[part] if len(each) >= part.stop else None for each in parts])
        count = int(keys.max()) + 1
        if (keys >= 0).mean() < 0.8 or not 3 <= count <= len(places) / 2:
            continue
        there = keys >= 0
        same = float((keys[nearest] == keys)[there].mean())
        chance = _by_chance(keys[there], own[there])
        if same >= max(CLOSER * chance, chance + 0.2) and (best is None or same - chance > best[0]):
            best = (same - chance, part, count, same, chance)
    if best is not None:
        _, part, count, same, chance = best
        rule = pattern(part)
        yield Issue(
            "leaking-name",
            0.7,
            f"files whose names share a part ({count} groups) look alike beyond what their class explains: the nearest "
            f"other file is of the same group in {same:.0%}, by chance {chance:.0%}. If it names a recording or an "
            f"object, keep it in one split with split.group: '{rule}'",
            evidence={"groups": count, "same": round(same, 3), "chance": round(chance, 3), "pattern": rule},
        )


def pattern(part: slice) -> str:
    """Return the regular expression whose first group is these words of a file's name.

    Examples
    --------
    >>> re.search(pattern(slice(0, 2)), "a/exp1_num_108719.jpg").group(1)
    'exp1'
    >>> re.search(pattern(slice(3, 4)), "a/exp1_num_108719.jpg").group(1)
    '108719'
    """
    gap, word = r"(?:[^\w/]|_)*", r"(?:[^\W\d_]+|\d+)"
    wanted = word + f"(?:{gap}{word})" * (part.stop - part.start - 1)
    return f"(?:^|/){f'{gap}{word}' * part.start}{gap}({wanted})[^/]*$"


def form(
    gathered: Gathered, modality: Modality, labels: NDArray[np.int64], names: Sequence[str], usable: NDArray[np.bool_]
) -> Iterator[Issue]:
    """Yield ``leaking-form`` if what carries a sample (a picture's size, a sound's rate) tells its class."""
    if not isinstance(modality, Carried):
        return
    columns = []
    for measure in modality.carried:
        values = np.full(len(gathered), np.nan)
        stored = gathered.measures.get(measure, ())
        values[: len(stored)] = stored
        columns.append(np.nan_to_num(values, nan=-1.0).round(3))
    places = np.flatnonzero(usable & (labels >= 0))
    if len(places) < LEAST or not columns:
        return
    keys = np.zeros(len(places), np.int64)
    for values in columns:
        different, codes = np.unique(values[places], return_inverse=True)
        _, keys = np.unique(keys * len(different) + codes, return_inverse=True)
    told, usual = _told(keys, labels[places])
    gain = (told - usual) / (1 - usual) if usual < 1 else 0.0
    if gain > GAIN:
        what = " and ".join(name.replace("_", " ") for name in modality.carried)
        yield Issue(
            "leaking-form",
            round(min(0.4 + gain / 2, 0.9), 3),
            f"{what} alone tell the class of {told:.0%} of the samples right (always saying "
            f"{_commonest(labels[places], names)!r}: {usual:.0%}): a model may learn how samples were stored instead "
            "of what is in them",
            evidence={"accuracy": round(told, 3), "usual": round(usual, 3), "measures": list(modality.carried)},
        )


def confounded(
    gathered: Gathered, labels: NDArray[np.int64], names: Sequence[str], usable: NDArray[np.bool_]
) -> Iterator[Issue]:
    """Yield ``confounded-group`` if the groups that the user gave and the classes say nearly the same."""
    groups = gathered.groups.numpy()
    places = np.flatnonzero(usable & (labels >= 0) & (groups >= 0))
    if len(places) < LEAST:
        return
    _, mine = np.unique(groups[places], return_inverse=True)
    kinds, own = np.unique(labels[places], return_inverse=True)
    count = int(mine.max()) + 1
    if count < 2 or len(kinds) < 2 or count > len(places) / 5:
        return
    table = np.zeros((count, len(kinds)))
    np.add.at(table, (mine, own), 1)
    strength = cramers_v(table)
    if strength >= CONFOUNDED:
        texts = list(gathered.groups.values)
        present = np.unique(groups[places])
        pure = [texts[present[row]] for row in np.flatnonzero((table > 0).sum(1) == 1).tolist()]
        yield Issue(
            "confounded-group",
            round(min(strength, 0.9), 3),
            f"group and class say nearly the same (Cramér's V {strength:.2f}; {len(pure)} of {count} groups hold one "
            "class only): what a model learns of one cannot be told from the other",
            evidence={"cramers_v": round(strength, 3), "groups": count, "pure": pure[:20], "classes": len(names)},
        )


def cramers_v(table: NDArray[np.float64]) -> float:
    """Return Cramér's V of a contingency table, corrected for bias (Bergsma 2013); 0: independent, 1: the same.

    Examples
    --------
    >>> cramers_v(np.array([[50.0, 0.0], [0.0, 50.0]])), cramers_v(np.array([[25.0, 25.0], [25.0, 25.0]]))
    (1.0, 0.0)
    """
    total = table.sum()
    expected = table.sum(1, keepdims=True) * table.sum(0, keepdims=True) / total
    with np.errstate(invalid="ignore", divide="ignore"):
        terms = np.square(table - expected) / expected
    rows, columns = table.shape
    square = max(0.0, float(np.nansum(terms) / total) - (rows - 1) * (columns - 1) / (total - 1))
    tall, wide = rows - (rows - 1) ** 2 / (total - 1), columns - (columns - 1) ** 2 / (total - 1)
    least = min(tall - 1, wide - 1)
    return float(min(1.0, np.sqrt(square / least))) if least > 0 else 0.0


def _nearest(vectors: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the position of each sample's nearest other one."""
    squares = np.square(vectors).sum(1)
    made = np.empty(len(vectors), np.int64)
    for start in range(0, len(vectors), 512):
        some = vectors[start : start + 512]
        between = squares - 2.0 * (some @ vectors.T)
        between[np.arange(len(some)), np.arange(start, start + len(some))] = np.inf
        made[start : start + len(some)] = between.argmin(1)
    return made


def _codes(keys: Sequence[tuple[object, ...] | None]) -> NDArray[np.int64]:
    known: dict[tuple[object, ...], int] = {}
    return np.array([-1 if key is None else known.setdefault(key, len(known)) for key in keys], np.int64)


def _by_chance(keys: NDArray[np.int64], labels: NDArray[np.int64]) -> float:
    """Return how often another sample of the same class would be of the same group, drawn at random."""
    own = Counter(zip(keys.tolist(), labels.tolist(), strict=True))
    whole = Counter(labels.tolist())
    shares = [
        (own[key, label] - 1) / (whole[label] - 1)
        for key, label in zip(keys.tolist(), labels.tolist(), strict=True)
        if whole[label] > 1
    ]
    return float(np.mean(shares)) if shares else 1.0


def _told(keys: NDArray[np.int64], labels: NDArray[np.int64]) -> tuple[float, float]:
    """Return how often a sample's class is the commonest among the *others* of its key, and the commonest of all."""
    table = np.zeros((int(keys.max()) + 1, int(labels.max()) + 1), np.int64)
    np.add.at(table, (keys, labels), 1)
    usual = table.sum(0)
    right = 0
    for key, label, count in _cells(table):
        others = table[key].copy()
        others[label] -= 1
        # Nobody else has this key: it says nothing, and the commonest class of all is said.
        guess = int(others.argmax()) if others.any() else int(usual.argmax())
        right += count * (guess == label)
    return right / len(keys), float(usual.max()) / len(keys)


def _cells(table: NDArray[np.int64]) -> Iterator[tuple[int, int, int]]:
    for key, label in np.argwhere(table).tolist():
        yield key, label, int(table[key, label])


def _commonest(labels: NDArray[np.int64], names: Sequence[str]) -> str:
    return names[int(np.bincount(labels).argmax())]
