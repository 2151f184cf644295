"""The peer of the label benchmark, the whole way: pictures → a convnet in k folds → cleanlab → issues.

What a careful user of cleanlab writes: a small convolutional network in PyTorch (six 3 × 3 layers, batch norm, shift
and mirror augmentation, one-cycle learning rate), trained anew on each of five folds, and ``find_label_issues`` on its
out-of-fold probabilities. Runs in its own environment::

    python cleanlab_convnet.py PICTURES_FOLDER LABELS.csv COLUMN EPOCHS out.npz

Prints one JSON line: wall and processor seconds from the first picture read to the issues listed.
"""

import csv
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from cleanlab.filter import find_label_issues
from PIL import Image
from torch import nn

FOLDS = 5
BATCH = 128


def network(classes: int) -> nn.Module:
    """Return the network: 32 × 32 → 16 → 8 → classes, 0.3 million weights."""

    def layer(inputs: int, outputs: int) -> list[nn.Module]:
        return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]

    return nn.Sequential(
        *layer(3, 32), *layer(32, 32), nn.MaxPool2d(2),
        *layer(32, 64), *layer(64, 64), nn.MaxPool2d(2),
        *layer(64, 128), *layer(128, 128), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Dropout(0.3), nn.Linear(128, classes),
    )  # fmt: skip


def shaken(batch: torch.Tensor) -> torch.Tensor:
    """Return the batch shifted by up to four pixels, and half of it mirrored."""
    padded = nn.functional.pad(batch, (4, 4, 4, 4), mode="reflect")
    down, right = (int(each) for each in torch.randint(0, 9, (2,)))
    moved = padded[:, :, down : down + 32, right : right + 32]
    mirror = torch.rand(len(batch)) < 0.5
    return torch.where(mirror[:, None, None, None], moved.flip(3), moved)


def fit(pictures: torch.Tensor, labels: torch.Tensor, classes: int, epochs: int) -> nn.Module:
    """Train one network."""
    model = network(classes)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.05)
    steps = epochs * (len(pictures) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=steps)
    model.train()
    for _ in range(epochs):
        order = torch.randperm(len(pictures))
        for start in range(0, len(order) - BATCH + 1, BATCH):
            mine = order[start : start + BATCH]
            loss = nn.functional.cross_entropy(model(shaken(pictures[mine])), labels[mine])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def main(folder: str, table: str, column: str, epochs: str, out: str) -> None:
    """Go the whole way."""
    torch.manual_seed(0)
    wall, processor = time.perf_counter(), time.process_time()
    with Path(table).open() as file:
        rows = list(csv.DictReader(file))
    labels = np.array([int(row[column]) for row in rows])
    pixels = np.stack([np.asarray(Image.open(Path(folder) / row["file"]).convert("RGB")) for row in rows])
    pictures = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
    folds = np.random.default_rng(0).permutation(len(labels)) % FOLDS
    classes = int(labels.max()) + 1
    probabilities = np.zeros((len(labels), classes), np.float32)
    for fold in range(FOLDS):
        train = torch.from_numpy(np.flatnonzero(folds != fold))
        model = fit(pictures[train], torch.from_numpy(labels)[train], classes, int(epochs))
        with torch.no_grad():
            held_out = np.flatnonzero(folds == fold)
            both = (model(pictures[held_out]) + model(pictures[held_out].flip(3))) / 2
            probabilities[held_out] = both.softmax(1).numpy()
    listed = find_label_issues(labels, probabilities, return_indices_ranked_by="self_confidence")
    taken = {"seconds": time.perf_counter() - wall, "processor_seconds": time.process_time() - processor}
    np.savez(out, probabilities=probabilities, listed=listed)
    print(json.dumps(taken))


if __name__ == "__main__":
    main(*sys.argv[1:6])
