"""How many threads are worth having, and keeping the libraries' own threads from spinning.

On shared cores, threads that wait by spinning steal from those that work: measured, fits of one second took up to 67 s.
So OpenMP is told to sleep when it waits, and thread counts come from the cores that are idle now, not from those that
exist.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

_HEAVY = ("torch", "sklearn", "lightgbm", "onnxruntime")
_CGROUP = Path("/sys/fs/cgroup")


def settle_openmp() -> bool:
    """Let OpenMP threads sleep instead of spin; call it before any heavy library is imported.

    Sets ``OMP_WAIT_POLICY=PASSIVE`` and ``KMP_BLOCKTIME=0`` (Intel's and LLVM's runtime) unless the user has set them;
    they reach child processes too.

    Returns
    -------
    bool
        False if a heavy library was imported already, so that it may have read the old values.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("KMP_BLOCKTIME", "0")
    return not any(name in sys.modules for name in _HEAVY)


def usable_cores() -> int:
    """Return how many cores this process may use: its CPU affinity, cut by the control group's quota; at least 1."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cgroup_quota(_CGROUP)
    return max(1, affinity if quota is None else min(affinity, int(quota)))


def idle_cores(sample_seconds: float = 0.1) -> int:
    """Return how many of :func:`usable_cores` are idle now, at least 1.

    Parameters
    ----------
    sample_seconds
        How long to watch ``/proc/stat``; where there is none, the load average of the last minute is taken.
    """
    usable = usable_cores()
    if usable == 1:
        return 1
    before = _core_times()
    if before is None:
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
        return max(1, min(usable, round(usable - load)))
    time.sleep(sample_seconds)
    return max(1, min(usable, round(idle_share(before, _core_times() or before))))


def idle_share(before: Mapping[int, tuple[int, int]], after: Mapping[int, tuple[int, int]]) -> float:
    """Return the idle cores between two looks at ``{core: (idle ticks, all ticks)}``, as a number of cores.

    Examples
    --------
    >>> idle_share({0: (100, 200), 1: (50, 200)}, {0: (110, 210), 1: (50, 210)})
    1.0
    """
    share = 0.0
    for core, (idle, total) in after.items():
        idle_before, total_before = before.get(core, (idle, total))
        if total > total_before:
            share += (idle - idle_before) / (total - total_before)
        else:
            share += 1.0  # no tick passed: nothing says that it is busy
    return share


def _core_times() -> dict[int, tuple[int, int]] | None:
    """Return ``{core: (idle ticks, all ticks)}`` of the cores that this process may run on."""
    try:
        lines = Path("/proc/stat").read_text().splitlines()
        allowed = os.sched_getaffinity(0)
    except (OSError, AttributeError):
        return None
    times = {}
    for line in lines:
        name, *fields = line.split()
        if name.startswith("cpu") and name[3:].isdigit() and int(name[3:]) in allowed:
            # user nice system idle iowait irq softirq steal; guest time is in user already
            ticks = [int(field) for field in fields[:8]]
            times[int(name[3:])] = (ticks[3] + ticks[4], sum(ticks))
    return times or None


def _cgroup_quota(root: Path) -> float | None:
    """Return the control group's limit in cores (version 2, then version 1), or None if there is none."""
    try:
        quota, period = (root / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (root / "cpu" / "cpu.cfs_quota_us").read_text().strip()
            period = (root / "cpu" / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    if not quota.isdigit() or not period.isdigit() or int(period) == 0:
        return None  # "max", or -1: unlimited
    return int(quota) / int(period)
