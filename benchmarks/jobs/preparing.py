"""Pictures per second of a pass over 5,000 JPEGs, alone and within ``mw prepare``, beside peers and a limit.

- *the pass*: read, hash, decode check, quality figures, near-duplicate hash, as prepare does it, start-up included;
- *mw prepare*: the whole process, with splits, learned schema and report; as it comes, and without the search for
  label errors, which the peers do not have either;
- *the limit*: nothing but the entropy decoding of the same files on all cores: JPEGs decoded in grey at an eighth of
  their size, which leaves next to nothing but Huffman codes to do.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from benchmarks.environments import WORK, clean_environment, ours, peer
from benchmarks.measure import Record, compare, in_turn, seconds
from modelwright.engine.here import map_ordered
from modelwright.engine.threads import usable_cores

COUNT = 5000
SIZE = (1280, 720)
COMMAND = "python -m benchmarks --jobs preparing"

HANDFULS = """
import sys
from pathlib import Path
from modelwright.engine.here import map_ordered
from modelwright.engine.threads import usable_cores
def run(work):
    files = sorted(Path(sys.argv[1]).rglob("*.jpg"))
    handfuls = [files[start : start + 6] for start in range(0, len(files), 6)]
    for _ in map_ordered(work, handfuls, usable_cores(), 4 * usable_cores()):
        pass
"""
LIMIT = (
    HANDFULS
    + """
import io
from PIL import Image
def work(paths):
    for path in paths:
        picture = Image.open(io.BytesIO(path.read_bytes()), formats=("JPEG",))
        picture.draft("L", (picture.width // 8, picture.height // 8))
        picture.load()
run(work)
"""
)
PASS = (
    HANDFULS
    + """
from modelwright.engine.memory import keep_freed
from modelwright.prepare.scan import Eye
from modelwright.tasks.base import modality
keep_freed()
eye = Eye(modality("image"))
run(lambda paths: eye.scan_many([path.read_bytes() for path in paths]))
"""
)
PREPARE = """
import sys
import modelwright
modelwright.open(sys.argv[1]).prepare()
"""
CLEANVISION = """
import sys
from cleanvision import Imagelab
lab = Imagelab(data_path=sys.argv[1], verbose=False)
lab.find_issues(verbose=False)
"""
FASTDUP = """
import sys, tempfile
import fastdup
with tempfile.TemporaryDirectory() as folder:
    fastdup.create(input_dir=sys.argv[1], work_dir=folder).run(print_summary=False, verbose=False)
"""
SPEC = "input: image\noutput: category\nsources:\n  - folder: photos/\n"
WITHOUT = "clean:\n  review: []\n"


def _bases(random: np.random.Generator) -> NDArray[np.uint8]:
    """Return forty pictures of 1/f noise."""
    made = []
    for _ in range(40):
        layers = np.zeros((SIZE[1], SIZE[0], 3), np.float32)
        for octave in range(5):
            cells = (6 * 2**octave, 10 * 2**octave)
            noise = random.normal(0, 255 / 2 ** (octave + 1), (*cells, 3))
            layer = Image.fromarray(np.clip(noise + 128, 0, 255).astype(np.uint8)).resize(
                SIZE, Image.Resampling.BICUBIC
            )
            layers += np.asarray(layer, np.float32) - 128
        made.append(np.clip(layers + 128, 0, 255).astype(np.uint8))
    return np.stack(made)


def pictures(folder: Path) -> Path:
    """Write photo-like JPEGs (two of forty pictures of 1/f noise, moved and mixed; noise; quality 90), once."""
    target = folder / "photos"
    done = folder / f".made-{COUNT}"
    if done.exists():
        return target
    shutil.rmtree(folder, ignore_errors=True)
    random = np.random.default_rng(0)
    bases = _bases(random).astype(np.int16)
    grain = random.normal(0, 6, (2 * SIZE[1], 2 * SIZE[0], 3)).astype(np.int16)
    for name in ("a", "b"):
        (target / name).mkdir(parents=True)
    for _ in map_ordered(partial(_write, target, bases, grain), range(COUNT), usable_cores()):
        continue
    done.touch()
    return target


def _write(target: Path, bases: NDArray[np.int16], grain: NDArray[np.int16], number: int) -> None:
    """Write one picture; which one follows from its number alone."""
    random = np.random.default_rng([1, number])
    one, other = (
        np.roll(bases[each], (int(random.integers(SIZE[1])), int(random.integers(SIZE[0]))), (0, 1))
        for each in random.choice(len(bases), 2, replace=False)
    )
    top, left = int(random.integers(SIZE[1])), int(random.integers(SIZE[0]))
    mixed = one + other - 128 + grain[top : top + SIZE[1], left : left + SIZE[0]]
    picture = Image.fromarray(np.clip(mixed, 0, 255).astype(np.uint8))
    place = target / ("a" if number % 2 else "b") / f"{number:05d}.jpg"
    picture.filter(ImageFilter.GaussianBlur(0.6)).save(place, quality=90)


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


def _prepare(python: Path, folder: Path, spec: str) -> float:
    """Time prepare from nothing: the store is removed before each round."""
    shutil.rmtree(folder / ".modelwright", ignore_errors=True)
    (folder / "modelwright.yaml").write_text(spec)
    return _python(python, PREPARE, folder)


def run(pairs: int) -> list[Record]:
    """Compare whole processes, start-up included on both sides."""
    folder = WORK / "preparing"
    target = pictures(folder)
    python = ours("all")
    alone = partial(_python, python, PASS, target)
    whole = partial(_prepare, python, folder, SPEC)
    without = partial(_prepare, python, folder, SPEC + WITHOUT)
    vision = partial(_python, peer("cleanvision"), CLEANVISION, target)
    limit = partial(_python, python, LIMIT, target)
    records = [
        _compared("the pass / entropy decoding alone, all cores", alone, limit, pairs, 0.6),
        _compared("the pass / cleanvision", alone, vision, 5, 10.0),
        _compared("mw prepare without label check / cleanvision", without, vision, 5, 10.0),
        _compared("mw prepare / cleanvision", whole, vision, 5, 10.0),
    ]
    try:
        fastdup = peer("fastdup")
    except subprocess.CalledProcessError:
        return records  # it has no package for this Python or processor
    records.append(_compared("the pass / fastdup", alone, partial(_python, fastdup, FASTDUP, target), 5, 4.0))
    return records


def _compared(name: str, mine: Callable[[], float], other: Callable[[], float], pairs: int, least: float) -> Record:
    first, second = in_turn(mine, other, pairs, warmup=0)
    return compare(
        "preparing",
        name,
        [COUNT / each for each in first],
        [COUNT / each for each in second],
        unit="pictures/s",
        goal=f"≥ {least:g} ×",
        met=lambda ratio: ratio >= least,
        command=COMMAND,
        note=f"{COUNT} JPEGs of {SIZE[0]} × {SIZE[1]}, whole processes",
    )
