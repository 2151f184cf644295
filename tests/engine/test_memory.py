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
