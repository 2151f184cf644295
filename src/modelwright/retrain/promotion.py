"""May the challenger take the champion's place? Paired tests on the same samples; pure.

Two questions, both must be answered well. Is it *better* on labelled production samples that it was not trained on?
(Exact McNemar test for categories, a sign-flip permutation test of the mean difference for numbers; one-sided.) And is
it *not worse* by more than a margin on the locked test split, on what the champion already could? (A one-sided bound.)
The same test the other way round says when a promotion should be undone.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.05
LEAST = 20
"""Fewest labelled production samples that may decide."""
MARGIN_ACCURACY = 0.05
"""Accuracy (absolute) that may be given up on the locked test split for winning on production."""
MARGIN_ERROR = 0.10
"""The same for a number: share of the champion's mean absolute error."""
UNDO_LOOKS = 7
"""A promotion that 1,280 labels did not condemn stands."""
GIVEN_UP = 0.5
"""Or this share of what is surely gained on production, where that is more."""
Kind: TypeAlias = Literal["binary", "share", "error"]
"""What losses are: 0 or 1, shares that are wrong, or absolute errors."""
ONE_SIDED = 1.6448536269514722
FLIPS = 20_000
_ALL_FLIPS = 14


@dataclass(frozen=True)
class Pairs:
    """Losses of both on the same samples, ``(n,)`` each: 0 or 1 (wrong), shares that are wrong, or absolute errors."""

    champion: NDArray[np.float64]
    challenger: NDArray[np.float64]

    def __post_init__(self) -> None:
        if len(self.champion) != len(self.challenger):
            raise ValueError(f"{len(self.champion)} and {len(self.challenger)} losses cannot be paired")

    @property
    def count(self) -> int:
        """How many samples."""
        return len(self.champion)


@dataclass(frozen=True)
class Comparison:
    """Mean losses, their difference (challenger minus champion) with a 90 % interval, and one-sided p-values."""

    count: int
    champion: float
    challenger: float
    difference: float
    low: float
    high: float
    p_better: float
    p_worse: float
    test: str

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return asdict(self)


@dataclass(frozen=True)
class Verdict:
    """``promote``, ``keep`` (the champion) or ``undecided``, and why."""

    verdict: Literal["promote", "keep", "undecided"]
    reasons: tuple[str, ...]
    p_value: float | None
    production: Comparison | None
    locked: Comparison | None

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return {
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "p_value": self.p_value,
            "production": self.production.as_dict() if self.production else None,
            "locked": self.locked.as_dict() if self.locked else None,
        }


def mcnemar(first_only_wrong: int, second_only_wrong: int) -> float:
    """Return the exact one-sided p-value for the second being better (McNemar 1947, binomial form).

    Examples
    --------
    >>> mcnemar(5, 0)
    0.03125
    >>> mcnemar(0, 0)
    1.0
    """
    discordant = first_only_wrong + second_only_wrong
    if first_only_wrong <= 0:
        return 1.0
    logs = [
        math.lgamma(discordant + 1) - math.lgamma(k + 1) - math.lgamma(discordant - k + 1) - discordant * math.log(2)
        for k in range(first_only_wrong, discordant + 1)
    ]
    top = max(logs)
    total = math.exp(top) * math.fsum(math.exp(log - top) for log in logs)
    return min(1.0, round(total, 15))


