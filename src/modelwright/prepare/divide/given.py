"""Splits that a column of the source says: train, validation, test, under whichever of their usual names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from modelwright.errors import InputError
from modelwright.prepare.divide import split
from modelwright.prepare.divide.split import NAMES, TEST, TRAIN, VALIDATION, Plan
from modelwright.prepare.divide.words import WORDS

PLACES = {word: NAMES.index(name) for word, name in WORDS.items()}
"""Word to the number of the split that it means."""


def read(names: Sequence[str], codes: NDArray[np.int64], column: str) -> NDArray[np.int8]:
    """Return ``(n,)`` splits of samples whose words are ``names[codes]``, -1 for no word (code -1).

    Raises
    ------
    InputError
        ``bad-split`` for a word that names no split.

    Examples
    --------
    >>> read(["Train", "dev"], np.array([0, 1, -1]), "part").tolist()
    [0, 1, -1]
    """
    of_name = np.full(len(names) + 1, -1, np.int8)
    for place, name in enumerate(names):
        word = name.strip().lower()
        if not word:
            continue
        if word not in WORDS:
            raise InputError(
                f"split.column {column!r}: found {name[:40]!r}, which names no split",
                code="bad-split",
                hint=f"write {', '.join(NAMES)}; also known: {', '.join(each for each in WORDS if each not in NAMES)}",
            )
        of_name[place] = PLACES[word]
    return np.asarray(of_name[codes])


def assign(
    told: NDArray[np.int8],
    groups: NDArray[np.int64],
    keys: NDArray[np.uint64],
    strata: NDArray[np.int64],
    fractions: Sequence[float],
    seed: int,
    known: NDArray[np.int8] | None = None,
) -> Plan:
    """Divide samples as they say themselves; a split that none names is taken from those that say train.

    A sample without a word counts as one that says train. Of a group that the words tear apart, the test samples stay
    (then those for validation), and the others are shut out. A sample that another dataset's test split locked is never
    let into training, whatever it says now.

    Parameters
    ----------
    told
        ``(n,)`` splits from :func:`read`.
    groups, keys, strata, fractions, seed
        As for :func:`modelwright.prepare.divide.split.assign`.
    known
        ``(n,)`` the split in the dataset before, -1 for none; those that were taken from train stay taken.
    """
    said = np.where(told >= 0, told, TRAIN).astype(np.int8)
    top = np.zeros(len(keys), np.int8)
    np.maximum.at(top, groups, said)
    made = np.where(said == top[groups], said, -1).astype(np.int8)
    present = np.bincount(said, minlength=3) > 0
    wanted = np.asarray(fractions, np.float64) * (~present | (np.arange(3) == TRAIN))
    locked = np.zeros(len(said), bool) if known is None else (known == TEST) & present[TEST] & (said != TEST)
    made[locked] = -1
    pool = np.flatnonzero(made == TRAIN)
    if len(pool) and wanted[VALIDATION] + wanted[TEST] > 0:
        inside, numbered = np.unique(groups[pool], return_inverse=True)
        before = None
        if known is not None:
            before = known[pool].copy()
            before[(before >= 0) & present[before]] = TRAIN
        plan = split.assign(numbered.astype(np.int64), keys[inside], strata[pool], wanted, seed, before)
        made[pool] = plan.splits
    return Plan(made, np.flatnonzero(made < 0))
