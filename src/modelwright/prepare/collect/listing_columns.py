"""A folder's listing as Arrow columns: printable names, and the class that each file's folder or name gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from modelwright.prepare.cache.known_files import cut
from modelwright.prepare.collect.listing import FIELDS, Files, Listing, rejected
from modelwright.store.sample_names import printable

_ESCAPED = "bytes:"


def columns(
    listing: Listing,
    digests: NDArray[np.uint8],
    root: str,
    labels: Sequence[str | None] | Callable[[str], str | None],
    scanned: int = 0,
) -> Files:
    """Return a listing by column.

    Parameters
    ----------
    digests
        ``(n, 32) uint8``.
    root
        What names start from.
    labels
        The label of each run of files in one folder, or what reads it from a printable name.
    scanned
        How many were scanned when they were read for their digests.
    """
    paths = _paths(listing)
    coded = _by_name(paths, labels) if callable(labels) else _by_run(listing, labels)
    sizes = np.frombuffer(listing.stamps, np.int64).reshape(-1, FIELDS)[:, 0]
    if not listing.problems:
        return Files(paths, coded, digests, sizes, root, [], scanned)
    sound = np.ones(len(listing), bool)
    sound[list(listing.problems)] = False
    names = listing.names.split(b"\0")
    odd = [rejected(names[place], problem) for place, problem in sorted(listing.problems.items())]
    paths, coded = paths.filter(pa.array(sound)), coded.filter(pa.array(sound))
    return Files(paths, coded, digests[sound], sizes[sound], root, odd, scanned)


def _paths(listing: Listing) -> Any:
    if not len(listing):
        return pa.array([], pa.string())
    names = listing.names
    try:
        text = names.decode("utf-8")
    except UnicodeDecodeError:
        text = _ESCAPED
    if text.startswith(_ESCAPED) or f"\0{_ESCAPED}" in text or not text.replace("\0", "").isprintable():
        return pa.array([printable(name) for name in names.split(b"\0")], pa.string())
    offsets, joined = cut(names)
    if len(joined) >= 2**31:
        return pa.array(text.split("\0"), pa.string())
    return pa.StringArray.from_buffers(len(listing), pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(joined))


def _by_run(listing: Listing, labels: Sequence[str | None]) -> Any:
    known: dict[str, int] = {}
    codes = [-1 if label is None else known.setdefault(label, len(known)) for label in labels]
    repeated = np.repeat(np.array(codes, np.int32), [count for _, count in listing.runs])
    return pa.DictionaryArray.from_arrays(pa.array(repeated, mask=repeated < 0), pa.array(list(known), pa.string()))


def _by_name(paths: Any, label: Callable[[str], str | None]) -> Any:
    return pa.array([label(path) for path in paths.to_pylist()], pa.string()).dictionary_encode()
