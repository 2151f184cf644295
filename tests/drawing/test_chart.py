"""Charts hold for any data: well-formed SVG, coordinates inside, every figure told."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.drawing import axes
from modelwright.drawing.chart import bars, graph, heatmap, histogram, intervals, lines, scatter
from modelwright.drawing.page import Element

_FLOATS = st.floats(width=64)
_MAYBE = st.one_of(st.none(), _FLOATS)
_TEXT = st.text(st.characters(), max_size=30)
_NAMES = st.text(max_size=10)
_SLOW = settings(deadline=None, max_examples=60)


def check(made: Element) -> ET.Element:
    """Parse the SVG and look at every coordinate: finite, and not far outside the view box."""
    text = made.render()
    tree = ET.fromstring(text)
    assert tree.tag == "{http://www.w3.org/2000/svg}svg"
    assert tree.attrib["role"] == "img"
    assert tree.attrib["aria-label"]
    _, _, width, height = map(float, tree.attrib["viewBox"].split())
    for part in tree.iter():
        for name, value in part.attrib.items():
            if name in {"x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "width", "height", "d"}:
                numbers = [float(found) for found in re.findall(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?", value)]
                assert all(map(math.isfinite, numbers))
                assert all(-400 <= number <= max(width, height) + 400 for number in numbers), (name, value)
                assert "nan" not in value
                assert "inf" not in value
    return tree


@given(st.lists(st.tuples(_TEXT, _MAYBE), max_size=50))
@_SLOW
def test_bars(rows: list[tuple[str, float | None]]) -> None:
    check(bars([name for name, _ in rows], [value for _, value in rows], unit="ms"))


@given(st.lists(st.tuples(_FLOATS, _MAYBE, _MAYBE), min_size=1, max_size=9))
@_SLOW
def test_bars_with_intervals(rows: list[tuple[float, float | None, float | None]]) -> None:
    check(
        bars(["x"] * len(rows), [row[0] for row in rows], low=[row[1] for row in rows], high=[row[2] for row in rows])
    )


@given(st.dictionaries(_TEXT, st.lists(st.tuples(_MAYBE, _MAYBE), max_size=20), max_size=4), st.booleans())
@_SLOW
def test_lines(series: dict[str, list[tuple[float | None, float | None]]], time: bool) -> None:
    check(lines(series, time=time, x_label="x", y_label="y", marks=[(3.0, "here")], levels=[(0.5, "limit")]))


@given(st.lists(st.tuples(_FLOATS, _FLOATS, _FLOATS), max_size=9), st.booleans())
@_SLOW
def test_lines_with_bands(rows: list[tuple[float, float, float]], zero: bool) -> None:
    check(lines({"a": [(x, y) for x, y, _ in rows]}, bands={"a": rows, "b": rows}, zero=zero))


@given(st.lists(_FLOATS, max_size=12), st.dictionaries(_NAMES, st.lists(_MAYBE, max_size=12), max_size=3))
@_SLOW
def test_histogram(edges: list[float], counts: dict[str, list[float | None]]) -> None:
    check(histogram(edges, counts))


@given(st.lists(_FLOATS, min_size=3, max_size=9, unique=True), st.data())
@_SLOW
def test_histogram_to_scale(edges: list[float], data: st.DataObject) -> None:
    edges = sorted(edges, key=lambda edge: (math.isnan(edge), edge))
    counts = data.draw(st.lists(st.integers(0, 10**9), min_size=len(edges) - 1, max_size=len(edges) - 1))
    check(histogram(edges, {"training": counts, "production": counts[::-1]}, x_label="brightness"))


@given(st.lists(st.lists(_MAYBE, max_size=6), max_size=6), st.lists(_TEXT, max_size=6), st.lists(_TEXT, max_size=6))
@_SLOW
def test_heatmap(matrix: list[list[float | None]], rows: list[str], across: list[str]) -> None:
    check(heatmap(matrix, rows, across))
    check(heatmap(matrix, rows, across, by_row=False))


@given(st.dictionaries(_TEXT, st.lists(st.tuples(_MAYBE, _MAYBE), max_size=20), max_size=3), st.booleans())
@_SLOW
def test_scatter(series: dict[str, list[tuple[float | None, float | None]]], diagonal: bool) -> None:
    check(scatter(series, diagonal=diagonal))


@given(st.lists(st.tuples(_TEXT, _MAYBE, _MAYBE, _MAYBE), max_size=9), _MAYBE)
@_SLOW
def test_intervals(rows: list[tuple[str, float | None, float | None, float | None]], reference: float | None) -> None:
    check(intervals(rows, reference=reference, x_label="f1"))


@given(st.lists(st.tuples(_NAMES, _TEXT, _TEXT), max_size=12), st.data())
@_SLOW
def test_graph(rows: list[tuple[str, str, str]], data: st.DataObject) -> None:
    nodes = [{"id": name, "label": label, "kind": kind} for name, label, kind in rows]
    names = [name for name, _, _ in rows] or ["x"]
    edges = data.draw(st.lists(st.tuples(st.sampled_from(names), st.sampled_from([*names, "nowhere"])), max_size=20))
    check(graph(nodes, edges, highlight=names[0]))


def test_every_figure_is_told_in_words() -> None:
    assert "pear: 3 kg" in bars(["apple", "pear"], [1, 3], unit="kg").render()
    assert (
        "daisy → tulip: 5 (50.0% of its row)"
        in heatmap([[5, 5], [0, 9]], ["daisy", "rose"], ["daisy", "tulip"]).render()
    )
    assert "f1: 0.9  [0.8, 0.95]" in intervals([("f1", 0.9, 0.8, 0.95)]).render()
    told = histogram([1.0, 2.0], {"now": [1, 1, 2]}).render()
    assert "now: below 1\n25.00%" in told
    assert "now: 2 and above\n50.00%" in told


def test_a_hundred_classes_fit() -> None:
    names = [f"class {index}" for index in range(100)]
    matrix = [
        [90 if row == column else int((row * 7 + column) % 40 == 0) for column in range(100)] for row in range(100)
    ]
    tree = check(heatmap(matrix, names, names))
    assert len(list(tree.iter("{http://www.w3.org/2000/svg}rect"))) < 1000


def test_a_huge_matrix_stays_bounded() -> None:
    matrix = [[float(row + column + 1) for column in range(300)] for row in range(300)]
    assert len(heatmap(matrix, ["r"] * 300, ["c"] * 300).render()) < 6_000_000


def test_many_points_are_thinned_and_no_peak_is_lost() -> None:
    values = [(float(index), 1000.0 if index == 54_321 else float(index % 7)) for index in range(100_000)]
    made = lines({"latency": values}).render()
    assert len(made) < 100_000
    peak = ET.fromstring(made).find(".//{http://www.w3.org/2000/svg}path")
    assert peak is not None
    assert min(float(pair.split(",")[1]) for pair in peak.attrib["d"][1:].split("L")) < 60
    assert "every 25th of 100,000 points" in scatter({"a": values}).render()


def test_more_bars_than_fit_are_counted() -> None:
    assert "and 60 more" in bars([str(index) for index in range(100)], [1.0] * 100).render()


def test_nothing_to_draw_says_so() -> None:
    for made in (
        bars([], []),
        lines({}),
        lines({"a": []}),
        histogram([], {}),
        heatmap([], [], []),
        scatter({}),
        intervals([]),
        graph([], []),
    ):
        assert "Nothing to draw yet." in made.render()


def test_layers_run_from_left_to_right() -> None:
    nodes: list[dict[str, Any]] = [{"id": name} for name in ("package", "source", "model", "dataset")]
    edges = [("source", "dataset"), ("dataset", "model"), ("model", "package"), ("dataset", "package")]
    tree = check(graph(nodes, edges))
    space = "{http://www.w3.org/2000/svg}"
    places = {}
    for group in tree.iter(f"{space}g"):
        box, words = group.find(f"{space}rect"), [each.text for each in group.iter(f"{space}text")]
        if box is not None:
            places[words[-1]] = float(box.attrib["x"])
    assert places["source"] < places["dataset"] < places["model"] < places["package"]


@given(_FLOATS, _FLOATS)
def test_ticks_are_few_ordered_and_inside(one: float, other: float) -> None:
    low, high = axes.bounds([one, other])
    marks = axes.ticks(low, high)
    assert 1 <= len(marks) <= 30
    assert marks == sorted(marks)
    room = (high - low) * 1e-5
    assert all(low - room <= mark <= high + room for mark in marks)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 97, [0, 20, 40, 60, 80]),
        (-3, 3, [-2, 0, 2]),
        (0.9, 0.95, [0.9, 0.91, 0.92, 0.93, 0.94, 0.95]),
    ],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert axes.ticks(low, high) == pytest.approx(expected)


def test_times_are_words() -> None:
    hour = 3600 * 10**9
    start = 1_790_000_000 * 10**9
    marks = axes.time_ticks(start, start + 6 * hour)
    assert all(re.fullmatch(r"\d\d:\d\d", words) for _, words in marks)
    assert axes.moment(start) == "2026-09-21 14:13:20"
    assert axes.moment(1e300) == "1.00e+300"


@given(_TEXT, st.floats(20, 300))
def test_shortened_text_fits(text: str, room: float) -> None:
    assert axes.text_width(axes.shorten(text, room)) <= room + 12


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (16, ["2015-02-04", "2015-02-10", "2015-02-16"]),
        (576, ["2015-07", "2016-01", "2016-07"]),
        (365 * 30, ["2020", "2030", "2040"]),
    ],
)
def test_long_times_are_marked_at_days_months_and_years(days: int, expected: list[str]) -> None:
    start = datetime(2015, 2, 2, 14, tzinfo=UTC).timestamp() * 1e9
    words = [words for _, words in axes.time_ticks(start, start + days * 86400e9)]
    assert set(expected) <= set(words)
    assert 2 <= len(words) <= 7


@given(st.floats(-1e19, 1e19), st.floats(0, 1e19))
def test_ticks_of_any_times_are_inside_and_few(low: float, span: float) -> None:
    marks = axes.time_ticks(low, low + span)
    assert all(low <= at <= low + span for at, _ in marks)
    assert len(marks) <= 16


def test_a_matrix_without_names_draws_none_and_zeros_of_a_signed_one_are_written() -> None:
    plain = heatmap([[1.0, 0.0], [0.0, 2.0]], ["", ""], ["", ""], row_title="", column_title="").render()
    assert "…" not in plain
    assert "→" not in plain
    signed = heatmap([[1.0, 0.0], [0.0, 1.0]], ["a", "b"], ["a", "b"], signed=True).render()
    assert signed.count(">0.00<") == 2


def test_shares_are_written_in_percent() -> None:
    drawn = intervals([("north", 0.1889, 0.1591, 0.2229)], percent=True, reference=0.2).render()
    assert "18.9%  [15.9%, 22.3%]" in drawn


def test_charts_beside_each_other_are_as_wide_as_asked() -> None:
    for drawn in (
        bars(["a"], [1.0], width=axes.HALF),
        histogram([0.0, 1.0], {"a": [1.0]}, width=axes.HALF),
        lines({"a": [(0.0, 1.0), (1.0, 2.0)]}, width=axes.HALF),
        intervals([("a", 1.0, 0.5, 1.5)], width=axes.HALF),
    ):
        assert f'width="{axes.HALF}"' in drawn.render()
