"""Labelled production samples are spread over the splits by the spec's shares, however few they are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright import canonical
from modelwright.prepare import prepare
from modelwright.prepare.divide import split
from modelwright.spec import loads
from modelwright.store import Store
from modelwright.store.logs import Record

FRACTIONS = (0.7, 0.1, 0.2)
TEXT = """name: plant
input: table
output: {output}
label: label
sources: [{{table: rows.csv}}, {{feedback: production}}]
"""


@given(st.integers(50, 2000), st.integers(20, 300), st.integers(1, 30), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_production_gets_its_share_of_every_split(given_: int, labels: int, classes: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    production = np.arange(given_ + labels) >= given_
    classed = random.integers(0, classes, given_ + labels)
    classed[: min(classes, given_)] = np.arange(min(classes, given_))
    strata, covered = split.by_origin(classed.astype(np.int64), production)
    keys = random.integers(0, 2**63, len(strata), dtype=np.uint64)
    plan = split.assign(np.arange(len(strata)), keys, strata, FRACTIONS, 0, covered=covered)
    counts = np.bincount(plan.splits[production], minlength=3)
    np.testing.assert_allclose(counts, labels * np.array(FRACTIONS), atol=2)
    assert set(classed[plan.splits == split.TRAIN]) == set(classed)


@pytest.mark.parametrize("output", ["category", "number"])
def test_of_a_hundred_labels_twenty_are_in_the_test_split(tmp_path: Path, output: str) -> None:
    random = np.random.default_rng(0)

    def label(value: float) -> object:
        return ("high" if value > 0.5 else "low") if output == "category" else round(3 * value, 6)

    values = random.random(800).round(6).tolist()
    lines = [f"{value},{value * 2:.6f},{label(value)}" for value in values]
    (tmp_path / "rows.csv").write_text("\n".join(["a,b,label", *lines]) + "\n")
    store = Store.open(tmp_path / ".modelwright")
    spec = loads(TEXT.format(output=output), tmp_path / "modelwright.yaml")
    before = prepare(spec, store)
    writer = store.logs.writer("server")
    for number, value in enumerate((random.random(100) + 1).tolist()):
        raw = canonical.dumps({"a": value, "b": value})
        sample = canonical.digest_bytes(raw)
        writer.append_many([Record(str(number), number, "p" * 64, sample, "application/json", raw, {}, 1)])
        store.annotations.append(sample, "label", label(value - 1), "anna", "feedback")
    writer.close()
    dataset = prepare(spec, store, parent=before)
    kinds = [source["kind"] for source in dataset.meta["sources"]]
    counts = {
        name: sum(kinds[each] == "feedback" for each in dataset.samples(name)["source"].to_pylist())
        for name in split.NAMES
    }
    assert sum(counts.values()) == 100
    assert 19 <= counts["test"] <= 21, counts
    assert 9 <= counts["validation"] <= 11, counts
    assert before.count("test") + counts["test"] == dataset.count("test")
    assert json.loads(next(dataset.raw("test")))
