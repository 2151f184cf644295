"""Small real projects: data on disk, prepared and trained by the real steps."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from modelwright.prepare import prepare
from modelwright.spec import Spec, load
from modelwright.store import Artifact, Store
from modelwright.store.dataset import Dataset
from modelwright.train import train


@dataclass(frozen=True)
class Made:
    spec: Spec
    store: Store
    dataset: Dataset
    model: Artifact


SPECS = {
    "image": "input: image\noutput: category\nsources: [{folder: photos/}]\ntrain: {models: [logistic]}",
    "category": "input: table\noutput: category\nlabel: kind\nsources: [{table: data.csv}]\n"
    "train: {models: [logistic]}",
    "number": "input: table\noutput: number\nlabel: price\nsources: [{table: data.csv}]\ntrain: {models: [ridge]}",
}


def make(root: Path, kind: str, accept: str = "{}") -> Made:
    """Write data, prepare and train. ``kind``: image, category (a table), number (a table)."""
    root.mkdir(parents=True, exist_ok=True)
    write_photos(root / "photos") if kind == "image" else write_table(root / "data.csv", kind)
    text = f"name: little-{kind}\nproblem: Which <one> is it?\n{SPECS[kind]}\naccept: {accept}\n"
    (root / "modelwright.yaml").write_text(text, encoding="utf-8")
    spec = load(root / "modelwright.yaml")
    store = Store.open(root / ".modelwright")
    dataset = prepare(spec, store, key=None)
    return Made(spec, store, dataset, train(spec, dataset, store))


def write_photos(folder: Path) -> None:
    """Write noisy pictures of three sizes: a bar that lies, one that stands, and a square."""
    generator = np.random.default_rng(0)
    for number in range(150):
        height, width = ((20, 20), (24, 18), (18, 30))[number % 3]
        kind = ("lying", "standing", "square")[number // 3 % 3]
        pixels = generator.integers(0, 90, (height, width, 3), dtype=np.uint8)
        y, x = generator.integers(2, height // 2 - 1), generator.integers(2, width // 2 - 1)
        h, w = {"lying": (4, width // 2), "standing": (height // 2, 4), "square": (9, 9)}[kind]
        pixels[y : y + h, x : x + w] = generator.integers(170, 255, 3)
        (folder / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / kind / f"{number}.png")


def write_table(path: Path, kind: str) -> None:
    """Write rows with numbers, a category, and missing values of both."""
    generator = np.random.default_rng(0)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["area", "rooms", "town", "kind" if kind == "category" else "price"])
        for _ in range(400):
            area, rooms = generator.normal(100, 30), int(generator.integers(1, 7))
            town = str(generator.choice(["Köln", "Bonn", "Aachen"]))
            worth = area * 2 + 10 * rooms + (60 if town == "Köln" else 0) + generator.normal(0, 8)
            label = ("cheap", "dear")[int(worth > 250)] if kind == "category" else f"{worth:.2f}"
            shown = [f"{area:.3f}", rooms, town]
            rows.writerow(["" if generator.random() < 0.04 else value for value in shown] + [label])
