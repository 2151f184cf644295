"""The page about a dataset: one file that loads nothing, shows the dataset's own figures, and escapes everything."""

from __future__ import annotations

import csv as csvs
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from modelwright import canonical
from modelwright.prepare import explore
from modelwright.prepare.explore.image import PICTURES
from modelwright.prepare.explore.page import drawn
from modelwright.prepare.explore.view import PICTURE_BYTES, View
from modelwright.store import Store
from modelwright.store.columns import Columns
from modelwright.store.dataset import Dataset

from .conftest import Project, picture

FOLDER = "sources: [{folder: photos}]\noutput: category\n"
TABLE = "sources: [{table: data.csv}]\noutput: category\nlabel: kind\n"
HOSTILE = "<script>alert(1)</script>\u202eeman \"'&;"


def read(html: str) -> ET.Element:
    """Return a page as a tree, after checking that it is one file that loads nothing."""
    assert html.startswith("<!doctype html>")
    root = ET.fromstring(html.removeprefix("<!doctype html>\n"))
    tags = {each.tag.rpartition("}")[2] for each in root.iter()}
    assert not tags & {"script", "link", "iframe", "object", "embed", "base", "form"}
    policy = next(each for each in root.iter("meta") if each.get("http-equiv") == "Content-Security-Policy")
    assert policy.get("content", "").startswith("default-src 'none'")
    for each in root.iter():
        for name, value in each.attrib.items():
            assert not name.lower().startswith("on")
            if name in {"src", "href"}:
                assert re.match(r"#|data:(image|audio)/", value), value[:80]
    ids = [each.get("id") for each in root.iter() if each.get("id")]
    assert len(ids) == len(set(ids))
    for each in root.iter():
        if each.tag.rpartition("}")[2] == "svg" and each.get("aria-hidden") is None and each.get("role") == "img":
            assert each.get("aria-label")
        if each.tag == "img":
            assert each.get("alt")
    return root


def text_of(root: ET.Element) -> str:
    return " ".join("".join(root.itertext()).split())


def attached(dataset: Dataset) -> tuple[str, dict[str, Any]]:
    report, figures = (dataset.artifact.attached(name) for name in (explore.REPORT, explore.FIGURES))
    assert report is not None
    assert figures is not None
    found: dict[str, Any] = json.loads(figures.read_bytes())
    return report.read_text("utf-8"), found


