"""Issues about many samples: one each, up to a bound; beyond it one for all, with examples.

A table of five hundred thousand rows of which seven tenths are copies has one trouble, not 345,000 of them. What is
decided about the one issue holds for all of its samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.gather.gathered import Gathered
from modelwright.prepare.issues import Issue

MOST = 1000
"""Samples of one kind of trouble that get an issue each."""
EXAMPLES = 20


def samples(
    gathered: Gathered,
    places: NDArray[np.int64] | Sequence[int],
    kind: str,
    severity: float,
    why: str | Callable[[int], str],
    evidence: Callable[[int], Mapping[str, Any]] | None = None,
) -> Iterator[Issue]:
    """Yield an issue for each place, or one for all where there are more than :data:`MOST`.

    Parameters
    ----------
    why
        What follows the sample's name in the message, or returns it for a place.
    evidence
        Returns the evidence of one place.
    """
    paths = gathered.paths

    def said(place: int) -> str:
        return f"{paths[place]} {why if isinstance(why, str) else why(place)}"

    if len(places) > MOST:
        first = [int(place) for place in places[:EXAMPLES]]
        yield Issue(
            kind,
            severity,
            f"{len(places):,} samples are like this: {said(first[0])}",
            evidence={"samples": len(places), "examples": [paths[place] for place in first]},
            places=np.asarray(places, np.int64),
        )
        return
    for place in map(int, places):
        yield Issue(
            kind,
            severity,
            said(place),
            place,
            gathered.id(place),
            f"{gathered.sources[place]}/{paths[place]}",
            evidence={} if evidence is None else evidence(place),
        )
