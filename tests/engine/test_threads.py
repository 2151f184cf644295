from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.engine import idle_cores, settle_openmp
from modelwright.engine.threads import _cgroup_quota, idle_share, usable_cores


def test_idle_cores_are_between_one_and_the_usable_ones() -> None:
    assert 1 <= idle_cores(0.02) <= usable_cores() <= len(os.sched_getaffinity(0))


ticks = st.dictionaries(st.integers(0, 63), st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), max_size=64)


@given(ticks)
def test_idle_share_is_between_nothing_and_all(delta: dict[int, tuple[int, int]]) -> None:
    before = dict.fromkeys(delta, (0, 0))
    after = {core: (min(idle, total), total) for core, (idle, total) in delta.items()}
    assert 0 <= idle_share(before, after) <= len(delta)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("150000 100000\n", 1.5), ("max 100000\n", None), ("", None), ("50000 0", None), ("garbage", None)],
)
def test_quota_of_control_group_2(tmp_path: Path, text: str, expected: float | None) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert _cgroup_quota(tmp_path) == expected


def test_quota_of_control_group_1(tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("200000\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert _cgroup_quota(tmp_path) == 2.0
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    assert _cgroup_quota(tmp_path) is None


def test_settling_openmp_respects_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    monkeypatch.delenv("KMP_BLOCKTIME", raising=False)
    settle_openmp()
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"
    assert os.environ["KMP_BLOCKTIME"] == "0"


def test_settling_says_when_it_came_too_late() -> None:
    code = "import sys, types; from modelwright.engine import settle_openmp as s; print(s()); "
    code += "sys.modules['torch'] = types.ModuleType('torch'); print(s())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]
