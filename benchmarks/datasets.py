"""Real data sets, written out as the raw files that a user would have.

The data are not part of the project. ``MODELWRIGHT_SHARED_DATA`` names the folder that holds them; a measure whose data
set is missing is reported as skipped.
"""

from __future__ import annotations

import gzip
import os
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

DATA = Path(os.environ.get("MODELWRIGHT_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))

ADULT_COLUMNS = [
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education-num",
    "marital-status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "capital-gain",
    "capital-loss",
    "hours-per-week",
    "native-country",
    "income",
]
WINE_COLUMNS = [
    "fixed_acidity",
    "volatile_acidity",
    "citric_acid",
    "residual_sugar",
    "chlorides",
    "free_sulfur_dioxide",
    "total_sulfur_dioxide",
    "density",
    "ph",
    "sulphates",
    "alcohol",
    "quality",
]


@dataclass(frozen=True)
class RealSet:
    """One data set as a project: the files it is made of and the spec a user would write."""

    name: str
    write: Callable[[Path], None]
    spec: str
    metric: str


def _unzip(archive: Path, folder: Path, suffix: str) -> None:
    """Copy the members that end with ``suffix`` into ``folder``, one by one, under their own class folder."""
    with zipfile.ZipFile(archive) as file:
        for member in file.infolist():
            parts = Path(member.filename).parts
            if member.is_dir() or not member.filename.lower().endswith(suffix) or ".." in parts:
                continue
            target = folder.joinpath(*parts[-2:])
            target.parent.mkdir(parents=True, exist_ok=True)
            with file.open(member) as source, target.open("wb") as out:
                shutil.copyfileobj(source, out)


def _flowers(folder: Path) -> None:
    _unzip(DATA / "flowers5/images.zip", folder / "photos", ".jpg")


def _tiles(folder: Path) -> None:
    _unzip(DATA / "magnetic-tile-defects/images.zip", folder / "tiles", ".jpg")


FASHION_CLASSES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle-boot")


def _idx(path: Path) -> np.ndarray:
    """Read a gzipped IDX file (LeCun's MNIST format): magic, dimensions, bytes."""
    with gzip.open(path) as file:
        data = file.read()
    dimensions = data[3]
    shape = np.frombuffer(data, ">u4", dimensions, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def _fashion(folder: Path) -> None:
    images = _idx(DATA / "fashion-mnist/train-images-idx3-ubyte.gz")[:12_000]
    labels = _idx(DATA / "fashion-mnist/train-labels-idx1-ubyte.gz")[:12_000]
    for name in FASHION_CLASSES:
        (folder / "clothes" / name).mkdir(parents=True, exist_ok=True)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        Image.fromarray(image).save(folder / "clothes" / FASHION_CLASSES[label] / f"{number:05d}.png")


def _adult(folder: Path) -> None:
    for name in ("adult-train.csv", "adult-test.csv"):
        with gzip.open(DATA / f"adult-income/{name}.gz") as source, (folder / name).open("wb") as out:
            shutil.copyfileobj(source, out)


def _copy(*names: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        for name in names:
            shutil.copy(DATA / name, folder / Path(name).name)

    return write


REAL_SETS = (
    RealSet(
        "titanic",
        _copy("titanic/titanic.csv"),
        "input: table\noutput: category\nlabel: Survived\nsources:\n  - table: titanic.csv\n",
        "accuracy",
    ),
    RealSet(
        "california-housing",
        _copy("california-housing/housing.csv"),
        "input: table\noutput: number\nlabel: median_house_value\nsources:\n  - table: housing.csv\n",
        "rmse",
    ),
    RealSet(
        "wine-quality",
        _copy("wine-quality/winequality-red.csv", "wine-quality/winequality-white.csv"),
        "input: table\noutput: number\nlabel: quality\nsources:\n"
        + "".join(
            f"  - table: winequality-{colour}.csv\n    columns: [{', '.join(WINE_COLUMNS)}]\n"
            for colour in ("red", "white")
        ),
        "rmse",
    ),
    RealSet(
        "adult-income",
        _adult,
        "input: table\noutput: category\nlabel: income\nsources:\n"
        f"  - table: adult-train.csv\n    columns: [{', '.join(ADULT_COLUMNS)}]\n    missing: ['?']\n",
        "accuracy",
    ),
    RealSet("flowers5", _flowers, "input: image\noutput: category\nsources:\n  - folder: photos/\n", "accuracy"),
    RealSet(
        "magnetic-tile-defects",
        _tiles,
        "input: image\noutput: category\nsources:\n  - folder: tiles/\nsplit: {by: group, group: 'num_([0-9]+)'}\n",
        "accuracy",
    ),
    RealSet(
        "fashion-mnist",
        _fashion,
        "input: image\noutput: category\nsources:\n  - folder: clothes/\n"
        "split: {train: 0.84, validation: 0.06, test: 0.1}\n",
        "accuracy",
    ),
)
