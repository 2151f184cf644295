"""Environments of their own, ours and the peers', made once from pinned versions."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORK = Path(__file__).resolve().parent / "work"
PEERS = Path(__file__).resolve().parent / "peers"


def _make(name: str, stamp: str, installs: list[list[str]]) -> Path:
    folder = WORK / "environments" / name
    done = folder / ".made"
    python = folder / "bin" / "python"
    if done.exists() and done.read_text() == stamp:
        return python
    print(f"making the environment {name!r} …", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    for arguments in installs:
        subprocess.run(
            [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "install", *arguments], check=True
        )
    # A user's first run compiles too; both sides start from compiled files.
    subprocess.run([str(python), "-m", "compileall", "-q", str(folder / "lib")], check=False, stdout=subprocess.DEVNULL)
    done.write_text(stamp)
    return python


def _tree(folder: Path) -> Path:
    """Copy what an installation is built from; built in place, it would mix with what earlier builds left behind."""
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    return folder


def ours(extra: str = "all") -> Path:
    """Return the Python of a clean environment with Modelwright and one extra, installed from this tree.

    Where only our own source has changed since, only that is installed anew.
    """
    constraints = ["--constraint", str(ROOT / "constraints.txt")]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = (ROOT / "constraints.txt").read_text() + repr(project) + extra
    stamp = hashlib.sha256(asked.encode()).hexdigest()
    source = "".join(f"{path}{path.stat().st_mtime_ns}" for path in sorted((ROOT / "src").rglob("*.py")))
    name = f"modelwright-{extra or 'base'}"
    with tempfile.TemporaryDirectory() as folder:
        tree = str(_tree(Path(folder)))
        installs = [[*constraints, f"{tree}[{extra}]" if extra else tree]]
        if extra in {"all", "train"}:
            installs.insert(0, [*constraints, "--no-deps", "torch"])
        python = _make(name, stamp, installs)
        installed = WORK / "environments" / name / ".source"
        if not installed.exists() or installed.read_text() != source:
            pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
            subprocess.run([*pip, "--no-deps", "--force-reinstall", tree], check=True)
            installed.write_text(source)
    return python


def empty() -> Path:
    """Return the Python of an environment with nothing in it but pip, to weigh the others against."""
    return _make("empty", "", [])


def peer(name: str) -> Path:
    """Return the Python of the peer whose pinned requirements are ``benchmarks/peers/<name>.txt``."""
    requirements = PEERS / f"{name}.txt"
    return _make(name, requirements.read_text(), [["--requirement", str(requirements)]])


def clean_environment() -> dict[str, str]:
    """Return the variables that a measured process is given: none that change Python's or OpenMP's ways."""
    keep = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**keep, "OMP_WAIT_POLICY": "passive"}
