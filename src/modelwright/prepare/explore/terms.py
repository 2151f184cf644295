"""Which words tell groups of texts apart: weighted log-odds with an informative Dirichlet prior.

Monroe, Colaresi and Quinn (2008), "Fightin' Words", section 3.5.1: a word's log-odds in a group against all others,
each count smoothed by how frequent the word is everywhere, divided by its standard error. Frequent words don't win by
being frequent, nor rare ones by chance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PRIOR = 1_000.0
"""Words of the prior, shared out as they are over all texts."""
LEAST = 5
"""Texts of a group that hold a term."""


@dataclass(frozen=True)
class Term:
    """A word, or a pair of words, of a group of texts.

    Parameters
    ----------
    text
        The word.
    z
        Log-odds against all other texts, in standard errors.
    inside, outside
        Texts that hold it, in the group and elsewhere.
    """

    text: str
    z: float
    inside: int
    outside: int


def distinctive(groups: Mapping[str, Counter[str]], most: int) -> dict[str, list[Term]]:
    """Return the ``most`` most distinctive terms of each group, strongest first.

    Parameters
    ----------
    groups
        Texts of each group by the terms they hold.

    Examples
    --------
    >>> groups = {"a": Counter(the=50, goal=30), "b": Counter(the=48, bank=25)}
    >>> [term.text for term in distinctive(groups, 2)["a"]]
    ['goal']
    """
    total: Counter[str] = Counter()
    for counts in groups.values():
        total.update(counts)
    if not total:
        return {name: [] for name in groups}
    names = list(total)
    whole = np.array([total[name] for name in names], np.float64)
    prior = PRIOR * whole / whole.sum()
    made = {}
    for group, counts in groups.items():
        inside = np.array([counts[name] for name in names], np.float64)
        outside = whole - inside
        odds = _log_odds(inside, prior) - _log_odds(outside, prior)
        z = odds / np.sqrt(1.0 / (inside + prior) + 1.0 / (outside + prior))
        good = np.flatnonzero((inside >= LEAST) & (z > 0))
        best = good[np.lexsort((good, -z[good]))][:most]
        made[group] = [Term(names[at], float(z[at]), int(inside[at]), int(outside[at])) for at in best.tolist()]
    return made


def _log_odds(counts: NDArray[np.float64], prior: NDArray[np.float64]) -> NDArray[np.float64]:
    with_prior = counts + prior
    rest = with_prior.sum() - with_prior
    return np.asarray(np.log(with_prior / np.maximum(rest, 1e-9)))


def without_parts(terms: Sequence[Term]) -> list[Term]:
    """Return terms without the single words of a pair that says the same: ``new york`` without ``york``.

    A word goes where a pair above or below it is in at least nine tenths as many texts.
    """
    pairs = [term for term in terms if " " in term.text]
    parts = {
        term.text
        for term in terms
        if " " not in term.text
        and any(term.text in pair.text.split() and pair.inside >= 0.9 * term.inside for pair in pairs)
    }
    return [term for term in terms if term.text not in parts]
