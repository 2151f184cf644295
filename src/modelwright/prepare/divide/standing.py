"""What stands before samples are dealt: which belong together, and where the dataset before had them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.clean import checks
from modelwright.prepare.divide import split
from modelwright.prepare.gathered import Gathered
from modelwright.store.columns import digest_bytes
from modelwright.store.dataset import Dataset


def stated(gathered: Gathered) -> NDArray[np.int64]:
    """Return ``(pairs, 2)``: each sample whose source names its group, with the first one of that group."""
    codes = gathered.groups.numpy()
    places = np.flatnonzero(codes >= 0)
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
    first = np.frombuffer(gathered.ids, ">u8").reshape(-1, 4)[:, 0].astype(np.uint64)
    first[~kept] = np.iinfo(np.uint64).max
    if not len(pairs):
        return numbers, first
    keys = np.full(int(numbers.max()) + 1, np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(keys, numbers, first)
    return numbers, keys


def splits_before(gathered: Gathered, parent: Dataset) -> NDArray[np.int8]:
    """Return ``(n,)`` the split that the dataset before gave each sample, -1 where it has none."""
    columns = parent.columns()
    before = digest_bytes(columns["id"])
    splits = _split_codes(columns["split"])
    known, ids = np.frombuffer(before, "V32")[splits >= 0], gathered.id_array()
    splits = splits[splits >= 0]
    if not len(known):
        return np.full(len(ids), -1, np.int8)
    # Digests are compared by their first 64 bits, then whole; the last one of equal ones counts.
    keys = np.frombuffer(known.tobytes(), "<u8").reshape(-1, 4)[:, 0]
    order = np.argsort(keys, kind="stable")
    wanted = np.frombuffer(ids.tobytes(), "<u8").reshape(-1, 4)[:, 0]
    at = order[np.maximum(np.searchsorted(keys[order], wanted, side="right") - 1, 0)]
    return np.where(known[at] == ids, splits[at], -1).astype(np.int8)


def _split_codes(column: Any) -> NDArray[np.int8]:
    import pyarrow as pa
    from pyarrow import compute

    found = compute.index_in(column, value_set=pa.array(split.NAMES, pa.string()))
    return np.asarray(compute.fill_null(found, -1).to_numpy(zero_copy_only=False), np.int8)
