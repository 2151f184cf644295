"""Pictures per second through prepare's pass, against a bare decode loop and cleanvision, on the same folder."""

from __future__ import annotations

import shutil
import subprocess
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from benchmarks.environments import WORK, clean_environment, ours, peer
from benchmarks.measure import Record, compare, in_turn, seconds

COUNT = 600
SIZE = (1280, 720)

DECODE = """
import sys
from pathlib import Path
from PIL import Image
for path in sorted(Path(sys.argv[1]).rglob("*.jpg")):
    with Image.open(path) as picture:
        picture.convert("RGB").load()
"""
PREPARE = """
import sys
from pathlib import Path
import modelwright
modelwright.open(sys.argv[1]).prepare()
"""
CLEANVISION = """
import sys
from cleanvision import Imagelab
lab = Imagelab(data_path=sys.argv[1], verbose=False)
lab.find_issues(verbose=False)
"""


def pictures(folder: Path) -> Path:
    """Write photo-like JPEGs (1/f noise over blurred shapes, quality 90) in two classes, once."""
    target = folder / "photos"
    if (folder / ".made").exists():
        return target
    shutil.rmtree(folder, ignore_errors=True)
    random = np.random.default_rng(0)
    for number in range(COUNT):
        layers = np.zeros((SIZE[1], SIZE[0], 3), np.float32)
        for octave in range(5):
            cells = (6 * 2**octave, 10 * 2**octave)
            noise = random.normal(0, 255 / 2 ** (octave + 1), (*cells, 3))
            layer = Image.fromarray(np.clip(noise + 128, 0, 255).astype(np.uint8)).resize(
                SIZE, Image.Resampling.BICUBIC
            )
            layers += np.asarray(layer, np.float32) - 128
        layers += random.normal(0, 6, layers.shape)
        name = "a" if number % 2 else "b"
        (target / name).mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(np.clip(layers + 128, 0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.6))
        picture.save(target / name / f"{number:05d}.jpg", quality=90)
    (folder / ".made").touch()
    return target


def _python(python: Path, code: str, argument: Path) -> float:
    return seconds(
        lambda: subprocess.run(
            [str(python), "-c", code, str(argument)],
            check=True,
            env=clean_environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    )


def _prepare(python: Path, folder: Path) -> float:
    """Time prepare from nothing: the store is removed before each round."""
    shutil.rmtree(folder / ".modelwright", ignore_errors=True)
    return _python(python, PREPARE, folder)


def run(pairs: int) -> list[Record]:
    """Compare whole processes, start-up included on both sides."""
    folder = WORK / "preparing"
    target = pictures(folder)
    (folder / "modelwright.yaml").write_text("input: image\noutput: category\nsources:\n  - folder: photos/\n")
    python = ours("all")
    note = f"{COUNT} JPEGs of {SIZE[0]} × {SIZE[1]}, whole processes"
    prepare = partial(_prepare, python, folder)
    records = []
    for name, other, goal, least in (
        ("bare Pillow decode loop, one thread", partial(_python, python, DECODE, target), "≥ 0.6 ×", 0.6),
        ("cleanvision", partial(_python, peer("cleanvision"), CLEANVISION, target), "≥ 10 ×", 10.0),
    ):
        first, second = in_turn(prepare, other, 5 if name == "cleanvision" else pairs)
        records.append(
            compare(
                "preparing",
                f"mw prepare / {name}",
                [COUNT / s for s in first],
                [COUNT / s for s in second],
                unit="pictures/s",
                goal=goal,
                met=lambda r, least=least: r >= least,  # type: ignore[misc]
                command="mw prepare",
                note=note,
            )
        )
    return records
