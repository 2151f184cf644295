"""Near-duplicates: samples whose hashes are near, and that are alike when their sketches are looked at.

What was found is remembered, so that after a change only what came or went is searched, and only new pairs get a
second look. The result is the same as from scratch: pairs follow from the hashes (:mod:`.hamming`), and whether two
samples are alike follows from their sketches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from modelwright import canonical
from modelwright.engine.here import map_ordered
from modelwright.engine.threads import usable_cores
from modelwright.prepare import about
from modelwright.prepare.cache.journal import Journal, rewrite
from modelwright.prepare.cache.scanned import Look
from modelwright.prepare.clean import hamming, likeness, wording
from modelwright.prepare.clean.checks import repeated, worded
from modelwright.prepare.gather.aligned import among, side_by_side
from modelwright.prepare.gather.gathered import Gathered
from modelwright.prepare.issues import Issue
from modelwright.tasks.abilities import Croppable, Paired, Sketched

SECOND_LOOKS = 100_000
"""Pairs that are compared at least, however few samples there are; of more samples, one for each."""
CROPS_OF = 200_000
"""Samples up to which crops are looked for; the search takes nine times as long as that for whole ones."""
_LOOKED = 2048


def pairs(
    gathered: Gathered,
    usable: NDArray[np.bool_],
    look: Look,
    modality: Sketched,
    agreement: float,
    folder: Path,
) -> NDArray[np.int64]:
    """Return ``(m, 2)`` places of near-duplicates that are not equal byte by byte, sorted.

    Parameters
    ----------
    look
        Gives sketches, for the second look.
    agreement
        Agreement asked of ordinary samples, 0..1.
    folder
        Where what was found is remembered.
    """
    hashed = np.frombuffer(gathered.hashed, np.uint8).astype(bool) & usable
    places = np.flatnonzero(hashed)
    _, later = repeated(gathered.id_array() if hashed.all() else gathered.id_array()[places])
    places = np.delete(places, later)  # equal bytes are grouped already
    if len(places) < 2:
        return np.empty((0, 2), np.int64)
    hashes = np.asarray(gathered.hashes, np.uint64)[places]
    memory = Memory(folder, [gathered.scanner, agreement])
    found = hamming.near(hamming.different(hashes), most=max(SECOND_LOOKS, len(places)), before=memory.near)
    candidates = places[likeness.joined(hashes, found)]
    if isinstance(modality, Croppable) and len(places) <= CROPS_OF:
        candidates = np.unique(
            np.concatenate([candidates, *_crops(gathered, places, hashes, look, modality, modality.sketch_bytes)]),
            axis=0,
        )
    looks = _keys(gathered, candidates)
    alike, known = memory.verdicts(looks)
    unknown = np.flatnonzero(~known)
    alike[unknown] = _second_look(gathered, candidates[unknown], look, modality, agreement)
    memory.keep(found, looks, alike, changed=bool(len(unknown)))
    near: NDArray[np.int64] = candidates[alike]
    return near


def _crops(
    gathered: Gathered,
    places: NDArray[np.int64],
    hashes: NDArray[np.uint64],
    look: Look,
    modality: Croppable,
    width: int,
) -> Iterator[NDArray[np.int64]]:
    """Yield pairs of places of which one may be a crop of the other."""
    digests = gathered.digests()
    for start in range(0, len(places), _LOOKED):
        there, sketches = look(digests[places[start : start + _LOOKED]], width)
        mine = start + np.flatnonzero(there)
        if not len(mine):
            continue
        made, some = modality.cropped_hashes(sketches[there])
        mine, made = mine[some], made[some]
        for near in likeness.between(made.ravel(), hashes):
            both = np.stack([places[mine[near[:, 0] // made.shape[1]]], places[near[:, 1]]], 1)
            yield np.sort(both[both[:, 0] != both[:, 1]], 1)


def _second_look(
    gathered: Gathered, candidates: NDArray[np.int64], look: Look, modality: Sketched, agreement: float
) -> NDArray[np.bool_]:
    """Return which pairs of places are alike by their sketches."""
    digests = gathered.digests()

    def compare(start: int) -> NDArray[np.bool_]:
        some = candidates[start : start + _LOOKED]
        inside, at = np.unique(some, return_inverse=True)
        there, sketches = look(digests[inside], modality.sketch_bytes)
        at = at.reshape(some.shape)
        # In the order of digests, whatever the order of files: a pair looks the same each time.
        swap = _first_words(digests[some[:, 0]]) > _first_words(digests[some[:, 1]])
        at[swap] = at[swap][:, ::-1]
        both = np.flatnonzero(there[at].all(1))
        made = np.zeros(len(some), bool)
        made[both] = _alike(modality, sketches[at[both, 0]], sketches[at[both, 1]], agreement)
        return made

    starts = range(0, len(candidates), _LOOKED)
    parts = map_ordered(compare, starts, usable_cores() if len(starts) > 1 else 1)
    return np.concatenate([np.zeros(0, bool), *parts])


def _alike(
    modality: Sketched, ones: NDArray[np.uint8], others: NDArray[np.uint8], agreement: float
) -> NDArray[np.bool_]:
    if isinstance(modality, Paired):
        return modality.alike_many(ones, others, agreement)
    pairs = zip(ones, others, strict=True)
    return np.array([modality.alike(one.tobytes(), other.tobytes(), agreement) for one, other in pairs], bool)


def _first_words(digests: NDArray[np.uint8]) -> NDArray[np.uint64]:
    return np.ascontiguousarray(digests[:, :8]).view(np.uint64).ravel()


def _keys(gathered: Gathered, candidates: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return ``(m, 2)`` the first 64 bits of the digests of pairs, the smaller first."""
    words = _first_words(gathered.digests())
    return np.sort(words[candidates], 1)


