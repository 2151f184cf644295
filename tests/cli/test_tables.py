"""``mw explore FILE``: a page about any table, from any folder."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from modelwright.cli.look import REPORTS
from modelwright.cli.tables import _pages
from modelwright.errors import InputError

Mw = Callable[..., subprocess.CompletedProcess[str]]


def table(path: Path) -> Path:
    path.write_text("fruit,grams\napple,120\npear,\napple,99.5\napple,120\n", encoding="utf-8")
    return path


def test_a_table_has_a_page_without_a_project(mw: Mw, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    table(tmp_path / "in" / "t.csv")
    done = mw("explore", "in/t.csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "4 rows, 2 columns" in done.stdout
    page = tmp_path / "t.csv.html"
    assert str(page) in done.stdout
    drawn = page.read_text(encoding="utf-8")
    assert "grams" in drawn
    assert "<script" not in drawn
    mw("explore", "in/t.csv", "--output", "again.html", cwd=tmp_path)
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == drawn


def test_figures_of_several_as_json(mw: Mw, tmp_path: Path) -> None:
    table(tmp_path / "a.csv"), table(tmp_path / "b.csv")
    (tmp_path / "pages").mkdir()
    done = mw("explore", "a.csv", "b.csv", "--output", "pages", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    first, second = json.loads(done.stdout)["profiles"]
    assert (first["name"], second["name"]) == ("a.csv", "b.csv")
    assert (first["rows"], first["copies"], first["columns"][1]["numbers"]["mean"]) == (
        4,
        1,
        pytest.approx(113.1666667),
    )
    assert Path(second["page"]) == tmp_path / "pages" / "b.csv.html"
    assert Path(second["page"]).is_file()


def test_mistakes_are_said(mw: Mw, tmp_path: Path) -> None:
    done = mw("explore", "modle", "--json", cwd=tmp_path)
    assert done.returncode == 2
    assert "did you mean 'model'?" in done.stdout + done.stderr
    assert mw("explore", "--sheet", "a", cwd=tmp_path).returncode == 2
    path = table(tmp_path / "a.csv")
    assert mw("explore", str(path), "--split", "test", cwd=tmp_path).returncode == 2
    with pytest.raises(InputError, match="is the table itself"):
        _pages([str(path)], path, REPORTS)
    with pytest.raises(InputError, match="must be a folder"):
        _pages([str(path), str(tmp_path)], tmp_path / "none", REPORTS)


def test_pages_of_files_of_one_name_are_kept_apart(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    sources = [str(table(tmp_path / folder / "t.csv")) for folder in ("a", "b")]
    assert [path.name for path in _pages(sources, tmp_path, REPORTS)] == ["1-t.csv.html", "2-t.csv.html"]
    assert _pages(["sqlite:///x/d.db"], None, REPORTS)[0].name == "d.db.html"
