"""A table with very many copies has one issue about them, and a decision about it holds for all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from modelwright.prepare import about, prepare
from modelwright.prepare.clean import checks
from modelwright.spec import loads
from modelwright.store import Store


@pytest.mark.parametrize("clean", ["", "clean: {drop: [duplicate]}"])
def test_one_issue_stands_for_all_copies_and_can_be_decided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean: str
) -> None:
    monkeypatch.setattr(about, "MOST", 50)
    random = np.random.default_rng(0)
    rows = [f"{a:.3f},{b:.3f},{'up' if a + b > 0 else 'down'}" for a, b in random.normal(size=(200, 2))]
    (tmp_path / "data.csv").write_text("a,b,y\n" + "\n".join([*rows, *rows[:120]]) + "\n")
    spec = loads(f"sources: [{{table: data.csv}}]\nlabel: y\n{clean}\n", tmp_path / "modelwright.yaml")
    dataset = prepare(spec, Store.open(tmp_path / ".modelwright"))
    mine = [row for row in dataset.issues().to_pylist() if row["kind"] == "duplicate"]
    assert len(mine) == 1
    assert '"samples":120' in mine[0]["evidence"]
    assert mine[0]["sample"] is None
    assert dataset.meta["counts"]["dropped"] == (120 if clean else 0)
    assert dataset.meta["division"]["proof"]["ties"][0]["across"] == 0


def test_equal_keys_are_found_as_sorting_finds_them() -> None:
    random = np.random.default_rng(1)
    numbers = random.integers(0, 300, 1000, dtype=np.uint64)
    _, index, inverse = np.unique(numbers, return_index=True, return_inverse=True)
    np.testing.assert_array_equal(checks.first_equal(numbers), index[inverse])
    digests = np.frombuffer(random.bytes(32 * 300), "V32")[random.integers(0, 300, 1000)]
    _, index, inverse = np.unique(digests, return_index=True, return_inverse=True)
    np.testing.assert_array_equal(checks.first_equal(digests), index[inverse])
    # Two digests that agree in their first 64 bits only.
    twins = np.frombuffer(b"\0" * 32 + b"\0" * 31 + b"\1" + b"\0" * 32, "V32")
    assert checks.first_equal(twins).tolist() == [0, 1, 0]
