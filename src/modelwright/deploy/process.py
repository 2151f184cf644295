"""A server in the background: start it, ask after it, stop it.

The child is a process of its own session, so that it outlives the terminal. It is told its settings on standard input
and says on a pipe that it is ready, or why it is not.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from modelwright.deploy.settings import ServeSettings, to_mapping
from modelwright.deploy.state import ServerStatus, output_path, read_state, state_path
from modelwright.errors import InputError, ModelwrightError

START_SECONDS = 60.0
GRACE_SECONDS = 10.0
"""What a stopping server gets beyond its own time for answers under way, before it is killed."""


def start(settings: ServeSettings, timeout: float = START_SECONDS) -> ServerStatus:
    """Start a server in the background and wait until it answers.

    Parameters
    ----------
    settings
        As for :func:`modelwright.deploy.server.serve`; ``port=0`` takes a free port.
    timeout
        Seconds to wait for it.

    Returns
    -------
    ServerStatus
        ``url`` is where it listens.

    Raises
    ------
    InputError
        ``already-running`` if this target has a server; otherwise what kept the server from starting.
    ModelwrightError
        ``start-failed`` if it died without a word or was not ready in time (it is then killed).
    """
    settings.check()
    root = Path(settings.store).absolute()
    now = read_state(root, settings.target)
    if now.running:
        raise InputError(
            f"target {settings.target!r} is already served at {now.url} (process {now.pid})",
            code="already-running",
            hint="stop it first, or serve another target",
        )
    output = output_path(root, settings.target)
    output.parent.mkdir(parents=True, exist_ok=True)
    told, tells = os.pipe()
    try:
        with output.open("ab") as out:
            child = subprocess.Popen(
                [sys.executable, "-m", "modelwright.deploy.child", str(root), str(tells)],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                pass_fds=(tells,),
                start_new_session=True,
            )
        os.close(tells)
        tells = -1
        assert child.stdin is not None
        with suppress(BrokenPipeError):
            child.stdin.write(json.dumps(to_mapping(settings)).encode())
            child.stdin.close()
        message = _wait_for_word(told, timeout)
    finally:
        os.close(told)
        if tells >= 0:
            os.close(tells)
    if "url" in message:
        _forget(child)
        return read_state(root, settings.target)
    if "error" in message:
        child.wait(GRACE_SECONDS)
        error = message["error"]
        kind = InputError if message.get("exit_status") == 2 else ModelwrightError
        raise kind(error["message"], code=error["code"], hint=error["hint"])
    child.kill()
    child.wait(GRACE_SECONDS)
    raise ModelwrightError(
        f"the server of target {settings.target!r} did not become ready within {timeout:g} s",
        code="start-failed",
        hint=f"what it said is in {output}",
    )


def _forget(child: subprocess.Popen[bytes]) -> None:
    """Leave the child to itself: it outlives us, so Python must not warn that nobody waited for it."""
    child.returncode = 0


def _wait_for_word(handle: int, timeout: float) -> dict[str, Any]:
    """Return what the child wrote before it closed the pipe; empty if it said nothing in time."""
    end = time.monotonic() + timeout
    said = b""
    while (left := end - time.monotonic()) > 0:
        if not select.select([handle], [], [], left)[0]:
            break
        piece = os.read(handle, 65536)
        if not piece:
            break
        said += piece
    try:
        message = json.loads(said)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def status(store: Path, target: str = "server") -> ServerStatus:
    """Return what is known about the server of ``target``."""
    return read_state(Path(store).absolute(), target)


def stop(store: Path, target: str = "server", timeout: float = 30.0 + GRACE_SECONDS) -> ServerStatus:
    """Stop the server of ``target``: it answers what is under way, flushes its log and ends.

    Parameters
    ----------
    timeout
        Seconds after which it is killed. Nothing that was answered is lost even then.

    Returns
    -------
    ServerStatus
        What was running before; ``running`` is False where there was nothing to stop.
    """
    root = Path(store).absolute()
    before = read_state(root, target)
    if not before.running or before.pid is None:
        state_path(root, target).unlink(missing_ok=True)
        return before
    with suppress(ProcessLookupError):
        os.kill(before.pid, signal.SIGTERM)
    end = time.monotonic() + timeout
    while read_state(root, target).running or _alive(before.pid):
        if time.monotonic() > end:
            with suppress(ProcessLookupError):
                os.kill(before.pid, signal.SIGKILL)
            end = time.monotonic() + GRACE_SECONDS
        time.sleep(0.02)
    state_path(root, target).unlink(missing_ok=True)
    return before


def _alive(pid: int) -> bool:
    from modelwright.deploy.state import start_time

    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # where it is our own child, so that it does not stay as a zombie
    return start_time(pid) is not None
