"""Projects that several tests look at; each is made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelwright.package import package
from modelwright.store import Artifact

from .projects import Made, make

Packaged = tuple[Made, Artifact]


@pytest.fixture(scope="session", params=["image", "category", "number"])
def packaged(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Packaged:
    made = make(tmp_path_factory.mktemp(request.param) / "project", request.param)
    return made, package(made.spec, made.dataset, made.model, made.store)


@pytest.fixture(scope="session")
def number(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make(tmp_path_factory.mktemp("one") / "project", "number")


@pytest.fixture(scope="session")
def formats() -> Path:
    return Path(__file__).parent / "formats"
