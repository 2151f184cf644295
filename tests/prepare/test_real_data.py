"""Real data sets go through, and the dirt that their notes list is found."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from .conftest import Project, issues


def unpack(archive: Path, into: Path) -> Path:
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            if not info.is_dir():
                path = into / info.filename
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(opened.read(info))
    return into


@pytest.mark.slow
def test_flowers(project: Project, shared_data: Path) -> None:
    unpack(shared_data / "flowers5" / "images.zip", project.root / "photos")
    dataset = project.prepare("sources: [{folder: photos}]\noutput: category\n")
    conflicts = {str(each["path"]) for each in issues(dataset, "conflicting-labels")}
    assert conflicts == {f"0/{name}/15922772266_1167a06620.jpg" for name in ("roses", "tulips")}
    (copy,) = issues(dataset, "duplicate")
    assert "15072973261_73e2912ef2_n.jpg" in str(copy["message"])
    assert not issues(dataset, "near-duplicate")
    assert dataset.meta["counts"]["dropped"] == 3


@pytest.mark.slow
def test_tiles_grouped_by_number_without_their_masks(project: Project, shared_data: Path) -> None:
    unpack(shared_data / "magnetic-tile-defects" / "images.zip", project.root / "tiles")
    dataset = project.prepare(
        "sources: [{folder: tiles, files: '*.jpg'}]\noutput: category\nsplit: {group: 'num_([0-9]+)'}\n"
    )
    assert len(dataset.samples()) == 185
    assert len(dataset.meta["classes"]) == 6
    splits: dict[str, set[str]] = {}
    for each in dataset.samples().to_pylist():
        splits.setdefault(each["path"].split("num_")[1], set()).add(each["split"])
    assert all(len(each) == 1 for each in splits.values())


def test_titanic(project: Project, shared_data: Path) -> None:
    dataset = project.prepare(
        f"sources: [{{table: {shared_data}/titanic/titanic.csv}}]\noutput: category\nlabel: Survived\n"
    )
    about = {(each["kind"], each["column"]) for each in issues(dataset)}
    assert {("identifier-column", name) for name in ("PassengerId", "Name", "Ticket", "Cabin")} <= about
    missing = {each["column"]: each["evidence"] for each in issues(dataset, "missing-value")}
    assert '"missing":177' in str(missing["Age"])
    assert '"missing":687' in str(missing["Cabin"])
    assert '"missing":2' in str(missing["Embarked"])


def test_adult_whose_test_file_spells_labels_otherwise(project: Project, shared_data: Path) -> None:
    folder = shared_data / "adult-income"
    text = f"sources: [{{table: {folder}/adult-train.csv.gz}}, {{table: {folder}/adult-test.csv.gz}}]\n"
    dataset = project.prepare(text + "output: category\nlabel: column15\nclean: {fix: [label-variants]}\n")
    assert dataset.meta["classes"] == ["<=50K", ">50K"]
    assert len(issues(dataset, "label-variants")) == 2
    missing = {each["column"]: str(each["evidence"]) for each in issues(dataset, "missing-value")}
    assert set(missing) == {"column2", "column7", "column14"}
    total = sum(int(each.split('"missing":')[1].split(",")[0]) for each in missing.values())
    assert total == 4262 + 2203


def test_california(project: Project, shared_data: Path) -> None:
    path = shared_data / "california-housing" / "housing.csv"
    dataset = project.prepare(f"sources: [{{table: {path}}}]\noutput: number\nlabel: median_house_value\n")
    (capped,) = issues(dataset, "capped-target")
    assert '"count":965' in str(capped["evidence"])
    (missing,) = issues(dataset, "missing-value")
    assert '"missing":207' in str(missing["evidence"])


def test_wine(project: Project, shared_data: Path) -> None:
    path = shared_data / "wine-quality" / "winequality-red.csv"
    text = f"sources: [{{table: {path}}}]\noutput: number\nlabel: column12\n"
    dataset = project.prepare(text)
    assert len(issues(dataset, "duplicate")) == 240
    splits: dict[str, set[str]] = {}
    for each in dataset.samples().to_pylist():
        splits.setdefault(each["id"], set()).add(each["split"])
    assert all(len(each) == 1 for each in splits.values())
    assert project.prepare(text + "clean: {drop: [duplicate]}\n").meta["counts"]["dropped"] == 240
