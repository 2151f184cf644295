"""What is missing in a table, and whether it is missing together, or with the answer."""

from __future__ import annotations

import numpy as np

from modelwright.drawing import chart, small
from modelwright.drawing import page as draw
from modelwright.drawing.page import Element
from modelwright.prepare.explore.associations import cramers_v, pearson
from modelwright.prepare.explore.rows import Facts, Table, evenly
from modelwright.prepare.explore.view import View, share

_COLUMNS = 24
_PATTERNS = 12


def sections(view: View, table: Table) -> list[Element]:
    """Return how much is missing where, in which combinations, and together with which answers."""
    gaps = sorted((each for each in table.columns if each.missing), key=lambda each: (-each.missing, each.name))
    view.figures["missing"] = {each.name: each.missing for each in gaps}
    if not gaps:
        return []
    shown = gaps[:_COLUMNS]
    return [
        draw.section(
            "What is missing",
            draw.figure(
                chart.bars([each.name for each in gaps], [100 * each.missing / each.rows for each in gaps], unit="%",
                           title="Missing values by column", limit=30, digits=3),
                f"{sum(each.missing for each in gaps):,} values in {len(gaps)} of {len(table.columns)} columns.",
            ),
            _together(view, table, shown),
            _alike(shown),
            _by_answer(table, shown),
        )
    ]  # fmt: skip


def _together(view: View, table: Table, shown: list[Facts]) -> Element:
    """Draw the combinations of missing columns that occur, the most frequent first."""
    absent = np.stack([each.absent for each in shown], 1)
    found, counts = np.unique(absent, axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:_PATTERNS]
    rows = [(found[place].tolist(), int(counts[place])) for place in order.tolist()]
    whole = len(absent)
    complete = int((~absent.any(1)).sum())
    view.figures["complete_rows"] = {"of": whole, "complete": complete}
    sampled = "" if whole == table.columns[0].rows else f", counted on {whole:,} of them, evenly spaced"
    return draw.figure(
        small.patterns([each.name for each in shown], rows, title="Combinations of missing values"),
        f"Which are missing together: a row a combination, and how many rows have it. {share(complete, whole)} of the "
        f"rows are complete{sampled}." + (f" {len(found) - len(order):,} rarer combinations." if len(found) > len(order)
                                          else ""),
    )  # fmt: skip


def _alike(shown: list[Facts]) -> Element | None:
    if len(shown) < 3:
        return None
    found = pearson([evenly(each.absent.astype(np.float64)) for each in shown])
    names = [each.name for each in shown]
    matrix = [[None if not np.isfinite(value) else float(value) for value in row] for row in found]
    return draw.figure(
        chart.heatmap(matrix, names, names, title="Missing together", row_title="", column_title="", signed=True),
        "Correlation of being missing: 1, always together; negative, one where the other is not.",
    )


def _by_answer(table: Table, shown: list[Facts]) -> Element | None:
    """Say where a missing value says something about the answer: then it is a value of its own."""
    answer = table.answer
    if answer is None or answer.codes is None:
        return None
    codes = evenly(answer.codes)
    told = [(each, cramers_v(evenly(each.absent.astype(np.int64)), codes)) for each in shown]
    rows = [
        [each.name, f"{value:.2f}"] for each, value in sorted(told, key=lambda pair: -np.nan_to_num(pair[1], nan=-1))
        if np.isfinite(value) and value >= 0.1
    ]  # fmt: skip
    if not rows:
        return draw.h("p", "Nowhere does the answer depend much on whether a value is missing.", class_="muted")
    return draw.table(["column", "what its being missing says about the answer (Cramér's V)"], rows[:12])
