"""Rows of tables: the columns, what they say about the answer and about each other, and what is missing."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelwright.drawing import chart, small
from modelwright.drawing import page as draw
from modelwright.drawing.page import Element
from modelwright.prepare.explore import bins, missing
from modelwright.prepare.explore.associations import Column, matrix
from modelwright.prepare.explore.rows import Facts, Table, evenly, table_of, unlike
from modelwright.prepare.explore.view import View, clip, share

_TILES = 30
_LISTED = 300
_MATRIX = 32
_SERIES = 6
"""Classes up to which a column's histogram is drawn for each."""
_VALUES = 7
_STRONG = 0.3
_MOVED = 0.15
"""Difference of training and test from which it is said."""


def sections(view: View) -> list[Element]:
    """Return the columns, their associations, and the missing values."""
    if view.rows is None:
        return []
    table = table_of(view)
    return [_columns(view, table), *_associations(view, table), *missing.sections(view, table)]


# ---------------------------------------------------------------------- columns


def _columns(view: View, table: Table) -> Element:
    dropped = set(view.meta["dropped_columns"])
    ordered = sorted(table.by_answer(), key=lambda each: each.name in dropped)
    classes = _classes(view, table)
    view.figures["columns"] = {each.name: _figures(each) for each in table.columns[:_LISTED]}
    tiles = [_tile(each, table, classes, left_out=each.name in dropped) for each in ordered[:_TILES]]
    words = {
        "number": "those first that explain most of the answer's variance",
        "none": "in their order",
    }.get(view.label_kind, "those first that explain most of the classes' entropy")
    sampled = len(table.sampled)
    of = "" if sampled == int(view.kept.sum()) else f" Distributions are of {sampled:,} rows, evenly spaced."
    rows: list[list[Any]] = [_row(each, left_out=each.name in dropped) for each in ordered[:_LISTED]]
    more = len(ordered) - len(rows)
    return draw.section(
        "Columns",
        draw.h("p", f"{len(ordered):,} columns, {words}.{of}"),
        small.swatches(classes) if classes else None,
        draw.h("div", tiles, class_="tiles"),
        draw.details(
            f"All columns as a table ({len(rows):,})",
            draw.table(
                ["column", "type", "different", "missing", "share", "smallest", "median", "largest", "explains",
                 "train vs. test", "in the input"],
                rows,
                caption=f"and {more:,} more" if more > 0 else "",
            ),
        ),
    )  # fmt: skip


def _classes(view: View, table: Table) -> list[str]:
    """Return the classes to draw histograms for: all, if they are few."""
    if table.answer is None or table.answer.codes is None or not 2 <= len(view.by_class) <= _SERIES:
        return []
    return [name for name, _ in view.by_class]


def _figures(facts: Facts) -> dict[str, Any]:
    made: dict[str, Any] = {
        "type": facts.kind,
        "rows": facts.rows,
        "missing": facts.missing,
        "distinct": facts.distinct,
        "explains": _plain(facts.told),
        "train_test": _plain(facts.moved),
    }
    if facts.quantiles:
        made["quantiles"] = list(facts.quantiles)
    elif facts.codes is not None:
        counts = np.bincount(facts.codes[facts.codes >= 0], minlength=len(facts.names))
        made["values"] = dict(list(zip(facts.names, counts.tolist(), strict=True))[:_VALUES])
    return made


def _plain(value: float) -> float | None:
    return round(value, 4) if np.isfinite(value) else None


def _row(facts: Facts, *, left_out: bool) -> list[Any]:
    ends = facts.quantiles
    return [
        clip(facts.name, 60),
        facts.kind,
        facts.distinct,
        facts.missing,
        share(facts.missing, facts.rows),
        *((chart.number(ends[place]) if ends else None) for place in (0, 2, 4)),
        f"{facts.told:.1%}" if np.isfinite(facts.told) else None,
        f"{facts.moved:.2f}" if np.isfinite(facts.moved) else None,
        "left out" if left_out else "used",
    ]


def _tile(facts: Facts, table: Table, classes: list[str], *, left_out: bool) -> Element:
    said = [f"{facts.kind}, {facts.distinct:,} different"]
    if facts.missing:
        said.append(f"{share(facts.missing, facts.rows)} missing")
    if np.isfinite(facts.told):
        said.append(f"explains {facts.told:.0%} of the answer")
    if np.isfinite(facts.moved) and facts.moved >= _MOVED:
        said.append(f"train and test differ: {facts.moved:.2f}")
    if left_out:
        said.append("left out")
    return draw.h("div", draw.h("h3", clip(facts.name, 60)), draw.h("p", " · ".join(said)),
                  _drawn(facts, table, classes), class_="tile")  # fmt: skip


