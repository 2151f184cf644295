"""Checks over all samples together: duplicates, conflicting labels, balance, label spellings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare import about
from modelwright.prepare.clean import wording
from modelwright.prepare.gather import sorting
from modelwright.prepare.gather.gathered import Gathered
from modelwright.prepare.gather.scratch import Scratch, forget, parts
from modelwright.prepare.issues import Decided, Issue

IMBALANCE = 10.0
"""Largest class over smallest from which imbalance is an issue."""


@dataclass(frozen=True)
class Copies:
    """Equal samples.

    Parameters
    ----------
    pairs
        ``(m, 2)`` places that belong in one split.
    extra
        Places of the second and later copies with an equal label.
    conflicting
        Places whose equals have another label.
    """

    pairs: NDArray[np.int64]
    extra: NDArray[np.int64]
    conflicting: NDArray[np.int64]


def copies(
    keys: NDArray[np.generic],
    labels: NDArray[np.generic],
    usable: NDArray[np.bool_],
    scratch: Scratch | None = None,
) -> Copies:
    """Find equal samples by their keys (digests or numbers), and whether their labels agree."""
    first, later = repeated(keys, usable, scratch)
    pairs = np.stack([first, later], 1)
    # Only members of sets of equals are looked at further: few of millions, as a rule.
    inside = np.unique(pairs)
    heads = inside.copy()
    heads[np.searchsorted(inside, later)] = first
    _, label_codes = np.unique(labels[inside], return_inverse=True)
    _, head = np.unique(heads, return_inverse=True)
    both = head.astype(np.int64) * (int(label_codes.max(initial=0)) + 1) + label_codes
    _, first_both, inverse_both = np.unique(both, return_index=True, return_inverse=True)
    extra = inside[first_both[inverse_both] != np.arange(len(inside))]
    kinds = np.bincount(head[first_both], minlength=int(head.max(initial=-1)) + 1)
    return Copies(pairs, extra, inside[kinds[head] > 1])


def repeated(
    keys: NDArray[np.generic], usable: NDArray[np.bool_] | None = None, scratch: Scratch | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return ``(m,)`` the places of keys that came before already, ascending, and ``(m,)`` where each came first: first
    that, then those.

    Parameters
    ----------
    usable
        ``(n,)`` which keys count; None: all.
    scratch
        Where keys are sorted that are more than fit in memory.

    Examples
    --------
    >>> [each.tolist() for each in repeated(np.array([7, 5, 7, 5, 1], np.uint64))]
    [[0, 1], [2, 3]]
    """

    def heads(part: slice) -> NDArray[np.uint64]:
        some = _words(keys[part])[:, 0]
        return some if usable is None else some[usable[part]]

    # Not argsorted: of millions of keys, as a rule, few come twice, and places take as much.
    count = len(keys)
    twice = sorting.repeated((heads(part).copy() for part in parts(count, keys)), scratch or Scratch())
    if not len(twice):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    found = []
    for part in parts(count, keys):
        some = _words(keys[part])[:, 0]
        at = np.minimum(np.searchsorted(twice, some), len(twice) - 1)
        hit = twice[at] == some
        found.append(part.start + np.flatnonzero(hit if usable is None else hit & usable[part]))
    inside = np.concatenate(found)
    first = first_equal(keys[inside])
    forget(keys)
    later = np.flatnonzero(first != np.arange(len(first)))
    return inside[first[later]], inside[later]


