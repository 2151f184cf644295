"""What is learned as a contract, and what it finds."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright import canonical
from modelwright.tasks import contract
from modelwright.tasks.base import modality
from modelwright.tasks.modalities.table.modality import Table

TABLE = Table()


def learned() -> dict[str, Any]:
    """Return the schema of a small table."""
    rows = 200
    random = np.random.default_rng(0)
    return TABLE.learn(
        [
            {
                "age": random.integers(18, 91, rows),
                "height": np.where(random.random(rows) < 0.1, np.nan, random.normal(170, 10, rows)),
                "color": random.choice(["red", "green"], rows).tolist(),
                "member": random.choice([True, False], rows),
                "born": (np.datetime64("1990-01-01") + random.integers(0, 1000, rows)),
                "note": [f"note {place % 60}" if place % 3 else None for place in range(rows)],
            }
        ],
        {},
    )


def findings(schema: dict[str, Any], row: dict[str, Any]) -> dict[str, str]:
    """Return code by column for one row."""
    arrays = TABLE.decode(canonical.dumps(row), schema)
    odd = contract.Contract(TABLE, schema).check(arrays)
    return {each["column"]: each["code"] for each in odd.get(0, [])}


GOOD = {"age": 40, "height": 180.0, "color": "red", "member": True, "born": "1991-05-05", "note": "note 1"}


def test_what_training_saw_is_as_expected_and_what_it_did_not_is_named() -> None:
    schema = learned()
    assert findings(schema, GOOD) == {}
    assert findings(schema, {**GOOD, "height": None, "note": None}) == {}
    assert findings(schema, {**GOOD, "age": 18 + 73 * 1.05}) == {}
    assert findings(
        schema, {"age": 340, "height": -5, "color": "violet", "member": None, "born": "2031-01-01", "note": "new"}
    ) == {
        "age": "out-of-range",
        "height": "out-of-range",
        "color": "unknown-category",
        "member": "missing",
        "born": "out-of-range",
        "note": "unknown-category",
    }
    assert findings(schema, {**GOOD, "age": None, "color": None}) == {"age": "missing", "color": "missing"}


@given(st.integers(0, 199))
@settings(max_examples=30, deadline=None)
def test_no_training_row_is_odd(place: int) -> None:
    random = np.random.default_rng(1)
    columns = {"a": random.normal(size=200).round(3), "b": random.choice(["x", "y", "z"], 200).tolist()}
    schema = TABLE.learn([columns], {})
    assert findings(schema, {"a": float(columns["a"][place]), "b": columns["b"][place]}) == {}


def test_many_rows_at_once_say_what_each_alone_does() -> None:
    schema = learned()
    rows = [GOOD, {**GOOD, "age": 340}, {**GOOD, "color": "violet"}, {**GOOD, "age": None}, GOOD]
    reader = TABLE.rows(schema)
    stacked = reader.stack([reader.read(row) for row in rows])
    odd = contract.Contract(TABLE, schema).check(stacked)
    for place, row in enumerate(rows):
        assert {each["column"]: each["code"] for each in odd.get(place, [])} == findings(schema, row)


def test_sizes_of_other_samples_are_held_against_their_measures() -> None:
    rules = contract.of_measures({"width": np.array([100.0, 200.0]), "brightness": np.array([0.1, 0.2])})
    assert rules == {"width": {"kind": "number", "low": 90.0, "high": 210.0, "missing": False}}
    image = modality("image")
    check = contract.Contract(image, {"contract": rules})
    small = {"image": np.zeros((1, 50, 60, 3), np.uint8)}
    assert check.check(small)[0][0]["column"] == "width"
    assert check.check({"image": np.zeros((1, 50, 150, 3), np.uint8)}) == {}


def test_without_rules_nothing_is_odd() -> None:
    assert not contract.Contract(TABLE, {"columns": []})
    assert contract.words({"code": "missing", "column": "a", "found": None, "expected": "0 to 1"}) == (
        'column "a": found nothing, expected 0 to 1'
    )
