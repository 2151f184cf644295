"""What changed from one dataset to another: added, removed, relabelled, moved between splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.drawing import chart, page
from modelwright.store.columns import digest_bytes
from modelwright.store.dataset import SPLITS, Dataset

KINDS = ("added", "removed", "relabelled", "moved")
MOST_EXAMPLES = 50


def compare(before: Dataset, after: Dataset) -> dict[str, Any]:
    """Compare the kept samples of two datasets by their digests.

    Samples that occur several times are told apart by their order. A sample that was dropped counts as not there.

    Returns
    -------
    dict
        ``before`` and ``after`` (digests), ``counts`` by kind of change and ``same``, ``classes`` (class to
        ``[before, after]``, for categories), ``splits`` (split to ``[before, after]``), and ``examples`` by kind: at
        most 50 each of ``{"sample", "path", "label", "split"}``, with ``old_label`` or ``old_split``.
    """
    old, new = _Kept(before), _Kept(after)
    at = old.places_of(new)
    there = np.flatnonzero(at >= 0)
    gone = np.ones(len(old), bool)
    gone[at[there]] = False
    names, (one, other) = _joint(old.labels, new.labels)
    relabelled = there[one[at[there]] != other[there]]
    moved = there[old.splits[at[there]] != new.splits[there]]
    same = len(there) - len(np.union1d(relabelled, moved))
    changes = {"added": np.flatnonzero(at < 0), "removed": np.flatnonzero(gone)}
    examples = {
        "added": new.examples(changes["added"]),
        "removed": old.examples(changes["removed"]),
        "relabelled": new.examples(relabelled, old_label=old.values("label", at[relabelled])),
        "moved": new.examples(moved, old_split=old.values("split", at[moved])),
    }
    found = {**changes, "relabelled": relabelled, "moved": moved}
    return {
        "before": before.digest,
        "after": after.digest,
        "counts": {**{kind: len(found[kind]) for kind in KINDS}, "same": same},
        "classes": _both(names, one, other) if after.meta["target"] == "category" else {},
        "splits": _both(list(SPLITS), old.splits, new.splits),
        "examples": {kind: examples[kind] for kind in KINDS},
    }


class _Kept:
    """The kept samples of a dataset, by column."""

    def __init__(self, dataset: Dataset) -> None:
        import pyarrow as pa
        from pyarrow import compute

        self._columns = dataset.columns()
        codes = compute.index_in(self._columns["split"], value_set=pa.array(SPLITS, pa.string()))
        splits = np.asarray(compute.fill_null(codes, -1).to_numpy(zero_copy_only=False), np.int64)
        self._rows = np.flatnonzero(splits >= 0)
        self.splits = splits[self._rows]
        self.labels = self._columns["label"].take(pa.array(self._rows)).combine_chunks().dictionary_encode()
        self._digests = np.frombuffer(digest_bytes(self._columns["id"]), np.uint64).reshape(-1, 4)[self._rows]
        keys = self._digests[:, 0]
        self._order = np.argsort(keys, kind="stable")
        self._sorted = keys[self._order]

    def __len__(self) -> int:
        return len(self._rows)

    def places_of(self, others: _Kept) -> NDArray[np.int64]:
        """Return where each of the other samples is here, -1 if it is not; of equal ones the second is the second."""
        starts = np.searchsorted(others._sorted, others._sorted)
        nth = np.arange(len(others)) - starts
        at = np.searchsorted(self._sorted, others._sorted) + nth
        fits = at < np.searchsorted(self._sorted, others._sorted, side="right")
        found = np.full(len(others), -1, np.int64)
        mine = self._order[at[fits]]
        theirs = others._order[fits]
        same = (self._digests[mine] == others._digests[theirs]).all(1)
        found[theirs[same]] = mine[same]
        return found

    def values(self, name: str, places: NDArray[np.int64]) -> list[Any]:
        """Return a column's values of the first few of some samples."""
        import pyarrow as pa

        values: list[Any] = self._columns[name].take(pa.array(self._rows[places[:MOST_EXAMPLES]])).to_pylist()
        return values

    def examples(self, places: NDArray[np.int64], **more: Sequence[Any]) -> list[dict[str, Any]]:
        """Return the first few of some samples; ``more`` are further values of them."""
        columns: dict[str, Sequence[Any]] = {"sample": self.values("id", places)}
        columns |= {name: self.values(name, places) for name in ("path", "label", "split")} | more
        return [dict(zip(columns, each, strict=True)) for each in zip(*columns.values(), strict=True)]


def _joint(*labels: Any) -> tuple[list[str], list[NDArray[np.int64]]]:
    """Return the labels of two datasets as codes of the same words; a missing one is the word ``None``."""
    known: dict[Any, int] = {}
    codes = []
    for each in labels:
        own = np.array([*(known.setdefault(value, len(known)) for value in each.dictionary.to_pylist()), -1], np.int64)
        own[-1] = known.setdefault(None, len(known))
        codes.append(own[each.indices.fill_null(len(own) - 1).to_numpy(zero_copy_only=False)])
    return [str(value) for value in known], codes


def _both(names: Sequence[str], one: NDArray[np.int64], other: NDArray[np.int64]) -> dict[str, list[int]]:
    counts = np.stack([np.bincount(codes, minlength=len(names)) for codes in (one, other)], 1)
    return {name: count for name, count in sorted(zip(names, counts.tolist(), strict=True)) if any(count)}


def picture(found: Mapping[str, Any]) -> str:
    """Return what :func:`compare` found as one HTML page."""
    counts = found["counts"]
    drawn = chart.bars([*KINDS, "same"], [counts[kind] for kind in (*KINDS, "same")], title="Samples")
    sections = [page.section("What changed", page.figure(drawn, "Samples by what happened to them."))]
    for title, key in (("Classes", "classes"), ("Splits", "splits")):
        if found[key]:
            rows = [[name, one, other, f"{other - one:+}"] for name, (one, other) in found[key].items()]
            sections.append(page.section(title, page.table([title[:-1], "before", "after", "change"], rows)))
    for kind in KINDS:
        rows = [
            [each["path"], str(each.get("old_label", each["label"])), str(each["label"]),
             each.get("old_split", each["split"]), each["split"], each["sample"][:12]]
            for each in found["examples"][kind]
        ]  # fmt: skip
        if rows:
            head = ["sample", "label before", "label", "split before", "split", "digest"]
            more = counts[kind] - len(rows)
            note = [page.h("p", f"and {more} more")] if more > 0 else []
            sections.append(page.section(kind.capitalize(), page.table(head, rows), *note))
    return page.document(f"From dataset {found['before'][:12]} to {found['after'][:12]}", *sections)
