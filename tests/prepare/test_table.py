"""Tables, clean and dirty, through the whole step."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from modelwright.errors import InputError
from modelwright.prepare.collect.delimited import Wanted, sniff

from .conftest import Project, issues

SPEC = "sources: [{table: data.csv}]\noutput: category\nlabel: kind\n"


def rows(count: int = 200, seed: int = 0) -> list[list[object]]:
    random = np.random.default_rng(seed)
    made: list[list[object]] = []
    for _ in range(count):
        kind = "ab"[int(random.integers(2))]
        size = round(float(random.normal(3 if kind == "a" else 4)), 3)
        made.append([size, ["red", "blue", "green"][int(random.integers(3))], int(random.integers(100)), kind])
    return made


def csv(made: list[list[object]], header: str | None = "size,colour,count,kind", between: str = ",") -> str:
    lines = [header.replace(",", between)] if header else []
    return "\n".join([*lines, *(between.join(map(str, row)) for row in made)]) + "\n"


def test_clean_table(project: Project) -> None:
    (project.root / "data.csv").write_text(csv(rows()))
    dataset = project.prepare(SPEC)
    assert dataset.meta["counts"]["dropped"] == 0
    assert sum(dataset.count(split) for split in ("train", "validation", "test")) == 200
    kinds = {column["name"]: column["kind"] for column in dataset.schema["input"]["columns"]}
    assert kinds == {"size": "number", "colour": "category", "count": "number"}
    raw = next(dataset.raw("train"))
    assert set(json.loads(raw)) == {"size", "colour", "count"}
    assert list(dataset.raw("train", [5, 2, 5])) == [list(dataset.raw("train"))[place] for place in (5, 2, 5)]
    assert dataset.features("train", "trees").shape == (dataset.count("train"), 3)
    assert set(dataset.measures("test")) == {"size", "colour", "count"}


def test_features_by_column_equal_features_by_row(project: Project) -> None:
    made = rows()
    made[3][0], made[4][1], made[5][2] = "", "?", "NA"
    (project.root / "data.csv").write_text(csv(made))
    dataset = project.prepare(SPEC)
    for split in ("train", "test"):
        (batch,) = list(dataset.inputs(split, batch=1000))
        assert isinstance(batch, dict)
        for place, raw in enumerate(dataset.raw(split)):
            for name, values in dataset.modality.decode(raw, dataset.schema["input"]).items():
                np.testing.assert_array_equal(values[0], batch[name][place])


@pytest.mark.parametrize("between", [",", ";", "\t", "|"])
def test_delimiters(project: Project, between: str) -> None:
    (project.root / "data.csv").write_text(csv(rows(), between=between))
    assert project.prepare(SPEC).meta["counts"]["dropped"] == 0


@pytest.mark.parametrize("inside", ["|", ";", "\t"])
def test_what_divides_cells_but_not_the_header_is_no_delimiter(tmp_path: Path, inside: str) -> None:
    path = tmp_path / "data.csv"
    path.write_text("file,tags\n" + "".join(f"{number},red{inside}round{inside}ripe\n" for number in range(40)))
    found = sniff(path, Wanted())
    assert (found.delimiter, found.names) == (",", ("file", "tags"))
    path.write_text("file\n" + "".join(f"{number}{inside}red\n" for number in range(40)))  # no other divides anything
    assert sniff(path, Wanted()).delimiter == inside


def test_decimal_comma(project: Project) -> None:
    text = csv([[str(row[0]).replace(".", ","), *row[1:]] for row in rows()], between=";")
    (project.root / "data.csv").write_text(text)
    dataset = project.prepare(SPEC)
    kinds = {column["name"]: column["kind"] for column in dataset.schema["input"]["columns"]}
    assert kinds["size"] == "number"
    assert any("decimal comma" in said for said in project.listener.said)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
def test_byte_order_marks(project: Project, encoding: str) -> None:
    (project.root / "data.csv").write_bytes(csv(rows()).replace("red", "röt").encode(encoding))
    dataset = project.prepare(SPEC)
    assert dataset.schema["input"]["columns"][0]["name"] == "size"
    assert "röt" in str(dataset.schema["input"])


def test_gzip_and_windows_line_ends(project: Project) -> None:
    (project.root / "data.csv.gz").write_bytes(gzip.compress(csv(rows()).replace("\n", "\r\n").encode()))
    assert sum(project.prepare(SPEC.replace("data.csv", "data.csv.gz")).meta["counts"].values()) == 200


def test_a_cut_gzip_is_used_as_far_as_it_goes(project: Project) -> None:
    whole = gzip.compress(csv(rows(5000)).encode())
    (project.root / "data.csv.gz").write_bytes(whole[: len(whole) // 2])
    dataset = project.prepare(SPEC.replace("data.csv", "data.csv.gz"))
    (corrupt,) = [each for each in issues(dataset, "corrupt") if "gzip" in str(each["message"])]
    assert corrupt["decision"] == "drop"


def test_dirty_lines_are_issues_and_the_rest_goes_on(project: Project) -> None:
    lines = csv(rows()).encode().splitlines(keepends=True)
    lines[10] = b"1,red\n"
    lines[20] = b"1,red,2,a,extra\n"
    lines[30] = b"1,r\0d,2,a\n"
    lines[40] = b"1,caf\xe9,2,a\n"
    lines[50] = b"1," + b"x" * (9 << 20) + b",2,a\n"
    lines[60] = b"1,red,2,\n"
    (project.root / "data.csv").write_bytes(b"".join(lines))
    dataset = project.prepare(SPEC)
    found = [(each["kind"], each["path"]) for each in issues(dataset) if each["path"]]
    assert ("ragged-row", "0/data.csv#line11") in found
    assert ("ragged-row", "0/data.csv#line21") in found
    assert ("nul-bytes", "0/data.csv#line31") in found
    assert ("too-large", "0/data.csv#line51") in found
    assert ("mixed-encoding", "0/data.csv") in found
    assert [kind for kind, _ in found if kind == "missing-label"] == ["missing-label"]
    assert "café" in dataset.artifact.path("rows.parquet").read_bytes().decode("latin-1") or "café" in str(
        parquet.read_table(dataset.artifact.path("rows.parquet"))["colour"].to_pylist()
    )


def test_an_open_quote_eats_no_more_than_it_must(project: Project) -> None:
    text = csv(rows(3000)).splitlines()
    text[100] = '1,"red,2,a'
    (project.root / "data.csv").write_text("\n".join(text) + "\n")
    dataset = project.prepare(SPEC)
    assert len(dataset.samples()) == 3000
    (issue,) = issues(dataset, "literal-quotes")
    assert json.loads(str(issue["evidence"])) == {"first": 101, "lines": 1}


def test_duplicate_headers(project: Project) -> None:
    (project.root / "data.csv").write_text(csv(rows(), "size,size,count,kind"))
    dataset = project.prepare(SPEC)
    (issue,) = issues(dataset, "duplicate-header")
    assert issue["column"] == "size"
    assert [column["name"] for column in dataset.schema["input"]["columns"]] == ["size", "size.2", "count"]
    (project.root / "data.csv").write_text(csv(rows(), "size,kind,count,kind"))
    with pytest.raises(InputError, match="two columns are named 'kind'"):
        project.prepare(SPEC)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty-table"),
        ("\n\n  \n", "empty-table"),
        ("size,colour,count,kind\n", "empty-table"),
        (csv(rows(), "size,colour,count,type"), "missing-column"),
        (csv([[*row[:3], "a"] for row in rows()]), "one-class"),
        ("\0" * 10_000 + "size", "wrong-format"),
        (
            csv([list[object](("1", "red", "2"))[: 1 + n % 3] for n in range(40)], "size,colour,count,kind"),
            "empty-table",
        ),
    ],
)
def test_hopeless_tables_are_one_clear_error(project: Project, text: str, code: str) -> None:
    (project.root / "data.csv").write_text(text)
    with pytest.raises(InputError) as caught:
        project.prepare(SPEC)
    assert caught.value.code == code
    assert "\n" not in caught.value.message
    assert caught.value.exit_status == 2
    assert project.store.artifacts.list("dataset") == []


def test_missing_label_column_names_the_nearest(project: Project) -> None:
    (project.root / "data.csv").write_text(csv(rows(), "size,colour,count,kinds"))
    with pytest.raises(InputError, match="its columns: 'size', 'colour', 'count', 'kinds'") as caught:
        project.prepare(SPEC)
    assert caught.value.hint == "did you mean 'kinds'?"


def test_constant_number_to_predict(project: Project) -> None:
    (project.root / "data.csv").write_text(csv([[*row[:3], 7] for row in rows()]))
    with pytest.raises(InputError):
        project.prepare(SPEC.replace("category", "number"))


def test_bad_numbers_to_predict_are_issues(project: Project) -> None:
    made = [[*row[:3], float(row[0]) * 2] for row in rows()]  # type: ignore[arg-type]
    made[3][3], made[4][3], made[5][3] = "many", "inf", ""
    (project.root / "data.csv").write_text(csv(made))
    dataset = project.prepare(SPEC.replace("category", "number"))
    assert dataset.meta["counts"]["dropped"] == 3
    assert len(issues(dataset, "bad-label")) == 2
    assert len(issues(dataset, "missing-label")) == 1
    assert issues(dataset, "leaking-column")[0]["column"] == "size"


def test_columns_that_teach_nothing_or_too_much(project: Project) -> None:
    made = [
        [number, f"name-{number}", "same", "x" if row[3] == "a" else "y", *row]
        for number, row in enumerate(rows(300), 1)
    ]
    (project.root / "data.csv").write_text(csv(made, "id,name,always,answer,size,colour,count,kind"))
    dataset = project.prepare(SPEC)
    about = {(each["kind"], each["column"]): each["decision"] for each in issues(dataset) if each["column"]}
    assert about["identifier-column", "id"] == "drop"
    assert about["identifier-column", "name"] == "drop"
    assert about["constant-column", "always"] == "drop"
    assert about["leaking-column", "answer"] == "review"
    used = [column["name"] for column in dataset.schema["input"]["columns"]]
    assert used == ["answer", "size", "colour", "count"]
    strict = project.prepare(SPEC + "clean: {drop: [leaking-column], keep: [identifier-column]}\n")
    assert "answer" not in [column["name"] for column in strict.schema["input"]["columns"]]


def test_headerless_file_with_names_given(project: Project) -> None:
    (project.root / "data.csv").write_text(csv(rows(), None))
    dataset = project.prepare(
        "sources: [{table: data.csv, columns: [size, colour, count, kind]}]\noutput: category\nlabel: kind\n"
    )
    assert sum(dataset.meta["counts"].values()) == 200
    unnamed = project.prepare("sources: [{table: data.csv}]\noutput: category\nlabel: column4\n")
    assert sum(unnamed.meta["counts"].values()) == 200


def test_equal_rows_stay_together_and_are_dropped_by_rule(project: Project) -> None:
    made = rows(100)
    (project.root / "data.csv").write_text(csv(made + made[:30]))
    dropped = project.prepare(SPEC + "clean: {drop: [duplicate]}\n")
    assert len(issues(dropped, "duplicate")) == 30
    assert dropped.meta["counts"]["dropped"] == 30
    kept = project.prepare(SPEC)
    assert kept.meta["counts"]["dropped"] == 0
    where: dict[str, set[str]] = {}
    for each in kept.samples().to_pylist():
        where.setdefault(each["id"], set()).add(each["split"])
    assert all(len(splits) == 1 for splits in where.values())


def test_label_spellings_can_be_joined(project: Project) -> None:
    made = rows()
    for row in made[::7]:
        row[3] = f"{row[3]}."
    (project.root / "data.csv").write_text(csv(made))
    dataset = project.prepare(SPEC)
    assert dataset.meta["classes"] == ["a", "a.", "b", "b."]
    assert len(issues(dataset, "label-variants")) == 2
    fixed = project.prepare(SPEC + "clean: {fix: [label-variants]}\n")
    assert fixed.meta["classes"] == ["a", "b"]


def test_groups_by_column(project: Project) -> None:
    made = [[*row[:3], number // 10, row[3]] for number, row in enumerate(rows())]
    (project.root / "data.csv").write_text(csv(made, "size,colour,count,patient,kind"))
    dataset = project.prepare(SPEC + "split: {group: patient}\n")
    rows_of = dataset.samples()
    splits: dict[int, set[str]] = {}
    for path, split in zip(rows_of["path"].to_pylist(), rows_of["split"].to_pylist(), strict=True):
        splits.setdefault((int(path.split("#")[1]) - 1) // 10, set()).add(split)
    assert all(len(each) == 1 for each in splits.values())
    assert "patient" not in [column["name"] for column in dataset.schema["input"]["columns"]]


def test_parquet_gives_what_csv_gives(project: Project) -> None:
    made = rows()
    (project.root / "data.csv").write_text(csv(made))
    columns = list(zip(*made, strict=True))
    table = pa.table({"size": columns[0], "colour": columns[1], "count": columns[2], "kind": columns[3]})
    parquet.write_table(table, project.root / "data.parquet")
    one = project.prepare(SPEC)
    other = project.prepare(SPEC.replace("table: data.csv", "parquet: data.parquet"))
    assert one.samples()["id"].to_pylist() == other.samples()["id"].to_pylist()
    assert one.schema == other.schema


def test_damaged_parquet(project: Project) -> None:
    (project.root / "data.parquet").write_bytes(b"PAR1 not really PAR1")
    with pytest.raises(InputError, match="not readable as Parquet"):
        project.prepare(SPEC.replace("data.csv", "data.parquet"))


def test_several_files_and_sources(project: Project) -> None:
    made = rows()
    (project.root / "many").mkdir()
    (project.root / "many" / "1.csv").write_text(csv(made[:100]))
    (project.root / "many" / "2.csv").write_text(
        csv([[row[1], row[0], row[2], row[3]] for row in made[100:150]], "colour,size,count,kind")
    )
    (project.root / "data.csv").write_text(csv([[int(float(row[0])), *row[1:]] for row in made[150:]]))  # type: ignore[arg-type]
    dataset = project.prepare("sources: [{table: many}, {table: data.csv}]\noutput: category\nlabel: kind\n")
    assert dataset.samples()["source"].to_pylist().count(0) == 150
    assert len(list(dataset.raw("train"))) == dataset.count("train")


def test_hidden_words_among_numbers(project: Project) -> None:
    made = rows()
    made[7][0] = made[8][0] = "unknown"
    (project.root / "data.csv").write_text(csv(made))
    dataset = project.prepare(SPEC)
    (mix,) = issues(dataset, "type-mix")
    assert json.loads(str(mix["evidence"])) == {"cells": {"unknown": 2}}


def test_unknown_option_and_wrong_value(project: Project, tmp_path: Path) -> None:
    from modelwright.prepare.collect.base import Settings, make

    with pytest.raises(InputError, match="unknown option 'delimter'") as caught:
        make("table", Settings("x.csv", {"delimter": ";"}))
    assert caught.value.hint == "did you mean 'delimiter'?"
    with pytest.raises(InputError, match="must be one character"):
        make("table", Settings("x.csv", {"delimiter": "ab"}))