def sign_flip(differences: NDArray[np.float64], seed: int = 0) -> float:
    """Return the one-sided p-value for a mean below zero, were the sign of each difference a coin's toss (Fisher 1935).

    All sign patterns up to 14 samples, 20,000 seeded ones beyond (with the observed one among them).

    Examples
    --------
    >>> sign_flip(np.full(5, -1.0))
    0.03125
    """
    count = len(differences)
    if not count or not differences.any():
        return 1.0
    observed = float(differences.sum())
    tolerance = 1e-12 * float(np.abs(differences).sum())
    if count <= _ALL_FLIPS:
        patterns = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
        sums = (patterns * 2 - 1) @ differences
        return float(np.count_nonzero(sums <= observed + tolerance) / len(sums))
    random = np.random.default_rng(seed)
    extreme, chunk = 0, max(1, (1 << 21) // count)
    for start in range(0, FLIPS, chunk):
        signs = random.integers(0, 2, (min(chunk, FLIPS - start), count), dtype=np.int8) * 2 - 1
        extreme += int(np.count_nonzero(signs @ differences <= observed + tolerance))
    return (extreme + 1) / (FLIPS + 1)


def compare(pairs: Pairs, *, binary: bool, seed: int = 0) -> Comparison:
    """Compare paired losses; ``binary`` says that they are 0 or 1.

    The interval of a difference of shares is Agresti and Min's (2005, Statistics in Medicine 24:729), which holds its
    level where few samples differ.
    """
    differences = pairs.challenger - pairs.champion
    count = pairs.count
    if not count:
        raise ValueError("no samples to compare on")
    mean = float(differences.mean())
    if binary:
        gained, lost = int((differences < 0).sum()), int((differences > 0).sum())
        b, c, size = gained + 0.5, lost + 0.5, count + 2.0
        centre = (c - b) / size
        spread = math.sqrt(max(0.0, b + c - (c - b) ** 2 / size)) / size
        better, worse, test = mcnemar(gained, lost), mcnemar(lost, gained), "exact McNemar"
    else:
        centre = mean
        spread = float(differences.std(ddof=1)) / math.sqrt(count) if count > 1 else math.inf
        better, worse = sign_flip(differences, seed), sign_flip(-differences, seed)
        test = "sign-flip permutation"
    return Comparison(
        count=count,
        champion=float(pairs.champion.mean()),
        challenger=float(pairs.challenger.mean()),
        difference=mean,
        low=max(-1e300, centre - ONE_SIDED * spread),
        high=min(1e300, centre + ONE_SIDED * spread),
        p_better=better,
        p_worse=worse,
        test=test,
    )


def judge(
    production: Pairs,
    locked: Pairs,
    *,
    binary: bool,
    share: bool = False,
    level: float = LEVEL,
    least: int = LEAST,
    margin: float | None = None,
    seed: int = 0,
) -> Verdict:
    """Decide between champion and challenger.

    Parameters
    ----------
    production
        Losses on labelled production samples of the locked test split: never those that the challenger learned from,
        was stopped, calibrated or chosen by. May be empty.
    locked
        Losses on the locked test split's other samples.
    binary
        True: losses are 0 or 1 (category). False: shares that are wrong (tags), or absolute errors (number).
    share
        Whether losses that are not binary are shares from 0 to 1.
    level
        How often chance alone may promote.
    least
        Fewest production samples that may decide.
    margin
        Loss that may be given up on ``locked``; None: :data:`MARGIN_ACCURACY` of a share, or :data:`MARGIN_ERROR` of
        the champion's error, or :data:`GIVEN_UP` of what the one-sided 95 % bound says is gained on ``production``.

    Returns
    -------
    Verdict
        Without enough production samples only a clear win on the locked split promotes, and only a clear loss keeps.
    """
    on_locked = compare(locked, binary=binary, seed=seed) if locked.count else None
    on_production = compare(production, binary=binary, seed=seed) if production.count else None
    if on_locked is None:
        return Verdict(
            "undecided", ("the locked test split is empty: nothing to hold on to",), None, on_production, None
        )
    words: Kind = "binary" if binary else "share" if share else "error"
    usual = MARGIN_ERROR * on_locked.champion if words == "error" else MARGIN_ACCURACY
    allowed = usual if margin is None else margin
    reasons: list[str] = []
    if on_production is None or production.count < least:
        reasons.append(
            f"only {production.count} labelled production samples were held out; {least} are needed to decide"
        )
        decider, where = on_locked, "the locked test split"
    else:
        decider, where = on_production, "labelled production samples"
    reasons.append(_words(decider, where, words))
    if decider.p_worse < level:
        return Verdict(
            "keep", (*reasons, "the challenger is worse beyond chance"), decider.p_worse, on_production, on_locked
        )
    if decider.p_better >= level:
        reasons.append(f"not better beyond chance (p = {decider.p_better:.2g}, asked for: below {level:g})")
        return Verdict("undecided", tuple(reasons), decider.p_better, on_production, on_locked)
    if decider is not on_locked:
        reasons.append(_words(on_locked, "the locked test split", words))
        if margin is None:
            allowed = max(allowed, -GIVEN_UP * decider.high)
        if on_locked.high > allowed:
            reasons.append(
                f"it may have lost as much as {on_locked.high:.3g} there; at most {allowed:.3g} may be given up"
            )
            return Verdict("keep", tuple(reasons), decider.p_better, on_production, on_locked)
    return Verdict("promote", tuple(reasons), decider.p_better, on_production, on_locked)


def undo_look(labels: int, *, level: float = LEVEL, least: int = LEAST) -> tuple[int, float] | None:
    """Return how many of the ``labels`` that came since a promotion may be judged on now, oldest first, and the level.

    A promotion is looked at again each time its labels have doubled, and the looks share one level (a half, a quarter,
    …: Bonferroni over a geometric series), so that a good promotion is taken back with at most that chance, however
    often somebody asks. None: there are too few yet.

    Examples
    --------
    >>> undo_look(19), undo_look(39), undo_look(40)
    (None, (20, 0.025), (40, 0.0125))
    """
    if labels < least:
        return None
    look = min((labels // least).bit_length(), UNDO_LOOKS) - 1
    return least << look, level / 2.0 ** (look + 1)


def judge_undo(
    since: Pairs, *, binary: bool, share: bool = False, level: float = LEVEL, least: int = LEAST, seed: int = 0
) -> Verdict:
    """Say whether a promotion should be undone.

    Parameters
    ----------
    since
        Losses on samples that production labelled *after* the promotion: ``champion`` of the one now in production,
        ``challenger`` of the former champion, replayed on the same bytes.

    Returns
    -------
    Verdict
        ``promote``: bring the former champion back; ``keep``: the present one is better; ``undecided`` otherwise.
    """
    if since.count < least:
        few = f"only {since.count} labels came since the promotion; {least} are needed to decide"
        return Verdict("undecided", (few,), None, None, None)
    found = compare(since, binary=binary, seed=seed)
    kind: Kind = "binary" if binary else "share" if share else "error"
    words = _words(found, "labels since the promotion", kind, names=("the champion", "its predecessor"))
    if found.p_better < level:
        return Verdict("promote", (words, "the former champion is better beyond chance"), found.p_better, found, None)
    verdict: Literal["keep", "undecided"] = "keep" if found.p_worse < level else "undecided"
    return Verdict(verdict, (words,), min(found.p_better, found.p_worse), found, None)


def _words(
    found: Comparison, where: str, kind: Kind, *, names: tuple[str, str] = ("the champion", "the challenger")
) -> str:
    if kind == "share":
        figures = f"{names[1]} gets {1 - found.challenger:.1%} of the tags right, {names[0]} {1 - found.champion:.1%}"
    elif kind == "binary":
        figures = f"{names[1]} is right in {1 - found.challenger:.1%}, {names[0]} in {1 - found.champion:.1%}"
    else:
        figures = f"{names[1]} is off by {found.challenger:.4g} on average, {names[0]} by {found.champion:.4g}"
    return f"on {found.count} {where if where.startswith('label') else 'samples of ' + where}, {figures}"
