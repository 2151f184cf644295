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


def _mebibytes(folder: Path, *, byte_code: bool) -> float:
    """Return what the files below ``folder`` take on the disk, in MiB, as ``du -m`` counts."""
    return (
        sum(
            path.lstat().st_blocks * 512
            for path in folder.rglob("*")
            if not path.is_dir() and (byte_code or path.suffix != ".pyc")
        )
        / 2**20
    )


def run(_: int) -> list[Record]:
    """Weigh both installations, less what an empty environment has (pip)."""
    nothing = _site(empty())
    records = []
    for extra, words, most in (("", "pip install modelwright", 165), ("serve", "pip install modelwright[serve]", 210)):
        site = _site(ours(extra))
        found = [name for name in NOT_THERE if (site / name).exists()]
        if found:
            raise RuntimeError(f"{words} brought {', '.join(found)}")
        name = "runtime and server" if extra else "runtime"
        for byte_code, command in ((False, words.replace("install", "install --no-compile")), (True, words)):
            size = _mebibytes(site, byte_code=byte_code) - _mebibytes(nothing, byte_code=byte_code)
            records.append(
                alone(
                    "footprint",
                    f"{name}, {'with' if byte_code else 'without'} byte code",
                    [size],
                    unit="MiB",
                    goal=f"≤ {most} MiB",
                    met=lambda size, most=most: size <= most,  # type: ignore[misc]
                    command=command,
                    note=f"on disk, without pip; none of {', '.join(NOT_THERE)}",
                )
            )
    return records
