"""Has the distribution of a feature changed? A two-sample test per feature, one stated false-alarm rate for all.

The reference profile is itself a sample, so production is compared with it by a two-sample test: a profile of 200
pictures alarms as rarely as one of 200,000. The p-values are Holm's (1979), so that the rate holds for the whole set of
features, however they depend on each other. Where samples are many, a trifle is significant too: an alarm also needs an
effect that matters (Jensen-Shannon distance).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.runtime.profile import Comparison

LEAST_EXPECTED = 5.0
"""Cells are joined until production is expected to put this many in each (Cochran 1954)."""
LEAST_REFERENCE = 30.0
"""And until the reference has this many: the mass of a bin cut at sample quantiles is gamma distributed, skewed."""


@dataclass(frozen=True)
class Drift:
    """What the test said about one feature.

    ``effect`` is the Jensen-Shannon distance (0 the same, 1 nothing in common), less what two samples of these sizes
    differ by chance.
    """

    feature: str
    where: str
    statistic: str
    value: float
    p_value: float
    adjusted_p: float
    effect: float
    drifted: bool
    words: str

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-ready, as in ``findings.json``."""
        return {
            "feature": self.feature,
            "where": self.where,
            "statistic": self.statistic,
            "value": self.value,
            "p_value": self.p_value,
            "adjusted_p": self.adjusted_p,
            "effect": self.effect,
            "drifted": self.drifted,
            "words": self.words,
        }


def two_sample(compared: Comparison) -> tuple[float, int, float]:
    """Return Pearson's statistic for two samples being from one distribution, its degrees of freedom, and the p-value.

    Cells are pooled where they would hold too few, by the reference alone: bins of a profile hold equal counts by
    construction, so a choice that looks at production would select what differs (in simulations it rejected 5 to 50
    times too often). Cells that the reference never or hardly saw are tested together, exactly (Fisher's test, one
    side: more of them now); the p-value is Bonferroni's of the two parts. Pearson's statistic and not G: with
    expectations near 5, G rejects too often.

    Examples
    --------
    >>> import numpy as np
    >>> now = Comparison("x", "category", ("a", "b", "missing"), np.array([50, 50, 0]), np.array([10, 90, 0]))
    >>> value, freedom, p = two_sample(now)
    >>> freedom, p < 1e-8
    (1, True)
    """
    from scipy.special import chdtrc

    reference = compared.reference.astype(np.float64)
    current = compared.current.astype(np.float64)
    before, now = reference.sum(), current.sum()
    if not before or not now:
        return 0.0, 0, 1.0
    expected = reference * min(LEAST_EXPECTED / LEAST_REFERENCE, now / before)  # in units of LEAST_EXPECTED
    rare = reference == 0
    rare[-1] |= expected[-1] < LEAST_EXPECTED  # too few missing to be a cell of their own, too different to be pooled
    common = np.flatnonzero(~rare)
    if compared.kind == "category":
        common = common[np.argsort(reference[common], kind="stable")]
    groups = _groups(expected, common)
    p_rare = _fisher(int(reference[rare].sum()), int(before), int(current[rare].sum()), int(now))
    table = np.array([[reference[group].sum(), current[group].sum()] for group in groups]).T
    if len(groups) < 2 or not table.sum(1).all():
        return 0.0, 0, min(1.0, p_rare)
    wanted = table.sum(1, keepdims=True) * table.sum(0, keepdims=True) / table.sum()
    value = float(((table - wanted) ** 2 / wanted).sum())
    freedom = len(groups) - 1
    return value, freedom, min(1.0, 2 * min(float(chdtrc(freedom, value)), p_rare))


def _groups(expected: NDArray[np.float64], order: NDArray[np.intp]) -> list[list[int]]:
    """Join consecutive cells until each group is expected to hold enough; what is left joins the last one."""
    groups: list[list[int]] = []
    held = math.inf
    for cell in order.tolist():
        if held >= LEAST_EXPECTED:
            groups.append([])
            held = 0.0
        groups[-1].append(cell)
        held += expected[cell]
    if len(groups) > 1 and held < LEAST_EXPECTED:
        rest = groups.pop()
        groups[-1].extend(rest)
    return groups


def _fisher(inside_before: int, before: int, inside_now: int, now: int) -> float:
    """Return the chance of at least ``inside_now`` of all that are inside falling to the second sample."""
    from scipy.special import gammaln

    inside = inside_before + inside_now
    if not inside_now:
        return 1.0
    counts = np.arange(inside_now, min(inside, now) + 1)

    def choose(n: Any, k: Any) -> Any:
        return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)

    logs = choose(now, counts) + choose(before, inside - counts) - choose(before + now, inside)
    return float(min(1.0, np.exp(logs[np.isfinite(logs)]).sum()))


