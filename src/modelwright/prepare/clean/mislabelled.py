"""The check of labels as a part of prepare: what people had decided, and what becomes of the labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright import canonical
from modelwright.prepare.clean.labels import check, tags
from modelwright.prepare.clean.labels.check import Predict, Result, Samples, find
from modelwright.prepare.gather.gathered import Gathered
from modelwright.prepare.issues import Decided, Issue, fixes_of, people_of
from modelwright.progress import Progress

Describe = Callable[[int], tuple[str, str, str]]
"""Gives a place's name, digest and ``<source>/<name>``."""


def describer(gathered: Gathered, shown: Callable[[int], str]) -> Describe:
    """Return what describes samples, given what shows their names."""

    def describe(place: int) -> tuple[str, str, str]:
        name = shown(place)
        return name, gathered.id(place), f"{gathered.sources[place]}/{name}"

    return describe


def wanted(clean: Any, *others: str) -> bool:
    """Say whether a rule of the spec's ``clean`` names mislabelled, as the default does, or one of ``others``."""
    named = {word for words in (clean.drop, clean.fix, clean.keep, clean.review) for word in words}
    return bool(named & {"mislabelled", *others})


def suspects(
    samples: Samples,
    predict: Predict,
    store: Any,
    about: list[Any],
    describe: Describe,
    progress: Progress,
    tags_of: Callable[[str], Sequence[str]] | None = None,
) -> Result:
    """Look for mislabelled samples, before anybody's decision about them counts: so the same are found every time.

    Parameters
    ----------
    tags_of
        For labels that are tags: those in one label.
    """
    people = people_of(store)

    def asked(place: int) -> bool:
        name, digest, path = describe(place)
        return Issue("mislabelled", 0.0, name, place, digest, path).id in people

    folder: Path = store.cache_dir("labels")
    mark = canonical.digest_value(about)
    said = asked if people else None
    if tags_of is not None:
        return tags.find(samples, tags_of, predict, folder, progress, about=mark, asked=said)
    return find(samples, predict, folder, progress, about=mark, asked=said)


def issues(result: Result, describe: Describe) -> Iterator[Issue]:
    """Yield the found samples as issues."""
    yield from check.issues(result, describe)


def settle(
    found: Sequence[Decided],
    store: Any,
    labels: NDArray[Any],
    names: list[str],
    kept: NDArray[np.bool_],
    *,
    closed: bool = True,
) -> dict[int, str]:
    """Drop, or give another label to, what was so decided, in place; return which issue gave a place its label.

    A label that a person took over stays what it was then, whatever would be suggested now. Unless the labels are
    ``closed``, a new one (another set of tags) is added to ``names``.
    """
    taken = fixes_of(store)
    fixed = {}
    for each in found:
        place = each.issue.place
        if each.decision == "drop":
            kept[place] = False
        elif each.decision == "fix":
            label = taken.get(each.issue.id, each.issue.evidence["suggested"])
            if names and label not in names:
                if closed:
                    continue  # a class that no source has any more
                names.append(label)
            labels[place] = names.index(label) if names else float(label)
            fixed[place] = each.issue.id
    return fixed
