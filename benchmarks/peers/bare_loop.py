"""The convnet's training against a bare PyTorch loop of the same net, in one process, in turn. Prints JSON.

Run in Modelwright's own environment: ``python bare_loop.py PAIRS``. The bare loop is the least that trains: tensors in
memory, indexed by a random permutation, forward, backward, step; no augmentation, schedule or validation. Ours is
the family's ``fit`` as ``mw train`` calls it, reading uint8 pictures from a memory map, once with its augmentation and
once without.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

COUNT, SIDE, CLASSES, BATCH, THREADS = 4096, 28, 10, 64, 2


def main() -> None:
    from modelwright.engine.threads import settle_openmp

    settle_openmp()
    import torch

    from modelwright.models import convnet_layers
    from modelwright.models.base import FitContext, Fold, Task, family

    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pictures.npy"
        np.save(path, random.integers(0, 256, (COUNT, SIDE, SIDE, 1), dtype=np.uint8).repeat(3, axis=3))
        pictures = np.load(path, mmap_mode="r")
        truth = random.integers(0, CLASSES, COUNT)
        task = Task("image", "category", CLASSES, COUNT, (SIDE, SIDE, 3))
        convnet = family("convnet")
        params = {**convnet.candidates(task)[0], "epochs": 1, "batch": BATCH}
        still = {**params, "augment": dict.fromkeys(params["augment"], 0.0)}
        few = Fold(pictures[:8], truth[:8])

        def ours(settings: dict) -> float:
            context = FitContext(seed=0, loss="cross-entropy", threads=THREADS)
            fitted = convnet.fit(Fold(pictures, truth), few, task, settings, context)
            return sum(entry["seconds"] for entry in fitted.history.curve)

        torch.set_num_threads(THREADS)
        layers = convnet_layers.plan(SIDE, int(params["width"]))
        network = convnet_layers.module(layers, 1, CLASSES, [0.5], [0.3]).to(memory_format=torch.channels_last)
        optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)
        x = torch.from_numpy(np.ascontiguousarray(pictures[..., :1])).permute(0, 3, 1, 2).float() / 255
        x = x.contiguous(memory_format=torch.channels_last)
        y = torch.from_numpy(truth)

        def bare() -> float:
            torch.set_num_threads(THREADS)
            started = time.monotonic()
            network.train()
            for index in torch.randperm(COUNT).split(BATCH):
                optimiser.zero_grad(set_to_none=True)
                torch.nn.functional.cross_entropy(network(x[index]), y[index]).backward()
                optimiser.step()
            return time.monotonic() - started

        rounds = []
        for number in range(int(sys.argv[1]) + 1):
            row = {"augmented": ours(params), "bare": bare(), "plain": ours(still)}
            if number:  # the first warms up
                rounds.append(row)
    print(json.dumps({"count": COUNT, "rounds": rounds}))


if __name__ == "__main__":
    main()
