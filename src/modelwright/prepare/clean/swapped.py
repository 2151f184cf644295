"""The check of boxes' classes as a part of prepare: from suspects to issues, and what becomes of the labels."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright import canonical
from modelwright.prepare.clean.labels import boxes
from modelwright.prepare.clean.labels.check import Result, Samples
from modelwright.prepare.clean.mislabelled import Describe
from modelwright.prepare.issues import Decided, Issue, fixes_of, people_of
from modelwright.progress import Progress
from modelwright.tasks.base import Arrays
from modelwright.tasks.targets.boxes import written


def suspects(
    samples: Samples,
    pictures: Callable[[NDArray[np.int64]], Iterator[Arrays]],
    store: Any,
    about: list[Any],
    describe: Describe,
    progress: Progress,
) -> tuple[Result, list[Issue]]:
    """Look for boxes of the wrong class, before anybody's decision about them counts.

    Parameters
    ----------
    samples
        The pictures: ``labels`` are codes of whole labels, ``names`` those labels.
    pictures
        Yields pictures, decoded, at ascending places.
    """
    places = np.flatnonzero(samples.checked & (samples.labels >= 0))
    boxed = boxes.chosen((place, json.loads(samples.names[samples.labels[place]])) for place in places.tolist())
    if not boxed.boxes:
        return Result(facts={"skipped": "there are no boxes large enough to be looked at"}), []
    people = people_of(store)

    def issue(number: int, severity: float = 0.0, evidence: dict[str, Any] | None = None) -> Issue:
        name, digest, path = describe(int(boxed.of[number]))
        box = {key: value for key, value in boxed.boxes[number].items() if key != "polygons"}
        where = f"{box['x']:g}, {box['y']:g}, {box['width']:g} × {box['height']:g}"
        made = Issue("mislabelled", severity, name, int(boxed.of[number]), digest, path, f"box {where}")
        if evidence is None:
            return made
        of = evidence["probabilities"]
        given, other = evidence["given"], evidence["suggested"]
        words = (
            f"{name}: the box at {where} is labelled {given} ({of[given]:.0%}) and looks like {other} ({of[other]:.0%})"
        )
        return replace(made, message=words, evidence={**evidence, "box": box})

    folder: Path = store.cache_dir("labels")
    result = boxes.find(
        boxed,
        samples,
        pictures,
        folder,
        progress,
        about=canonical.digest_value(about),
        asked=(lambda number: issue(number).id in people) if people else None,
    )
    found = zip(result.places, result.severities, result.evidence, strict=True)
    return result, [issue(number, severity, evidence) for number, severity, evidence in found]


def settle(
    found: Sequence[Decided], store: Any, labels: NDArray[Any], names: list[str], kept: NDArray[np.bool_]
) -> dict[int, str]:
    """Drop pictures, or give boxes another class, as decided, in place; return which issue gave a place its label."""
    taken = fixes_of(store)
    fixed: dict[int, str] = {}
    codes = {name: code for code, name in enumerate(names)}
    for each in found:
        place = each.issue.place
        if each.decision == "drop":
            kept[place] = False
        elif each.decision == "fix":
            made = json.loads(names[labels[place]])
            wanted = each.issue.evidence["box"]
            for box in made:
                if {key: value for key, value in box.items() if key != "polygons"} == wanted:
                    box["class"] = taken.get(each.issue.id, each.issue.evidence["suggested"])
                    break
            after = written(made)
            labels[place] = codes.setdefault(after, len(names))
            if labels[place] == len(names):
                names.append(after)
            fixed[place] = each.issue.id
    return fixed
