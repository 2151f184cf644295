"""Weak slices are found where they are, and not where they are not."""

from __future__ import annotations

import numpy as np

from modelwright.validate.slices import worst_slices


def test_a_planted_weakness_is_found_first() -> None:
    generator = np.random.default_rng(0)
    colour = generator.choice(np.array(["red", "green", "blue"], dtype=object), 600)
    size = generator.normal(size=600)
    right = (generator.random(600) < np.where(colour == "blue", 0.5, 0.95)).astype(float)
    found = worst_slices(right, {"colour": colour, "size": size}, metric="accuracy", higher_is_better=True)
    assert found[0]["slice"] == "colour = blue"
    assert found[0]["weak"]
    assert found[0]["low"] <= found[0]["value"] <= found[0]["high"] < found[0]["rest"]
    assert not any(entry["weak"] for entry in found[1:])


def test_noise_is_rarely_called_weak() -> None:
    """Of 200 data sets without any weakness, Holm's correction lets about 5 % cry wolf."""
    wolves = 0
    for seed in range(200):
        generator = np.random.default_rng(seed)
        measures = {f"m{number}": generator.normal(size=300) for number in range(8)}
        errors = generator.exponential(1.0, 300)
        found = worst_slices(errors, measures, metric="mae", higher_is_better=False)
        wolves += any(entry["weak"] for entry in found)
    assert wolves <= 22


def test_missing_values_and_rare_values_are_slices() -> None:
    words = np.array([None] * 30 + ["x"] * 40 + [f"v{number}" for number in range(60)], dtype=object)
    numbers = np.array([np.nan] * 25 + list(range(105)), dtype=float)
    errors = np.linspace(0, 1, 130)
    found = worst_slices(errors, {"word": words, "number": numbers}, metric="mae", higher_is_better=False)
    names = {entry["slice"] for entry in found}
    assert {"word is missing", "word = x", "word is another value", "number is missing"} <= names
    counts = {entry["slice"]: entry["count"] for entry in found}
    assert counts["word is missing"] == 30
    assert counts["number is missing"] == 25


def test_constants_and_few_samples_give_no_slices() -> None:
    assert worst_slices(np.ones(100), {"same": np.zeros(100)}, metric="accuracy", higher_is_better=True) == []
    assert worst_slices(np.ones(10), {"m": np.arange(10.0)}, metric="accuracy", higher_is_better=True) == []
    assert worst_slices(np.ones(100), {}, metric="accuracy", higher_is_better=True) == []


def test_the_quarters_of_a_number_cover_it() -> None:
    values = np.array([0.0] * 60 + list(np.linspace(1, 2, 140)))
    found = worst_slices(np.ones(200), {"m": values}, metric="accuracy", higher_is_better=True)
    assert sum(entry["count"] for entry in found) == 200


def test_a_number_with_few_values_is_looked_at_value_by_value() -> None:
    berth = np.array([1.0] * 50 + [2.0] * 40 + [3.0] * 110)
    found = worst_slices((berth < 3).astype(float), {"berth": berth}, metric="accuracy", higher_is_better=True)
    assert {entry["slice"]: entry["count"] for entry in found} == {"berth = 1": 50, "berth = 2": 40, "berth = 3": 110}
    assert found[0]["slice"] == "berth = 3"
    assert found[0]["weak"]
