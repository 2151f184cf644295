"""Every real data set, straight from its packed files, with a spec of at most five lines: prepared, and on a page.

What dirt is known and found is asserted beside each kind of source (``test_packed``, ``test_real_data``,
``test_series_dirt``, ``test_annotated_real``, ``test_audio``, ``test_texts``); here it is that nothing is left out.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from modelwright.prepare.explore import attach
from modelwright.progress import SILENT

from .conftest import Project

SPECS: dict[str, str] = {
    "dirty-audio-cases": "input: audio\noutput: none\nsources: [{folder: 0/dirty_audio.zip}]",
    "chess-pieces-coco": "output: boxes\nsources: [{coco: 0/chess_coco.zip}]",
    "indoor-movement": (
        "input: series\nsources:\n- series: 0/IndoorMovement.zip\n  files: 'MovementAAL_RSS_*.csv'\n"
        "  labels: dataset/MovementAAL_target.csv"
    ),
    "penguins": "output: none\nsources: [{table: 0/penguins.csv}]",
    "person-segmentation": "output: mask\nsources: [{pairs: 0/person_seg.zip}]",
    "wheat-seeds": "output: none\nsources: [{table: 0/wheat-seeds.csv}]",
}
ELSEWHERE: dict[str, str] = {
    "adult-income": "test_packed",
    "ag-news-7600": "test_texts",
    "ai4i2020-maintenance": "test_packed",
    "bccd-blood-cells": "test_annotated_real",
    "california-housing": "test_packed",
    "cifar10-human-labels": "test_packed",
    "coco128-yolo": "test_annotated_real",
    "electricity-elec2": "test_series_dirt",
    "fashion-mnist": "test_packed",
    "flowers5": "test_packed",
    "fsdd-spoken-digits": "test_audio",
    "kddcup99-10pct": "test_packed",
    "magnetic-tile-defects": "test_packed",
    "nab-known-cause": "test_series_dirt",
    "occupancy-iot": "test_packed",
    "pima-diabetes": "test_packed",
    "skab-valves": "test_series_dirt",
    "sms-spam": "test_texts",
    "synthetic-drift-sea": "test_series_dirt",
    "titanic": "test_packed",
    "wine-quality": "test_packed",
}
"""Prepared, and looked through for its known dirt, in these files."""


def test_no_set_is_left_out(shared_data: Path) -> None:
    there = {path.name for path in shared_data.iterdir() if path.is_dir()}
    assert there == SPECS.keys() | ELSEWHERE.keys()
    for name, file in ELSEWHERE.items():
        assert name in (Path(__file__).parent / f"{file}.py").read_text("utf-8"), name


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SPECS))
def test_a_set_is_prepared_and_shown(name: str, shared_data: Path, project: Project) -> None:
    text = SPECS[name]
    assert len(text.splitlines()) <= 5
    where = str(shared_data / name)
    dataset = project.prepare(text.replace(": 0/", f": {where}/").replace(": 0\n", f": {where}\n"))
    assert dataset.count("train") > 0
    attach(dataset, progress=SILENT)
    page = dataset.artifact.attached("report.html")
    figures = dataset.artifact.attached("figures.json")
    assert page is not None
    assert figures is not None
    assert page.stat().st_size < 5_000_000
    assert json.loads(figures.read_bytes())