def _drawn(facts: Facts, table: Table, classes: list[str]) -> Element | None:
    answer = table.answer
    codes = answer.codes if classes and answer is not None else None
    numbered = [table.class_code(name) for name in classes]
    if facts.numbers is not None:
        if not facts.quantiles:
            return None
        edges = table.edges(facts)
        series = {"": table.counts(facts, edges)}
        if codes is not None:
            each = zip(classes, numbered, strict=True)
            series = {name: table.counts(facts, edges, codes == number) for name, number in each}
        return small.tile(edges.tolist(), series, title=facts.name, ends=bins.ends(edges))
    assert facts.codes is not None
    known = facts.codes >= 0
    if not known.any():
        return None
    if unlike(facts):
        return draw.h("p", "Such as: ", "; ".join(clip(name, 40) for name in facts.names[:4]))
    parts = [known] if codes is None else [known & (codes == number) for number in numbered]
    counted = np.stack([np.bincount(facts.codes[where], minlength=len(facts.names)) for where in parts], 1)
    rows = [(clip(name, 40), counts) for name, counts in zip(facts.names, counted.tolist(), strict=True)]
    return small.values(rows[:_VALUES], classes, title=facts.name, total=float(known.sum()))


# ---------------------------------------------------------------------- associations


def _associations(view: View, table: Table) -> list[Element]:
    dropped = set(view.meta["dropped_columns"])
    usable = [
        each for each in table.by_answer() if each.distinct > 1 and not unlike(each) and each.name not in dropped
    ][:_MATRIX]
    if len(usable) < 2:
        return []
    columns = [each.paired for each in usable]
    answer = table.answer
    if answer is not None:
        truth = Column(
            "(answer)",
            None if answer.numbers is None else evenly(answer.numbers),
            None if answer.codes is None else evenly(answer.codes),
        )
        columns = [truth, *columns]
    found = matrix(columns)
    names = [clip(column.name, 40) for column in columns]
    strongest = _strongest(found, columns, with_answer=answer is not None)
    view.figures["associations"] = {"columns": [column.name for column in columns], "matrix": _cells(found)}
    straight = [column for column in columns if column.numbers is not None]
    return [
        draw.section(
            "What depends on what",
            draw.figure(
                chart.heatmap(_cells(found), names, names, title="Associations", row_title="", column_title="",
                              signed=True),
                "Numbers with numbers: Spearman's rank correlation, orange where one falls as the other rises. Words "
                "with words: Cramér's V. Words with numbers: the correlation ratio. Hover for the figures."
                + (f" The {_MATRIX} columns that explain most of the answer." if len(table.columns) > _MATRIX else ""),
            ),
            draw.table(["column", "and", "how much"], strongest, caption="The strongest between two columns")
            if strongest else draw.h("p", "No two columns depend strongly on each other.", class_="muted"),
            draw.details(
                "Pearson's correlation of the numbers",
                draw.figure(
                    chart.heatmap(
                        _cells(matrix(straight, by_rank=False)), *[[clip(each.name, 40) for each in straight]] * 2,
                        title="Pearson's correlation", row_title="", column_title="", signed=True,
                    ),
                    "Straight-line dependence alone.",
                ),
            ) if len(straight) > 1 else None,
        )
    ]  # fmt: skip


def _cells(found: Any) -> list[list[float | None]]:
    return [[round(float(value), 4) if np.isfinite(value) else None for value in row] for row in found]


def _strongest(found: Any, columns: list[Column], *, with_answer: bool) -> list[list[Any]]:
    names = [clip(column.name, 40) for column in columns]
    start = 1 if with_answer else 0
    pairs = [
        (abs(float(found[one, other])), one, other)
        for one in range(start, len(names))
        for other in range(one + 1, len(names))
        if np.isfinite(found[one, other]) and abs(found[one, other]) >= _STRONG
    ]
    pairs.sort(key=lambda entry: (-entry[0], entry[1:]))
    rows: list[list[Any]] = []
    for _, one, other in pairs[:12]:
        signed = columns[one].numbers is not None and columns[other].numbers is not None
        strong = f"{found[one, other]:+.2f}" if signed else f"{found[one, other]:.2f}"
        rows.append([names[one], names[other], strong])
    return rows
