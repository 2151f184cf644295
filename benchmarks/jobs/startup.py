"""How long a user waits for the command line: ``mw --help``, and a ``mw run`` with nothing to do."""

from __future__ import annotations

import shutil
import subprocess
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.environments import WORK, clean_environment, ours, peer
from benchmarks.measure import Record, alone, compare, in_turn, seconds


def _run(command: list[str], folder: Path) -> float:
    return seconds(
        lambda: subprocess.run(
            command,
            check=True,
            cwd=folder,
            env=clean_environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    )


def _project(mw: str) -> Path:
    """Make a project of 1,000 small pictures in two classes and run it once, so that there is nothing left to do."""
    folder = WORK / "startup" / "project"
    shutil.rmtree(folder, ignore_errors=True)
    random = np.random.default_rng(0)
    for name in ("dark", "light"):
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(500):
            level = 60 if name == "dark" else 160
            picture = random.integers(level, level + 60, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(picture).save(folder / "photos" / name / f"{number}.png")
    (folder / "modelwright.yaml").write_text(
        "input: image\noutput: category\nsources:\n  - folder: photos/\ntrain: {models: [baseline, logistic]}\n"
    )
    subprocess.run([mw, "run"], check=True, cwd=folder, env=clean_environment(), stdout=subprocess.DEVNULL)
    return folder


def _dvc_project(python: Path) -> Path:
    folder = WORK / "startup" / "dvc"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "in.txt").write_text("a\n")
    (folder / "dvc.yaml").write_text(
        "stages:\n  copy:\n    cmd: cp in.txt out.txt\n    deps: [in.txt]\n    outs: [out.txt]\n"
    )
    dvc = str(python.parent / "dvc")
    for command in ([dvc, "init", "--no-scm", "-q"], [dvc, "repro", "-q"]):
        subprocess.run(command, check=True, cwd=folder, env=clean_environment())
    return folder


def _snakemake_project(python: Path) -> Path:
    folder = WORK / "startup" / "snakemake"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "in.txt").write_text("a\n")
    (folder / "Snakefile").write_text(
        "rule copy:\n    input: 'in.txt'\n    output: 'out.txt'\n    shell: 'cp {input} {output}'\n"
    )
    subprocess.run([str(python.parent / "snakemake"), "-q", "-c1"], check=True, cwd=folder, env=clean_environment())
    return folder


def run(pairs: int) -> list[Record]:
    """Measure start-up against bare Python, and the no-op run against dvc and snakemake."""
    python = ours("all")
    mw = str(python.parent / "mw")
    here = WORK
    pairs = max(pairs, 15)  # processes of a few milliseconds: more rounds cost little
    records = []
    first, second = in_turn(
        partial(_run, [mw, "--help"], here), partial(_run, [str(python), "-c", "pass"], here), pairs
    )
    records.append(
        compare(
            "startup",
            "mw --help / python -c pass",
            first,
            second,
            unit="s",
            goal="≤ 8 ×",
            met=lambda r: r <= 8,
            command="mw --help",
        )
    )
    project = _project(mw)
    dvc, snakemake = peer("dvc"), peer("snakemake")
    peers = {
        "dvc repro": partial(_run, [str(dvc.parent / "dvc"), "repro", "-q"], _dvc_project(dvc)),
        "snakemake": partial(_run, [str(snakemake.parent / "snakemake"), "-q", "-c1"], _snakemake_project(snakemake)),
    }
    noop = partial(_run, [mw, "run"], project)
    figures: list[float] = []
    for name, other in peers.items():
        first, second = in_turn(noop, other, pairs)
        figures += first
        records.append(
            compare(
                "startup",
                f"no-op mw run / {name}",
                first,
                second,
                unit="s",
                goal="< 1 ×",
                met=lambda r: r < 1,
                command="mw run",
            )
        )
    records.append(
        alone(
            "startup",
            "no-op mw run",
            figures,
            unit="s",
            goal="≤ 0.25 s",
            met=lambda s: s <= 0.25,
            command="mw run",
            note="1,000 pictures",
        )
    )
    return records
