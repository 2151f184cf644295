"""What the dataset before settles for the next one: splits that hold, and when they are dealt anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from modelwright.errors import InputError, SpecError
from modelwright.project import open_project
from modelwright.store.dataset import Dataset

from .conftest import Listener, Project, issues, picture


def test_a_group_that_a_source_gets_later_deals_anew(tmp_path: Path) -> None:
    """Not: what lies in several splits of the dataset before is left out, as if it were a leak."""
    lines = ["path,label,rec", *(f"{number}.jpg,{'ab'[number // 20]},{number // 4}" for number in range(40))]
    (tmp_path / "list.csv").write_text("\n".join(lines) + "\n")
    for number in range(40):
        (tmp_path / f"{number}.jpg").write_bytes(picture(number, (48, 40)))
    said: list[list[str]] = []
    for group in ("", "    group: rec\n"):
        (tmp_path / "modelwright.yaml").write_text(f"sources:\n  - manifest: list.csv\n    label: label\n{group}")
        listener = Listener()
        project = open_project(tmp_path)
        project.run(to="prepare", progress=listener)
        said.append(listener.said)
    artifact = project.store.artifacts.latest("dataset")
    assert artifact is not None
    dataset = Dataset(project.store, artifact)
    assert dataset.meta["counts"]["dropped"] == 0
    assert not issues(dataset, "split-conflict")
    assert any("'group' of source 'manifest: list.csv' changed: samples are dealt into splits anew" in line
               for line in said[1])  # fmt: skip
    assert not any("anew" in line for line in said[0])


def test_what_is_shut_out_of_all_splits_says_what_it_is_like(tmp_path: Path) -> None:
    """A copy of a locked test sample that comes later, under other bytes."""
    for number in range(60):
        place = tmp_path / "pictures" / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.png").write_bytes(picture(number, (64, 56), kind="PNG"))
    (tmp_path / "modelwright.yaml").write_text(
        "sources: [{folder: pictures}]\nsplit: {group: '([0-9]+)'}\nclean: {keep: [duplicate], review: []}\n"
    )
    project = open_project(tmp_path)
    project.run(to="prepare")
    artifact = project.store.artifacts.latest("dataset")
    assert artifact is not None
    table = Dataset(project.store, artifact).columns()
    found = dict(zip(table["path"].to_pylist(), table["split"].to_pylist(), strict=True))
    tests = sorted(path for path, name in found.items() if name == "test")
    trained = sorted(path for path, name in found.items() if name == "train" and path[0] == tests[0][0])
    again = Path(tests[0]).with_name(f"{Path(trained[0]).stem}_again.png")
    (tmp_path / "pictures" / again).write_bytes((tmp_path / "pictures" / tests[0]).read_bytes())
    open_project(tmp_path).run(to="prepare")
    artifact = project.store.artifacts.latest("dataset")
    assert artifact is not None
    (shut,) = issues(Dataset(project.store, artifact), "split-conflict")
    assert Path(str(shut["path"])).name == Path(trained[0]).name
    assert json.loads(str(shut["evidence"]))["other"] in tests


@pytest.mark.parametrize("group", ["rec", "'(rec[0-9]+)_'"])
def test_files_of_a_manifest_are_grouped_by_a_column_or_by_their_names(project: Project, group: str) -> None:
    lines = [
        "path,label,rec",
        *(f"rec{number // 4}_{number}.jpg,{'ab'[number % 2]},{number // 4}" for number in range(40)),
    ]
    (project.root / "list.csv").write_text("\n".join(lines) + "\n")
    for number in range(40):
        (project.root / f"rec{number // 4}_{number}.jpg").write_bytes(picture(number, (48, 40)))
    dataset = project.prepare(f"sources:\n  - manifest: list.csv\nsplit: {{group: {group}}}\n")
    table = dataset.columns()
    splits: dict[str, set[str]] = {}
    for path, name in zip(table["path"].to_pylist(), table["split"].to_pylist(), strict=True):
        splits.setdefault(path.split("_")[0], set()).add(name)
    assert len(splits) == 10
    assert all(len(names) == 1 for names in splits.values())


def test_a_group_that_is_neither_is_refused(project: Project) -> None:
    with pytest.raises(SpecError, match="it has no group"):
        project.spec("sources: [{folder: photos}]\nsplit: {group: rec}\n")


def test_folders_named_as_splits_are_no_classes(project: Project) -> None:
    for number in range(24):
        place = project.root / "photos" / ("train", "train", "test")[number % 3] / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.jpg").write_bytes(picture(number, (40, 32)))
    with pytest.raises(InputError, match="classes would be test, train") as error:
        project.prepare("sources: [{folder: photos}]\n")
    assert error.value.code == "splits-as-classes"
    assert "level: 2" in error.value.hint
    assert project.prepare("sources: [{folder: photos, level: 2}]\n").meta["classes"] == ["a", "b"]


def test_what_cannot_be_used_cannot_be_kept(tmp_path: Path) -> None:
    for number in range(24):
        place = tmp_path / "photos" / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.jpg").write_bytes(picture(number, (40, 32)))
    (tmp_path / "photos" / "a" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    (tmp_path / "modelwright.yaml").write_text("sources: [{folder: photos}]\n")
    project = open_project(tmp_path)
    project.run(to="prepare")
    (broken,) = project.issues(kind="corrupt")
    with pytest.raises(InputError, match=r"broken\.jpg \(corrupt\) cannot be used and is left out whatever is decided"):
        project.decide([broken["id"]], "keep", by="ann")
    assert project.decide([broken["id"]], "drop", by="ann")["decided"] == 1
