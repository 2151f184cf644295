"""Pictures with words of ``features`` through the whole loop, and step by step on the dataset's page."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow
from tests.project.serving import package_of

from modelwright.project import Project, open_project
from modelwright.runtime.predictor import Predictor

pytestmark = pytest.mark.slow
KINDS = ("lying", "standing")
WORDS = ["median", "edges", "normalise"]


def stick(kind: str, seed: int) -> NDArray[np.uint8]:
    """Return a stick in light that differs by far more than the stick does, with specks."""
    random = np.random.default_rng([seed, KINDS.index(kind)])
    image = np.full((30, 30), random.uniform(40, 200))
    place = int(random.integers(8, 20))
    image[place : place + 3, 4:26] += random.choice([-25, 25])
    image[random.integers(0, 30, 12), random.integers(0, 30, 12)] = random.choice([0, 255])
    image = image if kind == "lying" else image.T
    tint = random.uniform(0.8, 1.0, 3)
    return np.clip(image[..., None] * tint, 0, 255).astype(np.uint8)


def png(image: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(image).save(file, "PNG")
    return file.getvalue()


def write(folder: Path, settings: str) -> Project:
    for kind in KINDS:
        (folder / "photos" / kind).mkdir(parents=True)
        for number in range(60):
            (folder / "photos" / kind / f"{number}.png").write_bytes(png(stick(kind, number)))
    (folder / "modelwright.yaml").write_text(f"input: image\nsources: [folder: photos]\n{settings}")
    return open_project(folder)


@pytest.fixture(scope="module")
def sticks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Any]:
    """A project whose words are given in another order than they run in, and what its run returned."""
    project = write(
        tmp_path_factory.mktemp("sticks"),
        "features: [normalise, edges, median]\nsplit: {test: 0.3}\ntrain: {models: [logistic]}\n",
    )
    return project, project.run(to="validate")


def test_words_are_learned_with_packaged_and_proven(sticks: tuple[Project, Any]) -> None:
    project, result = sticks
    assert result.report["parity"]["passed"]
    assert result.report["metrics"]["f1_macro"]["value"] > 0.8
    with package_of(project) as reader:
        predictor = Predictor(reader)
        assert predictor.check_golden().passed
        raws = [png(stick(kind, 1000 + number)) for kind in KINDS for number in range(20)]
        answers = [answer["label"] for answer in predictor.predict(raws)]
    assert sum(answer == KINDS[number // 20] for number, answer in enumerate(answers)) >= 36


def test_every_step_is_shown_before_and_after(sticks: tuple[Project, Any]) -> None:
    project, _ = sticks
    made = project.explore()
    found = re.search(r'<section[^>]*id="what-a-model-sees".*?</section>', Path(made["path"]).read_text(), re.DOTALL)
    assert found is not None
    assert made["figures"]["stages"] == ["resize", *WORDS]
    captions = re.findall(r"<figcaption>([^<]*)</figcaption>", found[0])
    assert len(captions) % 5 == 0
    assert captions[:5] == ["before", "resize", *WORDS]
    pictures = re.findall(r'src="data:image/[^"]+"', found[0])
    assert len(pictures) == len(set(pictures)) == len(captions), "each word changes what it is given"
    for number, word in enumerate(["resize", *WORDS], 1):
        assert f"{number}. {word}" in found[0]
