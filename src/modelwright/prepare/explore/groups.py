"""Groups that the data hardly represents: of a column's values, or of dark and bright, small and large samples.

A class that occurs much less in a group than in all samples together is learned badly there, or the group is learned
instead of the class.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.drawing import chart
from modelwright.drawing import page as draw
from modelwright.drawing.axes import number
from modelwright.drawing.page import Element
from modelwright.prepare.clean.columns import names_of
from modelwright.prepare.explore.associations import by_frequency
from modelwright.prepare.explore.looks import Gauge
from modelwright.prepare.explore.view import View, clip
from modelwright.prepare.gather.rows import taken_of

_VALUES = 12
"""Different values up to which a column is one of groups."""
_EXPECTED = 10.0
_THIN = 5.0
"""How many times fewer than expected is hardly represented."""
_SHOWN = 24
_CLASSES = 12
_RATES = 40
_SAMPLED = 100_000


@dataclass(frozen=True)
class Attribute:
    """Something that samples are grouped by: ``codes`` ``(sampled,)``, -1 for neither group."""

    name: str
    values: list[str]
    codes: NDArray[np.int64]
    measured: bool = False
    """Whether groups are of a measure, which a class may well have of its own nature."""


def sections(view: View) -> list[Element]:
    """Return groups with hardly any samples of a class, and how answers differ between groups."""
    places = view.shown(_SAMPLED)
    if len(places) < 50 or view.label_kind == "none":
        return []
    attributes = list(_attributes(view, places))
    if not attributes:
        return []
    named = [each for each in attributes if not each.measured]
    classed = view.label_kind in {"class", "structured"}
    thin = _thin(view, places, named) if classed else []
    seen = _thin(view, places, [each for each in attributes if each.measured]) if classed else []
    rates = _rates(view, places, attributes)
    view.figures["under_represented"] = thin
    if not thin and not seen and rates is None:
        return []
    scale = "" if len(places) == int(view.kept.sum()) else f" Counted on {len(places):,} samples, evenly spaced."
    return [
        draw.section(
            "Groups, and who is missing",
            draw.h("p", "Fewer than a fifth of what one would expect if classes were spread alike over groups. A model "
                        f"will hardly know them, or take the group for the class.{scale}") if thin or seen else None,
            _listed(thin) if thin else None,
            draw.details(f"By what the samples are like ({len(seen):,})", _listed(seen)) if seen else None,
            rates,
        )
    ]  # fmt: skip


def _listed(thin: list[dict[str, Any]]) -> Element:
    rows: list[list[Any]] = [
        [clip(each["group"], 60), clip(each["class"], 40), each["count"], f"{each['expected']:,.0f}", each["size"]]
        for each in thin[:_SHOWN]
    ]
    more = len(thin) - len(rows)
    head = ["group", "class", "samples", "expected", "in the group"]
    return draw.table(head, rows, caption=f"and {more:,} more" if more > 0 else "")


def _attributes(view: View, places: NDArray[np.int64]) -> Iterator[Attribute]:
    sources = view.samples.take("source", places).to_numpy()
    if len(np.unique(sources)) > 1:
        names = [str(each["location"]) for each in view.meta["sources"]]
        yield Attribute("source", names, sources.astype(np.int64))
    for name in (each for each in view.telling if not each[-1].isdigit()):
        values = view.measure(name)[places]
        found = _thirds(values, view.gauge(name))
        if found is not None:
            yield Attribute(name.replace("_", " "), found[1], found[0], measured=True)
    if view.rows is not None and view.label_kind != "structured":
        yield from _columns(view, places)


def _thirds(values: NDArray[np.float64], gauge: Gauge) -> tuple[NDArray[np.int64], list[str]] | None:
    """Return in which of the lowest tenth, the middle and the highest tenth each value is, and what they are called.

    They are named by their ends: where a fifth of all values are 0, these are more than a tenth. None if values hardly
    vary.
    """
    finite = values[np.isfinite(values)]
    if len(finite) < 50:
        return None
    low, high = np.quantile(finite, 0.1, method="lower"), np.quantile(finite, 0.9, method="higher")
    if not low < high:
        return None
    codes = np.where(values <= low, 0, np.where(values >= high, 2, 1)).astype(np.int64)
    codes[~np.isfinite(values)] = -1
    first, last = gauge.words(float(low)), gauge.words(float(high))
    names = [first if low == finite.min() else f"{first} or less", f"{first} to {last}",
             last if high == finite.max() else f"{last} or more"]  # fmt: skip
    return codes, names


def _columns(view: View, places: NDArray[np.int64]) -> Iterator[Attribute]:
    import pyarrow.types as kinds

    assert view.rows is not None
    for name in names_of(view.rows):
        if name in view.meta["dropped_columns"]:
            continue
        some = taken_of(view.rows, name, places)
        if kinds.is_string(some.type):
            codes, values_of = by_frequency(some.dictionary_encode(), most=_VALUES + 1)
        else:
            codes, values_of = _whole(np.asarray(some.to_numpy(zero_copy_only=False), np.float64))
        if 2 <= len(values_of) <= _VALUES:
            yield Attribute(name, values_of, codes)


def _whole(values: NDArray[np.float64]) -> tuple[NDArray[np.int64], list[str]]:
    """Return the codes of few whole numbers, and what they stand for; nothing for other numbers."""
    known = np.isfinite(values)
    codes = np.full(len(values), -1, np.int64)
    different, inverse = np.unique(values[known], return_inverse=True)
    if len(different) > _VALUES or (different != np.round(different)).any():
        return codes, []
    codes[known] = inverse
    return codes, [f"{value:g}" for value in different.tolist()]


def _thin(view: View, places: NDArray[np.int64], attributes: list[Attribute]) -> list[dict[str, Any]]:
    """Return the cells of group by class that hold less than a fifth of what independence would give them."""
    codes = view.codes[places]
    count = len(view.classes)
    largest = np.argsort(-np.bincount(codes[codes >= 0], minlength=count), kind="stable")[:_CLASSES]
    found: list[dict[str, Any]] = []
    for attribute in attributes:
        known = (attribute.codes >= 0) & (codes >= 0)
        total = int(known.sum())
        if not total:
            continue
        table = np.zeros((len(attribute.values), count))
        np.add.at(table, (attribute.codes[known], codes[known]), 1)
        expected = table.sum(1, keepdims=True) * table.sum(0, keepdims=True) / total
        found.extend(
            {
                "group": f"{attribute.name}: {attribute.values[group]}",
                "class": view.classes[each],
                "count": int(table[group, each]),
                "expected": round(float(expected[group, each]), 1),
                "size": int(table[group].sum()),
            }
            for group in range(len(attribute.values))
            for each in largest.tolist()
            if expected[group, each] >= _EXPECTED and table[group, each] * _THIN < expected[group, each]
        )
    found.sort(key=lambda each: (-each["expected"] + each["count"], each["group"], each["class"]))
    return found


def _rates(view: View, places: NDArray[np.int64], attributes: list[Attribute]) -> Element | None:
    """Draw the share of the rarer of two classes, or the mean answer, in every group, with 95 % intervals."""
    attributes = [each for each in attributes if view.rows is not None or each.name == "source"]
    if view.label_kind == "class" and len(view.by_class) == 2:
        rare = view.by_class[1][0]
        truth = (view.codes[places] == view.classes.index(rare)).astype(np.float64)
        truth[view.codes[places] < 0] = np.nan
        what = f"share of {clip(rare, 40)!r}"
    elif view.label_kind == "number":
        truth, what = view.numbers[places], "mean answer"
    else:
        return None
    whole, binary = float(np.nanmean(truth)), view.label_kind == "class"
    ranked = sorted(attributes, key=lambda each: -_spread(each, truth))
    rows: list[tuple[str, float | None, float | None, float | None]] = []
    sizes: dict[str, int] = {}
    for attribute in ranked:
        for group, value in enumerate(attribute.values):
            mine = truth[(attribute.codes == group) & np.isfinite(truth)]
            if len(mine) and len(rows) < _RATES:
                middle, low, high = _interval(mine, binary=binary)
                name = f"{clip(attribute.name, 24)}: {clip(value, 24)} ({len(mine):,})"
                rows.append((name, middle, low, high))
                sizes[name] = len(mine)
    if not rows:
        return None
    small = [name for name, size in sizes.items() if size < 0.01 * len(places)]
    words = (
        f"{len(small)} of these groups {'are' if len(small) > 1 else 'is'} less than a hundredth of the samples."
        if small
        else ""
    )
    return draw.figure(
        chart.intervals(rows, title=f"{what} by group", x_label=what, reference=whole, percent=binary),
        f"The {what} in each group (its size in brackets), with its 95 % interval; the line is that of all samples "
        f"({f'{whole:.1%}' if binary else number(whole, 3)}). What splits the answers most stands first. {words}",
    )


def _spread(attribute: Attribute, truth: NDArray[np.float64]) -> float:
    known = (attribute.codes >= 0) & np.isfinite(truth)
    if not known.any():
        return 0.0
    counts = np.bincount(attribute.codes[known])
    means = np.bincount(attribute.codes[known], truth[known]) / np.maximum(counts, 1)
    return float((counts * (means - truth[known].mean()) ** 2).sum() / counts.sum())


def _interval(values: NDArray[np.float64], *, binary: bool) -> tuple[float, float, float]:
    """Return mean and 95 % interval: Wilson's (1927) for shares, the normal one for means."""
    count, mean = len(values), float(values.mean())
    if not binary:
        half = 1.96 * float(values.std(ddof=1)) / np.sqrt(count) if count > 1 else 0.0
        return mean, mean - half, mean + half
    z = 1.96
    middle = (mean + z * z / (2 * count)) / (1 + z * z / count)
    half = z * float(np.sqrt(mean * (1 - mean) / count + z * z / (4 * count * count))) / (1 + z * z / count)
    return mean, max(0.0, middle - half), min(1.0, middle + half)
