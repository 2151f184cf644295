"""Every built-in source keeps the contract; feedback comes back as training data."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from modelwright import registry
from modelwright.canonical import digest_bytes
from modelwright.prepare import fingerprint
from modelwright.prepare.collect.base import Settings, make
from modelwright.store import Store
from modelwright.store.logs import Record
from modelwright.testing.source import CHECKS, SourceCase

from . import annotated, recorded
from .conftest import Project, issues, picture
from .packing import idx_of, zip_of

SPEC = "sources: [{folder: photos}, {feedback: production}]\noutput: category\n"


def write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def folder_case(root: Path) -> SourceCase:
    for name in ("a", "b/deeper"):
        (root / "photos" / name).mkdir(parents=True)
        (root / "photos" / name / "x y.jpg").write_bytes(picture(len(name)))
    (root / "photos" / "a" / "ü.jpg").write_bytes(b"")
    (root / "photos" / "a" / "link").symlink_to("/etc/hostname")
    os.mkfifo(root / "photos" / "b" / "fifo")
    return SourceCase(
        lambda: make("folder", Settings("photos", root=root)),
        lambda: write(root / "photos" / "a" / "ü.jpg", b"1"),
        lambda: make("folder", Settings("nowhere", root=root)),
        root,
    )


def table_case(root: Path) -> SourceCase:
    (root / "data.csv").write_text("a,b,y\n1,x,0\n2,?,1\n3\n4,z,1\n", "utf-8")
    return SourceCase(
        lambda: make("table", Settings("data.csv", root=root, label="y")),
        lambda: write(root / "data.csv", b"a,b,y\n1,x,0\n2,?,0\n"),
        lambda: make("table", Settings("nowhere.csv", root=root, label="y")),
        root,
    )


def feedback_case(root: Path) -> SourceCase:
    store = Store.open(root / ".modelwright")
    predict(store, [picture(1), picture(2)])
    say(store, picture(1), "apple")
    return SourceCase(
        lambda: make("feedback", Settings("production", root=root, store=store)),
        lambda: say(store, picture(2), "pear"),
        lambda: None,
        root,
    )


def predict(store: Store, inputs: list[bytes], media_type: str = "image/jpeg") -> None:
    writer = store.logs.writer("server")
    writer.append_many(
        [
            Record(f"p{n}", n + 1, "0" * 64, digest_bytes(raw), media_type, raw, {"label": "?"}, 5)
            for n, raw in enumerate(inputs)
        ]
    )
    writer.close()


def say(store: Store, raw: bytes, label: object) -> None:
    store.annotations.append(digest_bytes(raw), "label", label, "operator", "feedback")


def archive_case(root: Path) -> SourceCase:
    members = {"a/1.jpg": picture(1), "a/ü/2.jpg": picture(2), "b/3.jpg": picture(3), "b/../../x.jpg": b"x"}
    zip_of(root / "photos.zip", members)
    return SourceCase(
        lambda: make("archive", Settings("photos.zip", root=root)),
        lambda: write(root / "photos.zip", zip_of(root / "new.zip", {"a/1.jpg": b"1"}).read_bytes()),
        lambda: make("archive", Settings("nowhere.zip", root=root)),
        root,
    )


def arrays_case(root: Path) -> SourceCase:
    pixels = np.random.default_rng(0).integers(0, 255, (6, 5, 4), np.uint8)
    idx_of(root / "images.gz", pixels)
    idx_of(root / "labels", np.array([0, 1, 2, 0, 1, 9], np.uint8))
    options = {"labels": "labels", "names": ["a", "b", "c"]}
    return SourceCase(
        lambda: make("arrays", Settings("images.gz", options, root=root)),
        lambda: write(root / "labels", (root / "labels").read_bytes()[:-1] + b"\0"),
        lambda: make("arrays", Settings("nowhere", options, root=root)),
        root,
    )


def manifest_case(root: Path) -> SourceCase:
    (root / "files").mkdir()
    for number in range(4):
        (root / "files" / f"{number}.jpg").write_bytes(picture(number))
    (root / "files" / "list.csv").write_text("path,label\n0.jpg,a\n1.jpg,b\n../x,b\nnone.jpg,b\n2.jpg,b\n", "utf-8")
    return SourceCase(
        lambda: make("manifest", Settings("files/list.csv", root=root)),
        lambda: write(root / "files" / "2.jpg", b"1"),
        lambda: make("manifest", Settings("files/nowhere.csv", root=root)),
        root,
    )


def sql_case(root: Path) -> SourceCase:
    with closing(sqlite3.connect(root / "data.db")) as database, database:
        database.execute("CREATE TABLE t (a INTEGER, b TEXT, y TEXT)")
        database.executemany("INSERT INTO t VALUES (?, ?, ?)", [(1, "x", "p"), (2, None, "q"), (3, "?", "p")])

    def change() -> None:
        with closing(sqlite3.connect(root / "data.db")) as database, database:
            database.execute("UPDATE t SET y = 'q' WHERE a = 1")

    options = {"query": "SELECT * FROM t ORDER BY a"}
    return SourceCase(
        lambda: make("sql", Settings("sqlite:///data.db", options, root=root, label="y")),
        change,
        lambda: make("sql", Settings("sqlite:///nowhere.db", options, root=root, label="y")),
        root,
    )


CASES: dict[str, Callable[[Path], SourceCase]] = {
    "folder": folder_case,
    "table": table_case,
    "archive": archive_case,
    "arrays": arrays_case,
    "manifest": manifest_case,
    "sql": sql_case,
    "feedback": feedback_case,
    **annotated.CASES,
    **recorded.CASES,
}


def test_every_built_in_source_is_tested() -> None:
    here = set(CASES) | {"series"}  # which test_series_source checks, in three forms
    assert here == set(registry.BUILT_IN["sources"])


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("kind", CASES)
def test_contract(kind: str, check: Callable[[SourceCase], None], tmp_path: Path) -> None:
    check(CASES[kind](tmp_path))


def test_labelled_production_pictures_become_samples(project: Project, photos: Path) -> None:
    first = project.prepare(SPEC)
    assert first.meta["counts"]["dropped"] == 0
    before = fingerprint(project.spec(SPEC), project.store)
    seen = [picture(seed) for seed in range(700, 712)]
    predict(project.store, seen)
    for raw in seen[:10]:
        say(project.store, raw, "apple")
    say(project.store, seen[0], "pear")  # the newest statement wins
    assert fingerprint(project.spec(SPEC), project.store) != before
    second = project.prepare(SPEC, parent=first)
    rows = [each for each in second.samples().to_pylist() if each["source"] == 1]
    assert len(rows) == 10
    labels = {each["id"]: each["label"] for each in rows}
    assert labels[digest_bytes(seen[0])] == "pear"
    assert labels[digest_bytes(seen[1])] == "apple"
    assert all(str(each["annotation"]).startswith("annotation:") for each in rows)
    everything = [raw for split in ("train", "validation", "test") for raw in second.raw(split)]
    assert set(seen[:10]) <= set(everything)
    assert second.features("train", "pixels").shape[0] == second.count("train")


def test_labelled_production_rows_become_samples(project: Project) -> None:
    lines = [f"{n % 7 + (n % 2) * 3}.5,{'red' if n % 3 else 'blue'},{'ab'[n % 2]}" for n in range(100)]
    (project.root / "data.csv").write_text("\n".join(["size,colour,kind", *lines]) + "\n")
    text = "sources: [{table: data.csv}, {feedback: production}]\noutput: category\nlabel: kind\n"
    rows = [json.dumps({"colour": "green", "size": 40 + n, "unknown": 1}).encode() for n in range(5)]
    predict(project.store, [*rows, b"[1, 2]"], "application/json")
    for raw in [*rows, b"[1, 2]"]:
        say(project.store, raw, "b")
    dataset = project.prepare(text)
    assert dataset.samples()["source"].to_pylist().count(1) == 5
    raws = [raw for split in ("train", "validation", "test") for raw in dataset.raw(split)]
    assert set(rows) <= set(raws)
    (bad,) = issues(dataset, "corrupt")
    assert "not a JSON object" in str(bad["message"])
