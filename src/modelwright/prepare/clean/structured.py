"""Labels with parts (tags, boxes, masks): checked against their samples, mended, counted, and put into strata."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from modelwright import canonical
from modelwright.prepare.gather.gathered import Gathered
from modelwright.prepare.issues import Decided, Issue
from modelwright.tasks.abilities import Structured


def issues(
    gathered: Gathered,
    target: Structured,
    labels: NDArray[np.int64],
    names: Sequence[str],
    usable: NDArray[np.bool_],
    shown: Callable[[int], str],
) -> Iterator[Issue]:
    """Yield what is wrong with single labels, given their samples' measures."""
    measures = list(gathered.measures.items())
    for place in np.flatnonzero(usable & (labels >= 0)).tolist():
        mine = {name: values[place] for name, values in measures if place < len(values)}
        for problem in target.check(names[labels[place]], mine):
            path = shown(place)
            yield Issue(
                problem.kind,
                problem.severity,
                f"{path}: {problem.message}",
                place,
                gathered.id(place),
                f"{gathered.sources[place]}/{path}",
                evidence=problem.evidence,
            )


def mend(
    found: Sequence[Decided], gathered: Gathered, target: Structured, labels: NDArray[np.int64], names: list[str]
) -> int:
    """Put right, in place, the labels whose issues were decided as ``fix``; return how many changed."""
    kinds: dict[int, set[str]] = {}
    for each in found:
        if each.decision == "fix" and each.issue.place >= 0:
            kinds.setdefault(each.issue.place, set()).add(each.issue.kind)
    codes = {name: code for code, name in enumerate(names)}
    changed = 0
    for place, mine in kinds.items():
        measures = {name: values[place] for name, values in gathered.measures.items() if place < len(values)}
        before = names[labels[place]]
        after = target.mend(before, measures, frozenset(mine))
        if after != before:
            changed += 1
            code = codes.setdefault(after, len(names))
            if code == len(names):
                names.append(after)
            labels[place] = code
    return changed


def counts(target: Structured, labels: NDArray[np.int64], names: Sequence[str]) -> dict[str, int]:
    """Return in how many samples each class occurs."""
    found: Counter[str] = Counter()
    for code, times in zip(*np.unique(labels, return_counts=True), strict=True):
        for name in set(target.classes(names[code])):
            found[name] += int(times)
    return dict(sorted(found.items()))


def respell(found: Sequence[Decided], target: Structured, labels: NDArray[np.int64], names: list[str]) -> None:
    """Write tags that were spelled in several ways as the one that was decided on, in place."""
    into = {
        variant: each.issue.evidence["into"]
        for each in found
        if each.decision == "fix"
        for variant in each.issue.evidence["variants"]
    }
    codes = {name: code for code, name in enumerate(names)}
    for code in np.unique(labels[labels >= 0]).tolist() if into else ():
        tags = target.classes(names[code])
        after = canonical.dumps(sorted({into.get(tag, tag) for tag in tags})).decode()
        if after != names[code]:
            other = codes.setdefault(after, len(names))
            if other == len(names):
                names.append(after)
            labels[labels == code] = other


def strata(target: Structured, labels: NDArray[np.int64], names: Sequence[str]) -> NDArray[np.int64]:
    """Return ``(n,)`` strata: the rarest class of each sample, so that rare classes reach every split; 0 for none."""
    many = counts(target, labels, names)
    order = {name: number for number, name in enumerate(sorted(many, key=lambda name: (many[name], name)), 1)}
    codes, inverse = np.unique(labels, return_inverse=True)
    rarest = [min((order[name] for name in target.classes(names[code])), default=0) for code in codes.tolist()]
    return np.array(rarest, np.int64)[inverse]
