"""What the modality finds when it sees all samples at once, as issues."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare import about
from modelwright.prepare.cache.scanned import Look
from modelwright.prepare.clean.labels.features import sketches_of
from modelwright.prepare.gather.gathered import Gathered
from modelwright.prepare.issues import Issue
from modelwright.tasks.abilities import Comparing, Sketched
from modelwright.tasks.base import Modality

_TELLING = 0.95
"""Share of one class among samples that share something, from which that tells the class."""


def issues(
    gathered: Gathered,
    modality: Modality,
    look: Look,
    usable: NDArray[np.bool_],
) -> Iterator[Issue]:
    """Yield an issue for each sample, or one for what many share, with examples and the class it gives away."""
    if not isinstance(modality, Comparing) or not isinstance(modality, Sketched):
        return
    places = np.flatnonzero(usable)
    inside, sketches = sketches_of(modality, gathered, look, places)
    if not len(inside):
        return
    for found in modality.compare(sketches):
        mine = places[inside[found.places]]
        if found.single:
            yield from about.samples(gathered, mine, found.kind, found.severity, found.message)
            continue
        examples = [gathered.paths[place] for place in mine[: about.EXAMPLES].tolist()]
        told, evidence = _told(gathered, mine, places)
        yield Issue(
            found.kind,
            max(found.severity, 0.6) if told else found.severity,
            f"{found.message}, such as {', '.join(examples[:3])}{told}",
            evidence={"samples": len(mine), "examples": examples, **evidence},
        )


def _told(gathered: Gathered, mine: NDArray[np.int64], usable: NDArray[np.int64]) -> tuple[str, dict[str, object]]:
    """Return in words which class nearly all of some samples have, where it is not that of most samples anyway."""
    if gathered.label_kind != "class":
        return "", {}
    codes = gathered.labels.numpy()
    own, all_of_them = codes[mine], codes[usable]
    own = own[own >= 0]
    if len(own) < len(mine) or not len(own):
        return "", {}
    top = int(np.bincount(own).argmax())
    share, usual = float((own == top).mean()), float((all_of_them == top).mean())
    if share < _TELLING or usual > 0.75:
        return "", {}
    name = gathered.names()[top]
    words = f"; {share:.0%} of them are {name!r}, of all samples {usual:.0%}: it may give the answer away"
    return words, {"class": name, "share": round(share, 4)}
