"""Any dataset that is exported and read back is the same; and two datasets are compared."""

from __future__ import annotations

import io
import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

from modelwright import registry
from modelwright import spec as specs
from modelwright.errors import InputError
from modelwright.prepare import prepare
from modelwright.prepare.collect.typing_columns import MISSING
from modelwright.prepare.differences import compare, picture
from modelwright.store import Store
from modelwright.store.dataset import Dataset

from .conftest import Project
from .conftest import picture as photo
from .packing import idx_of

FORMS = ("dataset-csv", "dataset-tsv", "dataset-jsonl", "dataset-parquet", "dataset-arrow")
ROWS_ONLY = ("dataset-excel", "dataset-sqlite")

WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=8).map(
    str.strip
)
CELLS = st.fixed_dictionaries(
    {
        "whole": st.none() | st.integers(-(2**63), 2**63 - 1),
        "wide": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "word": st.none() | WORDS | st.sampled_from(["007", "1", "1.5", "a,b", 'say "no"', "=1+1", "nan of it"]),
        "label": WORDS.filter(lambda word: word not in {"", *MISSING}),
    }
)  # fmt: skip


def samples(dataset: Dataset) -> Counter[tuple[str, Any]]:
    rows = dataset.samples().to_pylist()
    return Counter((each["id"], each["label"]) for each in rows if each["split"] is not None)


def divided(dataset: Dataset) -> Counter[tuple[str, Any, str]]:
    """Return samples with their splits."""
    rows = dataset.samples().to_pylist()
    return Counter((each["id"], each["label"], each["split"]) for each in rows if each["split"] is not None)


def same(one: Dataset, other: Dataset) -> bool:
    """Say whether both hold the same samples, in the same splits where each of the three has some.

    A split that is named nowhere is taken from train, as for any data.
    """
    if all(one.count(name) for name in ("train", "validation", "test")):
        return divided(one) == divided(other)
    return samples(one) == samples(other)


def together(dataset: Dataset) -> set[frozenset[str]]:
    """Return which samples stay together."""
    rows = [each for each in dataset.samples().to_pylist() if each["split"] is not None]
    found: dict[str, set[str]] = {}
    for each in rows:
        found.setdefault(each["group"], set()).add(each["id"])
    return {frozenset(each) for each in found.values()}


def read_back(folder: Path) -> Dataset:
    return prepare(specs.load(folder / "modelwright.yaml"), Store.open(folder / ".modelwright"))


def export(dataset: Dataset, form: str, to: Path) -> Path:
    made: Path = registry.load("dataset_exporters", form)(dataset, to)
    return made


