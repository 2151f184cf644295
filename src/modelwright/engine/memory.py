"""Keeping freed memory, so that decoding pictures does not ask the system for the same pages again and again.

glibc gives blocks above 128 KiB back to the system when they are freed (malloc(3), M_MMAP_THRESHOLD; M_TRIM_THRESHOLD),
and every page of the next one is cleared and mapped anew. On virtual machines that took twice as long as decoding:
1280 × 720 JPEG to array, 8.1 ms; with the thresholds below, 3.5 ms.
"""

from __future__ import annotations

import sys

_TRIM, _MAP = -1, -3
"""``M_TRIM_THRESHOLD`` and ``M_MMAP_THRESHOLD`` of ``<malloc.h>``."""
_KEPT = 64 << 20
"""Bytes that may be free at the end of the heap before they are given back."""
_MAPPED = 4 << 20
"""Blocks from this size on are still given back at once: columns of a million numbers are, pictures are not."""


def keep_freed() -> bool:
    """Let this process keep what it frees, up to 64 MB; say whether it could (glibc only)."""
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False  # musl has no such settings
    mallopt.argtypes, mallopt.restype = (ctypes.c_int, ctypes.c_int), ctypes.c_int
    return bool(mallopt(_MAP, _MAPPED)) and bool(mallopt(_TRIM, _KEPT))
