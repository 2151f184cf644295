"""Out-of-fold predictions: exactly those of models that never saw the fold; features; numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from modelwright.prepare.clean.labels import numbers, patches, predictions, ridge
from modelwright.progress import SILENT
from modelwright.tasks.modalities.image import sketch as image_sketch


def slow_way(
    features: NDArray[np.float64], targets: NDArray[np.float64], folds: NDArray[np.int64], penalty: float
) -> NDArray[np.float64]:
    """Fit once a fold."""
    scaled = (features - features.mean(0)) / features.std(0)
    offset = targets.mean(0)
    made = np.empty_like(targets)
    strength = penalty * np.square(scaled).sum() / features.shape[1]
    for fold in range(5):
        train = folds != fold
        left = scaled[train].T @ scaled[train] + strength * np.eye(features.shape[1])
        weights = np.linalg.solve(left, scaled[train].T @ (targets[train] - offset))
        made[~train] = scaled[~train] @ weights + offset
    return made


@pytest.mark.parametrize("small", [0, 1000])
@pytest.mark.parametrize("width", [7, 90])
def test_predictions_are_exactly_out_of_fold(width: int, small: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ridge, "_BLOCK", 17)
    monkeypatch.setattr(ridge, "_SMALL", small)  # by SciPy, by numpy
    random = np.random.default_rng(0)
    features = random.normal(3, 2, (60, width))
    targets = random.normal(0, 1, (60, 3))
    folds = random.permutation(60) % 5
    of = ridge.OutOfFold(features, lambda rows: targets[rows], folds)
    for penalty in (0.01, 0.3):
        assert of.predict(penalty) == pytest.approx(slow_way(features, targets, folds, penalty), abs=1e-9)


@pytest.mark.parametrize("width", [7, 90])
def test_no_sample_has_a_say_in_its_own_row(width: int) -> None:
    random = np.random.default_rng(1)
    features, codes, folds = random.normal(0, 1, (60, width)), random.integers(0, 2, 60), np.arange(60) % 5
    targets = np.eye(2)[codes]
    before = ridge.OutOfFold(features, lambda rows: targets[rows], folds)
    changed = np.eye(2)[np.where(folds == 2, 1 - codes, codes)]
    after = ridge.OutOfFold(features, lambda rows: changed[rows], folds)
    after.offset = before.offset  # the classes' shares are of all samples: the one thing that all know
    solver = ridge._Few if width > 60 else ridge._Many
    after._solver = solver(after)
    one = before.predict(0.1)
    two = after.predict(0.1)
    assert one[folds == 2] == pytest.approx(two[folds == 2], abs=1e-9)
    assert np.abs(one[folds != 2] - two[folds != 2]).max() > 1e-3


def test_probabilities_say_the_shares_where_scores_say_nothing() -> None:
    shares = np.array([0.7, 0.2, 0.1])
    made = ridge.probabilities(np.tile(shares, (4, 1)), 9.0, shares)
    assert made == pytest.approx(np.tile(shares, (4, 1)))
    sharpness, loss = ridge.sharpen(np.eye(3)[[0, 1, 2] * 20], np.array([0, 1, 2] * 20), np.full(3, 1 / 3))
    assert sharpness > 20
    assert loss < 0.01


def pictures(count: int, random: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return pictures of two kinds of stripes, with noise, and which kind."""
    kinds = np.arange(count) % 2
    ramp = np.arange(32)
    made = np.empty((count, 32, 32, 3), np.float64)
    for place, kind in enumerate(kinds.tolist()):
        wave = 60 * np.sin(ramp * random.uniform(0.6, 1.2) + random.uniform(0, 6))
        made[place] = (wave[:, None] if kind else wave[None, :])[..., None]
    made += 128 + random.normal(0, 25, made.shape)
    return np.clip(made, 0, 255).astype(np.uint8), kinds


