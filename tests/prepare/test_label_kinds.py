"""Planted wrong labels of every kind, on every kind of input that has no such test elsewhere: found through prepare.

Synthetic mistakes are easier than people's; these tests say that the check works, and nothing about how well.
"""

from __future__ import annotations

import csv
import io
import json
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .conftest import Project, issues

COUNT, WRONG = 240, 12
Traits = dict[str, bool]
TRAITS = ("fast", "loud", "rising")
WORDS = {
    "fast": "race sprint rapid hurry speed quick dash rush fleet brisk",
    "loud": "bang shout thunder roar noise blast clang boom yell scream",
    "rising": "climb ascend soar lift grow mount upward hill tower peak",
}
PLAIN = [
    "the",
    "house",
    "and",
    "garden",
    "were",
    "near",
    "a",
    "quiet",
    "street",
    "where",
    "people",
    "met",
    "on",
    "work",
]


def wave_of(traits: Traits, random: np.random.Generator, steps: int) -> np.ndarray:
    """Return a wave that is fast, loud or rising, as its traits say, and never twice the same."""
    time = np.arange(steps) / steps
    speed = random.uniform(14, 20) if traits["fast"] else random.uniform(3, 6)
    size = random.uniform(0.5, 0.8) if traits["loud"] else random.uniform(0.1, 0.2)
    shape = 0.2 + time if traits["rising"] else 1.2 - time
    turned = np.sin(2 * np.pi * (speed * time * (8 if steps > 1000 else 1) + random.random()))
    return size * shape * turned + random.normal(0, 0.02, steps)


def sound(traits: Traits, random: np.random.Generator) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes((np.clip(wave_of(traits, random, 4000), -1, 1) * 30000).astype("<i2").tobytes())
    return out.getvalue()


def sequence(traits: Traits, random: np.random.Generator) -> bytes:
    values = wave_of(traits, random, 80)
    return ("flow,heat\n" + "".join(f"{value:.4f},{random.normal(20, 1):.3f}\n" for value in values)).encode()


def text(traits: Traits, random: np.random.Generator) -> bytes:
    words = [*random.choice(PLAIN, 14)]
    for name, there in traits.items():
        words += list(random.choice(WORDS[name].split(), 4 if there else 0))
    return " ".join(map(str, random.permutation(words))).encode()


def number_of(traits: Traits) -> float:
    return 10.0 * traits["fast"] + 4.0 * traits["loud"]


def said(kind: str, traits: Traits) -> str:
    """Return the label of a sample: its speed, a number, or what it is."""
    if kind == "category":
        return "fast" if traits["fast"] else "slow"
    return str(number_of(traits)) if kind == "number" else ";".join(name for name in TRAITS if traits[name]) or "none"


def planted(kind: str, traits: Traits, random: np.random.Generator) -> str:
    """Return a label that is wrong in one thing."""
    if kind == "number":
        return str(number_of(traits) + random.choice([-1, 1]) * 60)
    name = "fast" if kind == "category" else str(random.choice(TRAITS))
    return said(kind, {**traits, name: not traits[name]})


def world(root: Path, make: Callable[[Traits, np.random.Generator], bytes], kind: str, ending: str) -> set[str]:
    """Write samples and a table of their labels; return the names of those whose label is wrong."""
    random = np.random.default_rng(11)
    bad = set(random.choice(COUNT, WRONG, replace=False).tolist())
    (root / "samples").mkdir()
    with (root / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "label"])
        for place in range(COUNT):
            traits = {name: bool(random.random() < 0.45) for name in TRAITS}
            (root / "samples" / f"{place:03}{ending}").write_bytes(make(traits, random))
            label = planted(kind, traits, random) if place in bad else said(kind, traits)
            table.writerow([f"{place:03}{ending}", label])
    return {f"{place:03}{ending}" for place in bad}


MANIFEST = "input: {0}\noutput: {1}\nsources: [{{manifest: labels.csv, folder: samples, path: file, label: label}}]\n"
SERIES = "input: {0}\noutput: {1}\nsources: [{{series: samples, labels: ../labels.csv}}]\n"
CASES: dict[str, tuple[str, Any, str, str]] = {
    "series category": (SERIES, sequence, ".csv", "category"),
    "series number": (SERIES, sequence, ".csv", "number"),
    "series tags": (SERIES, sequence, ".csv", "tags"),
    "text tags": (MANIFEST, text, ".txt", "tags"),
    "audio tags": (MANIFEST, sound, ".wav", "tags"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_planted_labels_are_found(name: str, project: Project) -> None:
    spec, make, ending, kind = CASES[name]
    bad = world(project.root, make, kind, ending)
    spec = spec.format(name.partition(" ")[0], kind).replace("../labels.csv", str(project.root / "labels.csv"))
    dataset = project.prepare(spec)
    facts = dataset.meta["label_check"]
    assert "skipped" not in facts, facts
    assert facts["samples"] >= 0.95 * COUNT
    assert facts["folds"]["astride"] == 0
    found = {str(each["path"]).rpartition("/")[2] for each in issues(dataset, "mislabelled")}
    most = 4 if kind == "number" else WRONG  # of numbers 2 % are listed at most
    least = 0.45 if name == "series tags" else 0.7  # what "rising" is does not show in the features of series
    assert len(found & bad) >= least * most, (sorted(found), sorted(bad))
    assert len(found & bad) >= 0.6 * len(found)
    for each in issues(dataset, "mislabelled"):
        assert json.loads(str(each["evidence"]))["given"] != json.loads(str(each["evidence"]))["suggested"]