def _words(keys: NDArray[np.generic]) -> NDArray[np.uint64]:
    """Return keys as ``(n, k) uint64``, without a copy."""
    wide = keys.view(np.uint64) if keys.dtype.kind == "V" else keys
    return wide.reshape(len(keys), max(1, keys.dtype.itemsize // 8))  # type: ignore[return-value]


def first_equal(keys: NDArray[np.generic]) -> NDArray[np.int64]:
    """Return ``(n,)``: for each key the place of the first one equal to it.

    Examples
    --------
    >>> first_equal(np.array([7, 5, 7, 5, 1], np.uint64)).tolist()
    [0, 1, 0, 1, 4]
    >>> first_equal(np.array([], np.uint64)).tolist()
    []
    """
    if not len(keys):
        return np.empty(0, np.int64)
    whole = _words(keys)
    order = np.argsort(whole[:, 0], kind="stable")
    ordered = whole[order, 0]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    made = np.empty(len(order), np.int64)
    made[order] = np.repeat(order[starts], np.diff(starts, append=len(order)))
    later = np.flatnonzero(made != np.arange(len(made)))
    if whole.shape[1] > 1 and not (whole[later] == whole[made[later]]).all():
        # Digests that agree in 64 bits and not in all: once in a universe.
        _, index, inverse = np.unique(keys, return_index=True, return_inverse=True)
        made = index[inverse].astype(np.int64)
    return made


def copy_issues(gathered: Gathered, found: Copies, paths: Callable[[int], str], *, rows: bool) -> Iterator[Issue]:
    """Yield ``duplicate`` and ``conflicting-labels`` (``conflicting-rows`` for tables: one issue for all)."""
    if len(found.extra) + len(found.conflicting) > about.MOST:
        yield from _many_copies(gathered, found, rows=rows)
        return
    conflicting = set(found.conflicting.tolist())
    groups: dict[int, list[int]] = {}
    for head, place in found.pairs.tolist():
        groups.setdefault(head, [head]).append(place)
    extra = set(found.extra.tolist())
    torn = 0
    what = "values" if rows else "bytes"
    for members in groups.values():
        names = [paths(place) for place in members[:8]]
        torn += members[0] in conflicting
        for place in members:
            others = [name for name, each in zip(names, members[:8], strict=True) if each != place]
            if place in conflicting and not rows:
                labels = sorted({worded(gathered, each) for each in members})
                mine = worded(gathered, place)
                theirs = ", ".join(label for label in labels if label != mine)
                yield Issue(
                    "conflicting-labels",
                    0.9,
                    f"{paths(place)} is labelled {mine}, and the same bytes also {theirs} ({', '.join(others[:3])})",
                    place,
                    gathered.id(place),
                    f"{gathered.sources[place]}/{paths(place)}",
                    evidence={"labels": labels, "others": others},
                )
            elif place in extra:
                yield Issue(
                    "duplicate",
                    0.4,
                    f"{paths(place)} has the same {what} as {others[0] if others else names[0]}",
                    place,
                    gathered.id(place),
                    f"{gathered.sources[place]}/{paths(place)}",
                    evidence={"others": others, "copies": len(members)},
                )
    yield from _copies_in_all(gathered, len(extra), torn, len(conflicting), rows=rows)


def _many_copies(gathered: Gathered, found: Copies, *, rows: bool) -> Iterator[Issue]:
    """Yield what :func:`copy_issues` does where there are too many for an issue each."""
    what = "values" if rows else "bytes"
    extra = found.extra if rows else np.setdiff1d(found.extra, found.conflicting)
    if not rows:
        torn = "has equals with another label"
        yield from about.samples(gathered, found.conflicting, "conflicting-labels", 0.9, torn)
    yield from about.samples(gathered, extra, "duplicate", 0.4, f"has the same {what} as an earlier sample")
    head = np.arange(len(gathered))
    head[found.pairs[:, 1]] = found.pairs[:, 0]
    torn_sets = len(np.unique(head[found.conflicting]))
    yield from _copies_in_all(gathered, len(extra), torn_sets, len(found.conflicting), rows=rows)


def _copies_in_all(gathered: Gathered, extra: int, torn: int, conflicting: int, *, rows: bool) -> Iterator[Issue]:
    share = extra / max(len(gathered), 1)
    if rows and share >= 0.01:
        yield Issue(
            "duplicate-share",
            round(min(0.2 + share, 0.8), 3),
            f"{extra} of {len(gathered)} rows ({share:.0%}) are copies of an earlier one, answer included",
            evidence={"rows": len(gathered), "copies": extra},
        )
    if rows and torn:
        yield Issue(
            "conflicting-rows",
            0.3,
            f"{torn} sets of equal rows have different answers: no model can be right on all of them",
            evidence={"sets": torn, "rows": conflicting},
        )


def worded(gathered: Gathered, place: int) -> str:
    """Return a sample's label in words."""
    return wording.words(gathered.label(place), gathered.label_kind)


def balance_issues(counts: Mapping[str, int]) -> Iterator[Issue]:
    """Yield ``rare-class`` for classes with one sample, and ``imbalance``."""
    for name, count in counts.items():
        if count == 1:
            yield Issue(
                "rare-class",
                0.6,
                f"class {name!r} has one sample only: it can be neither validated nor tested",
                column=name,
            )
    if len(counts) > 1:
        most, least = max(counts, key=lambda name: counts[name]), min(counts, key=lambda name: counts[name])
        ratio = counts[most] / max(counts[least], 1)
        if ratio >= IMBALANCE:
            yield Issue(
                "imbalance",
                min(0.3 + ratio / 200, 0.8),
                f"class {most!r} has {ratio:.0f} times as many samples ({counts[most]}) as {least!r} ({counts[least]})",
                evidence={"counts": dict(sorted(counts.items(), key=lambda pair: -pair[1])[:50])},
            )


def cap_issues(numbers: NDArray[np.float64]) -> Iterator[Issue]:
    """Yield ``capped-target`` where the largest or smallest answer comes up far too often: a limit, not a value."""
    if len(numbers) < 200:
        return
    values, counts = np.unique(numbers, return_counts=True)
    if len(values) < 50:
        return  # grades and counts: every value comes up often
    usual = float(np.quantile(counts, 0.99))
    for place, word in ((0, "smallest"), (-1, "largest")):
        count = int(counts[place])
        if count > 0.01 * len(numbers) and count > 3 * usual:
            yield Issue(
                "capped-target",
                0.5,
                f"{count} of {len(numbers)} answers are exactly {values[place]:g}, the {word}: probably a limit",
                column=word,
                evidence={"value": float(values[place]), "count": count},
            )


def spelling(name: str) -> str:
    """Return what two spellings of one label have in common.

    Examples
    --------
    >>> spelling("<=50K.") == spelling(" <=50k"), spelling("a-b") == spelling("a+b")
    (True, False)
    """
    return re.sub(r"\s+", " ", name.strip().rstrip(".").rstrip().casefold())


def spelling_issues(counts: Mapping[str, int]) -> Iterator[Issue]:
    """Yield ``label-variants`` for classes that differ in case, spaces or a final full stop only."""
    groups: dict[str, list[str]] = {}
    for name in counts:
        groups.setdefault(spelling(name), []).append(name)
    for names in groups.values():
        if len(names) > 1:
            best = max(names, key=lambda name: (counts[name], name))
            others = sorted(set(names) - {best})
            yield Issue(
                "label-variants",
                0.8,
                f"classes {', '.join(map(repr, sorted(names)))} are probably one: {best!r}",
                column=best,
                evidence={"into": best, "variants": others},
            )


def respell(found: Sequence[Decided], labels: NDArray[np.int64], names: Sequence[str]) -> NDArray[np.int64]:
    """Return ``(n,)`` class codes in which labels spelled in several ways are the one that was decided on."""
    made = labels.copy()
    for each in found:
        if each.decision == "fix":
            into = names.index(each.issue.evidence["into"])
            for variant in each.issue.evidence["variants"]:
                made[labels == names.index(variant)] = into
    return made


def alike_rows(count: int) -> Iterator[Issue]:
    """Yield ``duplicate-rows`` for rows that are equal but for identifiers."""
    if count > 0:
        yield Issue(
            "duplicate-rows",
            0.2,
            f"{count} rows equal another one but for identifier-like columns; they stay in one split with it",
            evidence={"rows": count},
        )
