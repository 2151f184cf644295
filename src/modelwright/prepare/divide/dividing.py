"""Dividing the kept samples: by class, group, time or a column, with folds, and the proof that nothing leaks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.errors import InputError
from modelwright.prepare import about
from modelwright.prepare.collect import rowmaking
from modelwright.prepare.divide import chronology, folds, given, moments, proof, split
from modelwright.prepare.gather.gathered import Gathered
from modelwright.prepare.gather.rows import columns_of
from modelwright.prepare.gather.scratch import Scratch, parts
from modelwright.prepare.issues import Issue


@dataclass(frozen=True)
class Ties:
    """What holds samples together, and the groups that come of it.

    Parameters
    ----------
    kinds
        Pairs of places by what ties them.
    groups, keys
        ``(n,)`` group numbers of all samples, and ``(groups,)`` digests as numbers.
    """

    kinds: list[proof.Tie]
    groups: NDArray[np.int64]
    keys: NDArray[np.uint64]


@dataclass
class Division:
    """Who is where.

    ``splits`` and ``folds`` are ``(n,) int8`` over all samples, -1 for none; ``facts`` go into the dataset's ``meta``.
    """

    splits: NDArray[np.int8]
    folds: NDArray[np.int8] | None
    times: chronology.Times | None
    facts: dict[str, Any]
    issues: list[Issue] = field(default_factory=list)


def divide(
    settings: Any,
    gathered: Gathered,
    rows: Path,
    kept: NDArray[np.bool_],
    ties: Ties,
    strata: NDArray[np.int64],
    production: NDArray[np.bool_],
    known: NDArray[np.int8] | None,
    before: Mapping[str, Any] | None,
) -> Division:
    """Return each sample's split and fold.

    Parameters
    ----------
    settings
        The spec's ``split``.
    rows
        ``rows.parquet``, for a time that is a column of a table.
    kept
        ``(n,)`` which samples are divided.
    strata
        ``(kept,)`` class, or bin of a number.
    production
        ``(n,)`` which came from production.
    known
        ``(n,)`` splits in the dataset before, -1 where it doesn't know a sample; None: there is none.
    before
        That dataset's ``division``.
    """
    every = bool(kept.all())
    groups, keys = ties.groups if every else ties.groups[kept], ties.keys
    present = split.held(groups, len(keys))
    if not present.all():
        numbers = np.cumsum(present, dtype=groups.dtype)
        groups = groups.copy() if every else groups
        for part in parts(len(groups)):
            groups[part] = numbers[groups[part]] - 1
        del numbers
        keys = _chosen(keys, present, gathered.scratch)
    del present
    fractions = (settings.train, settings.validation, settings.test)
    mine = None if known is None else known[kept]
    times, moment = _times(settings, gathered, rows) if settings.by == "time" else (None, None)
    facts: dict[str, Any] = {"by": settings.by}
    if times is not None:
        places = np.flatnonzero(kept)
        plan, cuts = chronology.assign(times.values[places], groups, fractions, mine, _cuts(before, times))
        over = chronology.astride(gathered.beginnings()[places], times.values[places], cuts) & (plan.splits >= 0)
        plan.splits[over] = -1
        facts["time"] = {
            "column": settings.time if isinstance(settings.time, str | None) else list(settings.time),
            "form": times.form,
            "cuts": [cuts.validation, cuts.test],
            "validation_from": times.shown(cuts.validation),
            "test_from": times.shown(cuts.test),
        }
        if moment is not None:
            facts["time"]["joined"] = {"columns": list(moment.columns), "reason": moment.reason}
        if over.any():
            facts["time"]["astride"] = int(over.sum())
    elif settings.by == "column":
        told = given.read(list(gathered.told.values), gathered.told.numpy()[kept], settings.column)
        plan = given.assign(told, groups, keys, strata, fractions, settings.seed, mine)
        facts["column"] = {"name": settings.column, "without": int((told < 0).sum())}
    else:
        apart, covered = split.by_origin(strata, production[kept])
        plan = split.assign(groups, keys, apart, fractions, settings.seed, mine, covered)
    splits = np.full(len(kept), -1, np.int8)
    splits[kept] = plan.splits
    division = Division(splits, None, times, facts)
    if len(plan.conflicts):
        places = np.flatnonzero(kept)
        like = _like(places, groups, plan.splits, plan.conflicts)
        division.issues.extend(_shut_out(gathered, places[plan.conflicts], times, like))
    if times is not None and over.any():
        reaches = "reaches over the border of two splits: part of it would be known in both"
        division.issues.extend(about.samples(gathered, places[over], "split-conflict", 0.2, reaches))
    if settings.folds:
        division.folds = np.full(len(kept), -1, np.int8)
        train = plan.splits == split.TRAIN
        division.folds[splits == split.TRAIN] = _folds(settings, groups[train], keys, strata[train])
        facts["folds"] = np.bincount(division.folds[division.folds >= 0], minlength=settings.folds).tolist()
    facts["shares"] = {
        name: round(float((plan.splits == number).sum()) / max(int((plan.splits >= 0).sum()), 1), 6)
        for number, name in enumerate(split.NAMES)
    }
    facts["proof"] = proof.prove(ties.kinds, splits, times)
    division.issues.extend(proof.issues(facts["proof"]))
    return division


def _chosen(keys: NDArray[np.uint64], which: NDArray[np.bool_], scratch: Scratch) -> NDArray[np.uint64]:
    """Return ``keys[which]``, by parts."""
    made, start = scratch.zeros(int(np.count_nonzero(which)), np.uint64), 0
    for part in parts(len(keys), keys, made):
        some = keys[part][which[part]]
        made[start : start + len(some)] = some
        start += len(some)
    return made


def _folds(
    settings: Any, groups: NDArray[np.int64], keys: NDArray[np.uint64], strata: NDArray[np.int64]
) -> NDArray[np.int8]:
    inside, numbered = np.unique(groups, return_inverse=True)
    if len(inside) < settings.folds:
        raise InputError(
            f"split.folds: {settings.folds} folds are asked for, and the training split has {len(inside)} groups",
            code="too-few-samples",
        )
    return folds.deal(numbered.astype(np.int64), keys[inside], strata, settings.folds, settings.seed)


def _cuts(before: Mapping[str, Any] | None, times: chronology.Times) -> chronology.Cuts | None:
    """Return the cuts of the dataset before, where it was cut by times of the same kind."""
    told = (before or {}).get("time")
    return chronology.Cuts(*told["cuts"]) if told and told["form"] == times.form else None


def _times(settings: Any, gathered: Gathered, rows: Path) -> tuple[chronology.Times, moments.Moment | None]:
    """Return all samples' times, and of columns that were joined to one moment which, and why.

    They are of the table's column where it is an input, with the time of day beside it where there is one; of the
    columns that the spec joins; else as the source told them.
    """
    moment = _moment(settings.time, gathered, rows)
    if moment is not None:
        values = moments.joined(moments.read(rows, moment.columns))
        if not np.isfinite(values).any():
            raise InputError(
                f"split.time: no row has a moment in {', '.join(map(repr, moment.columns))}", code="no-times"
            )
        return chronology.Times(values, "date"), moment
    if settings.time is not None and settings.time in gathered.columns:
        found = next(column for _, column in columns_of(rows, (settings.time,)))
    else:
        found = gathered.times.arrow()
    times = chronology.read(found)
    if settings.time is None and times.form == "number" and chronology.is_calendar(times.values):
        times = replace(times, form="date")
    if times.unreadable:
        raise InputError(
            f"split.time {settings.time!r}: found {', '.join(map(repr, times.unreadable))}, "
            "which is neither a number nor a date",
            code="bad-time",
            hint='dates look like "2024-03-01" or "2024-03-01T12:00:00"; the source\'s \'missing:\' can name a code',
        )
    if not np.isfinite(times.values).any():
        raise InputError(
            "split.by: found 'time', and no sample has a time",
            code="no-times",
            hint="name the column that holds it: split: {time: COLUMN}",
        )
    return times, None


def _moment(asked: str | tuple[str, ...] | None, gathered: Gathered, rows: Path) -> moments.Moment | None:
    """Return the columns that the spec joins, or a date of the table with the time of day that stands beside it."""
    if isinstance(asked, tuple):
        lacking = [name for name in asked if name not in gathered.columns]
        if lacking:
            raise InputError(
                f"split.time: {rowmaking.some(lacking)} is no input column; there are: "
                f"{rowmaking.some(list(gathered.columns))}",
                code="missing-column",
                hint="what is joined must be columns of a table that are not left out",
            )
        return moments.Moment(asked, "the spec joins them")
    if asked is None or asked not in gathered.columns:
        return None
    return moments.in_rows(rows, list(gathered.columns), asked)


def _like(
    places: NDArray[np.int64], groups: NDArray[np.int64], splits: NDArray[np.int8], conflicts: NDArray[np.int64]
) -> dict[int, int]:
    """Return for samples that are in no split one of their group that is in the latest: the locked one, as a rule."""
    inside = np.flatnonzero((splits >= 0) & np.isin(groups, np.unique(groups[conflicts])))
    latest = inside[np.argsort(splits[inside], kind="stable")]
    of = dict(zip(groups[latest].tolist(), places[latest].tolist(), strict=True))
    found = zip(places[conflicts].tolist(), groups[conflicts].tolist(), strict=True)
    return {place: of[group] for place, group in found if group in of}


def _shut_out(
    gathered: Gathered, places: NDArray[np.int64], times: chronology.Times | None, like: Mapping[int, int]
) -> Iterator[Issue]:
    """Yield why samples are in no split: they have no time, or are tied to a sample of a later or locked one.

    Parameters
    ----------
    like
        A place to that of a sample that it is tied to.
    """

    def evidence(place: int) -> dict[str, Any]:
        other = like.get(place)
        return {} if other is None else {"other": gathered.paths[other], "other_id": gathered.id(other)}

    untimed = np.zeros(len(places), bool) if times is None else ~np.isfinite(times.values[places])
    for kind, some, severity, why in (
        ("missing-time", places[untimed], 0.7, "has no time, so it cannot be told from what is to be predicted"),
        (
            "split-conflict",
            places[~untimed],
            0.6,
            "is like a sample of the locked test split"
            if times is None
            else "is like a later sample, in the split after its own",
        ),
    ):
        yield from about.samples(gathered, some, kind, severity, why, evidence)


def small_splits(settings: Any, splits: NDArray[np.int8]) -> Iterator[Issue]:
    """Yield ``small-split`` for splits with too few samples to say much."""
    total = int((splits >= 0).sum())
    for number, name in enumerate(split.NAMES):
        count = int((splits == number).sum())
        if getattr(settings, name) > 0 and count < 30:
            yield Issue(
                "small-split",
                0.7 if count < 10 else 0.5,
                f"the {name} split has {count} of {total} samples: figures on so few are rough",
                column=name,
                evidence={"count": count},
            )


def told(facts: Mapping[str, Any]) -> Sequence[str]:
    """Return in words how samples were divided, for the run's log."""
    said = []
    if "time" in facts:
        time = facts["time"]
        if "joined" in time:
            *first, last = map(repr, time["joined"]["columns"])
            said.append(f"{', '.join(first)} and {last} are taken as one moment: {time['joined']['reason']}")
        said.append(
            f"split by time: to validate from {time['validation_from']}, to test from {time['test_from']}; "
            f"equal times lie together"
        )
    if "column" in facts:
        said.append(f"split as column {facts['column']['name']!r} says")
    if "folds" in facts:
        said.append(f"the training split is dealt into {len(facts['folds'])} folds: {facts['folds']}")
    return said