def distance(reference: NDArray[np.int64], current: NDArray[np.int64]) -> float:
    """Return the Jensen-Shannon distance (base 2) of two sets of counts, corrected for chance.

    About 0.1 where a normal feature moved by a quarter of its standard deviation.

    Examples
    --------
    >>> distance(np.array([100, 0]), np.array([0, 100])) > 0.99
    True
    >>> distance(np.array([100, 100]), np.array([100, 100]))
    0.0
    """
    sizes = reference.sum(), current.sum()
    if not sizes[0] or not sizes[1]:
        return 0.0
    p, q = reference / sizes[0], current / sizes[1]
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(one > 0, one * np.log2(one / middle), 0.0).sum() / 2 for one in (p, q)]
    # The expectation under no change: (cells - 1) / (8 ln 2) * (1/n + 1/m), as for every divergence near zero.
    chance = (np.count_nonzero(middle) - 1) / (8 * math.log(2)) * (1 / sizes[0] + 1 / sizes[1])
    return math.sqrt(min(1.0, max(0.0, float(sum(parts)) - chance)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for having asked several questions (Holm 1979, Scand. J. Statist. 6:65).

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, p_values[index] * (len(p_values) - rank))
        adjusted[index] = min(1.0, largest)
    return adjusted


def detect(comparisons: Sequence[tuple[str, Comparison]], rate: float, least_effect: float) -> list[Drift]:
    """Test every feature.

    Parameters
    ----------
    comparisons
        ``("input" | "prediction", comparison)`` each.
    rate
        The chance of one false alarm or more in the whole set, if nothing changed and samples are independent.
    least_effect
        Smallest :func:`distance` that is called drift.

    Returns
    -------
    list of Drift
        The strongest first.
    """
    tests = [two_sample(compared) for _, compared in comparisons]
    adjusted = holm([p for _, _, p in tests])
    found = []
    for (where, compared), (value, _, p_value), corrected in zip(comparisons, tests, adjusted, strict=True):
        effect = distance(compared.reference, compared.current)
        drifted = corrected <= rate and effect >= least_effect
        found.append(
            Drift(
                feature=compared.feature,
                where=where,
                statistic="chi-square",
                value=value,
                p_value=p_value,
                adjusted_p=corrected,
                effect=effect,
                drifted=drifted,
                words=words(compared),
            )
        )
    return sorted(found, key=lambda drift: (not drift.drifted, -drift.effect, drift.feature))


def words(compared: Comparison) -> str:
    """Say in words what changed most, such as ``brightness fell from 0.52 to 0.31``."""
    before, now = compared.reference.sum(), compared.current.sum()
    if not before or not now:
        return f"{compared.feature} cannot be compared: no samples"
    p, q = compared.reference / before, compared.current / now
    name = compared.feature.replace("_", " ")
    if q[-1] - p[-1] > 0.5 * np.abs(q - p).sum() / 2:
        return f"{name} is missing in {q[-1]:.0%} of samples, before in {p[-1]:.0%}"
    if compared.reference_mean is not None and compared.current_mean is not None:
        a, b = compared.reference_mean, compared.current_mean
        before_std, now_std = compared.reference_std or 0.0, compared.current_std or 0.0
        moved = abs(b - a) / before_std if before_std else math.inf
        widened = abs(math.log(now_std / before_std)) if before_std and now_std else 0.0
        if moved > max(0.1, widened) and f"{a:.3g}" != f"{b:.3g}":
            return f"{name} {'rose' if b > a else 'fell'} from {a:.3g} to {b:.3g}"
        if widened > 0.1:
            way = "rose" if now_std > before_std else "fell"
            return f"the spread of {name} {way} from {before_std:.3g} to {now_std:.3g}"
        cell = int(np.argmax(np.abs(q - p)))
        return (
            f"the shape of {name} changed: {compared.cells[cell]} holds {q[cell]:.0%} of samples, before {p[cell]:.0%}"
        )
    cell = int(np.argmax(np.abs(q - p)))
    shown = compared.cells[cell] if compared.cells[cell] in {"other", "missing"} else repr(compared.cells[cell])
    return f"{name}: {shown} {'rose' if q[cell] > p[cell] else 'fell'} from {p[cell]:.0%} to {q[cell]:.0%} of samples"
