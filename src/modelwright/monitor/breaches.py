"""Inputs beside the contract: counted by column and rule, and whether that is more than chance allows.

A number out of the range of n training samples, or a value missing that never was, happens by chance too. If
production is like training, the probability p of lying beyond both ends of what n samples spanned has the distribution
Beta(2, n - 1), whatever theirs is; so of m new samples as many do as a beta-binomial variable says (Gumbel and von
Schelling 1950, "The distribution of the number of exceedances", Annals of Mathematical Statistics 21). What never was
among n samples has at most Beta(1, n) in the same way, and categories of which k are known at most Beta(k + 1, n - k),
as if each had been met once. The contract's ranges are wider than what was seen: alarms are rarer than stated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from modelwright.store.refusals import Refused

NOTHING: Mapping[str, Any] = {"samples": 0, "refused": 0, "of": 0, "rules": []}
"""Of findings from before the contract was looked at."""
LEAST_SHARE = 0.01
"""Share of the inputs that has to be beside a rule before anybody is alarmed."""


def ways(rule: Mapping[str, Any], code: str, samples: int) -> int:
    """Return how many of ``samples + 1`` like samples are beside a rule at most, made of the others.

    Parameters
    ----------
    rule
        As in a schema's ``contract``.
    code
        ``out-of-range``, ``missing`` or ``unknown-category``.
    samples
        How many training samples the rule was learned from.

    Examples
    --------
    >>> ways({"kind": "number", "low": 0, "high": 9, "missing": False}, "out-of-range", 199)
    2
    >>> ways({"kind": "category", "allowed": ["a", "b"], "missing": False}, "unknown-category", 99)
    3
    """
    found = {"out-of-range": 2, "missing": 1}.get(code, len(rule.get("allowed", ())) + 1)
    return min(found, samples + 1)


def beyond_chance(count: int, total: int, ways: int, samples: int) -> float:
    """Return the probability that ``count`` or more of ``total`` samples are beside a rule: the beta-binomial tail.

    Examples
    --------
    >>> beyond_chance(0, 100, 2, 500), round(beyond_chance(1, 100, 1, 100), 3), beyond_chance(60, 160, 2, 200) < 1e-20
    (1.0, 0.5, True)
    """
    others = samples + 1 - ways
    if not count or others < 1:
        return 1.0
    from scipy.special import betaln, logsumexp

    counts = np.arange(count, total + 1, dtype=np.float64)
    choose = -np.log1p(total) - betaln(total - counts + 1.0, counts + 1.0)
    found = choose + betaln(counts + ways, total - counts + others) - betaln(ways, others)
    return float(min(1.0, np.exp(logsumexp(found))))


def judge(
    counted: Refused, refused: int, total: int, rules: Mapping[str, Mapping[str, Any]], samples: int, rate: float
) -> dict[str, Any]:
    """Return what is beside the contract in a window, the most frequent first.

    Parameters
    ----------
    counted
        Of the inputs that were answered and those that were refused.
    refused
        How many of them were refused.
    total
        All inputs, those refused included.
    rules
        The contract.
    samples
        How many training samples it was learned from, at least.
    rate
        False alarms allowed, all rules together (Bonferroni).
    """
    possible = max(1, sum(2 if rule.get("allowed") or rule["kind"] == "number" else 1 for rule in rules.values()))
    found = []
    for (column, code), count in sorted(counted.rules.items(), key=lambda pair: (-pair[1], pair[0])):
        many = ways(rules.get(column, {}), code, samples)
        p_value = min(1.0, possible * beyond_chance(count, total, many, samples))
        found.append(
            {
                "column": column,
                "code": code,
                "count": count,
                "share": count / max(total, 1),
                "chance": many / (samples + 1.0),
                "p_value": p_value,
                "alarm": p_value <= rate and count >= LEAST_SHARE * total,
                "expected": counted.expected[column, code],
                "found": counted.found[column, code],
            }
        )
    return {"samples": counted.samples, "refused": refused, "of": total, "rules": found}


def words(rule: Mapping[str, Any], total: int) -> str:
    """Return one broken rule in words, with its evidence.

    Examples
    --------
    >>> rule = {"column": "size", "code": "out-of-range", "count": 40, "expected": "0 to 11", "found": [90.0, 95.5]}
    >>> words(rule, 200)
    'size is out of range in 40 of 200 inputs (found 90, 95.5; expected 0 to 11)'
    """
    what = {"out-of-range": "is out of range", "missing": "is missing"}.get(rule["code"], "has a category never seen")
    shown = ", ".join(
        "nothing" if each is None else f"{each:g}" if isinstance(each, float) else str(each) for each in rule["found"]
    )
    return f"{rule['column']} {what} in {rule['count']} of {total} inputs (found {shown}; expected {rule['expected']})"
