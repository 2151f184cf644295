"""Tags from every source that can say them, and a whole run on each kind of input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from modelwright.errors import InputError
from modelwright.prepare import guess
from modelwright.project import Project, open_project
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
        spec = f"input: image\noutput: tags\nsources: [{{manifest: {location}, folder: pictures{more}}}]\n"
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


@pytest.mark.slow
def test_pictures_with_tags_go_all_the_way(tmp_path: Path) -> None:
    tags = _pictures(tmp_path / "pictures", 160)
    lists = [json.dumps({"file_name": f"{number}.png", "tags": each}) for number, each in enumerate(tags)]
    (tmp_path / "pictures" / "metadata.jsonl").write_text("\n".join(lists), encoding="utf-8")
    spec = "input: image\noutput: tags\nsources: [{manifest: pictures}]\n" + QUICK.replace(
        "logistic", "logistic, convnet"
    )
    project = _project(tmp_path, spec + 'accept: {f1_macro: ">= 0.8", jaccard: ">= 0.7"}\n')
    result = project.run()
    assert result.verdict == "accepted"
    report: dict[str, Any] = result.report or {}
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
