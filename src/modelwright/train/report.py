"""``report.html`` of a model: what was tried, how it learned, how well its confidence can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.drawing import chart
from modelwright.drawing.page import Element, cards, document, figure, h, section, table

BINS = 10
SHOWN = 25


def page(
    meta: Mapping[str, Any],
    leaderboard: Sequence[Mapping[str, Any]],
    history: Mapping[str, Any],
    importance: Mapping[str, float],
    held_out: tuple[NDArray[Any], Mapping[str, NDArray[Any]]],
    schema: Mapping[str, Any],
) -> str:
    """Return the page; ``held_out`` is truth and calibrated outputs of the samples that judged the model."""
    truth, outputs = held_out
    figures = cards(
        [
            (str(meta["metric"]), f"{meta['score']:.4g}", f"on {len(truth):,} held-out samples"),
            ("trivial answer", _figure(meta["baseline_score"]), "what any model must beat"),
            ("family", str(meta["family"]), f"{len(leaderboard)} candidates tried"),
        ]
    )
    draw = {"category": _reliability, "tags": _tags_reliability}.get(schema["target"], _residuals)
    return document(
        "How the model was learned",
        section("The choice", figures, h("p", str(meta["reason"]))),
        _tried(leaderboard, str(meta["metric"])),
        _curve(history),
        draw(truth, outputs),
        _importance(importance),
        subtitle=f"{schema['modality']} × {schema['target']}",
    )


def _figure(value: Any) -> str:
    return "–" if value is None else f"{value:.4g}"


def _tried(leaderboard: Sequence[Mapping[str, Any]], metric: str) -> Element:
    def words(params: Mapping[str, Any]) -> str:
        return ", ".join(f"{key} {value}" for key, value in params.items() if not isinstance(value, Mapping))

    rows = [
        [each["family"], words(each["params"]), _figure(each["score"]), each["status"], each["reason"]]
        for each in leaderboard
    ]
    return section("What was tried", table(["family", "setting", metric, "status", "remark"], rows))


def _curve(history: Mapping[str, Any]) -> Element | None:
    steps = history["curve"]
    if len(steps) < 2:
        return None
    series = {
        name: [(float(step["step"]), step[key]) for step in steps]
        for name, key in (("training", "train_loss"), ("validation", "validation_loss"))
    }
    drawn = chart.lines(
        series, title="Learning curve", x_label="step", y_label="loss", marks=[(float(history["best_step"]), "kept")]
    )
    words = f"The loss while learning. Step {history['best_step']} was kept: the smallest validation loss."
    return section("Learning curve", figure(drawn, words))


def _reliability(truth: NDArray[Any], outputs: Mapping[str, NDArray[Any]]) -> Element:
    probabilities = np.asarray(outputs["probabilities"], np.float64)
    return _calibration(
        probabilities.max(axis=1),
        probabilities.argmax(axis=1) == truth,
        ("confidence", "share that was right"),
        "Of the answers given with a confidence, the share that was right. On the diagonal, it can be believed.",
    )


def _tags_reliability(truth: NDArray[Any], outputs: Mapping[str, NDArray[Any]]) -> Element:
    return _calibration(
        np.asarray(outputs["probabilities"], np.float64).ravel(),
        (truth > 0.5).ravel(),
        ("probability of a tag", "share that had the tag"),
        "Of the tags held possible with a probability, the share that was there, all tags together.",
    )


def _calibration(confidence: NDArray[Any], right: NDArray[np.bool_], axes: tuple[str, str], words: str) -> Element:
    place = np.clip((confidence * BINS).astype(int), 0, BINS - 1)
    points = [
        (float(confidence[place == bin_].mean()), float(right[place == bin_].mean()))
        for bin_ in range(BINS)
        if (place == bin_).any()
    ]
    series = {"as it should be": [(0.0, 0.0), (1.0, 1.0)], "this model": points}
    drawn = chart.lines(series, title="Calibration", x_label=axes[0], y_label=axes[1])
    return section("Calibration", figure(drawn, words))


def _residuals(truth: NDArray[Any], outputs: Mapping[str, NDArray[Any]]) -> Element:
    values, low, high = (np.asarray(outputs[name], np.float64) for name in ("value", "low", "high"))
    inside = float(((truth >= low) & (truth <= high)).mean())
    few = np.linspace(0, len(truth) - 1, min(len(truth), 1000)).astype(int)
    points = [(float(truth[place]), float(values[place])) for place in few]
    drawn = chart.scatter(
        {"samples": points},
        title="Predicted against true",
        x_label="true value",
        y_label="predicted value",
        diagonal=True,
    )
    return section("Calibration", figure(drawn, f"{inside:.0%} of the held-out truths lie inside the stated interval."))


def _importance(importance: Mapping[str, float]) -> Element | None:
    if not importance:
        return None
    names = sorted(importance, key=lambda name: -importance[name])[:SHOWN]
    drawn = chart.bars(names, [100 * importance[name] for name in names], title="Importance of features", unit="%")
    return section("What it looks at", figure(drawn, "Share of each feature in all that the model gained by looking."))
