"""The newcomer's command: the whole loop with a real server, every figure from the run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from modelwright.cli.demo import MARK


def demo(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "modelwright.cli.main", "demo", str(folder), *arguments],
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_the_loop_closes(tmp_path: Path) -> None:
    """WHY: this is the promise that the README makes first."""
    done = demo(tmp_path / "demo", "--json")
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
    accuracy = found["accuracy"]
    assert accuracy["during"]["high"] < accuracy["before"]["low"]
    assert accuracy["after"]["low"] > accuracy["during"]["high"]
    assert found["drift"]["alarm"]
    assert found["drift"]["pictures"] <= 300
    assert found["retrain"]["status"] == "promoted"
    assert found["retrain"]["comparison"]["p_value"] < 0.05
    assert found["requests"]["failed"] == 0
    assert found["requests"]["during_retraining"] > 0
    assert found["found"]["truncated"]["found"] == found["found"]["truncated"]["there"]
    assert found["found"]["duplicated"]["found"] == found["found"]["duplicated"]["there"]
    for path in found["reports"].values():
        assert Path(path).is_file()


def test_a_strangers_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    done = demo(tmp_path)
    assert done.returncode == 2
    assert "not an earlier demo's" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    assert not (tmp_path / MARK).exists()
