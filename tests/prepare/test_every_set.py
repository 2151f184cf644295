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
    "ag-news-7600": "input: text\nlabel: column1\nsources: [{table: 0/test.csv}]",
    "bccd-blood-cells": "output: boxes\nsources: [{voc: 0/bccd_voc.zip}]",
    "chess-pieces-coco": "output: boxes\nsources: [{coco: 0/chess_coco.zip}]",
    "coco128-yolo": "output: boxes\nsources: [{yolo: 0/coco128_yolo.zip}]",
    "dirty-audio-cases": "input: audio\noutput: none\nsources: [{folder: 0/dirty_audio.zip}]",
    "electricity-elec2": "label: class\nsources: [{table: 0/elec.csv.gz}]",
    "fsdd-spoken-digits": (
        "input: audio\nsources:\n- folder: 0/recordings.zip\n  label: '([0-9])_'\nsplit: {group: '_([a-z]+)_'}"
    ),
    "indoor-movement": (
        "input: series\nsources:\n- series: 0/IndoorMovement.zip\n  files: 'MovementAAL_RSS_*.csv'\n"
        "  labels: dataset/MovementAAL_target.csv"
    ),
    "nab-known-cause": "input: series\nsources:\n- series: 0\n  labels: combined_windows.json\n  window: 12h",
    "penguins": "output: none\nsources: [{table: 0/penguins.csv}]",
    "person-segmentation": "output: mask\nsources: [{pairs: 0/person_seg.zip}]",
    "skab-valves": "input: series\nlabel: anomaly\nsources:\n- series: 0/skab_valves.zip\n  window: 60",
    "sms-spam": "input: text\nlabel: column1\nsources: [{table: 0/sms.tsv}]",
    "synthetic-drift-sea": "label: class\nsources: [{table: 0/sea_0123_abrupto_noise_0.2.csv.gz}]",
    "magnetic-tile-defects": "output: mask\nsources: [{pairs: 0/images.zip}]",
    "wheat-seeds": "output: none\nsources: [{table: 0/wheat-seeds.csv}]",
}
ELSEWHERE = frozenset(
    {
        "adult-income",
        "ai4i2020-maintenance",
        "california-housing",
        "cifar10-human-labels",
        "fashion-mnist",
        "flowers5",
        "kddcup99-10pct",
        "occupancy-iot",
        "pima-diabetes",
        "titanic",
        "wine-quality",
    }
)
"""Prepared and checked in ``test_packed``."""


def test_no_set_is_left_out(shared_data: Path) -> None:
    there = {path.name for path in shared_data.iterdir() if path.is_dir()}
    assert there == set(SPECS) | ELSEWHERE


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
