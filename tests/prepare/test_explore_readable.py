"""What a person reads on the page: units, ranges, counts of one and many, and that nothing is said twice."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from modelwright import registry
from modelwright.prepare import prepare
from modelwright.prepare.explore import bins, boxes, page
from modelwright.prepare.explore.looks import Gauge, Pictures
from modelwright.prepare.explore.parts import main_parts
from modelwright.spec import loads
from modelwright.store import Store
from modelwright.tasks.modalities.audio import measures as audio_measures
from modelwright.tasks.modalities.image import measures as image_measures
from modelwright.tasks.modalities.text import figures as text_figures
from modelwright.testing import texts

_SIZES = arrays.arrays(np.float64, st.integers(0, 60), elements=st.floats(-1e12, 1e12))


@given(_SIZES, st.integers(1, 40), st.sampled_from([0.0, 0.002, 0.1]))
def test_every_value_is_in_a_bin_between_ends_that_occur(values: NDArray[np.float64], many: int, beyond: float) -> None:
    edges = bins.edges(values, many, beyond)
    assert (np.diff(edges) > 0).all()
    assert sum(bins.counted(values, edges)) == len(values)
    low, high = bins.ends(edges)
    if len(set(values.tolist())) > 1:
        assert low in values
        assert high in values


def test_a_rare_one_reaches_the_end_of_its_bins() -> None:
    rare = np.zeros(891)
    rare[:2] = 1.0
    assert bins.ends(bins.edges(rare)) == (0.0, 1.0)
    assert bins.edges(np.array([3.0, 5.0, 4.0])).tolist() == [2.5, 3.5, 4.5, 5.5]


@pytest.mark.parametrize(
    ("modality", "names"),
    [
        ("image", [name for name in image_measures.NAMES if name not in image_measures.SHAPE_NAMES]),
        ("audio", audio_measures.NAMES),
        ("text", [name for name in text_figures.NAMES if name != "script"]),
        ("series", ["length", "step", "mean of flow", "std of flow", "stuck of of of", "missing of x"]),
    ],
)
def test_every_measure_says_how_it_is_read(modality: str, names: Any) -> None:
    pictures: Pictures = registry.load("pictures", modality)
    assert pictures.gauge is not None
    for name in names:
        gauge = pictures.gauge(name)
        assert gauge is not None, name
        assert gauge.unit or gauge.says, name
    assert pictures.gauge("shape_02") is None


def test_shares_are_read_in_percent_and_ranges_of_one_figure_once() -> None:
    assert Gauge("%").words(0.0476) == "4.8%"
    assert Gauge("s").span(0.42, 0.66) == "0.42 s to 0.66 s"
    assert Gauge().span(0.0, 0.0) == "0"


def test_masks_are_told_apart_by_what_is_no_background() -> None:
    labels = ["background crack", "background", "background crack hole"]
    assert main_parts(labels, str.split) == ["crack", "background", "hole"]


def _drawn(folder: Path, spec: str) -> str:
    return page(prepare(loads(spec, folder / "modelwright.yaml"), Store.open(folder / ".modelwright"))).html


def _section(html: str, anchor: str) -> str:
    found = re.search(rf'<section[^>]*id="{anchor}".*?</section>', html, re.DOTALL)
    assert found is not None, anchor
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", found[0]))


def test_texts_with_issues_are_read_where_the_issues_are(tmp_path: Path) -> None:
    rows = [(topic, texts.of_topic(topic, number)) for topic in ("sport", "money") for number in range(40)]
    rows += [rows[0], ("sport", ":-)")]
    (tmp_path / "data.csv").write_text("topic,said\n" + "".join(f'{topic},"{said}"\n' for topic, said in rows))
    html = _drawn(tmp_path, "input: text\nlabel: topic\nsources: [{table: data.csv}]\n")
    assert "“:-)”" in _section(html, "the-worst-issues")
    assert 'id="texts-with-issues"' not in html
    assert "mean length of a word" in _section(html, "length-and-make-up")


def test_answers_of_few_whole_numbers_have_a_bar_each_and_ranges_are_named_once(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    lines = ["a,b,grade", *(f"{random.normal():.3f},{number % 2},{number % 7 + 3}" for number in range(210))]
    (tmp_path / "data.csv").write_text("\n".join(lines) + "\n")
    html = _drawn(tmp_path, "output: number\nlabel: grade\nsources: [{table: data.csv}]\n")
    assert "ranges of the answer" in _section(html, "map-of-the-data")
    assert not re.search(r"\b(\S+) to \1\b", _section(html, "map-of-the-data"))
    assert "3.5 to 4.5" in _section(html, "answers"), "a bar around each whole number"


def test_the_first_lines_say_nothing_twice(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    lines = ["size,weight,kind"]
    for number in range(400):
        size = random.normal(6 if number % 2 else 0)
        label = "large" if (size > 3) != (number % 40 == 7) else "small"
        lines.append(f"{size:.4f},{size * 2 + random.normal(0, 0.2):.4f},{label}")
    (tmp_path / "data.csv").write_text("\n".join(lines) + "\n")
    html = _drawn(tmp_path, "label: kind\nsources: [{table: data.csv}]\n")
    said = _section(html, "at-a-glance")
    assert "look wrong and wait for your decision: mw issues --kind mislabelled" in said
    assert said.count("wait") == 1
    leaks = _section(html, "no-leaks-between-splits")
    assert leaks.count("No two samples") == 1
    assert "0 groups" not in leaks


def test_boxes_are_counted_by_class_where_colours_would_not_do() -> None:
    named = [{"class": name} for name in ("hen", "cat", "hen", "dog", "cow", "owl")]
    assert boxes._counted(named) == "2 hen, 1 cat, 1 dog, 1 cow, 1 more"
    assert boxes._counted([]) == "no boxes"
