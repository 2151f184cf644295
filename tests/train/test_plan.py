"""Decisions of the plan: pure, each with its reason."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.errors import InputError, SpecError
from modelwright.models.base import Task, family
from modelwright.spec import Spec
from modelwright.tasks.base import target
from modelwright.train import plan

SpecOf = Callable[..., Spec]


def test_the_metric_is_the_specs_or_the_first_quality_that_accept_asks_for(spec_of: SpecOf) -> None:
    category = target("category")
    assert plan.metric_of(spec_of("table", "category"), category).name == "f1_macro"
    asked = spec_of("table", "category", accept='{latency_p95_ms: "<= 30", auc_roc: ">= 0.9", accuracy: ">= 0.5"}')
    assert plan.metric_of(asked, category).name == "auc_roc"
    named = spec_of("table", "category", "{metric: log_loss}", '{accuracy: ">= 0.5"}')
    found = plan.metric_of(named, category)
    assert (found.name, found.higher) == ("log_loss", False)
    assert found.better(0.1, 0.2)


def test_a_metric_loss_or_family_of_another_task_is_a_mistake(spec_of: SpecOf) -> None:
    with pytest.raises(SpecError, match="metric"):
        plan.metric_of(spec_of("table", "category", "{metric: accuracy}"), target("number"))
    with pytest.raises(SpecError, match="loss"):
        plan.loss_of(spec_of("table", "category", "{loss: focal}"), target("number"))
    with pytest.raises(SpecError, match="convnet"):
        plan.family_names(spec_of("table", "category", "{models: [convnet]}"), "table", "category", 100)


def test_the_baseline_is_always_there(spec_of: SpecOf) -> None:
    assert plan.family_names(spec_of("table", "category", "{models: [boosting]}"), "table", "category", 100) == [
        "baseline",
        "boosting",
    ]
    assert plan.family_names(spec_of("image", "category"), "image", "category", 100_000) == ["baseline", "convnet"]


def test_first_choices_come_first_and_the_warm_one_starts_there() -> None:
    task = Task("table", "category", 2, 100, (4,))
    found = plan.candidates([(family(name), task) for name in ("boosting", "logistic")], ("boosting", "d" * 64))
    assert [each.family for each in found] == ["boosting", "logistic", "boosting", "logistic"]
    assert [each.warm is not None for each in found] == [True, False, False, False]


def test_trials_are_the_seeds() -> None:
    task = Task("table", "category", 2, 100, (4,))
    one, two, other = (plan.trial_candidates(family("boosting"), task, 5, seed) for seed in (1, 1, 2))
    assert one == two
    assert one != other
    assert plan.trial_candidates(family("baseline"), task, 5, 1) == []


def test_class_weights_are_none_balanced_or_gentle() -> None:
    truth = np.repeat([0, 1], [90, 10])
    assert plan.class_weights("none", truth, 2, "f1_macro")[0] is None
    assert plan.class_weights("auto", truth, 2, "accuracy")[0] is None
    gentle, why = plan.class_weights("auto", truth, 2, "f1_macro")
    balanced, _ = plan.class_weights("balanced", truth, 2, "accuracy")
    assert gentle is not None
    assert balanced is not None
    assert "9.0 times" in why
    assert balanced[-1] / balanced[0] == pytest.approx(9)
    assert gentle[-1] / gentle[0] == pytest.approx(3)
    assert gentle.mean() == pytest.approx(1)


def test_folds_are_the_specs_or_come_where_validation_is_too_small(spec_of: SpecOf) -> None:
    assert plan.fold_count(spec_of("image", "category", "{folds: 4}"), "image", 100, 10)[0] == 4
    assert plan.fold_count(spec_of("table", "category"), "table", 1000, 100)[0] == 5
    assert plan.fold_count(spec_of("table", "category"), "table", 10_000, 1000)[0] == 0
    assert plan.fold_count(spec_of("image", "category"), "image", 1000, 100)[0] == 0


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 20)), min_size=10, max_size=80), st.integers(2, 5))
def test_no_group_straddles_two_folds(samples: list[tuple[int, int]], folds: int) -> None:
    truth = np.array([label for label, _ in samples])
    groups = [None if group == 0 else group for _, group in samples]
    dealt = plan.deal(truth, groups, folds, seed=1)
    assert dealt.min() >= 0
    assert dealt.max() < folds
    for group in set(groups) - {None}:
        assert len({int(fold) for fold, other in zip(dealt, groups, strict=True) if other == group}) == 1


def test_one_fold_is_no_cross_validation() -> None:
    with pytest.raises(InputError, match="at least 2"):
        plan.deal(np.zeros(4), [None] * 4, 1, 0)
