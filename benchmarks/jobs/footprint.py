"""What an installation weighs: the runtime alone, and with the server; and that neither brings training's libraries."""

from __future__ import annotations

import subprocess
from pathlib import Path

from benchmarks.environments import clean_environment, empty, ours
from benchmarks.measure import Record, alone

NOT_THERE = ("torch", "pyarrow", "sklearn", "lightgbm", "pandas")
SITE = "import sysconfig; print(sysconfig.get_path('purelib'))"


def _site(python: Path) -> Path:
    done = subprocess.run(
        [str(python), "-c", SITE], check=True, env=clean_environment(), capture_output=True, text=True
    )
    return Path(done.stdout.strip())


def _megabytes(folder: Path) -> float:
    """Return what the files below ``folder`` take on the disk, in MB (10⁶ bytes), compiled files included."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*") if not path.is_dir()) / 1e6


def run(_: int) -> list[Record]:
    """Weigh both installations, less what an empty environment has (pip)."""
    nothing = _megabytes(_site(empty()))
    records = []
    for extra, words, most in (("", "pip install modelwright", 165), ("serve", "pip install modelwright[serve]", 210)):
        site = _site(ours(extra))
        found = [name for name in NOT_THERE if (site / name).exists()]
        if found:
            raise RuntimeError(f"{words} brought {', '.join(found)}")
        records.append(
            alone(
                "footprint",
                "runtime" if not extra else "runtime and server",
                [_megabytes(site) - nothing],
                unit="MB",
                goal=f"≤ {most} MB",
                met=lambda size, most=most: size <= most,  # type: ignore[misc]
                command=words,
                note=f"on disk, byte code included, without pip; none of {', '.join(NOT_THERE)}",
            )
        )
    return records
