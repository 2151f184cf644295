"""Texts in files, tables and databases: what is read, what is found, and what is made of it."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from modelwright import registry
from modelwright import spec as specs
from modelwright.errors import InputError
from modelwright.prepare import prepare
from modelwright.prepare.explore import page
from modelwright.prepare.explore.terms import distinctive
from modelwright.prepare.guess.guessing import guess
from modelwright.store import Store
from modelwright.store.dataset import Dataset
from modelwright.testing import texts

from .conftest import Project, issues

ROWS = [(topic, texts.of_topic(topic, number)) for number in range(40) for topic in texts.topics()]


def write_folder(root: Path) -> None:
    for number, (topic, text) in enumerate(ROWS):
        folder = root / "texts" / topic
        folder.mkdir(parents=True, exist_ok=True)
        encoding = ("utf-8", "utf-8-sig", "utf-16", "cp1252")[number % 4]
        (folder / f"{number}.txt").write_bytes((text + " Café.").encode(encoding))


def test_a_folder_of_texts_in_any_encoding(project: Project) -> None:
    write_folder(project.root)
    sport = project.root / "texts" / "sport"
    (sport / "empty.txt").write_bytes(b"")
    (sport / "picture.txt").write_bytes(b"\x89PNG\r\n\x1a\n....")
    (sport / "zeros.txt").write_bytes(bytes(900))
    (sport / "damaged.txt").write_bytes("The goal was great, said the coach of the cafÃ© team".encode())
    (sport / "foreign.txt").write_bytes("Сегодня команда выиграла последний матч сезона".encode("koi8-r"))
    dataset = project.prepare("input: text\nsources: [folder: texts]\n")
    assert dataset.count("train") + dataset.count("validation") + dataset.count("test") == 122
    found = {str(row["path"]): row["kind"] for row in dataset.issues().to_pylist() if row["path"]}
    assert found["0/sport/empty.txt"] == "empty"
    assert found["0/sport/picture.txt"] == found["0/sport/zeros.txt"] == "wrong-format"
    assert any("damaged.txt" in str(row["path"]) for row in issues(dataset, "broken-encoding"))
    assert [row["path"] for row in issues(dataset, "wrong-language")] == ["0/sport/foreign.txt"]
    assert dataset.features("train", "dense").shape[0] == dataset.count("train")


@pytest.mark.parametrize("form", ["folder", "csv", "jsonl", "parquet"])
@pytest.mark.parametrize("kept", ["files", "rows"])
def test_exported_texts_are_read_back_the_same(project: Project, tmp_path: Path, form: str, kept: str) -> None:
    if kept == "files":
        write_folder(project.root)
        dataset = project.prepare("input: text\nsources: [folder: texts]\nclean: {drop: []}\n")
    else:
        TABLES["jsonl"](project.root / "data.jsonl")
        dataset = project.prepare("input: text\nlabel: topic\nsources: [table: data.jsonl]\nclean: {drop: []}\n")
    place = registry.load("dataset_exporters", f"dataset-{form}")(dataset, tmp_path / "out")
    again = prepare(specs.load(place / "modelwright.yaml"), Store.open(place / ".modelwright"))
    assert everything(again) == everything(dataset)
    assert form != "folder" or all(path.suffix == ".txt" for path in (place / "data").rglob("*") if path.is_file())


def everything(dataset: Dataset) -> list[tuple[str, str]]:
    """Return ids and labels of all samples."""
    return sorted(
        pair
        for split in ("train", "validation", "test")
        for pair in zip(dataset.ids(split), dataset.labels(split), strict=True)
    )


TABLES = {
    "csv": lambda path: path.write_text(
        "id,topic,text\n" + "".join(f'{at},{topic},"{text}"\n' for at, (topic, text) in enumerate(ROWS)), "utf-8"
    ),
    "jsonl": lambda path: path.write_text(
        "".join(json.dumps({"id": at, "topic": topic, "text": text}) + "\n" for at, (topic, text) in enumerate(ROWS))
    ),
    "parquet": lambda path: parquet.write_table(
        pa.table({"id": range(len(ROWS)), "topic": [one[0] for one in ROWS], "text": [one[1] for one in ROWS]}), path
    ),
}


@pytest.mark.parametrize("form", TABLES)
def test_the_text_column_of_a_table_is_found(project: Project, form: str) -> None:
    TABLES[form](project.root / f"data.{form}")
    dataset = project.prepare(f"input: text\nlabel: topic\nsources: [table: data.{form}]\n")
    assert any("the text is 'text': words in a cell" in said for said in project.listener.said)
    raws = list(dataset.raw("train"))
    assert {raw.decode() for raw in raws} <= {text for _, text in ROWS}
    assert dict(zip([raw.decode() for raw in raws], dataset.labels("train"), strict=True)).items() <= {
        (text, topic) for topic, text in ROWS
    }


def test_a_database_gives_texts_too(project: Project) -> None:
    with sqlite3.connect(project.root / "data.db") as connection:
        connection.execute("CREATE TABLE said (topic TEXT, title TEXT, body TEXT)")
        rows = [(topic, f"About {topic} {at}", text) for at, (topic, text) in enumerate(ROWS)]
        connection.executemany("INSERT INTO said VALUES (?, ?, ?)", rows)
    connection.close()
    spec = (
        "input: text\nlabel: topic\nsources:\n  - sql: sqlite:///data.db\n"
        "    query: SELECT * FROM said ORDER BY rowid\n    text: [title, body]\n"
    )
    dataset = project.prepare(spec)
    first = next(iter(dataset.raw("train"))).decode().split("\n")
    assert len(first) == 2
    assert first[0].startswith("About ")


def test_a_table_without_texts_says_what_to_write(project: Project) -> None:
    (project.root / "data.csv").write_text("y,a,b\n" + "".join(f"{n % 2},red {n},x{n}\n" for n in range(50)))
    with pytest.raises(InputError, match="no column holds texts of several words") as found:
        project.prepare("input: text\nlabel: y\nsources: [table: data.csv]\n")
    assert "text: COLUMN" in found.value.hint


def test_quotes_that_quote_nothing_eat_no_row(project: Project) -> None:
    lines = [f"{topic}\t{text}" for topic, text in ROWS]
    lines[3] = 'money\t"Buy now said the bank and never'
    lines[4] = 'space\tclosed" it again at the moon base'
    (project.root / "data.tsv").write_text("\n".join(lines) + "\n")
    spec = "input: text\nlabel: column1\nsources: [table: data.tsv]\n"
    dataset = project.prepare(spec)
    kept = {raw.decode() for split in ("train", "validation", "test") for raw in dataset.raw(split)}
    assert {'"Buy now said the bank and never', 'closed" it again at the moon base'} <= kept
    (found,) = issues(dataset, "literal-quotes")
    assert "1 lines have a quotation mark" in str(found["message"])


def test_quoted_cells_are_still_quoted(project: Project) -> None:
    body = "".join(f'{topic}\t"{text} ""so""\nand on"\n' for topic, text in ROWS)
    (project.root / "data.tsv").write_text("topic\ttext\n" + body)
    dataset = project.prepare("input: text\nlabel: topic\nsources: [table: data.tsv]\n")
    assert next(iter(dataset.raw("train"))).decode().endswith(' "so"\nand on')
    assert not issues(dataset, "literal-quotes")


def test_wrong_labels_of_texts_are_found(project: Project) -> None:
    rows = [(topic, texts.of_topic(topic, number, 40)) for number in range(100) for topic in texts.topics()]
    wrong = set(range(5, 300, 25))
    labelled = [
        ("sport" if topic != "sport" else "money") if at in wrong else topic for at, (topic, _) in enumerate(rows)
    ]
    body = "".join(f"{label}\t{text}\n" for label, (_, text) in zip(labelled, rows, strict=True))
    (project.root / "data.tsv").write_text("topic\ttext\n" + body)
    dataset = project.prepare("input: text\nlabel: topic\nsources: [table: data.tsv]\nclean: {review: [mislabelled]}\n")
    assert dataset.meta["label_check"]["how"].startswith("logistic regression over")
    listed = {int(str(row["path"]).rpartition("#")[2]) - 1 for row in issues(dataset, "mislabelled")}
    assert len(wrong & listed) >= 11
    assert len(listed - wrong) <= 2


def test_wrong_numbers_of_texts_are_checked_by_least_squares(project: Project) -> None:
    worth = {"sport": 1.0, "money": 5.0, "space": 9.0}
    body = "".join(f"{worth[topic] + at % 7 / 10:.1f}\t{text}\n" for at, (topic, text) in enumerate(ROWS))
    (project.root / "data.tsv").write_text("worth\ttext\n" + body + "90\t" + texts.of_topic("sport", 999) + "\n")
    spec = "input: text\noutput: number\nlabel: worth\nsources: [table: data.tsv]\nclean: {review: [mislabelled]}\n"
    dataset = project.prepare(spec)
    assert dataset.meta["label_check"]["how"].startswith("least squares over")
    assert str(issues(dataset, "mislabelled")[0]["path"]).endswith("#121")


def test_the_page_shows_words_texts_and_nothing_unescaped(project: Project) -> None:
    rows = [
        (topic, text + (" <script>alert(1)</script>" if at % 9 == 0 else "")) for at, (topic, text) in enumerate(ROWS)
    ]
    (project.root / "data.tsv").write_text("topic\ttext\n" + "".join(f"{one}\t{text}\n" for one, text in rows))
    dataset = project.prepare("input: text\nlabel: topic\nsources: [table: data.tsv]\n")
    made = page(dataset)
    assert "<script>alert" not in made.html
    told = {name: {term["term"] for term in terms} for name, terms in made.figures["terms"]["distinctive"].items()}
    assert {"rocket", "moon"} & told["space"]
    assert not told["space"] & told["sport"]
    assert made.figures["scripts"] == {"latin": 120}
    assert issues(dataset, "markup")


def test_distinctive_words_are_neither_the_frequent_nor_the_rare_ones() -> None:
    from collections import Counter

    groups = {
        "a": Counter(the=1000, goal=120, team=80, oops=1),
        "b": Counter(the=1000, bank=150, team=75, once=1),
    }
    told = distinctive(groups, 5)
    assert [term.text for term in told["a"]][:1] == ["goal"]
    assert [term.text for term in told["a"]][1:] != ["oops"]
    assert told["a"][0].z > 4 * max(term.z for term in told["a"][1:])
    assert told["b"][0].text == "bank"
    assert told["b"][0].inside == 150


def test_texts_are_guessed(tmp_path: Path) -> None:
    write_folder(tmp_path)
    found = guess(tmp_path / "texts")
    assert (found.input, found.output, found.sources[0]["files"]) == ("text", "category", ["*.txt"])
    table = tmp_path / "said.tsv"
    table.write_text("".join(f"{topic}\t{text}\n" for topic, text in ROWS))
    found = guess(table)
    assert (found.input, found.label, found.sources[0]["text"]) == ("text", "column1", ["column2"])
    names = tmp_path / "names.csv"
    names.write_text("y,name,age\n" + "".join(f"{n % 2},Braund Mr. Owen {n},{n % 80}\n" for n in range(200)))
    assert guess(names).input == "table"


@pytest.mark.slow
def test_sms_spam_loses_no_row(project: Project, shared_data: Path) -> None:
    spec = f"input: text\nlabel: column1\nsources: [table: {shared_data}/sms-spam/sms.tsv]\n"
    dataset = project.prepare(spec)
    samples = dataset.samples()
    assert len(samples) == 5574
    assert len(issues(dataset, "duplicate")) >= 403
    assert len(issues(dataset, "literal-quotes")) == 1
    assert {"ham", "spam"} == set(dataset.meta["classes"])


@pytest.mark.slow
def test_ag_news_joins_title_and_description(project: Project, shared_data: Path) -> None:
    table = shared_data / "ag-news-7600" / "test.csv"
    spec = f"input: text\nlabel: column1\nsources: [table: {table}]\nclean: {{review: [imbalance]}}\n"
    dataset = project.prepare(spec)
    assert any("the text is 'column2' and 'column3'" in said for said in project.listener.said)
    assert sum(dataset.count(split) for split in ("train", "validation", "test")) == 7600
    (found,) = issues(dataset, "markup")
    assert json.loads(str(found["evidence"]))["samples"] > 750
