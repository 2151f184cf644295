"""What changed from one dataset to another: added, removed, relabelled, moved between splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.drawing import chart, page
from modelwright.prepare.gather.aligned import places
from modelwright.store.columns import Columns
from modelwright.store.dataset import SPLITS, Dataset

KINDS = ("added", "removed", "relabelled", "moved")
MOST_EXAMPLES = 50


def compare(before: Dataset, after: Dataset, columns: Columns | None = None) -> dict[str, Any]:
    """Compare the kept samples of two datasets by their digests.

    Samples that occur several times are told apart by their order. A sample that was dropped counts as not there.

    Parameters
    ----------
    columns
        Those of ``after``, if they were opened already.

    Returns
    -------
    dict
        ``before`` and ``after`` (digests), ``counts`` by kind of change and ``same``, ``classes`` (class to
        ``[before, after]``, for categories), ``splits`` (split to ``[before, after]``), and ``examples`` by kind: at
        most 50 each of ``{"sample", "path", "label", "split"}``, with ``old_label`` or ``old_split``.
    """
    old, new = _Kept(before.columns()), _Kept(after.columns() if columns is None else columns)
    at = places(old.digests, new.digests)
    there = np.flatnonzero(at >= 0)
    gone = np.ones(len(old), bool)
    gone[at[there]] = False
    names, (one, other) = _joint((old.labels, old.names), (new.labels, new.names))
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

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        codes, names = self._columns.coded("split")
        splits = np.array([*(SPLITS.index(name) if name in SPLITS else -1 for name in names), -1], np.int8)[codes]
        kept = splits >= 0
        self._rows: NDArray[np.int64] | None = None if kept.all() else np.flatnonzero(kept)
        self.splits = self.picked(splits)
        codes, self.names = self._columns.coded("label")
        self.labels = self.picked(codes)
        self.digests = self.picked(self._columns.digests())

    def __len__(self) -> int:
        return len(self.splits)

    def picked(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return values of all samples as those of the kept ones."""
        return values if self._rows is None else values[self._rows]

    def values(self, name: str, places: NDArray[np.int64]) -> list[Any]:
        """Return a column's values of the first few of some samples."""
        some = places[:MOST_EXAMPLES]
        values: list[Any] = self._columns.pick(name, some if self._rows is None else self._rows[some]).to_pylist()
        return values

    def examples(self, places: NDArray[np.int64], **more: Sequence[Any]) -> list[dict[str, Any]]:
        """Return the first few of some samples; ``more`` are further values of them."""
        if not len(places):
            return []
        columns: dict[str, Sequence[Any]] = {"sample": self.values("id", places)}
        columns |= {name: self.values(name, places) for name in ("path", "label", "split")} | more
        return [dict(zip(columns, each, strict=True)) for each in zip(*columns.values(), strict=True)]


def _joint(*labels: tuple[NDArray[Any], Sequence[Any]]) -> tuple[list[str], list[NDArray[np.int32]]]:
    """Return the labels of two datasets as codes of the same words; a missing one is the word ``None``."""
    known: dict[Any, int] = {}
    codes = []
    for own, names in labels:
        into = [known.setdefault(value, len(known)) for value in names]
        codes.append(np.array([*into, known.setdefault(None, len(known))], np.int32)[own])
    return [str(value) for value in known], codes


def _both(names: Sequence[str], one: NDArray[np.integer[Any]], other: NDArray[np.integer[Any]]) -> dict[str, list[int]]:
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
