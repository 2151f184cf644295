"""What changed from one dataset to another: added, removed, relabelled, moved between splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from modelwright.drawing import chart, page
from modelwright.store.dataset import Dataset

KINDS = ("added", "removed", "relabelled", "moved")
MOST_EXAMPLES = 50

Facts = tuple[str, Any, str]
"""Path, label and split of one sample."""


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
    old, new = _facts(before), _facts(after)
    counts = dict.fromkeys((*KINDS, "same"), 0)
    examples: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}

    def note(kind: str, key: tuple[str, int], facts: Facts, **more: Any) -> None:
        counts[kind] += 1
        if len(examples[kind]) < MOST_EXAMPLES:
            path, label, split = facts
            examples[kind].append({"sample": key[0], "path": path, "label": label, "split": split, **more})

    for key, facts in new.items():
        was = old.get(key)
        if was is None:
            note("added", key, facts)
            continue
        if was[1] != facts[1]:
            note("relabelled", key, facts, old_label=was[1])
        if was[2] != facts[2]:
            note("moved", key, facts, old_split=was[2])
        counts["same"] += was[1:] == facts[1:]
    for key, facts in old.items():
        if key not in new:
            note("removed", key, facts)
    return {
        "before": before.digest,
        "after": after.digest,
        "counts": counts,
        "classes": _both(old, new, 1) if after.meta["target"] == "category" else {},
        "splits": _both(old, new, 2),
        "examples": examples,
    }


def _facts(dataset: Dataset) -> dict[tuple[str, int], Facts]:
    table = dataset.samples().select(["id", "path", "label", "split"])
    seen: Counter[str] = Counter()
    found: dict[tuple[str, int], Facts] = {}
    for batch in table.to_batches(max_chunksize=8192):
        columns = (batch.column(name).to_pylist() for name in ("id", "path", "label", "split"))
        for sample, path, label, split in zip(*columns, strict=True):
            if split is not None:
                found[sample, seen[sample]] = (path, label, split)
                seen[sample] += 1
    return found


def _both(
    old: Mapping[tuple[str, int], Facts], new: Mapping[tuple[str, int], Facts], place: int
) -> dict[str, list[int]]:
    one = Counter(str(facts[place]) for facts in old.values())
    other = Counter(str(facts[place]) for facts in new.values())
    return {name: [one[name], other[name]] for name in sorted(one.keys() | other.keys())}


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
