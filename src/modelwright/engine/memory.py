"""Which freed memory is kept and which is given back, settled once instead of left to guesses.

glibc gives blocks above 128 KiB back to the system when they are freed (malloc(3), M_MMAP_THRESHOLD; M_TRIM_THRESHOLD),
and every page of the next one is cleared and mapped anew. On virtual machines that took twice as long as decoding:
1280 × 720 JPEG to array, 8.1 ms; with the thresholds below, 3.5 ms.

Left alone, glibc moves the threshold up to the largest block that was freed, at most to 32 MiB. A process that lives
long then keeps what it freed of such blocks wherever something small lies behind them: a server that answered 36
pictures of 12 megapixels held 146 to 205 MiB afterwards, and 139 to 142 with a threshold that stays.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

_TRIM, _MAP = -1, -3
"""``M_TRIM_THRESHOLD`` and ``M_MMAP_THRESHOLD`` of ``<malloc.h>``."""
_KEPT = 64 << 20
"""Bytes that may be free at the end of the heap before they are given back."""
_MAPPED = 4 << 20
"""Blocks from this size on are given back at once: columns of a million numbers and large pictures; others are kept."""


def available() -> tuple[int, int] | None:
    """Return the bytes of memory that are available, and of all, within the control group's limit; None: unknown."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        fields = dict(line.split(":", 1) for line in lines)
        free, total = (int(fields[name].split()[0]) * 1024 for name in ("MemAvailable", "MemTotal"))
    except (OSError, ValueError, KeyError):
        return None
    with contextlib.suppress(OSError, ValueError):
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii"))
        used = int(Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii"))
        if limit < total:
            return min(free, max(limit - used, 0)), limit
    return free, total


def keep_freed() -> bool:
    """Let this process keep what it frees, up to 64 MB, but for large blocks; say whether it could (glibc only)."""
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False  # musl has no such settings
    mallopt.argtypes, mallopt.restype = (ctypes.c_int, ctypes.c_int), ctypes.c_int
    return bool(mallopt(_MAP, _MAPPED)) and bool(mallopt(_TRIM, _KEPT))
