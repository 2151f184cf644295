"""The real sets of annotated pictures, straight from their packed files: what is known to be wrong is found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from modelwright.prepare.explore import page
from modelwright.prepare.guess.guessing import guess
from modelwright.store.dataset import Dataset

from .conftest import Project, issues

DIRT: dict[str, tuple[str, str, str, dict[str, int]]] = {
    # kind of source, packed file, output, problems that its README names: how many
    "bccd-blood-cells": ("voc", "bccd_voc.zip", "boxes", {"zero-area-box": 2}),
    "chess-pieces-coco": ("coco", "chess_coco.zip", "boxes", {"no-boxes": 1, "rare-class": 1, "imbalance": 1}),
    "coco128-yolo": ("yolo", "coco128_yolo.zip", "boxes", {"missing-annotation": 2, "no-boxes": 2}),
    "person-segmentation": ("pairs", "person_seg.zip", "mask", {"wrong-size-mask": 81, "conflicting-labels": 2}),
    "magnetic-tile-defects": ("pairs", "images.zip", "mask", {"soft-mask": 123, "empty-mask": 62}),
}


def prepared(shared_data: Path, project: Project, name: str) -> Dataset:
    kind, file, output, _ = DIRT[name]
    text = f"input: image\noutput: {output}\nsources: [{{{kind}: {shared_data / name / file}}}]\n"
    # What a model would say of the boxes is tested by itself, and takes a minute here.
    return project.prepare(text + "clean: {review: [dark]}\n")


@pytest.mark.slow
@pytest.mark.parametrize("name", DIRT)
def test_known_dirt_is_found(shared_data: Path, project: Project, name: str) -> None:
    dataset = prepared(shared_data, project, name)
    found = {kind: len(issues(dataset, kind)) for kind in DIRT[name][3]}
    if "rare-class" in found:
        rare = [str(each["column"]) for each in issues(dataset, "rare-class")]
        assert "bishop" in rare  # the stray class
    if name == "magnetic-tile-defects":
        forgotten = {str(each["path"]) for each in issues(dataset, "empty-mask") if float(str(each["severity"])) >= 0.7}
        assert forgotten == {f"0/MT_Uneven/{each}.jpg" for each in ("exp4_num_124690", "exp3_num_45042")}
    assert found == DIRT[name][3]
    made = page(dataset)
    assert ("Boxes on the pictures" in made.html) or ("Masks on the pictures" in made.html)
    assert len(made.html) < 5_000_000


def test_what_the_readmes_name_is_what_was_found(shared_data: Path, project: Project) -> None:
    dataset = prepared(shared_data, project, "coco128-yolo")
    named = {str(each["path"]).rpartition("/")[2] for each in issues(dataset, "missing-annotation")}
    assert named == {"000000000250.jpg", "000000000508.jpg"}
    total = sum(len(json.loads(label)) for split in ("train", "validation", "test") for label in dataset.labels(split))
    assert total == 182
    assert len(dataset.meta["classes"]) <= 80


@pytest.mark.parametrize("name", DIRT)
def test_the_form_is_guessed(shared_data: Path, name: str) -> None:
    kind, file, output, _ = DIRT[name]
    found: Any = guess(shared_data / name / file)
    assert ([list(source) for source in found.sources], found.output) == ([[kind]], output)
