"""Names of classes that are numbers: from a file beside the table, where it fits, and never where it doesn't."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from modelwright.errors import InputError
from modelwright.prepare.cache.index import Index
from modelwright.prepare.collect.base import Block, Item, Settings, make
from modelwright.prepare.guess.guessing import guess

NAMES = ("World", "Sports", "Business", "Sci/Tech")


def table(folder: Path, labels: list[Any], name: str = "data.csv") -> None:
    """Write a table of two columns, ``n`` and ``y``."""
    rows = [{"n": place, "y": label} for place, label in enumerate(labels)]
    if name.endswith(".csv"):
        lines = [f"{row['n']},{'' if row['y'] is None else row['y']}" for row in rows]
        (folder / name).write_text("n,y\n" + "\n".join(lines) + "\n")
    elif name.endswith(".jsonl"):
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.Table.from_pylist(rows), folder / name)


def source(folder: Path, name: str = "data.csv", output: str = "category", **options: Any) -> Any:
    return make("table", Settings(name, options, root=folder, label="y", input="table", output=output))


def read(made: Any) -> tuple[list[Any], list[str], list[str]]:
    """Return labels row by row, by the block, and the remarks."""
    survey = made.survey()
    rows = [each.label for each in made.items(survey.columns) if isinstance(each, Item)]
    blocks: list[Any] = []
    for each in made.blocks(survey.columns):
        if isinstance(each, Item):
            blocks.append(each.label)
        elif isinstance(each, Block):
            blocks += each.label.to_pylist()
    return rows, blocks, [text for text in survey.remarks if "classes" in text]


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("name", ["data.csv", "data.jsonl", "data.parquet"])
def test_a_file_beside_the_table_names_its_classes(tmp_path: Path, name: str, first: int) -> None:
    numbers = [first + place % 4 for place in range(12)]
    table(tmp_path, numbers, name)
    (tmp_path / "classes.txt").write_text("\n".join(NAMES) + "\n")
    rows, blocks, remarks = read(source(tmp_path, name))
    assert rows == blocks == [NAMES[number - first] for number in numbers]
    shown = ", ".join(f"{number} is {class_}" for number, class_ in enumerate(NAMES, first))
    assert remarks == [
        f"classes.txt names the 4 classes: {shown} ('classes: none' beside the source leaves the numbers)"
    ]


def test_whole_numbers_with_a_fraction_and_missing_labels(tmp_path: Path) -> None:
    table(tmp_path, [1.0, 2.0, None, 1.0], "data.parquet")
    (tmp_path / "class_names.txt").write_text("good\nbad\n")
    rows, blocks, _ = read(source(tmp_path, "data.parquet"))
    assert rows == blocks == ["good", "bad", None, "good"]


def test_blocks_are_named_without_a_survey(tmp_path: Path) -> None:
    table(tmp_path, [1, 2, 1])
    (tmp_path / "classes.txt").write_text("good\nbad\n")
    (block,) = source(tmp_path).blocks({"n": "integer"})
    assert block.label.to_pylist() == ["good", "bad", "good"]


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        ([1, 2, 3], "it has 4 names, and the labels are 3 numbers from 1 to 3"),
        ([1, 2, 3, 4, 5], "it has 4 names, and there is a class 5"),
        ([2, 3, 4, 6], "it has 4 names, and there is a class 6"),
        (["1", "2", "3", "x"], "the label 'x' is neither a number nor one of its 4 names"),
        (["World", "Sports"], "the labels are names already"),
    ],
)
def test_a_file_that_does_not_fit_is_not_used_and_that_is_said(tmp_path: Path, labels: list[Any], why: str) -> None:
    table(tmp_path, labels)
    (tmp_path / "classes.txt").write_text("\n".join(NAMES))
    rows, blocks, remarks = read(source(tmp_path))
    assert rows == blocks == [str(label) for label in labels]
    assert remarks == [f"classes.txt beside the table is not used: {why}"]


def test_a_file_that_nobody_can_read_is_not_used(tmp_path: Path) -> None:
    table(tmp_path, [0, 1])
    (tmp_path / "classes.txt").write_bytes(b"\xff\xfe\x00")
    rows, _, remarks = read(source(tmp_path))
    assert rows == ["0", "1"]
    assert "it is not UTF-8" in remarks[0]


def test_it_can_be_switched_off_and_another_named(tmp_path: Path) -> None:
    table(tmp_path, [0, 1, 2])
    (tmp_path / "classes.txt").write_text("a\nb\nc\n")
    (tmp_path / "more.txt").write_text("red\ngreen\nblue\nnever seen\n")
    assert read(source(tmp_path, classes="none"))[0] == ["0", "1", "2"]
    rows, blocks, remarks = read(source(tmp_path, classes="more.txt"))
    assert rows == blocks == ["red", "green", "blue"]
    assert remarks == ["more.txt names the 4 classes: 0 is red, 1 is green, 2 is blue, 3 is never seen"]
    (tmp_path / "few.txt").write_text("a\nb\n")
    with pytest.raises(InputError, match=r"few\.txt does not fit the labels: it has 2 names, and there is a class 2"):
        source(tmp_path, classes="few.txt").survey()
    with pytest.raises(InputError, match="cannot be read"):
        source(tmp_path, classes="absent.txt").survey()


def test_numbers_to_predict_are_no_classes(tmp_path: Path) -> None:
    table(tmp_path, [0, 1])
    (tmp_path / "classes.txt").write_text("a\nb\n")
    assert read(source(tmp_path, output="number"))[0] == ["0", "1"]
    with pytest.raises(InputError, match="'classes' names classes, and the output is number"):
        source(tmp_path, output="number", classes="classes.txt")


def test_other_names_are_another_state_of_the_source(tmp_path: Path) -> None:
    table(tmp_path, [0, 1])
    with Index(tmp_path / "index") as index:
        without = source(tmp_path).fingerprint(index)
        (tmp_path / "classes.txt").write_text("a\nb\n")
        named = source(tmp_path).fingerprint(index)
        assert source(tmp_path, classes="none").fingerprint(index) == without
        (tmp_path / "classes.txt").write_text("a\nc\n")
        assert len({without, named, source(tmp_path).fingerprint(index)}) == 3


def test_a_folder_is_read_without_its_class_names(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    table(tmp_path / "data", [1, 2, 1], "a.csv")
    table(tmp_path / "data", [2, 2, 1], "b.csv")
    (tmp_path / "data" / "classes.txt").write_text("good\nbad\n")
    rows, blocks, _ = read(source(tmp_path, "data"))
    assert rows == blocks == ["good", "bad", "good", "bad", "bad", "good"]


def test_the_column_that_they_name_is_guessed_to_be_the_answer(tmp_path: Path) -> None:
    lines = [f"{place % 3},{place * 0.37:.2f},{place % 5}" for place in range(40)]
    (tmp_path / "data.csv").write_text("kind,size,rooms\n" + "\n".join(lines) + "\n")
    assert guess(tmp_path / "data.csv").label == "rooms"
    (tmp_path / "classes.txt").write_text("ash\noak\nelm\n")
    found = guess(tmp_path / "data.csv")
    assert found.label == "kind"
    assert any("classes.txt names the 3 classes: 0 is ash" in reason for reason in found.reasons)
    (tmp_path / "data.csv").write_text("kind,size,label\n" + "\n".join(lines) + "\n")
    assert guess(tmp_path / "data.csv").label == "label"


def test_news_have_topics(shared_data: Path) -> None:
    settings = Settings(
        str(shared_data / "ag-news-7600" / "test.csv"),
        {},
        root=Path(),
        label="column1",
        input="text",
        output="category",
    )
    made = make("table", settings)
    columns = made.survey().columns
    labels = [each.label for each in made.items(columns) if isinstance(each, Item)]
    assert {name: labels.count(name) for name in NAMES} == dict.fromkeys(NAMES, 1900)
