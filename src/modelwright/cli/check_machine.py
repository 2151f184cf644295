"""Checks of the machine: disk, clock, memory, cores, limits."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from modelwright.cli.check import Check

GB = 10**9
EARLIEST = 1_735_689_600
"""The beginning of 2025, in seconds since 1970: no machine that runs this Modelwright is rightly before it."""


def every(folder: Path) -> list[Check]:
    """Return all checks of the machine; ``folder`` is the project's, or the current one."""
    checks = [disk(folder), writable(folder), scratch(), clock(folder), memory(), cores(), descriptors(), encoding()]
    return [check for check in checks if check is not None]


def disk(folder: Path) -> Check:
    """Check the space where the project is."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError as error:
        return Check(
            "disk", "fail", f"{folder}: {error}", "the project's folder cannot be looked at", "check that it is mounted"
        )
    free = usage.free
    words = f"{free / GB:.1f} GB free of {usage.total / GB:.0f} GB at {folder}"
    if free < 200 * 10**6:
        return Check(
            "disk",
            "fail",
            words,
            "a run would stop with a full disk (nothing would be lost)",
            "free some space, or delete .modelwright/cache",
        )
    if free < 2 * GB:
        return Check(
            "disk",
            "warn",
            words,
            "features of a large dataset may not fit",
            "free some space, or delete .modelwright/cache",
        )
    return Check("disk", "ok", words)


def writable(folder: Path) -> Check:
    """Check that the store can be written, flushed and renamed in."""
    store = folder / ".modelwright"
    place = store if store.is_dir() else folder
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix=".doctor-", delete=False) as file:
            file.write(b"x")
            file.flush()
            os.fsync(file.fileno())
        name = Path(file.name)
        renamed = name.with_name(name.name + "-renamed")
        name.rename(renamed)
        renamed.unlink()
    except OSError as error:
        return Check(
            "store",
            "fail",
            f"{place}: {error.strerror or error}",
            "the store cannot be written there",
            f"chown or chmod u+w {place}, or mount it read-write",
        )
    return Check("store", "ok", f"{place} can be written and flushed")


def scratch() -> Check:
    """Check the folder for temporary files."""
    try:
        place = tempfile.gettempdir()
        free = shutil.disk_usage(place).free
    except OSError as error:
        return Check(
            "temporary files",
            "fail",
            str(error),
            "libraries need a place for temporary files",
            "set TMPDIR to a folder that can be written",
        )
    if free < 100 * 10**6:
        return Check(
            "temporary files",
            "warn",
            f"{free / 10**6:.0f} MB free in {place}",
            "exports may fail",
            "free some space, or set TMPDIR",
        )
    return Check("temporary files", "ok", f"{free / GB:.1f} GB free in {place}")


def clock(folder: Path) -> Check:
    """Check that the clock is neither long ago nor before what the store already holds."""
    now = time.time()
    words = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    remedy = "set the clock (timedatectl set-ntp true)"
    if now < EARLIEST:
        return Check(
            "clock",
            "fail",
            words,
            "the clock is behind this version of Modelwright: times in logs would be wrong",
            remedy,
        )
    newest = 0.0
    with contextlib.suppress(OSError):
        for place in (folder / ".modelwright").iterdir():
            newest = max(newest, place.stat().st_mtime)
    if newest > now + 3600:
        ahead = time.strftime("%Y-%m-%d %H:%M", time.gmtime(newest))
        return Check(
            "clock",
            "warn",
            words,
            f"the store holds something from the future ({ahead} UTC): windows and schedules would be wrong",
            remedy,
        )
    return Check("clock", "ok", words)


def memory() -> Check | None:
    """Check the memory that is available, within the control group's limit."""
    from modelwright.engine.memory import available as there

    if (found := there()) is None:
        return None
    available, total = found
    words = f"{available / GB:.1f} GB available of {total / GB:.1f} GB"
    if available < 0.5 * GB:
        return Check("memory", "fail", words, "a step may use 1 GB plus its model", "stop something else")
    if available < 1.5 * GB:
        return Check("memory", "warn", words, "a step may use 1 GB plus its model", "stop something else")
    return Check("memory", "ok", words)


def cores() -> Check:
    """Say how many cores are idle, which is how many Modelwright uses."""
    from modelwright.engine.threads import idle_cores, usable_cores

    usable, idle = usable_cores(), idle_cores()
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return Check("cores", "ok", f"{idle} of {usable} idle{load}")


def descriptors() -> Check | None:
    """Check how many files may be open at once."""
    try:
        import resource
    except ImportError:
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    words = f"{'no limit' if soft == resource.RLIM_INFINITY else f'{soft:,}'} open files"
    if soft != resource.RLIM_INFINITY and soft < 256:
        return Check("file descriptors", "fail", words, "a server needs one for each connection", "ulimit -n 4096")
    if soft != resource.RLIM_INFINITY and soft < 1024:
        return Check(
            "file descriptors",
            "warn",
            words,
            "a server needs one for each connection",
            f"ulimit -n {min(4096, hard) if hard > 0 else 4096}",
        )
    return Check("file descriptors", "ok", words)


def encoding() -> Check:
    """Check that file names can be any Unicode."""
    name = sys.getfilesystemencoding()
    if name.lower().replace("-", "") == "utf8":
        return Check("file names", "ok", name)
    return Check("file names", "warn", name, "names beyond ASCII may not open", "export LANG=C.UTF-8")
