"""One mask under several pictures that show different things: one of them got another's file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.gather.gathered import Gathered
from modelwright.prepare.issues import Issue
from modelwright.tasks.targets.mask import Mask

MOST = 0.2
"""Share of samples with a mask that others have too, up to which it is a slip; beyond, one mask for many is the custom
(a camera that never moves)."""
_LISTED = 200


def issues(
    gathered: Gathered,
    target: Mask,
    labels: NDArray[np.int64],
    names: Sequence[str],
    usable: NDArray[np.bool_],
    tied: NDArray[np.int64],
    shown: Callable[[int], str],
) -> Iterator[Issue]:
    """Yield ``duplicate-mask`` for each picture but the first of those with the same mask, pixel by pixel.

    Masks of one class alone are alike by themselves, and so are masks of equal or nearly equal pictures.

    Parameters
    ----------
    labels, names
        ``(n,)`` codes of masks, -1 for none, and their descriptions by code.
    tied
        ``(m, 2)`` places of equal and of nearly equal pictures.
    """
    places = np.flatnonzero(usable & (labels >= 0))
    counts = np.bincount(labels[places], minlength=len(names))
    shared = {code for code in np.flatnonzero(counts > 1).tolist() if len(target.classes(names[code])) > 1}
    same = {(int(one), int(other)) for pair in tied.tolist() for one, other in (pair, pair[::-1])}
    first: dict[int, list[int]] = {}
    found: list[tuple[int, int]] = []
    for place in places[np.isin(labels[places], list(shared))].tolist():
        before = first.setdefault(int(labels[place]), [])
        if before and not any((place, other) in same for other in before):
            found.append((place, before[0]))
        if len(before) < _LISTED:
            before.append(place)
    if len(found) > max(2, MOST * len(places)):
        yield Issue(
            "duplicate-mask",
            0.2,
            f"{len(found)} of {len(places)} pictures have a mask that another picture has too, such as "
            f"{shown(found[0][0])} and {shown(found[0][1])}: one mask for many seems to be the custom here",
            evidence={"samples": len(found), "of": len(places)},
            places=[place for place, _ in found],
        )
        return
    for place, other in found[:_LISTED]:
        path = shown(place)
        yield Issue(
            "duplicate-mask",
            0.6,
            f"{path} has the same mask, pixel by pixel, as {shown(other)}, which shows something else",
            place,
            gathered.id(place),
            f"{gathered.sources[place]}/{path}",
            evidence={"other": shown(other)},
        )
