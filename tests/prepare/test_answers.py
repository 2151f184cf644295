"""Mean answers by category: out of fold while learning, whole in production, and the words of ``features``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelwright.errors import InputError
from modelwright.prepare import prepare
from modelwright.runtime.session import open_session
from modelwright.spec import loads
from modelwright.store import Store
from modelwright.tasks.base import modality
from modelwright.tasks.modalities.table.modality import Table


def made(folder: Path, answers: list[Any], words: list[str], features: str, output: str = "category") -> Any:
    """Prepare a table with a number and a category of many values."""
    random = np.random.default_rng(0)
    rows = [f"{random.normal():.4f},{word},{answer}" for word, answer in zip(words, answers, strict=True)]
    (folder / "data.csv").write_text("a,town,y\n" + "\n".join(rows) + "\n")
    text = f"sources: [{{table: data.csv}}]\nlabel: y\noutput: {output}\nfeatures: {features}\n"
    return prepare(loads(text, folder / "modelwright.yaml"), Store.open(folder / ".modelwright"))


def towns(count: int) -> list[str]:
    """Return a category with about six rows a value."""
    return [f"t{place}" for place in np.random.default_rng(1).integers(0, count // 6, count)]


def test_a_training_row_never_sees_its_own_answer(tmp_path: Path) -> None:
    words = towns(3000)
    answers = np.random.default_rng(2).choice(["no", "yes"], 3000).tolist()
    dataset = made(tmp_path, answers, words, "[answers]")
    names = dataset.modality.feature_names(dataset.schema["input"], "trees")
    assert names == ["a", "town: share of yes"]
    own = dataset.features("train", "trees")[:, 1]
    truth = dataset.truth("train")
    assert abs(np.corrcoef(own, truth)[0, 1]) < 0.1
    # Encoded by all rows, as one who forgets the folds would, noise looks like knowledge.
    graph = dataset.modality.graph(dataset.schema["input"], "trees").SerializeToString()
    session = open_session(graph, threads=1)
    seen = np.concatenate([session.run(["features"], batch)[0][:, 1] for batch in dataset.inputs("train")])
    assert np.corrcoef(seen, truth)[0, 1] > 0.3


def test_what_is_tested_is_what_production_gets(tmp_path: Path) -> None:
    words = towns(1200)
    effect = {word: np.random.default_rng(place).normal() for place, word in enumerate(sorted(set(words)))}
    random = np.random.default_rng(3)
    answers = [f"{effect[word] * 3 + random.normal():.3f}" for word in words]
    dataset = made(tmp_path, answers, words, "[answers, missing]", "number")
    for encoding in ("dense", "trees"):
        features = dataset.features("test", encoding)
        schema = dataset.schema["input"]
        session = open_session(dataset.modality.graph(schema, encoding).SerializeToString(), threads=1)
        raws = list(dataset.raw("test"))
        each = np.concatenate([session.run(["features"], dataset.modality.decode(raw, schema))[0] for raw in raws])
        np.testing.assert_array_equal(features, each)
        assert np.corrcoef(features[:, -1], dataset.truth("test"))[0, 1] > 0.7
    unseen = dataset.modality.decode(b'{"a":0.0,"town":"elsewhere"}', schema)
    prior = schema["columns"][1]["answers"]["prior"][0]
    assert session.run(["features"], unseen)[0][0, -1] == pytest.approx(prior, rel=1e-5)


def test_copies_are_in_one_fold(tmp_path: Path) -> None:
    words = towns(600) * 2
    answers = np.random.default_rng(2).choice(["no", "yes"], 600).tolist() * 2
    dataset = made(tmp_path, answers, words, "[answers]")
    samples = dataset.samples("train")
    features = dataset.features("train", "trees")
    groups: dict[str, list[float]] = {}
    for group, value, number in zip(
        samples["group"].to_pylist(), features[:, 1].tolist(), features[:, 0].tolist(), strict=True
    ):
        groups.setdefault(f"{group} {number}", []).append(value)
    assert all(len(set(values)) == 1 for values in groups.values())


@pytest.mark.parametrize(
    ("features", "wanted"),
    [
        ("[missing]", ["n", "d is missing", "n is missing"]),
        ("[categories]", ["n", "c = x", "c = y", "c is another one", "c is missing"]),
    ],
)
def test_words_choose_what_columns_become(features: str, wanted: list[str]) -> None:
    table = modality("table")
    rows: dict[str, Any] = {
        "n": np.array([1.0, np.nan, 3.0, 4.0] * 30),
        "c": ["x", "y", None, "x"] * 30,
        "d": ["2024-01-01", None, "2024-01-03", "2024-02-01"] * 30,
    }
    schema = table.learn([rows], {"features": features.strip("[]").split(", ")})
    names = table.feature_names(schema, "dense")
    assert set(names) <= set(wanted)
    assert "n" in names
    assert isinstance(table, Table)
    arrays = table.from_columns(rows, schema)
    for encoding in ("dense", "trees"):
        session = open_session(table.graph(schema, encoding).SerializeToString(), threads=1)
        feed = {each.name: arrays[each.name] for each in session.get_inputs()}
        assert session.run(["features"], feed)[0].shape == (120, len(table.feature_names(schema, encoding)))


def test_words_that_are_none_are_refused() -> None:
    table = modality("table")
    with pytest.raises(InputError, match="found 'fourier'; for tables there are: missing, log"):
        table.learn([{"n": [1, 2, 3]}], {"features": ["fourier"]})
    with pytest.raises(InputError, match="nothing is left to learn from"):
        table.learn([{"c": ["x", "y"] * 10}], {"features": ["log"]})


def test_categories_that_hardly_come_up_have_no_answers() -> None:
    table = Table()
    rows: dict[str, Any] = {"n": np.arange(60.0), "c": [f"c{place // 2}" for place in range(60)]}
    schema = table.learn([rows], {"features": ["answers"]})
    keys = np.arange(60, dtype=np.uint64)
    schema = table.with_answers(schema, [rows], rows["n"][:, None], keys, ["mean answer"])
    assert table.feature_names(schema, "trees") == ["n"]
    assert "answers adds nothing: no category comes up in 3 training rows" in schema["reason"]
    arrays = table.from_columns(rows, schema)
    for encoding in ("dense", "trees"):
        session = open_session(table.graph(schema, encoding).SerializeToString(), threads=1)
        assert (
            session.run(["features"], {each.name: arrays[each.name] for each in session.get_inputs()})[0].shape[1] == 1
        )
    del rows["n"]
    schema = table.learn([rows], {"features": ["answers"]})
    with pytest.raises(InputError, match="nothing is left to learn from"):
        table.with_answers(schema, [rows], np.zeros((60, 1)), keys, ["mean answer"])
