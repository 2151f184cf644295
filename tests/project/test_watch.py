"""``mw monitor --watch`` in a process of its own: the loop closes with nobody there, and a signal ends it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from . import looping
from .making import call

pytestmark = pytest.mark.slow


def _watching(project: Path, *more: str, out: IO[str] | int = subprocess.PIPE) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "modelwright.cli.main", "monitor", "--watch", "--every", "1s", *more],
        cwd=project,
        stdout=out,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_loop_closes_by_itself(tmp_path: Path) -> None:
    project = looping.begin(tmp_path / "plant", looping.draw("number", 700, 0))
    shifted = looping.draw("number", 220, 2, shifted=True)
    with looping.serving(project) as client:
        former = client.predict(shifted[0][0])["package"]
        watching = _watching(project.path)
        try:
            truths = looping.send(client, shifted)
            looping.label(project, client, truths, 200)
            client.wait_for_another(former, shifted[0][0], patience=60)
            time.sleep(1.5)  # the look goes on to the end of its round
        finally:
            watching.send_signal(signal.SIGTERM)
            out, err = watching.communicate(timeout=30)
        assert watching.returncode == 0, err
        lines = out.splitlines()
        assert any("drift over" in line and "temperature rose" in line for line in lines), lines
        assert [line for line in lines if "promoted " in line], lines
        assert "Traceback" not in err
        champion = project.store.deployments.champion("server")
        assert champion is not None
        assert champion["by"] == "auto"


def test_a_signal_ends_it_cleanly_and_errors_do_not(tmp_path: Path) -> None:
    project = looping.begin(tmp_path / "plant", looping.draw("category", 300, 0))
    assert call("monitor", "--watch", cwd=project.path).error("nothing-deployed")
    assert call("monitor", "--every", "5s", cwd=project.path).error("usage")
    assert call("monitor", "--watch", "--every", "soon", cwd=project.path).error("usage")
    project.deploy(start=False)
    said = tmp_path / "said.json"
    with said.open("w") as out:
        watching = _watching(project.path, "--json", out=out)
        state = project.store.root / "state" / "monitor-server.json"
        _wait_for(lambda: '"time"' in said.read_text())
        state.parent.mkdir(exist_ok=True)
        state.write_text("{}")
        _wait_for(lambda: '"code"' in said.read_text())
        watching.send_signal(signal.SIGINT)
        watching.communicate(timeout=30)
    assert watching.returncode == 0
    looks = json.loads(said.read_text())["looks"]
    assert looks[0]["error"] is None
    assert looks[-1]["error"]["code"]


def _wait_for(holds: Callable[[], bool], patience: float = 40.0) -> None:
    end = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)
