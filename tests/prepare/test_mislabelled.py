"""Probably mislabelled samples through the whole step: found, decided about, remembered."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from modelwright.prepare.clean.labels import predictions
from modelwright.project import open_project
from modelwright.testing.camera import Digits, write_digits

from .conftest import Project, issues, picture

SPEC = "sources: [{folder: photos}]\noutput: category\n"


@pytest.fixture
def digits(project: Project) -> Digits:
    return write_digits(project.root / "photos", 3, held_back=1300, truncated=0, duplicated=6, mislabelled=0.04)


def listed(dataset: object) -> dict[str, dict[str, object]]:
    found = issues(dataset, "mislabelled")  # type: ignore[arg-type]
    return {str(each["path"]).partition("/")[2]: each for each in found}


@pytest.mark.slow
def test_planted_ones_are_found_decided_and_stay_decided(
    project: Project, digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = dict(digits.dirt.mislabelled)
    first = project.prepare(SPEC)
    found = listed(first)
    assert len(set(found) & set(truth)) >= 0.7 * len(truth)
    assert len(set(found) - set(truth)) <= 3
    assert first.meta["label_check"]["listed"] == len(found)
    assert any("look wrong" in said for said in project.listener.said)
    one, two, three = [each for path, each in found.items() if path in truth][:3]
    assert (one["decision"], one["decided_by"], one["suggestion"]) == ("review", "rule:review.mislabelled", "review")
    report = first.artifact.attached("report.html")
    assert report is not None
    page = report.read_text("utf-8")
    assert "Probably mislabelled" in page
    assert "→" in page

    # The second time nothing is predicted again, whatever was decided meanwhile.
    monkeypatch.setattr(predictions, "of_pictures", lambda *_: pytest.fail("predicted again"))
    opened = open_project(project.root)
    opened.decide([str(one["id"])], "fix", "ann")
    opened.decide([str(two["id"])], "drop", "ann")
    opened.decide([str(three["id"])], "keep", "ann")
    second = project.prepare(SPEC)
    assert set(listed(second)) == set(found)
    rows = {str(each["path"]): each for each in second.samples().to_pylist()}
    path = str(one["path"]).partition("/")[2]
    assert rows[path]["label"] == truth[path] != path.split("/")[0]
    assert rows[path]["annotation"] == f"fix:{one['id']}"
    assert rows[str(two["path"]).partition("/")[2]]["status"] == "dropped"
    kept = rows[str(three["path"]).partition("/")[2]]
    assert (kept["status"], kept["annotation"]) == ("kept", "source")
    value = project.store.decisions.current()[str(one["id"])].value
    assert value == truth[path]
    opened.decide([str(one["id"])], "undo", "ann")
    third = {str(each["path"]): each for each in project.prepare(SPEC).samples().to_pylist()}
    assert third[path]["label"] == path.split("/")[0]
    ruled = project.prepare(SPEC + "clean: {fix: [mislabelled], review: []}\n")
    fixed = [each for each in ruled.samples().to_pylist() if str(each["annotation"]).startswith("fix:")]
    # People's decisions stand before the rule.
    assert len(fixed) == len(found) - 2


def test_too_few_samples_are_not_checked(project: Project, photos: Path) -> None:
    for path in sorted(photos.rglob("*.jpg"))[8:20]:
        path.unlink()
    dataset = project.prepare(SPEC)
    assert not issues(dataset, "mislabelled")
    assert "fewer than two classes" in dataset.meta["label_check"]["skipped"]
    assert any(said.startswith("labels were not checked: fewer than two classes") for said in project.listener.said)
    off = project.prepare(SPEC + "clean: {review: []}\n")
    assert "no rule" in off.meta["label_check"]["skipped"]


def table(project: Project, count: int, wrong: int) -> list[int]:
    """Write rows with a class and a number that follow from the columns, some of them wrong; return which."""
    random = np.random.default_rng(7)
    bad = sorted(random.choice(count, wrong, replace=False).tolist())
    with (project.root / "data.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["height", "width", "colour", "kind", "weight"])
        for place in range(count):
            height, width = random.uniform(1, 9, 2)
            colour = random.choice(["red", "green"])
            kind = "tall" if height > width else "wide"
            weight = 3 * height + width + random.normal(0, 0.2)
            if place in bad:
                kind = {"tall": "wide", "wide": "tall"}[kind] if abs(height - width) > 1 else kind
                weight += random.choice([-1, 1]) * 15
            writer.writerow([f"{height:.3f}", f"{width:.3f}", colour, kind, f"{weight:.3f}"])
    return bad


def test_numbers_of_a_table(project: Project) -> None:
    bad = table(project, 700, 9)
    dataset = project.prepare(
        "input: table\noutput: number\nlabel: weight\nsources: [{table: data.csv, ignore: [kind]}]\n"
    )
    found = issues(dataset, "mislabelled")
    rows = {int(str(each["path"]).rpartition("#")[2]) for each in found}
    first = min(int(str(each["path"]).rpartition("#")[2]) for each in dataset.samples().to_pylist())
    assert {place + first for place in bad} <= rows
    assert len(rows) <= len(bad) + 3
    assert all(0.5 <= float(str(each["severity"])) <= 1 for each in found)


def test_classes_of_a_table(project: Project) -> None:
    table(project, 700, 12)
    dataset = project.prepare(
        "input: table\noutput: category\nlabel: kind\nsources: [{table: data.csv, ignore: [weight]}]\n"
    )
    found = issues(dataset, "mislabelled")
    assert 6 <= len(found) <= 25
    assert dataset.meta["label_check"]["samples"] == 700
    fixed = project.prepare(
        "input: table\noutput: category\nlabel: kind\nsources: [{table: data.csv, ignore: [weight]}]\n"
        "clean: {drop: [mislabelled]}\n"
    )
    assert fixed.meta["counts"]["dropped"] == len(found)


@pytest.mark.parametrize("folds", [3, 7])
def test_the_folds_are_those_that_the_dataset_keeps(project: Project, folds: int) -> None:
    random = np.random.default_rng(3)
    with (project.root / "data.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["height", "width", "machine", "kind"])
        for _ in range(400):
            height, width = random.uniform(1, 9, 2)
            kind = "tall" if height > width else "wide"
            writer.writerow([f"{height:.3f}", f"{width:.3f}", f"m{random.integers(60)}", kind])
    dataset = project.prepare(
        "label: kind\nsources: [{table: data.csv}]\n"
        f"split: {{group: machine, folds: {folds}}}\nclean: {{review: [mislabelled]}}\n"
    )
    facts = dataset.meta["label_check"]["folds"]
    assert facts == {"count": min(folds, 5), "of": "dataset", "astride": 0}
    (cache,) = project.store.cache_dir("labels").glob("*.npz")
    with np.load(cache, allow_pickle=False) as file:
        used = file["folds"]
    rows = [row for row in dataset.samples().to_pylist() if row["status"] == "kept"]
    assert len(rows) == len(used)
    kept = np.array([-1 if row["fold"] is None else row["fold"] for row in rows])
    train = kept >= 0
    assert {row["split"] for row, inside in zip(rows, train, strict=True) if inside} == {"train"}
    assert (used[train] == kept[train] * min(folds, 5) // folds).all()
    machines: dict[str, set[int]] = {}
    for row, fold in zip(rows, used.tolist(), strict=True):
        machines.setdefault(row["group"], set()).add(fold)
    assert all(len(each) == 1 for each in machines.values())


def test_near_copies_never_vouch_for_each_other(project: Project) -> None:
    for number in range(40):
        folder = project.root / "photos" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        for quality in (90, 70):
            (folder / f"{number}_{quality}.jpg").write_bytes(picture(number, quality=quality))
    dataset = project.prepare(SPEC)
    assert dataset.meta["label_check"]["folds"] == {"count": 5, "of": "label check", "astride": 0}
    (cache,) = project.store.cache_dir("labels").glob("*.npz")
    with np.load(cache, allow_pickle=False) as file:
        used = file["folds"]
    rows = [row for row in dataset.samples().to_pylist() if row["status"] == "kept"]
    assert len(rows) == len(used) == 80
    groups: dict[str, list[int]] = {}
    for row, fold in zip(rows, used.tolist(), strict=True):
        groups.setdefault(row["group"], []).append(fold)
    assert sum(len(each) == 2 for each in groups.values()) >= 35  # pairs were found
    assert all(len(set(each)) == 1 for each in groups.values())


def test_classes_that_the_columns_do_not_tell_are_not_checked(project: Project) -> None:
    random = np.random.default_rng(5)
    with (project.root / "data.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["height", "width", "kind"])
        for _ in range(300):
            writer.writerow([f"{random.normal():.3f}", f"{random.normal():.3f}", random.choice(["a", "b", "c"])])
    dataset = project.prepare("label: kind\nsources: [{table: data.csv}]\n")
    facts = dataset.meta["label_check"]
    assert not issues(dataset, "mislabelled")
    assert set(facts["not_understood"]) == {"a", "b", "c"}
    assert "these features tell too little about them" in facts["skipped"]
    assert any(said.startswith("labels were not checked: these features") for said in project.listener.said)
    report = dataset.artifact.attached("report.html")
    assert report is not None
    assert "Not checked: these features tell too little about them" in report.read_text("utf-8")


def test_the_page_names_classes_that_are_left_out(project: Project) -> None:
    random = np.random.default_rng(6)
    with (project.root / "data.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["height", "kind"])
        for number in range(600):  # "far" and "near" show, "any" and "some" are rare and anywhere
            kind = "any" if number % 20 == 0 else "some" if number % 20 == 1 else ["far", "near"][number % 2]
            height = random.normal(0, 3) if kind in {"any", "some"} else random.normal(2 if kind == "far" else -2)
            writer.writerow([f"{height:.3f}", kind])
    dataset = project.prepare("label: kind\nsources: [{table: data.csv}]\n")
    facts = dataset.meta["label_check"]
    assert set(facts["not_understood"]) == {"any", "some"}
    assert "skipped" not in facts
    assert not {"any", "some"} & {
        word
        for each in issues(dataset, "mislabelled")
        for word in (json.loads(str(each["evidence"]))["given"], json.loads(str(each["evidence"]))["suggested"])
    }
    assert any("not accused and not accusing" in said and "any, some" in said for said in project.listener.said)
    report = dataset.artifact.attached("report.html")
    assert report is not None
    assert "Left out, since these features tell too little about them: any (0." in report.read_text("utf-8")
