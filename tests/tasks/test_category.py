"""Categories: figures against scikit-learn's, calibration, and odd labels."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as sk

from modelwright.errors import InputError
from modelwright.tasks.base import UndecodableError
from modelwright.tasks.targets.category import Category
from modelwright.tasks.targets.category_metrics import Figures
from modelwright.testing.modality import session

CATEGORY = Category()


def sample(count: int, classes: int, seed: int, gain: float = 1.5) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    random = np.random.default_rng(seed)
    shares = random.dirichlet(np.full(classes, 2.0))
    truth = random.choice(classes, count, p=shares)
    scores = random.normal(0, 1, (count, classes))
    scores[np.arange(count), truth] += gain
    return truth, scores.astype(np.float32)


def schema(classes: int) -> dict[str, Any]:
    return CATEGORY.learn([f"k{place:03d}" for place in range(classes)])


def reference(truth: NDArray[np.int64], probabilities: NDArray[np.float64]) -> dict[str, float]:
    """Compute the figures with scikit-learn."""
    k = probabilities.shape[1]
    predicted = probabilities.argmax(1)
    figures = {
        "accuracy": sk.accuracy_score(truth, predicted),
        "balanced_accuracy": sk.recall_score(
            truth, predicted, labels=np.unique(truth), average="macro", zero_division=0
        ),
        "precision_macro": sk.precision_score(truth, predicted, average="macro", zero_division=0),
        "recall_macro": sk.recall_score(truth, predicted, average="macro", zero_division=0),
        "f1_macro": sk.f1_score(truth, predicted, average="macro", zero_division=0),
        "f1_weighted": sk.f1_score(truth, predicted, average="weighted", zero_division=0),
        "log_loss": sk.log_loss(truth, np.clip(probabilities, 1.2e-7, 1 - 1.2e-7), labels=range(k)),
    }
    hits = np.eye(k)[truth]
    figures["brier"] = ((probabilities - hits) ** 2).sum(1).mean() / (2 if k == 2 else 1)
    if len(np.unique(truth)) > 1:
        if k == 2:
            figures["auc_roc"] = sk.roc_auc_score(truth, probabilities[:, 1])
        else:
            each = [sk.roc_auc_score(truth == c, probabilities[:, c]) for c in np.unique(truth)]
            figures["auc_roc"] = float(np.mean(each))
    return figures


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("count", "classes"), [(500, 2), (2500, 5), (2500, 2), (12, 3), (60, 40), (1, 2), (3, 2)])
def test_figures_are_those_of_scikit_learn(count: int, classes: int, seed: int) -> None:
    truth, scores = sample(count, classes, seed)
    outputs = CATEGORY.outputs(scores, schema(classes), {})
    found = CATEGORY.metrics(truth, outputs, schema(classes))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns about labels that occur on one side only
        wanted = reference(truth, outputs["probabilities"].astype(float))
    assert set(wanted) == set(found) - {"ece"}
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, rel=1e-5, abs=1e-6), name


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 6), st.integers(0, 10**6))
def test_ties_count_half_in_the_auc(classes: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, 40)
    raw = random.integers(1, 4, (40, classes)).astype(np.float64)
    probabilities = raw / raw.sum(1, keepdims=True)
    found = CATEGORY.metrics(truth, {"probabilities": probabilities}, schema(classes))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert found["auc_roc"] == pytest.approx(reference(truth, probabilities)["auc_roc"], abs=1e-9)


def test_the_calibration_error_is_as_defined() -> None:
    probabilities = np.array([[0.95, 0.05], [0.95, 0.05], [0.3, 0.7], [0.3, 0.7]])
    found = CATEGORY.metrics(np.array([0, 1, 1, 1]), {"probabilities": probabilities}, schema(2))
    assert found["ece"] == pytest.approx((2 * abs(0.95 - 0.5) + 2 * abs(0.7 - 1.0)) / 4)


def test_the_bootstrap_is_that_of_a_plain_loop() -> None:
    truth, scores = sample(200, 4, 7)
    outputs = CATEGORY.outputs(scores, schema(4), {})
    fast = CATEGORY.bootstrap(truth, outputs, schema(4), np.random.default_rng(5), 50)
    drawn = np.random.default_rng(5).integers(0, 200, (50, 200), dtype=np.int64)
    for place, indices in enumerate(drawn):
        part = {name: values[indices] for name, values in outputs.items()}
        for name, value in CATEGORY.metrics(truth[indices], part, schema(4)).items():
            assert fast[name][place] == pytest.approx(value, rel=1e-4, abs=1e-6), name


def test_a_large_bootstrap_is_done_in_blocks() -> None:
    truth, scores = sample(5000, 3, 8)
    outputs = CATEGORY.outputs(scores, schema(3), {})
    drawn = CATEGORY.bootstrap(truth, outputs, schema(3), np.random.default_rng(0), 1000)
    accuracy = CATEGORY.metrics(truth, outputs, schema(3))["accuracy"]
    expected = math.sqrt(accuracy * (1 - accuracy) / 5000)
    assert drawn["accuracy"].shape == (1000,)
    assert drawn["accuracy"].std() == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("classes", [2, 5])
def test_the_area_of_many_samples_is_that_of_pairs(classes: int) -> None:
    truth, scores = sample(2500, classes, 9)
    scores = np.round(scores, 1)  # with ties
    figures = Figures(truth, CATEGORY.outputs(scores, schema(classes), {})["probabilities"].astype(float))
    ones = np.ones((1, 2500), np.float32)
    assert figures._auc_of_many(ones)[0] == pytest.approx(figures._auc(ones)[0], abs=1e-6)
    counts = np.random.default_rng(0).multinomial(2500, np.full(2500, 1 / 2500), 200).astype(np.float32)
    exact, fast = figures._auc(counts), figures._auc_of_many(counts)
    assert np.abs(exact - fast).max() < 0.2 * exact.std()
    assert fast.std() == pytest.approx(exact.std(), rel=0.02)


def test_undefined_figures_are_left_out() -> None:
    truth = np.zeros(5, np.int64)
    outputs = CATEGORY.outputs(np.eye(2, dtype=np.float32)[truth], schema(2), {})
    assert "auc_roc" not in CATEGORY.metrics(truth, outputs, schema(2))
    assert CATEGORY.metrics(np.full(5, -1), outputs, schema(2)) == {}
    assert CATEGORY.bootstrap(np.full(5, -1), outputs, schema(2), np.random.default_rng(0), 10) == {}


def test_temperature_is_found() -> None:
    truth, scores = sample(4000, 3, 1)
    honest = CATEGORY.calibrate(scores, truth, schema(3))
    too_sure = CATEGORY.calibrate(scores * 5, truth, schema(3))
    assert too_sure["temperature"] == pytest.approx(5 * honest["temperature"], rel=1e-3)
    assert too_sure["after"] < too_sure["before"]
    outputs = CATEGORY.outputs(scores * 5, schema(3), too_sure)
    raw = CATEGORY.outputs(scores * 5, schema(3), {})
    assert CATEGORY.metrics(truth, outputs, schema(3))["ece"] < CATEGORY.metrics(truth, raw, schema(3))["ece"] / 2


def test_a_bias_is_added_only_where_it_clearly_helps() -> None:
    random = np.random.default_rng(2)
    truth = random.integers(0, 3, 3000)
    # Logits of unit-variance normals around 2 for the right class: calibrated as they are with temperature 1/2.
    scores = random.normal(0, 1, (3000, 3))
    scores[np.arange(3000), truth] += 2
    assert CATEGORY.calibrate(scores.astype(np.float32), truth, schema(3))["bias"] is None
    crooked = (scores + np.array([0.0, 2.0, -1.0])).astype(np.float32)
    found = CATEGORY.calibrate(crooked, truth, schema(3))
    assert found["bias"] is not None
    assert found["temperature"] == pytest.approx(0.5, rel=0.15)
    straight = np.array(found["bias"]) + np.array([0.0, 2.0, -1.0]) / found["temperature"]
    np.testing.assert_allclose(straight - straight.mean(), 0, atol=0.25)


def test_few_samples_all_right_do_not_make_it_infinitely_sure() -> None:
    truth = np.array([0, 1, 0, 1])
    found = CATEGORY.calibrate(np.eye(2, dtype=np.float32)[truth], truth, schema(2))
    assert found["temperature"] > 0.1
    assert found["bias"] is None
    assert CATEGORY.calibrate(np.full((3, 2), np.nan, np.float32), truth[:3], schema(2))["temperature"] == 1.0


def test_labels_are_read_in_one_form() -> None:
    for raw, label in (
        (" cat ", "cat"),
        (3, "3"),
        (3.0, "3"),
        (0.5, "0.5"),
        (np.int64(7), "7"),
        (np.str_("x"), "x"),
        (True, "true"),
        (np.bool_(False), "false"),
        ("e\u0301", "é"),
        (10**400, str(10**400)),
    ):
        assert CATEGORY.read(raw) == label
    for odd in ("x" * 1001, "\ud800", math.inf, [1], b"cat"):
        with pytest.raises(UndecodableError):
            CATEGORY.read(odd)


def test_one_class_is_an_error() -> None:
    with pytest.raises(InputError, match="only one class, 'a'") as error:
        CATEGORY.learn(["a", "a", None])
    assert error.value.code == "one-class"


def test_unknown_labels_are_minus_one() -> None:
    assert CATEGORY.encode(["b", None, "z", "a"], {"classes": ["a", "b"]}).tolist() == [1, -1, -1, 0]
    assert CATEGORY.encode([], {"classes": ["a", "b"]}).tolist() == []


def test_answers_have_label_score_and_scores() -> None:
    outputs = CATEGORY.outputs(np.array([[0.0, 2.0]], np.float32), {"classes": ["a", "b"]}, {})
    (answer,) = CATEGORY.decode(outputs, {"classes": ["a", "b"]})
    values = answer.as_dict()
    assert values["label"] == "b"
    assert values["score"] == values["scores"]["b"] == pytest.approx(1 / (1 + math.exp(-2)))
    assert sum(values["scores"].values()) == pytest.approx(1.0)


def test_enormous_scores_stay_finite() -> None:
    scores = np.array([[1e30, -1e30], [0.0, 1e38], [-1e38, -1e38]], np.float32)
    outputs = CATEGORY.outputs(scores, schema(2), {"temperature": 1.0})
    assert np.isfinite(outputs["probabilities"]).all()
    probabilities, label = session(CATEGORY.graph(schema(2), {})).run(None, {"scores": scores})
    np.testing.assert_allclose(probabilities, outputs["probabilities"], atol=1e-6)
    assert (label == outputs["label"]).all()
    assert np.isfinite(CATEGORY.per_sample_loss(np.array([1, 0, 0]), outputs)).all()


def test_confusion_counts_truth_by_prediction() -> None:
    outputs = {"probabilities": np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.5, 0.5]])}
    found = CATEGORY.confusion(np.array([0, 1, 1, -1]), outputs, schema(2))
    assert found.tolist() == [[1, 0], [1, 1]]


def test_uncertainty_is_least_for_the_sure_and_most_for_the_undecided() -> None:
    values = CATEGORY.uncertainty({"probabilities": np.array([[1.0, 0.0], [0.5, 0.5], [0.9, 0.1]])})
    assert values[0] == pytest.approx(0.0, abs=1e-9)
    assert values[1] == pytest.approx(1.0)
    assert 0 < values[2] < 1
