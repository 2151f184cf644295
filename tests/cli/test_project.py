"""The commands on a real, small project."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Mw = Callable[..., subprocess.CompletedProcess[str]]
Ask = Callable[..., Any]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(mw: Mw, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project that was begun from a bare CSV file and run once."""
    from sklearn.datasets import load_iris

    folder = tmp_path_factory.mktemp("flowers and more")
    data = load_iris()
    with (folder / "iris.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sepal length", "sepal width", "petal length", "petal width", "species"])
        writer.writerows([*row, data.target_names[kind]] for row, kind in zip(data.data, data.target, strict=True))
    begun = mw("run", "iris.csv", "--to", "prepare", "--json", cwd=folder)
    assert begun.returncode == 0, begun.stderr
    assert [step["step"] for step in json.loads(begun.stdout)["steps"]] == ["prepare"]
    spec = folder / "modelwright.yaml"
    assert "label: species" in spec.read_text()
    spec.write_text(spec.read_text().replace("models: auto", "models: [logistic]"))
    made = mw("run", "iris.csv", "--json", cwd=folder)
    assert made.returncode == 0, made.stderr
    document = json.loads(made.stdout)
    assert [step["step"] for step in document["steps"]] == ["prepare", "train", "package", "validate"]
    assert [step["status"] for step in document["steps"]] == ["cached", "ran", "ran", "ran"]
    assert document["report"]["verdict"] == "accepted"
    assert {"value", "low", "high"} <= set(document["report"]["metrics"]["accuracy"])
    return folder


@pytest.fixture(scope="module")
def ask(mw: Mw, project: Path) -> Callable[..., Any]:
    """Return a function that gives a command's JSON answer and checks its exit status."""

    def call(*arguments: str, status: int = 0) -> Any:
        done = mw(*arguments, "--json", cwd=project)
        assert done.returncode == status, done.stderr
        return json.loads(done.stdout)

    return call


def test_a_second_run_has_nothing_to_do(mw: Mw, ask: Ask, project: Path) -> None:
    again = ask("run", "iris.csv")
    assert {step["status"] for step in again["steps"]} == {"cached"}
    lines = mw("run", cwd=project).stdout
    assert "Accepted" in lines
    assert "report:" in lines
    assert "next: mw deploy" in lines


def test_where_it_stands(mw: Mw, ask: Ask, project: Path) -> None:
    found = ask("status")
    assert {step["status"] for step in found["steps"]} == {"current"}
    assert found["next"] == "mw deploy"
    assert "accepted" in mw("status", cwd=project).stdout


def test_what_was_done(mw: Mw, ask: Ask, project: Path) -> None:
    runs = ask("log")["runs"]
    assert [each["step"] for each in runs][::-1] == ["prepare", "train", "package", "validate"]
    assert len(ask("log", "-n", "2")["runs"]) == 2
    assert "validate" in mw("log", cwd=project).stdout


def test_where_it_comes_from(mw: Mw, ask: Ask, project: Path) -> None:
    package = ask("status")["steps"][2]["artifact"]
    found = ask("lineage", package[:12])
    assert found["root"] == package
    kinds = {node["kind"] for node in found["nodes"]}
    assert {"dataset", "model", "package", "report"} <= kinds
    lines = mw("lineage", package[:12], cwd=project).stdout
    assert "made from" in lines
    assert "used for" in lines
    error = ask("lineage", "zzzz", status=2)["error"]
    assert error["message"]


def test_the_reports_are_there(ask: Ask) -> None:
    for kind in ("dataset", "report"):
        path = Path(ask("explore", kind)["path"])
        assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_issues_are_decided_and_taken_back(ask: Ask) -> None:
    found = ask("issues")["issues"]
    assert found
    first = found[0]["id"]
    made = ask("issues", first[:10], "--decide", "keep", "--by", "ann")
    assert made["decided"] == 1
    ask("issues", first[:10], "--decide", "undo", "--by", "ann")
    assert ask("issues", "--decide", "drop", status=2)["error"]["code"] == "usage"
    assert ask("issues", "nothing", status=2)["error"]["code"] == "unknown-issue"


