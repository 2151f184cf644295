"""Environments of their own, ours and the peers', made once from pinned versions."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
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


def ours(extra: str = "all") -> Path:
    """Return the Python of a clean environment with Modelwright and one extra, installed from this tree."""
    constraints = ROOT / "constraints.txt"
    source = "".join(str(p.stat().st_mtime_ns) for p in sorted((ROOT / "src").rglob("*.py")))
    stamp = hashlib.sha256((constraints.read_text() + extra + source).encode()).hexdigest()
    target = f"{ROOT}[{extra}]" if extra else str(ROOT)
    installs = [["--constraint", str(constraints), target]]
    if extra in {"all", "train"}:
        installs.insert(0, ["--constraint", str(constraints), "--no-deps", "torch"])
    return _make(f"modelwright-{extra or 'base'}", stamp, installs)


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
