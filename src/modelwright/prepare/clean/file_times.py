"""Whether files of one class were made at another time than those of the others: light, season, camera and person go
with the time, and a model may learn them instead of what it is to tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from modelwright.errors import InputError
from modelwright.prepare.clean import times_told
from modelwright.prepare.clean.giveaways import LEAST, MOST
from modelwright.prepare.clean.remembered import Remembered
from modelwright.prepare.divide import chronology
from modelwright.prepare.gather.gathered import Gathered
from modelwright.prepare.gather.spaced import spaced
from modelwright.prepare.issues import Issue
from modelwright.tasks.abilities import Dated
from modelwright.tasks.base import Modality

_READ = 400
"""Files that are opened once more to see when they were made, evenly spaced."""
_TIMED = 0.9
"""Share of samples that must say when they were made."""
_MADE = 0.6
_COUNTED = 0.3
"""Severity where nothing but the running numbers in names tells the class."""

Raws = Callable[[NDArray[np.int64]], Iterable[bytes]]
"""Gives the bytes of samples at ascending places."""


def issues(
    gathered: Gathered,
    modality: Modality,
    labels: NDArray[np.int64],
    usable: NDArray[np.bool_],
    shown: Callable[[int], str],
    raws: Raws,
    memory: Remembered,
) -> Iterator[Issue]:
    """Yield at most one ``leaking-time``: by the times that the source gives, dates in names, dates in files (EXIF), or
    running numbers in names.

    Where groups are given, one sample of each speaks for it.
    """
    places = np.flatnonzero(usable & (labels >= 0))
    groups = gathered.groups.numpy()[places]
    if (groups >= 0).all():
        places = places[np.sort(np.unique(groups, return_index=True)[1])]
    places = spaced(places, MOST)
    if len(places) < LEAST or len(np.unique(labels[places])) < 2:
        return
    names = [shown(place) for place in places.tolist()]
    for what, days in (("source", _given(gathered)[places]), ("name", np.array([_of_name(name) for name in names]))):
        told = times_told.by_time(days, labels[places], np.full(len(places), np.nan))
        if told:
            yield _issue(f"the time that the {what} says tells the class: {told}", _MADE, what)
            return
    some = spaced(places, _READ)
    told = times_told.by_time(
        _of_files(gathered, modality, some, raws, memory), labels[some], np.full(len(some), np.nan)
    )
    if told:
        yield _issue(f"the time that is written in the files (EXIF) tells the class: {told}", _MADE, "file")
        return
    _, own = np.unique(labels[places], return_inverse=True)
    for numbers in times_told.counters([name.rpartition("/")[2] for name in names], 0.9):
        known = ~np.isnan(numbers)
        kinds, inside = np.unique(own[known], return_inverse=True)
        told = times_told.separate(numbers[known], inside) if len(kinds) > 1 else ""
        if told:
            words = f"running numbers in the files' names tell the class: {told}. If they count the files as they were"
            yield _issue(f"{words} made, each class was made in a time of its own", _COUNTED, "number")
            return


def _issue(words: str, severity: float, where: str) -> Issue:
    return Issue(
        "leaking-time",
        severity,
        f"{words}; light, season, device and person may have changed with it: a model may learn those",
        evidence={"where": where},
    )


def _given(gathered: Gathered) -> NDArray[np.float64]:
    """Return ``(n,)`` days since 1970 as the sources tell them; NaN where they are no dates."""
    made = np.full(len(gathered), np.nan)
    if not len(gathered.times) or (np.isnan(gathered.times.numbers()).all() and not gathered.times.worded):
        return made
    try:
        times = chronology.read(gathered.times.arrow())
    except InputError:  # neither numbers nor dates: nobody asked for a split by them
        return made
    if times.form == "date" or chronology.is_calendar(times.values):
        made[: len(times.values)] = times.values / 86400.0
    return made


def _of_name(name: str) -> float:
    own = times_told.written(name.rpartition("/")[2])
    return times_told.written(name) if np.isnan(own) else own


def _of_files(
    gathered: Gathered, modality: Modality, places: NDArray[np.int64], raws: Raws, memory: Remembered
) -> NDArray[np.float64]:
    """Return ``(m,)`` when the samples at ``places`` were made, by what is written in them; NaN unknown."""
    unknown = np.full(len(places), np.nan)
    if not isinstance(modality, Dated):
        return unknown
    dated = modality

    def made() -> dict[str, NDArray[np.float64]]:
        days = np.array([dated.made(raw) for raw in raws(places)])
        return {"days": days if len(days) == len(places) else unknown}

    try:
        return memory.get("made", [gathered.digests()[places]], made)["days"]
    except InputError:  # a file that is gone by now: it is said where samples are read for good
        return unknown