class Memory:
    """The near pairs of hashes, and which pairs of samples were alike, as of the last time.

    Parameters
    ----------
    folder
        Where it is kept; it may be deleted at any time.
    about
        What verdicts depend on besides the samples; JSON-ready.
    """

    def __init__(self, folder: Path, about: list[object]) -> None:
        self._path = folder / canonical.digest_value(about)[:32]
        self.near: hamming.Near | None = None
        self._looks = np.empty((0, 2), np.uint64)
        self._alike = np.empty(0, bool)
        with Journal(self._path) as journal:
            if len(journal.frames) == 1:
                frame = journal.frames[0]
                try:
                    read = {name: journal.read(column) for name, column in frame.columns.items()}
                    self.near = hamming.Near(read["hashes"], read["counts"], frame.facts["radius"], read["pairs"])
                    self._looks, self._alike = read["looks"], read["alike"]
                except (ValueError, KeyError):
                    self.near = None
        self._before = self.near

    def verdicts(self, looks: NDArray[np.uint64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which of the pairs ``(m, 2)`` are known to be alike, and which are known at all."""
        if not len(self._looks):
            return np.zeros(len(looks), bool), np.zeros(len(looks), bool)
        at = side_by_side(self._looks, looks)
        left = np.flatnonzero(at < 0)
        keys, wanted = _mixed(self._looks), _mixed(looks[left])
        rows = np.flatnonzero(among(keys, np.unique(wanted))) if len(left) else left
        if len(rows):
            order = rows[np.argsort(keys[rows])]
            found = order[np.minimum(np.searchsorted(keys[order], wanted), len(order) - 1)]
            same = (self._looks[found] == looks[left]).all(1)
            at[left[same]] = found[same]
        known = at >= 0
        return self._alike[at] & known, known

    def keep(self, near: hamming.Near, looks: NDArray[np.uint64], alike: NDArray[np.bool_], *, changed: bool) -> None:
        """Remember what was found now instead, unless it is what was found before."""
        same = self._before is not None and np.array_equal(self._before.hashes, near.hashes)
        if same and not changed and len(looks) == len(self._looks):
            return
        columns = {"hashes": near.hashes, "counts": near.counts, "pairs": near.pairs, "looks": looks, "alike": alike}
        rewrite(self._path, {"radius": near.radius}, columns)


def _mixed(looks: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return one number for each pair; that two have the same one is checked by whoever asks."""
    with np.errstate(over="ignore"):
        return np.asarray(looks[:, 0] * np.uint64(0x9E3779B97F4A7C15) ^ looks[:, 1])


def issues(
    gathered: Gathered, pairs: NDArray[np.int64], paths: Callable[[int], str], looks: str = "looks the same as"
) -> Iterator[Issue]:
    """Yield one ``near-duplicate`` for the later sample of each pair (once for each sample).

    Parameters
    ----------
    looks
        What the later one does to the earlier one, in words.
    """
    later = np.unique(pairs[:, 1])
    if len(later) > about.MOST:
        yield from about.samples(gathered, later, "near-duplicate", 0.4, f"{looks} an earlier sample")
        return
    seen: set[int] = set()
    for one, other in pairs.tolist():
        if other in seen:
            continue
        seen.add(other)
        same = wording.agree(gathered.label(one), gathered.label(other), gathered.label_kind)
        yield Issue(
            "near-duplicate",
            0.3 if same else 0.7,
            f"{paths(other)} {looks} {paths(one)}"
            + ("" if same else f", but is labelled {worded(gathered, other)} and not {worded(gathered, one)}"),
            other,
            gathered.id(other),
            f"{gathered.sources[other]}/{paths(other)}",
            evidence={"other": paths(one), "other_id": gathered.id(one), "same_label": same},
        )
