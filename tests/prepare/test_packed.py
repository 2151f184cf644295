"""Real data sets go through straight from their packed files with a short spec, and their known dirt is found."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from modelwright.store.dataset import Dataset

from .conftest import Project, issues

SPECS = {
    "flowers5": "sources: [{{folder: {0}/flowers5/images.zip}}]",
    "tiles": (
        "sources: [{{folder: {0}/magnetic-tile-defects/images.zip, files: '*.jpg'}}]\nsplit: {{group: 'num_([0-9]+)'}}"
    ),
    "fashion": (
        "sources:\n- idx: {0}/fashion-mnist/t10k-images-idx3-ubyte.gz\n"
        "  labels: {0}/fashion-mnist/t10k-labels-idx1-ubyte.gz"
    ),
    "cifar": (
        "sources:\n- manifest: {0}/cifar10-human-labels/train_labels.csv\n"
        "  folder: {0}/cifar10-human-labels/images.zip\n"
        "  label: worse_label\n  classes: {0}/cifar10-human-labels/classes.txt"
    ),
    "penguins": "sources: [{{table: {0}/penguins/penguins.csv}}]\nlabel: species",
    "seeds": "sources: [{{table: {0}/wheat-seeds/wheat-seeds.csv}}]\nlabel: column8",
    "pima": "sources: [{{table: {0}/pima-diabetes/pima-indians-diabetes.csv}}]\nlabel: column9",
    "titanic": "sources: [{{table: {0}/titanic/titanic.csv}}]\nlabel: Survived",
    "adult": (
        "sources: [{{table: {0}/adult-income/adult-train.csv.gz}}, {{table: {0}/adult-income/adult-test.csv.gz}}]\n"
        "label: column15"
    ),
    "wine": "sources: [{{table: '{0}/wine-quality/winequality-*.csv'}}]\nlabel: column12\noutput: number",
    "california": "sources: [{{table: {0}/california-housing/housing.csv}}]\nlabel: median_house_value\noutput: number",
    "ai4i": "sources: [{{table: {0}/ai4i2020-maintenance/ai4i2020.csv}}]\nlabel: Machine failure",
    "occupancy": "sources: [{{table: '{0}/occupancy-iot/data*.txt'}}]\nlabel: Occupancy",
    "kdd": "sources: [{{table: {0}/kddcup99-10pct/kddcup.data_10_percent.gz}}]\nlabel: column42",
}


def prepared(name: str, project: Project, shared_data: Path) -> Dataset:
    text = SPECS[name].format(shared_data)
    assert len(text.splitlines()) <= 5
    return project.prepare(text + "\n")


def columns(dataset: Dataset, kind: str) -> set[str]:
    return {str(each["column"]) for each in issues(dataset, kind)}


@pytest.mark.slow
def test_flowers_in_a_zip(project: Project, shared_data: Path) -> None:
    dataset = prepared("flowers5", project, shared_data)
    assert len(issues(dataset, "conflicting-labels")) == 2
    assert len(issues(dataset, "duplicate")) == 1
    assert len(dataset.samples()) == 200
    assert len(list(dataset.raw("test", [3, 1, 2]))) == 3
    assert not (project.root / "photos").exists()


@pytest.mark.slow
def test_tiles_in_a_zip_without_their_masks(project: Project, shared_data: Path) -> None:
    dataset = prepared("tiles", project, shared_data)
    assert len(dataset.samples()) == 185
    assert len(dataset.meta["classes"]) == 6


@pytest.mark.slow
def test_fashion_mnist_from_idx(project: Project, shared_data: Path) -> None:
    dataset = prepared("fashion", project, shared_data)
    assert len(dataset.samples()) == 10_000
    assert dataset.meta["classes"] == [str(each) for each in range(10)]
    assert next(dataset.raw("train")).startswith(b"\x89PNG")


@pytest.mark.slow
def test_human_labels_beside_a_zip(project: Project, shared_data: Path) -> None:
    dataset = prepared("cifar", project, shared_data)
    assert len(dataset.samples()) == 5000
    assert dataset.meta["classes"][0] == "airplane"
    rows = dataset.samples().to_pylist()
    wrong = sum(each["path"].split("/")[1] != each["label"] for each in rows)
    assert wrong / len(rows) == pytest.approx(0.3898, abs=1e-4)
    (rest,) = [each for each in issues(dataset, "unlisted-file") if "files" in str(each["message"])]
    assert "1000 files" in str(rest["message"])


def test_penguins(project: Project, shared_data: Path) -> None:
    dataset = prepared("penguins", project, shared_data)
    missing = {each["column"]: str(each["evidence"]) for each in issues(dataset, "missing-value")}
    assert '"missing":11' in missing["sex"]
    assert sum('"missing":2,' in each for each in missing.values()) == 4


def test_wheat_seeds(project: Project, shared_data: Path) -> None:
    assert prepared("seeds", project, shared_data).meta["classes"] == ["1", "2", "3"]


def test_pima_with_its_hidden_zeros(project: Project, shared_data: Path) -> None:
    dataset = prepared("pima", project, shared_data)
    found = {str(each["column"]): str(each["evidence"]) for each in issues(dataset, "hidden-missing")}
    counts = {name: int(re.findall(r'"count":(\d+)', each)[0]) for name, each in found.items()}
    assert counts == {"column2": 5, "column3": 35, "column4": 227, "column5": 374, "column6": 11}


def test_titanic(project: Project, shared_data: Path) -> None:
    dataset = prepared("titanic", project, shared_data)
    assert columns(dataset, "identifier-column") >= {"PassengerId", "Name", "Ticket", "Cabin"}


def test_adult_from_both_files(project: Project, shared_data: Path) -> None:
    dataset = prepared("adult", project, shared_data)
    assert len(dataset.samples()) == 32_561 + 16_281
    assert len(issues(dataset, "label-variants")) == 2
    assert '"code":99999.0,"count":244' in str(issues(dataset, "hidden-missing")[0]["evidence"])


def test_wine_from_both_files(project: Project, shared_data: Path) -> None:
    dataset = prepared("wine", project, shared_data)
    (share,) = issues(dataset, "duplicate-share")
    assert f'"copies":{240 + 937 + 2},"rows":6497' in str(share["evidence"])


def test_california(project: Project, shared_data: Path) -> None:
    dataset = prepared("california", project, shared_data)
    assert len(issues(dataset, "capped-target")) == 1
    (rare,) = issues(dataset, "rare-category")
    assert "'ISLAND' (5)" in str(rare["message"])


def test_ai4i_whose_modes_of_failure_leak(project: Project, shared_data: Path) -> None:
    dataset = prepared("ai4i", project, shared_data)
    assert dataset.samples().num_rows == 10_000
    assert columns(dataset, "leaking-column") >= {"TWF", "HDF", "PWF", "OSF"}
    assert "UDI" in columns(dataset, "identifier-column")  # and not "\ufeffUDI"


def test_occupancy_whose_header_is_short(project: Project, shared_data: Path) -> None:
    dataset = prepared("occupancy", project, shared_data)
    assert len(dataset.samples()) == 8143 + 2665 + 9752
    assert len(issues(dataset, "short-header")) == 3
    assert "Light" in columns(dataset, "leaking-column")


@pytest.mark.slow
def test_kdd_with_its_copies(project: Project, shared_data: Path) -> None:
    dataset = prepared("kdd", project, shared_data)
    (share,) = issues(dataset, "duplicate-share")
    assert "(71%)" in str(share["message"]) or "(70%)" in str(share["message"])
    assert len(issues(dataset, "imbalance")) == 1
