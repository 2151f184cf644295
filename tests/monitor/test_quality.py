"""Estimated and realised quality against a world whose truth is known."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from scipy import stats

from modelwright import canonical
from modelwright.monitor.quality import Certainty, realised, weighted, wilson, worse
from modelwright.runtime.profile import ProfileBuilder
from modelwright.tasks.judging import judging


def _outputs(confidence: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "probabilities": np.stack([confidence, 1 - confidence], axis=1),
        "label": np.full(confidence.size, "a", dtype=object),
    }


def _world(random: np.random.Generator, count: int, low: float, overconfidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Confidences from ``low`` to 1, right less often than they say by ``overconfidence``; truth 0 is right."""
    confidence = random.uniform(low, 1.0, count)
    return confidence, (random.random(count) > confidence - overconfidence).astype(np.int64)


@pytest.mark.parametrize("overconfidence", [0.0, 0.1])
def test_accuracy_is_estimated_without_labels_on_another_mix_of_inputs(overconfidence: float) -> None:
    """The intervals hold the truth about as often as they say, although the window is harder than the profile."""
    random = np.random.default_rng(0)
    inside, trials = 0, 200
    for _ in range(trials):
        builder = ProfileBuilder()
        confidence, truth = _world(random, 1000, 0.6, overconfidence)
        builder.add_predictions(_outputs(confidence), truth, "category")
        certainty = Certainty(builder.finish()["quality"])
        harder, now = _world(random, 500, 0.6, overconfidence)
        keep = random.random(500) > (harder - 0.6) * 2  # mostly unsure ones
        certainty.add(harder[keep])
        figure = certainty.estimate()
        assert figure is not None
        inside += figure.low <= float((now[keep] == 0).mean()) <= figure.high
    assert inside / trials >= 0.9


def test_error_of_a_number_follows_the_interval() -> None:
    random = np.random.default_rng(1)
    spread = random.uniform(1, 3, 4000)
    truth = random.normal(0, spread)
    outputs = {"value": np.zeros(4000), "low": -spread, "high": spread}
    builder = ProfileBuilder()
    builder.add_predictions(outputs, truth.astype(np.float32), "number")
    quality: dict[str, Any] = json.loads(canonical.dumps(builder.finish()["quality"]))
    certainty = Certainty(quality)
    now = random.uniform(4, 6, 2000)
    certainty.add(2 * now)
    figure = certainty.estimate()
    assert figure is not None
    assert figure.value == pytest.approx(float(np.abs(random.normal(0, now)).mean()), rel=0.15)
    again = Certainty.from_dict(quality, json.loads(canonical.dumps(certainty.as_dict())))
    assert again.estimate() == figure


def test_wilson_is_scipys() -> None:
    for right, count in [(0, 5), (5, 5), (30, 77)]:
        expected = stats.binomtest(right, count).proportion_ci(method="wilson")
        assert wilson(right, count) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_labels_of_the_unsure_alone_are_weighed_back() -> None:
    """70 % of predictions are sure and right; labels are asked mostly for the others, which are right half the time."""
    results = np.array([1.0] * 5 + [0.0, 1.0] * 20)
    places = np.array([1] * 5 + [0] * 40)
    assert results.mean() < 0.6
    assert weighted(results, places, np.array([0.3, 0.7])) == pytest.approx(0.85)
    assert weighted(results[5:], places[5:], np.array([0.3, 0.7])) is None


def test_nothing_known_is_none() -> None:
    assert realised(np.empty(0), accuracy=True) is None
    figure = realised(np.array([2.0]), accuracy=False)
    assert figure is None or np.isfinite([figure.low, figure.high]).all()


def test_lost_quality_is_said_in_words() -> None:
    bad = {"realised": {"value": 0.5, "low": 0.4, "high": 0.6, "count": 80}, "estimated": None}
    assert "realised accuracy is 0.5" in worse(bad, 0.9, judging("category"))
    few = {"realised": {"value": 0.5, "low": 0.1, "high": 0.6, "count": 4}, "estimated": None}
    assert worse(few, 0.9, judging("category")) == ""
    off = {"estimated": {"value": 2.0, "low": 1.5, "high": 3.0}}
    assert "mean absolute error is 2" in worse(off, 1.0, judging("number"))
