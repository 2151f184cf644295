"""Freed memory is kept: a block of some megabytes costs no page faults the second time."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource
import sys
from modelwright.engine.memory import keep_freed
if sys.argv[1] == "keep":
    assert keep_freed()
def touch():
    return [b"x" * 3_000_000 for _ in range(6)] and None
for _ in range(5):
    touch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    touch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    """Return the page faults of fifty rounds."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, how], check=True, capture_output=True, text=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the settings are glibc's")
def test_what_was_freed_is_used_again() -> None:
    kept = faults("keep")
    assert kept < 1000
    assert faults("as it is") > 10 * kept


PINNED = """
import os
import sys
from modelwright.engine.memory import keep_freed
if sys.argv[1] == "keep":
    assert keep_freed()
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20
large = bytearray(b"x") * 24_000_000
del large  # from now on glibc takes blocks of this size from its heap, unless it was told where that ends
before = resident()
held = []
for _ in range(10):
    block = bytearray(b"x") * 16_000_000
    held.append((block, [bytes(40_000) for _ in range(4)]))
held = [small for _, small in held]  # what is small lies behind what is large, and stays
del block
print(resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the settings are glibc's")
def test_large_blocks_are_given_back_though_small_ones_behind_them_stay() -> None:
    left = {
        how: int(subprocess.run([sys.executable, "-c", PINNED, how], check=True, capture_output=True, text=True).stdout)
        for how in ("keep", "as it is")
    }
    assert left["keep"] < 20
    assert left["as it is"] > 80
