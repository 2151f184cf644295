"""Pictures per second of a pass over 5,000 JPEGs, alone and within ``mw prepare``, beside peers and a limit.

- *the pass*: read, hash, decode check, quality figures, near-duplicate hash, as prepare does it, start-up included;
- *mw prepare*: the whole process, with splits, learned schema and report; as it comes, and without the search for
  label errors, which the peers do not have either;
- *the limit*: nothing but the entropy decoding of the same files on all cores: JPEGs decoded in grey at an eighth of
  their size, which leaves next to nothing but Huffman codes to do.

Ours are whole processes over all pictures, start-up included. The peers take minutes for that: they get a part of the
pictures, in the same rounds, and their start-up is taken off. ``MODELWRIGHT_PREPARING_FILES`` asks for fewer pictures.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from benchmarks.environments import WORK, clean_environment, ours, peer
from benchmarks.measure import Record, compare, seconds
from modelwright.engine.here import map_ordered
from modelwright.engine.threads import usable_cores

COUNT = int(os.environ.get("MODELWRIGHT_PREPARING_FILES", "5000"))
PEER_COUNT = min(COUNT, 1000)
"""Pictures that the peers are given, which take minutes for all."""
SLOW_ROUNDS = 3
"""Rounds in which everything is measured; further ones are of the pass and its limit."""
QUICK = ("limit", "the pass")
SIZE = (1280, 720)
COMMAND = "python -m benchmarks --jobs preparing"

HANDFULS = """
import sys
from pathlib import Path
from modelwright.engine.here import map_ordered
from modelwright.engine.threads import usable_cores
def run(work):
    files = sorted(Path(sys.argv[1]).rglob("*.jpg"))
    handfuls = [files[start : start + 12] for start in range(0, len(files), 12)]
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
from modelwright.prepare.scan.eye import Eye
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
    done = folder / ".made"
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


def _rate(python: Path, code: str, several: Path, few: Path) -> float:
    """Return a peer's pictures per second, its start-up taken off: the time for the few pictures of another folder."""
    counts = [sum(1 for _ in folder.rglob("*.jpg")) for folder in (several, few)]
    return (counts[0] - counts[1]) / (_python(python, code, several) - _python(python, code, few))


def _part(target: Path, folder: Path, count: int) -> Path:
    """Return a folder with links to ``count`` evenly spaced pictures."""
    part = folder / f"part-{count}"
    if not part.exists():
        files = sorted(target.rglob("*.jpg"))
        part.mkdir()
        for place in np.linspace(0, len(files) - 1, min(count, len(files))).astype(int).tolist():
            os.link(files[place], part / files[place].name)
    return part


def _sides(folder: Path) -> dict[str, Callable[[], float]]:
    """Return what is measured: each returns pictures per second."""
    target = pictures(folder)
    several, few = _part(target, folder, PEER_COUNT), _part(target, folder, 20)
    python = ours("all")
    sides: dict[str, Callable[[], float]] = {
        "limit": lambda: COUNT / _python(python, LIMIT, target),
        "the pass": lambda: COUNT / _python(python, PASS, target),
        "mw prepare": lambda: COUNT / _prepare(python, folder, SPEC),
        "mw prepare without label check": lambda: COUNT / _prepare(python, folder, SPEC + WITHOUT),
        "cleanvision": partial(_rate, peer("cleanvision"), CLEANVISION, several, few),
    }
    try:
        sides["fastdup"] = partial(_rate, peer("fastdup"), FASTDUP, several, few)
    except subprocess.CalledProcessError:
        print("no fastdup for this Python or processor: left out", file=sys.stderr)
    return sides


def run(pairs: int) -> list[Record]:
    """Measure all sides in turn, round by round; the slow ones in the first three rounds only."""
    sides = _sides(WORK / f"preparing-{COUNT}")
    found: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(pairs):
        order = [name for name in sides if number < SLOW_ROUNDS or name in QUICK]
        for name in order[:: -1 if number % 2 else 1]:
            found[name].append(sides[name]())
            print(f"  round {number + 1}: {name}: {found[name][-1]:.4g}/s", file=sys.stderr, flush=True)
    records = [_compared("the pass / entropy decoding alone, all cores", found["the pass"], found["limit"], 0.6)]
    records += [
        _compared(f"{name} / cleanvision", found[name], found["cleanvision"], 10.0)
        for name in ("the pass", "mw prepare without label check", "mw prepare")
    ]
    if "fastdup" in found:
        records.append(_compared("the pass / fastdup", found["the pass"], found["fastdup"], 4.0))
    return records


def _compared(name: str, first: list[float], second: list[float], least: float) -> Record:
    rounds = min(len(first), len(second))
    return compare(
        "preparing",
        name,
        first[:rounds],
        second[:rounds],
        unit="pictures/s",
        goal=f"≥ {least:g} ×",
        met=lambda ratio: ratio >= least,
        command=COMMAND,
        note=f"{COUNT} JPEGs of {SIZE[0]} × {SIZE[1]}, whole processes; peers {PEER_COUNT} of them, start-up taken off",
    )
