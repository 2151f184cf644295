"""Every registered modality and target keeps its contract."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from modelwright import registry
from modelwright.spec.vocabulary import METRICS
from modelwright.tasks import base
from modelwright.testing import labels
from modelwright.testing import modality as modalities
from modelwright.testing import target as targets


@pytest.mark.parametrize("check", modalities.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", modalities.built_in())
def test_modality(name: str, check: modalities.Check) -> None:
    case = modalities.case(name)
    if check.__name__ in case.skips:
        pytest.skip(case.skips[check.__name__])
    check(case)


@pytest.mark.parametrize("check", targets.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", targets.built_in())
def test_target(name: str, check: targets.Check) -> None:
    case = targets.case(name)
    if check.__name__ in case.skips:
        pytest.skip(case.skips[check.__name__])
    check(case)


@pytest.mark.parametrize("check", labels.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", labels.built_in())
def test_labels(name: str, check: Callable[[labels.LabelsCase], None]) -> None:
    case = labels.case(name)
    if check.__name__ in case.skips:
        pytest.skip(case.skips[check.__name__])
    check(case)


@pytest.mark.parametrize("name", labels.built_in())
def test_what_nothing_learns_says_so(name: str) -> None:
    labels.check_training_says_that_it_cannot(name)


@pytest.mark.parametrize("name", targets.built_in())
def test_the_spec_accepts_only_metrics_that_the_target_reports(name: str) -> None:
    assert set(METRICS[name]) <= set(base.target(name).higher_is_better)


def test_names_are_those_of_the_registry() -> None:
    for name in registry.names("modalities"):
        assert base.modality(name).name == name
    for name in registry.names("targets"):
        assert base.labels(name).name == name
