"""Samples compared by the model in production: none at first, then the champion's last layer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from modelwright.project import open_project
from modelwright.store.dataset import Dataset

pytestmark = pytest.mark.slow
SPEC = """input: image
sources: [folder: pictures]
clean: {{embeddings: model}}
split: {{test: 0.3}}
train: {{models: [{family}], budget: 20s}}
"""


class Said:
    """Keeps what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def begin(self, what: str, total: int | None = None) -> None:
        del what, total

    def advance(self, units: int = 1, note: str = "") -> None:
        del units, note

    def say(self, message: str) -> None:
        self.lines.append(message)


def stripes(root: Path) -> None:
    """Write 60 pictures of stripes, upright (and brighter) or level, of random phase, width and noise."""
    for number in range(60):
        random = np.random.default_rng(number)
        across = np.sin(np.arange(32) / random.uniform(1.5, 2.5) + random.uniform(0, 6))
        field = np.tile(across, (32, 1)) if number % 2 else np.tile(across, (32, 1)).T
        field = 110 + 40 * (number % 2) + 50 * field + random.normal(0, 25, (32, 32))
        place = root / "pictures" / ("upright" if number % 2 else "level")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.clip(field, 0, 255).astype(np.uint8)).save(place / f"{number}.png")


@pytest.mark.parametrize(("family", "embeds"), [("logistic", True), ("boosting", False)])
def test_the_champion_says_what_is_alike(family: str, embeds: bool, tmp_path: Path) -> None:
    stripes(tmp_path)
    (tmp_path / "modelwright.yaml").write_text(SPEC.format(family=family))
    first, then = Said(), Said()
    project = open_project(tmp_path)
    result = project.run(progress=first)
    assert any("light features, since no model of this project is in production yet" in line for line in first.lines)
    assert all(step.status == "cached" for step in open_project(tmp_path).run().steps)
    project.deploy(start=False)
    again = open_project(tmp_path).run(to="prepare", progress=then)
    (step,) = again.steps
    assert step.status == "ran"
    assert step.artifact is not None
    dataset = Dataset(project.store, project.store.artifacts.open(step.artifact, "dataset"))
    champion = project.store.deployments.champion(project.target)
    assert champion is not None
    if embeds:
        assert dataset.meta["embeddings"]["samples"] == 60
        assert any(f"the model in production ({champion['package'][:12]})" in line for line in then.lines)
        assert "random patches" in dataset.meta["label_check"]["how"]  # the champion saw these labels: it is no judge
    else:
        assert any("light features, since of the model in production: " in line
                   for line in then.lines), then.lines  # fmt: skip
        assert dataset.digest == result.steps[0].artifact
    assert all(step.status == "cached" for step in open_project(tmp_path).run(to="prepare").steps)