@given(rows=st.lists(CELLS, min_size=4, max_size=12), form=st.sampled_from(FORMS + ROWS_ONLY))
@settings(
    max_examples=21,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
def test_any_table_comes_back_the_same(rows: list[dict[str, Any]], form: str) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    for number, row in enumerate(rows):  # at least two classes, an answer that is one, and something to learn from
        row["label"] = "ab"[number % 2] + row["label"]
        row["size"] = number + 0.5
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        numbers = [("whole", pa.int64()), ("wide", pa.float64()), ("size", pa.float64())]
        schema = pa.schema([*numbers, ("word", pa.string()), ("label", pa.string())])
        parquet.write_table(pa.Table.from_pylist(rows, schema), root / "data.parquet")
        text = "sources: [{table: data.parquet}]\nlabel: label\noutput: category\n"
        text += "clean: {keep: [conflicting-rows, constant-column, identifier-column]}\n"
        (root / "modelwright.yaml").write_text(text)
        first = prepare(specs.load(root / "modelwright.yaml"), Store.open(root / ".modelwright"))
        folder = export(first, form, root / "out")
        spec = (folder / "modelwright.yaml").read_text("utf-8")
        keep = "clean: {keep: [conflicting-rows, constant-column, identifier-column]}"
        (folder / "modelwright.yaml").write_text(spec.replace("clean: {review: [mislabelled]}", keep), "utf-8")
        again = read_back(folder)
        assert same(first, again)


@pytest.mark.parametrize("form", [*FORMS, "dataset-huggingface"])
def test_who_is_where_and_stays_together_comes_back_too(project: Project, form: str) -> None:
    """If it were dealt anew, frames of one recording would lie in training and test, and nothing would say so."""
    (project.root / "photos").mkdir()
    for number in range(48):
        (project.root / "photos" / f"cam{number // 4:02d}_{number}.jpg").write_bytes(photo(number, (40, 32)))
    lines = ["path,label", *(f"cam{number // 4:02d}_{number}.jpg,{'ab'[number % 2]}" for number in range(48))]
    (project.root / "photos" / "list.csv").write_text("\n".join(lines) + "\n")
    first = project.prepare("sources: [{manifest: photos/list.csv}]\nsplit: {group: '(cam[0-9]+)_'}\n")
    again = read_back(export(first, form, project.root / "out"))
    assert divided(again) == divided(first)
    assert together(again) == together(first)
    assert len(together(again)) == 12


def test_texts_of_old_encodings_go_to_label_studio_as_they_are_read(project: Project) -> None:
    written = {"a": ("über grün und süß, wie schön", "cp1252"), "b": ("ночь на реке тиха", "utf-16")}
    for kind, (text, encoding) in written.items():
        (project.root / "texts" / kind).mkdir(parents=True)
        for number in range(12):
            (project.root / "texts" / kind / f"{number}.txt").write_bytes(f"{text} {number}".encode(encoding))
    first = project.prepare("input: text\nsources: [{folder: texts}]\n")
    folder = export(first, "dataset-labelstudio", project.root / "out")
    tasks = json.loads((folder / "data" / "tasks.json").read_text("utf-8"))
    words = {" ".join(task["data"]["text"].split()[:-1]) for task in tasks}
    assert words == {text for text, _ in written.values()}
    again = read_back(folder)
    assert again.meta["counts"] == first.meta["counts"]


@pytest.mark.parametrize("form", [*FORMS, "dataset-huggingface", "dataset-folder"])
def test_pictures_come_back_the_same(project: Project, photos: Path, form: str) -> None:
    first = project.prepare("sources: [{folder: photos}]\noutput: category\n")
    folder = export(first, form, project.root / "out")
    again = read_back(folder)
    assert samples(again) == samples(first)
    assert next(again.raw("test"))[:2] == b"\xff\xd8"
    with pytest.raises(InputError, match="there is something"):
        export(first, form, folder)


def test_pictures_of_an_array_come_back_the_same(project: Project) -> None:
    pixels = np.random.default_rng(3).integers(0, 255, (40, 9, 11), np.uint8)
    idx_of(project.root / "x.idx", pixels)
    idx_of(project.root / "y.idx", (np.arange(40) % 2).astype(np.uint8))
    first = project.prepare("sources: [{idx: x.idx, labels: y.idx, names: [no, yes]}]\noutput: category\n")
    assert first.meta["classes"] == ["no", "yes"]
    for form in ("dataset-folder", "dataset-npz", "dataset-idx"):
        assert samples(read_back(export(first, form, project.root / form))) == samples(first)


@pytest.mark.parametrize("form", ["dataset-npz", "dataset-idx"])
@pytest.mark.parametrize("target", ["category", "number"])
def test_arrays_keep_pixels_and_labels(project: Project, form: str, target: str) -> None:
    random = np.random.default_rng(5)
    (project.root / "files").mkdir()
    lines = ["path,label"]
    for number in range(30):
        Image.fromarray(random.integers(0, 255, (8, 10, 3), np.uint8)).save(project.root / f"files/{number}.png")
        lines.append(f"{number}.png,{['no', 'yes'][number % 2] if target == 'category' else number / 3}")
    (project.root / "files" / "list.csv").write_text("\n".join(lines) + "\n")
    first = project.prepare(f"sources: [{{manifest: files/list.csv, label: label}}]\noutput: {target}\n")
    again = read_back(export(first, form, project.root / "out"))
    assert pixels(again) == pixels(first)


def pixels(dataset: Dataset) -> Counter[tuple[bytes, Any]]:
    return Counter(
        (np.asarray(Image.open(io.BytesIO(raw)).convert("RGB")).tobytes(), label)
        for split in ("train", "validation", "test")
        for raw, label in zip(dataset.raw(split), dataset.labels(split), strict=True)
    )


@pytest.mark.parametrize("form", ["dataset-npz", "dataset-idx"])
def test_arrays_hold_pictures_of_one_size(project: Project, photos: Path, form: str) -> None:
    Image.fromarray(np.random.default_rng(6).integers(0, 255, (33, 47), np.uint8)).save(photos / "apple" / "odd.png")
    dataset = project.prepare("sources: [{folder: photos}]\noutput: category\n")
    with pytest.raises(InputError, match="pictures of one size"):
        export(dataset, form, project.root / "out")
    assert not (project.root / "out").exists()


@pytest.mark.parametrize("form", [*ROWS_ONLY])
def test_files_are_no_rows(project: Project, photos: Path, form: str) -> None:
    dataset = project.prepare("sources: [{folder: photos}]\noutput: category\n")
    with pytest.raises(InputError, match="holds rows"):
        export(dataset, form, project.root / "out")


@pytest.mark.parametrize(
    ("cell", "form", "what"),
    [
        ("a\x01b", "dataset-excel", "control character"),
        ("a\rb", "dataset-excel", "control character"),
        ("a" * 40_000, "dataset-excel", "letters"),
        ("a\0b", "dataset-csv", "NUL"),
        ("a\0b", "dataset-tsv", "NUL"),
    ],
)
def test_what_a_cell_cannot_keep_is_said(project: Project, cell: str, form: str, what: str) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    rows = [{"word": cell if number == 3 else f"w{number % 3}", "label": "ab"[number % 2]} for number in range(12)]
    parquet.write_table(pa.Table.from_pylist(rows), project.root / "data.parquet")
    dataset = project.prepare("sources: [{table: data.parquet}]\nlabel: label\noutput: category\nclean: {drop: []}\n")
    with pytest.raises(InputError, match=what):
        export(dataset, form, project.root / "out")
    assert not (project.root / "out").exists()


def test_a_formula_stays_a_text_in_a_workbook(project: Project) -> None:
    import openpyxl

    (project.root / "data.csv").write_text(
        "word,size,label\n"
        + "".join(f"{'=1+1' if number == 3 else '#N/A!'},{number}.5,{'ab'[number % 2]}\n" for number in range(12))
    )
    dataset = project.prepare("sources: [{table: data.csv}]\nlabel: label\noutput: category\n")
    folder = export(dataset, "dataset-excel", project.root / "out")
    sheet = openpyxl.load_workbook(folder / "data.xlsx")["samples"]
    kinds = {(cell.value, cell.data_type) for row in sheet.iter_rows(min_row=2, max_col=1) for cell in row}
    assert kinds == {("=1+1", "s"), ("#N/A!", "s")}


def test_what_cannot_be_a_folder_says_so(project: Project) -> None:
    (project.root / "files").mkdir()
    lines = ["path\tlabel"]
    for number in range(20):
        (project.root / "files" / f"{number}.jpg").write_bytes(photo(number))
        lines.append(f"{number}.jpg\t{['a/b', '.hidden'][number % 2]}")
    (project.root / "files" / "list.tsv").write_text("\n".join(lines) + "\n")
    dataset = project.prepare("sources: [{manifest: files/list.tsv}]\noutput: category\n")
    with pytest.raises(InputError, match="cannot be the name of a folder"):
        export(dataset, "dataset-folder", project.root / "out")
    assert not (project.root / "out").exists()
    assert not [each for each in project.root.iterdir() if each.name.startswith(".out")]
    assert samples(read_back(export(dataset, "dataset-jsonl", project.root / "out"))) == samples(dataset)


def test_differences(project: Project, photos: Path) -> None:
    text = "sources: [{folder: photos}]\noutput: category\n"
    first = project.prepare(text)
    (photos / "apple" / "new.jpg").write_bytes(photo(900))
    (photos / "apple" / "00.jpg").unlink()
    (photos / "apple" / "01.jpg").rename(photos / "pear" / "moved.jpg")
    second = project.prepare(text, parent=first)
    found = compare(first, second)
    assert found["counts"] == {"added": 1, "removed": 1, "relabelled": 1, "moved": 0, "same": 38}
    (changed,) = found["examples"]["relabelled"]
    assert (changed["old_label"], changed["label"], changed["path"]) == ("apple", "pear", "pear/moved.jpg")
    assert found["classes"] == {"apple": [20, 19], "pear": [20, 21]}
    assert "apple/new.jpg" in picture(found)
    json.dumps(found)
    assert compare(first, first)["counts"]["same"] == 40
    third = project.prepare(text + "split: {seed: 1}\n")
    assert compare(second, third)["counts"]["moved"] > 0
