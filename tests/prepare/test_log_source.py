"""What production saw, as a source: labels, answers, times, confidence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modelwright.canonical import digest_bytes
from modelwright.errors import InputError
from modelwright.prepare.collect.base import Item, Settings, make
from modelwright.store import Store

from .conftest import Project, picture
from .recorded import answer


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store.open(tmp_path / ".modelwright")
    answer(made, [picture(seed) for seed in range(6)], "apple", 0.95, start=1_000)
    answer(made, [picture(seed) for seed in range(4, 10)], "pear", 0.55, start=200_000)
    return made


def taken(store: Store, location: str = "server", **options: Any) -> list[Item]:
    made = make("log", Settings(location, options, store.root.parent, store=store))
    return [each for each in made.items({}) if isinstance(each, Item)]


def test_by_itself_only_what_somebody_labelled_is_taken(store: Store) -> None:
    assert taken(store) == []
    store.annotations.append(digest_bytes(picture(2)), "label", "plum", "anna", "feedback")
    (one,) = taken(store)
    assert (one.raw, one.label, one.annotation) == (picture(2), "plum", "annotation:1")


def test_answers_are_labels_where_nobody_said_otherwise(store: Store) -> None:
    store.annotations.append(digest_bytes(picture(9)), "label", "plum", "anna", "feedback")
    found = taken(store, labels="answers")
    assert [each.raw for each in found] == [picture(seed) for seed in range(10)]  # each once, by its newest answer
    assert [each.label for each in found] == ["apple"] * 4 + ["pear"] * 5 + ["plum"]
    assert {each.label for each in taken(store, labels="all")} == {None, "plum"}


def test_times_confidence_and_number_choose(store: Store) -> None:
    assert [each.label for each in taken(store, labels="answers", unsure=0.6)] == ["pear"] * 6
    assert [each.label for each in taken(store, labels="answers", sure=0.9)] == ["apple"] * 6
    assert len(taken(store, labels="all", since="1970-01-02")) == 6
    assert len(taken(store, labels="all", until="1970-01-02")) == 6
    assert len(taken(store, labels="all", since="7d")) == 0
    assert [each.raw for each in taken(store, labels="all", most=2)] == [picture(8), picture(9)]
    assert taken(store, "nobody", labels="all") == []


def test_graph_tensors_are_no_samples(store: Store) -> None:
    answer(store, [b"{}"], "tensor", 0.9, 900_000, "application/vnd.modelwright.tensors+json")
    assert len(taken(store, labels="all")) == 10


@pytest.mark.parametrize(("option", "value"), [("labels", "mine"), ("unsure", 3), ("since", "lately"), ("most", 0)])
def test_wrong_options_are_said(store: Store, option: str, value: object) -> None:
    with pytest.raises(InputError, match=option):
        taken(store, **{option: value})  # type: ignore[arg-type]


def test_answers_become_a_dataset_that_outlives_the_log(project: Project) -> None:
    answer(project.store, [picture(seed) for seed in range(30)], "apple", 0.9)
    answer(project.store, [picture(seed) for seed in range(30, 60)], "pear", 0.8, start=50_000)
    text = "input: image\nsources:\n  - log: server\n    labels: answers\n"
    dataset = project.prepare(text)
    assert dataset.meta["classes"] == ["apple", "pear"]
    assert dataset.meta["sources"][0]["kept"] == "objects"
    for path in (project.store.root / "logs/server").iterdir():
        path.unlink()
    assert {*dataset.raw("train"), *dataset.raw("validation"), *dataset.raw("test")} <= {picture(n) for n in range(60)}
