"""Rows of tables: what the columns are."""

from __future__ import annotations

from typing import Any

from modelwright.drawing import chart
from modelwright.drawing import page as draw
from modelwright.drawing.page import Element
from modelwright.prepare.explore.view import View, share


def sections(view: View) -> list[Element]:
    """Return a table of the columns, and the missing values."""
    total = len(view)
    dropped = view.meta["dropped_columns"]
    rows: list[list[Any]] = [
        [
            name,
            facts["type"],
            facts["distinct"],
            facts["missing"],
            share(facts["missing"], total),
            "left out" if name in dropped else "used",
        ]
        for name, facts in list(view.summary.items())[:300]
    ]
    missing = [(name, 100 * facts["missing"] / total) for name, facts in view.summary.items() if facts["missing"]]
    missing.sort(key=lambda pair: -pair[1])
    shown = missing[:30]
    return [
        draw.section(
            "Columns",
            draw.table(["column", "type", "different values", "missing", "share", "in the input"], rows),
            draw.figure(
                chart.bars([name for name, _ in shown], [share for _, share in shown], unit="%"), "Missing values"
            )
            if shown
            else None,
        )
    ]
