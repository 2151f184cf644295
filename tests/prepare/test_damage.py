"""Every source and format, damaged in every kind of way, in a process with little time and memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from modelwright import registry

from .damages import FORMS

CHILD = Path(__file__).with_name("damage_child.py")
CUTS = (0.0, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98)
KINDS = ("bits", "lost", "again", "over")
MEMORY = 512
"""Megabytes that reading a small damaged file may come to, libraries included."""
LIVE = {"camera", "feedback"}
"""Sources that have no file of their own: a camera, tested in test_video; labels of samples in the store."""


def outcomes(tmp_path: Path, form: str, damages: list[list[Any]]) -> tuple[list[dict[str, Any]], str]:
    """Run the child over damages of one form; return what came of each, and how the child ended."""
    root = tmp_path / "data"
    root.mkdir()
    job = FORMS[form](root) | {"damages": damages}
    (tmp_path / "job.json").write_text(json.dumps(job), "utf-8")
    done = subprocess.run(
        [sys.executable, str(CHILD), str(tmp_path / "job.json")],
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    last = lines[-1] if lines else {}
    ended = "" if done.returncode == 0 else f"exit status {done.returncode} at {last}: {done.stderr[-2000:]}"
    return [line for line in lines if "ended" in line], ended


def test_every_source_is_damaged() -> None:
    assert {form.partition(" ")[0] for form in FORMS} >= {"image", "audio", "text", "table", "series"}
    kinds = {"folder", "archive", "arrays", "coco", "labelstudio", "log", "manifest", "pairs", "series", "sql", "table"}
    assert kinds | {"video", "voc", "yolo"} | LIVE == set(registry.BUILT_IN["sources"])


@pytest.mark.parametrize("form", FORMS)
def test_damage_is_an_issue_or_a_clear_error(tmp_path: Path, form: str) -> None:
    few = form.startswith("video")
    damages: list[list[Any]] = [["as it is", 0], *(["cut", share] for share in (CUTS[1::3] if few else CUTS))]
    damages += [[kind, seed] for seed in range(1 if few else 3) for kind in KINDS]
    found, ended = outcomes(tmp_path, form, damages)
    assert not ended
    assert [each for each in found if each["wrong"]] == []
    assert len(found) == len(damages)
    assert found[0]["items"]
    assert max(each["megabytes"] for each in found) < MEMORY
