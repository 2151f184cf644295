"""Near-duplicates planted among real photos: how many are found, and how many different photos are called the same.

Of each of the 200 photos of ``flowers5`` one changed copy is planted, in four data sets of their own: encoded anew
(quality 30 to 90), resized (50 to 150 %), cropped (5 % of each side, anywhere), brightened (-20 to +20 %). What counts
are the pairs of ``mw prepare``'s ``near-duplicate`` issues: right if both come from the same photo. cleanvision, the
peer, is given the same folders; its near-duplicate sets count pair by pair.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from benchmarks.datasets import DATA
from benchmarks.environments import WORK, clean_environment, ours, peer
from benchmarks.measure import Record

COMMAND = "python -m benchmarks --jobs likeness"
GOAL = 0.98

OURS = """
import json, sys
import modelwright
from pyarrow import parquet
project = modelwright.open(sys.argv[1])
project.prepare()
dataset = project.store.artifacts.latest("dataset")
rows = parquet.read_table(dataset.path("issues.parquet")).to_pylist()
near = [row for row in rows if row["kind"] == "near-duplicate"]
pairs = [(row["path"].partition("/")[2], json.loads(row["evidence"])["other"]) for row in near]
print("RESULT" + json.dumps(pairs))
"""
CLEANVISION = """
import json, os, sys
from cleanvision import Imagelab
lab = Imagelab(data_path=sys.argv[1], verbose=False)
lab.find_issues({"near_duplicates": {}, "exact_duplicates": {}}, verbose=False)
sets = lab.info["near_duplicates"]["sets"]
names = [[os.path.relpath(each, sys.argv[1]) for each in one] for one in sets]
print("RESULT" + json.dumps([(one[0], other) for one in names for other in one[1:]]))
"""


def _encoded(picture: Image.Image, quality: int = 92) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return file.getvalue()


def _anew(picture: Image.Image, random: np.random.Generator) -> bytes:
    return _encoded(picture, int(random.integers(30, 91)))


def _resized(picture: Image.Image, random: np.random.Generator) -> bytes:
    factor = random.uniform(0.5, 1.5)
    size = (round(picture.width * factor), round(picture.height * factor))
    return _encoded(picture.resize(size, Image.Resampling.LANCZOS))


def _cropped(picture: Image.Image, random: np.random.Generator) -> bytes:
    wide, high = picture.width * 0.05, picture.height * 0.05
    left, top = random.uniform(0, wide), random.uniform(0, high)
    box = (round(left), round(top), round(left + picture.width - wide), round(top + picture.height - high))
    return _encoded(picture.crop(box))


def _brightened(picture: Image.Image, random: np.random.Generator) -> bytes:
    return _encoded(ImageEnhance.Brightness(picture).enhance(random.uniform(0.8, 1.2)))


WAYS: Mapping[str, Callable[[Image.Image, np.random.Generator], bytes]] = {
    "encoded anew": _anew,
    "resized": _resized,
    "cropped": _cropped,
    "brightened": _brightened,
}


def planted(folder: Path, way: str, seed: int = 0) -> dict[str, str]:
    """Write the photos and a changed copy of each; return the digest of the photo behind each file's name."""
    shutil.rmtree(folder, ignore_errors=True)
    random = np.random.default_rng(seed)
    origin = {}
    with zipfile.ZipFile(DATA / "flowers5" / "images.zip") as photos:
        for name in sorted(each for each in photos.namelist() if each.endswith(".jpg")):
            raw = photos.read(name)
            with Image.open(io.BytesIO(raw)) as picture:
                changed = WAYS[way](picture.convert("RGB"), random)
            for place, data in ((name, raw), (f"{name[:-4]}-changed.jpg", changed)):
                target = folder / "photos" / place.removeprefix("images/")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
                origin[str(target.relative_to(folder / "photos"))] = sha256(raw).hexdigest()
    (folder / "modelwright.yaml").write_text("input: image\noutput: category\nsources:\n  - folder: photos/\n")
    return origin


def judged(pairs: list[tuple[str, str]], origin: Mapping[str, str]) -> tuple[int, int]:
    """Return how many changed copies are paired with their photo (or its equal), and how many pairs are wrong."""
    found, wrong = set(), 0
    for pair in pairs:
        if origin[pair[0]] != origin[pair[1]]:
            wrong += 1
            continue
        found |= {name for name in pair if name.endswith("-changed.jpg")}
    return len(found), wrong


def _asked(python: Path, code: str, argument: Path) -> list[tuple[str, str]]:
    done = subprocess.run(
        [str(python), "-c", code, str(argument)], check=True, env=clean_environment(), capture_output=True, text=True
    )
    (line,) = [each for each in done.stdout.splitlines() if each.startswith("RESULT")]
    return [(one, other) for one, other in json.loads(line.removeprefix("RESULT"))]


def _f1(found: int, wrong: int, count: int) -> float:
    return 2 * found / (count + found + wrong)


def run(pairs: int) -> list[Record]:  # noqa: ARG001 - nothing here is timed
    """Plant, look, judge; one record a way of changing and one of all together."""
    python, other = ours("all"), peer("cleanvision")
    records, sums = [], np.zeros((2, 3), np.int64)
    for way in WAYS:
        folder = WORK / "likeness" / way.replace(" ", "-")
        origin = planted(folder, way)
        count = len(origin) // 2
        mine = (*judged(_asked(python, OURS, folder), origin), count)
        theirs = (*judged(_asked(other, CLEANVISION, folder / "photos"), origin), count)
        sums += np.array([mine, theirs])
        records.append(_record(way, mine, theirs))
    records.append(_record("all", (*map(int, sums[0]),), (*map(int, sums[1]),)))  # type: ignore[arg-type]
    return records


def _record(way: str, mine: tuple[int, int, int], theirs: tuple[int, int, int]) -> Record:
    figure, peers = _f1(*mine), _f1(*theirs)
    found, wrong, count = mine
    return Record(
        "likeness",
        f"near-duplicates, {way}: F1, ours / cleanvision",
        figure,
        peers,
        "F1",
        round(figure / peers, 3) if peers else None,
        None,
        None,
        f"≥ {GOAL}",
        figure >= GOAL,
        1,
        COMMAND,
        note=f"ours: {found} of {count} found, {wrong} wrong pairs; cleanvision: {theirs[0]} found, {theirs[1]} wrong",
    )
