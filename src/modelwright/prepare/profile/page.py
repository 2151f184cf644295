"""A profile as one HTML page: nothing is loaded, no script runs, and whatever the file holds is shown as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from modelwright.drawing import chart, small
from modelwright.drawing import page as draw
from modelwright.drawing.axes import number
from modelwright.drawing.page import Element
from modelwright.prepare.profile import column_page
from modelwright.prepare.profile.cloud import cloud
from modelwright.prepare.profile.facts import Finding, Pairs, Profile, percent

_DRAWN = 150
"""Columns that are drawn, each with its details; all of them are in a table, up to …"""
_LISTED = 2000
_FINDINGS = 200
_WORST = 25
_GLANCE = 8
_STRONG = 0.3
_NAME = 40
_EDGE = 30
"""Columns of the first and last rows."""


def page(found: Profile) -> str:
    """Return the page of a profile.

    Examples
    --------
    >>> "3 rows" in page(Profile("fruit.csv", None, 0, 3, 3, 0, ()))
    True
    """
    columns = f"{len(found.columns):,} column{'s' * (len(found.columns) != 1)}"
    return draw.document(
        found.name,
        draw.section("At a glance", _cards(found), _glance(found)),
        _findings(found),
        _columns(found),
        _pairs(found),
        _clouds(found),
        _missing(found),
        _rows(found),
        _how(found),
        subtitle=f"{found.rows:,} rows, {columns}",
    )


def size(count: float) -> str:
    """Return bytes in words.

    Examples
    --------
    >>> size(512), size(52_800_000)
    ('512 bytes', '53 MB')
    """
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{number(count / scale, 2 if count < 100 * scale else 3)} {unit}"
    return f"{count:,.0f} bytes"


def _cards(found: Profile) -> Element:
    cells = found.rows * len(found.columns)
    about = "about " if found.copies_error else ""
    kinds: dict[str, int] = {}
    for column in found.columns:
        kinds[column.kind] = kinds.get(column.kind, 0) + 1
    common = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items(), key=lambda each: (-each[1], each[0])))
    memory = f"{size(found.bytes_in_memory)} in memory"
    return draw.cards(
        [
            ("Rows", f"{found.rows:,}", f"{percent(found.complete_rows, found.rows)} complete" if found.rows else ""),
            ("Columns", f"{len(found.columns):,}", common),
            ("Missing cells", percent(found.missing, cells), f"{found.missing:,} of {cells:,}"),
            ("Duplicate rows", f"{about}{found.copies:,}", percent(found.copies, found.rows) if found.copies else ""),
            ("Size", "–" if found.bytes_on_disk is None else size(found.bytes_on_disk), memory),
        ]
    )


def _glance(found: Profile) -> Element:
    """Say the worst findings, one of a kind, and how many more there are of it."""
    first: dict[str, list[Finding]] = {}
    for each in found.findings:
        first.setdefault(each.kind, []).append(each)
    lines = []
    for same in list(first.values())[:_GLANCE]:
        more = f" {len(same) - 1:,} more of this kind below." if len(same) > 1 else ""
        lines.append((_tone(same[0].severity), f"{_sentence(same[0].message)}{more}"))
    if not lines:
        lines = [("good", "Nothing odd was found.")]
    signs = {"good": "✓", "warn": "!", "bad": "✕", "note": "i"}
    return draw.h(
        "ul",
        [
            draw.h(
                "li", draw.h("span", signs[tone], class_="sign", aria_hidden="true"), draw.h("span", text), class_=tone
            )
            for tone, text in lines
        ],
        class_="glance",
    )


def _tone(severity: float) -> str:
    return "bad" if severity >= 0.7 else "warn" if severity >= 0.4 else "note"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _findings(found: Profile) -> Element | None:
    if len(found.findings) < 2:
        return None
    rows = [
        [f"{each.severity:.2f}", each.kind.replace("-", " "), _sentence(each.message)]
        for each in found.findings[:_FINDINGS]
    ]
    head = ("how bad", "what", "where and why")
    more = len(found.findings) - len(rows)
    rest = rows[_WORST:]
    return draw.section(
        "What to look at",
        draw.h("p", "The worst first, from 0 to 1.", class_="muted"),
        draw.table(head, rows[:_WORST]),
        draw.details(
            f"{len(rest) + more:,} more, less bad",
            draw.table(head, rest, caption=f"and {more:,} more" if more > 0 else ""),
        )
        if rest
        else None,
    )


def _columns(found: Profile) -> Element | None:
    if not found.columns:
        return None
    drawn = found.columns[:_DRAWN]
    by_name: dict[str, list[Finding]] = {}
    for each in found.findings:
        by_name.setdefault(each.column, []).append(each)
    rows = [column_page.row(column) for column in found.columns[:_LISTED]]
    more = len(found.columns) - len(drawn)
    said = f" The first {len(drawn):,} are drawn; the others are in the table." if more > 0 else ""
    return draw.section(
        "Columns",
        draw.h("p", f"In their order.{said}") if said else None,
        draw.h("div", [column_page.tile(column, by_name.get(column.name, [])) for column in drawn], class_="tiles"),
        draw.details(
            f"All columns as a table ({len(rows):,})",
            draw.table(
                column_page.HEAD, rows, caption="" if len(rows) == len(found.columns) else f"the first {_LISTED:,}"
            ),
        ),
        [column_page.details(column) for column in drawn],
    )


def _pairs(found: Profile) -> Element | None:
    related = found.pairs
    if len(related.columns) < 2:
        return None
    names = [_clip(name) for name in related.columns]
    strongest = _strongest(related)
    return draw.section(
        "What depends on what",
        draw.figure(
            chart.heatmap([list(row) for row in related.matrix], names, names, title="Associations", row_title="",
                          column_title="", signed=True),
            "Numbers and dates with each other: Spearman's rank correlation, orange where one falls as the other rises."
            " Words with words: Cramér's V without its bias. Words with numbers: the correlation ratio. Of "
            f"{related.sampled:,} rows, drawn at random. Hover for the figures.",
        ),
        draw.table(["column", "and", "how much"], strongest, caption="The strongest between two columns")
        if strongest else draw.h("p", "No two columns depend strongly on each other.", class_="muted"),
        _straight(related),
    )  # fmt: skip


def _straight(related: Pairs) -> Element | None:
    if len(related.straight) < 2:
        return None
    names = [_clip(name) for name in related.straight]
    return draw.details(
        f"Pearson's correlation of the numbers, over all {related.straight_rows:,} rows",
        draw.figure(
            chart.heatmap([list(row) for row in related.pearson], names, names, title="Pearson's correlation",
                          row_title="", column_title="", signed=True),
            "Straight-line dependence alone; a row counts for a pair if both values are there.",
        ),
    )  # fmt: skip


def _strongest(related: Pairs) -> list[list[Any]]:
    listed = []
    for one, row in enumerate(related.matrix):
        for other in range(one + 1, len(row)):
            value = row[other]
            if value is not None and abs(value) >= _STRONG:
                listed.append((-abs(value), one, other, value))
    return [
        [_clip(related.columns[one]), _clip(related.columns[other]), f"{value:+.2f}"]
        for _, one, other, value in sorted(listed)[:12]
    ]


def _clouds(found: Profile) -> Element | None:
    if not found.clouds:
        return None
    return draw.section(
        "How pairs of numbers lie",
        draw.h("p", "The pairs that depend most on each other; the darker, the more of the sampled rows. What lies far "
                    "out counts at the edge.", class_="muted"),
        draw.columns([draw.figure(cloud(each), "") for each in found.clouds]),
    )  # fmt: skip


def _missing(found: Profile) -> Element | None:
    gaps = sorted((each for each in found.columns if each.missing), key=lambda each: -each.missing)
    if not gaps or not found.rows:
        return None
    shown = gaps[:24]
    names = [each.name for each in shown]
    inside = set(names)
    patterns = [
        ([name in columns for name in names], float(count))
        for columns, count in found.patterns
        if not columns or inside.intersection(columns)
    ][:12]
    rarer = len(found.patterns) + found.other_patterns - len(patterns)
    return draw.section(
        "What is missing",
        draw.figure(
            chart.bars([_clip(each.name) for each in gaps], [100 * each.missing / each.rows for each in gaps], unit="%",
                       title="Missing values by column", limit=30),
            f"{found.missing:,} values in {len(gaps):,} of {len(found.columns):,} columns.",
        ),
        draw.figure(
            small.patterns([_clip(name) for name in names], patterns, title="Combinations of missing values"),
            "Which are missing together: a row a combination, and in how many rows it occurs."
            + (f" {rarer:,} rarer combinations." if rarer > 0 else ""),
        ) if patterns else None,
    )  # fmt: skip


def _rows(found: Profile) -> Element | None:
    if not found.rows:
        return None
    names = [_clip(each.name, 24) for each in found.columns[:_EDGE]]

    def listed(rows: Sequence[Sequence[str | None]]) -> Element:
        cells = [[None if cell is None else _clip(cell) for cell in row[:_EDGE]] for row in rows]
        caption = f"and {len(found.columns) - _EDGE:,} more columns" if len(found.columns) > _EDGE else ""
        return draw.table(names, cells, caption=caption)

    if found.copied is None:
        told = f"About {found.copies:,} rows, give or take {2 * found.copies_error:,.0f}, are equal to an earlier one."
    elif found.copies:
        told = f"{found.copies:,} rows are equal to an earlier one; {found.copied:,} different rows have such copies."
    else:
        told = "No two rows are equal."
    return draw.section(
        "Rows",
        draw.h("p", told),
        draw.h("h3", "The first"),
        listed(found.head),
        [draw.h("h3", "The last"), listed(found.tail)] if found.rows > len(found.head) else None,
    )


def _how(found: Profile) -> Element:
    estimated = [each for each in found.columns if each.distinct_error]
    ranks = max((each.numbers.rank_error for each in found.columns if each.numbers), default=0.0)
    said = [
        "Counts, smallest and largest values, means, deviations, skewness and kurtosis are of all rows.",
        f"Quantiles and histograms: ranks are off by at most {100 * ranks:.2g}% of the rows." if ranks
        else "Quantiles and histograms are exact.",
        f"Different values of {len(estimated):,} columns are estimated, with a standard error of "
        f"{max(each.distinct_error for each in estimated):.1%}; of the others they are exact." if estimated
        else "Different values are counted exactly.",
        "Equal rows are found by hashes of 64 bits." if found.copied is not None else
        "Equal rows are counted among a part of all different rows, chosen by their hashes.",
        f"What depends on what, and some of the findings, are of {found.sampled:,} rows drawn at random, the same each "
        "time." if found.sampled < found.rows else "Nothing is of a sample.",
    ]  # fmt: skip
    lost = sum(found.rejected.values())
    return draw.section(
        "How this was made",
        draw.h("ul", [draw.h("li", each) for each in (*said, *(f"{each}." for each in found.remarks))]),
        [
            draw.h("h3", f"What could not be read as a row: {lost:,}"),
            draw.table(["what", "times"], [[kind.replace("-", " "), count] for kind, count in found.rejected.items()]),
            draw.h("ul", [draw.h("li", _clip(each, 300)) for each in found.rejected_shown]),
        ] if lost else None,
    )  # fmt: skip


def _clip(text: str, most: int = _NAME) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