def test_issues_are_filtered(ask: Ask) -> None:
    found = ask("issues")["issues"]
    least = sorted(each["severity"] for each in found)[len(found) // 2]
    severe = ask("issues", "--severity", str(least))["issues"]
    assert severe == [each for each in found if each["severity"] >= least]
    columns = {each["column"] for each in found} - {None}
    column = min(columns)
    assert ask("issues", "--column", column)["issues"] == [each for each in found if each["column"] == column]
    path = next(each["path"] for each in found if each["path"])
    named = ask("issues", "--path", path[:-2] + "*")["issues"]
    assert named
    assert len(named) < len(found)
    assert all(each["path"].startswith(path[:-2]) for each in named)
    assert not ask("issues", "--path", "no such *")["issues"]
    assert ask("issues", "--severity", "2", status=2)["error"]["code"] == "usage"
    made = ask("issues", "--column", column, "--decide", "keep", "--reason", "as it should be")
    assert made["decided"] == len([each for each in found if each["column"] == column])
    assert ask("issues", "--column", column, "--decision", "keep")["issues"]
    ask("issues", "--column", column, "--decide", "undo")


def test_answers_for_files(mw: Mw, ask: Ask, project: Path) -> None:
    made = ask("predict", "iris.csv")["predictions"]
    assert len(made) == 150
    assert all("input" in each for each in made)
    lines = mw("predict", "iris.csv", cwd=project).stdout.splitlines()
    assert len(lines) == 150
    assert "setosa" in lines[0]


def test_a_package_leaves_the_house(ask: Ask, tmp_path: Path) -> None:
    made = ask("export", "mwpkg", "--to", str(tmp_path / "iris.mwpkg"))
    assert Path(made["path"]).stat().st_size > 1000


def test_the_gate_says_no_with_status_3(mw: Mw, ask: Ask, project: Path) -> None:
    spec = project / "modelwright.yaml"
    before = spec.read_text()
    try:
        spec.write_text(before + '\naccept: {accuracy: "> 1"}\n')
        found = ask("run", status=3)
        assert found["report"]["verdict"] == "refused"
        assert found["steps"][-1]["status"] == "refused"
        lines = mw("run", cwd=project)
        assert lines.returncode == 3
        assert "Refused" in lines.stdout
    finally:
        spec.write_text(before)


def test_init_overwrites_nothing(ask: Ask) -> None:
    error = ask("init", "iris.csv", status=2)["error"]
    assert error["code"] == "exists"


def test_a_source_that_went_away_is_told_with_its_line(ask: Ask, project: Path) -> None:
    (project / "iris.csv").rename(project / "iris2.csv")
    try:
        error = ask("run", status=2)["error"]
        assert error["code"] == "bad-spec"
        assert "sources[0].table: found 'iris.csv'" in error["message"]
        assert error["hint"] == "did you mean 'iris2.csv'?"
    finally:
        (project / "iris2.csv").rename(project / "iris.csv")


def _answers(url: str) -> bool:
    with urllib.request.urlopen(f"{url}/v2/health/ready", timeout=10) as answer:
        return bool(answer.status == 200)


def test_it_is_served_in_the_background_and_stopped(ask: Ask, project: Path) -> None:
    spec = project / "modelwright.yaml"
    before = spec.read_text()
    spec.write_text(before.replace("port: 8080", "port: 0"))
    try:
        served = ask("deploy")["server"]
        assert served["running"]
        assert _answers(served["url"])
        assert ask("status")["server"]["url"] == served["url"]
        assert ask("monitor")["alarm"] is False
        assert ask("retrain")["status"] == "nothing-to-do"
    finally:
        assert ask("deploy", "--stop")["stopped"]
        spec.write_text(before)
    assert not ask("deploy", "--stop")["stopped"]


def test_it_is_served_here_until_ctrl_c(project: Path, ask: Ask) -> None:
    ask("deploy", "--no-start")
    command = [sys.executable, "-m", "modelwright.cli.main", "serve", "--port", "0", "--json"]
    with subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines: list[str] = []
        while not lines or lines[-1] != "}\n":
            lines.append(process.stdout.readline())
            assert lines[-1], "it ended before it was ready"
        assert _answers(json.loads("".join(lines))["url"])
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert rest == ""


def test_what_comes_after_prepare_depends_on_whether_anything_learns_the_output(
    mw: Mw, project: Path, tmp_path: Path
) -> None:
    assert "next: mw issues, then mw train" in mw("run", "--to", "prepare", cwd=project).stdout
    assert "next: mw train" in mw("issues", "--kind", "corrupt", cwd=project).stdout
    rows = [f"{number},{number % 7},{'ab'[number % 2]}\n" for number in range(60)]
    (tmp_path / "data.csv").write_text("x,y,kind\n" + "".join(rows))
    (tmp_path / "modelwright.yaml").write_text("output: none\nsources: [{table: data.csv}]\n")
    said = mw("run", "--to", "prepare", cwd=tmp_path).stdout
    nothing = mw("issues", "--kind", "corrupt", cwd=tmp_path).stdout
    assert "next: mw issues, then mw explore, mw export (no model family learns this output)" in said
    assert "mw train" not in said + nothing
    assert json.loads(mw("status", "--json", cwd=tmp_path).stdout)["next"] == "mw issues"
