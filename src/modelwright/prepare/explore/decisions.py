"""What was decided about the issues, by whom and why, and what it changed: counts, classes, labels, distributions."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.drawing import chart, small
from modelwright.drawing import page as draw
from modelwright.drawing.page import Element
from modelwright.prepare.explore import bins
from modelwright.prepare.explore.view import MOST_CLASSES, View, clip, share
from modelwright.prepare.gather.scratch import parts

_TILES = 6
_MOVED = 0.01
"""Largest gap of the distribution functions from which a measure counts as changed."""
_NUMBERED = re.compile(r"_\d+$")
"""Measures that are one of many alike, such as ``shape_02``, say nothing to a person."""
_PAIRS = 20
_READ = 200_000


def sections(view: View) -> list[Element]:
    """Return one row a kind of issue and decision, and before and after."""
    if not view.issues.num_rows:
        return []
    return [
        draw.section(
            "What was decided, and what it changed",
            _waterfall(view) if view.only is None else None,
            _relabelled(view),
            _classes(view) if view.only is None else None,
            _distributions(view) if view.only is None else None,
            _columns(view),
            draw.h("h3", "Every kind of issue, and why"),
            _kinds(view),
        )
    ]


def _kinds(view: View) -> Element:
    keys = ["kind", "decision", "decided_by"]
    grouped = view.issues.group_by(keys).aggregate([("severity", "max"), ("severity", "count"), ("why", "min")])
    found = sorted(grouped.to_pylist(), key=lambda row: (-row["severity_count"], *(row[key] for key in keys)))
    view.figures["decisions"] = [
        {"kind": row["kind"], "decision": row["decision"], "by": row["decided_by"], "count": row["severity_count"]}
        for row in found
    ]
    rows: list[list[Any]] = [
        [row["kind"], row["severity_count"], f"{row['severity_max']:.2f}", row["decision"], _by(row["decided_by"]),
         row["why_min"]]
        for row in found
    ]  # fmt: skip
    return draw.table(["issue", "how many", "worst", "decision", "by", "why"], rows)


def _by(decided: str) -> str:
    """Return who decided: a person by name, of a rule the key of the spec that it stands under."""
    if decided.startswith("rule:"):
        return f"clean.{decided[5:].partition('.')[0]}"
    return decided.removeprefix("person:")


def _waterfall(view: View) -> Element | None:
    """Say how many samples were found, what each kind of issue took away, and how many are left."""
    lost = _lost(view)
    found, kept = len(view), int(view.kept.sum())
    view.figures["kept"] = {"found": found, "kept": kept, "dropped_for": dict(lost)}
    if found == kept:
        return draw.h("p", f"All {found:,} samples that were found are kept.")
    steps = [("found", float(found)), *((f"− {kind}", float(-count)) for kind, count in lost), ("kept", float(kept))]
    return draw.figure(
        chart.bars([name for name, _ in steps], [value for _, value in steps], title="From found to kept"),
        "A sample with several issues counts for the worst of those that dropped it.",
    )


def _lost(view: View) -> list[tuple[str, int]]:
    """Return the worst dropping kind of each dropped sample, counted."""
    from pyarrow import compute

    dropped = int(len(view) - view.kept.sum())
    table = view.issues.filter(compute.equal(view.issues["decision"], "drop"))
    table = table.filter(compute.is_valid(table["sample"])).select(["kind", "path"])
    # Issues stand by severity, so the first of each path is its worst.
    encoded = table["path"].combine_chunks().dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    first = np.unique(codes, return_index=True)[1]
    counted = Counter(table["kind"].take(np.sort(first)).to_pylist())
    rest = dropped - sum(counted.values())
    if rest > 0:
        counted["other reasons"] += rest
    return sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))


# ---------------------------------------------------------------------- labels


def _given(view: View) -> tuple[NDArray[np.int64], list[Any], list[Any]] | None:
    """Return places, labels before and labels now of the samples whose label was replaced."""
    if "given" not in view.samples.column_names:
        return None
    changed = view.samples["given"].is_valid().to_numpy(zero_copy_only=False)
    places = np.flatnonzero(changed & view.kept)
    if not len(places):
        return None
    return places, *_both(view, places)


def _relabelled(view: View) -> Element | None:
    found = _given(view)
    if found is None:
        return None
    places, before, after = found
    if view.label_kind == "number":
        gap = np.abs(np.array(after, np.float64) - np.array(before, np.float64))
        view.figures["relabelled"] = {"count": len(places), "mean_change": float(gap.mean())}
        return draw.h("p", f"{len(places):,} answers were replaced, by {chart.number(float(gap.mean()))} on average.")
    if view.label_kind == "structured":
        return _mended(view, before[:_READ], after[:_READ], len(places))
    pairs = Counter(zip(before, after, strict=True))
    most = sorted(pairs.items(), key=lambda entry: (-entry[1], entry[0]))
    view.figures["relabelled"] = {
        "count": len(places), "pairs": [[*pair, count] for pair, count in most[:_PAIRS]]
    }  # fmt: skip
    rows: list[list[Any]] = [[clip(one, 60), "→", clip(other, 60), count] for (one, other), count in most[:_PAIRS]]
    return draw.h(
        "div",
        draw.h("h3", f"{len(places):,} labels were replaced"),
        draw.table(["from", "", "to", "how many"], rows),
        draw.h("p", f"and {len(most) - _PAIRS:,} more pairs", class_="muted") if len(most) > _PAIRS else None,
    )


def _mended(view: View, before: list[str], after: list[str], count: int) -> Element:
    """Count parts (boxes, tags, classes of a mask) before and after, in the samples that changed."""
    old: Counter[str] = Counter()
    new: Counter[str] = Counter()
    for one, other in zip(before, after, strict=True):
        old.update(view.parts(one))
        new.update(view.parts(other))
    rows: list[list[Any]] = [
        [name, old[name], new[name], f"{new[name] - old[name]:+,}"]
        for name in sorted(old.keys() | new.keys())
        if old[name] != new[name]
    ]
    parts = {"boxes": "boxes", "tags": "tags"}.get(view.meta["target"], "classes")
    view.figures["mended"] = {"labels": count, "parts_before": old.total(), "parts_after": new.total()}
    return draw.h(
        "div",
        draw.h("h3", f"{count:,} labels were mended" if count > 1 else "One label was mended"),
        draw.h("p", f"Together {old.total():,} {parts} before, and {new.total():,} after." if rows
               else f"None has more or fewer {parts} than before: what they are like was put right."),
        draw.table(["class", "before", "after", "change"], rows[:MOST_CLASSES]) if rows else None,
    )  # fmt: skip


def _classes(view: View) -> Element | None:
    """Return class balance before (as given, all samples found) and after."""
    if view.label_kind != "class" or not view.classes:
        return None
    after = Counter({name: len(places) for name, places in view.by_class})
    codes = view.codes
    counted = np.zeros(len(view.classes), np.int64)
    for part in parts(len(codes)):
        here = codes[part]
        counted += np.bincount(here[here >= 0], minlength=len(counted))
    before = Counter(dict(zip(view.classes, counted.tolist(), strict=True)))
    changed = _given_everywhere(view)
    for one, other in changed:
        before[one] += 1
        before[other] -= 1
    names = [name for name in before | after if before[name] != after[name]]
    view.figures["balance"] = {name: [before[name], after[name]] for name in sorted(before | after)}
    if not names:
        return None
    names.sort(key=lambda name: (-abs(after[name] - before[name]), name))
    rows: list[list[Any]] = [
        [clip(name, 60), before[name], after[name], f"{after[name] - before[name]:+,}",
         share(before[name], before.total()), share(after[name], after.total())]
        for name in names[:MOST_CLASSES]
    ]  # fmt: skip
    return draw.h(
        "div",
        draw.h("h3", "Class balance before and after"),
        draw.table(["class", "found", "kept", "change", "share before", "share after"], rows),
    )


def _given_everywhere(view: View) -> list[tuple[str, str]]:
    if "given" not in view.samples.column_names:
        return []
    changed = np.flatnonzero(view.samples["given"].is_valid().to_numpy(zero_copy_only=False))
    return list(zip(*_both(view, changed), strict=True))


def _both(view: View, places: NDArray[np.int64]) -> tuple[list[Any], list[Any]]:
    """Return the labels of samples before and now."""
    return view.samples.take("given", places).to_pylist(), view.samples.take("label", places).to_pylist()


# ---------------------------------------------------------------------- distributions and columns


def _distributions(view: View) -> Element | None:
    """Draw the measures (or the answer) whose distribution the dropped samples changed."""
    if view.kept.all():
        return None
    values = {name: view.measure(name) for name in view.telling if not _NUMBERED.search(name)}
    if view.label_kind == "number":
        values["answer"] = view.numbers
    moved = []
    for name, each in values.items():
        before, after = each[np.isfinite(each)], each[view.kept & np.isfinite(each)]
        if len(before) and len(after) and before.min() < before.max():
            ordered = np.sort(before)
            below = np.searchsorted(np.sort(after), ordered, side="right") / len(after)
            gap = np.abs(below - np.searchsorted(ordered, ordered, side="right") / len(before)).max()
            moved.append((float(gap), name, before, after))
    moved = sorted((entry for entry in moved if entry[0] >= _MOVED), key=lambda entry: (-entry[0], entry[1]))
    if not moved:
        return draw.h("p", "What was dropped changed no distribution visibly.", class_="muted")
    tiles = []
    for gap, name, before, after in moved[:_TILES]:
        edges, gauge, shown = bins.edges(before, beyond=0.005), view.gauge(name), name.replace("_", " ")
        series = {"found": bins.counted(before, edges), "kept": bins.counted(after, edges)}
        plot = small.tile(edges.tolist(), series, title=shown, ends=bins.ends(edges), unit=gauge.unit)
        words = f"{gauge.says + '; ' if gauge.says else ''}the two differ by {gap:.1%} at most"
        tiles.append(draw.h("div", draw.h("h3", shown), draw.h("p", words), plot, class_="tile"))
    return draw.h(
        "div",
        draw.h("h3", "Distributions before and after"),
        small.swatches(["found", "kept"]),
        draw.h("div", tiles, class_="tiles"),
    )


def _columns(view: View) -> Element | None:
    names = view.meta["dropped_columns"]
    if not names:
        return None
    about = {each.column: each for each in reversed(view.found(1000, decision="drop")) if each.column}
    rows = [[name, about[name].kind if name in about else "", clip(about[name].message, 200) if name in about else ""]
            for name in names[:100]]  # fmt: skip
    said = f"{len(names):,} columns were left out" if len(names) > 1 else "One column was left out"
    return draw.h("div", draw.h("h3", said), draw.table(["column", "why", "what was found"], rows))
