"""Any dataset of boxes or masks that is exported and read back is the same, in every form that can say it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from modelwright import registry
from modelwright import spec as specs
from modelwright.errors import InputError
from modelwright.prepare import prepare
from modelwright.store import Store
from modelwright.store.dataset import Dataset

from .annotated import SIZE, png, put
from .conftest import picture
from .test_exporting import export, read_back, same, samples

PLAIN = ("dataset-yolo", "dataset-labelstudio")
WHOLE = ("dataset-coco", "dataset-voc", "dataset-csv", "dataset-parquet")
ONCE = settings(
    max_examples=4, deadline=None, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck)
)
PICTURES = [picture(seed, SIZE) for seed in range(6)]

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), min_size=1, max_size=6).map(str.strip)


@st.composite
def boxes(draw: Any, *, more: bool) -> list[dict[str, Any]]:
    """Boxes inside of the picture, each in a column of its own, so that none repeats another."""
    made = []
    for column in range(draw(st.integers(0, 3))):
        left = column * 30 + draw(st.floats(0, 10))
        box: dict[str, Any] = {
            "class": draw(NAMES.filter(bool)),
            "x": left,
            "y": draw(st.floats(0, 20)),
            "width": draw(st.floats(0.001, 18)),
            "height": draw(st.floats(0.001, 50)),
        }
        if more:
            for flag in draw(st.sets(st.sampled_from(["crowd", "difficult", "truncated"]))):
                box[flag] = True
            rings = st.lists(st.tuples(st.floats(0, 90), st.floats(0, 79)).map(list), min_size=3, max_size=4)
            box["polygons"] = draw(st.lists(rings, max_size=2))
        made.append(box)
    return made


def dataset_of(root: Path, labels: list[Any], output: str = "boxes") -> Dataset:
    put(root, {f"{number}.jpg": data for number, data in enumerate(PICTURES[: len(labels)])})
    lines = [json.dumps({"path": f"{number}.jpg", "label": json.dumps(each)}) for number, each in enumerate(labels)]
    (root / "list.jsonl").write_text("\n".join(lines) + "\n")
    spec = f"sources: [{{manifest: list.jsonl}}]\ninput: image\noutput: {output}\n"
    (root / "modelwright.yaml").write_text(spec)
    return prepare(specs.load(root / "modelwright.yaml"), Store.open(root / ".modelwright"))


@pytest.mark.slow
@given(labels=st.lists(boxes(more=False), min_size=5, max_size=5), form=st.sampled_from(PLAIN + WHOLE))
@ONCE
def test_any_boxes_come_back_the_same(labels: list[Any], form: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        known = [{"class": "always", "x": 1.0, "y": 70.0, "width": 5.5, "height": 5.0}]
        first = dataset_of(Path(name), [[*known, *each] for each in labels])
        assert same(first, read_back(export(first, form, Path(name) / "out")))


@pytest.mark.slow
@given(labels=st.lists(boxes(more=True), min_size=5, max_size=5), form=st.sampled_from(WHOLE))
@ONCE
def test_flags_and_outlines_come_back_the_same(labels: list[Any], form: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        known = [{"class": "always", "x": 1.0, "y": 70.0, "width": 5.5, "height": 5.0}]
        first = dataset_of(Path(name), [[*known, *each] for each in labels])
        assert same(first, read_back(export(first, form, Path(name) / "out")))


def test_outlines_come_back_where_boxes_are_around_them(tmp_path: Path) -> None:
    ring = [[3.0, 4.0], [20.5, 9.25], [7.125, 40.0]]
    box = {"class": "cat", "x": 3.0, "y": 4.0, "width": 17.5, "height": 36.0, "polygon": ring}
    first = dataset_of(tmp_path, [[box], [box], [], [{**box, "polygon": None}], [box]])
    for form in PLAIN:
        assert samples(read_back(export(first, form, tmp_path / form))) == samples(first)


@pytest.mark.parametrize("more", [{"crowd": True}, {"polygons": [[[1, 1], [2, 2], [3, 1]]]}])
@pytest.mark.parametrize("form", PLAIN)
def test_what_a_form_cannot_say_is_said(tmp_path: Path, form: str, more: dict[str, Any]) -> None:
    box = {"class": "cat", "x": 3.0, "y": 4.0, "width": 17.5, "height": 36.0}
    first = dataset_of(tmp_path, [[{**box, **more}], [box], [box], [box], [box]])
    with pytest.raises(InputError, match=r"cannot|outline"):
        export(first, form, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@given(
    kinds=st.lists(st.integers(0, 255), min_size=2, max_size=4, unique=True),
    seed=st.integers(0, 1000),
    names=st.lists(NAMES.filter(bool), min_size=4, max_size=4, unique=True),
)
@ONCE
def test_any_masks_come_back_the_same(kinds: list[int], seed: int, names: list[str]) -> None:
    random = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for number, data in enumerate(PICTURES):
            coarse = random.choice(np.array(sorted(kinds), np.uint8), (4, 5))
            full = coarse.repeat(20, 0).repeat(20, 1)[: SIZE[1], : SIZE[0]]
            put(root / "data", {f"images/{number}.jpg": data, f"masks/{number}.png": png(full)})
        options = f"names: {json.dumps(names[: len(kinds)], ensure_ascii=False)}, ignore: 300"
        spec = f"sources: [{{pairs: data, {options}}}]\ninput: image\noutput: mask\n"
        (root / "modelwright.yaml").write_text(spec)
        try:
            first = prepare(specs.load(root / "modelwright.yaml"), Store.open(root / ".modelwright"))
        except InputError as error:  # too few classes were drawn, or values that are no places and too few
            if error.code not in {"one-class", "bad-masks"}:
                raise
            return
        assert samples(read_back(export(first, "dataset-pairs", root / "out"))) == samples(first)


@pytest.mark.slow
@given(seed=st.integers(0, 1000), classes=st.integers(2, 4))
@ONCE
def test_masks_on_a_background_come_back_through_coco(seed: int, classes: int) -> None:
    random = np.random.default_rng(seed)
    names = sorted(["background", "tin", "bolt", "zinc"][:classes])
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for number, data in enumerate(PICTURES):
            coarse = random.integers(0, classes, (4, 5)).astype(np.uint8)
            coarse[0] = np.arange(5) % classes  # every class is somewhere
            full = coarse.repeat(20, 0).repeat(20, 1)[: SIZE[1], : SIZE[0]]
            put(root / "data", {f"images/{number}.jpg": data, f"masks/{number}.png": png(full)})
        spec = f"sources: [{{pairs: data, names: {json.dumps(names)}}}]\ninput: image\noutput: mask\n"
        (root / "modelwright.yaml").write_text(spec)
        first = prepare(specs.load(root / "modelwright.yaml"), Store.open(root / ".modelwright"))
        assert same(first, read_back(export(first, "dataset-coco", root / "out")))


def test_masks_that_coco_cannot_hold_are_refused(tmp_path: Path) -> None:
    for number, data in enumerate(PICTURES):
        full = np.zeros((SIZE[1], SIZE[0]), np.uint8)
        full[:, : 10 + number] = 1
        put(tmp_path / "data", {f"images/{number}.jpg": data, f"masks/{number}.png": png(full)})
    (tmp_path / "modelwright.yaml").write_text("sources: [{pairs: data, names: [wood, knot]}]\noutput: mask\n")
    first = prepare(specs.load(tmp_path / "modelwright.yaml"), Store.open(tmp_path / ".modelwright"))
    with pytest.raises(InputError, match="no class 'background'") as error:
        export(first, "dataset-coco", tmp_path / "out")
    assert error.value.hint == "mw export dataset-pairs"


@pytest.mark.parametrize("output", ["category", "number", "tags"])
def test_answers_come_back_through_label_studio(tmp_path: Path, output: str) -> None:
    labels: dict[str, list[Any]] = {
        "category": ["a", "b", "a", "b", "é"],
        "number": [1.5, 2.25, 3, 4, 1e-9],
        "tags": [["a"], [], ["a", "b"], ["b"], ["c"]],
    }
    first = dataset_of(tmp_path, labels[output], output)
    assert same(first, read_back(export(first, "dataset-labelstudio", tmp_path / "out")))


@pytest.mark.parametrize("form", [*PLAIN, "dataset-coco", "dataset-voc", "dataset-pairs"])
def test_other_datasets_are_refused_in_words(tmp_path: Path, form: str) -> None:
    root = put(tmp_path, {"data.csv": "a,y\n" + "".join(f"{n}.5,{'pq'[n % 2]}\n" for n in range(40))})
    (root / "modelwright.yaml").write_text("sources: [{table: data.csv}]\nlabel: y\noutput: category\n")
    first = prepare(specs.load(root / "modelwright.yaml"), Store.open(root / ".modelwright"))
    with pytest.raises(InputError) as caught:
        registry.load("dataset_exporters", form)(first, tmp_path / "out")
    assert caught.value.code == "wrong-form"
    assert caught.value.hint
