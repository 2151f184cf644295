"""Empty masks where others are not: a folder of faultless parts has empty masks, one of cracks has a forgotten one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.issues import Issue

KIND = "empty-mask"
MOST = 0.25
"""Share of empty masks in a folder up to which each of them is an exception there."""
LEAST = 8
"""Masks in a folder from which it has a custom."""


def sharpened(
    found: Iterable[Issue], labels: NDArray[np.int64], usable: NDArray[np.bool_], shown: Callable[[int], str]
) -> Iterator[Issue]:
    """Yield issues, empty masks among mostly full ones as more severe, with the folder's custom as the evidence.

    Parameters
    ----------
    labels, usable
        ``(n,)`` codes, -1 for none, and which samples can be used.
    shown
        Gives a place's name.
    """
    kept = list(found)
    empty = [each for each in kept if each.kind == KIND]
    if not empty:
        yield from kept
        return
    every = _folders(np.flatnonzero(usable & (labels >= 0)).tolist(), shown)
    without = _folders([each.place for each in empty], shown)
    for each in kept:
        folder = shown(each.place).rpartition("/")[0] if each.kind == KIND else ""
        many, none = every[folder], without[folder]
        if each.kind != KIND or many < LEAST or none > MOST * many:
            yield each
            continue
        words = f"{each.message}, where {many - none} of {many} in {folder or 'its folder'} have something on them"
        yield replace(
            each, severity=0.7, message=words, evidence={**each.evidence, "folder": folder, "of": many, "empty": none}
        )


def _folders(places: Sequence[int], shown: Callable[[int], str]) -> Counter[str]:
    return Counter(shown(place).rpartition("/")[0] for place in places)
