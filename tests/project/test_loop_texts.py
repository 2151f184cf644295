"""The whole loop on texts: from files to a server, for a category and for a number."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.project.serving import package_of, served

from modelwright.deploy.batch import predict_files
from modelwright.project import Project, open_project
from modelwright.runtime.predictor import Predictor
from modelwright.testing import texts

pytestmark = pytest.mark.slow
WORTH = {"sport": 1.0, "money": 5.0, "space": 9.0}


def write(root: Path, spec: str, *, numbers: bool = False) -> Project:
    rows = [(topic, texts.of_topic(topic, number)) for number in range(60) for topic in texts.topics()]
    lines = [f"{WORTH[topic] + at % 5 / 10 if numbers else topic}\t{text}\n" for at, (topic, text) in enumerate(rows)]
    (root / "said.tsv").write_text("answer\ttext\n" + "".join(lines))
    (root / "modelwright.yaml").write_text(spec)
    return open_project(root)


@pytest.fixture(scope="module")
def topics(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project of text × category that ran once."""
    project = write(tmp_path_factory.mktemp("topics"), "input: text\nlabel: answer\nsources: [table: said.tsv]\n")
    result = project.run(to="validate")
    assert result.report is not None
    assert result.report["metrics"]["f1_macro"]["value"] > 0.9
    return project


@pytest.fixture(scope="module")
def server(topics: Project) -> Iterator[httpx.Client]:
    with served(topics) as client:
        yield client


def test_the_package_answers_as_the_trained_model_did(topics: Project) -> None:
    with package_of(topics) as reader:
        parity = Predictor(reader).check_golden()
    assert parity.passed
    assert parity.samples >= 16


def test_no_answer_depends_on_who_else_is_asked(topics: Project) -> None:
    said = [texts.of_topic(topic, 500 + number, 5 + 40 * number).encode() for topic in WORTH for number in range(5)]
    with package_of(topics) as reader:
        predictor = Predictor(reader)
        together = predictor.outputs(said)["probabilities"]
        alone = [predictor.outputs([raw])["probabilities"][0] for raw in said]
    assert abs(together - alone).max() < 1e-6


@pytest.mark.parametrize(
    ("body", "media"),
    [
        (texts.of_topic("space", 900).encode(), "text/plain"),
        (texts.of_topic("space", 900).encode("utf-16"), "text/plain"),
        ((texts.of_topic("space", 900) + " café").encode("latin-1"), "text/plain; charset=ISO-8859-1"),
        (json.dumps({"text": texts.of_topic("space", 900)}).encode(), "application/json"),
        (json.dumps(texts.of_topic("space", 900)).encode(), "application/json"),
        (texts.of_topic("space", 900).encode(), ""),
    ],
    ids=["utf-8", "utf-16", "latin-1", "object", "string", "no type"],
)
def test_the_server_takes_texts(server: httpx.Client, body: bytes, media: str) -> None:
    answer = server.post("/predict", content=body, headers={"content-type": media} if media else {})
    assert answer.status_code == 200, answer.text
    assert answer.json()["label"] == "space"


def test_the_server_answers_lists_in_order(server: httpx.Client) -> None:
    asked: list[Any] = [{"text": texts.of_topic(topic, 901)} for topic in ("money", "space", "sport")]
    assert [one["label"] for one in server.post("/predict", json=asked).json()] == ["money", "space", "sport"]


@pytest.mark.parametrize(
    ("body", "media", "status"),
    [
        (b"  ", "text/plain", 422),
        (b"\x89PNG\r\n\x1a\n\xff", "text/plain", 422),
        (b"x", "image/png", 415),
        (b'{"words": 3}', "application/json", 400),
        (b'{"text": 3}', "application/json", 400),
        (b'{"text"', "application/json", 400),
        (b"abc", "text/plain; charset=punycode", 200),
        (b"abc", "text/plain; charset=no-such", 200),
        (b"abc", "text/plain; charset=rot13", 200),
    ],
)
def test_the_server_says_what_is_wrong(server: httpx.Client, body: bytes, media: str, status: int) -> None:
    assert server.post("/predict", content=body, headers={"content-type": media}).status_code == status


def test_files_of_texts_are_answered(topics: Project, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(texts.of_topic("money", 902).encode("utf-16"))
    lines = [{"text": texts.of_topic("space", 903)}, texts.of_topic("sport", 904), {"other": 1}]
    (tmp_path / "b.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + "{\n")
    (tmp_path / "c.csv").write_text(f'id,text\n1,"{texts.of_topic("money", 905)}, so"\n')
    (tmp_path / "d.csv").write_text(f"{texts.of_topic('space', 906)}, and no header\n")
    out = io.StringIO()
    with package_of(topics) as reader:
        counts = predict_files(Predictor(reader), [tmp_path], out)
    answers = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [answer.get("label") for answer in answers] == ["money", "space", "sport", None, None, "money", "space"]
    assert [answer["error"]["code"] for answer in answers if "error" in answer] == ["wrong-format", "corrupt"]
    assert (counts.answered, counts.failed) == (5, 2)


def test_numbers_of_texts(tmp_path: Path) -> None:
    spec = (
        "input: text\noutput: number\nlabel: answer\nfeatures: [words, svd]\nsources: [table: said.tsv]\n"
        "train: {models: [ridge, boosting]}\n"
    )
    result = write(tmp_path, spec, numbers=True).run(to="validate")
    assert result.report is not None
    assert result.report["metrics"]["mae"]["value"] < 1.5
    assert result.report["parity"]["passed"]
