"""A project in a temporary folder, and pictures to put in it."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from modelwright import spec as specs
from modelwright.prepare import prepare
from modelwright.progress import Progress
from modelwright.store import Store
from modelwright.store.dataset import Dataset


class Listener:
    """Keeps what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def begin(self, what: str, total: int | None = None) -> None:
        del what, total

    def advance(self, units: int = 1, note: str = "") -> None:
        del units, note

    def say(self, message: str) -> None:
        self.said.append(message)


class Project:
    """A folder with a spec and a store."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = Store.open(root / ".modelwright")
        self.listener = Listener()

    def spec(self, text: str) -> specs.Spec:
        (self.root / "modelwright.yaml").write_text(text, "utf-8")
        return specs.load(self.root / "modelwright.yaml")

    def prepare(self, text: str, parent: Dataset | None = None) -> Dataset:
        listener: Progress = self.listener
        return prepare(self.spec(text), self.store, parent=parent, progress=listener)


def picture(seed: int, size: tuple[int, int] = (96, 80), kind: str = "JPEG", quality: int = 90) -> bytes:
    """Return a picture of random blobs: every seed another one, none like another."""
    random = np.random.default_rng(seed)
    small = random.integers(0, 255, (7, 7, 3), np.uint8)
    image = Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)
    fine = random.normal(0, 12, (size[1], size[0], 3))
    image = Image.fromarray(np.clip(np.asarray(image) + fine, 0, 255).astype(np.uint8))
    out = io.BytesIO()
    image.save(out, kind, quality=quality)
    return out.getvalue()


def issues(dataset: Dataset, kind: str | None = None) -> list[dict[str, object]]:
    rows = dataset.issues().to_pylist()
    return [row for row in rows if kind is None or row["kind"] == kind]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "project"
    root.mkdir()
    return Project(root)


@pytest.fixture
def photos(project: Project) -> Path:
    """Two classes of twenty pictures."""
    for name, start in (("apple", 0), ("pear", 100)):
        folder = project.root / "photos" / name
        folder.mkdir(parents=True)
        for number in range(20):
            (folder / f"{number:02}.jpg").write_bytes(picture(start + number))
    return project.root / "photos"


Make = Callable[[str], Dataset]
