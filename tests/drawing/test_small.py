"""Small charts and maps."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.drawing import chart, small
from modelwright.drawing.atlas import GROUPS, Dot, Sheet, apart, atlas
from modelwright.drawing.page import h, sound
from modelwright.drawing.style import STYLESHEET
from modelwright.errors import InputError

JPEG = b"\xff\xd8\xff\xe0" + bytes(20)
FLOATS = st.floats(allow_nan=True, allow_infinity=True)


def dots(count: int, groups: int = 3) -> list[Dot]:
    return [
        Dot(math.cos(n * 2.4) * n, math.sin(n * 2.4) * n, n % groups, f"<b>{n}</b>", n % 7 == 0) for n in range(count)
    ]


def test_a_tile_of_one_series_has_a_bar_for_every_count() -> None:
    drawn = small.tile([0, 1, 2, 3], {"": [3, 0, 5]}, title="t").render()
    assert drawn.count("<rect") == 2
    assert "2 to 3: 5" in drawn
    assert ">0<" in drawn
    assert ">3<" in drawn
    shown = small.tile([0.5, 1.5, 2.5], {"": [1, 1]}, title="t", ends=(1, 2)).render()
    assert ">1<" in shown
    assert "0.5<" not in shown


def test_a_tile_of_several_series_compares_shares() -> None:
    drawn = small.tile([0, 1, 2], {"a": [1, 1], "b": [100, 100]}, title="t").render()
    first, second = re.findall(r'points="([^"]+)"', drawn)
    assert first == second


@given(st.lists(FLOATS, min_size=1, max_size=6), st.text(max_size=8))
def test_stacked_bars_take_any_values(parts: list[float], name: str) -> None:
    ET.fromstring(small.stacked([(name, parts)], [name] * len(parts), title="t").render())


def test_stacked_bars_say_every_part() -> None:
    drawn = small.stacked([("apple", [30, 10]), ("pear", [0, 5])], ["train", "test"], title="t").render()
    assert "apple, train: 30 (75.0%)" in drawn
    assert "pear, train" not in drawn
    assert "pear, test: 5 (100.0%)" in drawn
    more = small.stacked([(str(n), [1.0]) for n in range(50)], ["a"], title="t").render()
    assert "and 10 more" in more


def test_values_are_shares_of_the_whole() -> None:
    drawn = small.values([("red", [3, 1]), ("blue", [0, 1])], ["yes", "no"], title="t", total=10).render()
    assert "red, yes: 3 (30.0%)" in drawn
    assert ">40.0%<" in drawn
    assert "Nothing" in small.values([], [], title="t", total=0).render()


def test_patterns_name_what_occurs_together() -> None:
    drawn = small.patterns(["age", "cabin"], [([True, True], 12), ([False, False], 30)], title="t").render()
    assert "age, cabin: 12" in drawn
    assert "nothing: 30" in drawn


def test_a_map_draws_every_dot_in_its_group_and_rings_marked_ones() -> None:
    points = dots(30)
    made = atlas(points, [("a", 10), ("b", 10), ("c", 10)], title="Map", name="m", marks="odd")
    drawn = ET.fromstring(made.render())
    names = {"{http://www.w3.org/2000/svg}g"}
    layers = [each for each in drawn.iter() if each.tag in names and each.get("class", "").startswith("k")]
    assert [len(list(layer.find("./{*}g[@class='dots']") or ())) for layer in layers] == [10, 10, 10]
    assert sum(len(list(layer.find("./{*}g[@class='rings']") or ())) for layer in layers) == 5
    assert [each.get("class") for each in drawn.iter("input")] == ["f0", "f1", "f2", "fr"]
    assert "&lt;b&gt;3&lt;/b&gt;" in made.render()


def test_every_switch_of_a_map_has_its_rule_in_the_stylesheet() -> None:
    for index in range(GROUPS):
        assert f".atlas:has(.f{index}:not(:checked)) .k{index}" in STYLESHEET
    assert f".f{GROUPS}:" not in STYLESHEET


def test_pictures_of_a_map_are_cut_from_one_sheet() -> None:
    points = dots(12)
    chosen = apart(points, 40)
    sheet = Sheet(JPEG, 36, 4, len(chosen))
    drawn = atlas(points, [("a", 4), ("b", 4), ("c", 4)], title="Map", name="m", sheet=sheet, pictured=chosen).render()
    assert drawn.count("data:image/jpeg;base64,") == 1
    assert drawn.count('href="#sheet-m"') == len(chosen)
    assert 'viewBox="36 0 36 36"' in drawn
    ET.fromstring(drawn)


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), max_size=30), st.integers(10, 200))
def test_chosen_dots_are_apart_and_no_more_fits(places: list[tuple[float, float]], distance: int) -> None:
    points = [Dot(x, y, 0, "") for x, y in places]
    chosen = apart(points, distance)
    assert len(set(chosen)) == len(chosen)
    assert bool(chosen) == bool(points)
    drawn = atlas([points[each] for each in chosen], [("a", len(chosen))], title="t", name="m")
    ET.fromstring(drawn.render())


def test_marked_dots_are_pictured_first() -> None:
    points = [Dot(0, 0, 0, "a"), Dot(0.0001, 0, 0, "b", marked=True), Dot(5, 5, 0, "c")]
    assert apart(points, 50) == [1, 2]


def test_a_signed_matrix_has_two_colours() -> None:
    drawn = chart.heatmap([[1, -0.5], [-0.5, 1]], ["a", "b"], ["a", "b"], signed=True).render()
    assert drawn.count("var(--c1,") == 2
    assert drawn.count("var(--c0,") == 2


def test_sounds_are_carried_inside() -> None:
    wav = b"RIFF\x24\0\0\0WAVEfmt "
    assert 'src="data:audio/wav;base64,' in sound(wav, "one").render()
    with pytest.raises(InputError, match="WAV"):
        sound(b"ID3 mp3", "one")
    with pytest.raises(ValueError, match="address"):
        h("audio", src="https://example.org/x.wav\nbad", href="javascript:x")


@given(st.lists(st.tuples(st.text(max_size=8), st.lists(FLOATS, min_size=2, max_size=2)), max_size=5))
def test_dots_take_any_values(rows: list[tuple[str, list[float]]]) -> None:
    ET.fromstring(small.dots(rows, ["a", "b"], title="t").render())


def test_dots_lie_along_one_axis_with_zero_on_it() -> None:
    drawn = small.dots([("length", [2.0, -2.0]), ("height", [0.0, float("nan")])], ["one", "other"], title="t").render()
    places = [float(each) for each in re.findall(r'cx="([\d.]+)"', drawn)]
    assert len(places) == 3
    assert places[1] < places[2] < places[0]
    assert places[2] - places[1] == pytest.approx(places[0] - places[2], abs=0.02)
    assert "length, other: -2" in drawn


@given(st.lists(st.tuples(st.text(max_size=8), st.floats(-1e9, 1e9)), max_size=5))
def test_weights_take_any_figures(rows: list[tuple[str, float]]) -> None:
    ET.fromstring(small.weights(rows, title="t").render())


def test_negative_weights_are_as_long_and_paler() -> None:
    drawn = small.weights([("up", 4.0), ("down", -4.0), ("half", 2.0)], title="t", shade=1).render()
    wide = [float(each) for each in re.findall(r'<rect[^>]*width="([\d.]+)"', drawn)]
    assert wide[0] == wide[1] == pytest.approx(2 * wide[2], abs=0.02)
    assert re.findall(r'fill-opacity="([\d.]+)"', drawn) == ["1", "0.45", "1"]
    assert "down: -4" in drawn