@pytest.fixture
def shop(project: Project) -> Dataset:
    """A table with hostile names, missing values, a leaking column and words from right to left."""
    random = np.random.default_rng(0)
    with (project.root / "data.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csvs.writer(file)
        writer.writerow(["size", HOSTILE, "weight", "empty", "constant", "kind"])
        for number in range(300):
            kind = ["ripe", HOSTILE][int(random.integers(2))]
            size = random.normal(3 if kind == "ripe" else 5)
            word = ["שלום", "=cmd()", HOSTILE][int(random.integers(3))]
            weight = "" if number % 3 == 0 else f"{size * 2 + random.normal(0, 0.1):.3f}"
            empty = "" if number % 3 == 0 or number % 5 == 0 else str(int(random.integers(4)))
            writer.writerow([f"{size:.3f}", word, weight, empty, "7", kind])
    return project.prepare(TABLE)


def test_figures_of_a_table_are_the_datasets(shop: Dataset) -> None:
    html, figures = attached(shop)
    table = shop.samples()
    kept = table.filter(pa.compute.is_valid(table["split"]))
    assert figures["counts"] == {**shop.meta["counts"], "synthetic": 0}
    labels = Counter(kept["label"].to_pylist())
    assert {name: each["all"] for name, each in figures["classes"].items()} == labels
    for name, each in figures["classes"].items():
        split = Counter(kept.filter(pa.compute.equal(kept["label"], name))["split"].to_pylist())
        assert {word: each[word] for word in ("train", "validation", "test")} == {
            word: split[word] for word in ("train", "validation", "test")
        }
    assert figures["missing"] == {"weight": 100, "empty": 140}
    assert figures["complete_rows"] == {"of": 300, "complete": 160}
    assert figures["columns"]["size"]["distinct"] == len(set(_column(shop, "size")))
    ends = figures["columns"]["size"]["quantiles"]
    values = np.array(_column(shop, "size"))
    assert ends == pytest.approx(np.quantile(values, [0, 0.25, 0.5, 0.75, 1]))
    names = figures["associations"]["columns"]
    matrix = np.array(figures["associations"]["matrix"], float)
    assert matrix[names.index("size"), names.index("weight")] > 0.95
    assert figures["groups"]["straddling"] == 0
    assert figures["leaks"] is False
    said = text_of(read(html))
    assert "300" in said
    assert "constant" in said


def _column(dataset: Dataset, name: str) -> list[Any]:
    from pyarrow import parquet

    found: list[Any] = parquet.read_table(dataset.artifact.path("rows.parquet"))[name].to_pylist()
    return found


def test_hostile_words_are_shown_and_never_run(shop: Dataset) -> None:
    html, _ = attached(shop)
    assert "<script" not in html
    assert "alert(1)&lt;/script&gt;" in html
    root = read(html)
    assert "<script>alert(1)</script>" in text_of(root)
    assert "שלום" in html


def test_hostile_file_names_and_labels(project: Project) -> None:
    for number, name in enumerate(("<b>bold<", "ordinary", "\u202eeman")):
        folder = project.root / "photos" / name
        folder.mkdir(parents=True)
        for place in range(14):
            (folder / f'{place}"><img src=x onerror=alert(1)>.jpg').write_bytes(picture(number * 100 + place))
    (project.root / "photos" / "ordinary" / "<svg onload=alert(1)>.jpg").write_bytes(picture(7)[:500])
    html, figures = attached(project.prepare(FOLDER))
    read(html)
    assert "<b>bold<" in figures["classes"]
    assert "onerror=alert(1)" in html.replace("&quot;", '"')


def test_the_page_of_pictures(project: Project, photos: Path) -> None:
    (photos / "apple" / "broken.jpg").write_bytes(picture(1)[:400])
    (photos / "pear" / "copy.jpg").write_bytes((photos / "pear" / "03.jpg").read_bytes())
    dataset = project.prepare(FOLDER + "clean: {drop: [corrupt, duplicate]}\n")
    html, figures = attached(dataset)
    root = read(html)
    assert len(html.encode()) < 2_000_000
    titles = [each.text for each in root.iter("h2")]
    for wanted in ("At a glance", "Map of the data", "Classes", "The worst issues", "Samples of each class",
                   "What the pictures have in common", "What the pictures are like", "What a model sees",
                   "What was decided, and what it changed", "No leaks between splits", "Sources"):  # fmt: skip
        assert wanted in titles
    assert figures["kept"] == {"found": 42, "kept": 40, "dropped_for": {"corrupt": 1, "duplicate": 1}}
    assert figures["balance"] == {"apple": [21, 20], "pear": [21, 20]}
    assert figures["map"]["points"] == 40
    brightness = dataset.samples()["measure.brightness"].to_numpy(zero_copy_only=False)
    kept = dataset.samples()["split"].is_valid().to_numpy(zero_copy_only=False)
    assert figures["measures"]["brightness"]["mean"] == pytest.approx(brightness[kept].mean())
    counts = figures["measures"]["brightness"]["counts"]
    assert {name: sum(each) for name, each in counts.items()} == {
        name: dataset.count(name) for name in ("train", "validation", "test")
    }
    assert "2 of 42 samples were dropped" in text_of(root)


def test_the_same_dataset_has_the_same_page(project: Project, photos: Path) -> None:
    dataset = project.prepare(FOLDER)
    assert explore.page(dataset).html == explore.page(Dataset(project.store, dataset.artifact)).html


def test_one_split_alone(project: Project, photos: Path) -> None:
    dataset = project.prepare(FOLDER)
    made = explore.page(dataset, only="test")
    read(made.html)
    assert made.figures["counts"]["train"] == 0
    assert made.figures["counts"]["test"] == dataset.count("test") == 8
    assert {name: each["all"] for name, each in made.figures["classes"].items()} == {"apple": 4, "pear": 4}


def test_labels_that_were_replaced_are_shown_from_and_to(project: Project) -> None:
    lines = [
        "size,kind",
        *(f"{n * 0.37 % 5},{'ripe' if n % 2 else ' Ripe.' if n % 10 == 0 else 'raw'}" for n in range(200)),
    ]
    (project.root / "data.csv").write_text("\n".join(lines) + "\n")
    dataset = project.prepare(TABLE + "clean: {fix: [label-variants]}\n")
    _, figures = attached(dataset)
    assert figures["relabelled"] == {"count": 20, "pairs": [["Ripe.", "ripe", 20]]}
    assert figures["balance"]["ripe"] == [100, 120]
    assert figures["balance"]["Ripe."] == [20, 0]
    given = dataset.samples()["given"].to_pylist()
    assert Counter(given) == {None: 180, "Ripe.": 20}


def test_what_changed_since_the_dataset_before(project: Project, photos: Path) -> None:
    first = project.prepare(FOLDER)
    for number in range(5):
        (photos / "pear" / f"new-{number}.jpg").write_bytes(picture(900 + number))
    (photos / "apple" / "00.jpg").unlink()
    second = project.prepare(FOLDER, parent=first)
    html, figures = attached(second)
    assert figures["changes"]["counts"]["added"] == 5
    assert figures["changes"]["counts"]["removed"] == 1
    assert "What changed since the dataset before" in text_of(read(html))
    assert "changes" not in attached(first)[1]


def test_a_group_that_lacks_a_class_is_named(project: Project) -> None:
    random = np.random.default_rng(1)
    lines = ["size,site,kind"]
    for number in range(600):
        site = "north" if number % 3 else "south"
        kind = "good" if site == "south" and number % 60 else ["good", "bad"][number % 2]
        lines.append(f"{random.normal():.4f},{site},{kind}")
    (project.root / "data.csv").write_text("\n".join(lines) + "\n")
    _, figures = attached(project.prepare(TABLE))
    worst = figures["under_represented"][0]
    assert (worst["group"], worst["class"]) == ("site: south", "bad")
    assert worst["count"] < worst["expected"] / 5


def test_features_before_and_after(shop: Dataset) -> None:
    html, figures = attached(shop)
    assert "size" in figures["features"]["names"]
    assert figures["features"]["count"] == len(figures["features"]["names"])
    assert 'class="turned"' in html


def test_synthetic_samples_stand_beside_what_they_were_made_of(project: Project, photos: Path) -> None:
    dataset = project.prepare(FOLDER + "synthesize: {ways: [noise], only: all}\n")
    html, figures = attached(dataset)
    assert figures["synthetic"]["ways"] == {"noise": figures["synthetic"]["count"]}
    assert figures["counts"]["synthetic"] == int(dataset.synthetic("train").sum()) == figures["synthetic"]["count"]
    root = read(html)
    assert "What was synthesized" in [each.text for each in root.iter("h2")]
    assert figures["synthetic"]["worth"]["words"] in text_of(root)


def test_number_answers(project: Project) -> None:
    random = np.random.default_rng(2)
    lines = ["size,price", *(f"{size:.4f},{3 * size + random.normal():.4f}" for size in random.normal(size=300))]
    (project.root / "data.csv").write_text("\n".join(lines) + "\n")
    dataset = project.prepare("sources: [{table: data.csv}]\noutput: number\nlabel: price\n")
    html, figures = attached(dataset)
    read(html)
    known = np.array(dataset.samples()["label"].to_pylist())
    assert figures["answers"]["quantiles"] == pytest.approx(np.quantile(known, [0, 0.25, 0.5, 0.75, 1]))
    assert sum(map(sum, figures["answers"]["counts"].values())) == 300
    assert figures["columns"]["size"]["explains"] > 0.8


def test_lost_pictures_and_sketches_do_not_stop_the_page(project: Project, photos: Path) -> None:
    import shutil

    dataset = project.prepare(FOLDER)
    shutil.rmtree(project.store.cache_dir("prepare"))
    shutil.rmtree(photos)
    made = explore.page(dataset)
    read(made.html)
    assert "map" not in made.figures
    assert made.figures["counts"]["train"] == 28


def test_a_lost_cache_is_made_good_from_the_files(project: Project, photos: Path) -> None:
    import shutil

    dataset = project.prepare(FOLDER)
    shutil.rmtree(project.store.cache_dir("prepare"))
    assert explore.page(dataset).figures["map"]["points"] == 40


@pytest.mark.slow
def test_a_million_samples_take_a_small_page(tmp_path: Path) -> None:
    count = 1_000_000
    random = np.random.default_rng(0)
    codes = random.integers(0, 30, count)
    splits = random.choice(3, count, p=[0.7, 0.1, 0.2])
    text, ids = (pa.array([f"{number:0{width}x}" for number in range(count)]) for width in (8, 64))
    samples = pa.table({
        "id": ids,
        "source": pa.array(np.zeros(count, np.int32)),
        "path": text,
        "label": pa.DictionaryArray.from_arrays(codes, [f"class {n}" for n in range(30)]).cast(pa.string()),
        "split": pa.DictionaryArray.from_arrays(splits, ["train", "validation", "test"]).cast(pa.string()),
        "group": pa.array([f"{number:016x}" for number in range(count)]),
        "status": pa.array(["kept"] * count),
        "annotation": pa.array(["source"] * count),
        **{f"measure.{name}": random.normal(size=count) for name in ("brightness", "contrast", "width", "height")},
    })  # fmt: skip
    some = range(0, count, 5)
    issues = pa.table({
        "id": pa.array([f"{n:016x}" for n in some]), "kind": pa.array(["blurry", "dark"] * (len(some) // 2)),
        "severity": np.linspace(1, 0, len(some)), "sample": ids.take(pa.array(list(some))),
        "path": pa.array([f"0/{n:08x}" for n in some]), "column": pa.nulls(len(some), pa.string()),
        "message": pa.array(["it is blurred"] * len(some)), "evidence": pa.array(["{}"] * len(some)),
        "suggestion": pa.array(["review"] * len(some)), "decision": pa.array(["keep"] * len(some)),
        "decided_by": pa.array(["default"] * len(some)), "why": pa.array(["a remark"] * len(some)),
    })  # fmt: skip
    (tmp_path / "photos").mkdir()
    counts = {name: int((splits == number).sum()) for number, name in enumerate(("train", "validation", "test"))}
    meta = {
        "name": "many", "modality": "image", "target": "category", "counts": {**counts, "dropped": 0},
        "classes": [f"class {n}" for n in range(30)], "dropped_columns": [], "label_check": {"skipped": "a test"},
        "sources": [{"kind": "folder", "location": "photos", "digest": "0" * 64, "kept": "files"}], "division": {},
    }  # fmt: skip
    schema = {"input": {"height": 8, "width": 8, "channels": 3, "mean": [0.5] * 3, "std": [0.2] * 3, "dense": [8, 8]}}
    store = Store.open(tmp_path / ".modelwright")
    parquet.write_table(samples, tmp_path / "samples.parquet", row_group_size=3000)
    made = drawn(View(Columns(tmp_path / "samples.parquet"), issues, meta, schema, store))
    read(made.html)
    assert len(made.html.encode()) < 1_000_000
    assert made.figures["counts"]["train"] == counts["train"]
    assert sum(each["all"] for each in made.figures["classes"].values()) == count
    assert made.figures["decisions"][0]["count"] == 100_000


def test_a_page_of_many_pictures_stays_within_its_budget(project: Project, photos: Path) -> None:
    view = View.of(project.prepare(FOLDER), pictures=PICTURES)
    spent = 0
    while (data := view.small(0, 96)) is not None:
        spent += len(data)
    assert PICTURE_BYTES - 20_000 < spent <= PICTURE_BYTES
    assert canonical.dumps(view.figures) == b"{}"
