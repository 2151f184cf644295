"""One column on the page: a small drawing, and its figures folded away."""

from __future__ import annotations

from typing import Any

from modelwright.drawing import chart, small
from modelwright.drawing import page as draw
from modelwright.drawing.axes import number
from modelwright.drawing.page import Child, Element
from modelwright.prepare.profile.facts import Column, Finding, Numbers, percent
from modelwright.prepare.profile.kinds import moment

HEAD = (
    "column",
    "type",
    "different",
    "missing",
    "share",
    "smallest",
    "median",
    "mean",
    "largest",
    "zeros",
    "most frequent",
)
_VALUES = 6
_TOP = 20
_NAME = 60


def row(column: Column) -> list[Any]:
    """Return a column as a row of the table of all."""
    found = column.numbers
    middle = found.quantiles.get("50%") if found else None
    dated = column.kind == "date"
    return [
        _clip(column.name, _NAME),
        column.kind,
        _different(column),
        column.missing,
        percent(column.missing, column.rows),
        *(None if value is None else _figure(value, dated=dated) for value in (
            found.low if found else None, middle, found.mean if found else None, found.high if found else None
        )),
        found.zeros if found and not dated else None,
        _clip(column.top[0][0], 30) if column.top and column.top[0][1] > 1 else None,
    ]  # fmt: skip


def tile(column: Column, findings: list[Finding]) -> Element:
    """Return a small drawing of a column under its name."""
    said = [f"{column.kind}, {_different(column)} different"]
    if column.missing:
        said.append(f"{percent(column.missing, column.rows)} missing")
    said += list(dict.fromkeys(each.kind.replace("-", " ") for each in findings if each.kind != "missing-value"))[:3]
    return draw.h(
        "div", draw.h("h3", _clip(column.name, _NAME)), draw.h("p", " · ".join(said)), _drawn(column), class_="tile"
    )


def _drawn(column: Column) -> Element | None:
    found = column.numbers
    if found is not None and found.bins and column.kind != "boolean":
        half = 0.5 if column.kind == "whole number" and found.edges[0] % 1 == 0.5 else 0.0
        ends = (found.edges[0] + half, found.edges[-1] - half)
        if column.kind == "date":
            return _dates(column, found)
        return small.tile(list(found.edges), {"": list(found.bins)}, title=column.name, ends=ends)
    if column.top and column.top[0][1] > 1:
        rows = [(_clip(word, 40) or "(empty)", [float(count)]) for word, count in column.top[:_VALUES]]
        return small.values(rows, [], title=column.name, total=float(max(column.present, 1)))
    if column.top:
        return draw.h("p", "Such as: ", "; ".join(_clip(word, 40) for word, _ in column.top[:4]))
    return None


def _dates(column: Column, found: Numbers) -> Element:
    drawn = small.tile(
        list(range(len(found.edges))), {"": list(found.bins)}, title=column.name, ends=(float("nan"),) * 2
    )
    ends = f"{moment(found.edges[0])[:10]} to {moment(found.edges[-1])[:10]}"
    return draw.h("div", drawn, draw.h("p", ends))


def details(column: Column) -> Element:
    """Return all figures of a column, folded away."""
    parts: list[Element | None] = [draw.facts(_facts(column))]
    found = column.numbers
    if found is not None and found.count:
        parts.append(_numbers(column, found))
    if column.lengths is not None and column.lengths.count and column.kind != "date":
        parts.append(_lengths(column.lengths))
    if column.top and column.top[0][1] > 1:
        parts.append(_top(column))
    if column.strays:
        strays: list[list[Child]] = [[_clip(word, 60), count] for word, count in column.strays.items()]
        parts.append(draw.table(["cells that are no number", "times"], strays))
    summary = f"{_clip(column.name, _NAME)}: {column.kind}, {_different(column)} different"
    return draw.details(summary, *parts)


def _facts(column: Column) -> list[tuple[str, str]]:
    pairs = [("type", f"{column.kind}: {column.why}"), ("different values", _different(column))]
    if column.distinct_error:
        pairs[-1] = ("different values", f"{_different(column)}, standard error {column.distinct_error:.1%}")
    pairs.append(("missing", f"{column.missing:,} of {column.rows:,} ({percent(column.missing, column.rows)})"))
    found = column.numbers
    if found is None or column.kind == "date":
        return pairs
    for name, count in (("zeros", found.zeros), ("negative", found.negatives), ("infinite", found.infinite)):
        if count:
            pairs.append((name, f"{count:,} ({percent(count, max(column.present, 1))})"))
    if found.nan:
        pairs.append(("not a number", f"{found.nan:,}, counted as missing"))
    return pairs


def _numbers(column: Column, found: Numbers) -> Element:
    dated = column.kind == "date"
    quantiles = {"smallest": found.low, **found.quantiles, "largest": found.high}
    shown = [(name, None if value is None else _figure(value, dated=dated)) for name, value in quantiles.items()]
    if dated:
        told = [("mean", _figure(found.mean, dated=True) if found.mean is not None else "–")]
        if found.low is not None and found.high is not None:
            told.append(("range", f"{number((found.high - found.low) / 86400)} days"))
    else:
        spread = found.quantiles["75%"] - found.quantiles["25%"]
        varies = found.std / abs(found.mean) if found.std is not None and found.mean else None
        told = [
            ("mean", number(found.mean)),
            ("standard deviation", number(found.std)),
            ("variance", number(found.variance)),
            ("coefficient of variation", number(varies)),
            ("skewness", number(found.skewness)),
            ("excess kurtosis", number(found.kurtosis)),
            ("sum", number(found.sum)),
            ("interquartile range", number(spread)),
            ("median absolute deviation", number(found.deviation)),
        ]
    if found.grows:
        told.append(("from row to row", f"goes {found.grows}"))
    drawn = None
    if found.bins and not dated:
        drawn = chart.histogram(list(found.edges), {_clip(column.name, 40): list(found.bins)}, title=column.name)
    return draw.h("div", draw.columns(draw.facts(shown), draw.facts(told)), draw.figure(drawn, "") if drawn else None)


def _lengths(found: Numbers) -> Element:
    said = (
        f"{number(found.low)} to {number(found.high)} characters, {number(found.mean)} on average, "
        f"median {number(found.quantiles['50%'])}."
    )
    return draw.h("p", f"Lengths: {said}")


def _top(column: Column) -> Element:
    present = max(column.present, 1)
    listed = [(word, count) for word, count in column.top if count > 1 or len(column.top) < _TOP]
    rows: list[list[Child]] = [[_clip(word, 80), count, percent(count, present)] for word, count in listed]
    rest = column.present - sum(count for _, count in column.top)
    least = f"; a count may be up to {column.top_missed:,} too low" if column.top_missed else ""
    return draw.table(
        ["most frequent", "rows", "share"],
        rows,
        caption=f"{max(rest, 0):,} rows have other values{least}" if rest > 0 or least else "",
    )


def _different(column: Column) -> str:
    return f"about {column.distinct:,}" if column.distinct_error else f"{column.distinct:,}"


def _figure(value: float, *, dated: bool) -> str:
    return moment(value) if dated else number(value)


def _clip(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
