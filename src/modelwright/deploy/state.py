"""Which process serves a target: a file in the store, and how to tell whether it still speaks the truth.

A process id alone proves nothing, because ids are used again. The file also names when the process started (by the
kernel's clock) and which boot of the machine it was; a server counts as running only while all three agree.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FORMAT = 1


@dataclass(frozen=True)
class ServerStatus:
    """What is known about the server of one target.

    Parameters
    ----------
    running
        Whether the process that wrote the file is still there.
    stale
        Whether a file was left behind by a process that is gone (killed, or the machine was restarted).
    """

    target: str
    running: bool
    stale: bool = False
    pid: int | None = None
    url: str | None = None
    package: str | None = None
    """The package it started with."""
    since: int | None = None
    """Nanoseconds since 1970 UTC."""

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return {
            "target": self.target,
            "running": self.running,
            "stale": self.stale,
            "pid": self.pid,
            "url": self.url,
            "package": self.package,
            "since": self.since,
        }


def state_path(root: Path, target: str) -> Path:
    """Return where the state of a target's server is kept."""
    return root / "servers" / f"{target}.json"


def output_path(root: Path, target: str) -> Path:
    """Return where a background server writes what it has to say."""
    return root / "servers" / f"{target}.out"


def write_state(root: Path, target: str, url: str, package: str, since: int) -> None:
    """Say that this process serves ``target``; atomically."""
    path = state_path(root, target)
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.new")
    document = {
        "format": FORMAT,
        "target": target,
        "pid": os.getpid(),
        "started": start_time(os.getpid()),
        "boot": boot_id(),
        "url": url,
        "package": package,
        "since": since,
    }
    temporary.write_text(json.dumps(document), encoding="utf-8")
    temporary.replace(path)


def remove_state(root: Path, target: str) -> None:
    """Take the file away, if it is this process's own."""
    path = state_path(root, target)
    if read_document(path).get("pid") == os.getpid():
        path.unlink(missing_ok=True)


def read_document(path: Path) -> dict[str, Any]:
    """Return the file's content, empty where there is none or it is not what it should be."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(document, dict) or document.get("format") != FORMAT or not isinstance(document.get("pid"), int):
        return {}
    return document


def read_state(root: Path, target: str) -> ServerStatus:
    """Return what the file says, and whether it is still true."""
    document = read_document(state_path(root, target))
    if not document:
        return ServerStatus(target, running=False)
    pid = int(document["pid"])
    started = start_time(pid)
    running = started is not None and started == document.get("started") and boot_id() == document.get("boot")
    return ServerStatus(
        target,
        running=running,
        stale=not running,
        pid=pid,
        url=str(document.get("url")),
        package=str(document.get("package")),
        since=int(document.get("since") or 0),
    )


def start_time(pid: int) -> int | None:
    """Return when a process started, in clock ticks since the boot; None if there is no such process, or a dead one."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text[text.rindex(")") + 2 :].split()  # the name before it may hold blanks and brackets
    return None if fields[0] in {"Z", "X"} else int(fields[19])


def boot_id() -> str:
    """Return what names this boot of the machine; empty where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
