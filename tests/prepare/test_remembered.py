"""Results that are remembered: made once for the same arrays, made again for others, never more than a few kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from modelwright.prepare.clean.remembered import Remembered


def test_a_result_is_made_once_for_the_same_arrays(tmp_path: Path) -> None:
    made: list[int] = []

    def ask(memory: Remembered, *inputs: np.ndarray) -> list[float]:
        def make() -> dict[str, np.ndarray]:
            made.append(len(inputs))
            return {"sum": np.array([float(each.sum()) for each in inputs]), "none": np.empty(0)}

        return [float(each) for each in memory.get("sums", inputs, make)["sum"]]

    first = np.arange(4)
    assert ask(Remembered(tmp_path, "a"), first) == ask(Remembered(tmp_path, "a"), first) == [6.0]
    assert made == [1]
    for other in ((first.astype(np.int32),), (first.reshape(2, 2),), (first[:2], first[2:]), (first + 1,)):
        before = len(made)
        assert ask(Remembered(tmp_path, "a"), *other) == [float(each.sum()) for each in other]
        assert len(made) == before + 1
    assert ask(Remembered(tmp_path, "b"), first) == [6.0]
    assert len(made) == 6
    assert len(list(tmp_path.iterdir())) == 4


def test_a_damaged_result_is_made_again(tmp_path: Path) -> None:
    memory = Remembered(tmp_path, "a")
    memory.get("ones", [], lambda: {"one": np.ones(3)})
    (path,) = tmp_path.iterdir()
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    assert memory.get("ones", [], lambda: {"one": np.full(3, 2.0)})["one"].tolist() == [2.0, 2.0, 2.0]
    assert memory.get("ones", [], lambda: {"one": np.zeros(3)})["one"].tolist() == [2.0, 2.0, 2.0]
