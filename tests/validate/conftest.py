"""Packaged projects to validate, made by the packaging tests' helper."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from modelwright.package import package
from modelwright.validate import validate


@pytest.fixture(scope="session")
def projects() -> ModuleType:
    path = Path(__file__).parents[1] / "package" / "projects.py"
    spec = importlib.util.spec_from_file_location("modelwright_test_projects", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session", params=["image", "category", "number"])
def packaged(request: pytest.FixtureRequest, projects: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = projects.make(tmp_path_factory.mktemp(request.param) / "project", request.param)
    return made, package(made.spec, made.dataset, made.model, made.store)


@pytest.fixture(scope="session")
def number(projects: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = projects.make(tmp_path_factory.mktemp("one") / "project", "number")
    return made, package(made.spec, made.dataset, made.model, made.store)


@pytest.fixture(scope="session")
def report(packaged: Any) -> Any:
    """Return the report artifact of ``packaged``."""
    made, artifact = packaged
    return validate(made.spec, made.dataset, made.model, artifact, made.store)
