"""The convnet's training throughput against a bare PyTorch loop of the same net on tensors in memory."""

from __future__ import annotations

import json
import subprocess

from benchmarks.environments import PEERS, clean_environment, ours
from benchmarks.measure import Record, compare


def run(pairs: int) -> list[Record]:
    """Let both train one epoch in turn, in one process."""
    done = subprocess.run(
        [str(ours("all")), str(PEERS / "bare_loop.py"), str(pairs)],
        check=True,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    bare = [found["count"] / row["bare"] for row in found["rounds"]]
    records = []
    for name, words, goal in (
        ("plain", "without augmentation", "≥ 0.95 ×"),
        ("augmented", "with augmentation", "≥ 0.95 ×"),
    ):
        records.append(
            compare(
                "training",
                f"convnet fit, {words} / bare PyTorch loop",
                [found["count"] / row[name] for row in found["rounds"]],
                bare,
                unit="pictures/s",
                goal=goal,
                met=lambda ratio: ratio >= 0.95,
                command="mw train",
                note=f"{found['count']} pictures of 28 × 28, batches of 64, 2 threads, the same net and optimiser",
            )
        )
    return records
