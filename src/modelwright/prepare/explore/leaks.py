"""The proof that no split has seen another one, and the closest that any two of them come."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.drawing import page as draw
from modelwright.drawing.page import Element
from modelwright.prepare.divide import proof, split
from modelwright.prepare.explore.view import View, clip
from modelwright.prepare.gather.scratch import Scratch, parts
from modelwright.prepare.gather.sorting import Runs
from modelwright.tasks import abilities

_TEST, _TRAIN = 1500, 4000
_PAIRS = 8


def sections(view: View) -> list[Element]:
    """Return what was counted over the finished splits, and the likest samples of training and test."""
    groups, several, straddling = _groups(view)
    told = view.meta.get("division", {}).get("proof")
    view.figures["groups"] = {"groups": groups, "of_several": several, "straddling": straddling}
    holds = straddling == 0 and (told is None or bool(told["holds"]))
    view.figures["leaks"] = not holds
    listed = [] if told is None else [line for line in proof.words(told) if line != proof.UNTIED]
    return [
        draw.section(
            "No leaks between splits" if holds else "Leaks between splits",
            draw.banner(
                "good" if holds else "bad",
                _said(several, straddling),
            ),
            draw.h("ul", [draw.h("li", line) for line in listed]) if listed else None,
            _closest(view),
        )
    ]


def _said(several: int, straddling: int) -> str:
    if not several:
        return "No two samples are duplicates or near-duplicates, or belong together otherwise."
    found = (
        f"{several:,} group{'s' if several > 1 else ''} of duplicates, near-duplicates or samples that belong together"
    )
    lie = {0: "none of them lies", 1: "one of them lies"}.get(straddling, f"{straddling:,} of them lie")
    return f"{found} {'were' if several > 1 else 'was'} found; {lie} in more than one split."


def _number(groups: Any) -> NDArray[np.uint64]:
    """Return ``(n,)`` the numbers that 16 hexadecimal characters each stand for."""
    text = groups.buffers()[2].to_pybytes()[groups.offset * 16 : (groups.offset + len(groups)) * 16]
    return np.frombuffer(bytes.fromhex(text.decode("ascii")), ">u8").astype(np.uint64)


def _groups(view: View) -> tuple[int, int, int]:
    """Return the number of groups, of those with several samples, and of those that lie in more than one split."""
    # As numbers: a dictionary of millions of different texts would take ten times their own memory.
    scratch = Scratch(view.store.cache_dir("scratch"))
    numbers, start, runs = scratch.zeros(len(view), np.uint64), 0, Runs(scratch, 2)
    for piece in view.samples.pieces("group"):
        part = slice(start, start + len(piece))
        numbers[part] = _number(piece)
        runs.add(numbers[part][view.kept[part]])
        start += len(piece)
    count, found = 0, [np.empty(0, np.uint64)]
    for ordered in filter(len, runs.ranges()):
        again = ordered[1:][ordered[1:] == ordered[:-1]]
        count += len(ordered) - len(again)
        if len(again):
            found.append(again[np.concatenate([[True], again[1:] != again[:-1]])])
    several = np.concatenate(found)
    if not len(several):
        return count, 0, 0
    low, high = np.full(len(several), np.iinfo(np.int8).max, np.int8), np.full(len(several), -1, np.int8)
    for part in parts(len(view), numbers):
        at = np.minimum(np.searchsorted(several, numbers[part]), len(several) - 1)
        inside = view.kept[part] & (several[at] == numbers[part])
        np.minimum.at(low, at[inside], view.splits[part][inside])
        np.maximum.at(high, at[inside], view.splits[part][inside])
    return count, len(several), int((low != high).sum())


def _closest(view: View) -> Element | None:
    """Show the test samples that are likest to a training sample: still different, or the search has missed one."""
    if not view.pictured or view.only is not None or not isinstance(view.modality, abilities.Sketched):
        return None
    train = view.some(np.flatnonzero(view.splits == split.TRAIN), _TRAIN)
    test = view.some(np.flatnonzero(view.splits == split.TEST), _TEST)
    if not len(train) or not len(test):
        return None
    found = view.sketches(np.concatenate([train, test]))
    if found is None or not len(found[0]):
        return None
    places = np.concatenate([train, test])[found[0]]
    vectors = view.modality.vectors(found[1])
    learned = view.splits[places] == split.TRAIN
    one, other = vectors[learned], vectors[~learned]
    if not len(one) or not len(other):
        return None
    near, apart = _nearest(other, one)
    order = np.argsort(apart, kind="stable")[:_PAIRS]
    shown: list[Any] = []
    for place in order.tolist():
        pair = int(places[~learned][place]), int(places[learned][near[place]])
        pictures = [view.small(each, 128) for each in pair]
        if pictures[0] is not None and pictures[1] is not None:
            names = [clip(view.path(each), 40) for each in pair]
            drawn = [(data, name) for data, name in zip(pictures, names, strict=True) if data]
            shown.append((drawn, f"{names[0]} (test), {names[1]} (train)"))
    if not shown:
        return None
    return draw.h(
        "div",
        draw.h("h3", "The closest that test and training samples come"),
        draw.h("p", f"Of {len(other):,} test and {len(one):,} training samples. If two of a pair show the same thing, "
                    "name what ties them together: split: {group: …}."),
        draw.pairs(shown),
    )  # fmt: skip


def _nearest(
    queries: NDArray[np.float32], others: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the nearest of ``others`` for each query, and how far it is."""
    squares = np.einsum("nd,nd->n", others, others)
    places = np.empty(len(queries), np.int64)
    apart = np.empty(len(queries), np.float32)
    for start in range(0, len(queries), 256):
        some = queries[start : start + 256]
        gap = squares[None] - 2 * (some @ others.T)
        best = gap.argmin(1)
        places[start : start + 256] = best
        apart[start : start + 256] = gap[np.arange(len(some)), best] + np.einsum("nd,nd->n", some, some)
    return places, apart
