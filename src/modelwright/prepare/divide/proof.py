"""The proof that no split leaks into another: what ties samples together, counted over the finished splits.

It is computed from the result, by other code than what made the splits, so a fault there would show here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.divide import chronology
from modelwright.prepare.divide.split import NAMES
from modelwright.prepare.issues import Issue

UNTIED = "no two samples are tied to each other"
"""What :func:`words` says where there is nothing to say."""


@dataclass(frozen=True)
class Tie:
    """One kind of tie between samples: ``pairs`` ``(m, 2)`` of places, and what it is in words."""

    kind: str
    what: str
    pairs: NDArray[np.int64]


def prove(ties: list[Tie], splits: NDArray[np.int8], times: chronology.Times | None) -> dict[str, Any]:
    """Return JSON-ready counts: per kind of tie how many there are, and how many join two splits; times by split.

    Parameters
    ----------
    ties
        Everything that must not straddle.
    splits
        ``(n,)``: 0 train, 1 validation, 2 test, -1 none.
    times
        Of all samples, for splits by time.

    Examples
    --------
    >>> tie = Tie("duplicate", "equal bytes", np.array([[0, 1], [1, 2]]))
    >>> prove([tie], np.array([0, 0, 2], np.int8), None)["ties"]
    [{'kind': 'duplicate', 'what': 'equal bytes', 'pairs': 2, 'across': 1}]
    """
    found: dict[str, Any] = {"ties": [_count(tie, splits) for tie in ties]}
    if times is not None:
        spans = {}
        for number, name in enumerate(NAMES):
            mine = times.values[(splits == number) & np.isfinite(times.values)]
            if len(mine):
                spans[name] = {"first": times.shown(float(mine.min())), "last": times.shown(float(mine.max()))}
        found["time"] = {"spans": spans, "holds": chronology.holds(times.values, splits)}
    found["holds"] = not any(each["across"] for each in found["ties"]) and found.get("time", {}).get("holds", True)
    return found


def _count(tie: Tie, splits: NDArray[np.int8]) -> dict[str, Any]:
    left, right = splits[tie.pairs[:, 0]], splits[tie.pairs[:, 1]]
    both = (left >= 0) & (right >= 0)
    return {
        "kind": tie.kind,
        "what": tie.what,
        "pairs": int(both.sum()),
        "across": int((both & (left != right)).sum()),
    }


def issues(proof: Mapping[str, Any]) -> Iterator[Issue]:
    """Yield ``leaking-split`` for every kind of tie that joins two splits, and where the test begins too early."""
    for each in proof["ties"]:
        if each["across"]:
            yield Issue(
                "leaking-split",
                1.0,
                f"{each['across']} of {each['pairs']} pairs of samples with {each['what']} lie in two splits",
                column=each["kind"],
                evidence=dict(each),
            )
    time = proof.get("time")
    if time is not None and not time["holds"]:
        spans = time["spans"]
        yield Issue(
            "leaking-split",
            0.8,
            f"some samples to learn from are later than the first test sample ({spans['test']['first']}): they keep "
            "the split that they had in the dataset before",
            column="time",
            evidence={"spans": spans},
        )


def words(proof: Mapping[str, Any]) -> list[str]:
    """Return the proof in sentences."""
    said = [
        f"{each['pairs']:,} pair{'s' if each['pairs'] > 1 else ''} of samples with {each['what']}: "
        + (
            f"{each['across']:,} {'lie' if each['across'] > 1 else 'lies'} in two splits"
            if each["across"]
            else "none lies in two splits"
        )
        for each in proof["ties"]
        if each["pairs"]
    ]
    if not said:
        said.append(UNTIED)
    for name, span in proof.get("time", {}).get("spans", {}).items():
        said.append(f"{name}: from {span['first']} to {span['last']}")
    return said
