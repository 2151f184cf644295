"""What stands before samples are dealt: which belong together, and where the dataset before had them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.aligned import align, words
from modelwright.prepare.clean import checks
from modelwright.prepare.divide import split
from modelwright.prepare.gathered import Gathered
from modelwright.prepare.scratch import parts
from modelwright.store.dataset import Dataset

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
    columns = parent.columns()
    before, now = columns.digests(), gathered.digests()
    codes, names = columns.coded("split")
    splits = np.array([*(split.NAMES.index(name) if name in split.NAMES else -1 for name in names), -1], np.int8)[codes]
    side = align(before, now, np.concatenate(checks.repeated(gathered.id_array(), scratch=gathered.scratch)))
    made = splits[side.at]
    made[side.at < 0] = -1
    known = side.before[splits[side.before] >= 0]
    if len(known) and len(side.after):
        # Digests are compared by their first 64 bits, then whole.
        ones, others = words(before[known]), words(now[side.after])
        order = np.argsort(ones[:, 0], kind="stable")
        at = order[np.maximum(np.searchsorted(ones[order, 0], others[:, 0], side="right") - 1, 0)]
        made[side.after] = np.where((ones[at] == others).all(1), splits[known[at]], -1)
    return made
