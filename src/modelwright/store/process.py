"""Who a process is, so that another one can tell later whether it is still alive."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def this_process() -> dict[str, Any]:
    """Return what identifies this process: machine, boot, process namespace, number and start time."""
    return {
        "host": socket.gethostname(),
        "boot": _boot(),
        "namespace": _namespace(),
        "pid": os.getpid(),
        "start": _start(os.getpid()),
    }


def ended(process: Mapping[str, Any]) -> bool:
    """Say whether a process is certainly gone. False where it cannot be told: another machine, another container."""
    if process.get("host") != socket.gethostname():
        return False
    if process.get("boot") != _boot():
        return True
    if process.get("namespace") != _namespace():
        return False
    pid = process.get("pid")
    return isinstance(pid, int) and _start(pid) != process.get("start")


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _start(pid: int) -> int | None:
    """Return a process's start time in clock ticks since boot, or None if it is gone (or a zombie)."""
    try:
        # The name, in parentheses, may hold anything; the fields behind it are counted from the last parenthesis.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in {"Z", "X"} else int(fields[19])
