"""Frames of a video or a camera, one after the other, from a process that cannot hang or crash this one.

OpenCV decodes (``pip install 'modelwright[video]'``), in :mod:`.frames_child`; why that library, and why in a process
of its own, is in ``docs/adr/0014-video.md``.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import IO, Any

from modelwright.engine import framing
from modelwright.errors import MissingExtraError
from modelwright.prepare.collect.options import Options

PATIENCE = 10.0
"""Seconds without any message after which the decoder is ended."""
STARTING = 10.0
"""The same for the first message: a process has to start and to load a library."""
LARGEST_FRAME = 64 << 20
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_TIME = re.compile(r"([0-9]+(?:\.[0-9]*)?)\s*(ms|s|m|h|d)?")
EVERY = 1.0
MOST = 10_000
PIXELS = 8_000
"""Security cameras at night and still screens have some 5,000 pixels for a byte, films some 200."""
OPTIONS = {
    "every": "time between frames, such as 1s or 200ms; default: 1s; 0s takes every frame",
    "change": "0 to 1: take a frame only if it differs this much from the last one taken (0.02 is a small change)",
    "most": "frames of one recording, at most",
    "label": "the label of all frames",
}


@dataclass(frozen=True)
class Request:
    """What is to be decoded, and which frames are wanted.

    Parameters
    ----------
    target
        Absolute path of a file, or the address of a stream.
    device
        Number of a camera of this machine, in place of ``target``.
    live
        Whether it is a camera or a stream: times are then those of the clock, from 0.
    every, change, most
        As :data:`OPTIONS` says; ``every`` in seconds.
    seconds
        Of a live recording, at most.
    timeout
        Seconds to wait for a connection, or for a frame.
    """

    target: str
    device: int | None = None
    live: bool = False
    every: float = EVERY
    change: float | None = None
    most: int = MOST
    seconds: float | None = None
    timeout: float = PATIENCE
    size: int = 0
    """Bytes of the file; 0: it is a stream."""
    pixels: int = PIXELS
    """Of a file: pixels that a byte may stand for; see :mod:`.frames_work`."""


@dataclass(frozen=True)
class Frame:
    """One frame: ``seconds`` from the beginning, and a JPEG."""

    seconds: float
    jpeg: bytes


@dataclass(frozen=True)
class Ended:
    """How it ended; always the last.

    Parameters
    ----------
    why
        ``end`` (nothing more came), ``most``, ``time``, ``closed`` (it could not be opened), ``silent`` (the decoder
        said nothing for too long), ``large`` (its frames are beyond 50 million pixels), ``bomb`` (it has more pixels
        than so many bytes pay for), ``again`` (its packets are far more than it holds) or ``died``.
    read, undecoded
        Frames that were read, and those of them that could not be decoded.
    announced
        Frames that the container says it has; 0: it does not say.
    seconds
        Where the last frame was.
    """

    why: str
    read: int = 0
    undecoded: int = 0
    announced: float = 0.0
    seconds: float = 0.0


def frames(request: Request, descriptor: int | None = None) -> Iterator[Frame | Ended]:
    """Yield frames as they come, then how it ended. Memory holds one frame.

    Parameters
    ----------
    descriptor
        An open file, in place of the request's ``target``.

    Raises
    ------
    MissingExtraError
        If there is no decoder.
    """
    if descriptor is not None:
        request = replace(request, target=f"/dev/fd/{descriptor}")
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "modelwright.prepare.collect.frames_child", json.dumps(asdict(request))],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=() if descriptor is None else (descriptor,),
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    )
    assert child.stdout is not None
    read, announced, seconds = 0, 0.0, 0.0
    patience = STARTING
    try:
        while True:
            try:
                message, payload = _message(child.stdout, patience)
            except TimeoutError:
                yield Ended("silent", read, 0, announced, seconds)
                return
            except EOFError:
                yield Ended("died", read, 0, announced, seconds)
                return
            kind = message["kind"]
            if kind == "missing":
                raise MissingExtraError("reading video and cameras", "video")
            if kind == "closed":
                yield Ended("closed")
                return
            if kind == "loaded":
                patience = request.timeout + 1.0
            elif kind == "opened":
                announced = float(message["frames"])
                patience = request.timeout
            elif kind == "tick":
                read = int(message["frames"])
            elif kind == "frame":
                seconds = float(message["seconds"])
                yield Frame(seconds, payload)
            else:
                facts = {name: message[name] for name in ("why", "read", "undecoded", "seconds")}
                yield Ended(**facts, announced=announced)
                return
    finally:
        child.kill()
        child.stdout.close()
        child.wait()


def _message(pipe: IO[bytes], patience: float) -> tuple[dict[str, Any], bytes]:
    """Return the next message.

    Raises
    ------
    TimeoutError
        If it is not there within ``patience`` seconds.
    EOFError
        If the pipe ends, or holds no message.
    """
    end = time.monotonic() + patience

    def take(count: int) -> bytes:
        return _exactly(pipe, count, end)

    try:
        message: dict[str, Any] = json.loads(framing.read_by(take, 1 << 16))
    except ValueError:
        raise EOFError from None
    return message, framing.read_by(take, LARGEST_FRAME)


def _exactly(pipe: IO[bytes], count: int, end: float) -> bytes:
    parts: list[bytes] = []
    with selectors.DefaultSelector() as waiting:
        waiting.register(pipe, selectors.EVENT_READ)
        while count:
            if not waiting.select(max(0.0, end - time.monotonic())):
                raise TimeoutError
            part = os.read(pipe.fileno(), min(count, 1 << 20))
            if not part:
                raise EOFError
            parts.append(part)
            count -= len(part)
    return b"".join(parts)


def seconds_of(options: Options, key: str, usual: float, most: float) -> float:
    """Return an option that is a time, in seconds: a number, or a number with ``ms``, ``s``, ``m`` or ``h``."""
    value = options.get(key)
    if value is None:
        return usual
    found = _seconds(value)
    if found is None or not 0.0 <= found <= most:
        raise options.bad(key, f"a time such as 200ms, 1s or 2m, up to {most:g} s")
    return found


def _seconds(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return float(value)
    match = _TIME.fullmatch(str(value).strip().lower())
    return None if match is None else float(match.group(1)) * _UNITS[match.group(2) or "s"]


def change_of(options: Options) -> float | None:
    """Return the option ``change``, 0 to 1, or None."""
    value = options.get("change")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.0 <= value <= 1.0:
        raise options.bad("change", "a number from 0 to 1")
    return float(value)
