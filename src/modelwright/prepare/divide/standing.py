"""What stands before samples are dealt: which belong together, and where the dataset before had them."""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.clean import checks
from modelwright.prepare.divide import split
from modelwright.prepare.gather.aligned import align, words
from modelwright.prepare.gather.gathered import Gathered
from modelwright.prepare.gather.scratch import Growing, Scratch, forget, parts
from modelwright.store.dataset import Dataset

_SOUGHT = 96
"""Bytes of a sample while it is looked for."""
_DEALING = ("group", "time", "split")
"""Settings of a source by which its samples are dealt."""


def dealt_by(source: Any) -> dict[str, Any]:
    """Return which settings of a spec's source say how its samples are dealt."""
    return {name: source.options[name] for name in _DEALING if source.options.get(name) is not None}


def dealt_otherwise(spec: Any, meta: Mapping[str, Any]) -> str | None:
    """Return why the splits of a dataset before cannot hold, in words; None: they do.

    Parameters
    ----------
    spec
        What is asked for now.
    meta
        The ``meta`` of the dataset before.
    """
    if meta.get("split") != spec.part("prepare")["split"]:
        return "'split' changed"
    before = {(each["kind"], each["location"]): each.get("dealt_by", {}) for each in meta["sources"]}
    for source in spec.sources:
        known = before.get((source.kind, source.location))
        if known is not None and known != dealt_by(source):
            changed = [name for name in _DEALING if known.get(name) != dealt_by(source).get(name)]
            return f"{', '.join(map(repr, changed))} of source '{source.kind}: {source.location}' changed"
    return None


def stated(gathered: Gathered) -> NDArray[np.int64]:
    """Return ``(pairs, 2)``: each sample whose source names its group, with the first one of that group."""
    codes = gathered.groups.numpy()
    places = np.flatnonzero(codes >= 0) if gathered.groups.values else np.empty(0, np.int64)
    if not len(places):
        return np.empty((0, 2), np.int64)
    first = checks.first_equal(codes[places].astype(np.uint64))
    later = first != np.arange(len(first))
    return np.stack([places[first[later]], places[later]], 1)


def groups(
    gathered: Gathered, pairs: NDArray[np.int64], kept: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Return ``(n,)`` group numbers and each group's key: that of its smallest digest, whatever the order of files."""
    numbers = split.union(len(gathered), pairs)
    ids, last = gathered.id_array(), np.iinfo(np.uint64).max
    keys = gathered.scratch.zeros(int(numbers.max()) + 1 if len(pairs) else len(numbers), np.uint64)
    if len(pairs):
        for part in parts(len(keys), keys):
            keys[part] = last
    for part in parts(len(ids), ids, keys):
        first = ids[part].view(">u8")[::4].astype(np.uint64)
        first[~kept[part]] = last
        if len(pairs):
            np.minimum.at(keys, numbers[part], first)
        else:
            keys[part] = first
    return numbers, keys


def splits_before(gathered: Gathered, parent: Dataset) -> NDArray[np.int8]:
    """Return ``(n,)`` the split that the dataset before gave each sample, -1 where it has none.

    Of several equal ones in the dataset before, the last that is in a split counts.
    """
    if 32 * max(len(gathered), parent.columns().num_rows) > gathered.scratch.held:
        return _found_by_part(gathered, parent)
    columns = parent.columns()
    before, now = columns.digests(), gathered.digests()
    codes, names = columns.coded("split")
    splits = np.array([*(split.NAMES.index(name) if name in split.NAMES else -1 for name in names), -1], np.int8)[codes]
    side = align(before, now, np.concatenate(checks.repeated(gathered.id_array(), scratch=gathered.scratch)))
    made: NDArray[np.int8] = splits[side.at]
    made[side.at < 0] = -1
    known = side.before[splits[side.before] >= 0]
    if len(known) and len(side.after):
        # Digests are compared by their first 64 bits, then whole.
        ones, others = words(before[known]), words(now[side.after])
        order = np.argsort(ones[:, 0], kind="stable")
        at = order[np.maximum(np.searchsorted(ones[order, 0], others[:, 0], side="right") - 1, 0)]
        made[side.after] = np.where((ones[at] == others).all(1), splits[known[at]], -1)
    return made


def _found_by_part(gathered: Gathered, parent: Dataset) -> NDArray[np.int8]:
    """Return what :func:`splits_before` does, of more samples than fit in memory.

    Equal samples were never in two splits, so one that stands where it stood, and was in a split, needs no search. The
    others are looked for by ranges of their digests.
    """
    ids, scratch = gathered.id_array(), gathered.scratch
    before, splits = _lists_of(parent, scratch)
    made = np.full(len(ids), -1, np.int8)
    for part in parts(min(len(ids), len(before)), ids, before):
        made[part] = np.where(ids[part] == before[part], splits[part], -1)
    rest = int(np.count_nonzero(made < 0))
    count = -(-_SOUGHT * rest // scratch.held)
    for low, high in pairwise(number * 2**64 // max(count, 1) for number in range(count + 1)):
        wanted = _in_range(ids, made < 0, low, high)
        heads = np.unique(words(ids[wanted].view(np.uint8).reshape(-1, 32))[:, 0])
        there = _in_range(before, splits >= 0, low, high, heads)
        if not len(there):
            continue
        order = np.argsort(_heads(before[there]), kind="stable")
        at = there[order][
            np.maximum(np.searchsorted(_heads(before[there])[order], _heads(ids[wanted]), "right") - 1, 0)
        ]
        made[wanted] = np.where(before[at] == ids[wanted], splits[at], -1)
        forget(ids, before)
    return made


def _lists_of(parent: Dataset, scratch: Scratch) -> tuple[NDArray[Any], NDArray[np.int8]]:
    """Return the digests and splits of a dataset's samples."""
    import pyarrow as pa
    from pyarrow import compute

    ids, splits = Growing(scratch, "V32"), Growing(scratch, np.int8)
    names = pa.array(split.NAMES, pa.string())
    for piece in parent.columns().pieces("id"):
        ids.extend(unhexlify(piece.buffers()[2][64 * piece.offset : 64 * (piece.offset + len(piece))]))
    for piece in parent.columns().pieces("split"):
        codes = compute.fill_null(compute.index_in(piece, value_set=names), -1)
        splits.extend(codes.to_numpy(zero_copy_only=False).astype(np.int8))
    return ids.array(), splits.array()


def _heads(digests: NDArray[Any]) -> NDArray[np.uint64]:
    return digests.view(np.uint64)[::4]


def _in_range(
    digests: NDArray[Any],
    which: NDArray[np.bool_],
    low: int,
    high: int,
    among: NDArray[np.uint64] | None = None,
) -> NDArray[np.int64]:
    """Return the places of some digests that begin within a range, and, where given, with one of these numbers."""
    found = [np.empty(0, np.int64)]
    for part in parts(len(digests), digests):
        heads = _heads(digests[part])
        inside = which[part] & (heads >= np.uint64(low)) & (heads <= np.uint64(high - 1))
        if among is not None:
            inside &= among[np.minimum(np.searchsorted(among, heads), len(among) - 1)] == heads if len(among) else False
        found.append(part.start + np.flatnonzero(inside))
    return np.concatenate(found)
