"""Tags: reading, calibration, figures against scikit-learn, answers from logs."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from modelwright.errors import InputError
from modelwright.runtime.parity import compare
from modelwright.runtime.profile import ProfileBuilder
from modelwright.tasks import judging
from modelwright.tasks.base import UndecodableError
from modelwright.tasks.targets import tags_calibration, tags_metrics
from modelwright.tasks.targets.tags import Tags
from modelwright.validate.scoring import onto

TAGS = Tags()


def _scores(count: int, shares: list[float], seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = (random.random((count, len(shares))) < shares).astype(np.float32)
    return truth, (3.0 * truth - 2.0 + random.normal(0, 1.5, truth.shape)).astype(np.float32)


@pytest.mark.parametrize(
    ("raw", "right"),
    [
        ("cat|dog", ["cat", "dog"]),
        ("dog ; cat;", ["cat", "dog"]),
        ("a, b", ["a", "b"]),
        ("Smith, J.|Doe, A.", ["Doe, A.", "Smith, J."]),
        ('["a|b", "c"]', ["a|b", "c"]),
        ("['it\\'s', 'b']", ["b", "it's"]),
        ("[a, b,]", ["a", "b"]),
        ("[]", []),
        ("None", []),
        ("none|cat", ["cat", "none"]),
        ([], []),
        ([1, 2.0, True], ["1", "2", "true"]),
        ({"a": "x", "b": "", "c": 0, "d": None}, ["a"]),
        ({"a": 0, "b": 0}, []),
        ({"a": None, "b": float("nan")}, None),
        ({"mask": "ab", "classes": {"cat": 20}}, ["cat"]),
        (
            '[{"class":"cat","x":1,"y":1,"width":2,"height":2},{"class":"cat","x":4,"y":1,"width":2,"height":2}]',
            ["cat"],
        ),
        ("||", None),
        (None, None),
    ],
)
def test_what_sources_write_is_read(raw: object, right: list[str] | None) -> None:
    found = TAGS.read(raw)
    assert (None if found is None else json.loads(found)) == right


@given(st.lists(st.text(min_size=1, max_size=30)))
def test_any_list_of_words_is_read_and_read_again(words: list[str]) -> None:
    try:
        label = TAGS.read(words)
    except UndecodableError:
        return
    assert label is not None
    assert TAGS.read(label) == label
    assert TAGS.classes(label) == sorted(set(TAGS.classes(label)))


@given(st.text(max_size=60))
def test_any_text_is_tags_or_refused(text: str) -> None:
    try:
        label = TAGS.read(text)
    except UndecodableError:
        return
    assert label is None or TAGS.read(label) == label


def test_deep_nesting_and_unset_cells_are_refused() -> None:
    for odd in ("[" * 100_000 + "]" * 100_000, {"a": "perhaps"}, ["x" * 1001], list(range(2000)), '["\\ud800"]'):
        with pytest.raises(UndecodableError):
            TAGS.read(odd)


def test_one_set_of_tags_or_none_at_all_teaches_nothing() -> None:
    with pytest.raises(InputError, match="same tags"):
        TAGS.learn(['["a","b"]'] * 3)
    with pytest.raises(InputError, match="no sample"):
        TAGS.learn(["[]", "[]", None])
    assert TAGS.learn(["[]", '["b","a"]']) == {"classes": ["a", "b"]}


def test_tags_that_training_did_not_have_are_left_out_and_missing_ones_are_nan() -> None:
    truth = TAGS.encode(['["a","z"]', None, "[]"], {"classes": ["a", "b"]})
    np.testing.assert_array_equal(truth, np.array([[1, 0], [np.nan, np.nan], [0, 0]], np.float32))


def test_figures_are_scikit_learns() -> None:
    truth, scores = _scores(400, [0.4, 0.1, 0.7, 0.02], 3)
    scores = np.round(scores, 1)  # ties
    schema = {"classes": ["a", "b", "c", "d"]}
    outputs = TAGS.outputs(scores, schema, {})
    found = TAGS.metrics(truth, outputs, schema)
    wanted, given_, sure = truth > 0.5, outputs["tags"], outputs["probabilities"].astype(np.float64)
    for average in ("macro", "micro"):
        assert found[f"f1_{average}"] == pytest.approx(sk.f1_score(wanted, given_, average=average, zero_division=0))
    assert found["precision_macro"] == pytest.approx(
        sk.precision_score(wanted, given_, average="macro", zero_division=0)
    )
    assert found["recall_macro"] == pytest.approx(sk.recall_score(wanted, given_, average="macro", zero_division=0))
    assert found["hamming_loss"] == pytest.approx(sk.hamming_loss(wanted, given_))
    assert found["subset_accuracy"] == pytest.approx(sk.accuracy_score(wanted, given_))
    assert found["average_precision"] == pytest.approx(sk.average_precision_score(wanted, sure, average="macro"))
    assert found["auc_roc"] == pytest.approx(sk.roc_auc_score(wanted, sure, average="macro"))
    jaccard = sk.jaccard_score(wanted, given_, average="samples", zero_division=1)
    assert found["jaccard"] == pytest.approx(jaccard)
    each = TAGS.per_class(truth, outputs, schema)
    assert [one["count"] for one in each] == wanted.sum(0).tolist()
    assert each[1]["auc_roc"] == pytest.approx(sk.roc_auc_score(wanted[:, 1], sure[:, 1]))


def test_calibration_undoes_a_wrong_slope_and_bias_and_spares_rare_tags() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(-0.5, 2.0, (4000, 3))
    logits[:, 2] -= 6.0
    truth = (random.random(logits.shape) < tags_calibration.sigmoid(logits)).astype(np.float32)
    found = tags_calibration.fit(logits * 0.25 + [0.0, 1.0, 0.0], truth)
    made = tags_calibration.sigmoid(np.array(found["slope"]) * (logits * 0.25 + [0, 1, 0]) + np.array(found["bias"]))
    assert np.abs(made - tags_calibration.sigmoid(logits))[:, :2].mean() < 0.02
    assert found["after"] < found["before"]
    assert all(0.01 <= value <= 0.99 for value in found["threshold"])


def test_a_threshold_gains_f1_on_samples_it_never_saw_and_no_tag_is_on_all() -> None:
    truth, scores = _scores(6000, [0.05, 0.3], 5)
    schema = {"classes": ["rare", "usual"]}
    calibration = TAGS.calibrate(scores[:3000], truth[:3000], schema)
    at_half = {**calibration, "threshold": [0.5, 0.5]}
    chosen, half = (
        TAGS.metrics(truth[3000:], TAGS.outputs(scores[3000:], schema, each), schema) for each in (calibration, at_half)
    )
    assert chosen["f1_macro"] > half["f1_macro"] + 0.02
    random = np.random.default_rng(0)
    nothing = TAGS.calibrate(random.normal(0, 1, (500, 1)).astype(np.float32), truth[:500, :1], {"classes": ["rare"]})
    said = TAGS.outputs(random.normal(0, 1, (500, 1)).astype(np.float32), {"classes": ["rare"]}, nothing)["tags"]
    assert said.mean() < 0.25


def test_an_expected_share_is_what_comes_true() -> None:
    random = np.random.default_rng(2)
    sure = random.beta(0.4, 0.8, (30_000, 6))
    truth = random.random(sure.shape) < sure
    given_ = sure >= 0.4
    expected, real = tags_metrics.expected_jaccard(sure, given_), tags_metrics.jaccard(truth, given_)
    assert abs(expected.mean() - real.mean()) < 0.03
    assert np.corrcoef(expected, real)[0, 1] > 0.3


def test_answers_from_logs_give_the_measures_of_the_profile() -> None:
    truth, scores = _scores(300, [0.4, 0.1], 8)
    schema = {"classes": ["a", "b"]}
    outputs = TAGS.outputs(scores, schema, {})
    answers = [each.as_dict() for each in TAGS.decode(outputs, schema)]
    batch = judging.measures(outputs, "tags", ["a", "b"])
    for place, answer in enumerate(answers):
        one = judging.read_answer(json.loads(json.dumps(answer)), "tags")
        assert one is not None
        assert one.keys() == batch.keys()
        assert one["confidence"] == pytest.approx(batch["confidence"][place])
        assert (one["tags"], one["tag b"]) == (batch["tags"][place], batch["tag b"][place])
    odds: list[dict[str, Any]] = [
        {},
        {"tags": None, "scores": {}},
        {"tags": ["a"], "scores": ["a"]},
        {"tags": [], "scores": {}},
    ]
    for odd in odds:
        judging.read_answer(odd, "tags")
    builder = ProfileBuilder()
    builder.add_predictions(outputs, truth, "tags", ["a", "b"])
    profile = builder.finish()
    assert profile["quality"]["metric"] == "jaccard"
    assert profile["quality"]["estimated"] == pytest.approx(
        np.mean(
            [
                judging.result(judging.said(a, "tags"), TAGS.read(_names(t)), "tags")
                for a, t in zip(answers, truth, strict=True)
            ]
        )
    )
    assert set(profile["predictions"]) == {"tags", "confidence", "tag a", "tag b"}


def _names(row: np.ndarray) -> list[str]:
    return [name for name, there in zip("ab", row > 0.5, strict=True) if there]


def test_parity_forgives_a_tie_at_the_threshold_and_nothing_else() -> None:
    schema = {"classes": ["a"], "thresholds": [0.3]}
    sure = np.array([[0.30001], [0.9]], np.float32)
    said = {"probabilities": sure, "tags": np.array([[True], [True]])}
    tie = {"probabilities": sure, "tags": np.array([[False], [True]])}
    wrong = {"probabilities": sure, "tags": np.array([[True], [False]])}
    assert compare(said, tie, schema).passed
    assert not compare(said, wrong, schema).passed
    assert not compare(said, tie, {"classes": ["a"]}).passed


def test_a_champion_is_held_to_tags_that_it_never_heard_of() -> None:
    made = onto({"probabilities": np.array([[0.2, 0.9]], np.float32)}, ["a", "b"], ["b", "c"])
    assert made["probabilities"].tolist() == [[pytest.approx(0.9), 0.0]]
