"""Frames of columns: whole or not there, whoever was killed while writing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from modelwright.prepare.cache.journal import Journal, rewrite


def written(path: Path) -> None:
    with Journal(path) as journal:
        assert journal.append({"day": 1}, {"a": np.arange(5), "b": np.eye(5, 3, dtype=np.float32)}) is not None
        assert journal.append({"day": 2}, {"a": np.arange(0), "b": np.empty((0, 3))}) is not None


def test_what_was_written_is_read(tmp_path: Path) -> None:
    written(tmp_path / "j")
    with Journal(tmp_path / "j") as journal:
        assert [(frame.rows, frame.facts["day"]) for frame in journal.frames] == [(5, 1), (0, 2)]
        columns = journal.frames[0].columns
        np.testing.assert_array_equal(journal.read(columns["b"]), np.eye(5, 3, dtype=np.float32))
        some = np.empty((2, 3), np.float32)
        journal.read_rows(columns["b"], [4, 1], some)
        np.testing.assert_array_equal(some, np.eye(5, 3)[[4, 1]])


def test_a_frame_that_was_not_finished_does_not_count_and_is_written_over(tmp_path: Path) -> None:
    path = tmp_path / "j"
    written(path)
    whole = path.read_bytes()
    with Journal(path) as journal:
        start = journal.frames[1].columns["a"].offset
    for size in range(100, len(whole), 7):
        path.write_bytes(whole[:size])
        with Journal(path) as journal:
            assert len(journal.frames) == (1 if size < len(whole) and size >= start - 400 and journal.frames else 0)
            before = len(journal.frames)
            journal.append({}, {"a": np.array([7])})
        with Journal(path) as journal:
            assert len(journal.frames) == before + 1
            assert journal.read(journal.frames[-1].columns["a"]).tolist() == [7]


def test_damage_is_noticed_where_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "j"
    written(path)
    with Journal(path) as journal:
        offset = journal.frames[0].columns["a"].offset
    raw = bytearray(path.read_bytes())
    raw[offset] ^= 1
    path.write_bytes(raw)
    with Journal(path) as journal:
        with pytest.raises(ValueError, match="damaged"):
            journal.read(journal.frames[0].columns["a"])
        journal.throw_away()
    assert not path.exists()


def test_one_writes_at_a_time(tmp_path: Path) -> None:
    with Journal(tmp_path / "j") as one:
        assert one.append({}, {"a": np.arange(3)}) is not None
        with Journal(tmp_path / "j") as other:
            assert other.append({}, {"a": np.arange(3)}) is None
        assert one.append({}, {"a": np.arange(4)}) is not None
    with Journal(tmp_path / "j") as one, Journal(tmp_path / "j") as late:
        assert one.append({}, {"a": np.arange(5)}) is not None
        one.close()
        assert late.append({}, {"a": np.arange(6)}) is None, "it would write over a frame that it has not seen"
    with Journal(tmp_path / "j") as journal:
        assert [frame.rows for frame in journal.frames] == [3, 4, 5]


def test_a_file_is_rewritten_at_once(tmp_path: Path) -> None:
    written(tmp_path / "j")
    rewrite(tmp_path / "j", {"day": 3}, {"a": np.arange(2)})
    with Journal(tmp_path / "j") as journal:
        assert [frame.facts["day"] for frame in journal.frames] == [3]
    assert [path.name for path in tmp_path.iterdir()] == ["j"]
