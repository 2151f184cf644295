"""Samples unlike all others, and samples whose measures are far outside the usual."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from modelwright.prepare.clean.outliers import farness, principal, together
from modelwright.prepare.clean.unusual import distance

from .conftest import Project, issues, picture


def test_a_far_sample_is_far_and_the_others_are_not() -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(size=(400, 30)).astype(np.float32)
    vectors[7] += 25.0
    found = farness(vectors)
    assert found[7] > 5
    assert np.delete(found, 7).max() < 5
    assert int(found.argmax()) == 7


def test_a_far_pair_is_far_too() -> None:
    """Ten neighbours are asked for, so two strangers do not vouch for each other."""
    random = np.random.default_rng(1)
    vectors = random.normal(size=(300, 10)).astype(np.float32)
    vectors[:2] += 30.0
    assert (farness(vectors)[:2] > 3.5).all()


def test_a_second_population_is_no_outlier() -> None:
    random = np.random.default_rng(2)
    vectors = random.normal(size=(300, 10)).astype(np.float32)
    vectors[:60] += 30.0
    assert farness(vectors)[:60].max() < 3.5


def test_equal_samples_have_no_outliers() -> None:
    assert (farness(np.ones((80, 5), np.float32)) == 0).all()


def test_axes_keep_distances_of_few_dimensions() -> None:
    random = np.random.default_rng(3)
    vectors = random.normal(size=(60, 12)).astype(np.float32)
    axes = principal(vectors)
    before = np.linalg.norm(vectors[0] - vectors[1:], axis=1)
    np.testing.assert_allclose(np.linalg.norm(axes[0] - axes[1:], axis=1), before, rtol=1e-4)


def test_blocks_weigh_the_same_whatever_their_units() -> None:
    random = np.random.default_rng(4)
    one, other = random.normal(size=(200, 5)).astype(np.float32), random.normal(size=(200, 5)).astype(np.float32)
    joined = together(one, other * 1000)
    np.testing.assert_allclose(np.abs(joined[:, :5]).mean(), np.abs(joined[:, 5:]).mean(), rtol=0.2)


@given(st.lists(st.floats(-1e6, 1e6), min_size=5, max_size=60), st.floats(0.5, 20), st.floats(-100, 100))
@settings(max_examples=60, deadline=None)
def test_distance_knows_no_unit(values: list[float], scale: float, shift: float) -> None:
    plain = np.array(values) - 2e6  # negative: never logarithmic
    if 1.4826 * np.median(np.abs(plain - np.median(plain))) < 1e-3:
        return
    np.testing.assert_allclose(distance(plain * scale + min(shift, 0)), distance(plain), rtol=1e-3, atol=1e-3)


def test_skewed_figures_are_judged_by_their_logarithm() -> None:
    lengths = np.exp(np.random.default_rng(5).normal(3, 1.2, 2000))
    assert np.abs(distance(lengths)).max() < 8
    assert distance(np.append(lengths, 1e9))[-1] > 8


def test_a_stranger_among_pictures_is_listed_and_kept(project: Project, photos: Path) -> None:
    for number in range(20, 50):
        (photos / "apple" / f"{number}.jpg").write_bytes(picture(number))
    lines = (np.indices((96, 96)).sum(0) % 4 < 2).astype(np.uint8) * 255
    Image.fromarray(np.stack([lines, 255 - lines, lines], 2)).save(photos / "apple" / "stranger.png")
    found = issues(project.prepare("sources: [{folder: photos}]"), "outlier")
    assert [str(each["path"]).endswith("stranger.png") for each in found] == [True]
    assert found[0]["decision"] == "keep"