def test_pictures_are_told_apart_whatever_their_own_label(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    images, kinds = pictures(120, random)
    labels = kinds.copy()
    wrong = random.choice(120, 8, replace=False)
    labels[wrong] = 1 - labels[wrong]
    grey = np.stack([image_sketch.thumbnail(image) for image in images])
    chroma = np.stack([image_sketch.chroma(image) for image in images])
    truth = predictions.Truth(labels, np.empty(120), 2, random.permutation(120) % 5)
    first = predictions.of_pictures(grey, chroma, truth, tmp_path, SILENT)
    assert (first.values.argmax(1) == kinds).mean() > 0.95
    assert first.values.sum(1) == pytest.approx(1, abs=1e-4)
    again = predictions.of_pictures(grey, chroma, truth, tmp_path, SILENT)
    assert (first.values == again.values).all()
    assert not list(tmp_path.iterdir())


def test_the_mirrored_view_is_blind_to_mirroring_and_the_plain_one_is_not() -> None:
    random = np.random.default_rng(3)
    images, _ = pictures(30, random)
    turned = images[:, :, ::-1]
    bank = patches.learn(
        np.stack([image_sketch.thumbnail(each) for each in images]),
        np.stack([image_sketch.chroma(each) for each in images]),
        random,
    )

    def of(some: NDArray[np.uint8], workers: int) -> dict[patches.View, NDArray[np.float16]]:
        grey = np.stack([image_sketch.thumbnail(each) for each in some])
        chroma = np.stack([image_sketch.chroma(each) for each in some])
        parts = list(patches.extract(grey, chroma, bank, patches.VIEWS, workers))
        return {view: np.concatenate([part[view] for part in parts]) for view in patches.VIEWS}

    one, other = of(images, 1), of(turned, 2)
    assert one["mirrored"].astype(float) == pytest.approx(other["mirrored"].astype(float), abs=0.02)
    assert np.abs(one["plain"].astype(float) - other["plain"].astype(float)).max() > 0.1
    assert (one["plain"] == of(images, 2)["plain"]).all()


def test_responses_are_those_of_every_filter_at_every_window() -> None:
    """Beside the definition in plain doubles: windows of three full planes, no cells, no lattices."""
    random = np.random.default_rng(6)
    images = np.concatenate([random.integers(0, 256, (3, 32, 32, 3), dtype=np.uint8), pictures(20, random)[0]])
    grey = np.stack([image_sketch.thumbnail(each) for each in images])
    chroma = np.stack([image_sketch.chroma(each) for each in images])
    chroma[0] = random.integers(0, 256, chroma[0].shape)
    bank = patches.learn(grey, chroma, random)
    found = np.concatenate([part["plain"] for part in patches.extract(grey, chroma, bank, ["plain"], 2)])
    for place in (0, 1, 22):
        planes = [grey[place], *chroma[place].repeat(2, 1).repeat(2, 2)]
        view = np.lib.stride_tricks.sliding_window_view(np.stack(planes).astype(float), (6, 6), axis=(1, 2))
        windows = view.transpose(1, 2, 0, 3, 4).reshape(27, 27, 108)
        responses = windows @ bank.filters[:256].T.astype(float) / np.sqrt(windows.var(2, keepdims=True) + 10.0)
        responses -= bank.offsets[:256, 0]
        halves = (slice(0, 14), slice(13, 27))
        expected = [
            np.maximum(sign * responses[rows, columns], 0.25).mean((0, 1)) - 0.25
            for sign in (1, -1)
            for rows in halves
            for columns in halves
        ]
        wanted = np.sqrt(np.array(expected)).reshape(2, 4, 256).swapaxes(1, 2).ravel()
        assert found[place].astype(float) == pytest.approx(wanted, abs=0.002)


def test_rows_use_trees_where_ridge_cannot_see_it() -> None:
    random = np.random.default_rng(4)
    features = random.normal(0, 1, (600, 4)).astype(np.float32)
    labels = ((features[:, 0] > 0) ^ (features[:, 1] > 0)).astype(np.int64)
    truth = predictions.Truth(labels, np.empty(600), 2, np.arange(600) % 5)
    made = predictions.of_columns(features, truth)
    assert "trees" in made.how
    assert (made.values.argmax(1) == labels).mean() > 0.9
    straight = predictions.Truth(
        np.empty(600, np.int64), features[:, 0].astype(np.float64) * 3 + 1, 0, np.arange(600) % 5
    )
    linear = predictions.of_columns(features, straight)
    assert "ridge" in linear.how
    assert linear.values[:, 0] == pytest.approx(straight.numbers, abs=0.1)


def test_numbers_far_from_what_is_usual_where_they_lie() -> None:
    random = np.random.default_rng(5)
    predicted = random.uniform(0, 100, 2000)
    usual = np.where(predicted > 50, 10.0, 1.0)
    given = predicted + random.normal(0, 1, 2000) * usual
    wrong = np.flatnonzero(predicted < 45)[:12]
    given[wrong] = predicted[wrong] + 20  # within what is usual above 50, far beyond it below
    z, spread = numbers.robust_z(given, predicted)
    listed = numbers.listed(z)
    assert set(wrong.tolist()) <= set(listed.tolist())
    assert len(listed) <= 14
    assert np.median(spread[predicted > 60]) > 5 * np.median(spread[predicted < 40])
    assert numbers.severity(6.0) == 0.5
    assert 0.9 < numbers.severity(-18.0) < 1
    shifted, _ = numbers.robust_z(given * 7 + 3, predicted * 7 + 3)
    assert shifted == pytest.approx(z)
