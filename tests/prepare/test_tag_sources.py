"""Tags from every source that can say them, and a whole run on each kind of input."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from modelwright.errors import InputError
from modelwright.prepare.guess.guessing import guess
from modelwright.project import Project, open_project
from modelwright.store import Store
from modelwright.store.dataset import Dataset

QUICK = "train: {models: [logistic], budget: 60s}\n"


def _project(folder: Path, spec: str) -> Project:
    (folder / "modelwright.yaml").write_text(spec, encoding="utf-8")
    return open_project(folder)


def _dataset(project: Project) -> Dataset:
    project.run(to="prepare")
    artifact = project.store.artifacts.latest("dataset")
    assert artifact is not None
    return Dataset(project.store, artifact)


def _labels(dataset: Dataset) -> dict[str, str | None]:
    table = dataset.samples()
    return dict(zip(table["path"].to_pylist(), table["label"].to_pylist(), strict=True))


def _pictures(folder: Path, count: int) -> list[list[str]]:
    """Write pictures with a red bar above, a green one below, or a blue one down the middle; return their tags."""
    random = np.random.default_rng(0)
    folder.mkdir()
    tags = []
    for number in range(count):
        pixels = random.integers(60, 140, (20, 20, 3))
        there = random.random(3) < [0.5, 0.4, 0.25]
        pixels[2:7, :, 0] += 90 * there[0]
        pixels[13:18, :, 1] += 90 * there[1]
        pixels[:, 8:12, 2] += 100 * there[2]
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / f"{number}.png")
        tags.append([name for name, here in zip(("above", "below", "middle"), there, strict=True) if here])
    return tags


def test_a_manifest_says_tags_as_a_list_a_text_or_columns(tmp_path: Path) -> None:
    tags = _pictures(tmp_path / "pictures", 60)
    lists = [json.dumps({"file_name": f"{number}.png", "tags": each}) for number, each in enumerate(tags)]
    (tmp_path / "lists.jsonl").write_text("\n".join(lists), encoding="utf-8")
    rows = [f"{number}.png;{'|'.join(each) or 'none'}" for number, each in enumerate(tags)]
    (tmp_path / "words.csv").write_text("path;label\n" + "\n".join(rows), encoding="utf-8")
    flags = [
        f"{n}.png," + ",".join(str(int(name in each)) for name in ("above", "below", "middle"))
        for n, each in enumerate(tags)
    ]
    (tmp_path / "flags.csv").write_text("path,above,below,middle\n" + "\n".join(flags), encoding="utf-8")
    found = []
    for location, more in (("lists.jsonl", ""), ("words.csv", ""), ("flags.csv", ", labels: [above, below, middle]")):
        source = f"{{manifest: {location}, folder: pictures{more}}}"
        spec = f"input: image\noutput: tags\nsources: [{source}]\nclean: {{review: []}}\n"
        dataset = _dataset(_project(tmp_path, spec))
        found.append(_labels(dataset))
        assert dataset.meta["classes"] == ["above", "below", "middle"]
        assert dataset.truth("train").shape == (dataset.count("train"), 3)
    assert found[0] == found[1] == found[2]
    assert found[0]["0.png"] == json.dumps(tags[0], separators=(",", ":"))


def test_parquet_lists_of_named_classes_are_tags(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    tags = _pictures(tmp_path / "pictures", 40)
    names = ["above", "below", "middle"]
    feature = {"feature": {"names": names, "_type": "ClassLabel"}, "_type": "Sequence"}
    schema = pa.schema(
        [("image", pa.binary()), ("labels", pa.list_(pa.int64()))],
        metadata={"huggingface": json.dumps({"info": {"features": {"labels": feature}}})},
    )
    rows = [
        {"image": (tmp_path / "pictures" / f"{number}.png").read_bytes(), "labels": [names.index(tag) for tag in each]}
        for number, each in enumerate(tags)
    ]
    parquet.write_table(pa.Table.from_pylist(rows, schema=schema), tmp_path / "pictures.parquet")
    dataset = _dataset(_project(tmp_path, "input: image\noutput: tags\nsources: [{manifest: pictures.parquet}]\n"))
    assert dataset.meta["classes"] == names
    assert [json.loads(label or "0") for label in _labels(dataset).values()] == tags


def test_a_table_says_tags_in_columns_and_unset_ones_are_no_input(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    lines = []
    for number in range(90):
        x, y = random.normal(size=2).round(3)
        flags = ["", ""] if number == 5 else ["maybe", "0"] if number == 6 else [str(int(x > 0)), "" if y > 0 else "1"]
        lines.append(",".join(map(str, (x, y, *flags))))
    (tmp_path / "rows.csv").write_text("x,y,right,low\n" + "\n".join(lines), encoding="utf-8")
    spec = "input: table\noutput: tags\nsources: [{table: rows.csv, labels: [right, low]}]\n"
    dataset = _dataset(_project(tmp_path, spec))
    assert [column["name"] for column in dataset.schema["input"]["columns"]] == ["x", "y"]
    labels = _labels(dataset)
    assert labels["rows.csv#6"] is None
    kinds = {issue["kind"]: issue for issue in open_project(tmp_path).issues()}
    assert "'right' is 'maybe'" in kinds["bad-label"]["message"]
    assert "missing-label" in kinds
    (tmp_path / "modelwright.yaml").write_text(spec.replace("low]", "lower]"), encoding="utf-8")
    with pytest.raises(InputError, match="'lower'"):
        open_project(tmp_path).run(to="prepare")


def test_init_sees_tags_in_a_column(tmp_path: Path) -> None:
    rows = [f"{n},{'a|b' if n % 3 else 'c'}" for n in range(60)]
    (tmp_path / "t.csv").write_text("x,label\n" + "\n".join(rows), encoding="utf-8")
    found = guess(tmp_path / "t.csv")
    assert (found.output, found.metric) == ("tags", "f1_macro")
    rows = [f"{n},word{n}; other{n}" for n in range(60)]
    (tmp_path / "t.csv").write_text("x,label\n" + "\n".join(rows), encoding="utf-8")
    assert guess(tmp_path / "t.csv").output == "category"


def test_tags_spelled_in_two_ways_are_one(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    rows = []
    for number in range(80):
        x, y = random.normal(size=2).round(3)
        tags = [("Hot " if number % 9 == 0 else "hot")] * int(x > 0) + ["wet"] * int(y > 0)
        rows.append(f"{x},{y},{'|'.join(tags) or 'none'}")
    (tmp_path / "rows.csv").write_text("x,y,tags\n" + "\n".join(rows), encoding="utf-8")
    spec = "input: table\noutput: tags\nlabel: tags\nsources: [{table: rows.csv}]\n"
    assert _dataset(_project(tmp_path, spec)).meta["classes"] == ["Hot", "hot", "wet"]
    assert any(issue["kind"] == "label-variants" for issue in open_project(tmp_path).issues())
    dataset = _dataset(_project(tmp_path, spec + "clean: {fix: [label-variants]}\n"))
    assert dataset.meta["classes"] == ["hot", "wet"]
    assert set(_labels(dataset).values()) == {"[]", '["hot"]', '["hot","wet"]', '["wet"]'}


@pytest.mark.parametrize("form", ["dataset-csv", "dataset-jsonl", "dataset-parquet"])
@pytest.mark.parametrize("kind", ["image", "table"])
def test_what_is_written_out_reads_back_the_same(tmp_path: Path, form: str, kind: str) -> None:
    if kind == "image":
        tags = _pictures(tmp_path / "pictures", 30)
        lists = [json.dumps({"file_name": f"{number}.png", "tags": each}) for number, each in enumerate(tags)]
        (tmp_path / "pictures" / "metadata.jsonl").write_text("\n".join(lists), encoding="utf-8")
        spec = "input: image\noutput: tags\nsources: [{manifest: pictures}]\nclean: {review: []}\n"
    else:
        rows = [f"{n % 7},{n % 5},{'a|b' if n % 3 else 'none' if n % 2 else 'b'}" for n in range(40)]
        (tmp_path / "rows.csv").write_text("x,y,tags\n" + "\n".join(rows), encoding="utf-8")
        spec = "input: table\noutput: tags\nlabel: tags\nsources: [{table: rows.csv}]\nclean: {review: []}\n"
    project = _project(tmp_path, spec)
    before = _dataset(project)
    place = Path(project.export(form, tmp_path / "out")["path"])
    after = _dataset(open_project(place))

    def pairs(dataset: Dataset) -> list[tuple[str, str]]:
        found = []
        for split in ("train", "validation", "test"):
            found += [(raw.hex(), label) for raw, label in zip(dataset.raw(split), dataset.labels(split), strict=True)]
        return sorted(found)

    assert pairs(after) == pairs(before)


@pytest.mark.parametrize(
    ("source", "folder", "tags", "empty"),
    [
        ("coco", "chess-pieces-coco/chess_coco.zip", 13, 1),
        ("yolo", "coco128-yolo/coco128_yolo.zip", None, None),
        ("voc", "bccd-blood-cells/bccd_voc.zip", 3, 0),
    ],
)
def test_boxes_of_real_sets_become_the_tags_of_what_is_there(
    tmp_path: Path, shared_data: Path, source: str, folder: str, tags: int | None, empty: int | None
) -> None:
    from modelwright.prepare.collect.base import Item, Settings, make
    from modelwright.tasks.targets.boxes import Boxes
    from modelwright.tasks.targets.tags import Tags

    store = Store.open(tmp_path / ".modelwright")
    location = str(shared_data / folder)
    made = [make(source, Settings(location, root=tmp_path, output=output, store=store)) for output in ("tags", "boxes")]
    names: set[str] = set()
    none = 0
    for given in zip(*(each.items({}) for each in made), strict=True):
        if not all(isinstance(each, Item) for each in given):
            continue
        as_tags, as_boxes = (Tags().read(given[0].label), Boxes().read(given[1].label))
        if as_tags is None or as_boxes is None:
            assert as_tags is as_boxes
            continue
        assert Tags().classes(as_tags) == sorted(set(Boxes().classes(as_boxes)))
        names.update(Tags().classes(as_tags))
        none += as_tags == "[]"
    assert len(names) == tags if tags is not None else len(names) > 20
    assert empty is None or none == empty


@pytest.mark.slow
def test_pictures_with_tags_go_all_the_way(tmp_path: Path) -> None:
    tags = _pictures(tmp_path / "pictures", 160)
    lists = [json.dumps({"file_name": f"{number}.png", "tags": each}) for number, each in enumerate(tags)]
    (tmp_path / "pictures" / "metadata.jsonl").write_text("\n".join(lists), encoding="utf-8")
    spec = "input: image\noutput: tags\nsources: [{manifest: pictures}]\n" + QUICK
    project = _project(tmp_path, spec + 'accept: {f1_macro: ">= 0.8", jaccard: ">= 0.7"}\n')
    result = project.run()
    assert result.verdict == "accepted"
    report: Mapping[str, Any] = result.report or {}
    assert report["parity"]["passed"]
    assert report["confusion"] is None
    assert [each["class"] for each in report["per_class"]] == ["above", "below", "middle"]
    package = project.store.artifacts.latest("package")
    assert package is not None
    manifest = json.loads(package.path("manifest.json").read_bytes())
    assert len(manifest["schema"]["output"]["thresholds"]) == 3
    assert {entry["name"]: entry["dtype"] for entry in manifest["output"]} == {
        "probabilities": "float32",
        "tags": "bool",
    }
    answer = next(iter(project.predict([tmp_path / "pictures" / "0.png"])))
    assert json.dumps(answer)
    page = project.store.artifacts.latest("report")
    assert page is not None
    drawn = page.attached("report.html")
    assert drawn is not None
    assert "Tag by tag" in drawn.read_text(encoding="utf-8")
    before = project.run()
    assert {step.status for step in before.steps} == {"cached"}
