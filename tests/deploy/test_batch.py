"""Prediction for files, and the deploy step."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from modelwright import spec as specs
from modelwright.deploy import process
from modelwright.deploy.batch import predict_files
from modelwright.deploy.step import deploy
from modelwright.errors import GateRefusedError, InputError
from modelwright.runtime.predictor import Predictor
from modelwright.runtime.reader import PackageReader
from modelwright.store import Artifact, Store

from . import making


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / ".modelwright")


def predictor(store: Store, kind: str) -> Predictor:
    artifact = store.artifacts.open(making.publish(store, kind), kind="package")
    return Predictor(PackageReader.open(artifact.folder, trusted_keys=None))


def lines(paths: list[Path], made: Predictor) -> tuple[list[dict[str, Any]], tuple[int, int]]:
    out = io.StringIO()
    counts = predict_files(made, paths, out)
    return [json.loads(line) for line in out.getvalue().splitlines()], (counts.answered, counts.failed)


def test_pictures_in_folders_with_bad_ones_between(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    (folder / "a b").mkdir(parents=True)
    for index in range(70):
        (folder / f"{index:03}.png").write_bytes(making.png(10 if index % 2 else 240, (4 + index % 3, 5)))
    (folder / "010.png").write_bytes(b"<html>")
    (folder / "011.png").write_bytes(b"")
    (folder / ".hidden").write_bytes(b"x")
    (folder / "a b" / "ü.png").write_bytes(making.png(240))
    (folder / "gone.png").symlink_to(folder / "nothing")
    found, counts = lines([folder], predictor(store, "image"))
    assert counts == (69, 3)
    assert [Path(each["input"]).name for each in found] == sorted(
        [f"{index:03}.png" for index in range(70)] + ["ü.png", "gone.png"],
        key=lambda name: "a b" if name == "ü.png" else name,
    )
    by_name = {Path(each["input"]).name: each for each in found}
    assert by_name["000.png"]["label"] == "light"
    assert by_name["001.png"]["label"] == "dark"
    assert {by_name[name]["error"]["code"] for name in ("010.png", "011.png", "gone.png")}
    with pytest.raises(InputError):
        lines([folder, tmp_path / "none"], predictor(store, "image"))


def test_tables_row_by_row(store: Store, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("\ufeffsize,color\n3,red\n,\n3\nmany,red\n9.5,green\n", encoding="utf-8")
    (tmp_path / "t.jsonl").write_text('{"size": 3, "color": "red"}\n\nnot json\n')
    (tmp_path / "twice.csv").write_text("color,size,size\nred,3,9\n")
    (tmp_path / "latin.csv").write_bytes(b"size,color\n3,r\xf6t\n")
    (tmp_path / "t.xlsx").write_bytes(b"x")
    made = predictor(store, "table")
    found, counts = lines([table, tmp_path / "t.jsonl"], made)
    assert [each.get("label") for each in found[:1]] == [made.predict([making.row(3.0, "red")])[0]["label"]]
    assert ["error" in each for each in found] == [False, False, True, True, False, False, True]
    assert counts == (4, 3)
    assert found[2]["error"]["code"] == "ragged"
    found, counts = lines([tmp_path / "twice.csv", tmp_path / "latin.csv", tmp_path / "t.xlsx"], made)
    assert counts == (2, 1)
    assert found[0]["label"] == made.predict([making.row(3.0, "red")])[0]["label"]  # the later one is "size.2"
    assert found[1]["label"] == made.predict([making.row(3.0, "röt")])[0]["label"]
    assert found[2]["error"]["code"] == "wrong-format"


def test_answers_as_csv_hold_no_formulas(store: Store, tmp_path: Path) -> None:
    name = tmp_path / "=cmd().csv"
    name.write_text("size,color\n1,red\nx,red\n")
    out = io.StringIO()
    counts = predict_files(predictor(store, "number"), [name], out, layout="csv")
    assert (counts.answered, counts.failed) == (1, 1)
    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert float(rows[0]["low"]) <= float(rows[0]["value"]) <= float(rows[0]["high"])
    assert rows[1]["error"]
    assert not any(cell.startswith("=") for each in rows for cell in each.values())


def report(store: Store, package: str, verdict: str) -> Artifact:
    with store.artifacts.begin("report") as writer:
        writer.file("report.json").write_text(json.dumps({"verdict": verdict, "reasons": ["f1_macro 0.5 < 0.9"]}))
        return writer.publish({"verdict": verdict}, inputs={"package": package})


def test_only_an_accepted_package_is_deployed_unless_forced(store: Store, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("size,color,y\n1,red,a\n")
    text = "sources: [{table: data.csv}]\nlabel: y\ninput: table\noutput: category\ndeploy: {port: 8080}\n"
    spec = specs.loads(text, tmp_path / "modelwright.yaml")
    package = store.artifacts.open(making.publish(store, "table"), kind="package")
    refused, accepted = report(store, package.digest, "refused"), report(store, package.digest, "accepted")
    other = report(store, "0" * 64, "accepted")
    with pytest.raises(GateRefusedError):
        deploy(spec, store, package, refused, start=False)
    for wrong in (None, other):
        with pytest.raises(InputError):
            deploy(spec, store, package, wrong, start=False)
    assert store.deployments.champion("server") is None
    done = deploy(spec, store, package, accepted, start=False)
    assert (done.package, done.server) == (package.digest, None)
    assert store.deployments.champion("server")["package"] == package.digest  # type: ignore[index]
    second = store.artifacts.open(making.publish(store, "table", 1.0), kind="package")
    forced = deploy(spec, store, second, report(store, second.digest, "refused"), force=True, start=False)
    assert "refused" in forced.champion["reason"]
    assert process.status(store.root).running is False
