"""LightGBM's trees: exact export, and a reader that refuses before LightGBM can crash."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modelwright.errors import IntegrityError
from modelwright.models import tree_graph, tree_text
from modelwright.models.base import FitContext, Fold, Task
from modelwright.models.boosting import Boosting
from modelwright.testing import family as contract

CASE = contract.Case("boosting", "table", "category", 3)


@given(
    st.floats(allow_nan=False, allow_infinity=False, min_value=-1e299, max_value=1e299),
    st.floats(width=32, allow_nan=False),
)
def test_a_rounded_threshold_decides_every_float32_alike(threshold: float, value: float) -> None:
    assert (np.float32(value) <= np.float32(tree_graph.round_down(threshold))) == (value <= threshold)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
@example(float(np.finfo(np.float32).min))
def test_a_threshold_next_to_a_float32_decides_it_alike(value: float) -> None:
    for threshold in (value, np.nextafter(value, -np.inf), np.nextafter(value, np.inf)):
        assert (np.float32(value) <= np.float32(tree_graph.round_down(float(threshold)))) == (value <= threshold)


def text_of(folder: Path) -> str:
    return contract.saved(contract.fitted(CASE), folder)["trees.txt"].decode()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("num_leaves=", "num_leaves=9"),
        ("split_feature=", "split_feature=99 "),
        ("left_child=", "left_child=0 "),
        ("is_linear=0", "is_linear=1"),
        ("cat_boundaries=0", "cat_boundaries=5"),
        ("end of trees", "end of"),
        ("tree_sizes=", "tree_sizes=1"),
        ("Tree=0", "Tree=7"),
        ("version=v4", "version=v9"),
    ],
)
def test_a_changed_text_is_refused(before: str, after: str, tmp_path: Path) -> None:
    text = text_of(tmp_path)
    assert before in text
    with pytest.raises(IntegrityError, match=r"trees\.txt"):
        tree_text.audit(text.replace(before, after, 1), 6, 3)


def test_an_untouched_text_is_accepted(tmp_path: Path) -> None:
    tree_text.audit(text_of(tmp_path), 6, 3)


FUZZ = """
import random, sys, pathlib
import numpy as np
from modelwright.errors import ModelwrightError
from modelwright.models.boosting import Boosting
folder = pathlib.Path(sys.argv[1])
text = (folder / "trees.txt").read_text()
chance = random.Random(5)
features = np.array([[np.nan] * 6, [0.0] * 6, [1e30] * 6, [3.0] * 6], np.float32)
for _ in range(150):
    changed = list(text)
    for _ in range(chance.choice([1, 1, 3])):
        place = chance.randrange(len(changed))
        words = ["0", "9", "-", " ", "\\n", "=", "", "99999999999"]
        changed[place:place + chance.choice([1, 1, 4])] = chance.choice(words)
    (folder / "trees.txt").write_text("".join(changed))
    try:
        Boosting().load(folder).scores(features)
    except ModelwrightError:
        pass
print("alive")
"""


@pytest.mark.slow
def test_no_change_of_the_text_ends_the_process(tmp_path: Path) -> None:
    contract.fitted(CASE).save(tmp_path)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(
        [sys.executable, "-c", FUZZ, str(tmp_path)], capture_output=True, text=True, env=environment, check=False
    )
    assert done.stdout.strip() == "alive", done.stderr[-2000:]


def test_a_table_that_says_nothing_still_exports() -> None:
    """Trees of a single leaf: LightGBM writes them where no split helps."""
    from modelwright.runtime.session import open_session

    features, truth = np.zeros((60, 2), np.float32), np.arange(60).astype(np.float32)
    task = Task("table", "number", 0, 40, (2,))
    settings = Boosting().candidates(task)[0]
    context = FitContext(seed=0, loss="squared", threads=1)
    model = Boosting().fit(Fold(features[:40], truth[:40]), Fold(features[40:], truth[40:]), task, settings, context)
    session = open_session(model.to_onnx().SerializeToString())
    (scores,) = session.run(["scores"], {"features": features[:3]})
    np.testing.assert_allclose(scores, model.scores(features[:3]), rtol=1e-6)
